"""Prices of the channel, guidance for consumers, and a review of grades that waits for decisions."""

from datetime import timedelta

from dateutil.relativedelta import relativedelta

from odoo.fields import Command

from . import catalogue


def channel_prices(world):
    """A price list for a region from next month on, and one for a distributor that opens a new market."""
    env, own = world.env, world.company
    first = world.today.replace(day=1) + relativedelta(months=1)
    lists = env["product.pricelist"].create(
        [
            {
                "name": name,
                "currency_id": own.currency_id.id,
                "company_id": own.id,
                "sequence": 30,
                **scope,
                "item_ids": [
                    Command.create(
                        {
                            "applied_on": "2_product_category",
                            "categ_id": world.ref("categ_drinks").id,
                            "compute_price": "percentage",
                            "percent_price": percent,
                        }
                    )
                ],
            }
            for name, percent, scope in (
                (
                    "Southwest: Freight Support 西南区运费支持价",
                    max(catalogue.DISCOUNTS.values()) + 2,
                    {
                        "dms_territory_ids": [Command.set(world.ref("territory_southwest").ids)],
                        "dms_date_from": first,
                        "dms_date_to": first + relativedelta(months=6, days=-1),
                    },
                ),
                (
                    "Central China: Market Entry 华中新市场进入价",
                    max(catalogue.DISCOUNTS.values()) + 3,
                    {
                        "dms_partner_ids": [Command.set(world.ref("distributor_central").ids)],
                        "dms_date_from": first,
                        "dms_date_to": first + relativedelta(months=3, days=-1),
                    },
                ),
            )
        ]
    )
    world.name(lists, ["pricelist_southwest", "pricelist_central"])


def guidance_prices(world):
    """What a bottle should cost in a shop: in the whole country, and a little more where the way is long."""
    start = world.today.replace(month=1, day=1)
    vals_list = []
    for drink in catalogue.PRODUCTS:
        retail = drink.price * world.price_scale * 1.4
        for territory, factor, since, until in (
            ("cn", 0.95, start - relativedelta(years=1), start - timedelta(days=1)),
            ("cn", 1.0, start, False),
            ("southwest", 1.08, start, False),
        ):
            price = round(retail * factor * 10) / 10
            vals_list.append(
                {
                    "product_id": world.product(drink.code).id,
                    "territory_id": world.ref(f"territory_{territory}").id,
                    "price_min": round(price * 0.9, 2),
                    "price_recommended": price,
                    "price_max": round(price * 1.2, 2),
                    "date_from": since,
                    "date_to": until,
                }
            )
    world.env["dms.guidance.price"].create(vals_list)


def grade_review(world):
    """The review of the past half-year: one move confirmed, one declined, the others to decide."""
    env = world.env
    for grade, points, sales, priority, factor in (
        ("gold", 35, 900000, 30, 1.0),
        ("silver", 10, 300000, 20, 1.0),
        ("bronze", -1000, 0, 10, 1.0),
    ):
        env.ref(f"partnership.res_partner_grade_data_{grade}").write(
            {
                "dms_min_points": points,
                "dms_min_sales": sales * world.price_scale,
                "dms_max_overdue": 60 if grade == "gold" else -1,
                "dms_supply_priority": priority,
                "dms_rebate_factor": factor,
            }
        )
    manager = world.ref("user_manager")
    review = env["dms.grade.review"].create(
        {
            "name": "Half-Year Review 半年度等级评审",
            "user_id": manager.id,
            "date": world.today,
            "date_from": world.today - relativedelta(months=6),
            "date_to": world.today - timedelta(days=1),
            "effective_date": world.today.replace(day=1) + relativedelta(months=1),
        }
    )
    review.action_propose()
    waiting = review.line_ids.filtered(lambda line: line.state == "open").with_user(manager)
    if len(waiting) > 2:
        waiting[0]._decide("confirmed", "Agreed at the quarterly meeting.")
        waiting[1]._decide(
            "declined", "A new warehouse was opened in this half-year; we look again at the next review."
        )
