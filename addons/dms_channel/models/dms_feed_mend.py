from markupsafe import Markup

from odoo import models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..tools import guard


class DmsFeedMend(models.AbstractModel):
    """Mend lines, say what codes stand for, and replace what was reported before for a period.

    A part of ``dms.feed``, which inherits it.
    """

    _name = "dms.feed.mend"
    _description = "Mending a Feed"

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
