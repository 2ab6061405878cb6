import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

/** Run a forecast, read what it says of a distributor's tea and why. */
tours.add("dms_forecast_run", {
    steps: () => [
        {
            trigger: ".o_list_button_add",
            run: "click",
        },
        {
            trigger: ".o_form_view button[name=action_run]:enabled",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Done)" },
        {
            trigger: "button[name=action_view_series]",
            run: "click",
        },
        {
            trigger: ".o_data_row:contains(North Trading):contains(Tea) .o_data_cell:first",
            run: "click",
        },
        {
            content: "the fan chart is drawn",
            trigger: ".o_form_view .o_dms_fan_chart canvas",
        },
        {
            content: "the forecast says why",
            trigger: ".o_field_widget[name=why]:contains(a day in the last 4 weeks)",
        },
        {
            content: "somebody knows of a wedding",
            trigger: "button[name=action_override]",
            run: "click",
        },
        {
            trigger: ".o_form_view .o_field_widget[name=percent] input",
            run: "edit 50",
        },
        {
            trigger: ".o_field_widget[name=reason] input",
            run: "edit Wedding season in the north",
        },
        {
            trigger: ".o_form_button_save",
            run: "click",
        },
        { trigger: ".o_form_saved, .o_form_status_indicator_buttons.invisible" },
    ],
});

/** A warehouse's limits follow the forecast, and say why they are what they are. */
tours.add("dms_forecast_orderpoint", {
    steps: () => [
        {
            trigger: ".o_data_row:contains(Tea) .o_list_record_selector input",
            run: "click",
        },
        {
            trigger: ".o_control_panel .o_cp_action_menus .dropdown-toggle:contains(Actions)",
            run: "click",
        },
        {
            trigger: ".o-dropdown--menu .o-dropdown-item:contains(Follow the forecast)",
            run: "click",
        },
        { trigger: ".o_data_row:contains(Tea):contains(Forecast)" },
    ],
});

/** Too much stock: what to do about it, with what each way costs. */
tours.add("dms_forecast_alert", {
    steps: () => [
        {
            trigger:
                ".o_data_row:contains(North Trading) .o_data_cell:first, .o_kanban_record:contains(North Trading)",
            run: "click",
        },
        {
            trigger:
                ".o_form_view .o_field_widget[name=line_ids] .o_data_row:contains(Tea) .o_data_cell:first",
            run: "click",
        },
        {
            content: "hold, promote, transfer or return: days, cost and cash of each",
            trigger: ".o_field_widget[name=option_ids] .o_data_row:contains(Hold)",
        },
        { trigger: ".o_field_widget[name=option_ids] .o_data_row:contains(Promote)" },
    ],
});
