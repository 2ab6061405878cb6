from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools.words import format_quantity
from .bulk_many2one import BulkMany2one

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
#: Issues that end once a code is mapped: {issue: (kind of mapping, field that holds the code)}.
MAPPABLE_ISSUES = {
    "product_unknown": ("product", "product_code"),
    "product_ambiguous": ("product", "product_code"),
    "product_inactive": ("product", "product_code"),
    "outlet_unknown": ("outlet", "outlet_code"),
    "outlet_other": ("outlet", "outlet_code"),
    "unit_unknown": ("unit", "unit_text"),
    "unit_incompatible": ("unit", "unit_text"),
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
]


#: Reason that a kind of rule gives, where it is called otherwise.
ISSUE_BY_RULE = {"window": "window_closed", "territory": "territory_outside", "above_stock": "stock_short"}


class DmsFeedLine(models.Model):
    _name = "dms.feed.line"
    _description = "Feed Line"
    _order = "feed_id desc, row, id"
    _rec_name = "row"
    # a million of these arrive at a time; who mended what is said in the feed's chatter
    _log_access = False

    feed_id = fields.Many2one(
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
    duplicate_of_id = fields.Many2one(
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
        " quantity, returned, COALESCE(price_unit, 0)) WHERE state = 'released'",
        "This line was released already.",
    )

    _standing_count_idx = models.Index(
        "(partner_id, product_id, date, id) WHERE kind = 'count' AND state = 'released'"
    )

    @api.depends("issues", "warnings", "notes", "figures", "duplicate_of_id", *RAW_FIELDS)
    def _compute_message(self):
        for line in self:
            reasons = ",".join(filter(None, (line.issues, line.warnings, line.notes)))
            line.message = " ".join(line._get_message(issue) for issue in reasons.split(",") if issue)

    def write(self, vals):
        """Mend the texts of lines that are not released; they are checked again at once."""
        if unknown := set(vals) - set(RAW_FIELDS):
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
        result = super().write({**vals, "accepted": False, "accept_reason": False, "accepted_by_id": False})
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

    def _get_message(self, issue):
        """Answer in words what is wrong and how to mend it, in the reader's language."""
        earlier = self.duplicate_of_id
        values = {
            "distributor": self.distributor_code or "",
            "outlet": self.outlet_code or "",
            "product": self.product_code or "",
            "date": self.date_text or "",
            "quantity": self.quantity_text or "",
            "unit": self.unit_text or "",
            "price": self.price_text or "",
            "amount": self.amount_text or "",
            "returned": self.returned_text or "",
            "sender": self.feed_id.partner_id.display_name or "",
            "earlier": self._get_earlier_text(earlier),
        } | ((self.figures or {}).get(issue) or {})
        messages = {
            "cell_too_long": lambda: self.env._("A text of this row is longer than 200 characters; perhaps a quotation mark in the file is never closed. Enter the right text."),
            "formula": lambda: self.env._("This row holds a formula or a text that begins like one. Enter the value itself."),
            "distributor_missing": lambda: self.env._("The row does not say which distributor it is about. Enter the distributor's code."),
            "distributor_unknown": lambda: self.env._('No distributor has the code "%(distributor)s". Correct the code, or give the distributor this reference.', **values),
            "distributor_ambiguous": lambda: self.env._('Several distributors have the code "%(distributor)s". Give each its own reference.', **values),
            "distributor_other": lambda: self.env._('%(sender)s sent this file, but the row is about "%(distributor)s". Remove the code, or let that distributor send it.', **values),
            "outlet_unknown": lambda: self.env._('No outlet has the code "%(outlet)s". Correct the code, or say once which outlet it is (Map Codes).', **values),
            "outlet_other": lambda: self.env._('The outlet "%(outlet)s" is not supplied by this distributor. Correct the code, or map it to the right outlet.', **values),
            "outlet_sender": lambda: self.env._('%(sender)s sent this file, but the row is about the outlet "%(outlet)s". Remove the code, or let that outlet send it.', **values),
            "product_missing": lambda: self.env._("The row has no product code. Enter it."),
            "product_unknown": lambda: self.env._('No product has the code or barcode "%(product)s". Correct the code, or say once which product it is (Map Codes).', **values),
            "product_inactive": lambda: self.env._('The product "%(product)s" is archived. Map the code to its successor, or restore the product.', **values),
            "product_ambiguous": lambda: self.env._('Several products have the code "%(product)s". Say once which one it is (Map Codes).', **values),
            "date_missing": lambda: self.env._("The row has no date. Enter it as 2025-12-31."),
            "date_unreadable": lambda: self.env._('"%(date)s" is no date between 1990 and 2100. Enter it as 2025-12-31.', **values),
            "date_future": lambda: self.env._('The date "%(date)s" is in the future. Correct it, or check again once the day has come.', **values),
            "quantity_missing": lambda: self.env._("The row has no quantity. Enter it; 0 is allowed."),
            "quantity_unreadable": lambda: self.env._('"%(quantity)s" is no number that can be a quantity. Enter it as 1234.5.', **values),
            "quantity_negative": lambda: self.env._("The quantity is negative. Enter what was sold (or counted) as a positive number, and what was brought back under Returned."),
            "returned_unreadable": lambda: self.env._('"%(returned)s" is no number that can be a returned quantity. Enter it as 1234.5.', **values),
            "returned_negative": lambda: self.env._("The returned quantity is negative. Enter it as a positive number."),
            "unit_unknown": lambda: self.env._('No unit is called "%(unit)s". Correct it, leave it empty for the product\'s own unit, or map it (Map Codes).', **values),
            "unit_incompatible": lambda: self.env._('The product is not measured in "%(unit)s". Enter a unit of the same kind as the product\'s own.', **values),
            "price_unreadable": lambda: self.env._('"%(price)s" is no price. Enter it as 1234.50, or leave it empty.', **values),
            "price_negative": lambda: self.env._("The price is negative. Enter it as a positive number."),
            "amount_unreadable": lambda: self.env._('"%(amount)s" is no amount. Enter it as 1234.50, or leave it empty.', **values),
            "amount_negative": lambda: self.env._("The amount is negative though the quantity is not. Enter what was brought back under Returned."),
            "count_outlet": lambda: self.env._("A stock count is of the distributor's own stock. Leave the outlet empty."),
            "count_twice": lambda: self.env._("Another row counts this product on the same day. Keep one row for each product and day, with the sum."),
            "conflict": lambda: self.env._("%(earlier)s already reports %(sold)s sold and %(brought)s returned for the same outlet, product and day. If this row corrects it, press Replace; if it is another sale, give it a reference of its own.", sold=format_quantity(self.env, earlier.quantity), brought=format_quantity(self.env, earlier.returned), **values),
            "duplicate": lambda: self.env._("%(earlier)s already says the same. Nothing to do; if it is another sale, give it a reference of its own.", **values),
            "window_closed": lambda: self.env._("This day was due by %(due)s, with corrections for %(days)s days. Report earlier, or ask the brand to take it all the same.", **values),
            "territory_outside": lambda: self.env._('The outlet "%(outlet)s" lies in %(territory)s, outside the agreement. Correct the outlet, or say why it was supplied.', **values),
            "quantity_far": lambda: self.env._("%(value)s is far from what is usual here: %(usual)s, between %(low)s and %(high)s. Correct it (perhaps a unit is missing), or say why it is right.", **values),
            "price_far": lambda: self.env._("A price of %(value)s is far from what is usual here: %(usual)s, between %(low)s and %(high)s. Correct it, or say why it is right.", **values),
            "stock_short": lambda: self.env._("%(sold)s sold, but only %(stock)s were there. Correct it, send a stock count, or say why it is right.", **values),
            "similar": lambda: self.env._("Row %(row)s of %(feed)s has the same figures on %(date)s. If it is the same sale, remove this line; else say that it is another one.", **values),
        }  # fmt: skip
        return messages[issue]()

    def _get_earlier_text(self, earlier):
        if not earlier:
            return self.env._("An earlier line")
        if earlier.feed_id == self.feed_id:
            return self.env._("Row %(row)s", row=earlier.row)
        return self.env._("Row %(row)s of %(feed)s", row=earlier.row, feed=earlier.feed_id.name)
