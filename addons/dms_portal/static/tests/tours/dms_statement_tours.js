import { registry } from "@web/core/registry";

const tours = registry.category("web_tour.tours");

const creditNote = ".o_dms_entry:contains(Credit Note)";

/** Find the statement, dispute its credit note, think better of it, and confirm the whole. */
tours.add("dms_portal_statement", {
    steps: () => [
        {
            content: "home says that a statement waits",
            trigger: ".o_dms_todo a:contains(Statements to answer)",
            run: "click",
            expectUnloadPage: true,
        },
        {
            trigger: ".o_dms_row_link:contains(To answer) .stretched-link",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "how old what is open is",
            trigger: ".o_dms_ages:contains(Not Due)",
        },
        {
            trigger: `${creditNote} .o_dms_dispute_entry`,
            run: "click",
        },
        {
            trigger: `${creditNote} .collapse.show input[name=amount]`,
            run: "edit 45",
        },
        {
            trigger: `${creditNote} textarea[name=reason]`,
            run: "edit Not what we received",
        },
        {
            trigger: `${creditNote} button:contains(Dispute this entry)`,
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "the dispute stands beside the entry",
            trigger: `${creditNote}:contains(Not what we received):contains(45.00)`,
        },
        {
            content: "the rest can be confirmed already",
            trigger: ".o_dms_confirm:contains(Confirm the rest)",
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "the entry stays in dispute until it is confirmed by itself",
            trigger: `${creditNote} .o_dms_confirm_entry`,
            run: "click",
            expectUnloadPage: true,
        },
        {
            content: "all is confirmed, with name and time",
            trigger: "#answer:contains(clerk_north)",
        },
        { trigger: "h1 + .badge:contains(Confirmed)" },
    ],
});
