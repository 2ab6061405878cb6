import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

/** Find the short payment, say why, and write it off. */
tours.add("dms_deduction_write_off", {
    steps: () => [
        {
            content: "the search is at hand where the list is",
            trigger:
                ".o_list_view button:contains(Find Short Payments), .o_control_panel button:contains(Find Short Payments)",
            run: "click",
        },
        {
            trigger: ".modal button[name=action_find]",
            run: "click",
        },
        {
            content: "what was found, with the payer's words",
            trigger:
                ".o_data_row:contains(North Trading):contains(less damaged cartons) .o_data_cell[name=name]",
            run: "click",
        },
        {
            trigger: ".o_form_view .o_field_widget[name=reason_id] input",
            run: "edit DMG",
        },
        {
            trigger: ".o-autocomplete--dropdown-item:contains(Freight damage)",
            run: "click",
        },
        {
            trigger: "button[name=action_write_off]:enabled",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Written Off)" },
        {
            content: "and can be followed to its entry",
            trigger: ".o-mail-Message:contains(Written off by)",
        },
    ],
});
