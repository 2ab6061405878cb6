"""Settlements are sent, answered and approved before they are posted."""

from odoo import SUPERUSER_ID, api
from odoo.tools import SQL
from odoo.tools.convert import convert_file


def migrate(cr, version):
    env = api.Environment(cr, SUPERUSER_ID, {})
    # The portal's rules name the states, and rules are not updated by themselves.
    for name in ("dms_rebate_security", "dms_settlement_security"):
        convert_file(env, "dms_channel", f"security/{name}.xml", {}, mode="init")
    cr.execute(
        SQL(
            """
            UPDATE dms_settlement
               SET posted_on = write_date
             WHERE state = 'posted' AND posted_on IS NULL
            """
        )
    )
    cr.execute(
        SQL(
            """
            UPDATE dms_settlement_line AS line
               SET pending = settlement.state NOT IN ('posted', 'cancelled'),
                   answer = CASE WHEN settlement.state IN ('approved', 'posted') AND line.answer = 'open'
                                 THEN 'accepted' ELSE line.answer END
              FROM dms_settlement AS settlement
             WHERE settlement.id = line.settlement_id
            """
        )
    )
    cr.execute(
        SQL(
            """
            UPDATE account_move AS move
               SET dms_settlement_role = CASE WHEN settlement.posting_id = move.id THEN 'posting' ELSE 'reversal' END
              FROM dms_settlement AS settlement
             WHERE settlement.id = move.dms_settlement_id AND move.dms_settlement_role IS NULL
            """
        )
    )
    env.invalidate_all()
