const STORE = "pieces";

function settle(request) {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
}

function hex(bytes) {
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 of a blob in hexadecimal; empty where the browser can't (pages without https). */
export async function hash(blob) {
    if (!window.crypto?.subtle) {
        return "";
    }
    return hex(new Uint8Array(await window.crypto.subtle.digest("SHA-256", await blob.arrayBuffer())));
}

export function newKey() {
    return hex(window.crypto.getRandomValues(new Uint8Array(16)));
}

/**
 * Pieces of evidence that the server has not confirmed yet, in the browser's database: they outlive a reload, a dead
 * network and a dead battery. Each has a key, by which the server knows a piece that it got before.
 */
export class EvidenceStore {
    constructor(inspection) {
        this.inspection = inspection;
        this.memory = [];
    }

    async open() {
        try {
            const request = window.indexedDB.open("dms_inspection", 1);
            request.onupgradeneeded = () =>
                request.result
                    .createObjectStore(STORE, { keyPath: "key" })
                    .createIndex("inspection", "inspection");
            this.db = await settle(request);
        } catch {
            this.db = null;
        }
    }

    store(mode) {
        return this.db.transaction(STORE, mode).objectStore(STORE);
    }

    async put(piece) {
        try {
            await settle(this.store("readwrite").put(piece));
        } catch {
            // A full phone, or no storage: it is kept as long as the page is open.
            this.memory = [...this.memory.filter((other) => other.key !== piece.key), piece];
        }
    }

    async remove(key) {
        this.memory = this.memory.filter((piece) => piece.key !== key);
        if (this.db) {
            await settle(this.store("readwrite").delete(key));
        }
    }

    /** Pieces of this inspection in the order in which they were taken. */
    async list() {
        const stored = this.db
            ? await settle(this.store("readonly").index("inspection").getAll(this.inspection))
            : [];
        return [...stored, ...this.memory].sort((one, other) => one.taken - other.taken);
    }
}
