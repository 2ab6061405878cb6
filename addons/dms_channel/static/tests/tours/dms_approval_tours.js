import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

/** Release from the list of orders to approve: read why, give the reason, and see it confirmed. */
tours.add("dms_approval_release", {
    steps: () => [
        {
            content: "the list says whose order waits, and why",
            trigger: ".o_data_row:contains(North Trading):contains(over the limit) .o_data_cell[name=name]",
            run: "click",
        },
        {
            content: "the form explains it, and who may release",
            trigger: ".o_form_view .alert-warning:contains(over the limit):contains(Channel Manager)",
        },
        {
            trigger: ".o_notebook_headers a[name=dms_checks]",
            run: "click",
        },
        {
            content: "each rule with its outcome",
            trigger:
                ".o_field_widget[name=dms_check_ids] .o_data_row:contains(Within the credit limit):contains(Held)",
        },
        {
            content: "each approval that is needed",
            trigger: ".o_field_widget[name=dms_approval_ids] .o_data_row:contains(Waiting)",
        },
        {
            trigger: "button[name=action_dms_release]:enabled",
            run: "click",
        },
        {
            trigger: ".modal .o_field_widget[name=reason] textarea",
            run: "edit Guaranteed by the bank",
        },
        {
            trigger: ".modal button[name=action_release]",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Sales Order)" },
        {
            content: "the override is on record",
            trigger: "button[name=action_dms_overrides]",
        },
    ],
});

tours.add("dms_approval_ship", {
    steps: () => [
        {
            trigger: ".o_form_view button[name=button_validate]:enabled",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Done)" },
    ],
});

/** Share scarce stock: propose, compare, reserve. */
tours.add("dms_approval_allocate", {
    steps: () => [
        {
            trigger: ".o_list_button_add",
            run: "click",
        },
        {
            trigger: ".o_form_view button[name=action_propose]:enabled",
            run: "click",
        },
        {
            trigger: ".o_field_widget[name=chosen_line_ids] .o_data_row:contains(Tea)",
        },
        {
            trigger: "button[name=action_reserve]:enabled",
            run: "click",
        },
        {
            trigger: ".modal-footer .btn-primary",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Reserved)" },
    ],
});
