import { registry } from "@web/core/registry";
import { signSteps } from "./dms_portal_tours";

const tours = registry.category("web_tour.tours");
const state = (name) => `.o_statusbar_status .o_arrow_button_current:contains(${name})`;

function add(name, steps) {
    tours.add(name, { steps });
}

// A distributor offers its surplus, from its own stock.
add("dms_transfer_propose", () => [
    {
        trigger: ".o_dms a:contains(Offer a surplus)",
        run: "click",
        expectUnloadPage: true,
    },
    {
        content: "what it has to spare is said",
        trigger: ".o_dms_transfer_form select[name=product_id]:has(option:contains(24 Units to spare))",
    },
    {
        trigger: ".o_dms_transfer_form select[name=product_id]",
        run: "selectByIndex 1",
    },
    {
        trigger: ".o_dms_transfer_form input[name=quantity]",
        run: "edit 12",
    },
    {
        content: "a second product, and out with it again",
        trigger: ".o_dms_transfer_form .o_dms_add",
        run: "click",
    },
    {
        trigger: ".o_dms_transfer_row:nth-child(2) select[name=product_id]",
    },
    {
        trigger: ".o_dms_transfer_row:nth-child(2) .o_dms_remove",
        run: "click",
    },
    { trigger: ".o_dms_transfer_rows:not(:has(.o_dms_transfer_row:nth-child(2)))" },
    {
        trigger: ".o_dms_transfer_form textarea[name=reason]",
        run: "edit Our shops stopped selling it",
    },
    {
        trigger: ".o_dms_propose",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms .alert:contains(Waiting for):contains(a taker)" },
]);

// The brand finds the taker, and agrees.
add("dms_transfer_match", () => [
    { trigger: ".o_field_widget[name=reason]:contains(Our shops), .o_field_widget[name=reason] textarea" },
    {
        trigger: ".o_field_widget[name=taker_id] input",
        run: "edit South Trading",
    },
    {
        trigger: ".o-autocomplete--dropdown-item:contains(South Trading)",
        run: "click",
    },
    {
        trigger: ".o_form_button_save",
        run: "click",
    },
    { trigger: ".o_form_saved, .o_form_view:not(:has(.o_form_status_indicator_buttons:not(.invisible)))" },
    {
        trigger: ".o_form_view button[name=action_agree]:enabled",
        run: "click",
    },
    { trigger: ".o_form_view .alert:contains(North Trading, South Trading)" },
    { trigger: state("To Agree") },
]);

add("dms_transfer_agree", () => [
    {
        trigger: ".o_dms_agree",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms:not(:has(.o_dms_agree)) .o_dms_timeline .o_dms_done" },
]);

// The giver hands the goods over to the carrier.
add("dms_transfer_ship", () => [
    { trigger: ".o_dms a:contains(Delivery note)" },
    {
        trigger: "#dms_ship input[name=tracking]",
        run: "edit TRACK-9",
    },
    {
        trigger: ".o_dms_ship",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: ".o_dms_timeline:contains(TRACK-9)" },
    { content: "its own price is shown", trigger: ".o_dms_layers:contains(9.00)" },
]);

// The taker counts, finds one missing, and signs.
add("dms_transfer_receive", () => [
    { content: "the giver's price is not shown", trigger: ".o_dms_layers:not(:contains(9.00))" },
    {
        trigger: "summary:contains(Something is missing or damaged)",
        run: "click",
    },
    {
        trigger: "details[open] input[name^=quantity_]",
        run: "edit 11",
    },
    {
        trigger: "details[open] input[name^=reason_]",
        run: "edit one box is crushed",
    },
    {
        trigger: ".o_dms_counted",
        run: "click",
        expectUnloadPage: true,
    },
    { trigger: "#sign li:contains(11 Units):contains(one box is crushed)" },
    ...signSteps("Sam South"),
    { trigger: ".o_dms_timeline:contains(Sam South)" },
    { trigger: ".badge:contains(Difference)" },
]);

// The brand decides what became of the missing one.
add("dms_transfer_decide", () => [
    { trigger: state("Difference to Decide") },
    {
        trigger: ".o_data_row .o_data_cell[name=fate]",
        run: "click",
    },
    {
        trigger:
            ".o_selected_row .o_field_widget[name=fate] select, .o_selected_row .o_field_widget[name=fate] input",
        run: "click",
    },
    {
        trigger: ".o_select_menu_item:contains(Lost)",
        run: "click",
    },
    {
        trigger: ".o_selected_row .o_field_widget[name=fate_reason] input",
        run: "edit Crushed on the way",
    },
    {
        trigger: ".o_form_view button[name=action_decide]:enabled",
        run: "click",
    },
    { trigger: state("Received") },
    {
        trigger: "button[name=action_view_moves]",
        run: "click",
    },
    { trigger: ".o_list_view .o_data_row:contains(South Trading)" },
]);
