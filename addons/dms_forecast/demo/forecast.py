"""Who bottles the drinks, how distributors are resupplied and pass goods on, and what the forecast says about all of it."""

from datetime import timedelta

from odoo.fields import Command

from odoo.addons.dms_channel.demo.world import World

#: What lies at a distributor of a campaign that was called off, in days of its mean sale: product, distributor, days.
LEFT_OVER = (
    ("QH-M01", "north", 110),
    ("QH-M04", "south", 120),
    ("QH-M04", "central", 130),
    ("QH-T02", "east", 100),
)
#: Yuan for a kilogram and days of transport between territories; None: everywhere.
LANES = (
    (None, None, 0.9, 6),
    ("east", None, 0.7, 4),
    ("north", "east", 0.5, 3),
    ("south", "east", 0.5, 3),
    ("central", "east", 0.35, 2),
    ("east", "north", 0.5, 3),
    ("east", "east", 0.25, 1),
)


class ForecastWorld(World):
    module = "dms_forecast"
    after = "dms_channel"


def load(env):
    ForecastWorld(env).run(supply, leftovers, lanes, rules, forecasts, health, plan, answers, scenarios)


def supply(world):
    """A bottling plant that delivers within a week, and stock limits that follow the forecast."""
    env = world.env
    plant = env["res.partner"].create(
        {
            "name": "湖州清源灌装有限公司 (Huzhou Qingyuan Bottling)",
            "is_company": True,
            "supplier_rank": 1,
            "street": "吴兴区工业路 66 号",
            "city": "湖州",
            "state_id": env.ref("base.state_cn_ZJ").id,
            "zip": "313000",
            "country_id": env.ref("base.cn").id,
        }
    )
    world.name(plant, ["bottling_plant"])
    warehouse = env["stock.warehouse"].search([("company_id", "=", world.company.id)], limit=1)
    products = [world.product(code) for code in world.drinks]
    env["product.supplierinfo"].create(
        [
            {
                "partner_id": plant.id,
                "product_tmpl_id": product.product_tmpl_id.id,
                "price": product.standard_price,
                "currency_id": world.company.currency_id.id,
                "min_qty": 1200,
                "delay": 7,
            }
            for product in products
        ]
    )
    # Drinks that expire within a year are not looked at a year ahead.
    world.company.horizon_days = 7
    env["stock.warehouse.orderpoint"].create(
        [
            {
                "product_id": product.id,
                "warehouse_id": warehouse.id,
                "location_id": warehouse.lot_stock_id.id,
                "product_min_qty": 0,
                "product_max_qty": 0,
                "trigger": "manual",
                "dms_policy": "forecast",
            }
            for product in products
        ]
    )


def leftovers(world):
    """Goods of a campaign that was called off, at distributors that ordered for it; others could sell them."""
    moves = world.env["dms.channel.move"].sudo()
    vals_list = []
    since = world.today - timedelta(days=90)
    for code, key, days in LEFT_OVER:
        partner, product = world.ref(f"distributor_{key}"), world.product(code)
        known = moves.search(
            [
                ("partner_id", "=", partner.id),
                ("product_id", "=", product.id),
                ("kind", "in", ("sell_in", "sell_out")),
            ]
        )
        last = known.filtered(lambda move: move.kind == "sell_in" and move.lot_id).sorted("date")[-1:]
        sold = -sum(
            known.filtered(lambda move: move.kind == "sell_out" and move.date > since).mapped("quantity")
        )
        quantity = 12 * round(sold / 90 * days / 12)
        vals_list.append(
            {
                "kind": "sell_in",
                "partner_id": partner.id,
                "product_id": product.id,
                "lot_id": last.lot_id.id,
                # later than any count, which would know better
                "date": world.today - timedelta(days=1),
                "quantity": quantity,
                "price_unit": last.price_unit,
                "currency_id": last.currency_id.id,
                "amount": quantity * last.price_unit,
                "origin": "Campaign called off",
            }
        )
    moves.create(vals_list)


def lanes(world):
    """What carriers ask for between the regions, and what the paper work of a transfer costs."""
    scale = world.price_scale
    world.company.dms_transfer_handling = world.company.currency_id.round(20 * scale)
    territory = {None: world.env["dms.territory"]} | {
        code: world.ref(f"territory_{code}") for code in ("north", "south", "central", "east")
    }
    records = world.env["dms.transfer.lane"].create(
        [
            {
                "company_id": world.company.id,
                "from_territory_id": territory[start].id,
                "to_territory_id": territory[end].id,
                "cost_kg": world.company.currency_id.round(cost * scale),
                "days": days,
                "least_kg": 20,
            }
            for start, end, cost, days in LANES
        ]
    )
    world.name(records, [f"transfer_lane_{number}" for number in range(1, len(LANES) + 1)])


def plan(world):
    """The transfers that the night would have planned."""
    found = world.env["dms.transfer.plan"].with_user(world.ref("user_manager")).create({})
    found.action_plan()
    world.name(found, ["transfer_plan"])


def rules(world):
    """Small distributors are resupplied every second week, and only after a look at the proposal."""
    rule = world.name(
        world.env["dms.replenishment.rule"].create(
            {
                "name": "Bronze: every second week, reviewed",
                "sequence": 20,
                "company_id": world.company.id,
                "grade_ids": [Command.set(world.env.ref("partnership.res_partner_grade_data_bronze").ids)],
                "review_days": 14,
                "target_days": 28,
                "auto_propose": False,
            }
        ),
        ["replenishment_rule_bronze"],
    )
    world.translate(rule, "name", ["铜牌：每两周一次，人工复核"])


def forecasts(world):
    """Last month's forecast, to compare with what came, and today's, from which health and proposals follow."""
    Run = world.env["dms.forecast.run"].with_user(world.ref("user_manager")).sudo()
    before = Run.create({"date": world.today - timedelta(days=29)})
    before._run()
    now = Run.create({})
    world.name(before | now, ["forecast_before", "forecast_now"])
    now._run()


def health(world):
    """The last two months of stock health, as the nights would have written them, and today's with what follows."""
    Health = world.env["dms.stock.health"].with_user(world.ref("user_manager")).sudo()
    for back in (*range(57, 1, -7), 1):
        Health._refresh(world.company, world.today - timedelta(days=back))
    world.ref("forecast_now", world.module)._refresh_followers()


def answers(world):
    """One proposal has become a draft order; the others wait for their distributors."""
    for proposal in world.env["dms.replenishment.proposal"].search(
        [("state", "=", "proposed"), ("partner_id", "=", world.ref("distributor_east").id)]
    ):
        proposal.action_accept()


def scenarios(world):
    """Three questions that planners ask, computed and not decided on."""
    manager = world.ref("user_manager")
    asked = (
        ("longer", "A week longer from the new warehouse", {"kind": "lead", "lead_change": 7}),
        ("service", "98 % instead of 95 %", {"kind": "service", "service_level": 98}),
        (
            "promotion",
            "Ten days at 15 % off",
            {
                "kind": "promotion",
                "discount": 15,
                "date_from": world.today + timedelta(days=21),
                "date_to": world.today + timedelta(days=30),
            },
        ),
    )
    Scenario = world.env["dms.forecast.scenario"].with_user(manager)
    for key, name, vals in asked:
        scenario = Scenario.create(
            {"name": name, "company_id": world.company.id, "user_id": manager.id, **vals}
        )
        world.name(scenario.sudo(), [f"scenario_{key}"])
        scenario.action_compute()
