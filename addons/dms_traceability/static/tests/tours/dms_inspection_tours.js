import { registry } from "@web/core/registry";

const network = window.XMLHttpRequest.prototype.send;

/** While the network is cut, requests for evidence fail as they do in a cellar. */
function cutNetwork() {
    const open = window.XMLHttpRequest.prototype.open;
    window.XMLHttpRequest.prototype.open = function (method, url, ...rest) {
        this.isEvidence = String(url).includes("/dms/inspection/");
        return open.call(this, method, url, ...rest);
    };
    window.XMLHttpRequest.prototype.send = function (...args) {
        if (this.isEvidence) {
            setTimeout(() => this.dispatchEvent(new ProgressEvent("error")));
        } else {
            network.apply(this, args);
        }
    };
}

registry.category("web_tour.tours").add("dms_inspection", {
    // The code is handed over by the test in the page's address.
    steps: (code = new URLSearchParams(window.location.search).get("code")) => [
        { trigger: ".o_dms_inspection[data-ready]", run: cutNetwork },
        {
            content: "a photo is taken",
            trigger: "input[data-kind=photo]",
            async run({ anchor }) {
                const canvas = document.createElement("canvas");
                canvas.width = canvas.height = 32;
                canvas.getContext("2d").fillRect(0, 0, 32, 32);
                const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg"));
                const transfer = new DataTransfer();
                transfer.items.add(new File([blob], "shelf.jpg", { type: "image/jpeg" }));
                anchor.files = transfer.files;
                anchor.dispatchEvent(new Event("change", { bubbles: true }));
            },
        },
        { trigger: ".o_dms_pending .o_dms_piece:contains(shelf.jpg)" },
        { trigger: ".o_dms_code_form input", run: `edit ${code}` },
        { trigger: ".o_dms_code_form button[type=submit]", run: "click" },
        { trigger: `.o_dms_pending .o_dms_piece:contains(${code})` },
        { trigger: ".o_dms_offline:not(.d-none)" },
        {
            content: "without a network nothing is reported",
            trigger: "#result_found",
            run: "click",
        },
        { trigger: "#inspection_findings", run: "edit Two shelves of it." },
        { trigger: ".o_dms_done_form button[type=submit]", run: "click" },
        { trigger: ".o_dms_problem:contains(not sent yet)" },
        {
            content: "the page is loaded again, and the network is back",
            trigger: ".o_dms_waiting:contains(2)",
            run: () => window.location.reload(),
            expectUnloadPage: true,
        },
        { trigger: ".o_dms_sent .o_dms_piece:contains(Photo):contains(SHA-256)" },
        { trigger: ".o_dms_sent .o_dms_piece.border-success:contains(Green Tea):contains(North Trading)" },
        { trigger: ".o_dms_waiting.d-none:not(:visible)" },
        { trigger: "#inspection_note", run: "edit 19.90 a bottle" },
        { trigger: ".o_dms_note_form button", run: "click" },
        { trigger: ".o_dms_sent .o_dms_piece:contains(19.90 a bottle)" },
        { trigger: "#result_found", run: "click" },
        { trigger: "#inspection_findings", run: "edit Two shelves of it." },
        { trigger: ".o_dms_done_form button[type=submit]", run: "click", expectUnloadPage: true },
        { trigger: ".o_dms_inspection[data-state=done]:contains(Two shelves of it)" },
    ],
});
