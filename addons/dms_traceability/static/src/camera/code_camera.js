import { loadJS } from "@web/core/assets";
import { buildZXingBarcodeDetector } from "@web/core/barcode/ZXingBarcodeDetector";

const ZXING = "/web/static/lib/zxing-library/zxing-library.js";
// Fewer formats are read faster; labels of goods have these.
const FORMATS = ["qr_code", "data_matrix", "code_128", "ean_13"];

/** The browser's own reader where it has one, else ZXing (iPhones, Firefox). */
async function makeDetector() {
    if ("BarcodeDetector" in window) {
        const known = await window.BarcodeDetector.getSupportedFormats();
        const formats = FORMATS.filter((format) => known.includes(format));
        if (formats.length) {
            return new window.BarcodeDetector({ formats });
        }
    }
    await loadJS(ZXING);
    const Detector = buildZXingBarcodeDetector(window.ZXing);
    return new Detector({ formats: FORMATS });
}

/**
 * Reads codes with the camera, each once for as long as it is in sight.
 */
export class CodeCamera {
    static get isPossible() {
        return Boolean(navigator.mediaDevices?.getUserMedia);
    }

    /** Fetch what a browser without a reader of its own needs, while there is a network. */
    static async prepare() {
        if (!("BarcodeDetector" in window)) {
            await loadJS(ZXING);
        }
    }

    /**
     * @param {HTMLVideoElement} video shown while the camera runs
     * @param {(text: string) => any} onCode awaited before the next look
     */
    constructor(video, onCode) {
        this.video = video;
        this.onCode = onCode;
        this.stream = null;
    }

    /** Start, or stop if it runs; throws where the camera may not be used. */
    async toggle() {
        if (this.stream) {
            this.stop();
            return;
        }
        this.detector ||= await makeDetector();
        this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
        this.video.srcObject = this.stream;
        this.video.classList.remove("d-none");
        await this.video.play();
        this.watch();
    }

    async watch() {
        let last = "";
        while (this.stream) {
            const found = await this.detector.detect(this.video).catch(() => []);
            if (found.length && found[0].rawValue !== last) {
                last = found[0].rawValue;
                await this.onCode(last);
            }
            await new Promise((resolve) => setTimeout(resolve, 250));
        }
    }

    stop() {
        this.stream?.getTracks().forEach((track) => track.stop());
        this.stream = null;
        this.video.classList.add("d-none");
    }
}
