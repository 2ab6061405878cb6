from odoo import fields


class BulkMany2one(fields.Many2one):
    """A many2one without a foreign key, for tables that take a quarter of a million rows in one statement.

    PostgreSQL checks a foreign key row by row: on such a table each one takes as long as half the insert itself. The
    values come out of joins with the very tables they point to; that these rows stay is seen to elsewhere:
    ``dms.channel.position`` holds a real key for each distributor and product of a move, companies and currencies that
    are used can't be deleted, ``res.partner`` refuses to delete an outlet that has moves, Odoo a stock move that is done,
    and a feed takes its lines along (``dms.feed.unlink``).
    """

    def update_db_foreign_key(self, model, column):
        """Add none."""
