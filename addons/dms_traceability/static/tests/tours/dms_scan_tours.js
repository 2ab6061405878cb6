import { registry } from "@web/core/registry";

const enter = (text) => [
    { trigger: ".o_dms_scan_input input.form-control", run: `edit ${text}` },
    { trigger: ".o_dms_scan_add", run: "click" },
];

registry.category("web_tour.tours").add("dms_scan_out", {
    // The codes are handed over by the test in the page's address.
    steps: (codes = new URLSearchParams(window.location.search).get("codes").split(",")) => [
        { trigger: "button[name=action_dms_scan]", run: "click" },
        { trigger: ".o_dms_scan_line:contains(0 / 48)" },
        ...enter("NOTACODE"),
        { trigger: ".o_dms_scan_screen[data-flash=bad] .o_bad:contains(Not one of our codes)" },
        ...enter(codes[0]),
        { trigger: ".o_dms_scan_screen[data-flash=good] .o_dms_scan_line:contains(24 / 48)" },
        { trigger: ".o_good .o_dms_scan_undo", run: "click" },
        { trigger: ".o_dms_scan_line:contains(0 / 48)" },
        ...enter(codes[0]),
        { trigger: ".o_dms_scan_line:contains(24 / 48)" },
        {
            content: "the rest comes with a PDA's file",
            trigger: ".o_dms_scan_file:not(:visible)",
            run({ anchor }) {
                const transfer = new DataTransfer();
                transfer.items.add(
                    new File([`code;time\n${codes[1]};10:00\n`], "pda.csv", { type: "text/csv" }),
                );
                anchor.files = transfer.files;
                anchor.dispatchEvent(new Event("change", { bubbles: true }));
            },
        },
        { trigger: ".o_dms_scan_complete" },
        { trigger: ".o_dms_scan_back", run: "click" },
        { trigger: "button[name=button_validate]:visible", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Done)" },
    ],
});
