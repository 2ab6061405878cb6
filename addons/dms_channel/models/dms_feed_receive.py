import contextlib
import csv
import io
import time

import psycopg2.errors
from markupsafe import Markup

from odoo import api, models
from odoo.exceptions import AccessError, ConcurrencyError, UserError
from odoo.tools.misc import get_lang
from odoo.tools.translate import get_translation

from ..tools import feed_reader, guard
from ..tools.feed_columns import KINDS
from ..tools.spool import digest

#: What an outlet can send itself.
OUTLET_KINDS = ("sell_through", "sensor")


class DmsFeedReceive(models.AbstractModel):
    """Take a file into the inbox: whose it is, how it is read, what its columns are.

    A part of ``dms.feed``, which inherits it.
    """

    _name = "dms.feed.receive"
    _description = "Receiving a Feed"

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
        typed=False,
    ):
        """Take a file into the inbox and check each of its lines.

        A portal user's file is its own company's, whatever ``partner`` says; an outlet's sales are booked at its
        distributor. The same bytes once more answer the feed that exists, unless that one was rejected or reversed.

        :param raw: CSV, JSON lines or XLSX, or one of the first two in .gz or .zip: bytes, or the path of a file that
            is read a piece at a time
        :param str filename: as the sender calls it
        :param partner: sending distributor or outlet; none for the brand's own load, whose rows must name their distributor
        :param dict columns: {name of ``feed_columns.KINDS``: header in the file}; what is not named is guessed
        :param company: receiving company, the current one where None
        :param str kind: of ``dms.feed``
        :param currency: of prices and amounts, the company's where None
        :param bool keep: take a file whose columns are not recognised, too: it waits, without lines, for somebody to
            say what they are (:meth:`_read_again`)
        :param bool typed: the file was written from a form: it says nothing of how the sender's files look
        :raises UserError: where the file can't be read, with a sentence that says how to mend it
        :return: dms.feed
        """
        company = company or self.env.company
        sender = self._get_sender(partner, kind)
        content_hash = digest(raw)
        feed_sudo = self.sudo().with_company(company)
        existing_sudo = feed_sudo.search(
            [
                ("company_id", "=", company.id),
                ("partner_id", "=", sender.id),
                ("kind", "=", kind),
                ("content_hash", "=", content_hash),
                # what a file says of outlets may have been changed since: it is asked again
                ("state", "not in", ("rejected", "superseded", *(["released"] if kind == "outlet" else []))),
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
                    | {"typed": typed}
                )
                new_sudo.flush_recordset()
            except psycopg2.errors.UniqueViolation as error:
                # another session is receiving the very same bytes: the retry finds its feed
                raise ConcurrencyError(self.env._("This file was received already.")) from error
            new_sudo._keep_file(raw, filename)
            if problem:
                new_sudo.refusal = self._translate_error(problem)
            else:
                new_sudo._read_lines(raw, layout, started)
        except feed_reader.FeedError as error:
            raise UserError(self._translate_error(error)) from error
        return new_sudo.with_env(self.env)

    @api.model
    def _receive_rows(self, rows, kind="sell_through", **options):
        """Take lines that somebody typed into a form; they are kept as a file, and checked, like any other.

        :param rows: list of {name of a column of the kind: text as typed}
        :param options: of :meth:`_receive`
        :raises UserError: where nothing was typed
        :return: dms.feed
        """
        if not rows:
            raise UserError(
                self.env._("Nothing was filled in. Write a quantity beside at least one product.")
            )
        names = [name for name in KINDS[kind].columns if any(row.get(name) for row in rows)]
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, names, restval="", extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        filename = self.env._("Typed in.csv")
        columns = {name: name for name in names}
        return self._receive(
            buffer.getvalue().encode(), filename, kind=kind, columns=columns, typed=True, **options
        )

    def _keep_file(self, raw, filename):
        """Keep the file as it came, bytes or a path."""
        attachments = self.env["ir.attachment"]
        vals = {"name": filename, "res_model": self._name, "res_id": self.id}
        if isinstance(raw, bytes):
            self.attachment_id = attachments.create({**vals, "raw": raw})
        else:
            self.attachment_id = attachments._create_from_file(raw, vals)

    def _read_lines(self, raw, layout, started):
        """Read, check and store the lines of a file, and note how long each step took since ``started``."""
        self._stage(feed_reader.read_lines(raw, layout, self.kind, zone=self._get_zone()))
        read = time.monotonic()
        self._check_stage()
        self._note_missing_days()
        checked = time.monotonic()
        booked = self._book_checked() if self.env.context.get("dms_feed_release") else None
        released = time.monotonic()
        self._store_new_lines(released=bool(booked))
        if not self._refresh_counts():
            raise UserError(self.env._("The file has a header but no rows. Fill it in and send it again."))
        timings = {
            "read": round(read - started, 3),
            "check": round(checked - read, 3),
            "store": round(time.monotonic() - released, 3),
        }
        if booked:
            self._note_release(self.released_count, booked)
            timings["release"] = round(released - checked, 3)
        guard.mark(self).write({"first_error_count": self.error_count, "timings": timings})

    def _read_again(self, columns):
        """Read the stored file anew with these columns, which are remembered for the sender's later files.

        :param dict columns: {name of ``feed_columns.KINDS``: header in the file, '' where it has none}
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
        raw = self_sudo.attachment_id._get_content()
        try:
            layout = self_sudo._inspect(raw, self_sudo.partner_id, columns, self_sudo.kind)
            layout.corrected = columns
            self._delete_lines(self.ids)
            self_sudo.write({"mapping_columns": layout.to_json(), "refusal": False})
            self_sudo._read_lines(raw, layout, started)
        except feed_reader.FeedError as error:
            raise UserError(self._translate_error(error)) from error
        self_sudo._message_log(
            body=self.env._("Read again with other columns:") + Markup("<br/>") + self_sudo.layout_text
        )

    @api.model
    def _get_column_labels(self, kind=None):
        """What a column of a file can be: [(name of a column, label)]; of any kind where none is given."""
        labels = [
            ("product_code", self.env._("Product")),
            ("date", self.env._("Date and Time") if kind == "sensor" else self.env._("Date")),
            ("quantity", self.env._("Quantity")),
            ("device", self.env._("Device")),
            ("outlet", self.env._("Outlet")),
            ("name", self.env._("Name")),
            ("street", self.env._("Address")),
            ("city", self.env._("City")),
            ("zip", self.env._("Zip")),
            ("state", self.env._("State")),
            ("country", self.env._("Country")),
            ("phone", self.env._("Phone")),
            ("email", self.env._("Email")),
            ("contact", self.env._("Contact")),
            ("status", self.env._("Open or Closed")),
            ("unit", self.env._("Unit")),
            ("unit_price", self.env._("Unit Price")),
            ("amount", self.env._("Amount")),
            ("returned", self.env._("Returned")),
            ("batch", self.env._("Batch")),
            ("reason", self.env._("Reason of Return")),
            ("reference", self.env._("Reference")),
            ("distributor", self.env._("Distributor")),
        ]
        return [pair for pair in labels if not kind or pair[0] in KINDS[kind].columns]

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
    def _get_kinds(self, role):
        """The kinds that a member with this role can send."""
        kinds = self._fields["kind"].get_values(self.env)
        return [kind for kind in kinds if kind in OUTLET_KINDS] if role == "outlet" else kinds

    @api.model
    def _check_outlet_may_send(self, outlet, kind):
        if kind not in OUTLET_KINDS:
            raise UserError(
                self.env._(
                    "The stock of outlets is not kept. %(outlet)s can send its sales, and what sensors see on its"
                    " shelves.",
                    outlet=outlet.name,
                )
            )
        if not outlet._get_distributor():
            raise UserError(
                self.env._(
                    "No distributor supplies %(outlet)s, so its sales can't be booked. Set “Supplied by” on the outlet first.",
                    outlet=outlet.name,
                )
            )

    @api.model
    def _inspect(self, raw, sender, columns, kind):
        """Answer the file's layout: the columns as named, else as corrected for this sender the last time, else guessed.

        Where the headers are not recognised, those that this sender named the last time are tried.
        """
        month_first = get_lang(self.env).date_format.lower().startswith(("%m", "%b"))
        date_order = "mdy" if month_first else "dmy"
        if columns:
            return feed_reader.inspect(raw, columns, date_order, kind=kind)
        last = self.search(
            [
                ("company_id", "=", self.env.company.id),
                ("partner_id", "=", sender.id),
                ("kind", "=", kind),
                ("mapping_columns", "!=", False),
                ("line_count", ">", 0),
                ("typed", "=", False),
            ],
            limit=1,
        ).mapping_columns
        corrected = last and last.get("corrected")
        if corrected:
            with contextlib.suppress(feed_reader.FeedError):
                layout = feed_reader.inspect(raw, corrected, date_order, kind=kind)
                layout.corrected = corrected
                return layout
        try:
            return feed_reader.inspect(raw, None, date_order, kind=kind)
        except feed_reader.FeedError:
            if not last:
                raise
            with contextlib.suppress(feed_reader.FeedError):
                return feed_reader.inspect(raw, last["columns"], date_order, kind=kind)
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
