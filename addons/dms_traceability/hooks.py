from .models.dms_code_tables import TABLES


def uninstall_hook(env):
    """The code tables are our own, so Odoo does not know of them."""
    for table in TABLES:
        env.cr.execute(f"DROP TABLE IF EXISTS {table}")  # pylint: disable=sql-injection
    env.cr.execute("DROP SEQUENCE IF EXISTS dms_trace_chunk_seq")
