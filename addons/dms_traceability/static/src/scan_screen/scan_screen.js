import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useBus, useService } from "@web/core/utils/hooks";
import { isBarcodeScannerSupported } from "@web/core/barcode/barcode_video_scanner";
import { scanBarcode } from "@web/core/barcode/barcode_dialog";
import { ConnectionLostError } from "@web/core/network/rpc";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { Component, onWillStart, onWillUnmount, useExternalListener, useRef, useState } from "@odoo/owl";
import { ScanQueue, beep } from "./scan_queue";

/** Scan what leaves with a delivery or comes back with a return: by hand scanner, camera, typing, or a PDA's file. */
export class ScanScreen extends Component {
    static template = "dms_traceability.ScanScreen";
    static props = { ...standardActionServiceProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.notification = useService("notification");
        this.input = useRef("input");
        this.pickingId = this.props.action.params?.picking_id || this.props.action.context.active_id;
        this.hasCamera = isBarcodeScannerSupported();
        this.state = useState({ doc: null, log: [], waiting: 0, offline: false, flash: "", typed: "" });
        this.queue = new ScanQueue(`dms_scan_${this.pickingId}`, (texts) => this.send(texts), {
            onOutcomes: (outcomes) => outcomes.forEach((outcome) => this.show(outcome)),
            onChange: () => this.refreshQueue(),
            onFailure: (error) => this.fail(error),
        });
        useBus(useService("barcode").bus, "barcode_scanned", (ev) => this.scan(ev.detail.barcode));
        useExternalListener(window, "online", () => this.queue.flush());
        const timer = setInterval(() => this.queue.flush(), 5000);
        onWillUnmount(() => clearInterval(timer));
        onWillStart(async () => {
            this.state.doc = await this.call("dms_scan_load", []);
            this.refreshQueue();
            this.queue.flush();
        });
    }

    call(method, args) {
        return this.orm.silent.call("stock.picking", method, [[this.pickingId], ...args]);
    }

    async send(texts) {
        const { outcomes, ...doc } = await this.call("dms_scan_add", [texts]);
        this.state.doc = doc;
        return outcomes;
    }

    refreshQueue() {
        this.state.waiting = this.queue.texts.length;
        this.state.offline = this.queue.offline;
    }

    fail(error) {
        if (!(error instanceof ConnectionLostError) && error.data?.message) {
            // The server refuses the whole document: sending again would not help.
            this.queue.texts = [];
            this.queue.offline = false;
            this.show({ ok: false, text: "", message: error.data.message });
        }
    }

    scan(text) {
        text = text.trim();
        if (text) {
            this.queue.push(text);
        }
    }

    show(outcome) {
        const good = outcome.ok || outcome.again;
        beep(good);
        this.state.flash = outcome.ok ? "good" : outcome.again ? "again" : "bad";
        this.state.log.unshift({ ...outcome, id: (this.lastId = (this.lastId || 0) + 1) });
        this.state.log.length = Math.min(this.state.log.length, 50);
    }

    onKeydown(ev) {
        if (ev.key === "Enter") {
            ev.preventDefault();
            this.onSubmit();
        }
    }

    onSubmit() {
        this.scan(this.state.typed);
        this.state.typed = "";
        this.input.el?.focus();
    }

    async onCamera() {
        try {
            this.scan(await scanBarcode(this.env));
        } catch (error) {
            this.notification.add(error?.message || _t("The camera can't be used."), { type: "warning" });
        }
    }

    async onFile(ev) {
        const file = ev.target.files[0];
        ev.target.value = "";
        if (!file) {
            return;
        }
        try {
            const { outcomes, accepted, refused, ...doc } = await this.call("dms_scan_upload", [
                await file.text(),
            ]);
            this.state.doc = doc;
            outcomes.reverse().forEach((outcome) => this.show(outcome));
            this.notification.add(
                _t("%(accepted)s codes accepted, %(refused)s refused.", { accepted, refused }),
                { type: refused ? "warning" : "success" },
            );
        } catch (error) {
            this.notification.add(error.data?.message || _t("The file could not be sent. Try again."), {
                type: "danger",
            });
        }
    }

    async onUndo(entry) {
        this.state.doc = await this.call("dms_scan_undo", [entry.text]);
        entry.undone = true;
        this.state.flash = "";
    }

    onBack() {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "stock.picking",
            res_id: this.pickingId,
            views: [[false, "form"]],
        });
    }

    percent(line) {
        return line.expected ? Math.min(100, (100 * line.scanned) / line.expected) : 100;
    }

    tone(line) {
        if (line.scanned > line.expected) {
            return "danger";
        }
        return line.scanned === line.expected ? "success" : "primary";
    }

    missing(line) {
        const left = line.expected - line.scanned;
        if (left > 0) {
            return _t("%s to scan", left);
        }
        return left ? _t("%s too many", -left) : _t("Complete");
    }

    get complete() {
        return (
            this.state.doc.lines.length &&
            this.state.doc.lines.every((line) => line.scanned === line.expected)
        );
    }
}

registry.category("actions").add("dms_scan_screen", ScanScreen);
