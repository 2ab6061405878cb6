from odoo.fields import Command, Date, Datetime
from odoo.tests import HttpCase, new_test_user

from odoo.addons.dms_channel.tests.common import SIGNATURE
from odoo.addons.dms_traceability.tests.common import DmsTraceCommon

SALES = """product_code,date,quantity,outlet,unit_price
TEA,{today},5,O-1,12
CHIPS,{today},many,O-1,6
GT-500,{today},2,,12
"""


class DmsPortalCommon(DmsTraceCommon, HttpCase):
    """The channel's network with goods in stock, and of the northern distributor one of everything the portal shows.

    ``clerk_other`` works for a distributor of another company of the same database.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for product in cls.product_tea | cls.product_chips:
            cls.env["stock.quant"]._update_available_quantity(product, cls.warehouse.lot_stock_id, 1200)
        other_company_sudo = cls.env["res.company"].sudo().create({"name": "Other Brand"})
        cls.distributor_other = (
            cls.env["res.partner"]
            .sudo()
            .create(
                {"name": "Other Trading", "is_company": True, "channel_role": "distributor", "ref": "D-OTHER"}
            )
        )
        cls.clerk_other = new_test_user(
            cls.env(su=True),
            "clerk_other",
            groups="base.group_portal",
            company_id=other_company_sudo.id,
            company_ids=[Command.set(other_company_sudo.ids)],
        )
        cls.clerk_other.partner_id.parent_id = cls.distributor_other

    @classmethod
    def get_default_groups(cls):
        return super().get_default_groups() | cls.quick_ref("stock.group_stock_user")

    @classmethod
    def _ship(cls, order, tracking="TRACK-1"):
        """Confirm an order and let its goods leave."""
        order.action_confirm()
        order.picking_ids.carrier_tracking_ref = tracking
        order.picking_ids.action_assign()
        cls._deliver(order)
        return order.picking_ids

    @classmethod
    def _create_settlement(cls, partner=None, name="STL/TEST/1"):
        settlement_sudo = (
            cls.env["dms.settlement"]
            .sudo()
            .create(
                {
                    "name": name,
                    "partner_id": (partner or cls.distributor_north).id,
                    "company_id": cls.company.id,
                    "date_from": "2026-01-01",
                    "date_to": "2026-01-31",
                }
            )
        )
        settlement_sudo._set_state("sent", deadline="2099-12-31")
        return settlement_sudo

    @classmethod
    def _create_statement(cls, partner=None, send=True):
        """January's statement with an invoice of 100 and a credit note of 40."""
        partner = partner or cls.distributor_north
        for move_type, amount in (("out_invoice", 100.0), ("out_refund", 40.0)):
            cls.init_invoice(
                move_type,
                partner=partner,
                invoice_date="2026-01-10",
                amounts=[amount],
                taxes=cls.env["account.tax"],
                post=True,
            )
        statement_sudo = (
            cls.env["dms.statement"]
            .sudo()
            .create(
                {
                    "partner_id": partner.id,
                    "company_id": cls.company.id,
                    "currency_id": cls.company.currency_id.id,
                    "date_from": "2026-01-01",
                    "date_to": "2026-01-31",
                }
            )
        )
        if send:
            statement_sudo.action_send()
        return statement_sudo

    @classmethod
    def _create_proposal(cls, partner=None, name="RP/TEST/1", state="proposed"):
        return (
            cls.env["dms.replenishment.proposal"]
            .sudo()
            .create(
                {
                    "name": name,
                    "partner_id": (partner or cls.distributor_north).id,
                    "company_id": cls.company.id,
                    "state": state,
                    "line_ids": [
                        Command.create(
                            {
                                "product_id": cls.product_tea.id,
                                "uom_id": cls.uom_case.id,
                                "quantity": 24,
                                "suggested_quantity": 24,
                                "stock": 3,
                                "daily_demand": 2,
                                "reorder_point": 20,
                                "order_up_to": 27,
                            }
                        )
                    ],
                }
            )
        )

    @classmethod
    def _create_case(cls, picking, state="hearing"):
        now = Datetime.now()
        alert_sudo = (
            cls.env["dms.diversion.alert"]
            .sudo()
            .create(
                {
                    "name": "ALERT/TEST",
                    "company_id": cls.company.id,
                    "partner_id": cls.distributor_north.id,
                    "product_id": cls.product_tea.id,
                    "picking_id": picking.id,
                    "territory_id": cls.territory_south.id,
                    "scan_count": 2,
                    "code_count": 2,
                    "date_first": now,
                    "date_last": now,
                }
            )
        )
        case = cls.env["dms.diversion.case"].sudo().browse(alert_sudo.action_open_case()["res_id"])
        if state != "open":
            case.action_hear()
        return case

    @classmethod
    def _receive_sales(cls, clerk=None, text=SALES, filename="sales.csv"):
        raw = text.format(today=Date.to_string(Date.context_today(cls.env.user))).encode()
        return cls.env["dms.feed"].with_user(clerk or cls.clerk_north)._receive(raw, filename).sudo()

    @classmethod
    def _create_everything(cls):
        cls.order = cls._create_order(cls.distributor_north, [(cls.product_tea, 24, None)])
        cls.picking = cls._ship(cls.order)
        cls.feed = cls._receive_sales()
        cls.settlement = cls._create_settlement()
        cls.statement = cls._create_statement()
        cls.proposal = cls._create_proposal()
        cls.case = cls._create_case(cls.picking)
        cls.agreement_sent = cls.agreement_north.copy({"date_start": "2030-01-01"})
        cls.agreement_sent.action_send()
        cls.env["dms.credit.entry"].sudo()._post_event(
            "manual", cls.distributor_north, "test:1", note="Point for the northern one", points=7
        )


__all__ = ["SALES", "SIGNATURE", "DmsPortalCommon"]
