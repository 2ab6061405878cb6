import time

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, format_date

from ..tools import guard
from .dms_feed_line import MAPPABLE_ISSUES

#: These follow from what was sent and from the feed's own actions; nobody writes them.
GUARDED_FIELDS = {
    "name",
    "company_id",
    "currency_id",
    "partner_id",
    "kind",
    "state",
    "attachment_id",
    "filename",
    "content_hash",
    "mapping_columns",
    "typed",
    "line_count",
    "ok_count",
    "error_count",
    "warning_count",
    "key",
    "missing_days",
    "refusal",
    "missing_severity",
    "first_error_count",
    "received_on",
    "duplicate_count",
    "released_count",
    "move_count",
    "date_from",
    "date_to",
    "released_on",
    "timings",
}


class DmsFeed(models.Model):
    """One transmission of a partner: received, checked line by line, released to the ledger of channel stock.

    All steps are set-based: rows are copied into a temporary table, checked there by SQL and stored with what is wrong
    with each; a later check sends the same texts through the same steps.
    """

    _name = "dms.feed"
    _description = "Channel Data Feed"
    _inherit = [
        "dms.channel.gateway",
        "dms.feed.receive",
        "dms.feed.lookup",
        "dms.feed.check",
        "dms.feed.sensor",
        "dms.feed.outlet",
        "dms.feed.mend",
        "dms.feed.release",
        "mail.thread",
        "portal.mixin",
    ]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(readonly=True, required=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        readonly=True,
        index=True,
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency",
        required=True,
        readonly=True,
        default=lambda self: self.env.company.currency_id,
        help="Of the prices and amounts in the file.",
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Sender",
        readonly=True,
        index="btree_not_null",
        check_company=True,
        domain=[("channel_role", "in", ("distributor", "outlet"))],
        help="Who sent the file: a distributor, or an outlet that reports what it sold itself. Empty for the brand's own"
        " load, whose rows name their distributor.",
    )
    user_id = fields.Many2one(
        comodel_name="res.users",
        string="Responsible",
        default=lambda self: self.env.user,
        tracking=True,
    )
    kind = fields.Selection(
        selection=[
            ("sell_through", "Sell-through"),
            ("count", "Stock Count"),
            ("returns", "Returns"),
            ("outlet", "Outlet Master Data"),
            ("sensor", "Shelf Readings"),
        ],
        required=True,
        readonly=True,
        default="sell_through",
    )
    state = fields.Selection(
        selection=[
            ("received", "Received"),
            ("checked", "Checked"),
            ("error", "With Errors"),
            ("released", "Released"),
            ("superseded", "Superseded"),
            ("rejected", "Rejected"),
        ],
        required=True,
        readonly=True,
        default="received",
        tracking=True,
    )
    attachment_id = fields.Many2one(
        comodel_name="ir.attachment", string="Stored File", readonly=True, copy=False
    )
    file = fields.Binary(related="attachment_id.datas", string="File")
    filename = fields.Char(string="File Name", readonly=True)
    content_hash = fields.Char(string="SHA-256", readonly=True, copy=False)
    typed = fields.Boolean(
        string="Typed In", readonly=True, copy=False, help="Written in a form instead of sent as a file."
    )
    mapping_columns = fields.Json(readonly=True, help="How the file was read: encoding, separator, columns.")
    line_ids = fields.One2many(comodel_name="dms.feed.line", inverse_name="feed_id", readonly=True)
    open_line_ids = fields.One2many(
        comodel_name="dms.feed.line",
        inverse_name="feed_id",
        string="Lines to Mend",
        domain=[("state", "=", "error")],
    )
    warning_line_ids = fields.One2many(
        comodel_name="dms.feed.line",
        inverse_name="feed_id",
        string="Lines to Confirm",
        domain=[("state", "=", "warning")],
    )
    change_line_ids = fields.One2many(
        comodel_name="dms.feed.line",
        inverse_name="feed_id",
        string="Changes",
        domain=[("state", "in", ("ok", "warning", "released")), ("changes", "!=", False)],
        readonly=True,
    )
    line_count = fields.Integer(string="Lines", readonly=True)
    ok_count = fields.Integer(string="Right", readonly=True)
    error_count = fields.Integer(string="To Mend", readonly=True)
    warning_count = fields.Integer(string="To Confirm", readonly=True)
    received_on = fields.Datetime(readonly=True, copy=False, default=fields.Datetime.now)
    first_error_count = fields.Integer(
        string="To Mend at First",
        readonly=True,
        copy=False,
        help="Lines that were wrong when the file came in.",
    )
    duplicate_count = fields.Integer(string="Duplicates", readonly=True)
    missing_days = fields.Json(
        readonly=True, help="Days without a line, though the sender reports on that weekday."
    )
    missing_severity = fields.Char(readonly=True)
    missing_reason = fields.Char(
        string="Why Days Are Missing",
        tracking=True,
        help="What the sender says about the days without a line.",
    )
    refusal = fields.Char(readonly=True, help="Why the file could not be read as it is.")
    can_supersede = fields.Boolean(compute="_compute_can_supersede")
    missing_text = fields.Char(string="Missing Days", compute="_compute_missing_text")
    released_count = fields.Integer(string="Released Lines", readonly=True)
    move_count = fields.Integer(string="Moves", readonly=True)
    date_from = fields.Date(string="From", readonly=True)
    date_to = fields.Date(string="To", readonly=True)
    released_on = fields.Datetime(readonly=True, copy=False)
    timings = fields.Json(readonly=True, help="Seconds that each step took the last time.")
    layout_text = fields.Text(string="Read As", compute="_compute_layout_text")
    issue_text = fields.Text(string="Reasons", compute="_compute_issue_text")
    has_unknown_codes = fields.Boolean(compute="_compute_issue_text")
    comparison_count = fields.Integer(
        string="Counted Otherwise",
        compute="_compute_comparison_count",
        help="Products whose last count is of this feed and differs from the ledger.",
    )

    _content_uniq = models.UniqueIndex(
        "(company_id, kind, COALESCE(partner_id, 0), content_hash) WHERE state NOT IN ('rejected', 'superseded')"
        " AND NOT (kind = 'outlet' AND state = 'released')",
        "This file was received already.",
    )
    _key_uniq = models.UniqueIndex(
        "(company_id, create_uid, key) WHERE key IS NOT NULL",
        "A feed with this key was received already.",
    )

    @api.depends("mapping_columns")
    def _compute_layout_text(self):
        for feed in self:
            layout = feed.mapping_columns or {}
            feed.layout_text = "\n".join(
                [", ".join(filter(None, [layout.get("kind"), layout.get("encoding"), layout.get("sheet")]))]
                + [f"{name}: {header}" for name, header in (layout.get("columns") or {}).items()]
            )

    @api.depends("error_count", "warning_count", "duplicate_count")
    def _compute_issue_text(self):
        labels = dict(self.env["dms.feed.line"]._fields["issue"]._description_selection(self.env))
        counts = {}
        unknown = self.browse()
        for feed, issue, count in self.env["dms.feed.line"]._read_group(
            [("feed_id", "in", self.ids), ("state", "in", ("error", "warning", "duplicate"))],
            ["feed_id", "issue"],
            ["__count"],
        ):
            counts.setdefault(feed, []).append((count, labels.get(issue, issue)))
            if issue in MAPPABLE_ISSUES:
                unknown |= feed
        for feed in self:
            feed.has_unknown_codes = feed in unknown
            feed.issue_text = "\n".join(
                f"{label}: {count}" for count, label in sorted(counts.get(feed, []), reverse=True)
            )

    @api.depends("error_count", "state")
    def _compute_can_supersede(self):
        conflicts = self.env["dms.feed.line"]._read_group(
            [("feed_id", "in", self.ids), ("state", "=", "error"), ("issue", "=", "conflict")], ["feed_id"]
        )
        feeds = {feed for (feed,) in conflicts}
        for feed in self:
            feed.can_supersede = bool(feed.partner_id) and feed in feeds

    @api.depends("kind", "state")
    def _compute_comparison_count(self):
        counts = dict(
            self.env["dms.channel.comparison"]._read_group(
                [("feed_line_id.feed_id", "in", self.ids), ("differs", "=", True)], ["feed_id"], ["__count"]
            )
        )
        for feed in self:
            feed.comparison_count = counts.get(feed._origin, 0)

    @api.depends("missing_days")
    def _compute_missing_text(self):
        for feed in self:
            days = [format_date(self.env, day) for day in feed.missing_days or []]
            rest = len(days) - 10
            feed.missing_text = ", ".join(days[:10]) + (f" … (+{rest})" if rest > 0 else "")

    def _compute_access_url(self):
        result = super()._compute_access_url()
        for feed in self:
            feed.access_url = f"/my/feeds/{feed.id}"
        return result

    @api.model_create_multi
    def create(self, vals_list):
        if not guard.is_marked(self):
            raise UserError(self.env._("A feed begins with its file: press Upload File."))
        for vals in vals_list:
            if not vals.get("name"):
                vals["name"] = self.env["ir.sequence"].next_by_code("dms.feed") or self.env._("New")
        return super().create(vals_list)

    def write(self, vals):
        if not guard.is_marked(self) and (fixed := GUARDED_FIELDS & vals.keys()):
            raise UserError(
                self.env._(
                    "A feed is not edited but mended: correct its lines, release, reject or reverse it (%(fields)s).",
                    fields=", ".join(sorted(fixed)),
                )
            )
        return super().write(vals)

    def unlink(self):
        ids = self.ids
        result = super().unlink()
        self._delete_lines(ids)
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_released(self):
        if self.filtered(lambda feed: feed.move_count or feed.released_count):
            raise UserError(
                self.env._("A feed that has reached the channel stock can't be deleted. Reverse it instead.")
            )

    # -- actions ---------------------------------------------------------------------------------------------------

    def action_check(self):
        self._check_may_work()
        for feed in self:
            feed.sudo()._check()

    def action_release(self):
        self._check_may_work()
        for feed in self:
            feed.sudo()._release()

    def action_reject(self):
        self._check_may_work()
        if self.filtered("released_count"):
            raise UserError(self.env._("Released lines can't be rejected. Reverse the feed instead."))
        guard.mark(self.sudo()).write({"state": "rejected"})

    def action_reverse(self):
        """Take everything that the feed released back out of the ledger, by opposite moves."""
        if not self.env.user.has_group("dms_channel.dms_channel_group_manager"):
            raise AccessError(self.env._("Only a channel manager may reverse a released feed."))
        for feed in self:
            feed._reverse_lines()
            guard.mark(feed).state = "superseded"

    def action_open_lines(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_feed_line_action")
        return action | {"domain": [("feed_id", "=", self.id)], "context": {}}

    def action_open_moves(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_move_action")
        return action | {"domain": [("feed_line_id.feed_id", "=", self.id)], "context": {}}

    def action_open_comparisons(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_comparison_action")
        return action | {"domain": [("feed_line_id.feed_id", "=", self.id)]}

    def action_accept(self):
        self.ensure_one()
        return self.env["dms.feed.accept"]._get_action(self.warning_line_ids)

    def action_columns(self):
        self.ensure_one()
        return self.env["dms.feed.columns"]._get_action(self)

    def action_supersede(self):
        self.ensure_one()
        return self.env["dms.feed.supersede"]._get_action(self)

    def action_map_codes(self):
        self.ensure_one()
        return self.env["dms.feed.map.codes"]._get_action(self.open_line_ids)

    # -- for all steps ---------------------------------------------------------------------------------------------

    def _note_time(self, step, started):
        guard.mark(self).timings = (self.timings or {}) | {step: round(time.monotonic() - started, 3)}

    def _ensure_open(self):
        if self.state in ("rejected", "superseded"):
            raise UserError(
                self.env._("%(feed)s is closed. Send the file again to start anew.", feed=self.name)
            )

    @api.model
    def _create_temp(self, name, query):
        """Keep the answer of ``query`` for this transaction, with statistics of its own.

        Those of the big tables don't know this transaction's rows: a join with a quarter of a million rows that are
        taken for one is planned as a nested loop and never ends.
        """
        self.env.cr.execute(SQL("DROP TABLE IF EXISTS %s", SQL.identifier("pg_temp", name)))
        self.env.cr.execute(SQL("CREATE TEMP TABLE %s ON COMMIT DROP AS %s", SQL.identifier(name), query))
        self.env.cr.execute(SQL("ANALYZE %s", SQL.identifier("pg_temp", name)))

    def _check_may_work(self):
        """Channel users work on all feeds of their companies; a portal user on those it can see, which are its own."""
        self.check_access("read" if self.env.user._is_portal() else "write")
