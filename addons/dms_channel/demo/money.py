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
    invoices = world.invoices.sorted("invoice_date")
    paid_on = invoices._get_dms_paid_on()
    # Under the keys of the daily job, which counts the payments of two months.
    post(
        world,
        "payment_on_time",
        [
            {
                "partner": move.partner_id,
                "key": f"payment_on_time:{move.id}",
                "source": move,
                "date": paid_on[move],
                "note": f"Invoice {move.name} paid on time",
            }
            for move in invoices
            if move in paid_on and paid_on[move] <= move.invoice_date_due
        ],
    )
    post(
        world,
        "overdue",
        [
            {
                "partner": move.partner_id,
                "key": f"overdue:{move.id}",
                "source": move,
                "date": move.invoice_date_due + timedelta(days=1),
                "note": f"Invoice {move.name} overdue",
            }
            for move in invoices
            if paid_on.get(move, world.today) > move.invoice_date_due
        ],
    )
    this = quarter(world.today)
    quiet, reported = [], []
    for key in catalogue.TERMS:
        partner = world.ref(f"distributor_{key}")
        for back in range(4):
            end = this - relativedelta(months=3 * back, days=1)
            if key != "central" or back != 1:
                quiet.append((partner, end, f"No case in the quarter until {end}"))
        for back in range(6):
            end = world.today.replace(day=1) - relativedelta(months=back, days=1)
            if key not in ("southwest", "central") or back % 3:
                reported.append((partner, end, f"Sell-through of {end:%Y-%m} in time"))
    for code, facts in (
        ("clean_period", quiet),
        ("feed_quality", reported),
        ("target_met", [(world.ref("distributor_east"), this - timedelta(days=1), "Half-year target met")]),
    ):
        events = [
            {"partner": partner, "key": f"{code}:{partner.id}:{day}", "date": day, "note": note}
            for partner, day, note in facts
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


def settled_quarter(world):
    """First day of the last quarter that is settled: the one before the present, or before that in its first weeks."""
    this = quarter(world.today)
    return this - relativedelta(months=3 if (world.today - this).days >= SETTLED_FROM else 6)


def settlements(world):
    """Two quarters credited, the one that follows waiting: half of it confirmed."""
    env = world.env
    accountant = world.ref("user_accountant")
    Settlement = env["dms.settlement"].with_user(accountant).sudo()
    last = settled_quarter(world)
    for first in (last - relativedelta(months=3), last):
        end = first + relativedelta(months=3, days=-1)
        credited = Settlement._generate(first, end)
        credited.credit_date = min(end + timedelta(days=12), world.today)
        credited.action_confirm()
        credited.action_credit()
    first = last + relativedelta(months=3)
    end = min(first + relativedelta(months=3), world.today) - timedelta(days=1)
    waiting = Settlement._generate(first, end)
    waiting[: len(waiting) // 2].action_confirm()
    waiting[:1].note = "Preview of the running quarter, agreed with Ms Sun by telephone."
