import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

const ready = { content: "the page is alive", trigger: "body[is-ready=true]" };

/** Steps that order `cases` of a product from the catalogue and send the order. */
export function orderSteps(product, cases) {
    const row = `.o_dms_product:contains(${product})`;
    return [
        ready,
        {
            content: "enter the quantity",
            trigger: `${row} .o_dms_stepper input`,
            run: `edit ${cases} && press Tab`,
        },
        {
            content: "the cart knows it",
            trigger: ".o_dms_cart_bar .o_dms_to_cart",
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            content: "add the reference",
            trigger: "input[name=client_order_ref]",
            run: "edit PO 2026-7",
        },
        {
            content: "send the order",
            trigger: ".o_dms_send_order",
            run: "click",
            expectUnloadPage: true,
        },
    ];
}

/** Steps that sign with a typed name. */
export function signSteps(name) {
    return [
        ready,
        {
            content: "who signs",
            trigger: ".o_web_sign_name_input",
            run: `edit ${name}`,
        },
        {
            content: "let the name be the signature",
            trigger: ".o_web_sign_auto_button",
            run: "click",
        },
        {
            trigger: "canvas.o_web_sign_signature",
            run: "canvasNotEmpty",
        },
        {
            content: "sign",
            trigger: ".o_portal_sign_submit:enabled",
            run: "click",
            expectUnloadPage: true,
        },
    ];
}

/** Steps that upload a text as a file. */
export function uploadSteps(name, text) {
    return [
        ready,
        {
            content: "choose the file",
            trigger: ".o_dms_upload input[type=file]",
            run({ anchor }) {
                const transfer = new DataTransfer();
                transfer.items.add(new File([text], name, { type: "text/csv" }));
                anchor.files = transfer.files;
                anchor.dispatchEvent(new Event("change", { bubbles: true }));
            },
        },
        {
            content: "send it",
            trigger: ".o_dms_upload button[type=submit]:enabled",
            run: "click",
            expectUnloadPage: true,
        },
    ];
}

tours.add("dms_portal_order", {
    url: "/my",
    steps: () => [
        ready,
        {
            content: "open the catalogue",
            trigger: '.o_dms_nav a:contains("Catalogue")',
            run: "click",
            expectUnloadPage: true,
        },
        ...orderSteps("Tea", 2),
        {
            content: "approved by the rules",
            trigger: ".o_dms_decision:contains(Approved)",
        },
        {
            content: "back to the catalogue",
            trigger: '.o_dms_nav a:contains("Catalogue")',
            run: "click",
            expectUnloadPage: true,
        },
        ...orderSteps("Tea", 60),
        {
            content: "held, with the reason in words",
            trigger: ".o_dms_decision:contains(Held):contains(over the limit)",
        },
        {
            content: "all orders",
            trigger: '.o_dms_nav a:contains("Orders")',
            run: "click",
            expectUnloadPage: true,
        },
        {
            trigger: ".o_portal_my_doc_table .badge:contains(Held)",
        },
    ],
});

tours.add("dms_portal_receive", {
    url: "/my/deliveries",
    steps: () => [
        ready,
        {
            content: "open the delivery that is on its way",
            trigger: ".o_dms_row_link:contains(On its way) .stretched-link",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "its carrier's tracking is shown",
            trigger: ".o_dms_timeline:contains(TRACK-1)",
        },
        ...signSteps("Nora North"),
        {
            content: "received",
            trigger: ".o_dms_timeline:contains(Nora North)",
        },
    ],
});

tours.add("dms_portal_report", {
    url: "/my/feeds",
    steps: () => [
        ...uploadSteps(
            "week_47.csv",
            "product_code,date,quantity,outlet\nTEA,2026-01-05,5,O-1\nTEA,2026-01-06,many,O-1\nGT-500,2026-01-06,2,\n",
        ),
        ready,
        {
            content: "the bad line says why",
            trigger: '.o_dms_bad_line:contains("many") .o_dms_message:contains(no number)',
        },
        {
            content: "say what the unknown code stands for",
            trigger: ".o_dms_map input[name=target_0]",
            run: "edit TEA · Tea",
        },
        {
            trigger: ".o_dms_map button[type=submit]",
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            content: "one line is left",
            trigger: ".o_dms_count_error:contains(1)",
        },
        {
            content: "mend it",
            trigger: ".o_dms_bad_line input[data-field=quantity_text]",
            run: "edit 3",
        },
        {
            trigger: '.o_dms_bad_line button:contains("Check again")',
            run: "click",
        },
        {
            content: "right now",
            trigger: ".o_dms_bad_line.o_dms_mended:contains(Right now)",
        },
        {
            trigger: '.o_dms_feed_summary .o_dms_release:contains("3 lines")',
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "released",
            trigger: ".o_dms_count_released:contains(3)",
        },
    ],
});

/** On a phone: name the columns, mend in bulk, accept with a reason, release what is right and later the rest. */
tours.add("dms_portal_report_phone", {
    url: "/my/feeds",
    steps: () => [
        ...uploadSteps(
            "till.csv",
            "thing,when,pieces\n" +
                Array.from({ length: 9 }, (_, day) => `TEA,2026-01-0${day + 1},5`).join("\n") +
                "\nTEA,2026-01-10,500\nT-1,2026-01-11,5\nT-2,2026-01-12,5\nTEA,2026-01-13,many\n",
        ),
        ready,
        {
            content: "the columns are not recognised, in words",
            trigger: ".o_dms_columns[open] .text-danger:contains(No column was recognised)",
        },
        {
            trigger: ".o_dms_columns select[name=column_product_code]",
            run: "select thing",
        },
        {
            trigger: ".o_dms_columns select[name=column_date]",
            run: "select when",
        },
        {
            trigger: ".o_dms_columns select[name=column_quantity]",
            run: "select pieces",
        },
        {
            trigger: ".o_dms_columns button[type=submit]",
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            content: "the errors, in words",
            trigger: ".o_dms_bad_line .o_dms_message:contains(no number that can be a quantity)",
        },
        {
            content: "all these codes are that product",
            trigger: ".o_dms_map input[name=target_all]",
            run: "edit TEA · Tea",
        },
        {
            trigger: ".o_dms_map button[type=submit]",
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            content: "the rest is in order but for one line",
            trigger: ".o_dms_count_error:contains(1)",
        },
        {
            content: "say why the unusual line is right",
            trigger: ".o_dms_accept input[name=reason]",
            run: "edit a wedding",
        },
        {
            trigger: ".o_dms_accept button[type=submit]",
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            content: "release what is right",
            trigger: '.o_dms_feed_summary .o_dms_release:contains("12 lines")',
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            trigger: ".o_dms_count_released:contains(12)",
        },
        {
            content: "later the rest",
            trigger: ".o_dms_bad_line input[data-field=quantity_text]",
            run: "edit 3",
        },
        {
            trigger: '.o_dms_bad_line button:contains("Check again")',
            run: "click",
        },
        {
            trigger: '.o_dms_feed_summary .o_dms_release:contains("1 line")',
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            trigger: ".o_dms_count_released:contains(13)",
        },
    ],
});

tours.add("dms_portal_proposal", {
    url: "/my/proposals",
    steps: () => [
        ready,
        {
            trigger: ".o_dms_row_link:contains(To answer) .stretched-link",
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            content: "read why",
            trigger: "#dms_accept details summary",
            run: "click",
        },
        {
            trigger: ".o_dms_accept",
            run: "click",
            expectUnloadPage: true,
        },
        ready,
        {
            content: "it is a draft order now",
            trigger: ".o_dms_order_form:contains(From proposal) .o_dms_send_order",
            run: "click",
            expectUnloadPage: true,
        },
        {
            trigger: ".o_dms_decision:contains(Approved)",
        },
    ],
});
