import base64
import logging
import re
import shutil
import time
from pathlib import Path

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import email_normalize

from ..tools import guard
from ..tools.spool import digest

_logger = logging.getLogger(__name__)

#: Content types that the bulk endpoint takes, and the extension of a file of each.
FORMATS = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/gzip": "csv.gz",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
SUFFIXES = (".csv", ".txt", ".tsv", ".xlsx", ".gz", ".zip", ".jsonl", ".ndjson")
#: A file in the watched folder that changed less than this many seconds ago may still be being written.
SETTLED = 60
ERRORS_SHOWN = 100


class DmsChannelGateway(models.AbstractModel):
    """The ways into the inbox beside the screen: the bulk endpoint, /json/2, a mailbox and a watched folder.

    A part of ``dms.feed``, which inherits it.
    """

    _name = "dms.channel.gateway"
    _description = "Ways into the Inbox"

    key = fields.Char(
        string="Sender's Key", readonly=True, copy=False, help="The same key once more answers this feed."
    )

    # -- programs --------------------------------------------------------------------------------------------------

    @api.model
    def receive(
        self, content, filename="feed.csv", kind="sell_through", distributor=None, key=None, release=False
    ):
        """Take a file into the inbox; for programs, through /json/2/dms.feed/receive.

        :param str content: the file in base64
        :param str filename: as the sender calls it
        :param str kind: 'sell_through', 'count', 'returns', 'outlet' or 'sensor'
        :param str distributor: reference of the sending distributor; a portal user's is always its own
        :param str key: chosen by the sender; the same key once more answers what became of it, and does nothing
        :param bool release: release the right lines at once
        :return: dict, see :meth:`_take`
        """
        try:
            raw = base64.b64decode(content, validate=True)
        except (ValueError, TypeError) as error:
            raise UserError(self.env._("The content is no base64.")) from error
        return self._take(raw, filename, kind=kind, distributor=distributor, key=key, release=release)

    @api.model
    def _take(self, raw, filename, kind="sell_through", distributor=None, key=None, release=False):
        """Receive a program's file (bytes or a path) and say what became of it.

        :return: dict with feed, state, lines, right, to_mend, to_confirm, duplicates, released, errors (the first
            hundred lines that wait: row, reason, message) and again (whether it was received before)
        """
        if kind not in self._fields["kind"].get_values(self.env):
            raise UserError(self.env._("%(kind)s is no kind of feed.", kind=kind))
        content_hash = digest(raw)
        feed = self._find_by_key(key)
        if feed and feed.content_hash != content_hash:
            raise UserError(
                self.env._(
                    "The key %(key)s was used for another content (%(feed)s). Choose a new key.",
                    key=key,
                    feed=feed.name,
                )
            )
        again = bool(feed)
        if not feed:
            newest = self.sudo().search([], limit=1, order="id desc").id
            feeds = self.with_context(dms_feed_release=release)
            feed = feeds._receive(raw, filename, partner=self._find_sender(distributor), kind=kind)
            again = feed.id <= newest
            if key and not feed.sudo().key:
                guard.mark(feed.sudo()).key = key
        if release and not again and feed.ok_count:
            feed.action_release()
        return feed._get_answer() | {"again": again}

    @api.model
    def _find_by_key(self, key):
        if not key:
            return self.browse()
        found_sudo = self.sudo().search(
            [
                ("key", "=", key),
                ("create_uid", "=", self.env.uid),
                ("company_id", "=", self.env.company.id),
            ],
            limit=1,
        )
        return found_sudo.with_env(self.env)

    @api.model
    def _find_sender(self, reference):
        """The distributor with this reference; none for a portal user, whose own company sends."""
        if not reference or self.env.user._is_portal():
            return None
        partners = self.env["res.partner"].search(
            [
                ("ref", "=ilike", reference),
                ("channel_role", "in", ("distributor", "outlet")),
                ("company_id", "in", [False, self.env.company.id]),
            ]
        )
        if len(partners) != 1:
            raise UserError(
                self.env._(
                    '%(count)s partners have the reference "%(code)s".', count=len(partners), code=reference
                )
            )
        return partners

    def _get_answer(self):
        self.ensure_one()
        self_sudo = self.sudo()
        waiting = self_sudo.env["dms.feed.line"].search(
            [("feed_id", "=", self.id), ("state", "in", ("error", "warning"))],
            order="row",
            limit=ERRORS_SHOWN,
        )
        return {
            "feed": self_sudo.name,
            "id": self.id,
            "state": self_sudo.state,
            "lines": self_sudo.line_count,
            "right": self_sudo.ok_count,
            "to_mend": self_sudo.error_count,
            "to_confirm": self_sudo.warning_count,
            "duplicates": self_sudo.duplicate_count,
            "released": self_sudo.released_count,
            "errors": [
                {"row": line.row, "reason": line.issue, "message": line.with_env(self.sudo().env).message}
                for line in waiting
            ],
        }

    # -- mailbox ---------------------------------------------------------------------------------------------------

    @api.model
    def message_new(self, msg_dict, custom_values=None):
        """Take the files of a mail from a known contact into the inbox and answer it with what became of them."""
        sender = self._find_mail_sender(msg_dict)
        files = [file for file in msg_dict.get("attachments") or [] if file.fname.lower().endswith(SUFFIXES)]
        if not files:
            return self._keep_refused(
                msg_dict.get("subject") or self.env._("Mail"),
                sender,
                b"",
                self.env._("The mail has no CSV or XLSX file. Attach it and send it again."),
            )
        feeds = self.browse()
        for file in files:
            content = file.content.encode() if isinstance(file.content, str) else file.content
            feeds |= self._receive_or_keep(content, file.fname, sender)
        for feed in feeds:
            feed._tell_sender(msg_dict.get("email_from"))
        return feeds[:1]

    @api.model
    def _find_mail_sender(self, msg_dict):
        """The distributor or outlet of the mail's author; the author's contact decides, never the text of the mail."""
        address = email_normalize(msg_dict.get("email_from") or "")
        contacts = self.env["res.partner"].search([("email_normalized", "=", address)]) if address else None
        members = contacts and contacts.commercial_partner_id.filtered("channel_role")
        if not members or len(members) != 1:
            raise UserError(
                self.env._(
                    "%(address)s is no contact of exactly one distributor or outlet.", address=address or "?"
                )
            )
        return members

    @api.model
    def _receive_or_keep(self, raw, filename, sender):
        """Receive a file that nobody waits for; one that can't be read is kept with the reason, so nothing is lost."""
        try:
            with self.env.cr.savepoint():
                return self._receive(
                    raw, filename, partner=sender, kind=self._get_named_kind(Path(filename)), keep=True
                )
        except UserError as error:
            return self._keep_refused(filename, sender, raw, str(error))

    @api.model
    def _keep_refused(self, filename, sender, raw, reason):
        feed = guard.mark(self.sudo()).create(
            {
                "partner_id": sender.id if sender else False,
                "filename": filename,
                "refusal": reason[:1000],
                "state": "rejected",
            }
        )
        if raw:
            feed._keep_file(raw, filename)
        return feed.with_env(self.env)

    def _tell_sender(self, address):
        """Answer a mail with what became of its file."""
        self.ensure_one()
        contact = self.env["res.partner"].search(
            [("email_normalized", "=", email_normalize(address or ""))], limit=1
        )
        if not contact:
            return
        body = self.refusal or self.env._(
            "%(file)s: %(lines)s lines, of which %(right)s are right, %(wrong)s are to be mended and %(doubtful)s to be"
            " confirmed. Mend and release them in the portal: %(url)s",
            file=self.filename,
            lines=self.line_count,
            right=self.ok_count,
            wrong=self.error_count,
            doubtful=self.warning_count,
            url=self.get_base_url() + self.access_url,
        )
        self.sudo().message_notify(
            partner_ids=contact.ids,
            subject=self.env._("Your report %(feed)s", feed=self.name),
            body=body,
            email_layout_xmlid="mail.mail_notification_light",
        )

    # -- watched folder ----------------------------------------------------------------------------------------------

    @api.model
    def _cron_watch_folders(self):
        """Take the files that lie in the companies' watched folders, one transaction each."""
        companies = self.env["res.company"].sudo().search([("dms_feed_folder", "!=", False)])
        found = [(company, path) for company in companies for path in self._get_waiting_files(company)]
        for number, (company, path) in enumerate(found, 1):
            self.with_company(company)._take_file(company, path)
            self.env["ir.cron"]._commit_progress(1, remaining=len(found) - number)

    @api.model
    def _get_waiting_files(self, company):
        """Files of the folder and of its sub-folders (each called after a distributor's reference), oldest first.

        A file that was written to a moment ago waits for the next time, and so does one with a name that says that it
        is unfinished.
        """
        folder = Path(company.dms_feed_folder)
        if not folder.is_dir():
            _logger.warning("The watched folder %s of %s is not there.", folder, company.name)
            return []
        now = time.time()
        found = []
        for path in [*folder.glob("*"), *folder.glob("*/*")]:
            if path.parent.name in ("done", "refused") and path.parent.parent == folder:
                continue
            if (
                not path.name.lower().endswith(SUFFIXES)
                or path.name.startswith((".", "~"))
                or not path.is_file()
            ):
                continue
            if path.is_symlink() or now - path.stat().st_mtime < SETTLED:
                continue
            found.append(path)
        return sorted(found, key=lambda path: path.stat().st_mtime)

    @api.model
    def _take_file(self, company, path):
        """Receive a file and move it to ``done``, or to ``refused`` with the reason beside it.

        It is moved after the work is written: a session that dies in between finds the same bytes again, and with
        them the same feed.
        """
        folder = Path(company.dms_feed_folder)
        try:
            with self.env.cr.savepoint():
                sender = None if path.parent == folder else self._find_sender(path.parent.name)
                feeds = self.with_context(dms_feed_release=company.dms_feed_folder_release)
                feed = feeds._receive(
                    path, path.name, partner=sender, company=company, kind=self._get_named_kind(path)
                )
                if company.dms_feed_folder_release and feed.ok_count:
                    feed.action_release()
        except UserError as error:
            self._keep_refused(path.name, None, path, str(error))
            target, reason = folder / "refused", str(error)
        else:
            target, reason = folder / "done", ""
        self.env.cr.postcommit.add(lambda: self._move_file(path, target, reason))

    @api.model
    def _get_named_kind(self, path):
        """The kind that a file's name begins with, as in ``returns_2026-11.csv``; sales where it names none."""
        names = self._fields["kind"].get_values(self.env)
        found = re.match(rf"({'|'.join(names)})s?[ _.-]", path.name.lower())
        return found[1] if found else names[0]

    @api.model
    def _move_file(self, path, target, reason):
        target.mkdir(exist_ok=True)
        name = f"{int(time.time())}_{path.name}"
        if reason:
            (target / f"{name}.reason.txt").write_text(reason + "\n", encoding="utf-8")
        shutil.move(path, target / name)
