import { registry } from "@web/core/registry";
import { rpc } from "@web/core/network/rpc";
import { _t } from "@web/core/l10n/translation";
import { Interaction } from "@web/public/interaction";
import { CodeCamera } from "@dms_traceability/camera/code_camera";
import { ScanQueue, beep } from "@dms_traceability/scan_screen/scan_queue";

/**
 * Scans goods in (or out) without leaving the page: a hand scanner ends each code with Enter, a phone reads it with its camera,
 * and what has no network waits.
 */
export class DmsReceive extends Interaction {
    static selector = ".o_dms_receive";
    dynamicContent = {
        form: { "t-on-submit.prevent": this.onSubmit },
        textarea: { "t-on-keydown": this.onKeydown },
        ".o_dms_camera": { "t-on-click": this.onCamera },
        _window: { "t-on-online": () => this.queue.flush() },
    };

    setup() {
        this.field = this.el.querySelector("textarea");
        this.received = 0;
        this.work = this.el.querySelector("input[name=work]").value;
        // each kind of work has a queue of its own: what waits for the network is not sold instead of received
        this.queue = new ScanQueue(`dms_receive_${this.work}`, (texts) => this.send(texts), {
            onOutcomes: (outcomes) => outcomes.forEach((outcome) => this.show(outcome)),
            onChange: () => this.refresh(),
            onFailure: () => {},
        });
    }

    start() {
        this.el.querySelector(".o_dms_camera").classList.toggle("d-none", !CodeCamera.isPossible);
        const timer = setInterval(() => this.queue.flush(), 5000);
        this.registerCleanup(() => clearInterval(timer));
        this.camera = new CodeCamera(this.el.querySelector("video"), (text) => this.queue.push(text));
        this.registerCleanup(() => this.camera.stop());
        this.refresh();
        this.queue.flush();
        this.field.focus();
    }

    async send(texts) {
        const answer = await rpc("/my/receive/scan", { texts, work: this.work }, { silent: true });
        return answer.outcomes || texts.map((text) => ({ text, ok: false, message: answer.error }));
    }

    refresh() {
        const waiting = this.el.querySelector(".o_dms_waiting");
        waiting.classList.toggle("d-none", !this.queue.texts.length);
        waiting.querySelector("span").textContent = this.queue.texts.length;
        this.el.querySelector(".o_dms_offline").classList.toggle("d-none", !this.queue.offline);
    }

    onKeydown(ev) {
        if (ev.key === "Enter" && !ev.shiftKey) {
            ev.preventDefault();
            this.onSubmit();
        }
    }

    onSubmit() {
        const texts = this.field.value.split("\n").map((text) => text.trim());
        this.field.value = "";
        this.field.focus();
        texts.filter(Boolean).forEach((text) => this.queue.push(text));
    }

    show(outcome) {
        beep(outcome.ok);
        if (outcome.ok && !outcome.again) {
            this.received += outcome.units;
            this.el.querySelector(".o_dms_received").textContent = this.received;
        }
        const entry = document.createElement("li");
        const tone = outcome.again ? "warning" : outcome.ok ? "success" : "danger";
        entry.className = `o_dms_receive_entry border border-2 border-${tone} rounded p-2 mb-2`;
        const what = document.createElement("div");
        what.className = "fw-bold";
        what.textContent = outcome.units
            ? `${outcome.message} ${outcome.units} × ${outcome.product}`
            : outcome.message;
        const text = document.createElement("div");
        text.className = "small font-monospace text-break text-muted";
        text.textContent = outcome.text;
        entry.append(what, text);
        this.el.querySelector(".o_dms_receive_log").prepend(entry);
    }

    async onCamera() {
        try {
            await this.camera.toggle();
        } catch {
            this.show({
                ok: false,
                text: "",
                message: _t("The camera can't be used. Allow it in the browser."),
            });
        }
    }
}

registry.category("public.interactions").add("dms_portal.dms_receive", DmsReceive);
