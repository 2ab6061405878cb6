import { registry } from "@web/core/registry";

import { signSteps } from "./dms_portal_tours";

const tours = registry.category("web_tour.tours");

const state = (name) => `.o_statusbar_status .o_arrow_button_current:contains(${name})`;

function choose(field, name) {
    return [
        {
            content: `look for ${name}`,
            trigger: `${field} input`,
            run: `edit ${name}`,
        },
        {
            content: `choose ${name}`,
            trigger: `.o-autocomplete--dropdown-item:contains(${name})`,
            run: "click",
        },
    ];
}

tours.add("dms_agreement_draft", {
    steps: () => [
        ...choose(".o_field_widget[name=partner_id]", "West Trading"),
        {
            trigger: ".o_field_widget[name=credit_limit] input",
            run: "edit 8000",
        },
        {
            content: "add a line",
            trigger: ".o_field_widget[name=line_ids] .o_field_x2many_list_row_add :is(a, button)",
            run: "click",
        },
        ...choose(".o_field_widget[name=line_ids] .o_field_widget[name=territory_id]", "West"),
        {
            trigger: ".o_field_widget[name=line_ids] .o_field_widget[name=target_amount] input",
            run: "edit 120000",
        },
        {
            content: "send it",
            trigger: ".o_form_view button[name=action_send]:enabled",
            run: "click",
        },
        { trigger: state("Sent") },
        {
            content: "the mail is in the chatter, with the PDF",
            trigger: ".o-mail-Message:contains(is ready) .o-mail-AttachmentContainer:contains(.pdf)",
        },
    ],
});

tours.add("dms_agreement_sign", {
    steps: () => [
        {
            trigger: ".o_dms_row_link:contains(To sign) .stretched-link",
            run: "click",
            expectUnloadPage: true,
        },
        { trigger: ".o_dms:contains(120,000.00)" },
        ...signSteps("Wanda West"),
        { trigger: ".o_dms:contains(Signed by):contains(Wanda West)" },
    ],
});

tours.add("dms_agreement_activate", {
    steps: () => [
        {
            content: "put it in force",
            trigger: ".o_form_view button[name=action_activate]:enabled",
            run: "click",
        },
        { trigger: state("Active") },
        {
            trigger: ".o_notebook_headers .nav-link:contains(Signature)",
            run: "click",
        },
        { trigger: ".o_field_widget[name=signed_by]:contains(Wanda West)" },
        { trigger: ".o_field_widget[name=signed_from]:contains(127.0.0.1)" },
    ],
});
