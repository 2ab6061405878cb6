"""Credit points, the rebate programme, and its settlements."""

from datetime import timedelta

from dateutil.relativedelta import relativedelta

from odoo.fields import Command

from . import catalogue

# Days into a quarter from which its settlement is worth looking at.
SETTLED_FROM = 25


def quarter(day):
    """First day of the quarter."""
    return day.replace(month=day.month - (day.month - 1) % 3, day=1)


def points(world):
    """What the distributors earned and lost: payments, quiet quarters, good reports."""
    rules = {
        "payment_on_time": {"cap": 12, "cap_period": "quarter", "expiry_months": 18},
        "overdue": {"expiry_months": 24},
        "feed_quality": {"expiry_months": 12},
    }
    for code, terms in rules.items():
        world.env.ref(f"dms_channel.dms_credit_rule_{code}").write(terms)
    Rule = world.env["dms.credit.rule"]
    Rule.create({"name": "Invoice a month overdue", "code": "overdue", "points": -10, "min_days": 30})
    # Under the keys of the daily job, which counts the payments of the last months.
    Entry = world.env["dms.credit.entry"].with_user(world.ref("user_manager")).sudo()
    Entry._post_payment_events(world.invoices.sorted("invoice_date"), world.company, world.today)
    this = quarter(world.today)
    quiet, reported = [], []
    for key in catalogue.TERMS:
        partner = world.ref(f"distributor_{key}")
        for back in range(4):
            end = this - relativedelta(months=3 * back, days=1)
            if key != "central" or back != 1:
                start = end - relativedelta(months=3, days=-1)
                quiet.append((partner, end, {"start": str(start), "end": str(end)}))
        for back in range(6):
            end = world.today.replace(day=1) - relativedelta(months=back, days=1)
            if key not in ("southwest", "central") or back % 3:
                reported.append((partner, end, {"month": str(end), "score": 97.5}))
    target = this - timedelta(days=1)
    for code, facts in (
        ("clean_period", quiet),
        ("feed_quality", reported),
        ("target_met", [(world.ref("distributor_east"), target, {"month": str(target), "attained": 104.2})]),
    ):
        events = [
            {"partner": partner, "key": f"{code}:{partner.id}:{day}", "date": day, "reason": reason}
            for partner, day, reason in facts
        ]
        post(world, code, events)


def post(world, code, events):
    Entry = world.env["dms.credit.entry"].with_user(world.ref("user_manager")).sudo()
    Entry._post_events(code, events, world.company)


def programs(world):
    """A quarterly volume rebate that has run for half a year or more, and a draft for what comes next."""
    env, scale = world.env, world.price_scale
    manager = world.ref("user_manager")
    world.company._dms_prepare_rebate_accounts()
    last = settled_quarter(world)
    start = last - relativedelta(months=3)
    volume = env["dms.rebate.program"].create(
        {
            "name": "Quarterly Volume Rebate",
            "code": "VOL-Q",
            "date_start": start,
            "date_end": start + relativedelta(years=2, days=-1),
            "period": "quarter",
            "tier_method": "banded",
            "user_id": manager.id,
            "description": "On the net value of the quarter's invoices; each band at its own rate. Credit points decide"
            " which share is paid.",
            "categ_ids": [Command.set(world.ref("categ_drinks").ids)],
            "tier_ids": [
                Command.create({"from_amount": bound * scale, "rate": rate, "kind": "percent"})
                for bound, rate in ((0, 1.0), (300000, 2.0), (600000, 3.5), (900000, 5.0))
            ],
            "factor_ids": [
                Command.create({"threshold": points, "factor": factor})
                for points, factor in ((-1000, 0.5), (0, 0.8), (20, 0.9), (40, 1.0))
            ],
        }
    )
    electrolyte = env["dms.rebate.program"].create(
        {
            "name": "Electrolyte Water Launch Bonus",
            "code": "ELY-1",
            "date_start": quarter(world.today) + relativedelta(months=3),
            "date_end": quarter(world.today) + relativedelta(months=6, days=-1),
            "period": "validity",
            "basis": "quantity",
            "uom_id": world.ref("case_12").id,
            "tier_method": "whole",
            "user_id": manager.id,
            "description": "For each case of Electrolyte Water; the rate that is reached counts for all cases.",
            "product_ids": [Command.set(world.product("QH-W04").ids)],
            "tier_ids": [
                Command.create({"from_amount": bound, "rate": rate * scale, "kind": "unit"})
                for bound, rate in ((200, 1.0), (600, 2.0))
            ],
        }
    )
    programs = world.name(volume | electrolyte, ["rebate_volume", "rebate_electrolyte"])
    world.translate(programs, "name", ["季度销量返利", "电解质水推广奖励"])
    world.translate(
        programs,
        "description",
        [
            "按季度开票净额分段计算，每段按各自的返利比例；信用分决定实际兑付的比例。",
            "按电解质水的箱数计算，达到档位后全部箱数按该档标准计算。",
        ],
    )
    volume.action_publish()


def more_programs(world):
    """One programme of each other kind, running since the last quarter, and a back-test of what may come next."""
    env, scale = world.env, world.price_scale
    start = quarter(world.today) - relativedelta(months=3)
    shared = {
        "date_start": start,
        "date_end": start + relativedelta(years=1, days=-1),
        "period": "quarter",
        "accrual_policy": "periodic",
        "user_id": world.ref("user_manager").id,
    }
    distributors = env["res.partner"].search([("channel_role", "=", "distributor")], order="id")
    bought = dict(
        env["account.move"]._read_group(
            [
                ("partner_id", "in", distributors.ids),
                ("move_type", "=", "out_invoice"),
                ("state", "=", "posted"),
                ("invoice_date", ">=", start - relativedelta(months=3)),
                ("invoice_date", "<", start),
            ],
            ["partner_id"],
            ["amount_untaxed:sum"],
        )
    )
    programs = env["dms.rebate.program"].create(
        [
            {
                **shared,
                "name": "Quarterly Target Bonus",
                "code": "TGT-Q",
                "compare": "target",
                "tier_method": "whole",
                "accrual_tier": "expected",
                "description": "From 80 % of the quarter's target; the sooner you pay, the more of it is paid out.",
                "tier_ids": tiers((80, 0.5), (100, 1.0), (120, 1.5)),
                "target_ids": [
                    Command.create(
                        {"partner_id": partner.id, "amount": round(bought[partner] * 0.9, -3) or 1000}
                    )
                    for partner in distributors
                    if partner in bought
                ],
                "factor_ids": [
                    Command.create({"kind": "payment", "threshold": days, "factor": factor})
                    for days, factor in ((15, 1.0), (30, 0.8), (60, 0.5))
                ],
            },
            {
                **shared,
                "name": "Growth Bonus",
                "code": "GROW-Q",
                "compare": "growth",
                "growth_against": "previous",
                "growth_only": True,
                "newcomer": "first",
                "amount_max": 20000 * scale,
                "description": "On what you buy beyond the quarter before.",
                "tier_ids": tiers((0, 2.0), (10, 3.0), (25, 4.0)),
            },
            {
                **shared,
                "name": "Full Range Bonus",
                "code": "RANGE-Q",
                "description": "For those who carry the range: both categories must reach their threshold.",
                "tier_ids": tiers((0, 0.5)),
                "bundle_ids": [
                    Command.create(
                        {
                            "name": categ.name,
                            "categ_ids": [Command.set(categ.ids)],
                            "threshold": 20000 * scale,
                        }
                    )
                    for categ in (world.ref("categ_tea"), world.ref("categ_juice"))
                ],
            },
            {
                **shared,
                "name": "Regional Sell-through Pool",
                "code": "POOL-M",
                "period": "month",
                "measure": "sell_out",
                "pool_by": "program",
                "tier_method": "whole",
                "description": "All distributors reach a tier together by what they sell on, and share in proportion.",
                "tier_ids": tiers((50000 * scale, 0.2), (200000 * scale, 0.4)),
                "factor_ids": [Command.create({"kind": "quality", "threshold": 100, "factor": 1.0})],
            },
            {
                **shared,
                "name": "Product Mix Points",
                "code": "MIX-Q",
                "date_start": start + relativedelta(months=6),
                "basis": "points",
                "description": "Each bottle earns points, more for tea and juice; from 10,000 points on they turn into"
                " money.",
                "tier_ids": [
                    Command.create({"from_amount": bound, "rate": rate * scale, "kind": "unit"})
                    for bound, rate in ((10000, 0.01), (50000, 0.02))
                ],
                "point_ids": [
                    Command.create({"categ_id": world.ref(name).id, "points": points})
                    for name, points in (("categ_drinks", 1), ("categ_tea", 2), ("categ_juice", 3))
                ],
            },
        ]
    )
    world.name(programs, ["rebate_target", "rebate_growth", "rebate_range", "rebate_pool", "rebate_mix"])
    world.translate(
        programs,
        "name",
        ["季度目标达成返利", "季度增长返利", "全品类返利", "区域动销奖励池", "品类组合积分返利"],
    )
    world.translate(
        programs,
        "description",
        [
            "达到季度目标的 80 % 起兑付；付款越及时，兑付比例越高。",
            "按比上一季度多采购的部分计算。",
            "面向全品类经营的经销商：两个品类都须达到起点。",
            "全体经销商按销售合计达到档位，再按各自占比分配。",
            "每瓶按品类计积分，茶饮和果汁更高；达到 10,000 分起折算为返利。",
        ],
    )
    programs[:-1].action_publish()
    volume = world.ref("rebate_volume")
    draft = volume.browse(volume.action_new_version()["res_id"])
    draft.write(
        {
            "date_start": quarter(world.today) + relativedelta(months=3),
            "tier_method": "whole",
            "tier_ids": [
                Command.clear(),
                *tiers((0, 1.0), *((bound * scale, rate) for bound, rate in ((300000, 1.5), (600000, 2.5)))),
            ],
        }
    )
    backtest = env["dms.rebate.backtest"].create(
        {
            "name": "Volume rebate: bands or whole volume? 分段还是全量",
            "date_from": volume.date_start,
            "date_to": min(volume.date_start + relativedelta(years=1, days=-1), world.today),
            "variant_ids": [Command.create({"program_id": program.id}) for program in (volume, draft)],
        }
    )
    backtest.action_compute()


def tiers(*pairs):
    """Tiers in percent: pairs of lower bound and rate."""
    return [Command.create({"from_amount": bound, "rate": rate, "kind": "percent"}) for bound, rate in pairs]


def settled_quarter(world):
    """First day of the last quarter that is settled: the one before the present, or before that in its first weeks."""
    this = quarter(world.today)
    return this - relativedelta(months=3 if (world.today - this).days >= SETTLED_FROM else 6)


def settlements(world):
    """Two quarters posted and paid out in different ways, the one that follows on its way: with a dispute, an advance
    to set off, and what waits for an approval."""
    env = world.env
    accountant = world.ref("user_accountant")
    env["dms.settlement.level"].create(
        {
            "group_id": env.ref("dms_channel.dms_channel_group_manager").id,
            "amount_from": 3000 * world.price_scale,
            "user_id": world.ref("user_manager").id,
        }
    )
    for key, payout in (
        ("zhejiang", "offset"),
        ("south", "offset"),
        ("central", "payment"),
        ("southwest", "goods"),
    ):
        world.ref(f"distributor_{key}").dms_payout = payout
    Settlement = env["dms.settlement"].with_user(accountant).sudo()
    last = settled_quarter(world)
    for first in (last - relativedelta(months=3), last):
        end = first + relativedelta(months=3, days=-1)
        posted = Settlement._generate(first, end)
        posted.credit_date = min(end + timedelta(days=12), world.today)
        posted.action_send()
        posted.action_accept()
        waiting = posted.filtered(lambda settlement: settlement.state == "to_approve")
        waiting.with_user(world.ref("user_manager")).action_approve()
        posted.action_post()
    first = last + relativedelta(months=3)
    end = min(first + relativedelta(months=3), world.today) - timedelta(days=1)
    advance = env["account.payment"].create(
        {
            "payment_type": "outbound",
            "partner_type": "customer",
            "partner_id": world.ref("distributor_east").id,
            "amount": 1000 * world.price_scale,
            "date": first,
            "memo": "Advance on the quarter's rebate 季度返利预付",
            "dms_advance": True,
        }
    )
    advance.action_post()
    waiting = Settlement._generate(first, end)
    waiting[:1].note = "Preview of the running quarter, agreed with Ms Sun by telephone."
    sent = waiting[: len(waiting) // 2 + 1]
    sent.action_send()
    sent[0].action_accept()
    for settlement in sent[1:2]:
        settlement.line_ids[:1]._dispute(
            "The invoice of the last week is missing: the goods arrived on the 28th. 最后一周的发票没有计入。"
        )
