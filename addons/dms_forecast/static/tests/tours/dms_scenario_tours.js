import { registry } from "@web/core/registry";

/** What if deliveries take a week longer: ask, compute, look at the effect, apply, and see the rule changed. */
registry.category("web_tour.tours").add("dms_scenario_longer_delivery", {
    steps: () => [
        {
            content: "the empty list says what to do",
            trigger: ".o_view_nocontent:contains(Try a change before you make it)",
        },
        {
            trigger: ".o_list_button_add",
            run: "click",
        },
        {
            trigger: ".o_form_view .o_field_widget[name=name] input",
            run: "edit A week longer",
        },
        {
            trigger: ".o_field_widget[name=kind] label:contains(Longer or shorter delivery)",
            run: "click",
        },
        {
            trigger: ".o_field_widget[name=lead_change] input",
            run: "edit 7",
        },
        {
            trigger: "button[name=action_compute]:enabled:contains(Compute)",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Computed)" },
        {
            content: "before, after and change of what is tied up",
            trigger: ".o_dms_effect tr:contains(Cash Tied Up) .o_field_widget[name=cash_change]:not(:empty)",
        },
        {
            content: "where it is from",
            trigger: ".o_field_widget[name=effect_note]:contains(5 days so far, 12 from now on)",
        },
        {
            content: "each distributor and product",
            trigger: ".o_field_widget[name=line_ids] .o_data_row:contains(North Trading):contains(Tea)",
        },
        {
            trigger: "button[name=action_apply]:enabled",
            run: "click",
        },
        {
            trigger: ".modal-footer .btn-primary",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Applied)" },
        {
            content: "the log says what became of the rule",
            trigger: ".o-mail-Message:contains(Weekly):contains(5 → 12)",
        },
        {
            trigger: "button[name=action_view_rules]",
            run: "click",
        },
        {
            content: "and there it is",
            trigger: ".o_data_row:contains(Weekly) .o_data_cell[name=lead_days]:contains(12)",
        },
    ],
});
