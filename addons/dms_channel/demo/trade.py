"""A year of orders, deliveries, invoices and payments, one round of orders at a time."""

import math
import random
from collections import defaultdict
from datetime import timedelta

from odoo.fields import Command

from ..tools import guard
from . import catalogue, market

BATCH_DAYS = 91


def plan(world):
    """Let the market run; ``sales``, ``orders`` and credit ``limits`` (yuan) of the world are by distributor."""
    world.sales, world.orders, world.limits = {}, {}, {}
    for key, terms in catalogue.TERMS.items():
        chance = random.Random(f"market {key}")
        world.sales[key], world.orders[key] = market.simulate(catalogue.PRODUCTS, terms, world.today, chance)
        largest = max(value(terms, cases) for _day, cases in world.orders[key])
        world.limits[key] = math.ceil(largest * 1.12 / 10000) * 10000


def value(terms, cases):
    """Yuan, with tax, of an order (cases by product code) at the distributor's prices."""
    drinks = {drink.code: drink for drink in catalogue.PRODUCTS}
    net = sum(amount * drinks[code].size * drinks[code].price for code, amount in cases.items())
    return net * (1 - catalogue.DISCOUNTS[terms.grade] / 100) * catalogue.VAT


def stock(world):
    """What the brand's warehouse produced for these orders, in batches of a quarter, and what is left of it."""
    env = world.env
    location = env["stock.warehouse"].search([("company_id", "=", world.company.id)], limit=1).lot_stock_id
    start = world.today - timedelta(days=market.HISTORY_DAYS + 14)
    needed = defaultdict(int)
    for orders in world.orders.values():
        for day, cases in orders:
            for code, amount in cases.items():
                needed[code, (day - start).days // BATCH_DAYS] += amount
    batches = 1 + (world.today - start).days // BATCH_DAYS
    lots, quantities = [], []
    for drink in catalogue.PRODUCTS:
        product = world.product(drink.code)
        for batch in range(batches):
            day = start + timedelta(days=batch * BATCH_DAYS)
            cases = needed[drink.code, batch]
            cases += 0 if batch < batches - 1 else _reserve(world, drink)
            if cases:
                lots.append(
                    {
                        "name": f"{drink.code[3:]}-{day:%y%m%d}",
                        "product_id": product.id,
                        "company_id": world.company.id,
                    }
                )
                quantities.append((day, cases * drink.size))
    records = env["stock.lot"].create(lots)
    quants = (
        env["stock.quant"]
        .with_context(inventory_mode=True)
        .create(
            [
                {
                    "product_id": lot.product_id.id,
                    "lot_id": lot.id,
                    "location_id": location.id,
                    "inventory_quantity": quantity,
                }
                for lot, (_day, quantity) in zip(records, quantities, strict=True)
            ]
        )
    )
    quants.action_apply_inventory()
    produced = dict(zip(records.ids, quantities, strict=True))
    moves = env["stock.move"].search(
        [("is_inventory", "=", True), ("product_id", "in", records.product_id.ids)]
    )
    for day, group in moves.grouped(lambda move: produced[move.move_line_ids.lot_id.id][0]).items():
        group.date = world.moment(day, 20)
    for day, group in records.grouped(lambda lot: produced[lot.id][0]).items():
        env["stock.quant"].search([("lot_id", "in", group.ids)]).in_date = world.moment(day, 20)


def _reserve(world, drink):
    """Cases in stock now: four to seven weeks of the whole channel's sales."""
    weights = sum(terms.weight for terms in catalogue.TERMS.values())
    daily = weights * market.expected(drink, world.today, world.today)
    return round(daily * world.rng.randint(28, 49) / drink.size) + 20


def carriers(world):
    """How the goods travel; charged to nobody."""
    env = world.env
    service = env["product.product"].create(
        {"name": "Freight", "type": "service", "list_price": 0, "sale_ok": False, "purchase_ok": False}
    )
    world.name(
        env["delivery.carrier"].create(
            [
                {"name": name, "product_id": service.id, "delivery_type": "fixed", "fixed_price": 0}
                for name in ("Huatong Road Freight 华通陆运", "Jiangnan Express 江南快运")
            ]
        ),
        ["carrier_road", "carrier_express"],
    )


def rounds(world):
    """Order, deliver, invoice and pay, round by round: a distributor's next order finds the last one paid."""
    world.invoices = world.env["account.move"]
    journal = world.env["account.journal"].search(
        [("type", "=", "bank"), ("company_id", "=", world.company.id)], limit=1
    )
    for number in range(max(map(len, world.orders.values()))):
        batch = [(key, *orders[number]) for key, orders in world.orders.items() if number < len(orders)]
        orders = confirm(world, batch)
        deliver(world, orders)
        invoices = invoice(world, orders)
        pay(world, invoices - owed(world, invoices), journal)
        world.invoices |= invoices


def owed(world, invoices):
    """Those that should have been paid and are not: the order before the last one of some distributors."""
    unpaid = invoices.browse()
    for key in catalogue.OWING:
        day = shipping_day(world, world.orders[key][-2][0])
        partner = world.ref(f"distributor_{key}")
        unpaid |= invoices.filtered(
            lambda move, p=partner, d=day: move.partner_id == p and move.invoice_date == d
        )
    return unpaid


def order_values(world, key, cases):
    return {
        "partner_id": world.ref(f"distributor_{key}").id,
        "user_id": world.ref("user_manager").id,
        "client_order_ref": f"PO-{catalogue.DISTRIBUTORS[key].code[2:]}-{world.rng.randint(10000, 99999)}",
        "order_line": [
            Command.create(
                {
                    "product_id": world.product(code).id,
                    "product_uom_id": world.ref(f"case_{world.drinks[code].size}").id,
                    "product_uom_qty": amount,
                }
            )
            for code, amount in cases.items()
        ],
    }


def confirm(world, batch):
    """:param batch: (distributor's key, day, {product code: cases})"""
    orders = world.env["sale.order"].create(
        [{**order_values(world, key, cases), "date_order": world.moment(day)} for key, day, cases in batch]
    )
    orders.action_confirm()
    for order, (_key, day, _cases) in zip(orders, batch, strict=True):
        order.date_order = world.moment(day, 9, world.rng.randint(0, 59))
    return orders


def deliver(world, orders):
    """Ship two days after the order; signed for a few days later. What left in the last days is on its way."""
    ready = orders.picking_ids.filtered(lambda picking: picking.state == "assigned")
    for day, pickings in ready.grouped(
        lambda picking: shipping_day(world, picking.sale_id.date_order.date())
    ).items():
        received = day + timedelta(days=world.rng.randint(2, 4))
        ship(world, pickings, day, received if received < world.today else None)


def ship(world, pickings, day, received):
    """Ship deliveries on a day; ``received`` is the day on which they are signed for, if they are."""
    pickings.move_ids.picked = True
    pickings.with_context(force_period_date=day, cancel_backorder=True)._action_done()
    moment = world.moment(day, 15, world.rng.randint(0, 59))
    for picking in pickings:
        picking.write(
            {
                "date_done": moment,
                "scheduled_date": moment,
                "carrier_id": world.ref(world.rng.choice(("carrier_road", "carrier_express"))).id,
                "carrier_tracking_ref": f"HT{world.rng.randint(10**9, 10**10 - 1)}",
            }
        )
        if received:
            sign(world, picking, received)


def sign(world, picking, day):
    name = world.rng.choice(("Li Na 李娜", "Zhou Tao 周涛", "Wu Gang 吴刚", "Xu Jing 徐静"))
    picking._dms_sign_receipt(name, False)
    guard.mark(picking).dms_received_on = world.moment(day, 10, world.rng.randint(0, 59))


def shipping_day(world, day):
    return min(day + timedelta(days=2), world.today)


def invoice(world, orders):
    """Invoice on the day of shipping."""
    invoices = world.env["account.move"]
    for day, group in orders.grouped(lambda order: shipping_day(world, order.date_order.date())).items():
        invoices |= group.with_context(default_invoice_date=day)._create_invoices()
    invoices.action_post()
    return invoices


def pay(world, invoices, journal):
    """Pay what is due by now, most of it in time."""
    vals_list, paid = [], world.env["account.move"]
    for move in invoices:
        terms = world.terms_of(move.partner_id)
        late = world.rng.random() < terms.late
        day = move.invoice_date_due + timedelta(
            days=world.rng.randint(4, 16) if late else -world.rng.randint(0, 8)
        )
        if day > world.today:
            continue
        paid |= move
        vals_list.append(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": move.partner_id.id,
                "amount": move.amount_total,
                "currency_id": move.currency_id.id,
                "date": day,
                "journal_id": journal.id,
                "memo": move.name,
            }
        )
    payments = world.env["account.payment"].create(vals_list)
    payments.action_post()
    plan = []
    for move, payment in zip(paid, payments, strict=True):
        account = move.line_ids.filtered(lambda line: line.account_id.account_type == "asset_receivable")
        plan.append(
            account
            | payment.move_id.line_ids.filtered(lambda line, a=account: line.account_id == a.account_id)
        )
        payment.invoice_ids = move
    if plan:
        world.env["account.move.line"]._reconcile_plan(plan)


def fill(world, key, days, only=None):
    """Cases that a distributor needs for ``days`` at today's pace."""
    terms = catalogue.TERMS[key]
    return {
        drink.code: math.ceil(
            days * terms.weight * market.expected(drink, world.today, world.today) / drink.size
        )
        for drink in catalogue.PRODUCTS
        if drink.code not in terms.without and (only is None or drink.code in only)
    }


def room(world, key):
    """What a distributor may still order on credit, in the company's currency."""
    partner = world.ref(f"distributor_{key}")
    return partner.dms_credit_limit - partner.dms_exposure


def beyond(world, key):
    """An order that is larger than that."""
    terms = catalogue.TERMS[key]
    for days in range(20, 400, 10):
        cases = fill(world, key, days)
        if value(terms, cases) * world.price_scale > room(world, key) * 1.1:
            break
    return cases


def pending(world):
    """This week's orders: one to ship, one released over its limit, one held for it, one held because it stuffs the
    channel, one refused, one quotation."""
    env, today = world.env, world.today
    tight = min(
        catalogue.TERMS.keys() - {"south"}, key=lambda key: room(world, key) / catalogue.TERMS[key].weight
    )
    steady = ("QH-T01", "QH-T02", "QH-T04", "QH-M01", "QH-W01", "QH-W04")
    approved, released, held, stuffed, refused, quotation = env["sale.order"].create(
        [
            {**order_values(world, key, cases), "date_order": world.moment(today - timedelta(days=back))}
            for key, cases, back in (
                ("north", fill(world, "north", 12, steady), 0),
                (tight, beyond(world, tight), 1),
                ("south", beyond(world, "south"), 1),
                ("east", fill(world, "east", 90, ("QH-T01", "QH-W01")), 0),
                ("southwest", fill(world, "southwest", 14, ("QH-T01", "QH-W01")), 0),
                ("east", fill(world, "east", 10, ("QH-T02", "QH-M01", "QH-W04")), 0),
            )
        ]
    )
    program = world.ref("program_milk")
    approved._update_programs_and_rewards()
    for coupon, rewards in approved._get_claimable_rewards().items():
        if coupon.program_id == program:
            approved._apply_program_reward(rewards[:1], coupon)
    approved.action_confirm()
    released.action_confirm()
    if released.dms_state == "held":
        released.with_user(world.ref("user_manager"))._dms_release(
            "Stocking up before the winter campaign; bank guarantee received."
        )
    (held | stuffed).action_confirm()
    # Loose bottles, which the rule on whole cases refuses.
    refused.order_line[:1].write({"product_uom_id": world.ref("bottle").id, "product_uom_qty": 500})
    refused.action_confirm()
    quotation.action_quotation_sent()
    world.name(
        approved | released | held | stuffed | refused | quotation,
        [
            "order_approved",
            "order_released",
            "order_held",
            "order_stuffed",
            "order_refused",
            "order_quotation",
        ],
    )
