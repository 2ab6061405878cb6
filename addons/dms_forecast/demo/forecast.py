"""Who bottles the drinks, how distributors are resupplied, and what the forecast says about both."""

from datetime import timedelta

from odoo.fields import Command

from odoo.addons.dms_channel.demo.world import World


class ForecastWorld(World):
    module = "dms_forecast"
    after = "dms_channel"


def load(env):
    ForecastWorld(env).run(supply, rules, forecasts, health, answers, scenarios)


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
