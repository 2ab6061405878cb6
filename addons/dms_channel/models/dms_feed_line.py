from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .bulk_many2one import BulkMany2one
from .dms_feed_line_words import DETAIL_FIELDS

#: Texts as the sender wrote them; these can be mended on a line that is not released.
RAW_FIELDS = (
    "distributor_code",
    "outlet_code",
    "product_code",
    "date_text",
    "quantity_text",
    "unit_text",
    "price_text",
    "amount_text",
    "returned_text",
    "reference",
)
#: Further texts of lines of one kind.
KIND_FIELDS = {"returns": ("batch_code", "reason"), "sensor": ("device_code",)}
#: The texts of a line that can be mended, by kind, in the order in which they are shown.
TEXT_FIELDS = {
    "sell_through": RAW_FIELDS,
    "count": RAW_FIELDS,
    "returns": tuple(name for name in RAW_FIELDS if name != "returned_text") + KIND_FIELDS["returns"],
    "sensor": (*RAW_FIELDS[:6], "device_code"),
    "outlet": (*RAW_FIELDS[:2], *DETAIL_FIELDS),
}
MENDABLE_FIELDS = {name for names in TEXT_FIELDS.values() for name in names}
#: Issues that end once a code is mapped: {issue: (kind of mapping, field that holds the code)}.
MAPPABLE_ISSUES = {
    "product_unknown": ("product", "product_code"),
    "product_ambiguous": ("product", "product_code"),
    "product_inactive": ("product", "product_code"),
    "outlet_unknown": ("outlet", "outlet_code"),
    "outlet_other": ("outlet", "outlet_code"),
    "unit_unknown": ("unit", "unit_text"),
    "unit_incompatible": ("unit", "unit_text"),
    "device_unknown": ("device", "device_code"),
}
ISSUES = [
    ("cell_too_long", "Text too long"),
    ("formula", "Formula instead of a value"),
    ("distributor_missing", "No distributor"),
    ("distributor_unknown", "Unknown distributor"),
    ("distributor_ambiguous", "Distributor not clear"),
    ("distributor_other", "Another distributor's line"),
    ("outlet_unknown", "Unknown outlet"),
    ("outlet_other", "Another distributor's outlet"),
    ("outlet_sender", "Another outlet's line"),
    ("product_missing", "No product code"),
    ("product_unknown", "Unknown product"),
    ("product_inactive", "Archived product"),
    ("product_ambiguous", "Product not clear"),
    ("date_missing", "No date"),
    ("date_unreadable", "Unreadable date"),
    ("date_future", "Date in the future"),
    ("quantity_missing", "No quantity"),
    ("quantity_unreadable", "Unreadable quantity"),
    ("quantity_negative", "Negative quantity"),
    ("returned_unreadable", "Unreadable returned quantity"),
    ("returned_negative", "Negative returned quantity"),
    ("unit_unknown", "Unknown unit"),
    ("unit_incompatible", "Unit of another measure"),
    ("price_unreadable", "Unreadable price"),
    ("price_negative", "Negative price"),
    ("amount_unreadable", "Unreadable amount"),
    ("amount_negative", "Negative amount"),
    ("count_outlet", "Outlet in a stock count"),
    ("count_twice", "Counted twice on a day"),
    ("conflict", "Differs from an earlier report"),
    ("duplicate", "Already reported"),
    ("window_closed", "After the reporting window"),
    ("territory_outside", "Outside the territory"),
    ("quantity_far", "Unusual quantity"),
    ("price_far", "Unusual price"),
    ("stock_short", "Sold more than there was"),
    ("similar", "Similar to an earlier line"),
    ("return_twice", "Returned in the sales report too"),
    ("batch_unknown", "Unknown batch"),
    ("outlet_closed", "Closed outlet"),
    ("device_missing", "No device"),
    ("device_unknown", "Unknown device"),
    ("moment_unreadable", "Unreadable time"),
    ("time_missing", "No time of day"),
    ("reading_twice", "Read twice at a time"),
    ("outlet_missing", "No outlet code"),
    ("name_missing", "No name"),
    ("phone_unreadable", "Unreadable phone number"),
    ("email_unreadable", "Unreadable email"),
    ("status_unknown", "Unknown status"),
    ("country_unknown", "Unknown country"),
    ("state_unknown", "Unknown state"),
    ("outlet_twice", "Outlet twice in the file"),
    ("outlet_in_use", "Outlet still in use"),
    ("outlet_elsewhere", "Reference of somebody else's outlet"),
    ("outlet_similar", "Similar to a known outlet"),
    ("outlet_taken", "Another distributor's outlet"),
]


#: Reason that a kind of rule gives, where it is called otherwise.
ISSUE_BY_RULE = {"window": "window_closed", "territory": "territory_outside", "above_stock": "stock_short"}


class DmsFeedLine(models.Model):
    _name = "dms.feed.line"
    _description = "Feed Line"
    _inherit = ["dms.feed.line.words"]
    _order = "feed_id desc, row, id"
    _rec_name = "row"
    # a million of these arrive at a time; who mended what is said in the feed's chatter
    _log_access = False

    feed_id = BulkMany2one(
        comodel_name="dms.feed", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = BulkMany2one(comodel_name="res.company", required=True, readonly=True)
    kind = fields.Char(readonly=True)
    row = fields.Integer(readonly=True, aggregator=None, help="Row of the file, as a spreadsheet numbers it.")
    distributor_code = fields.Char(string="Sent Distributor")
    outlet_code = fields.Char(string="Sent Outlet")
    product_code = fields.Char(string="Sent Product")
    date_text = fields.Char(string="Sent Date")
    quantity_text = fields.Char(string="Sent Quantity")
    unit_text = fields.Char(string="Sent Unit")
    price_text = fields.Char(string="Sent Price")
    amount_text = fields.Char(string="Sent Amount")
    returned_text = fields.Char(string="Sent Returned")
    reference = fields.Char()
    batch_code = fields.Char(string="Sent Batch")
    reason = fields.Char(string="Reason of Return")
    device_code = fields.Char(string="Sent Device")
    details = fields.Json(readonly=True, help="What a line of outlet master data says: {name: text}.")
    outlet_name = fields.Char(
        compute="_compute_details", readonly=False, search="_search_outlet_name", string="Sent Name"
    )
    street_text = fields.Char(compute="_compute_details", readonly=False, string="Sent Address")
    city_text = fields.Char(compute="_compute_details", readonly=False, string="Sent City")
    zip_text = fields.Char(compute="_compute_details", readonly=False, string="Sent Zip")
    state_text = fields.Char(compute="_compute_details", readonly=False, string="Sent State")
    country_text = fields.Char(compute="_compute_details", readonly=False, string="Sent Country")
    phone_text = fields.Char(compute="_compute_details", readonly=False, string="Sent Phone")
    email_text = fields.Char(compute="_compute_details", readonly=False, string="Sent Email")
    contact_text = fields.Char(compute="_compute_details", readonly=False, string="Sent Contact")
    status_text = fields.Char(compute="_compute_details", readonly=False, string="Sent Status")
    changes = fields.Json(readonly=True, help="What the release changes: {field: [before, after]}.")
    change_text = fields.Text(string="Changes", compute="_compute_change_text", compute_sudo=True)
    moment = fields.Datetime(readonly=True, help="When a sensor read its shelf.")
    lot_id = BulkMany2one(comodel_name="stock.lot", string="Batch", readonly=True)
    partner_id = BulkMany2one(comodel_name="res.partner", string="Distributor", readonly=True)
    outlet_id = BulkMany2one(comodel_name="res.partner", string="Outlet", readonly=True)
    product_id = BulkMany2one(comodel_name="product.product", readonly=True)
    date = fields.Date(readonly=True)
    quantity = fields.Float(
        digits="Product Unit", readonly=True, help="Sold, or counted, in the product's unit."
    )
    returned = fields.Float(
        digits="Product Unit",
        readonly=True,
        help="Brought back by customers, in the product's unit.",
    )
    price_unit = fields.Float(
        string="Unit Price",
        digits="Product Price",
        readonly=True,
        aggregator="avg",
        help="For one of the product's unit.",
    )
    amount = fields.Float(digits="Product Price", readonly=True, help="In the feed's currency.")
    state = fields.Selection(
        selection=[
            ("ok", "Right"),
            ("error", "To Mend"),
            ("warning", "To Confirm"),
            ("duplicate", "Duplicate"),
            ("released", "Released"),
            ("reversed", "Reversed"),
        ],
        required=True,
        readonly=True,
        default="error",
    )
    issue = fields.Selection(selection=ISSUES, string="Reason", readonly=True)
    issues = fields.Char(string="All Reasons", readonly=True)
    warnings = fields.Char(
        readonly=True, help="What rules doubt; the line waits until somebody says why it is right."
    )
    notes = fields.Char(
        string="Remarks", readonly=True, help="What rules remarked without stopping the line."
    )
    figures = fields.Json(readonly=True, help="{reason: the figures by which the rule decided}.")
    first_pass = fields.Boolean(readonly=True, help="It was right when it came.")
    accepted = fields.Char(readonly=True, help="Warnings that were accepted.")
    accept_reason = fields.Char(string="Accepted Because", readonly=True)
    accepted_by_id = fields.Many2one("res.users", readonly=True)
    duplicate_of_id = BulkMany2one(
        comodel_name="dms.feed.line",
        string="Earlier Line",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    # in sudo: the earlier line may belong to a feed that the sender can't see
    message = fields.Text(compute="_compute_message", compute_sudo=True)

    _released_uniq = models.UniqueIndex(
        "(partner_id, product_id, date, company_id, kind, COALESCE(outlet_id, 0), COALESCE(reference, ''),"
        " quantity, returned, COALESCE(price_unit, 0)) WHERE state = 'released' AND kind IN ('sell_through', 'count')",
        "This line was released already.",
    )
    _returned_uniq = models.UniqueIndex(
        "(partner_id, product_id, date, company_id, COALESCE(outlet_id, 0), COALESCE(reference, ''),"
        " lower(COALESCE(batch_code, '')), quantity, COALESCE(price_unit, 0))"
        " WHERE state = 'released' AND kind = 'returns'",
        "This line was released already.",
    )

    _standing_count_idx = models.Index(
        "(partner_id, product_id, date, id) WHERE kind = 'count' AND state = 'released'"
    )

    @api.depends("details")
    def _compute_details(self):
        for line in self:
            for name, key in DETAIL_FIELDS.items():
                line[name] = (line.details or {}).get(key, "")

    def _search_outlet_name(self, operator, value):
        if operator not in ("=", "ilike", "not ilike", "!=", "=ilike"):
            return NotImplemented
        text = f"%{value}%" if operator in ("ilike", "not ilike") else value
        found = SQL("SELECT id FROM dms_feed_line WHERE kind = 'outlet' AND details->>'name' ILIKE %s", text)
        return [("id", "not in" if operator in ("not ilike", "!=") else "in", found)]

    @api.depends("changes")
    def _compute_change_text(self):
        """What the release changes about the outlet, a line each: "City: before → after"."""
        labels = {
            name: attributes["string"]
            for name, attributes in self.env["res.partner"]
            .fields_get(
                ["name", "street", "city", "zip", "state_id", "country_id", "phone", "email"], ["string"]
            )
            .items()
        } | {"contact": self.env._("Contact"), "active": self.env._("Open")}
        yes = {True: self.env._("Yes"), False: self.env._("No")}
        models = {"state_id": "res.country.state", "country_id": "res.country"}

        def shown(name, value):
            if value is None or value == "":
                return "∅"
            if name in models:
                return self.env[models[name]].browse(value).display_name
            return yes[value] if isinstance(value, bool) else str(value)

        for line in self:
            changes = line.changes or {}
            if "new" in changes:
                texts = [self.env._("New outlet")]
            else:
                texts = [
                    f"{labels[name]}: {shown(name, changes[name][0])} → {shown(name, changes[name][1])}"
                    for name in labels
                    if name in changes
                ]
            line.change_text = "\n".join(texts)

    @api.depends(
        "issues", "warnings", "notes", "figures", "duplicate_of_id", "details", "batch_code", "device_code",
        *RAW_FIELDS,
    )  # fmt: skip
    def _compute_message(self):
        for line in self:
            reasons = ",".join(filter(None, (line.issues, line.warnings, line.notes)))
            line.message = " ".join(line._get_message(issue) for issue in reasons.split(",") if issue)

    def write(self, vals):
        """Mend the texts of lines that are not released; they are checked again at once."""
        if unknown := set(vals) - MENDABLE_FIELDS:
            raise UserError(
                self.env._(
                    "On a feed's line only what was sent can be mended, not %(fields)s.",
                    fields=", ".join(unknown),
                )
            )
        if self.filtered(lambda line: line.state in ("released", "reversed")):
            raise UserError(
                self.env._(
                    "A released line is part of the channel stock. Reverse the feed, or send the right line anew."
                )
            )
        before = {line: [line[name] or "" for name in vals] for line in self}
        # a reason was given for what the line said before
        details = {key: vals[name] or "" for name, key in DETAIL_FIELDS.items() if name in vals}
        texts = {name: text for name, text in vals.items() if name not in DETAIL_FIELDS}
        result = super().write({**texts, "accepted": False, "accept_reason": False, "accepted_by_id": False})
        if details:
            for line in self:
                super(DmsFeedLine, line).write({"details": (line.details or {}) | details})
        for feed, lines in self.grouped("feed_id").items():
            feed._log_mending(list(vals), {line: before[line] for line in lines})
            if not self.env.context.get("dms_feed_defer_check"):
                feed._check(lines)
        return result

    def action_replace(self):
        """Take each line instead of the earlier one it differs from: that one's moves are reversed."""
        self.feed_id._check_may_work()
        if wrong := self.filtered(lambda line: line.issues != "conflict"):
            raise UserError(
                self.env._(
                    "Row %(row)s does not differ from an earlier line, so there is nothing to replace.",
                    row=wrong[0].row,
                )
            )
        self._replace()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    def action_accept(self):
        """Ask for the reason why the doubtful ones of these lines are right."""
        return self.env["dms.feed.accept"]._get_action(self)

    def _accept(self, reason):
        """Take the lines that rules doubt as they are, because of ``reason``; who said so is kept.

        :raises UserError: without a reason, or where only the brand may accept
        """
        feeds = self.feed_id
        feeds._check_may_work()
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say why these lines are right."))
        lines_sudo = self.sudo().filtered(lambda line: line.state == "warning")
        if self.env.user._is_portal():
            lines_sudo._check_sender_may_accept()
        lines_sudo.flush_recordset()
        self.env.cr.execute(
            SQL(
                "UPDATE dms_feed_line SET accepted = warnings, accept_reason = %s, accepted_by_id = %s, state = 'ok'"
                " WHERE id = ANY(%s)",
                reason[:500],
                self.env.uid,
                lines_sudo.ids,
            )
        )
        lines_sudo.invalidate_recordset()
        for feed_sudo, lines in lines_sudo.grouped("feed_id").items():
            feed_sudo._refresh_counts()
            rows = ", ".join(str(row) for row in sorted(lines.mapped("row"))[:50])
            feed_sudo.with_user(self.env.user).sudo()._message_log(
                body=self.env._("Accepted as right (rows %(rows)s): %(reason)s", rows=rows, reason=reason)
            )

    def _check_sender_may_accept(self):
        """Raise where a rule leaves it to the brand to accept what it found."""
        for feed_sudo, lines in self.grouped("feed_id").items():
            kept = feed_sudo.env["dms.feed.rule"]._get_rules(feed_sudo).filtered("brand_only")
            codes = {ISSUE_BY_RULE.get(rule.kind, rule.kind) for rule in kept}
            for line in lines:
                if codes & set((line.warnings or "").split(",")):
                    raise UserError(
                        self.env._(
                            "Row %(row)s can be accepted by the brand only. Mend it, or ask the brand.",
                            row=line.row,
                        )
                    )

    def action_map_codes(self):
        return self.env["dms.feed.map.codes"]._get_action(self)

    def action_open_earlier(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "dms.feed",
            "res_id": self.duplicate_of_id.feed_id.id,
            "view_mode": "form",
        }

    def _replace(self):
        """Reverse all released lines of other feeds that report the same thing, then check these lines again."""
        self.env["dms.channel.move"]._lock_partners(self.partner_id.ids)
        earlier_sudo = self.sudo()._get_same_reports()
        self._check_may_replace(earlier_sudo)
        for feed, lines in earlier_sudo.grouped("feed_id").items():
            feed._reverse_lines(
                lines, self.env._("Replaced by %(feed)s", feed=", ".join(self.feed_id.mapped("name")))
            )
        for feed, lines in self.grouped("feed_id").items():
            feed._check(lines)

    def _check_may_replace(self, earlier_sudo):
        """An outlet replaces its own reports, never its distributor's."""
        sender_sudo = self.sudo().feed_id.partner_id
        others_sudo = earlier_sudo.feed_id.filtered(lambda feed: feed.partner_id != sender_sudo)
        if sender_sudo.channel_role == "outlet" and others_sudo:
            raise UserError(
                self.env._(
                    "%(feed)s was sent by %(sender)s and is not yours to replace. Ask for its correction there.",
                    feed=others_sudo[0].name,
                    sender=(others_sudo[0].partner_id or others_sudo[0].company_id).display_name,
                )
            )

    def _get_same_reports(self):
        """Answer the released lines of other feeds with the same distributor, outlet, product, date and reference."""
        self.flush_model()
        ids = []
        for feed, lines in self.grouped("feed_id").items():
            query = SQL(
                """
                SELECT DISTINCT line.id
                  FROM dms_feed_line mine
                  JOIN dms_feed_line line ON line.state = 'released' AND line.feed_id <> mine.feed_id AND %s
                 WHERE mine.id = ANY(%s)
                """,
                feed._get_same_report_sql(),
                lines.ids,
            )
            ids += [line_id for (line_id,) in self.env.execute_query(query)]
        return self.browse(ids)
