"""How quantities stand in sentences."""

from odoo.tools import formatLang


def format_quantity(env, quantity):
    """1234567.0 -> '1,234,567', 2.5 -> '2.50', as the user's language writes it; never an exponent."""
    digits = env["decimal.precision"].precision_get("Product Unit")
    return formatLang(env, quantity, digits=0 if round(quantity, digits) == round(quantity) else digits)
