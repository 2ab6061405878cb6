import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

/** On a phone the sections scroll sideways: bring the current one into view. */
export class DmsNav extends Interaction {
    static selector = ".o_dms_nav .nav";

    start() {
        const active = this.el.querySelector(".active");
        if (active) {
            this.el.scrollLeft = active.offsetLeft - (this.el.clientWidth - active.offsetWidth) / 2;
        }
    }
}

registry.category("public.interactions").add("dms_portal.nav", DmsNav);
