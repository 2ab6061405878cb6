import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");
const state = (name) => `.o_statusbar_status .o_arrow_button_current:contains(${name})`;

function add(name, steps) {
    tours.add(name, { steps });
}

const press = (name) => ({
    content: `press ${name}`,
    trigger: `.o_form_view button[name=${name}]:enabled`,
    run: "click",
});

const confirmDialog = {
    content: "yes, go on",
    trigger: ".modal-footer .btn-primary",
    run: "click",
};

// The accountant tries the programme on last year's sales, publishes it, and sees what has accrued.
add("dms_settlement_backtest", () => [
    press("action_backtest"),
    { trigger: ".o_form_view .o_data_row:contains(North Trading)" },
    {
        content: "what it costs, as a chart",
        trigger: "button[name=action_view_graph]",
        run: "click",
    },
    { trigger: ".o_graph_renderer canvas" },
]);

add("dms_settlement_publish", () => [
    press("action_publish"),
    confirmDialog,
    { trigger: state("Published") },
    {
        content: "what is posted already has accrued",
        trigger: "button[name=action_view_accruals]:contains(100.00)",
        run: "click",
    },
    { trigger: ".o_list_view .o_data_row:contains(North Trading):contains(100.00)" },
]);

add("dms_settlement_send", () => [
    press("action_send"),
    { trigger: state("Sent") },
    { trigger: ".o_field_widget[name=deadline]" },
    { trigger: ".o-mail-Message:contains(Please accept or dispute each line)" },
]);

// The distributor follows a figure down to the invoice line, and disputes it.
add("dms_settlement_dispute", () => [
    { trigger: ".alert:contains(Lines that are not answered by then count as accepted)" },
    {
        trigger: "a:contains(Documents and terms behind it)",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_tile:contains(INV/):contains(Tea):contains(1,000.00)" },
    {
        trigger: ".o_dms a:contains(Settlement STL)",
        run: "click",
        expectUnloadPage: true,
    },
    {
        trigger: ".o_dms_settlement_line:contains(Tea bonus) .o_dms_dispute",
        run: "click",
    },
    {
        trigger: ".o_dms_settlement_line textarea[name=reason]",
        run: "edit The delivery of the 28th is missing.",
    },
    {
        trigger: ".o_dms_settlement_line button:contains(Send the objection)",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_settlement_line:contains(Disputed):contains(The delivery of the 28th is missing.)" },
]);

// The accountant corrects the line with an answer.
add("dms_settlement_correct", () => [
    { trigger: ".o_data_row:contains(Disputed)" },
    { trigger: ".o-mail-Activity:contains(The delivery of the 28th is missing.)" },
    {
        trigger: ".o_data_row button[name=action_reply]",
        run: "click",
    },
    {
        content: "what the distributor says is before the accountant's eyes",
        trigger: ".modal:contains(The delivery of the 28th is missing.) .o_field_widget[name=amount] input",
        run: "edit 120",
    },
    {
        trigger: ".modal .o_field_widget[name=reply] textarea",
        run: "edit You are right, we add it.",
    },
    {
        trigger: ".modal button[name=action_reply]",
        run: "click",
    },
    { trigger: "body:not(:has(.modal)) .o_data_row:contains(Correction of):contains(20.00)" },
]);

add("dms_settlement_accept", () => [
    { trigger: ".o_dms_settlement_line:contains(Our answer):contains(You are right)" },
    {
        trigger: ".o_dms_settlement_line:contains(Correction of) .o_dms_accept",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_settlement_line:contains(Correction of):contains(Accepted by)" },
    { trigger: ".o_dms_timeline .o_dms_done:contains(Approved)" },
]);

add("dms_settlement_post", () => [
    press("action_post"),
    {
        content: "the credit note is posted",
        trigger: state("Posted"),
    },
    { trigger: ".o_form_view:contains(120.00)" },
]);
