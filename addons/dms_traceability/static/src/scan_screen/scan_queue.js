/**
 * Scans that the server has not confirmed yet. They outlive a reload and a dead network; sending one twice does no harm,
 * because the server says of the second that it was scanned already.
 */
export class ScanQueue {
    /**
     * @param {string} name of the place in the browser's storage
     * @param {function(string[]): Promise<Object[]>} send answers one outcome for each text
     * @param {Object} handlers `onOutcomes(outcomes)`, `onChange()`, `onFailure(error)`
     */
    constructor(name, send, { onOutcomes, onChange, onFailure }) {
        Object.assign(this, { name, send, onOutcomes, onChange, onFailure });
        this.sending = false;
        this.offline = false;
        this.texts = this.load();
    }

    load() {
        try {
            const texts = JSON.parse(window.localStorage.getItem(this.name) || "[]");
            return Array.isArray(texts) ? texts.filter((text) => typeof text === "string") : [];
        } catch {
            return [];
        }
    }

    store() {
        try {
            window.localStorage.setItem(this.name, JSON.stringify(this.texts));
        } catch {
            // Without storage the queue lives as long as the page.
        }
        this.onChange();
    }

    push(text) {
        this.texts.push(text);
        this.store();
        return this.flush();
    }

    async flush() {
        if (this.sending || !this.texts.length) {
            return;
        }
        this.sending = true;
        const batch = this.texts.slice(0, 50);
        let outcomes = null;
        try {
            outcomes = await this.send(batch);
            this.offline = false;
        } catch (error) {
            this.offline = true;
            this.onFailure(error);
        }
        this.sending = false;
        if (outcomes) {
            this.texts.splice(0, batch.length);
            this.onOutcomes(outcomes);
        }
        this.store();
        if (outcomes) {
            await this.flush();
        }
    }
}

/** A short tone, high for yes and low for no; silent where the browser allows no sound. */
export function beep(good) {
    try {
        const context = (beep.context ||= new AudioContext());
        const tone = context.createOscillator();
        const volume = context.createGain();
        tone.frequency.value = good ? 1320 : 220;
        volume.gain.value = 0.15;
        tone.connect(volume).connect(context.destination);
        tone.start();
        tone.stop(context.currentTime + (good ? 0.08 : 0.35));
    } catch {
        // No sound.
    }
    if (!good && navigator.vibrate) {
        navigator.vibrate(200);
    }
}
