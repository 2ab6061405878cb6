import { registry } from "@web/core/registry";

const add = (name, steps) => registry.category("web_tour.tours").add(name, { steps });
const state = (name) => `.o_statusbar_status .o_arrow_button_current:contains(${name})`;
const button = (name) =>
    `.o_form_view .o_form_statusbar button[name=${name}], .o_form_view button[name=${name}]`;

// A consumer's report says nothing by itself: the inspector reads it, and raises an alert.

add("dms_case_report", () => [
    {
        content: "the report and its price",
        trigger: ".o_form_view .o_field_widget[name=price]:contains(55.5)",
    },
    { trigger: button("action_raise_alert"), run: "click" },
    { trigger: ".o_list_view .o_data_row:contains(North Trading)" },
]);

add("dms_case_order", () => [
    { trigger: ".o_form_view .o_field_widget[name=reason]:contains(South)" },
    { trigger: button("action_order_inspection"), run: "click" },
    { trigger: ".o_field_widget[name=instructions] textarea:value(South)" },
    { trigger: ".o_field_widget[name=user_id] input", run: "edit scout" },
    { trigger: ".ui-menu-item > a:contains(scout)", run: "click" },
    { trigger: ".o_form_button_save", run: "click" },
    {
        trigger:
            ".o_form_saved .o_field_widget[name=name]:contains(DI/), .o_field_widget[name=name]:contains(DI/)",
    },
]);

add("dms_case_inspect", (code = new URLSearchParams(window.location.search).get("code")) => [
    { trigger: ".o_dms_inspection[data-ready]" },
    { trigger: ".o_dms_code_form input", run: `edit ${code}` },
    { trigger: ".o_dms_code_form button[type=submit]", run: "click" },
    { trigger: ".o_dms_sent .o_dms_piece.border-success:contains(North Trading):contains(SHA-256)" },
    { trigger: "#inspection_note", run: "edit Twelve cases at 55.50" },
    { trigger: ".o_dms_note_form button", run: "click" },
    { trigger: ".o_dms_sent .o_dms_piece:contains(Twelve cases)" },
    { trigger: "#result_found", run: "click" },
    { trigger: "#inspection_findings", run: "edit Twelve cases in the back room." },
    { trigger: ".o_dms_done_form button[type=submit]", run: "click", expectUnloadPage: true },
    { trigger: ".o_dms_inspection[data-state=done]:contains(back room)" },
]);

add("dms_case_hear", () => [
    { content: "what the inspector found is with the alert", trigger: ".o-mail-Message:contains(back room)" },
    { trigger: button("action_open_case"), run: "click" },
    { trigger: button("action_hear"), run: "click" },
    { trigger: state("Hearing") },
]);

add("dms_case_answer", () => [
    { trigger: "#case_text", run: "edit A customer moved them there." },
    { trigger: ".o_dms_timeline button[type=submit]", run: "click", expectUnloadPage: true },
    { trigger: ".o_dms_timeline:contains(moved them there)" },
]);

add("dms_case_rule", () => [
    { trigger: button("action_rule"), run: "click" },
    { trigger: ".modal .o_field_widget[name=charge_amount] input", run: "edit 33.34 && press Tab" },
    { trigger: ".modal .o_field_widget[name=reason] textarea", run: "edit The goods were found there." },
    { trigger: ".modal button[name=action_confirm]", run: "click" },
    { trigger: state("Ruled") },
    { trigger: ".o_form_view .o_field_widget[name=charge_amount]:contains(33.34)" },
]);

add("dms_case_appeal", () => [
    { trigger: ".o_dms_timeline:contains(33.34):contains(next settlement)" },
    { trigger: "#case_text", run: "edit Here is the customer's receipt." },
    { trigger: ".o_dms_timeline button[type=submit]", run: "click", expectUnloadPage: true },
    { trigger: ".o_dms_timeline:contains(customer's receipt)" },
]);

add("dms_case_four_eyes", () => [
    { trigger: state("Appealed") },
    { trigger: ".o_form_view .alert:contains(somebody else decides):contains(colleague)" },
    { trigger: ".o_form_statusbar:not(:has(button[name=action_grant_appeal]))" },
    { trigger: ".o_form_statusbar:not(:has(button[name=action_reject_appeal]))" },
]);

add("dms_case_reverse", () => [
    { trigger: button("action_grant_appeal"), run: "click" },
    { trigger: ".modal .modal-footer .btn-primary", run: "click" },
    { trigger: state("Closed") },
    { trigger: ".ribbon:contains(Reversed), .o_widget_web_ribbon:contains(Reversed)" },
]);

add("dms_case_reversed", () => [{ trigger: ".o_dms_timeline:contains(as if it had never been given)" }]);
