"""Orders that wait, rules that were overridden, stock to share out, and rules being tried."""

from odoo.fields import Command

from . import catalogue, trade

GIFT_CASES = 60
GIFT_ORDERS = (("southwest", 40), ("central", 30), ("east", 45))


def approvals(world):
    levels(world)
    held(world)
    short_supply(world)
    dry_run(world)


def levels(world):
    """Orders of half a million and more need the finance department too."""
    world.env.ref("dms_channel.dms_order_rule_credit_limit").level_ids = [
        Command.create(
            {
                "amount_from": 500000 * world.price_scale,
                "group_id": world.env.ref("dms_channel.dms_channel_group_accountant").id,
                "user_id": world.ref("user_accountant").id,
            }
        )
    ]


def held(world):
    """One large order with its first approval, one to be decided, one released in parts, and one refused."""
    env = world.env
    manager = world.ref("user_manager")
    large = {code: 4 * cases for code, cases in trade.beyond(world, "east").items()}
    orders = env["sale.order"].create(
        [
            trade.order_values(world, key, cases)
            for key, cases in (
                ("east", large),
                ("central", trade.beyond(world, "central")),
                ("zhejiang", trade.beyond(world, "zhejiang")),
                ("southwest", trade.beyond(world, "southwest")),
            )
        ]
    )
    orders.action_confirm()
    first, _waiting, parts, refused = orders
    if first.dms_state == "held":
        first.with_user(manager)._dms_release(
            "Stock for the new warehouse in Suzhou; agreed with the director."
        )
    if parts.dms_state == "held":
        env["dms.order.split"].create({"order_id": parts.id}).action_split()
        parts.dms_split_ids.with_user(manager)._dms_release("The rest is paid in advance, receipt seen.")
    if refused.dms_state == "held":
        refused.with_user(manager)._dms_refuse("Please pay the overdue invoice first, then order again.")
    world.name(orders, ["order_two_levels", "order_waiting", "order_parts", "order_denied"])


def short_supply(world):
    """A gift box that three distributors want more of than there is."""
    env = world.env
    drink = world.drinks["QH-T01"]
    case = world.ref(f"case_{drink.size}")
    box = env["product.product"].create(
        {
            "name": "Winter Gift Box",
            "default_code": "QH-G01",
            "categ_id": world.product("QH-T01").categ_id.id,
            "type": "consu",
            "is_storable": True,
            "uom_id": world.ref("bottle").id,
            "uom_ids": [Command.set(case.ids)],
            "list_price": round(12.0 * world.price_scale, 2),
            "standard_price": round(7.0 * world.price_scale, 2),
            "invoice_policy": "delivery",
            "image_1920": world.product("QH-T01").image_1920,
        }
    )
    world.translate(box, "name", ["冬季礼盒"])
    warehouse = env["stock.warehouse"].search([("company_id", "=", world.company.id)], limit=1)
    env["stock.quant"]._update_available_quantity(box, warehouse.lot_stock_id, GIFT_CASES * drink.size)
    orders = env["sale.order"].create(
        [
            {
                "partner_id": world.ref(f"distributor_{key}").id,
                "user_id": world.ref("user_manager").id,
                "client_order_ref": f"PO-{catalogue.DISTRIBUTORS[key].code[2:]}-GIFT",
                "order_line": [
                    Command.create(
                        {"product_id": box.id, "product_uom_id": case.id, "product_uom_qty": cases}
                    )
                ],
            }
            for key, cases in GIFT_ORDERS
        ]
    )
    orders.action_confirm()
    for order in orders.filtered(lambda order: order.dms_state == "held"):
        order.with_user(world.ref("user_manager"))._dms_release("Gift boxes are sold for the new year only.")
    allocation = env["dms.allocation"].create(
        {
            "company_id": world.company.id,
            "warehouse_id": warehouse.id,
            "product_ids": [Command.link(box.id)],
            "policy": "fair",
        }
    )
    allocation.action_propose()
    world.name(allocation, ["allocation_gift_box"])


def dry_run(world):
    """A stricter limit, tried before anybody feels it."""
    env = world.env
    strict = env["dms.order.rule"].create(
        {
            "name": "No order above 250,000 without a look",
            "sequence": 60,
            "active": False,
            "kind": "amount",
            "amount_max": 250000 * world.price_scale,
            "channel_role": "distributor",
            "outcome": "hold",
        }
    )
    trial = env["dms.order.rule.trial"].create(
        {
            "name": "A look at large orders: last quarter",
            "rule_ids": [Command.set((strict | world.ref("order_rule_cases")).ids)],
        }
    )
    trial.action_run()
    world.name(trial, ["order_rule_trial"])
