import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

/** Several products in one proposal: each has a row of its own, made after the first one. */
export class DmsTransfer extends Interaction {
    static selector = ".o_dms_transfer_form";
    dynamicContent = {
        ".o_dms_add": { "t-on-click": this.onAdd },
        // rows that are added later are not known by then: the click is heard where all rows are
        ".o_dms_transfer_rows": { "t-on-click": this.onClickRows },
    };

    get rows() {
        return this.el.querySelectorAll(".o_dms_transfer_row");
    }

    onAdd() {
        const row = this.rows[0].cloneNode(true);
        row.querySelectorAll("select, input").forEach((field) => (field.value = ""));
        this.insert(row, this.el.querySelector(".o_dms_transfer_rows"));
        this.refresh();
        row.querySelector("select").focus();
    }

    onClickRows(ev) {
        if (ev.target.closest(".o_dms_remove") && this.rows.length > 1) {
            ev.target.closest(".o_dms_transfer_row").remove();
            this.refresh();
        }
    }

    /** The last row stays: a proposal of nothing is none. */
    refresh() {
        this.el
            .querySelectorAll(".o_dms_remove")
            .forEach((button) => button.classList.toggle("invisible", this.rows.length === 1));
    }
}

registry.category("public.interactions").add("dms_portal.transfer", DmsTransfer);
