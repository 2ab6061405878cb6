import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("dms_portal_scan_in", {
    // The code is handed over by the test in the page's address.
    steps: (code = new URLSearchParams(window.location.search).get("code")) => [
        { trigger: "body[is-ready=true]" },
        { trigger: ".o_dms_receive textarea", run: "edit NOTACODE" },
        { trigger: ".o_dms_receive_add", run: "click" },
        { trigger: ".o_dms_receive_entry.border-danger:contains(none of our codes)" },
        { trigger: ".o_dms_receive textarea", run: `edit ${code}` },
        { trigger: ".o_dms_receive textarea", run: "press Enter" },
        { trigger: ".o_dms_receive_entry.border-success:contains(24 × Green Tea)" },
        { trigger: ".o_dms_received:contains(24)" },
        { trigger: ".o_dms_receive textarea", run: `edit ${code}` },
        { trigger: ".o_dms_receive_add", run: "click" },
        { trigger: ".o_dms_receive_entry.border-warning:contains(already)" },
        { trigger: ".o_dms_received:contains(24)" },
    ],
});

registry.category("web_tour.tours").add("dms_portal_camera", {
    // The label of a case is held before the camera all the time.
    steps: () => [
        { trigger: "body[is-ready=true]" },
        { trigger: ".o_dms_camera:not(.d-none)", run: "click" },
        { trigger: "video:not(.d-none)" },
        { trigger: ".o_dms_receive_entry.border-success:contains(24 × Green Tea)" },
        { trigger: ".o_dms_received:contains(24)" },
        { trigger: ".o_dms_camera", run: "click" },
        { trigger: "body:not(:has(video:not(.d-none)))" },
    ],
});

registry.category("web_tour.tours").add("dms_portal_sell", {
    steps: (code = new URLSearchParams(window.location.search).get("code")) => [
        { trigger: "body[is-ready=true]" },
        { trigger: ".nav-link.active:contains(Sold)" },
        { trigger: ".o_dms_receive textarea", run: `edit ${code}` },
        { trigger: ".o_dms_receive_add:contains(Sell)", run: "click" },
        { trigger: ".o_dms_receive_entry.border-success:contains(Sold):contains(24 × Green Tea)" },
        { trigger: ".o_dms_received:contains(24)" },
    ],
});
