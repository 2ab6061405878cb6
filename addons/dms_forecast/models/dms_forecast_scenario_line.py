import io

import numpy as np

from odoo import api, fields, models

FIGURES = (
    "reorder_point",
    "order_up_to",
    "stock",
    "cycle_service",
    "fill_rate",
    "demand",
    "lost",
    "ordered",
    "stock_value",
    "cash",
    "order_value",
    "lost_value",
)
#: Of what the change is kept too, to be sorted by and compared.
CHANGES = ("stock", "stock_value", "cash", "order_value", "lost_value", "fill_rate")
SUMS = ("stock_value", "cash", "order_value", "lost_value")


class DmsForecastScenarioLine(models.Model):
    """Before and after of one distributor and product. Written by COPY; nobody edits it."""

    _name = "dms.forecast.scenario.line"
    _description = "What-if Effect"
    _order = "scenario_id desc, cash_change desc, id"
    _log_access = False

    scenario_id = fields.Many2one("dms.forecast.scenario", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", required=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one("res.partner", string="Distributor", required=True, ondelete="cascade")
    product_id = fields.Many2one("product.product", required=True, ondelete="cascade")
    categ_id = fields.Many2one("product.category", string="Product Category")
    uom_id = fields.Many2one(related="product_id.uom_id")
    rule_id = fields.Many2one("dms.replenishment.rule", ondelete="set null")
    price_unit = fields.Float(
        "Price of a Unit",
        digits="Product Price",
        aggregator=None,
        help="What the distributor paid last, else the list price.",
    )
    on_hand = fields.Float("In Stock Now", digits="Product Unit")
    coming = fields.Float("Under Way and on Order", digits="Product Unit")
    reorder_point_before = fields.Float("Reorder Point, Before", digits="Product Unit", aggregator=None)
    reorder_point_after = fields.Float(
        "Reorder Point, After",
        digits="Product Unit",
        aggregator=None,
        help="At the height of the change.",
    )
    order_up_to_before = fields.Float("Order up to, Before", digits="Product Unit", aggregator=None)
    order_up_to_after = fields.Float("Order up to, After", digits="Product Unit", aggregator=None)
    stock_before = fields.Float("Average Stock, Before", digits="Product Unit")
    stock_after = fields.Float("Average Stock, After", digits="Product Unit")
    stock_change = fields.Float("Average Stock, Change", digits="Product Unit")
    demand_before = fields.Float("Demand, Before", digits="Product Unit")
    demand_after = fields.Float("Demand, After", digits="Product Unit")
    lost_before = fields.Float("Missed, Before", digits="Product Unit")
    lost_after = fields.Float("Missed, After", digits="Product Unit")
    ordered_before = fields.Float("Ordered, Before", digits="Product Unit")
    ordered_after = fields.Float("Ordered, After", digits="Product Unit")
    cycle_service_before = fields.Float("Cycle Service, Before (%)", digits=(16, 1), aggregator="avg")
    cycle_service_after = fields.Float("Cycle Service, After (%)", digits=(16, 1), aggregator="avg")
    fill_rate_before = fields.Float("Fill Rate, Before (%)", digits=(16, 1), aggregator="avg")
    fill_rate_after = fields.Float("Fill Rate, After (%)", digits=(16, 1), aggregator="avg")
    fill_rate_change = fields.Float("Fill Rate, Change", digits=(16, 1), aggregator="avg")
    stock_value_before = fields.Monetary("Stock Value, Before")
    stock_value_after = fields.Monetary("Stock Value, After")
    stock_value_change = fields.Monetary("Stock Value, Change")
    cash_before = fields.Monetary("Cash Tied Up, Before")
    cash_after = fields.Monetary("Cash Tied Up, After")
    cash_change = fields.Monetary("Cash Tied Up, Change")
    order_value_before = fields.Monetary("Orders, Before")
    order_value_after = fields.Monetary("Orders, After")
    order_value_change = fields.Monetary("Orders, Change")
    lost_value_before = fields.Monetary("Sales Missed, Before")
    lost_value_after = fields.Monetary("Sales Missed, After")
    lost_value_change = fields.Monetary("Sales Missed, Change")

    @api.depends("partner_id", "product_id")
    def _compute_display_name(self):
        for line in self:
            line.display_name = f"{line.product_id.display_name}, {line.partner_id.display_name}"

    @api.model
    def _write_lines(self, scenario, parts, prices):
        """Write what was worked out by COPY.

        :param parts: [(rule, rows of the review, what_if.Outcome before, after)]
        :param prices: {(partner id, product id): price of a unit}
        :return: dict of the scenario's totals
        """
        currency = scenario.currency_id
        keys = [
            (row[0], row[1], rule.id, row[2], row[3] + row[4])
            for rule, rows, _before, _after in parts
            for row in rows
        ]
        price = np.array([prices[key[:2]] for key in keys])
        outcomes = {
            when: self._get_figures([part[2 + at] for part in parts], price)
            for at, when in enumerate(("before", "after"))
        }
        for figures in outcomes.values():
            for name in SUMS:
                # sums of what is shown, so that they agree to the cent
                figures[name] = np.array([currency.round(value) for value in figures[name].tolist()])
        products = self.env["product.product"].browse(sorted({key[1] for key in keys}))
        category = {product.id: product.categ_id.id for product in products}
        columns = {
            f"{name}_{when}": figures[name] for when, figures in outcomes.items() for name in FIGURES
        } | {f"{name}_change": outcomes["after"][name] - outcomes["before"][name] for name in CHANGES}
        names = (
            "scenario_id",
            "company_id",
            "partner_id",
            "product_id",
            "categ_id",
            "rule_id",
            "price_unit",
            "on_hand",
            "coming",
            *columns,
        )
        table = np.round(np.stack(list(columns.values()), axis=1), 4).tolist()
        head = f"{scenario.id}\t{scenario.company_id.id}"
        lines = [
            "\t".join(
                [
                    head,
                    str(partner_id),
                    str(product_id),
                    str(category[product_id] or "\\N"),
                    str(rule_id),
                    repr(float(price[i])),
                    repr(float(on_hand)),
                    repr(float(coming)),
                    *map(repr, table[i]),
                ]
            )
            for i, (partner_id, product_id, rule_id, on_hand, coming) in enumerate(keys)
        ]
        self.env.cr.copy_expert(
            f"COPY dms_forecast_scenario_line ({', '.join(names)}) FROM STDIN",
            io.StringIO("\n".join(lines) + "\n"),
        )
        self.invalidate_model()
        scenario.invalidate_recordset(["line_ids"])
        return self._get_totals(outcomes, price, currency) | {"line_count": len(keys)}

    def _get_figures(self, parts, price):
        """Figures of all rows, one part after the other -> {name: (n,)}; money in the company's currency."""

        def column(name):
            return np.concatenate([getattr(part, name) for part in parts])

        return {
            "reorder_point": column("reorder"),
            "order_up_to": column("order_up_to"),
            "stock": column("stock"),
            "cycle_service": 100 * column("cycle_service"),
            "fill_rate": 100 * column("fill"),
            "demand": column("demand"),
            "lost": column("lost"),
            "ordered": column("ordered"),
            "stock_value": column("stock_worth") * price,
            "cash": (column("stock_worth") + column("under_way_worth")) * price,
            "order_value": column("spent") * price,
            "lost_value": column("lost") * price,
        }

    def _get_totals(self, outcomes, price, currency):
        """Sums of money, and services weighted by the value of demand -> vals of the scenario."""
        totals = {}
        for when, figures in outcomes.items():
            for name in SUMS:
                totals[f"{name}_{when}"] = currency.round(float(figures[name].sum()))
            asked = figures["demand"] * price
            weight = asked if asked.sum() > 0 else np.ones(len(price))
            totals[f"cycle_service_{when}"] = float(np.average(figures["cycle_service"], weights=weight))
            totals[f"fill_rate_{when}"] = float(np.average(figures["fill_rate"], weights=weight))
        for name in (*SUMS, "cycle_service", "fill_rate"):
            totals[f"{name}_change"] = totals[f"{name}_after"] - totals[f"{name}_before"]
        return totals
