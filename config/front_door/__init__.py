"""Gets Odoo 19, a Python environment and PostgreSQL, and runs DMS on them.

Standard library only: it runs before anything else is there.
"""
