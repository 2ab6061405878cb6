import { registry } from "@web/core/registry";
import { rpc } from "@web/core/network/rpc";
import { _t } from "@web/core/l10n/translation";
import { Interaction } from "@web/public/interaction";

/**
 * Quantities in the catalogue and in the cart. The server answers the cart as HTML, so that amounts, promotions and
 * the credit left are only ever computed there.
 */
export class DmsCart extends Interaction {
    static selector = ".o_dms_order_form";
    dynamicContent = {
        _root: { "t-on-click": this.onClick, "t-on-change": this.onChange },
    };

    setup() {
        this.pending = new Map();
        this.sending = Promise.resolve();
        this.send = this.debounced(this.sendPending, 350);
    }

    onClick(ev) {
        const button = ev.target.closest("[data-dms-step]");
        if (!button) {
            return;
        }
        const input = button.closest(".o_dms_stepper").querySelector("input");
        const value = (parseFloat(input.value) || 0) + parseFloat(button.dataset.dmsStep);
        input.value = String(Math.max(value, 0));
        this.change(input);
    }

    onChange(ev) {
        if (ev.target.matches(".o_dms_stepper input")) {
            this.change(ev.target);
        }
    }

    change(input) {
        this.pending.set(input.dataset.productId, input.value);
        this.el.querySelector(".o_dms_cart_target")?.setAttribute("aria-busy", "true");
        this.send();
    }

    sendPending() {
        const changes = [...this.pending];
        this.pending.clear();
        for (const [productId, quantity] of changes) {
            this.sending = this.sending.then(() => this.sendOne(parseInt(productId), quantity));
        }
        return this.sending;
    }

    async sendOne(productId, quantity) {
        const { view, orderId } = this.el.dataset;
        const params = { product_id: productId, quantity, view };
        if (orderId) {
            params.order_id = parseInt(orderId);
        }
        let answer;
        try {
            answer = await this.waitFor(rpc("/my/catalogue/quantity", params));
        } catch {
            answer = { error: _t("The quantity was not saved. Check your connection and try again.") };
        }
        const errorEl = this.el.querySelector(".o_dms_cart_error");
        errorEl.textContent = answer.error || "";
        errorEl.classList.toggle("d-none", !answer.error);
        if (answer.html !== undefined && !this.pending.size) {
            this.show(answer.html);
        }
    }

    show(html) {
        const target = this.el.querySelector(".o_dms_cart_target");
        const focused = target.contains(document.activeElement) && document.activeElement.dataset;
        const template = document.createElement("template");
        template.innerHTML = html; // rendered by our own QWeb template
        target.replaceChildren(template.content);
        target.removeAttribute("aria-busy");
        if (focused && focused.productId) {
            target.querySelector(`[data-product-id="${focused.productId}"]`)?.focus();
        }
    }
}

registry.category("public.interactions").add("dms_portal.cart", DmsCart);
