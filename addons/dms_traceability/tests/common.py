import os
from unittest.mock import patch

from odoo.fields import Command

from odoo.addons.dms_channel.tests.common import DmsChannelCommon

MASTER_KEY = "test-only-0123456789abcdef0123456789abcdef"
GTIN = "00614141999996"


class DmsTraceCommon(DmsChannelCommon):
    """The channel's network, a product that is tracked by lots, and 1,000 units of its batch in stock."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        environment = patch.dict(os.environ, {"DMS_MASTER_KEY": MASTER_KEY})
        environment.start()
        cls.addClassCleanup(environment.stop)

        cls.product = cls.env["product.product"].create(
            {
                "name": "Green Tea",
                "type": "consu",
                "is_storable": True,
                "tracking": "lot",
                "barcode": GTIN[1:],
                "list_price": 123.45,
            }
        )
        cls.lot = cls.env["stock.lot"].create({"name": "B001", "product_id": cls.product.id})
        cls.warehouse = cls.env["stock.warehouse"].search([("company_id", "=", cls.company.id)], limit=1)
        cls.env["stock.quant"]._update_available_quantity(
            cls.product, cls.warehouse.lot_stock_id, 1000, lot_id=cls.lot
        )
        cls.storeman = cls._create_staff(
            "storeman", "stock.group_stock_user,dms_channel.dms_channel_group_user"
        )
        cls.inspector = cls._create_staff("inspector", "dms_traceability.dms_traceability_group_inspector")

    @classmethod
    def get_default_groups(cls):
        return (
            super().get_default_groups()
            | cls.quick_ref("stock.group_stock_manager")
            | cls.quick_ref("dms_traceability.dms_traceability_group_inspector")
        )

    @classmethod
    def _order_codes(cls, quantity=100, case_size=24, state="packed", lot=None):
        order = cls.env["dms.code.order"].create(
            {
                "product_id": cls.product.id,
                "lot_id": (lot or cls.lot).id,
                "quantity": quantity,
                "case_size": case_size,
            }
        )
        for action, reached in (("generate", "generated"), ("activate", "active"), ("pack", "packed")):
            if state == "draft":
                break
            getattr(order, f"action_{action}")()
            if state == reached:
                break
        return order

    @classmethod
    def _create_delivery(cls, quantity=48, partner=None):
        """A delivery of the batch, reserved and ready."""
        picking = cls.env["stock.picking"].create(
            {
                "picking_type_id": cls.warehouse.out_type_id.id,
                "partner_id": (partner or cls.distributor_north).id,
                "location_id": cls.warehouse.lot_stock_id.id,
                "location_dest_id": cls.env.ref("stock.stock_location_customers").id,
                "move_ids": [
                    Command.create(
                        {
                            "product_id": cls.product.id,
                            "product_uom_qty": quantity,
                            "product_uom": cls.product.uom_id.id,
                            "location_id": cls.warehouse.lot_stock_id.id,
                            "location_dest_id": cls.env.ref("stock.stock_location_customers").id,
                        }
                    )
                ],
            }
        )
        picking.action_confirm()
        picking.action_assign()
        return picking

    @classmethod
    def _serials(cls, order, level="unit", offset=0, limit=None):
        return [serial for _gtin, serials in order._iter_serials(level, offset, limit) for serial in serials]
