import { registry } from "@web/core/registry";

import { orderSteps, signSteps, uploadSteps } from "./dms_portal_tours";

const tours = registry.category("web_tour.tours");

/** Steps that press a button of a back-office form and wait until the form says so. */
function press(name, shown) {
    return [
        {
            content: `press ${name}`,
            trigger: `.o_form_view button[name=${name}]:enabled, .o_form_view a[name=${name}]`,
            run: "click",
        },
        { content: `after ${name}`, trigger: shown },
    ];
}

const confirmDialog = {
    content: "yes, go on",
    trigger: ".modal-footer .btn-primary",
    run: "click",
};

const state = (name) => `.o_statusbar_status .o_arrow_button_current:contains(${name})`;

function add(name, steps) {
    tours.add(name, { steps: () => steps() });
}

// 1. Brand staff: the agreement is sent, signed and put in force; the rebate programme is published.

add("dms_journey_agreement_send", () => press("action_send", state("Sent")));

add("dms_journey_agreement_sign", () => [
    ...signSteps("Wanda West"),
    { trigger: ".o_dms:contains(Signed by):contains(Wanda West)" },
]);

add("dms_journey_agreement_activate", () => press("action_activate", state("Active")));

add("dms_journey_program", () => [
    {
        trigger: ".o_form_view button[name=action_publish]",
        run: "click",
    },
    confirmDialog,
    { trigger: state("Published") },
]);

// 2. The distributor orders; a second order is held and released.

add("dms_journey_order", () => [
    {
        content: "the running promotion is announced",
        trigger: "details[name=dms_promotions]:contains(Autumn)",
    },
    ...orderSteps("Green Tea", 4),
    { trigger: ".o_dms_decision:contains(Approved)" },
    {
        trigger: '.o_dms_nav a:contains("Catalogue")',
        run: "click",
        expectUnloadPage: true,
    },
    ...orderSteps("Green Tea", 3),
    { trigger: ".o_dms_decision:contains(Held):contains(over the limit)" },
]);

add("dms_journey_release", () => [
    {
        trigger: ".o_form_view button[name=action_dms_release]:enabled",
        run: "click",
    },
    {
        trigger: ".modal .o_field_widget[name=reason] textarea",
        run: "edit A good customer; the payment is on its way",
    },
    {
        trigger: ".modal button[name=action_release]",
        run: "click",
    },
    { trigger: state("Sales Order") },
]);

// 3. Unit codes for the batch, packed, bound to the distributor at shipping; signed for on the portal.

add("dms_journey_codes", () => [
    ...press("action_generate", ".o_form_view button[name=action_activate]"),
    ...press("action_activate", ".o_form_view button[name=action_pack]"),
    ...press("action_pack", ".o_form_view .oe_stat_button .fa-cube"),
]);

add("dms_journey_ship", () => {
    // the test hands the labels of the cases over in the page's address
    const codes = new URLSearchParams(window.location.search).get("codes").split(",");
    return [
        ...press("action_dms_scan", ".o_dms_scan_line:contains(0 / )"),
        ...codes.flatMap((code, index) => [
            { trigger: ".o_dms_scan_input input.form-control", run: `edit ${code}` },
            { content: "scan a case", trigger: ".o_dms_scan_add", run: "click" },
            { trigger: `.o_dms_scan_line:contains(${12 * (index + 1)} / )` },
        ]),
        { trigger: ".o_dms_scan_complete" },
        { trigger: ".o_dms_scan_back", run: "click" },
        ...press("button_validate", state("Done")),
    ];
});

add("dms_journey_receive", () => [
    {
        content: "the cases are listed with their codes",
        trigger: ".o_dms h2:contains(Packed cases):contains(4)",
    },
    ...signSteps("Wanda West"),
    { trigger: ".o_dms_timeline:contains(Wanda West)" },
]);

// 4. The invoice is posted, the rebate accrues; the settlement becomes a credit note.

add("dms_journey_invoice", () => [
    {
        trigger: ".o_form_view button:contains(Create Invoice):enabled",
        run: "click",
    },
    {
        trigger: ".modal button[name=create_invoices], .modal button[name=create_invoices]:enabled",
        run: "click",
    },
    ...press("action_post", state("Posted")),
]);

add("dms_journey_generate", () => [
    {
        trigger: ".o_menu_sections button:contains(Money), .o_menu_sections a:contains(Money)",
        run: "click",
    },
    {
        trigger: ".o-dropdown--menu a:contains(Generate Settlements)",
        run: "click",
    },
    {
        trigger: ".modal button[data-field=date_to]",
        run: "click",
    },
    {
        content: "up to today, so that what was invoiced just now is in it",
        trigger: ".modal input[data-field=date_to]",
        run: `edit ${luxon.DateTime.now().toFormat("MM/dd/yyyy")}`,
    },
    {
        trigger: ".modal button[name=action_generate]",
        run: "click",
    },
    { trigger: "body:not(:has(.modal)) .o_list_view .o_data_row:contains(West Trading):contains(Draft)" },
]);

add("dms_journey_settlement", () => [
    ...press("action_send", state("Sent")),
    {
        trigger: ".o_form_view button[name=action_accept]:enabled",
        run: "click",
    },
    {
        content: "the distributor has said so by telephone",
        trigger: ".modal .btn-primary",
        run: "click",
    },
    { trigger: state("Approved") },
    {
        trigger: ".o_form_view button[name=action_post]:enabled",
        run: "click",
    },
    {
        content: "the credit note is posted",
        trigger: state("Posted"),
    },
]);

// 5. The distributor reports what it sold, with a line to mend.

function salesFile() {
    const rows = ["product_code,date,quantity,outlet,unit_price"];
    const day = new Date();
    for (let back = 90; back > 0; back--) {
        const date = new Date(day.getFullYear(), day.getMonth(), day.getDate() - back, 12);
        const text = date.toISOString().slice(0, 10);
        rows.push(`GREEN,${text},${back === 1 ? "seven" : 5 + (back % 3)},W-1,150`);
    }
    return rows.join("\n") + "\n";
}

add("dms_journey_report", () => [
    ...uploadSteps("sell_through.csv", salesFile()),
    { trigger: "body[is-ready=true]" },
    { trigger: '.o_dms_bad_line .o_dms_message:contains("seven"):contains(no number)' },
    {
        trigger: ".o_dms_bad_line input[data-field=quantity_text]",
        run: "edit 7",
    },
    {
        trigger: '.o_dms_bad_line button:contains("Check again")',
        run: "click",
    },
    { trigger: ".o_dms_mended:contains(Right now)" },
    {
        trigger: ".o_dms_release:contains(90 lines)",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_count_released:contains(90)" },
    {
        content: "the stock follows",
        trigger: '.o_dms_nav a:contains("Stock")',
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_row_link:contains(Green Tea)" },
    { trigger: ".o_dms_chart rect.o_dms_out" },
]);

// 6. The forecast runs; health, proposal and orderpoint follow.

add("dms_journey_forecast", () => press("action_run", state("Done")));

add("dms_journey_health", () => [
    { trigger: ".o_list_view .o_data_row:contains(Chips):contains(Slow)" },
    { trigger: ".o_list_view .o_data_row:contains(Green Tea)" },
]);

add("dms_journey_proposal", () => [
    {
        trigger: ".o_dms_row_link:contains(To answer) .stretched-link",
        run: "click",
        expectUnloadPage: true,
    },
    {
        content: "the quantity explains itself",
        trigger: "#dms_accept .card:contains(Green Tea):contains(sold a day)",
    },
    {
        trigger: ".o_dms_accept",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_order_form:contains(From proposal):contains(Green Tea)" },
]);

// 7. A code is scanned elsewhere: the inspector hears the distributor and rules.

add("dms_journey_alert", () => [
    {
        trigger: ".o_form_view button[name=action_open_case]",
        run: "click",
    },
    ...press("action_hear", state("Hearing")),
]);

add("dms_journey_answer", () => [
    {
        trigger: "#case_text",
        run: "edit We sold them to a shop at the border.",
    },
    {
        trigger: ".o_dms_timeline button[type=submit]",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_timeline:contains(shop at the border)" },
]);

add("dms_journey_rule", () => [
    ...press("action_rule", ".modal .o_field_widget[name=ruling]"),
    {
        trigger: ".modal .o_field_widget[name=ruling] .o_radio_item:contains(Confirmed) input",
        run: "click",
    },
    {
        trigger: ".modal .o_field_widget[name=reason] textarea",
        run: "edit Sold outside the territory",
    },
    {
        trigger: ".modal button[name=action_confirm]",
        run: "click",
    },
    { trigger: state("Ruled") },
]);

add("dms_journey_scaled", () => [
    ...press("action_send", state("Sent")),
    { trigger: ".o_form_view .o_data_row:contains(388.80):contains(194.40)" },
]);
