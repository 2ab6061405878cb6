import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

/** Say what the column of the file with this header is. */
function nameColumn(header, label) {
    const row = `.modal .o_data_row:contains("${header}")`;
    return [
        {
            trigger: `${row} .o_data_cell[name=name]`,
            run: "click",
        },
        {
            trigger: `.modal .o_selected_row:contains("${header}") .o_field_widget[name=name] input`,
            run: "click",
        },
        {
            trigger: `.o_select_menu_item:contains(/^${label}$/)`,
            run: "click",
        },
    ];
}

/** From the feed's form: name the columns, map codes in bulk, accept with a reason, release, mend, release the rest. */
tours.add("dms_feed_mended", {
    steps: () => [
        {
            content: "the file's columns are not recognised, in words",
            trigger: ".o_form_view .alert-warning:contains(No column was recognised)",
        },
        {
            trigger: "button[name=action_columns].btn-primary",
            run: "click",
        },
        ...nameColumn("thing", "Product"),
        ...nameColumn("when", "Date"),
        ...nameColumn("pieces", "Quantity"),
        {
            trigger: ".modal button[name=action_confirm]",
            run: "click",
        },
        {
            trigger: ".o_notebook_headers a[name=mend]",
            run: "click",
        },
        {
            content: "each line says what is wrong with it",
            trigger:
                ".o_field_widget[name=open_line_ids] .o_data_row:contains(no number that can be a quantity)",
        },
        {
            trigger: "button[name=action_map_codes]",
            run: "click",
        },
        {
            content: "all these codes are that product",
            trigger: ".modal .o_field_widget[name=product_id] input",
            run: "edit Tea",
        },
        {
            trigger:
                ".ui-autocomplete .dropdown-item:contains(Tea), .o-autocomplete--dropdown-item:contains(Tea)",
            run: "click",
        },
        {
            trigger: ".modal button[name=action_confirm]",
            run: "click",
        },
        {
            trigger: ".o_form_view:not(:has(.modal)) button[name=action_accept]:visible",
            run: "click",
        },
        {
            trigger: ".modal .o_field_widget[name=reason] input",
            run: "edit a wedding",
        },
        {
            trigger: ".modal button[name=action_confirm]",
            run: "click",
        },
        {
            content: "release what is right",
            trigger: "button[name=action_release]:enabled",
            run: "click",
        },
        {
            trigger: ".o_field_widget[name=released_count]:contains(12)",
        },
        {
            content: "mend the rest in the list",
            trigger: ".o_field_widget[name=open_line_ids] .o_data_cell[name=quantity_text]",
            run: "click",
        },
        {
            trigger: ".o_field_widget[name=open_line_ids] .o_selected_row [name=quantity_text] input",
            run: "edit 3",
        },
        {
            trigger: ".o_form_button_save",
            run: "click",
        },
        {
            trigger: ".o_field_widget[name=ok_count]:contains(1)",
        },
        {
            trigger: "button[name=action_release]:enabled",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Released)" },
    ],
});

/** Outlet master data: see what changes, then release it. */
tours.add("dms_feed_outlets", {
    steps: () => [
        {
            trigger: ".o_notebook_headers a[name=changes]",
            run: "click",
        },
        {
            content: "what is new, and what differs",
            trigger:
                ".o_field_widget[name=change_line_ids] .o_data_row:contains(O-1):contains(Mill Lane 1 → Mill Lane 3)",
        },
        { trigger: ".o_field_widget[name=change_line_ids] .o_data_row:contains(O-2):contains(New outlet)" },
        {
            trigger: "button[name=action_release]:enabled",
            run: "click",
        },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains(Released)" },
    ],
});
