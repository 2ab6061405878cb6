import { registry } from "@web/core/registry";

/** Press the map at a share of its width and height. */
function press(x, y) {
    return {
        content: `corner at ${x}, ${y}`,
        trigger: ".o_dms_boundary_map.leaflet-container",
        run({ anchor }) {
            const { left, top, width, height } = anchor.getBoundingClientRect();
            const at = { bubbles: true, clientX: left + width * x, clientY: top + height * y, view: window };
            for (const type of ["mousemove", "click"]) {
                anchor.dispatchEvent(new MouseEvent(type, at));
            }
        },
    };
}

/** Draw a square with the tool whose button is pressed. */
function square(tool, near, far) {
    return [
        { trigger: `.o_dms_boundary_map .${tool}`, run: "click" },
        press(near, near),
        press(far, near),
        press(far, far),
        press(near, far),
        {
            content: "close the ring at its first corner",
            trigger: ".o_dms_boundary_map .marker-icon:not(.cursor-marker)",
            run: "click",
        },
    ];
}

registry.category("web_tour.tours").add("dms_territory_boundary", {
    steps: () => [
        { trigger: ".o_notebook_headers .nav-link:contains(Boundary)", run: "click" },
        {
            content: "the parent is the backdrop",
            trigger:
                ".o_dms_boundary_map path.leaflet-interactive, .o_dms_boundary_map path[stroke='#495057']",
        },
        ...square("leaflet-pm-icon-polygon", 0.3, 0.7),
        { trigger: ".o_dms_boundary_map path[stroke='#714B67']" },
        ...square("leaflet-pm-icon-cut", 0.45, 0.55),
        { trigger: ".o_form_button_save:enabled", run: "click" },
        { content: "saved", trigger: ".o_form_saved, .o_form_status_indicator_buttons.invisible" },
    ],
});

registry.category("web_tour.tours").add("dms_territory_boundary_refused", {
    steps: () => [
        { trigger: ".o_notebook_headers .nav-link:contains(Boundary)", run: "click" },
        { trigger: ".o_dms_boundary summary", run: "click" },
        { trigger: ".o_dms_boundary_text", run: "edit north of the river && press Tab" },
        { trigger: ".o_dms_boundary .alert:contains(no GeoJSON area)" },
        { trigger: ".o_form_button_save:enabled", run: "click" },
        { content: "the server says why", trigger: ".modal .modal-body:contains(not valid JSON)" },
        { trigger: ".modal-footer button:contains(Close), .modal-footer .btn-primary", run: "click" },
        { trigger: ".o_form_button_cancel", run: "click" },
    ],
});
