import { registry } from "@web/core/registry";

const choose = (field, text) => [
    { trigger: `.o_field_widget[name=${field}] input`, run: `edit ${text}` },
    { trigger: `.o-autocomplete--dropdown-item:contains(${text})`, run: "click" },
];

registry.category("web_tour.tours").add("dms_code_order", {
    steps: () => [
        { trigger: ".o_list_button_add", run: "click" },
        ...choose("product_id", "Green Tea"),
        { trigger: ".o_field_widget[name=quantity] input", run: "edit 48" },
        { trigger: ".o_field_widget[name=case_size] input", run: "edit 24 && press Tab" },
        {
            content: "what was entered has been reckoned with",
            trigger: ".o_field_widget[name=case_count]:contains(2)",
        },
        ...choose("lot_id", "B001"),
        { trigger: "button[name=action_generate]", run: "click" },
        {
            content: "labels can be printed as soon as there are codes",
            trigger: ".o_form_view button[name=action_print_labels]",
        },
        { trigger: "button[name=action_activate]", run: "click" },
        { trigger: "button[name=action_pack]", run: "click" },
        { trigger: ".o_form_view .oe_stat_button:contains(Cases Available):contains(2)" },
    ],
});
