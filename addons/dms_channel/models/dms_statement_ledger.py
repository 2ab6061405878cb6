"""What a statement says, read from the receivable journal items by the database."""

from odoo import api, models
from odoo.tools import SQL

# Days overdue at which the classes of the ageing begin and end, as in Odoo's aged receivable.
AGES = {
    "age_due": (None, 0),
    "age_30": (1, 30),
    "age_60": (31, 60),
    "age_90": (61, 90),
    "age_older": (91, None),
}


class DmsStatementLedger(models.AbstractModel):
    """Mixin of ``dms.statement``: the entries of an account (distributor, company, currency) and what is open.

    Entries are the posted items of the commercial partner and its contacts on all receivable accounts, each in its own
    currency, as Odoo's partner ledger lists them. Where an item was reconciled with one in another currency (an invoice
    in euro paid in dollars), what was settled moves from one account to the other by an entry of kind ``conversion``:
    that way an account's balance is the sum of what is open on it, while over all currencies it stays the ledger's.
    """

    _name = "dms.statement.ledger"
    _description = "Ledger of a Statement"

    @api.model
    def _get_line_kinds(self):
        """How entries are told apart, first match first.

        :return: pairs of kind and SQL condition on ``entry``, ``item`` (journal item), ``move`` and ``company``
        """
        return [
            ("conversion", SQL("entry.source = 'conversion'")),
            ("exchange", SQL("move.journal_id = company.currency_exchange_journal_id")),
            ("deduction", SQL("move.dms_deduction_id IS NOT NULL")),
            ("settlement", SQL("move.dms_settlement_id IS NOT NULL")),
            ("invoice", SQL("move.move_type IN ('out_invoice', 'out_receipt')")),
            ("credit_note", SQL("move.move_type = 'out_refund'")),
            ("payment", SQL("move.origin_payment_id IS NOT NULL OR move.statement_line_id IS NOT NULL")),
        ]

    @api.model
    def _flush_ledger(self):
        for model in (
            "account.move.line",
            "account.move",
            "account.partial.reconcile",
            "account.account",
            "res.partner",
            "res.company",
            "dms.statement",
            "dms.statement.line",
        ):
            self.env[model].flush_model()

    def _get_scope_sql(self):
        """The accounts of these statements as a query."""
        return SQL(
            """
            SELECT id AS statement_id, partner_id, company_id, currency_id, date_from, date_to
              FROM dms_statement
             WHERE id = ANY(%s)
            """,
            self.ids,
        )

    @api.model
    def _get_entries_sql(self, scope):
        """The entries of accounts up to their last day, as common table expressions that end with ``entry``.

        :param scope: query of ``statement_id, partner_id, company_id, currency_id, date_from, date_to``
        """
        return SQL(
            """
            scope AS MATERIALIZED (%(scope)s),
            item_entry AS MATERIALIZED (
                SELECT scope.*, 'item' AS source, item.id AS move_line_id, item.move_id, item.date,
                       item.amount_currency AS amount, item.balance AS company_amount
                  FROM scope
                  JOIN res_partner AS contact ON contact.commercial_partner_id = scope.partner_id
                  JOIN account_move_line AS item ON item.partner_id = contact.id
                       AND item.company_id = scope.company_id AND item.currency_id = scope.currency_id
                  JOIN account_account AS account ON account.id = item.account_id
                 WHERE account.account_type = 'asset_receivable' AND item.parent_state = 'posted'
                   AND item.date <= scope.date_to AND (item.amount_currency != 0 OR item.balance != 0)
            ),
            converted AS (
                SELECT entry.statement_id, entry.move_line_id, partial.max_date, partial.credit_move_id AS other_id,
                       -partial.debit_amount_currency AS amount, -partial.amount AS company_amount
                  FROM item_entry AS entry
                  JOIN account_partial_reconcile AS partial ON partial.debit_move_id = entry.move_line_id
                 WHERE partial.credit_currency_id != entry.currency_id
             UNION ALL
                SELECT entry.statement_id, entry.move_line_id, partial.max_date, partial.debit_move_id AS other_id,
                       partial.credit_amount_currency AS amount, partial.amount AS company_amount
                  FROM item_entry AS entry
                  JOIN account_partial_reconcile AS partial ON partial.credit_move_id = entry.move_line_id
                 WHERE partial.debit_currency_id != entry.currency_id
            ),
            entry AS (
                SELECT statement_id, partner_id, company_id, currency_id, date_from, date_to, source, move_line_id,
                       move_id, date, amount, company_amount, source || ':' || move_line_id AS entry_key
                  FROM item_entry
             UNION ALL
                SELECT own.statement_id, own.partner_id, own.company_id, own.currency_id, own.date_from, own.date_to,
                       'conversion', own.move_line_id, own.move_id, converted.max_date, SUM(converted.amount),
                       SUM(converted.company_amount),
                       'conversion:' || own.move_line_id || ':' || converted.max_date
                  FROM converted
                  JOIN item_entry AS own ON own.move_line_id = converted.move_line_id
                       AND own.statement_id IS NOT DISTINCT FROM converted.statement_id
                  JOIN account_move_line AS other ON other.id = converted.other_id
                  JOIN res_partner AS contact ON contact.id = other.partner_id
                       AND contact.commercial_partner_id = own.partner_id
                 WHERE other.company_id = own.company_id AND other.parent_state = 'posted'
                   AND converted.max_date <= own.date_to
              GROUP BY own.statement_id, own.partner_id, own.company_id, own.currency_id, own.date_from, own.date_to,
                       own.move_line_id, own.move_id, converted.max_date
            )
            """,
            scope=scope,
        )

    @api.model
    def _get_accounts_to_state(self, date_from, date_to, companies, partners=None):
        """Accounts that moved in a period or were not balanced at its begin, and have no statement of it yet.

        :return: list of ``(company_id, partner_id, currency_id)``
        """
        self._flush_ledger()
        scope = SQL(
            """
            SELECT DISTINCT NULL::int AS statement_id, member.id AS partner_id, item.company_id, item.currency_id,
                   %(date_from)s::date AS date_from, %(date_to)s::date AS date_to
              FROM account_move_line AS item
              JOIN account_account AS account ON account.id = item.account_id
              JOIN res_partner AS contact ON contact.id = item.partner_id
              JOIN res_partner AS member ON member.id = contact.commercial_partner_id
             WHERE account.account_type = 'asset_receivable' AND item.parent_state = 'posted'
               AND item.date <= %(date_to)s AND item.company_id = ANY(%(companies)s) AND %(members)s
               AND NOT EXISTS (SELECT FROM dms_statement AS statement
                                WHERE statement.partner_id = member.id AND statement.company_id = item.company_id
                                  AND statement.currency_id = item.currency_id
                                  AND statement.date_from = %(date_from)s AND statement.date_to = %(date_to)s)
            """,
            date_from=date_from,
            date_to=date_to,
            companies=companies.ids,
            members=SQL("member.channel_role = 'distributor'")
            if partners is None
            else SQL("member.id = ANY(%s)", partners.commercial_partner_id.ids),
        )
        return self.env.execute_query(
            SQL(
                """
                WITH %s
                SELECT company_id, partner_id, currency_id
                  FROM entry
              GROUP BY company_id, partner_id, currency_id
                HAVING BOOL_OR(date >= date_from) OR SUM(amount) != 0 OR SUM(company_amount) != 0
              ORDER BY company_id, partner_id, currency_id
                """,
                self._get_entries_sql(scope),
            )
        )

    def _store_ledger(self):
        """Write lines, open items and totals of these statements afresh, in a fixed number of queries."""
        if not self:
            return
        self._flush_ledger()
        for table in ("dms_statement_line", "dms_statement_item"):
            self.env.cr.execute(
                SQL("DELETE FROM %s WHERE statement_id = ANY(%s)", SQL.identifier(table), self.ids)
            )
        self._insert_lines()
        self._insert_items()
        self._update_totals()
        self.env["dms.statement.line"].invalidate_model(flush=False)
        self.env["dms.statement.item"].invalidate_model(flush=False)
        self.invalidate_recordset(flush=False)

    def _insert_lines(self):
        kinds = SQL(" ").join(
            SQL("WHEN %s THEN %s", condition, kind) for kind, condition in self._get_line_kinds()
        )
        self.env.cr.execute(
            SQL(
                """
                WITH %(entries)s,
                opening AS (
                    SELECT scope.statement_id,
                           COALESCE(SUM(entry.amount) FILTER (WHERE entry.date < entry.date_from), 0) AS amount
                      FROM scope LEFT JOIN entry USING (statement_id)
                  GROUP BY scope.statement_id
                )
                INSERT INTO dms_statement_line (
                            statement_id, partner_id, company_id, currency_id, entry_key, move_line_id, move_id, kind,
                            date, date_maturity, name, ref, amount, company_amount, balance, sequence, answer)
                     SELECT entry.statement_id, entry.partner_id, entry.company_id, entry.currency_id, entry.entry_key,
                            entry.move_line_id, entry.move_id, CASE %(kinds)s ELSE 'other' END, entry.date,
                            CASE WHEN entry.source = 'item' THEN item.date_maturity END, move.name,
                            COALESCE(NULLIF(move.ref, ''), NULLIF(item.name, '')), entry.amount, entry.company_amount,
                            opening.amount + SUM(entry.amount) OVER account,
                            ROW_NUMBER() OVER account, 'open'
                       FROM entry
                       JOIN opening USING (statement_id)
                       JOIN account_move_line AS item ON item.id = entry.move_line_id
                       JOIN account_move AS move ON move.id = entry.move_id
                       JOIN res_company AS company ON company.id = entry.company_id
                      WHERE entry.date >= entry.date_from
                     WINDOW account AS (PARTITION BY entry.statement_id
                                            ORDER BY entry.date, move.name, entry.source DESC, entry.move_line_id)
                """,
                entries=self._get_entries_sql(self._get_scope_sql()),
                kinds=kinds,
            )
        )

    def _insert_items(self):
        """Store what was open on the last day: an item less what had been reconciled with it until then.

        Odoo keeps the reconciliation of a payment that is set back to draft; here it counts once it is posted again.
        """
        self.env.cr.execute(
            SQL(
                """
                WITH %(entries)s,
                residual AS (
                    SELECT entry.*,
                           entry.amount - COALESCE(paid.amount, 0) + COALESCE(used.amount, 0) AS open_amount,
                           entry.company_amount - COALESCE(paid.company_amount, 0)
                               + COALESCE(used.company_amount, 0) AS open_company_amount
                      FROM item_entry AS entry
                 LEFT JOIN LATERAL (SELECT SUM(partial.debit_amount_currency) AS amount,
                                           SUM(partial.amount) AS company_amount
                                      FROM account_partial_reconcile AS partial
                                      JOIN account_move_line AS other ON other.id = partial.credit_move_id
                                     WHERE partial.debit_move_id = entry.move_line_id
                                       AND partial.max_date <= entry.date_to AND other.parent_state = 'posted'
                           ) AS paid ON TRUE
                 LEFT JOIN LATERAL (SELECT SUM(partial.credit_amount_currency) AS amount,
                                           SUM(partial.amount) AS company_amount
                                      FROM account_partial_reconcile AS partial
                                      JOIN account_move_line AS other ON other.id = partial.debit_move_id
                                     WHERE partial.credit_move_id = entry.move_line_id
                                       AND partial.max_date <= entry.date_to AND other.parent_state = 'posted'
                           ) AS used ON TRUE
                )
                INSERT INTO dms_statement_item (
                            statement_id, partner_id, company_id, currency_id, move_line_id, move_id, date,
                            date_maturity, name, ref, amount, residual, company_residual, days_overdue)
                     SELECT residual.statement_id, residual.partner_id, residual.company_id, residual.currency_id,
                            residual.move_line_id, residual.move_id, residual.date,
                            COALESCE(item.date_maturity, item.date), move.name,
                            COALESCE(NULLIF(move.ref, ''), NULLIF(item.name, '')), residual.amount,
                            residual.open_amount, residual.open_company_amount,
                            GREATEST(residual.date_to - COALESCE(item.date_maturity, item.date), 0)
                       FROM residual
                       JOIN account_move_line AS item ON item.id = residual.move_line_id
                       JOIN account_move AS move ON move.id = residual.move_id
                      WHERE residual.open_amount != 0 OR residual.open_company_amount != 0
                """,
                entries=self._get_entries_sql(self._get_scope_sql()),
            )
        )

    def _update_totals(self):
        kinds = dict(self.env["dms.statement.line"]._fields["kind"].selection)
        totals = self.env["dms.statement"]._get_total_fields()
        sums = SQL(", ").join(
            SQL(
                "COALESCE(SUM(amount) FILTER (WHERE kind = ANY(%s)), 0) AS %s",
                [kind for kind in kinds if self._get_total_field(kind) == name],
                SQL.identifier(name),
            )
            for name in totals
        )
        ages = SQL(", ").join(
            SQL(
                "COALESCE(SUM(residual) FILTER (WHERE days_overdue >= %s AND days_overdue <= %s), 0) AS %s",
                first or 0,
                2_000_000 if last is None else last,
                SQL.identifier(name),
            )
            for name, (first, last) in AGES.items()
        )
        self.env.cr.execute(
            SQL(
                """
                WITH %(entries)s,
                account AS (
                    SELECT scope.statement_id,
                           COALESCE(SUM(amount) FILTER (WHERE date < scope.date_from), 0) AS opening_balance,
                           COALESCE(SUM(company_amount) FILTER (WHERE date < scope.date_from), 0) AS company_opening,
                           COALESCE(SUM(amount), 0) AS closing_balance,
                           COALESCE(SUM(company_amount), 0) AS company_closing
                      FROM scope
                 LEFT JOIN (SELECT statement_id, date, amount, company_amount FROM entry) AS entry USING (statement_id)
                  GROUP BY scope.statement_id
                ),
                kind AS (SELECT statement_id, %(sums)s, COUNT(*) AS line_count
                           FROM dms_statement_line WHERE statement_id = ANY(%(ids)s) GROUP BY statement_id),
                age AS (SELECT statement_id, %(ages)s, SUM(residual) AS residual,
                               SUM(residual) FILTER (WHERE residual > 0 AND days_overdue > 0) AS overdue
                          FROM dms_statement_item WHERE statement_id = ANY(%(ids)s) GROUP BY statement_id)
                UPDATE dms_statement AS statement
                   SET opening_balance = account.opening_balance, closing_balance = account.closing_balance,
                       company_opening = account.company_opening, company_closing = account.company_closing,
                       line_count = COALESCE(kind.line_count, 0), %(set_sums)s, %(set_ages)s,
                       age_other = account.closing_balance - COALESCE(age.residual, 0),
                       amount_overdue = COALESCE(age.overdue, 0)
                  FROM account
             LEFT JOIN kind USING (statement_id)
             LEFT JOIN age USING (statement_id)
                 WHERE statement.id = account.statement_id
                """,
                entries=self._get_entries_sql(self._get_scope_sql()),
                sums=sums,
                ages=ages,
                ids=self.ids,
                set_sums=SQL(", ").join(
                    SQL("%s = COALESCE(kind.%s, 0)", SQL.identifier(name), SQL.identifier(name))
                    for name in totals
                ),
                set_ages=SQL(", ").join(
                    SQL("%s = COALESCE(age.%s, 0)", SQL.identifier(name), SQL.identifier(name))
                    for name in AGES
                ),
            )
        )

    def _read_differences(self):
        """What the ledger says today of periods that were stated already.

        :return: dict of statement id to a list of dicts ``kind`` (``opening`` | ``new`` | ``changed`` | ``gone``),
            ``date``, ``name``, ``ref``, ``stated`` and ``now`` (amounts), in the order of the lines
        """
        if not self.ids:
            return {}
        self._flush_ledger()
        rows = self.env.execute_query_dict(
            SQL(
                """
                WITH %(entries)s,
                stated AS (SELECT * FROM dms_statement_line WHERE statement_id = ANY(%(ids)s)),
                current AS (SELECT entry.*, move.name, move.ref
                              FROM entry JOIN account_move AS move ON move.id = entry.move_id
                             WHERE entry.date >= entry.date_from),
                opening AS (SELECT scope.statement_id, scope.date_from, COALESCE(SUM(entry.amount), 0) AS amount,
                                   COALESCE(SUM(entry.company_amount), 0) AS company_amount
                              FROM scope LEFT JOIN entry ON entry.statement_id = scope.statement_id
                                   AND entry.date < scope.date_from
                          GROUP BY scope.statement_id, scope.date_from)
                SELECT statement.id AS statement_id, 'opening' AS kind, opening.date_from AS date, NULL AS name,
                       NULL AS ref, statement.opening_balance AS stated, opening.amount AS now
                  FROM opening JOIN dms_statement AS statement ON statement.id = opening.statement_id
                 WHERE opening.amount != statement.opening_balance
                    OR opening.company_amount != statement.company_opening
             UNION ALL
                SELECT COALESCE(stated.statement_id, current.statement_id),
                       CASE WHEN stated.id IS NULL THEN 'new' WHEN current.entry_key IS NULL THEN 'gone'
                            ELSE 'changed' END,
                       COALESCE(current.date, stated.date), COALESCE(current.name, stated.name),
                       COALESCE(NULLIF(current.ref, ''), stated.ref), stated.amount, current.amount
                  FROM stated
             FULL JOIN current ON current.statement_id = stated.statement_id
                       AND current.entry_key = stated.entry_key
                 WHERE stated.amount IS DISTINCT FROM current.amount
                    OR stated.company_amount IS DISTINCT FROM current.company_amount
              ORDER BY 1, 3, 4
                """,
                entries=self._get_entries_sql(self._get_scope_sql()),
                ids=self.ids,
            )
        )
        result = {}
        for row in rows:
            row["stated"] = float(row["stated"] or 0)
            row["now"] = float(row["now"] or 0)
            result.setdefault(row.pop("statement_id"), []).append(row)
        return result
