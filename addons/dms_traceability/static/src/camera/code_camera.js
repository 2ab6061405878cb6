/**
 * Reads codes with a phone's camera where the browser itself can, each once for as long as it is in sight.
 */
export class CodeCamera {
    static get isPossible() {
        return "BarcodeDetector" in window;
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
        this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
        this.video.srcObject = this.stream;
        this.video.classList.remove("d-none");
        await this.video.play();
        this.watch();
    }

    async watch() {
        const detector = new window.BarcodeDetector();
        let last = "";
        while (this.stream) {
            const found = await detector.detect(this.video).catch(() => []);
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
