def migrate(cr, version):
    """The price of a position is of its last sell-in, as it always was; from now on it says of which day."""
    cr.execute(
        "UPDATE dms_channel_position SET price_date = last_sell_in"
        " WHERE price_date IS NULL AND last_sell_in IS NOT NULL"
    )
