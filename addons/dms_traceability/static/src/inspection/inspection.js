import { registry } from "@web/core/registry";
import { rpc } from "@web/core/network/rpc";
import { _t } from "@web/core/l10n/translation";
import { Interaction } from "@web/public/interaction";
import { CodeCamera } from "@dms_traceability/camera/code_camera";
import { beep } from "@dms_traceability/scan_screen/scan_queue";
import { EvidenceStore, hash, newKey } from "./evidence_store";

function toBase64(blob) {
    return new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.split(",")[1] || "");
        reader.onerror = () => reject(reader.error);
        reader.readAsDataURL(blob);
    });
}

/** An inspector's order on the phone: takes evidence, keeps it while there is no network, and sends it. */
export class DmsInspection extends Interaction {
    static selector = ".o_dms_inspection";
    dynamicContent = {
        "input[type=file]": { "t-on-change": this.onFile },
        ".o_dms_code_form": { "t-on-submit.prevent": this.onCode },
        ".o_dms_note_form": { "t-on-submit.prevent": this.onNote },
        ".o_dms_done_form": { "t-on-submit.prevent": this.onDone },
        ".o_dms_camera": { "t-on-click": this.onCamera },
        ".o_dms_locate": { "t-on-click": () => this.locate() },
        _window: { "t-on-online": () => this.flush(), "t-on-offline": () => this.setOffline(true) },
    };

    setup() {
        this.id = parseInt(this.el.dataset.id);
        this.store = new EvidenceStore(this.id);
        this.sending = false;
        this.point = {};
    }

    async willStart() {
        await this.store.open();
    }

    start() {
        this.el.querySelector(".o_dms_camera")?.classList.toggle("d-none", !CodeCamera.isPossible);
        const timer = setInterval(() => this.flush(), 5000);
        this.registerCleanup(() => clearInterval(timer));
        const video = this.el.querySelector("video");
        if (video) {
            this.camera = new CodeCamera(video, (text) => this.add("code", { text }));
            this.registerCleanup(() => this.camera.stop());
            // Codes are read where there may be no network; without the reader they are typed.
            CodeCamera.prepare().catch(() => {});
        }
        this.keepPage();
        this.refresh().then(() => this.flush());
        if (this.el.querySelector(".o_dms_locate")) {
            this.locate(true);
        }
        this.el.dataset.ready = "1";
    }

    /** Have the page at hand where there is no network. */
    async keepPage() {
        if (!("serviceWorker" in navigator)) {
            return;
        }
        try {
            if (this.el.dataset.state !== "open") {
                // What is done need not stay on the phone.
                await (await caches.open("dms-inspection")).delete(window.location.href);
                return;
            }
            await navigator.serviceWorker.register("/dms/inspection/worker.js", {
                scope: "/dms/inspection/",
            });
            const cache = await caches.open("dms-inspection");
            const loaded = performance
                .getEntriesByType("resource")
                .map((entry) => entry.name)
                .filter((name) => name.startsWith(`${window.location.origin}/`));
            await Promise.all(
                [window.location.href, ...new Set(loaded)].map((url) => cache.add(url).catch(() => {})),
            );
        } catch {
            // Without it the page needs a network to open; evidence waits all the same.
        }
    }

    // Taking evidence

    async onFile(ev) {
        const input = ev.currentTarget;
        const files = [...input.files];
        for (const file of files) {
            await this.add(input.dataset.kind, { blob: file, filename: file.name });
        }
        input.value = "";
    }

    onCode(ev) {
        this.addText("code", ev.currentTarget.querySelector("input"));
    }

    onNote(ev) {
        this.addText("note", ev.currentTarget.querySelector("textarea"));
    }

    addText(kind, field) {
        const text = field.value.trim();
        field.value = "";
        field.focus();
        return text && this.add(kind, { text });
    }

    async add(kind, { blob, filename, text }) {
        const piece = {
            key: newKey(),
            inspection: this.id,
            kind,
            taken: Date.now() / 1000,
            ...this.point,
            ...(text ? { text } : { blob, filename }),
            sha256: await hash(blob || new Blob([text])),
        };
        await this.store.put(piece);
        await this.refresh();
        await this.flush();
    }

    locate(silently = false) {
        const label = this.el.querySelector(".o_dms_position");
        if (!navigator.geolocation) {
            label.textContent = _t("This phone gives no position.");
            return;
        }
        navigator.geolocation.getCurrentPosition(
            ({ coords }) => {
                const { latitude, longitude, accuracy } = coords;
                this.point = { latitude, longitude, accuracy };
                label.textContent = `${latitude.toFixed(5)}, ${longitude.toFixed(5)} ± ${Math.round(accuracy)} m`;
            },
            () => {
                if (!silently) {
                    label.textContent = _t("No position: allow it in the browser, or go outside.");
                }
            },
            { enableHighAccuracy: true, timeout: 15000, maximumAge: 60000 },
        );
    }

    // Sending

    async flush() {
        if (this.sending) {
            return;
        }
        this.sending = true;
        try {
            for (const piece of await this.store.list()) {
                if (!piece.refused) {
                    await this.send(piece);
                }
            }
            this.setOffline(!navigator.onLine);
        } catch {
            this.setOffline(true);
        } finally {
            this.sending = false;
        }
    }

    async send(piece) {
        const { blob, refused, ...plain } = piece;
        if (blob) {
            plain.content = await toBase64(blob);
        }
        const answer = await rpc(`/dms/inspection/${this.id}/evidence`, { piece: plain }, { silent: true });
        if (answer.error) {
            // Stays on the phone until the inspector throws it away: nothing is lost silently.
            await this.store.put({ ...piece, refused: answer.error });
            beep(false);
        } else {
            await this.store.remove(piece.key);
            this.show(answer);
        }
        await this.refresh();
    }

    setOffline(offline) {
        this.el.querySelector(".o_dms_offline").classList.toggle("d-none", !offline);
    }

    // Showing

    show(outcome) {
        if (outcome.kind === "code") {
            beep(outcome.verdict === "genuine");
        }
        const sent = this.el.querySelector(".o_dms_sent");
        if (!sent.querySelector(`[data-key="${outcome.key}"]`)) {
            sent.prepend(this.draw(outcome));
        }
        this.el.querySelector(".o_dms_none")?.remove();
    }

    draw({ key, label, text, message, verdict, sha256 }) {
        const tone = { genuine: "success", inactive: "warning", void: "danger", forged: "danger" }[verdict];
        const entry = document.createElement("li");
        entry.className = `o_dms_piece border-start border-4 border-${tone || "secondary"} ps-2 mb-3`;
        entry.dataset.key = key;
        for (const [content, className] of [
            [label, "fw-bold"],
            [text, "text-break"],
            [message, ""],
            [sha256 && `SHA-256 ${sha256}`, "small font-monospace text-muted text-break"],
        ]) {
            if (content) {
                const line = document.createElement("div");
                line.className = className;
                line.textContent = content;
                entry.append(line);
            }
        }
        return entry;
    }

    drawButton(label, act) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "btn btn-sm btn-outline-danger mt-1 me-2";
        button.textContent = label;
        button.addEventListener("click", async () => {
            await act();
            await this.refresh();
            await this.flush();
        });
        return button;
    }

    async refresh() {
        const pieces = await this.store.list();
        const labels = {
            photo: _t("Photo"),
            receipt: _t("Receipt"),
            code: _t("Scanned Code"),
            note: _t("Note"),
        };
        const waiting = this.el.querySelector(".o_dms_pending");
        waiting.replaceChildren(
            ...pieces.map((piece) => {
                const entry = this.draw({
                    key: piece.key,
                    label: labels[piece.kind],
                    text: piece.text || piece.filename,
                    message: piece.refused || _t("Waits to be sent."),
                    verdict: piece.refused ? "forged" : "inactive",
                    sha256: piece.sha256,
                });
                if (piece.refused) {
                    entry.append(
                        this.drawButton(_t("Send it again"), () =>
                            this.store.put({ ...piece, refused: undefined }),
                        ),
                        this.drawButton(_t("Throw it away"), () => this.store.remove(piece.key)),
                    );
                }
                return entry;
            }),
        );
        const badge = this.el.querySelector(".o_dms_waiting");
        badge.classList.toggle("d-none", !pieces.length);
        badge.querySelector("span").textContent = pieces.length;
        this.waiting = pieces.length;
        if (pieces.length) {
            this.el.querySelector(".o_dms_none")?.remove();
        }
    }

    // Reporting

    async onDone(ev) {
        const form = ev.currentTarget;
        const problem = form.querySelector(".o_dms_problem");
        await this.flush();
        if (this.waiting) {
            problem.textContent = _t(
                "Some evidence is not sent yet. Report once it is: it is safe on this phone.",
            );
            problem.classList.remove("d-none");
            return;
        }
        let answer;
        try {
            answer = await rpc(
                `/dms/inspection/${this.id}/done`,
                {
                    key: (this.reportKey ||= newKey()),
                    result: form.elements.result.value,
                    findings: form.elements.findings.value,
                },
                { silent: true },
            );
        } catch {
            answer = { error: _t("There is no network. Try again when there is.") };
        }
        if (answer.error) {
            problem.textContent = answer.error;
            problem.classList.remove("d-none");
        } else {
            window.location.reload();
        }
    }

    // Camera

    async onCamera() {
        try {
            await this.camera.toggle();
        } catch {
            this.el.querySelector(".o_dms_code_form input").placeholder = _t(
                "The camera can't be used. Allow it in the browser.",
            );
        }
    }
}

registry.category("public.interactions").add("dms_traceability.inspection", DmsInspection);
