"""Settlements are sent, answered and approved before they are posted."""

from odoo.tools import SQL
from odoo.tools.sql import column_exists, rename_column


def migrate(cr, version):
    # A line per programme: now for lines of rebates only, by an index of the same name.
    cr.execute(
        SQL("ALTER TABLE dms_settlement_line DROP CONSTRAINT IF EXISTS dms_settlement_line_program_uniq")
    )
    if not column_exists(cr, "dms_settlement", "credit_note_id"):
        return
    rename_column(cr, "dms_settlement", "credit_note_id", "posting_id")
    # What was confirmed had its figures fixed and waited for its credit note.
    cr.execute(
        SQL(
            """
            UPDATE dms_settlement
               SET state = CASE state WHEN 'confirmed' THEN 'approved' ELSE 'posted' END
             WHERE state IN ('confirmed', 'credited')
            """
        )
    )
