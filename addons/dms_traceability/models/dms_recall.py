from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_date

from odoo.addons.dms_channel.tools import guard

from .dms_code_tables import ACTIVE, ASSIGNED, CONSUMED, RECEIVED, SHIPPED, SOLD, UNIT

# Written by the recall's own actions only.
STATE_FIELDS = {"date_closed", "date_counted", "date_started", "name", "state"}
# What is recalled: fixed once letters went out.
TERMS = {
    "company_id",
    "date_from",
    "date_to",
    "first_code",
    "last_code",
    "lot_ids",
    "product_id",
    "remedy",
    "scope",
}


class DmsRecall(models.Model):
    """Goods called back by batch, range of codes or production period: who holds how many, and what became of them."""

    _name = "dms.recall"
    _description = "Recall"
    _inherit = ["mail.thread", "mail.activity.mixin", "dms.pdf.document"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char("Recall No.", readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user, tracking=True)
    product_id = fields.Many2one(
        "product.product", required=True, index=True, check_company=True, tracking=True
    )
    scope = fields.Selection(
        [("lot", "Batches"), ("range", "Range of Codes"), ("period", "Production Period")],
        "Recalled By",
        required=True,
        default="lot",
        tracking=True,
    )
    lot_ids = fields.Many2many(
        "stock.lot", string="Batches", check_company=True, domain="[('product_id', '=', product_id)]"
    )
    first_code = fields.Char(help="Link, element string or serial of the first item concerned.")
    last_code = fields.Char(help="Link, element string or serial of the last item concerned.")
    date_from = fields.Date("Codes Made From", help="First day on which codes of the goods were made.")
    date_to = fields.Date("Codes Made Until")
    reason = fields.Text(
        "What Is Wrong",
        required=True,
        tracking=True,
        help="Holders read this in the letter: the fault, and its danger.",
    )
    remedy = fields.Selection(
        [("return", "Send Back"), ("destroy", "Destroy and Prove")],
        "Asked For",
        required=True,
        default="return",
        tracking=True,
    )
    deadline = fields.Date("Answer Until", tracking=True)
    state = fields.Selection(
        [("draft", "Draft"), ("running", "Running"), ("closed", "Closed"), ("cancelled", "Cancelled")],
        "Status",
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        tracking=True,
        index=True,
    )
    date_started = fields.Datetime("Letters Sent On", readonly=True, copy=False)
    date_counted = fields.Datetime("Counted On", readonly=True, copy=False)
    date_closed = fields.Datetime("Closed On", readonly=True, copy=False)
    conclusion = fields.Text(copy=False, tracking=True, help="Stands in the closure report.")
    line_ids = fields.One2many("dms.recall.line", "recall_id", "Holders", readonly=True, copy=False)
    holder_count = fields.Integer("Holders Written To", compute="_compute_totals")
    answered_count = fields.Integer("Holders That Answered", compute="_compute_totals")
    unit_count = fields.Integer("Units Concerned", compute="_compute_totals")
    stock_count = fields.Integer("In Our Stock", compute="_compute_totals")
    away_count = fields.Integer("With Holders", compute="_compute_totals")
    left_count = fields.Integer("Still With Holders", compute="_compute_totals")
    settled_count = fields.Integer("Accounted For", compute="_compute_totals")
    sold_count = fields.Integer("Sold or Opened", compute="_compute_totals")
    progress = fields.Float(
        compute="_compute_totals", help="Units with holders of which is known what became, in percent."
    )

    @api.depends("line_ids.unit_count", "line_ids.sold_count", "line_ids.settled_count", "line_ids.state")
    def _compute_totals(self):
        lines = self.env["dms.recall.line"].search_fetch(
            [("recall_id", "in", self.ids)],
            ["recall_id", "partner_id", "state", "unit_count", "sold_count", "settled_count", "left_count"],
            limit=None,
        )
        by_recall = lines.grouped("recall_id")
        for recall in self:
            own = by_recall.get(recall, lines.browse())
            stock = own.filtered(lambda line: not line.partner_id)
            away = own - stock
            recall.holder_count = len(away)
            recall.answered_count = len(away.filtered(lambda line: line.state == "answered"))
            recall.stock_count = sum(stock.mapped("unit_count"))
            recall.away_count = sum(away.mapped("unit_count"))
            recall.sold_count = sum(own.mapped("sold_count"))
            recall.unit_count = recall.stock_count + recall.away_count + recall.sold_count
            recall.settled_count = sum(away.mapped("settled_count"))
            recall.left_count = sum(away.mapped("left_count"))
            recall.progress = (
                100.0 * recall.settled_count / recall.away_count if recall.away_count else 100.0 * bool(own)
            )

    @api.constrains("date_from", "date_to")
    def _check_dates(self):
        if any(recall.date_from and recall.date_to and recall.date_from > recall.date_to for recall in self):
            raise ValidationError(self.env._("The production period ends before it begins."))

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_guarded(vals)
            company = self.env["res.company"].browse(vals.get("company_id")) or self.env.company
            vals["name"] = self.env["ir.sequence"].with_company(company).next_by_code("dms.recall")
        return super(DmsRecall, guard.mark(self)).create(vals_list).with_env(self.env)

    def write(self, vals):
        self._check_guarded(vals)
        if TERMS & vals.keys() and any(recall.state != "draft" for recall in self):
            raise UserError(
                self.env._(
                    "Letters about these goods went out: what is recalled stays. Make another recall for more."
                )
            )
        return super().write(vals)

    def _check_guarded(self, vals):
        if not guard.is_marked(self) and STATE_FIELDS & vals.keys():
            raise UserError(self.env._("A recall moves on by its own actions only: start, count, close."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_started(self):
        if any(recall.state not in ("draft", "cancelled") for recall in self):
            raise UserError(self.env._("A recall that holders were written about is kept."))

    # --- Actions ----------------------------------------------------------------------------------

    def action_count(self):
        """Find who holds how many units now; while the recall runs, what is left of them."""
        for recall in self:
            recall._require("draft", "running")
            recall._count()
        return True

    def action_start(self):
        """Count, and write to all who hold units."""
        for recall in self:
            recall._require("draft")
            recall.deadline = recall.deadline or fields.Date.add(fields.Date.context_today(recall), days=7)
            recall._count()
            if not recall.unit_count:
                raise UserError(
                    self.env._(
                        "No unit of %s is found: there is nothing to call back. Check batches, range or days, or whether its codes are in use.",
                        recall._describe_goods(),
                    )
                )
            guard.mark(recall).write({"state": "running", "date_started": fields.Datetime.now()})
            recall.line_ids.filtered("partner_id")._send_letter()
        return True

    def action_remind(self):
        for recall in self:
            recall._require("running")
            recall.line_ids.filtered(
                lambda line: line.partner_id and line.state == "waiting" and line.unit_count
            )._send_letter()
        return True

    def action_close(self):
        for recall in self:
            recall._require("running")
            if not (recall.conclusion or "").strip():
                raise UserError(
                    self.env._("%s: enter the conclusion first. The closure report states it.", recall.name)
                )
            recall._count()
            guard.mark(recall).write({"state": "closed", "date_closed": fields.Datetime.now()})
            recall.message_post(
                body=self.env._("Recall closed."),
                attachments=[(recall._get_report_name(), recall._render_pdf())],
            )
        return True

    def action_cancel(self):
        for recall in self:
            recall._require("draft")
            guard.mark(recall).write({"state": "cancelled"})
        return True

    def action_report(self):
        """The report as it stands, as a file."""
        self.ensure_one()
        self.check_access("read")
        attachment = self.env["ir.attachment"].create(
            {
                "name": self._get_report_name(),
                "raw": self._render_pdf(),
                "mimetype": "application/pdf",
                "res_model": self._name,
                "res_id": self.id,
            }
        )
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{attachment.id}?download=true",
            "target": "self",
        }

    def action_open_lines(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_recall_line_action")
        action["domain"] = [("recall_id", "=", self.id)]
        return action

    def _require(self, *states):
        if self.state not in states:
            names = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(recall)s is %(state)s: that can't be done any more.",
                    recall=self.name,
                    state=names[self.state].lower(),
                )
            )

    # --- Counting ---------------------------------------------------------------------------------

    def _get_spans(self):
        """Keys of the units concerned: list of ``(first, last)``.

        :raise UserError: when the recall names none
        """
        self.ensure_one()
        if self.scope == "range":
            return [self._get_range()]
        domain = [
            ("product_id", "=", self.product_id.id),
            ("company_id", "=", self.company_id.id),
            ("first_key", ">", 0),
            ("state", "!=", "cancelled"),
        ]
        if self.scope == "lot":
            if not self.lot_ids:
                raise UserError(self.env._("Enter the batches that are recalled."))
            domain.append(("lot_id", "in", self.lot_ids.ids))
        else:
            if not (self.date_from and self.date_to):
                raise UserError(self.env._("Enter the first and the last day of the production period."))
            domain += [
                ("date_generated", ">=", self.date_from),
                ("date_generated", "<", fields.Date.add(self.date_to, days=1)),
            ]
        orders_sudo = self.env["dms.code.order"].sudo().search(domain, order="first_key")
        if not orders_sudo:
            raise UserError(
                self.env._("There are no codes of these goods. Check product, batches and period.")
            )
        return [(order.first_key, order.first_key + order.quantity - 1) for order in orders_sudo]

    def _get_range(self):
        if not (self.first_code and self.last_code):
            raise UserError(self.env._("Enter the first and the last code of the range."))
        gtins = self.env["stock.picking"]._dms_get_gtins(self.product_id.ids)
        first, last = self.env["dms.code"]._read_texts([self.first_code, self.last_code], gtins)
        for text, info in ((self.first_code, first), (self.last_code, last)):
            order_sudo = info and info["order"]
            if (
                not order_sudo
                or info["level"] != UNIT
                or (order_sudo.product_id, order_sudo.company_id) != (self.product_id, self.company_id)
            ):
                raise UserError(
                    self.env._(
                        "%(code)s is no code of an item of %(product)s.",
                        code=text,
                        product=self.product_id.display_name,
                    )
                )
        if first["order"] != last["order"] or first["key"] > last["key"]:
            raise UserError(
                self.env._("First and last code must be of one code order, and the first one printed first.")
            )
        return first["key"], last["key"]

    def _count(self):
        """Write down who holds how many; lines of those who have none any more stay, with nothing left."""
        self.ensure_one()
        guard.lock(self, "state")
        counts = {}
        spans = self.env["dms.code"].sudo()._follow(self._get_spans())
        for state, holder_id, distributor_id, units in self._get_counts(spans):
            if state in (ACTIVE, ASSIGNED):
                holder_id = distributor_id = None
            elif state not in (SHIPPED, RECEIVED, SOLD, CONSUMED):
                continue
            row = counts.setdefault(
                (holder_id or distributor_id or None),
                {"distributor_id": distributor_id, "held": 0, "sold": 0},
            )
            row["sold" if state in (SOLD, CONSUMED) else "held"] += units
        lines = guard.mark(self.line_ids.sudo())
        known = {line.partner_id.id or None: line for line in lines}
        if self.state == "draft":
            known = {}
            lines.unlink()
        guard.mark(self.env["dms.recall.line"].sudo()).create(
            [
                {
                    "recall_id": self.id,
                    "partner_id": partner_id,
                    "distributor_id": row["distributor_id"],
                    "unit_count": row["held"],
                    "left_count": row["held"],
                    "sold_count": row["sold"],
                }
                for partner_id, row in counts.items()
                if partner_id not in known
            ]
        )
        for partner_id, line in known.items():
            row = counts.get(partner_id, {"held": 0})
            if line.left_count != row["held"]:
                line.left_count = row["held"]
        guard.mark(self).date_counted = fields.Datetime.now()
        self.invalidate_recordset(["line_ids"])

    @api.model
    def _get_counts(self, spans):
        """Units by their state and by who has them: rows ``(state, holder, distributor, units)``.

        Set by set: the runs of packed units with what their packages say, then the gaps between the runs, and for each
        the own words of its units from one step down the primary key.

        :param spans: list of ``(first key, last key)`` of units
        """
        Code = self.env["dms.code"]
        covered = [
            SQL("CASE WHEN %s BETWEEN %s AND %s THEN %s END", box, ASSIGNED, SOLD, box)
            for box in (SQL.identifier(name, "state") for name in ("c", "box1", "box2", "box3"))
        ]
        return self.env.execute_query(
            SQL(
                """
                WITH span AS (SELECT * FROM unnest(%(firsts)s::bigint[], %(lasts)s::bigint[]) AS s(first, last)),
                run AS MATERIALIZED (
                    SELECT GREATEST(p.first, s.first) AS first, LEAST(p.last, s.last) AS last, p.parent
                      FROM span s
                      JOIN LATERAL (SELECT q.first, q.last, q.parent FROM dms_trace_pack q
                                     WHERE q.unpacked_on IS NULL AND q.last >= s.first AND q.first <= s.last
                                       AND q.first >= COALESCE((SELECT max(first) FROM dms_trace_pack
                                                                 WHERE unpacked_on IS NULL AND first <= s.first), s.first)
                                       OFFSET 0) p ON true
                ),
                piece AS (
                    SELECT run.first, run.last, GREATEST(%(covered)s) AS state, %(partner)s AS partner_id,
                           %(holder)s AS holder_id
                      FROM run
                      JOIN LATERAL (SELECT * FROM dms_trace_code WHERE key = run.parent LIMIT 1) c ON true
                        %(packages)s
                 UNION ALL
                    SELECT lower(gap), upper(gap) - 1, NULL, NULL, NULL
                      FROM (SELECT unnest(
                                (SELECT range_agg(int8range(first, last, '[]')) FROM span)
                              - COALESCE((SELECT range_agg(int8range(first, last, '[]')) FROM run), '{}')) AS gap) g
                )
                SELECT GREATEST(u.state, piece.state) AS state, COALESCE(u.holder_id, piece.holder_id) AS holder_id,
                       COALESCE(u.partner_id, piece.partner_id) AS partner_id, sum(u.units)::bigint
                  FROM piece
                  JOIN LATERAL (SELECT state, holder_id, partner_id, count(*) AS units FROM dms_trace_code
                                 WHERE key BETWEEN piece.first AND piece.last
                              GROUP BY state, holder_id, partner_id) u ON true
              GROUP BY 1, 2, 3
                """,
                firsts=[span[0] for span in spans],
                lasts=[span[1] for span in spans],
                covered=SQL(", ").join(covered),
                partner=Code._effective("partner_id"),
                holder=Code._effective("holder_id"),
                packages=Code._join_packages(),
            )
        )

    # --- Report -----------------------------------------------------------------------------------

    def _get_report_name(self):
        return f"{self.name.replace('/', '-')}.pdf"

    def _describe_goods(self):
        """The goods in words, as letters and report name them."""
        self.ensure_one()
        if self.scope == "lot":
            return self.env._(
                "%(product)s, batch %(lots)s",
                product=self.product_id.display_name,
                lots=", ".join(self.lot_ids.mapped("name")),
            )
        if self.scope == "range":
            return self.env._(
                "%(product)s, codes %(first)s to %(last)s",
                product=self.product_id.display_name,
                first=self.first_code,
                last=self.last_code,
            )
        return self.env._(
            "%(product)s, codes made %(first)s to %(last)s",
            product=self.product_id.display_name,
            first=format_date(self.env, self.date_from),
            last=format_date(self.env, self.date_to),
        )

    def _build_pdf(self):
        _ = self.env._
        title = _("Recall %s", self.name)
        document = self._new_pdf(title, title)
        document.heading(title, self._describe_goods())
        remedies = dict(self._fields["remedy"]._description_selection(self.env))
        document.facts(
            [
                (_("Company"), self.company_id.name),
                (_("Responsible"), self.user_id.name or ""),
                (_("Asked for"), remedies[self.remedy]),
                (_("Letters sent on"), format_date(self.env, self.date_started) or "–"),
                (_("Closed on"), format_date(self.env, self.date_closed) or "–"),
                (_("Units concerned"), f"{self.unit_count:,}"),
                (_("In our stock"), f"{self.stock_count:,}"),
                (_("With holders"), f"{self.away_count:,}"),
                (_("Sold or opened"), f"{self.sold_count:,}"),
                (_("Accounted for by holders"), f"{self.settled_count:,} ({self.progress:.1f} %)"),
            ]
        )
        document.section(_("What is wrong"))
        document.paragraph(self.reason)
        document.section(_("Holders"))
        away = self.line_ids.filtered("partner_id")
        document.table(
            [_("Holder"), _("Units"), _("Sent back"), _("Destroyed"), _("Sold"), _("Open")],
            [
                [
                    line.partner_id.display_name,
                    *(
                        f"{number:,}"
                        for number in (
                            line.unit_count,
                            line.returned_count,
                            line.destroyed_count,
                            line.gone_count,
                            line.open_count,
                        )
                    ),
                ]
                for line in away
            ],
            widths=[4, 1.5, 1.5, 1.5, 1.5, 1.5],
        )
        if self.conclusion:
            document.section(_("Conclusion"))
            document.paragraph(self.conclusion)
        return document
