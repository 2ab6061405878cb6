import io
import math
from collections import defaultdict

import xlsxwriter

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date


class DmsForecastWorkbook(models.AbstractModel):
    """A part of the run: what production and purchase take from a forecast, as a spreadsheet."""

    _name = "dms.forecast.workbook"
    _description = "Forecast as a Spreadsheet"

    def action_export(self):
        """Download the spreadsheet."""
        self._check_exportable()
        return {"type": "ir.actions.act_url", "url": f"/dms/forecast/{self.id}/xlsx", "target": "download"}

    def _check_exportable(self):
        self.ensure_one()
        if not self.is_current:
            raise UserError(
                self.env._(
                    "%s is not the current forecast. Export the current one: older ones are no longer kept by day.",
                    self.display_name,
                )
            )

    def _get_workbook_name(self):
        return (
            self.env._("Forecast %(company)s %(date)s", company=self.company_id.name, date=self.date)
            + ".xlsx"
        )

    def _render_xlsx(self):
        """What is to be supplied, product by product, and what is expected by region, product and week -> bytes."""
        self._check_exportable()
        buffer = io.BytesIO()
        with xlsxwriter.Workbook(buffer, {"in_memory": True}) as workbook:
            workbook.set_properties({"title": self.display_name, "author": self.company_id.name})
            self._write_supply(workbook)
            self._write_regions(workbook)
        return buffer.getvalue()

    # --- what is to be supplied -------------------------------------------------------

    def _get_supply(self):
        """Product by product, what its distributors will lack and what the company has for them -> list of dicts, most to supply first.

        What one distributor has too much is of no use to another, so lacks are added up distributor by distributor.
        """
        rows = self.env.execute_query(
            SQL(
                """SELECT s.product_id, SUM(s.total) FILTER (WHERE s.partner_id IS NOT NULL),
                          MAX(s.total_q90) FILTER (WHERE s.partner_id IS NULL),
                          COALESCE(SUM(p.quantity), 0)::float8, COALESCE(SUM(p.in_transit), 0)::float8,
                          SUM(GREATEST(s.total - GREATEST(COALESCE(p.quantity, 0), 0)::float8, 0)) FILTER (WHERE s.partner_id IS NOT NULL)
                     FROM dms_forecast_series s
                LEFT JOIN dms_channel_position p ON p.company_id = s.company_id AND p.partner_id = s.partner_id AND p.product_id = s.product_id
                    WHERE s.run_id = %s GROUP BY s.product_id""",
                self.id,
            )
        )
        products = (
            self.env["product.product"]
            .browse([row[0] for row in rows])
            .with_context(allowed_company_ids=self.company_id.ids)
        )
        supply = []
        for product, (_id, expected, high, channel, transit, lacking) in zip(products, rows, strict=True):
            here, coming = product.free_qty, product.incoming_qty
            supply.append(
                {
                    "product": product,
                    "expected": expected or 0.0,
                    "high": high or 0.0,
                    "channel": channel - transit,
                    "transit": transit,
                    "lacking": lacking or 0.0,
                    "here": here,
                    "coming": coming,
                    "supply": math.ceil(max((lacking or 0.0) - max(here, 0.0) - coming, 0.0) - 1e-6),
                }
            )
        return sorted(supply, key=lambda row: (-row["supply"], -row["expected"], row["product"].display_name))

    def _write_supply(self, workbook):
        _ = self.env._
        facts = [
            (_("Company"), self.company_id.name),
            (_("Known Until"), format_date(self.env, self.date)),
            (_("Days"), str(self.horizon)),
            (_("Error per Product"), f"{100 * self.product_wape:.0f} %"),
            (
                _("To Make or Buy"),
                _("what distributors will lack, each by itself, less free stock and what is coming in"),
            ),
        ]
        supply = self._get_supply()
        columns = [
            (_("Product"), 36),
            (_("Product Category"), 20),
            (_("Unit"), 10),
            (_("Expected"), 14),
            (_("High (90 %)"), 14),
            (_("At Distributors"), 14),
            (_("In Transit"), 14),
            (_("Distributors Lack"), 16),
            (_("Free Stock"), 14),
            (_("Coming in"), 14),
            (_("To Make or Buy"), 16),
        ]
        sheet = self._add_sheet(workbook, _("Supply"), columns, len(facts) + 1)
        for row, (label, value) in enumerate(facts):
            sheet.write_string(row, 0, label)
            sheet.write_string(row, 1, value)
        number = workbook.add_format({"num_format": "#,##0"})
        for offset, row in enumerate(supply, len(facts) + 2):
            product = row["product"]
            for column, text in enumerate(
                (product.display_name, product.categ_id.display_name, product.uom_id.name)
            ):
                sheet.write_string(offset, column, text or "")
            names = ("expected", "high", "channel", "transit", "lacking", "here", "coming", "supply")
            for column, name in enumerate(names, 3):
                sheet.write_number(offset, column, row[name], number)

    # --- what is expected where -------------------------------------------------------

    def _write_regions(self, workbook):
        _ = self.env._
        groups = self.env["dms.forecast.region"]._read_group(
            [("run_id", "=", self.id)],
            ["region_id", "categ_id", "product_id", "week:day"],
            ["quantity:sum"],
        )
        weeks = sorted({group[3] for group in groups})
        table = defaultdict(lambda: [0.0] * len(weeks))
        for region, categ, product, week, quantity in groups:
            table[region, categ, product][weeks.index(week)] += quantity
        columns = [(_("Region"), 24), (_("Product Category"), 20), (_("Product"), 36), (_("Unit"), 10)]
        columns += [(_("Week of %s", format_date(self.env, fields.Date.to_date(week))), 14) for week in weeks]
        columns.append((_("Total"), 14))
        sheet = self._add_sheet(workbook, _("Regions"), columns, 0)
        number = workbook.add_format({"num_format": "#,##0"})
        row = 0
        for row, ((region, categ, product), values) in enumerate(sorted(table.items(), key=_names), 1):
            for column, text in enumerate(
                (
                    region.display_name or _("Without a territory"),
                    categ.display_name,
                    product.display_name,
                    product.uom_id.name,
                )
            ):
                sheet.write_string(row, column, text or "")
            for column, value in enumerate((*values, sum(values)), 4):
                sheet.write_number(row, column, value, number)
        sheet.autofilter(0, 0, max(row, 1), len(columns) - 1)

    def _add_sheet(self, workbook, name, columns, row):
        """A sheet with a head in `row`; columns are pairs (label, width)."""
        sheet = workbook.add_worksheet(name)
        head = workbook.add_format({"bold": True, "bottom": 1, "text_wrap": True})
        for column, (label, width) in enumerate(columns):
            sheet.set_column(column, column, width)
            sheet.write_string(row, column, label, head)
        sheet.freeze_panes(row + 1, 0)
        return sheet


def _names(entry):
    return [record.display_name or "" for record in entry[0]]
