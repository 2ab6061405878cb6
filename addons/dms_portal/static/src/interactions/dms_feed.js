import { registry } from "@web/core/registry";
import { rpc } from "@web/core/network/rpc";
import { _t } from "@web/core/l10n/translation";
import { Interaction } from "@web/public/interaction";

/**
 * Mends lines of a report in place: the texts of a line are sent, the server checks the line again and answers it.
 */
export class DmsFeed extends Interaction {
    static selector = ".o_dms_feed";
    dynamicContent = {
        _root: { "t-on-submit": this.onSubmit, "t-on-click": this.onClick },
    };

    onSubmit(ev) {
        const form = ev.target.closest("form.o_dms_mend");
        if (form) {
            ev.preventDefault();
            const texts = {};
            for (const input of form.querySelectorAll("input[data-field]")) {
                if (input.value !== input.defaultValue) {
                    texts[input.dataset.field] = input.value;
                }
            }
            this.send(form, { texts });
        }
    }

    onClick(ev) {
        const button = ev.target.closest(".o_dms_replace");
        if (button) {
            this.send(button.closest("form.o_dms_mend"), { replace: true });
        }
    }

    async send(form, params) {
        const lineEl = form.closest(".o_dms_bad_line");
        const errorEl = form.querySelector(".o_dms_line_error");
        const buttons = [...form.querySelectorAll("button")];
        buttons.forEach((button) => (button.disabled = true));
        let answer;
        try {
            const url = `/my/feeds/${this.el.dataset.feedId}/lines/${lineEl.dataset.lineId}`;
            answer = await this.waitFor(rpc(url, params));
        } catch {
            answer = { error: _t("The line was not saved. Check your connection and try again.") };
        }
        if (answer.error) {
            buttons.forEach((button) => (button.disabled = false));
            errorEl.textContent = answer.error;
            errorEl.classList.remove("d-none");
            return;
        }
        lineEl.replaceWith(this.parse(answer.html));
        const summaryEl = this.el.querySelector(".o_dms_feed_summary");
        summaryEl.replaceWith(this.parse(answer.summary));
    }

    parse(html) {
        const template = document.createElement("template");
        template.innerHTML = html.trim(); // rendered by our own QWeb template
        return template.content;
    }
}

/** Sends a file as soon as it is chosen or dropped, and shows that it is under way. */
export class DmsUpload extends Interaction {
    static selector = ".o_dms_upload";
    dynamicContent = {
        "input[type=file]": { "t-on-change": this.onChoose },
        _root: { "t-on-submit": this.onSubmit },
    };

    onChoose(ev) {
        this.el.querySelector(".o_dms_upload_name").textContent = ev.target.files[0]?.name || "";
        this.el.querySelector("button[type=submit]").disabled = !ev.target.files.length;
    }

    onSubmit() {
        const button = this.el.querySelector("button[type=submit]");
        // after the browser has collected the form
        this.waitForTimeout(() => {
            button.disabled = true;
            button.querySelector(".fa").className = "fa fa-spinner fa-spin me-1";
        }, 0);
    }
}

/** Shows only the products that match what is typed; what has a quantity stays in sight. */
export class DmsFeedForm extends Interaction {
    static selector = ".o_dms_feed_form";
    dynamicContent = {
        ".o_dms_form_search": { "t-on-input": this.onSearch, "t-on-keydown": this.onKeydown },
    };

    onSearch(ev) {
        const text = ev.target.value.trim().toLowerCase();
        for (const rowEl of this.el.querySelectorAll(".o_dms_form_product")) {
            const hidden =
                !rowEl.textContent.toLowerCase().includes(text) && !rowEl.querySelector("input").value;
            rowEl.classList.toggle("d-none", hidden);
            rowEl.classList.toggle("d-flex", !hidden);
        }
    }

    /** Enter looks for a product, it does not send the report. */
    onKeydown(ev) {
        if (ev.key === "Enter") {
            ev.preventDefault();
        }
    }
}

registry.category("public.interactions").add("dms_portal.feed", DmsFeed);
registry.category("public.interactions").add("dms_portal.feed_form", DmsFeedForm);
registry.category("public.interactions").add("dms_portal.upload", DmsUpload);
