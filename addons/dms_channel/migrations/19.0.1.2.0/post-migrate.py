from odoo.tools import SQL

#: Foreign keys of the tables that take a million rows at a time; who points where is seen to by the models.
DROPPED = (
    ("dms_feed_line", "feed_id"),
    ("dms_feed_line", "duplicate_of_id"),
    ("dms_channel_move", "stock_move_id"),
    ("dms_channel_move", "reversed_move_id"),
)


def migrate(cr, version):
    for table, column in DROPPED:
        cr.execute(
            SQL(
                "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s",
                SQL.identifier(table),
                SQL.identifier(f"{table}_{column}_fkey"),
            )
        )
    # the price of a position is of its last sell-in, as it always was; from now on it says of which day
    cr.execute(
        "UPDATE dms_channel_position SET price_date = last_sell_in"
        " WHERE price_date IS NULL AND last_sell_in IS NOT NULL"
    )
