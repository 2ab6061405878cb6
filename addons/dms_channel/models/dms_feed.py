import contextlib
import csv
import hashlib
import io
import logging
import time
from itertools import islice

import psycopg2.errors
from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, ConcurrencyError, UserError
from odoo.tools import SQL, format_date
from odoo.tools.misc import get_lang
from odoo.tools.translate import get_translation

from ..tools import feed_reader, guard
from .dms_feed_line import MAPPABLE_ISSUES, RAW_FIELDS

_logger = logging.getLogger(__name__)

STAGE_COLUMNS = ("row", *RAW_FIELDS, "date", "quantity", "returned", "price", "amount", "issues")
BATCH = 50_000
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
ANALYZED_FROM = 1_000
#: The reason by which a line is grouped: its first error, else its first warning.
LINE_ISSUE = "NULLIF(split_part(COALESCE(NULLIF(checked.issues, ''), checked.warnings), ',', 1), '')"
#: State of a line from its row in ``dms_feed_checked``; {accepted} holds the warnings that somebody accepted.
LINE_STATE = """
    CASE WHEN checked.issues = 'duplicate' THEN 'duplicate'
         WHEN checked.issues <> '' THEN 'error'
         WHEN checked.warnings <> ''
              AND NOT string_to_array(checked.warnings, ',') <@ string_to_array(COALESCE({accepted}, ''), ',')
         THEN 'warning' ELSE 'ok' END"""


class _CopyStream:
    """A file for COPY that is written while it is read: rows in, CSV out, a chunk at a time."""

    def __init__(self, rows):
        self.rows = rows
        self.count = 0

    def read(self, _size=-1):
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        chunk = list(islice(self.rows, 2000))
        writer.writerows(chunk)
        self.count += len(chunk)
        return buffer.getvalue()


class DmsFeed(models.Model):
    """One transmission of a partner: received, checked line by line, released to the ledger of channel stock.

    All steps are set-based: rows are copied into a temporary table, checked there by SQL and stored with what is wrong
    with each; a later check sends the same texts through the same steps.
    """

    _name = "dms.feed"
    _description = "Channel Data Feed"
    _inherit = ["dms.channel.gateway", "mail.thread", "portal.mixin"]
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
        selection=[("sell_through", "Sell-through"), ("count", "Stock Count")],
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

    _content_uniq = models.UniqueIndex(
        "(company_id, kind, COALESCE(partner_id, 0), content_hash) WHERE state NOT IN ('rejected', 'superseded')",
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

    @api.ondelete(at_uninstall=False)
    def _unlink_except_released(self):
        if self.filtered("move_count"):
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

    # -- receiving -------------------------------------------------------------------------------------------------

    @api.model
    def _receive(
        self,
        raw,
        filename,
        partner=None,
        columns=None,
        company=None,
        kind="sell_through",
        currency=None,
        keep=False,
    ):
        """Take a file into the inbox and check each of its lines.

        A portal user's file is its own company's, whatever ``partner`` says; an outlet's sales are booked at its
        distributor. The same bytes once more answer the feed that exists, unless that one was rejected or reversed.

        :param bytes raw: CSV or XLSX, or a CSV in .gz or .zip
        :param str filename: as the sender calls it
        :param partner: sending distributor or outlet; none for the brand's own load, whose rows must name their distributor
        :param dict columns: {name of ``feed_reader.COLUMNS``: header in the file}; what is not named is guessed
        :param company: receiving company, the current one where None
        :param str kind: 'sell_through' or 'count'
        :param currency: of prices and amounts, the company's where None
        :param bool keep: take a file whose columns are not recognised, too: it waits, without lines, for somebody to
            say what they are (:meth:`_read_again`)
        :raises UserError: where the file can't be read, with a sentence that says how to mend it
        :return: dms.feed
        """
        company = company or self.env.company
        sender = self._get_sender(partner, kind)
        content_hash = hashlib.sha256(raw).hexdigest()
        feed_sudo = self.sudo().with_company(company)
        existing_sudo = feed_sudo.search(
            [
                ("company_id", "=", company.id),
                ("partner_id", "=", sender.id),
                ("kind", "=", kind),
                ("content_hash", "=", content_hash),
                ("state", "not in", ("rejected", "superseded")),
            ],
            limit=1,
        )
        if existing_sudo:
            return existing_sudo.with_env(self.env)
        started = time.monotonic()
        problem = None
        try:
            try:
                layout = feed_sudo._inspect(raw, sender, columns, kind)
            except feed_reader.HeaderError as error:
                if not keep:
                    raise
                problem = error
                layout = feed_reader.Layout("", headers=list(error.headers), samples=list(error.samples))
            try:
                new_sudo = guard.mark(feed_sudo).create(
                    feed_sudo._prepare_feed_vals(
                        filename, sender, company, kind, currency, content_hash, layout
                    )
                )
                new_sudo.flush_recordset()
            except psycopg2.errors.UniqueViolation as error:
                # another session is receiving the very same bytes: the retry finds its feed
                raise ConcurrencyError(self.env._("This file was received already.")) from error
            new_sudo.attachment_id = new_sudo.env["ir.attachment"].create(
                {"name": filename, "raw": raw, "res_model": self._name, "res_id": new_sudo.id}
            )
            if problem:
                new_sudo.refusal = self._translate_error(problem)
            else:
                new_sudo._read_lines(raw, layout, started)
        except feed_reader.FeedError as error:
            raise UserError(self._translate_error(error)) from error
        return new_sudo.with_env(self.env)

    def _read_lines(self, raw, layout, started):
        """Read, check and store the lines of a file, and note how long each step took since ``started``."""
        self._stage(feed_reader.read_lines(raw, layout, self.kind))
        read = time.monotonic()
        self._check_stage()
        self._note_missing_days()
        checked = time.monotonic()
        self._store_new_lines()
        if not self._refresh_counts():
            raise UserError(self.env._("The file has a header but no rows. Fill it in and send it again."))
        timings = {
            "read": round(read - started, 3),
            "check": round(checked - read, 3),
            "store": round(time.monotonic() - checked, 3),
        }
        guard.mark(self).write({"first_error_count": self.error_count, "timings": timings})

    def _read_again(self, columns):
        """Read the stored file anew with these columns, which are remembered for the sender's later files.

        :param dict columns: {name of ``feed_reader.COLUMNS``: header in the file, '' where it has none}
        """
        self.ensure_one()
        self._check_may_work()
        self_sudo = guard.mark(self.sudo())
        self_sudo._ensure_open()
        if self_sudo.released_count or self_sudo.move_count:
            raise UserError(
                self.env._("Released lines can't be read again. Reverse the feed and send the file anew.")
            )
        started = time.monotonic()
        raw = self_sudo.attachment_id.raw
        try:
            layout = self_sudo._inspect(raw, self_sudo.partner_id, columns, self_sudo.kind)
            layout.corrected = columns
            self.env.cr.execute(SQL("DELETE FROM dms_feed_line WHERE feed_id = %s", self.id))
            self_sudo.write({"mapping_columns": layout.to_json(), "refusal": False})
            self_sudo._read_lines(raw, layout, started)
        except feed_reader.FeedError as error:
            raise UserError(self._translate_error(error)) from error
        self_sudo._message_log(
            body=self.env._("Read again with other columns:") + Markup("<br/>") + self_sudo.layout_text
        )

    @api.model
    def _get_column_labels(self):
        """What a column of a file can be: [(name of ``feed_reader.COLUMNS``, label)]."""
        return [
            ("product_code", self.env._("Product")),
            ("date", self.env._("Date")),
            ("quantity", self.env._("Quantity")),
            ("outlet", self.env._("Outlet")),
            ("unit", self.env._("Unit")),
            ("unit_price", self.env._("Unit Price")),
            ("amount", self.env._("Amount")),
            ("returned", self.env._("Returned")),
            ("reference", self.env._("Reference")),
            ("distributor", self.env._("Distributor")),
        ]

    def _get_column_choices(self):
        """The columns of the file as it was read: [{'header', 'sample', 'name' or False}]."""
        self.ensure_one()
        layout = self.mapping_columns or {}
        name_by_header = {header: name for name, header in (layout.get("columns") or {}).items()}
        samples = layout.get("samples") or []
        return [
            {
                "header": header,
                "sample": samples[index] if index < len(samples) else "",
                "name": name_by_header.pop(header, False),
            }
            for index, header in enumerate(layout.get("headers") or [])
            if header
        ]

    @api.model
    def _load_history(self, path, mapping=None, progress=None):
        """Load a file of past sell-through through this inbox; see :meth:`dms.history.loader._load`."""
        return self.env["dms.history.loader"]._load(path, mapping, progress)

    @api.model
    def _get_sender(self, partner, kind):
        """Answer the distributor or outlet that sends: a portal user's own company, else ``partner``'s."""
        if self.env.user._is_portal():
            own = self.env.user.partner_id.sudo().commercial_partner_id
            if not own.channel_role or (partner and partner.sudo().commercial_partner_id != own):
                raise AccessError(
                    self.env._(
                        "You may send files for your own company only, and it must be a distributor or an outlet."
                    )
                )
            sender = own
        else:
            self.check_access("create")
            sender = (partner or self.env["res.partner"]).commercial_partner_id
        if sender and not sender.channel_role:
            raise UserError(
                self.env._(
                    "%(partner)s is neither distributor nor outlet. Set its channel role first.",
                    partner=sender.display_name,
                )
            )
        if sender.channel_role == "outlet":
            self._check_outlet_may_send(sender, kind)
        return sender

    @api.model
    def _check_outlet_may_send(self, outlet, kind):
        if kind != "sell_through":
            raise UserError(
                self.env._(
                    "The stock of outlets is not kept. %(outlet)s can send its sales.", outlet=outlet.name
                )
            )
        if not outlet._get_distributor():
            raise UserError(
                self.env._(
                    "No distributor supplies %(outlet)s, so its sales can't be booked. Set “Supplied by” on the outlet first.",
                    outlet=outlet.name,
                )
            )

    def _check_may_work(self):
        """Channel users work on all feeds of their companies; a portal user on those it can see, which are its own."""
        self.check_access("read" if self.env.user._is_portal() else "write")

    @api.model
    def _inspect(self, raw, sender, columns, kind):
        """Answer the file's layout: the columns as named, else as corrected for this sender the last time, else guessed.

        Where the headers are not recognised, those that this sender named the last time are tried.
        """
        month_first = get_lang(self.env).date_format.lower().startswith(("%m", "%b"))
        date_order = "mdy" if month_first else "dmy"
        if columns:
            return feed_reader.inspect(raw, columns, date_order)
        last = self.search(
            [
                ("company_id", "=", self.env.company.id),
                ("partner_id", "=", sender.id),
                ("kind", "=", kind),
                ("mapping_columns", "!=", False),
                ("line_count", ">", 0),
            ],
            limit=1,
        ).mapping_columns
        corrected = last and last.get("corrected")
        if corrected:
            with contextlib.suppress(feed_reader.FeedError):
                layout = feed_reader.inspect(raw, corrected, date_order)
                layout.corrected = corrected
                return layout
        try:
            return feed_reader.inspect(raw, None, date_order)
        except feed_reader.FeedError:
            if not last:
                raise
            with contextlib.suppress(feed_reader.FeedError):
                return feed_reader.inspect(raw, last["columns"], date_order)
            raise

    @api.model
    def _translate_error(self, error):
        """Answer the reader's sentence in the user's language; its texts are marked there, where no language is known."""
        return get_translation("dms_channel", self.env.lang or "en_US", error.source, error.values)

    @api.model
    def _prepare_feed_vals(self, filename, sender, company, kind, currency, content_hash, layout):
        return {
            "company_id": company.id,
            "partner_id": sender.id,
            "kind": kind,
            "filename": filename,
            "content_hash": content_hash,
            "currency_id": (currency or company.currency_id).id,
            "mapping_columns": layout.to_json(),
            "user_id": sender.user_id.id if self.env.user._is_portal() else self.env.user.id,
        }

    # -- checking --------------------------------------------------------------------------------------------------

    def _check(self, lines=None):
        """Check the lines that are not released (or those of ``lines``) again, as they now read."""
        self.ensure_one()
        self._ensure_open()
        layout = self.mapping_columns or {}
        parser = feed_reader.LineParser(
            self.kind, layout.get("date_order", "dmy"), layout.get("decimal", ".")
        )
        self.env["dms.feed.line"].flush_model()
        started = time.monotonic()
        self._create_stage()
        wanted = SQL("AND id = ANY(%s)", lines.ids) if lines is not None else SQL()
        columns = SQL(", ").join(SQL("COALESCE(%s, '')", SQL.identifier(name)) for name in RAW_FIELDS)
        last = 0
        while rows := self.env.execute_query(
            SQL(
                """
                SELECT id, row, %s FROM dms_feed_line
                 WHERE feed_id = %s AND state IN ('ok', 'error', 'warning', 'duplicate') AND id > %s %s
              ORDER BY id LIMIT %s
                """,
                columns,
                self.id,
                last,
                wanted,
                BATCH,
            )
        ):
            last = rows[-1][0]
            self._copy_to_stage(
                ((row[0], *parser.parse(row[1], list(row[2:]))) for row in rows), with_ids=True
            )
        self._check_stage()
        if lines is None and not self.released_count:
            self._note_missing_days()
        self._store_checked_lines()
        self._refresh_counts()
        self._note_time("check", started)

    def _note_time(self, step, started):
        guard.mark(self).timings = (self.timings or {}) | {step: round(time.monotonic() - started, 3)}

    def _ensure_open(self):
        if self.state in ("rejected", "superseded"):
            raise UserError(
                self.env._("%(feed)s is closed. Send the file again to start anew.", feed=self.name)
            )

    def _create_stage(self):
        self.env.flush_all()
        self.env.cr.execute(
            """
            DROP TABLE IF EXISTS pg_temp.dms_feed_stage;
            CREATE TEMP TABLE dms_feed_stage (
                line_id integer DEFAULT nextval('dms_feed_line_id_seq'), row integer,
                distributor_code text, outlet_code text, product_code text, date_text text, quantity_text text,
                unit_text text, price_text text, amount_text text, returned_text text, reference text,
                date date, quantity numeric, returned numeric, price numeric, amount numeric, issues text
            ) ON COMMIT DROP
            """
        )

    def _stage(self, rows):
        self._create_stage()
        return self._copy_to_stage(rows)

    def _copy_to_stage(self, rows, with_ids=False):
        columns = (("line_id",) if with_ids else ()) + STAGE_COLUMNS
        stream = _CopyStream(iter(rows))
        self.env.cr.copy_expert(
            f"COPY dms_feed_stage ({', '.join(columns)}) FROM STDIN"
            f" (FORMAT csv, FORCE_NOT_NULL ({', '.join((*RAW_FIELDS, 'issues'))}))",
            stream,
        )
        return stream.count

    def _check_stage(self):
        """Look up every code of the staged rows once and write what each row means to ``dms_feed_checked``."""
        self.ensure_one()
        self.env.cr.execute("ANALYZE dms_feed_stage")
        for name, query in (
            ("dms_feed_partner", self._get_partner_codes_sql()),
            ("dms_feed_product", self._get_product_codes_sql()),
            ("dms_feed_outlet", self._get_outlet_codes_sql()),
            ("dms_feed_unit", self._get_unit_codes_sql()),
            ("dms_feed_checked", self._get_checked_sql()),
        ):
            self._create_temp(name, query)
        self._mark_duplicates()
        self.env["dms.feed.rule"]._apply(self)

    def _note_missing_days(self):
        days, severity = self.env["dms.feed.rule"]._find_missing_days(self)
        guard.mark(self).write({"missing_days": days, "missing_severity": bool(days) and severity})

    @api.model
    def _create_temp(self, name, query):
        """Keep the answer of ``query`` for this transaction, with statistics of its own.

        Those of the big tables don't know this transaction's rows: a join with a quarter of a million rows that are
        taken for one is planned as a nested loop and never ends.
        """
        self.env.cr.execute(SQL("DROP TABLE IF EXISTS %s", SQL.identifier("pg_temp", name)))
        self.env.cr.execute(SQL("CREATE TEMP TABLE %s ON COMMIT DROP AS %s", SQL.identifier(name), query))
        self.env.cr.execute(SQL("ANALYZE %s", SQL.identifier("pg_temp", name)))

    @api.model
    def _get_own_codes(self, partner):
        """Answer what a sender can call ``partner``, in lower case."""
        return sorted({text.lower() for text in (partner.ref, partner.name) if text})

    def _get_partner_codes_sql(self):
        """Answer the query (code, partner_id, issue) for each distributor code that the rows give ('' is none)."""
        codes = SQL("SELECT DISTINCT lower(distributor_code) AS code FROM dms_feed_stage")
        if self.partner_id:
            distributor = self.partner_id._get_distributor()
            own = self._get_own_codes(distributor)
            return SQL(
                """
                SELECT code, %s::integer AS partner_id,
                       CASE WHEN code <> '' AND code <> ALL(%s::text[]) THEN 'distributor_other' END AS issue
                  FROM (%s) codes
                """,
                distributor.id or None,
                own,
                codes,
            )
        return SQL(
            """
            SELECT codes.code, CASE WHEN found.number = 1 THEN found.id END AS partner_id,
                   CASE WHEN codes.code = '' THEN 'distributor_missing'
                        WHEN found.number IS NULL THEN 'distributor_unknown'
                        WHEN found.number > 1 THEN 'distributor_ambiguous' END AS issue
              FROM (%(codes)s) codes
         LEFT JOIN (SELECT lower(ref) AS code, MIN(id) AS id, COUNT(*) AS number
                      FROM res_partner
                     WHERE channel_role = 'distributor' AND active AND ref <> ''
                       AND id = commercial_partner_id
                       AND (company_id IS NULL OR company_id = %(company)s)
                  GROUP BY lower(ref)) found
                ON found.code = codes.code
            """,
            codes=codes,
            company=self.company_id.id,
        )

    def _get_product_codes_sql(self):
        """Answer the query (partner_id, code, product_id, uom_id, factor, issue) for each sender's product code.

        The sender's mapping goes before everybody's mapping, the product's reference, and its barcode.
        """
        return SQL(
            """
            WITH keys AS (
                SELECT DISTINCT COALESCE(partner.partner_id, 0) AS partner_id, lower(stage.product_code) AS code
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                 WHERE stage.product_code <> ''
            ), codes AS (
                SELECT DISTINCT code FROM keys
            ), product AS (
                SELECT product.id, lower(product.default_code) AS default_code, lower(product.barcode) AS barcode,
                       product.active AND template.active AS active, uom.id AS uom_id, uom.factor AS factor,
                       uom.parent_path
                  FROM product_product product
                  JOIN product_template template ON template.id = product.product_tmpl_id
                  JOIN uom_uom uom ON uom.id = template.uom_id
                 WHERE template.type = 'consu'
                   AND (template.company_id IS NULL OR template.company_id = %(company)s)
            ), ranked AS (
                SELECT code, rank, COUNT(*) FILTER (WHERE active) AS number,
                       CASE WHEN bool_or(active) THEN MIN(id) FILTER (WHERE active)
                            WHEN COUNT(*) = 1 THEN MIN(id) END AS id
                  FROM (SELECT 1 AS rank, default_code AS code, id, active FROM product
                         WHERE default_code IN (SELECT code FROM codes)
                     UNION ALL
                        SELECT 2, barcode, id, active FROM product WHERE barcode IN (SELECT code FROM codes)) named
              GROUP BY code, rank
            ), found AS (
                SELECT DISTINCT ON (code) code, id, number FROM ranked ORDER BY code, number = 0, rank
            ), mapped AS (
                SELECT DISTINCT ON (keys.partner_id, keys.code) keys.partner_id, keys.code, mapping.product_id AS id
                  FROM keys
                  JOIN dms_feed_mapping mapping
                    ON mapping.kind = 'product' AND mapping.company_id = %(company)s
                   AND lower(mapping.code) = keys.code
                   AND (mapping.partner_id = COALESCE(%(sender)s, keys.partner_id) OR mapping.partner_id IS NULL)
              ORDER BY keys.partner_id, keys.code, mapping.partner_id NULLS LAST
            )
            SELECT keys.partner_id, keys.code, product.id AS product_id, product.uom_id, product.factor,
                   product.parent_path,
                   CASE WHEN mapped.id IS NULL AND found.code IS NULL THEN 'product_unknown'
                        WHEN mapped.id IS NULL AND found.number > 1 THEN 'product_ambiguous'
                        WHEN product.active IS NOT TRUE THEN 'product_inactive' END AS issue
              FROM keys
         LEFT JOIN mapped USING (partner_id, code)
         LEFT JOIN found USING (code)
         LEFT JOIN product
                ON product.id = COALESCE(mapped.id, CASE WHEN found.number <= 1 THEN found.id END)
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )

    def _get_outlet_codes_sql(self):
        """Answer the query (partner_id, code, outlet_id, issue) for each sender's outlet code.

        An outlet belongs to the distributor that supplies it, directly or through others. An outlet that sends its own
        sales is the outlet of each row, whether the row names it or none.
        """
        if self.partner_id.channel_role == "outlet":
            return SQL(
                """
                SELECT %s::integer AS partner_id, lower(outlet_code) AS code, %s::integer AS outlet_id,
                       CASE WHEN lower(outlet_code) <> '' AND lower(outlet_code) <> ALL(%s::text[])
                            THEN 'outlet_sender' END AS issue
                  FROM dms_feed_stage GROUP BY lower(outlet_code)
                """,
                self.partner_id._get_distributor().id or None,
                self.partner_id.id,
                self._get_own_codes(self.partner_id),
            )
        return SQL(
            """
            WITH RECURSIVE keys AS (
                SELECT DISTINCT COALESCE(partner.partner_id, 0) AS partner_id, lower(stage.outlet_code) AS code
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                 WHERE stage.outlet_code <> ''
            ), found AS (
                SELECT lower(ref) AS code, id, upstream_id FROM res_partner
                 WHERE channel_role = 'outlet' AND active AND lower(ref) IN (SELECT code FROM keys)
                   AND (company_id IS NULL OR company_id = %(company)s)
            ), supplier AS (
                SELECT id, upstream_id FROM found WHERE upstream_id IS NOT NULL
             UNION
                SELECT supplier.id, partner.upstream_id
                  FROM supplier JOIN res_partner partner ON partner.id = supplier.upstream_id
                 WHERE partner.upstream_id IS NOT NULL
            ), mapped AS (
                SELECT DISTINCT ON (keys.partner_id, keys.code) keys.partner_id, keys.code, mapping.outlet_id AS id
                  FROM keys
                  JOIN dms_feed_mapping mapping
                    ON mapping.kind = 'outlet' AND mapping.company_id = %(company)s
                   AND lower(mapping.code) = keys.code
                   AND (mapping.partner_id = COALESCE(%(sender)s, keys.partner_id) OR mapping.partner_id IS NULL)
              ORDER BY keys.partner_id, keys.code, mapping.partner_id NULLS LAST
            ), own AS (
                SELECT keys.partner_id, keys.code, MIN(found.id) AS id
                  FROM keys
                  JOIN found USING (code)
                  JOIN supplier ON supplier.id = found.id AND supplier.upstream_id = keys.partner_id
              GROUP BY keys.partner_id, keys.code
            )
            SELECT keys.partner_id, keys.code, COALESCE(mapped.id, own.id) AS outlet_id,
                   CASE WHEN mapped.id IS NULL AND own.id IS NULL
                        THEN CASE WHEN keys.code IN (SELECT code FROM found)
                                  THEN 'outlet_other' ELSE 'outlet_unknown' END END AS issue
              FROM keys
         LEFT JOIN mapped USING (partner_id, code)
         LEFT JOIN own USING (partner_id, code)
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )

    def _get_unit_codes_sql(self):
        """Answer the query (partner_id, code, product_id, factor, issue) for each unit that a product is reported in.

        A unit is known by the sender's mapping or its name in any language; one of the product's own measure goes first.
        """
        return SQL(
            """
            WITH keys AS (
                SELECT DISTINCT product.partner_id, lower(stage.unit_text) AS code, product.product_id,
                       split_part(product.parent_path, '/', 1) AS root
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                  JOIN dms_feed_product product
                    ON product.partner_id = COALESCE(partner.partner_id, 0)
                   AND product.code = lower(stage.product_code)
                 WHERE stage.unit_text <> '' AND product.product_id IS NOT NULL
            ), named AS (
                SELECT 0 AS partner_id, 2 AS rank, lower(name.value) AS code, uom.id
                  FROM uom_uom uom, jsonb_each_text(uom.name) name WHERE uom.active
             UNION ALL
                SELECT COALESCE(partner_id, 0), CASE WHEN partner_id IS NULL THEN 1 ELSE 0 END, lower(code), uom_id
                  FROM dms_feed_mapping WHERE kind = 'unit' AND company_id = %(company)s
            ), found AS (
                SELECT DISTINCT ON (keys.partner_id, keys.code, keys.product_id)
                       keys.partner_id, keys.code, keys.product_id, uom.factor,
                       split_part(uom.parent_path, '/', 1) = keys.root AS fits
                  FROM keys
                  JOIN named ON named.code = keys.code AND named.partner_id IN (0, COALESCE(%(sender)s, keys.partner_id))
                  JOIN uom_uom uom ON uom.id = named.id
              ORDER BY keys.partner_id, keys.code, keys.product_id,
                       (split_part(uom.parent_path, '/', 1) = keys.root) DESC, named.rank
            )
            SELECT keys.partner_id, keys.code, keys.product_id, found.factor,
                   CASE WHEN found.code IS NULL THEN 'unit_unknown'
                        WHEN NOT found.fits THEN 'unit_incompatible' END AS issue
              FROM keys
         LEFT JOIN found USING (partner_id, code, product_id)
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )

    def _get_checked_sql(self):
        """Answer the query of what each staged row means, in the product's unit, and what is wrong with it."""
        today = fields.Date.context_today(self)
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        kind_issues = (
            SQL("CASE WHEN stage.outlet_code <> '' THEN 'count_outlet' END")
            if self.kind == "count"
            else SQL("NULL")
        )
        return SQL(
            """
            SELECT line_id, row, distributor_code, outlet_code, product_code, date_text, quantity_text, unit_text,
                   price_text, amount_text, returned_text, reference,
                   partner_id, outlet_id, product_id, date,
                   CASE WHEN factor IS NULL THEN NULL
                        ELSE ROUND(quantity * factor, %(digits)s) END AS quantity,
                   CASE WHEN factor IS NULL THEN NULL
                        ELSE ROUND(returned * factor, %(digits)s) END AS returned,
                   ROUND(COALESCE(price, ABS(amount) / NULLIF(CASE WHEN quantity = 0 THEN returned ELSE quantity END, 0))
                         / NULLIF(factor, 0), 6) AS price_unit,
                   COALESCE(amount, price * CASE WHEN quantity = 0 THEN returned ELSE quantity END) AS amount,
                   issues, ''::text AS warnings, ''::text AS notes, NULL::jsonb AS figures,
                   NULL::integer AS duplicate_of_id
              FROM (
                    SELECT stage.line_id, stage.row, stage.distributor_code, stage.outlet_code, stage.product_code,
                           stage.date_text, stage.quantity_text, stage.unit_text, stage.price_text,
                           stage.amount_text, stage.returned_text, stage.reference,
                           partner.partner_id, outlet.outlet_id, product.product_id, stage.date,
                           stage.quantity, stage.returned, stage.price, stage.amount,
                           CASE WHEN stage.unit_text = '' OR product.product_id IS NULL THEN 1::numeric
                                WHEN unit.issue IS NOT NULL THEN NULL
                                ELSE unit.factor::numeric / product.factor::numeric END AS factor,
                           CONCAT_WS(',', NULLIF(stage.issues, ''), partner.issue, product.issue, outlet.issue,
                                     CASE WHEN stage.unit_text <> '' THEN unit.issue END,
                                     CASE WHEN stage.date > %(today)s THEN 'date_future' END,
                                     %(kind_issues)s) AS issues
                      FROM dms_feed_stage stage
                      JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                 LEFT JOIN dms_feed_product product
                        ON product.partner_id = COALESCE(partner.partner_id, 0)
                       AND product.code = lower(stage.product_code)
                 LEFT JOIN dms_feed_outlet outlet
                        ON outlet.partner_id = COALESCE(partner.partner_id, 0)
                       AND outlet.code = lower(stage.outlet_code)
                 LEFT JOIN dms_feed_unit unit
                        ON unit.partner_id = COALESCE(partner.partner_id, 0)
                       AND unit.code = lower(stage.unit_text) AND unit.product_id = product.product_id
                   ) resolved
            """,
            digits=digits,
            today=today,
            kind_issues=kind_issues,
        )

    def _mark_duplicates(self):
        """Mark right rows of ``dms_feed_checked`` that this file, or what is released, says already."""
        if self.kind == "count":
            self.env.cr.execute(
                """
                WITH twice AS (
                    SELECT partner_id, product_id, date FROM dms_feed_checked WHERE issues = ''
                  GROUP BY partner_id, product_id, date HAVING COUNT(DISTINCT quantity) > 1
                )
                UPDATE dms_feed_checked checked SET issues = 'count_twice'
                  FROM twice
                 WHERE checked.issues = '' AND checked.partner_id = twice.partner_id
                   AND checked.product_id = twice.product_id AND checked.date = twice.date
                """
            )
        # a row that one feed holds twice: what was right before stands, else the first
        self.env.cr.execute(
            SQL(
                """
                WITH same AS (
                    SELECT COALESCE(MIN(line_id) FILTER (WHERE stands), MIN(line_id)) AS first_id,
                           array_agg(line_id) AS line_ids
                      FROM (
                            SELECT line_id, FALSE AS stands, partner_id, product_id, date,
                                   COALESCE(outlet_id, 0) AS outlet_id, reference, quantity, returned,
                                   COALESCE(price_unit, 0) AS price_unit
                              FROM dms_feed_checked WHERE issues = ''
                         UNION ALL
                            SELECT id, TRUE, partner_id, product_id, date,
                                   COALESCE(outlet_id, 0), COALESCE(reference, ''), quantity, returned,
                                   COALESCE(price_unit, 0)
                              FROM dms_feed_line
                             WHERE feed_id = %s AND state = 'ok'
                               AND NOT EXISTS (SELECT FROM dms_feed_checked again WHERE again.line_id = dms_feed_line.id)
                           ) rows
                  GROUP BY partner_id, product_id, date, outlet_id, reference, quantity, returned, price_unit
                    HAVING COUNT(*) > 1
                ), repeated AS (
                    SELECT unnest(line_ids) AS line_id, first_id FROM same
                )
                UPDATE dms_feed_checked checked SET issues = 'duplicate', duplicate_of_id = repeated.first_id
                  FROM repeated
                 WHERE checked.line_id = repeated.line_id AND checked.line_id <> repeated.first_id
                """,
                self.id,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                WITH earlier AS (%s)
                UPDATE dms_feed_checked checked
                   SET issues = CASE WHEN earlier.same THEN 'duplicate' ELSE 'conflict' END,
                       duplicate_of_id = earlier.earlier_id
                  FROM earlier WHERE earlier.line_id = checked.line_id
                """,
                self._get_earlier_sql(
                    SQL("(SELECT line_id AS id, * FROM dms_feed_checked WHERE issues = '')")
                ),
            )
        )

    def _get_earlier_sql(self, lines):
        """Answer the query (line_id, earlier_id, same) of the released lines that report what ``lines`` report.

        The same figures again are a duplicate, in whatever feed. Other figures for the same distributor, outlet,
        product, date and reference are a conflict if another feed gave them; in one file they are several sales.
        """
        return SQL(
            """
            SELECT mine.id AS line_id, released.id AS earlier_id, released.same
              FROM %(lines)s mine
              JOIN LATERAL (
                    SELECT line.id,
                           line.quantity = mine.quantity AND line.returned = mine.returned
                           AND COALESCE(line.price_unit, 0) = COALESCE(mine.price_unit, 0) AS same
                      FROM dms_feed_line line
                     WHERE line.state = 'released' AND %(report)s
                       AND (line.feed_id <> %(feed)s
                            OR (line.quantity = mine.quantity AND line.returned = mine.returned
                                AND COALESCE(line.price_unit, 0) = COALESCE(mine.price_unit, 0)))
                  ORDER BY same DESC, line.id
                     LIMIT 1
                   ) released ON TRUE
            """,
            lines=lines,
            report=self._get_same_report_sql(),
            feed=self.id,
        )

    def _get_same_report_sql(self):
        return SQL(
            """line.partner_id = mine.partner_id AND line.product_id = mine.product_id AND line.date = mine.date
               AND line.company_id = %s AND line.kind = %s
               AND COALESCE(line.outlet_id, 0) = COALESCE(mine.outlet_id, 0)
               AND COALESCE(line.reference, '') = COALESCE(mine.reference, '')""",
            self.company_id.id,
            self.kind,
        )

    def _store_new_lines(self):
        texts = SQL(", ").join(SQL("NULLIF(%s, '')", SQL.identifier(name)) for name in RAW_FIELDS)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_feed_line (id, feed_id, company_id, kind, row, %(names)s, partner_id, outlet_id,
                            product_id, date, quantity, returned, price_unit, amount, state, issue, issues,
                            warnings, notes, figures, first_pass, duplicate_of_id)
                SELECT line_id, %(feed)s, %(company)s, %(kind)s, row, %(texts)s, partner_id, outlet_id, product_id,
                       date, quantity, returned, price_unit, amount, %(state)s,
                       %(issue)s, NULLIF(issues, ''), NULLIF(warnings, ''), NULLIF(notes, ''), figures,
                       issues IN ('', 'duplicate') AND warnings = '', duplicate_of_id
                  FROM dms_feed_checked checked ORDER BY row
                """,
                names=SQL(", ").join(map(SQL.identifier, RAW_FIELDS)),
                feed=self.id,
                company=self.company_id.id,
                kind=self.kind,
                texts=texts,
                state=SQL(LINE_STATE.format(accepted="NULL")),
                issue=SQL(LINE_ISSUE),
            )
        )
        if self.env.cr.rowcount >= ANALYZED_FROM:
            # Without fresh statistics the release may look for earlier lines by a scan for each line.
            self.env.cr.execute("ANALYZE dms_feed_line")
        self.env["dms.feed.line"].invalidate_model()

    def _store_checked_lines(self):
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_feed_line line
                   SET partner_id = checked.partner_id, outlet_id = checked.outlet_id,
                       product_id = checked.product_id, date = checked.date, quantity = checked.quantity,
                       returned = checked.returned, price_unit = checked.price_unit, amount = checked.amount,
                       state = %s, issue = %s, issues = NULLIF(checked.issues, ''),
                       warnings = NULLIF(checked.warnings, ''), notes = NULLIF(checked.notes, ''),
                       figures = checked.figures, duplicate_of_id = checked.duplicate_of_id
                  FROM dms_feed_checked checked
                 WHERE line.id = checked.line_id
                """,
                SQL(LINE_STATE.format(accepted="line.accepted")),
                SQL(LINE_ISSUE),
            )
        )
        self.env["dms.feed.line"].invalidate_model()

    def _refresh_counts(self):
        """Count the lines by state, set the feed's own state from them, and answer how many lines there are."""
        [(lines, right, wrong, doubtful, twice, released, date_from, date_to)] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*), COUNT(*) FILTER (WHERE state = 'ok'), COUNT(*) FILTER (WHERE state = 'error'),
                       COUNT(*) FILTER (WHERE state = 'warning'),
                       COUNT(*) FILTER (WHERE state = 'duplicate'), COUNT(*) FILTER (WHERE state = 'released'),
                       MIN(date) FILTER (WHERE state IN ('ok', 'released')),
                       MAX(date) FILTER (WHERE state IN ('ok', 'released'))
                  FROM dms_feed_line WHERE feed_id = %s
                """,
                self.id,
            )
        )
        if wrong:
            state = "error"
        elif self.released_on and not right and not doubtful:
            state = "released"
        else:
            state = "checked"
        guard.mark(self).write(
            {
                "line_count": lines,
                "ok_count": right,
                "error_count": wrong,
                "warning_count": doubtful,
                "duplicate_count": twice,
                "released_count": released,
                "date_from": date_from,
                "date_to": date_to,
                "state": state,
            }
        )
        return lines

    # -- mending ---------------------------------------------------------------------------------------------------

    def _mend(self, texts_by_line):
        """Mend lines of this feed and check them again; also for the portal user whose feed it is.

        :param dict texts_by_line: {line id: {name of RAW_FIELDS: text}}
        :return: the lines, with their new state and message
        """
        self.ensure_one()
        self._check_may_work()
        lines_sudo = self.env["dms.feed.line"].sudo().browse(texts_by_line).exists()
        if lines_sudo.feed_id - self:
            raise AccessError(self.env._("These lines are of another feed."))
        for line_sudo in lines_sudo.with_context(dms_feed_defer_check=True):
            line_sudo.write(texts_by_line[line_sudo.id])
        self.sudo()._check(lines_sudo)
        return lines_sudo.with_env(self.env)

    def _map_codes(self, kind, targets):
        """Remember what this sender's codes stand for, and check the lines that wait for them.

        :param str kind: 'product', 'outlet' or 'unit'
        :param dict targets: {code as sent: id of the product, outlet or unit}
        """
        self.ensure_one()
        self._check_may_work()
        mapping_sudo = self.env["dms.feed.mapping"].sudo()
        target = mapping_sudo._get_target_field(kind)
        known = {
            mapping.code.lower(): mapping
            for mapping in mapping_sudo.search(
                [
                    ("company_id", "=", self.company_id.id),
                    ("partner_id", "=", self.partner_id.id),
                    ("kind", "=", kind),
                ]
            )
        }
        new = []
        by_code = {code.strip().lower(): (code, target_id) for code, target_id in targets.items()}
        for folded, (code, target_id) in by_code.items():
            if mapping := known.get(folded):
                mapping[target] = target_id
            else:
                new.append(
                    {
                        "company_id": self.company_id.id,
                        "partner_id": self.partner_id.id,
                        "kind": kind,
                        "code": code,
                        target: target_id,
                    }
                )
        mapping_sudo.create(new)
        self.sudo()._check()

    def _log_mending(self, names, before):
        """Say in the chatter which texts were replaced by which."""
        labels = self.env["dms.feed.line"].fields_get(names, ["string"])
        changes = [
            f"{line.row}, {labels[name]['string']}: {old or '∅'} → {line[name] or '∅'}"
            for line, texts in before.items()
            for name, old in zip(names, texts, strict=True)
            if old != (line[name] or "")
        ]
        if changes:
            title = self.env._("Mended (row, column: before → after):")
            self._message_log(body=Markup("<br/>").join([title, *changes[:50]]))

    # -- replacing a period ------------------------------------------------------------------------------------------

    def _get_period_sql(self):
        """Condition of the released lines ("line") that this feed replaces: its sender's for its days, in other feeds.

        A distributor also replaces what the brand loaded for it, never what an outlet reported itself.
        What this feed says once more, word for word, stands: it is no difference.
        """
        return SQL(
            """line.feed_id IN (SELECT id FROM dms_feed WHERE partner_id = %(sender)s
                                    OR (%(sender)s = %(partner)s AND partner_id IS NULL))
               AND line.partner_id = %(partner)s AND line.company_id = %(company)s AND line.kind = %(kind)s
               AND line.state = 'released' AND line.feed_id <> %(feed)s
               AND line.date BETWEEN (SELECT MIN(date) FROM dms_feed_line WHERE feed_id = %(feed)s)
                                 AND (SELECT MAX(date) FROM dms_feed_line WHERE feed_id = %(feed)s)
               AND NOT EXISTS (SELECT FROM dms_feed_line again
                                WHERE again.duplicate_of_id = line.id AND again.feed_id = %(feed)s
                                  AND again.state = 'duplicate')""",
            sender=self.partner_id.id,
            partner=self.partner_id._get_distributor().id or 0,
            company=self.company_id.id,
            kind=self.kind,
            feed=self.id,
        )

    def _get_differences(self):
        """What replacing the period changes: [(product id, reported before, in this file)], the largest first."""
        self.ensure_one()
        self.check_access("read")
        self.env["dms.feed.line"].flush_model()
        return self.env.execute_query(
            SQL(
                """
                SELECT product_id, SUM(before), SUM(after)
                  FROM (
                        SELECT product_id, quantity - returned AS before, 0 AS after
                          FROM dms_feed_line line WHERE %s
                     UNION ALL
                        SELECT product_id, 0, quantity - returned FROM dms_feed_line
                         WHERE feed_id = %s AND product_id IS NOT NULL AND quantity IS NOT NULL
                           AND (state IN ('ok', 'released') OR issues = 'conflict')
                       ) lines
              GROUP BY product_id HAVING SUM(before) <> SUM(after)
              ORDER BY ABS(SUM(after) - SUM(before)) DESC, product_id
                """,
                self._get_period_sql(),
                self.id,
            )
        )

    def _supersede(self):
        """Take back what this sender reported before for the days of this feed, and release this feed instead."""
        self.ensure_one()
        self._check_may_work()
        self_sudo = self.sudo()
        self_sudo._ensure_open()
        if not self_sudo.partner_id:
            raise UserError(self.env._("Only a sender's own report replaces a period."))
        self_sudo.env["dms.channel.move"]._lock_partners(self_sudo.partner_id._get_distributor().ids)
        rows = self.env.execute_query(
            SQL("SELECT id FROM dms_feed_line line WHERE %s", self_sudo._get_period_sql())
        )
        earlier_sudo = self_sudo.env["dms.feed.line"].browse(line_id for (line_id,) in rows)
        for feed_sudo, lines in earlier_sudo.grouped("feed_id").items():
            feed_sudo._reverse_lines(lines, self.env._("Replaced by %(feed)s", feed=self.name))
            if not feed_sudo.released_count:
                guard.mark(feed_sudo).state = "superseded"
        self_sudo._check()
        self_sudo._release()

    # -- releasing -------------------------------------------------------------------------------------------------

    def _release(self):
        """Write the right lines to the ledger and keep the rest.

        One transaction at a time releases for a distributor. What another one released since the last check is found
        here; where that one has not been visible yet, the positions' rows or the lines' unique index stop this one,
        and the retry sees it.
        """
        self.ensure_one()
        self._ensure_open()
        self._check_missing_days()
        started = time.monotonic()
        self.env.flush_all()
        partner_ids = self.env.execute_query(
            SQL("SELECT DISTINCT partner_id FROM dms_feed_line WHERE feed_id = %s AND state = 'ok'", self.id)
        )
        self.env["dms.channel.move"]._lock_partners([partner_id for (partner_id,) in partner_ids])
        self.env.cr.execute(
            SQL(
                """
                WITH earlier AS (%s)
                UPDATE dms_feed_line line
                   SET state = CASE WHEN earlier.same THEN 'duplicate' ELSE 'error' END,
                       issue = CASE WHEN earlier.same THEN 'duplicate' ELSE 'conflict' END,
                       issues = CASE WHEN earlier.same THEN 'duplicate' ELSE 'conflict' END,
                       duplicate_of_id = earlier.earlier_id
                  FROM earlier WHERE earlier.line_id = line.id
                """,
                self._get_earlier_sql(
                    SQL("(SELECT * FROM dms_feed_line WHERE feed_id = %s AND state = 'ok')", self.id)
                ),
            )
        )
        # a copy with statistics of its own: those of the big table know nothing of this transaction's rows
        self._create_temp(
            "dms_feed_release",
            SQL("SELECT * FROM dms_feed_line WHERE feed_id = %s AND state = 'ok' ORDER BY id", self.id),
        )
        self._create_temp("dms_feed_rate", self._get_rates_sql())
        source = self._get_count_source_sql() if self.kind == "count" else self._get_sale_source_sql()
        moves, positions = self.env["dms.channel.move"]._append(source, counts=self.kind == "count")
        self.env.cr.execute(
            SQL("UPDATE dms_feed_line SET state = 'released' WHERE feed_id = %s AND state = 'ok'", self.id)
        )
        released = self.env.cr.rowcount
        self.env["dms.feed.line"].invalidate_model()
        guard.mark(self).write({"released_on": fields.Datetime.now(), "move_count": self.move_count + moves})
        self._refresh_counts()
        self._note_time("release", started)
        self._message_log(
            body=self.env._(
                "Released %(lines)s lines: %(moves)s moves on %(positions)s positions.",
                lines=released,
                moves=moves,
                positions=positions,
            )
        )
        return moves, positions

    def _check_missing_days(self):
        if not self.missing_days or self.missing_severity not in ("error", "warning"):
            return
        if self.missing_severity == "error":
            raise UserError(
                self.env._("Send these days too before you release: %(days)s.", days=self.missing_text)
            )
        if not self.missing_reason:
            raise UserError(
                self.env._(
                    "Nothing was reported for these days: %(days)s. Send them too, or say why they are missing.",
                    days=self.missing_text,
                )
            )

    def _get_sale_source_sql(self):
        """Answer the moves of the right lines: what was sold leaves, what customers brought back comes."""
        return SQL(
            """
            SELECT part.kind, line.company_id, line.partner_id, line.outlet_id, line.product_id, NULL::integer,
                   line.date, part.quantity, COALESCE(line.price_unit, 0), %(currency)s,
                   COALESCE(part.amount, 0) * rate.rate, line.id, NULL::integer, NULL::integer, %(name)s
              FROM dms_feed_release line
              JOIN dms_feed_rate rate ON rate.date = line.date
        CROSS JOIN LATERAL (VALUES
                       ('sell_out', -line.quantity, -line.amount),
                       ('return', line.returned, line.returned * line.price_unit)
                   ) part (kind, quantity, amount)
             WHERE part.quantity <> 0
            """,
            currency=self.currency_id.id,
            name=self.name,
        )

    def _get_count_source_sql(self):
        """Answer, for each right line, the difference between what was counted and what the ledger says of that day.

        Several days of one product follow each other: the ledger restates each later count (``_restate_counts``).
        """
        return SQL(
            """
            SELECT 'count', counted.company_id, counted.partner_id, NULL::integer, counted.product_id, NULL::integer,
                   counted.date, counted.difference, COALESCE(counted.price_unit, 0), %(currency)s,
                   counted.difference * COALESCE(counted.price_unit, 0) * counted.rate,
                   counted.id, NULL::integer, NULL::integer, %(name)s
              FROM (
                    SELECT line.id, line.company_id, line.partner_id, line.product_id, line.date, line.price_unit,
                           rate.rate,
                           line.quantity - COALESCE(position.quantity, 0) + COALESCE(since.quantity, 0) AS difference
                      FROM dms_feed_release line
                      JOIN dms_feed_rate rate ON rate.date = line.date
                 LEFT JOIN dms_channel_position position USING (company_id, partner_id, product_id)
                 LEFT JOIN LATERAL (
                           SELECT SUM(move.quantity) AS quantity FROM dms_channel_move move
                            WHERE move.company_id = line.company_id AND move.partner_id = line.partner_id
                              AND move.product_id = line.product_id AND move.date > line.date
                           ) since ON TRUE
                   ) counted
            """,
            currency=self.currency_id.id,
            name=self.name,
        )

    def _get_rates_sql(self):
        """Answer the query (date, rate) that converts the feed's currency into the company's, by day."""
        dates = SQL("SELECT DISTINCT date FROM dms_feed_release")
        company_currency = self.company_id.currency_id
        if self.currency_id == company_currency:
            return SQL("SELECT date, 1::numeric AS rate FROM (%s) dates", dates)
        days = [day for (day,) in self.env.execute_query(dates)]
        rates = [
            self.currency_id._get_conversion_rate(self.currency_id, company_currency, self.company_id, day)
            for day in days
        ]
        return SQL("SELECT unnest(%s::date[]) AS date, unnest(%s::numeric[]) AS rate", days, rates)

    def _reverse_lines(self, lines=None, origin=None):
        """Add the opposite of what these released lines (all of the feed's where None) put into the ledger."""
        self.ensure_one()
        self.env.flush_all()
        wanted = SQL("line.feed_id = %s AND line.state = 'released'", self.id)
        if lines is not None:
            wanted = SQL("%s AND line.id = ANY(%s)", wanted, lines.ids)
        partner_ids = self.env.execute_query(
            SQL("SELECT DISTINCT partner_id FROM dms_feed_line line WHERE %s", wanted)
        )
        partners = self.env["res.partner"].browse(partner_id for (partner_id,) in partner_ids)
        move_model = self.env["dms.channel.move"]
        move_model._lock_partners(partners.ids)
        self._create_temp("dms_feed_reverse", SQL("SELECT line.id FROM dms_feed_line line WHERE %s", wanted))
        # the moves of a line stand as long as it is released, so none of these is reversed already
        condition = SQL(
            "move.feed_line_id IN (SELECT id FROM dms_feed_reverse) AND move.reversed_move_id IS NULL"
        )
        moves, positions = move_model._append(
            move_model._get_reversal_sql(
                condition, origin or self.env._("Reversal of %(feed)s", feed=self.name)
            )
        )
        self.env.cr.execute(
            "UPDATE dms_feed_line SET state = 'reversed' WHERE id IN (SELECT id FROM dms_feed_reverse)"
        )
        self.env["dms.feed.line"].invalidate_model()
        self.env["dms.channel.position"]._refresh_dates(partners)
        guard.mark(self).move_count += moves
        self._refresh_counts()
        self._message_log(
            body=self.env._(
                "Reversed %(moves)s moves on %(positions)s positions.", moves=moves, positions=positions
            )
        )
        return moves, positions
