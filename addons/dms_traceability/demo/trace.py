"""Unit codes on some of the goods, what consumers scanned, and what inspectors made of it."""

import logging
from datetime import timedelta
from typing import NamedTuple

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from odoo.addons.dms_channel.demo import trade
from odoo.addons.dms_channel.demo.world import World

_logger = logging.getLogger(__name__)


class TraceWorld(World):
    module = "dms_traceability"
    after = "dms_channel"


class Shipment(NamedTuple):
    """Cases of coded products for a distributor; days ago it left, and was received (None: on its way)."""

    distributor: str
    cases: dict
    shipped: int
    received: int | None


SHIPMENTS = (
    Shipment("zhejiang", {"QH-T02": 40}, 33, 31),
    Shipment("north", {"QH-T01": 60, "QH-T02": 40, "QH-M01": 30}, 17, 14),
    Shipment("south", {"QH-T01": 50, "QH-W04": 60}, 13, 11),
    Shipment("north", {"QH-T02": 45}, 3, None),
    Shipment("south", {"QH-M01": 25}, 2, None),
)


class Sighting(NamedTuple):
    """Scans of ``codes`` different bottles of a shipment, ``days`` ago and before."""

    shipment: int
    product: str
    state: str
    city: str
    zip: str
    codes: int
    days: int


INSIDE = (
    Sighting(1, "QH-T01", "BJ", "北京", "100027", 9, 1),
    Sighting(1, "QH-T02", "BJ", "北京", "100102", 5, 2),
    Sighting(1, "QH-M01", "TJ", "天津", "300051", 4, 1),
    Sighting(2, "QH-T01", "GD", "广州", "510030", 8, 1),
    Sighting(2, "QH-W04", "GD", "深圳", "518057", 7, 0),
    Sighting(0, "QH-T02", "ZJ", "杭州", "310006", 5, 4),
)
# On each of these an inspector raises an alert.
RULED = Sighting(0, "QH-T02", "SH", "上海", "200120", 6, 18)
HEARD = Sighting(2, "QH-T01", "HN", "长沙", "410005", 5, 5)
OPEN = (
    Sighting(1, "QH-T01", "HA", "郑州", "450000", 4, 2),
    Sighting(1, "QH-M01", "SD", "济南", "250000", 2, 1),
    Sighting(2, "QH-W04", "GZ", "贵阳", "550000", 3, 0),
)
DISMISSED = Sighting(1, "QH-T02", "SC", "成都", "610041", 1, 9)


def load(env):
    world = TraceWorld(env)
    try:
        env["dms.code"]._get_master_keys()
    except UserError as error:
        _logger.warning("The demo has no unit codes. %s", error)
        world.run(inspector, expiry)
        return
    world.run(inspector, expiry, codes, scans, cases)


def inspector(world):
    group = world.env.ref("dms_traceability.dms_traceability_group_inspector")
    world.ref("user_inspector").group_ids = [Command.link(group.id)]


def expiry(world):
    """Best before dates on the batches, from the day in their names."""
    lots = world.env["stock.lot"].search(
        [("product_id", "in", [world.product(code).id for code in world.drinks])]
    )
    for code, drink in world.drinks.items():
        world.product(code).write({"use_expiration_date": True, "expiration_time": drink.life})
    for (life, in_date), group in lots.grouped(
        lambda lot: (lot.product_id.expiration_time, min(lot.quant_ids.mapped("in_date")).date())
    ).items():
        end = world.moment(in_date + timedelta(days=life), 20)
        group.write(
            {
                "expiration_date": end,
                "use_date": end - timedelta(days=30),
                "removal_date": end - timedelta(days=60),
                "alert_date": end - timedelta(days=90),
            }
        )


def codes(world):
    """Codes for what these shipments take, packed in cases, and bound to the distributor when they leave."""
    env, today = world.env, world.today
    world.pickings, world.code_orders = [], []
    orders = trade.confirm(
        world, [(s.distributor, today - timedelta(days=s.shipped + 2), s.cases) for s in SHIPMENTS]
    )
    manager = world.ref("user_manager")
    for order in orders.filtered(lambda order: order.dms_state == "held"):
        order.with_user(manager)._dms_release("Ordered before the campaign; the payment is announced.")
    for shipment, order in zip(SHIPMENTS, orders, strict=True):
        picking = order.picking_ids
        code_orders = env["dms.code.order"].create(
            [
                {
                    "product_id": line.product_id.id,
                    "lot_id": line.lot_id.id,
                    "quantity": int(line.quantity_product_uom)
                    + 2 * world.drinks[line.product_id.default_code].size,
                    "user_id": world.ref("user_manager").id,
                }
                for line in picking.move_line_ids
            ]
        )
        code_orders.action_generate()
        code_orders.action_activate()
        code_orders.action_pack()
        picking._dms_assign_codes()
        day = today - timedelta(days=shipment.shipped)
        received = None if shipment.received is None else today - timedelta(days=shipment.received)
        trade.ship(world, picking, day, received)
        tell_when(world, code_orders, picking, day, received)
        world.pickings.append(picking)
        world.code_orders.append(code_orders)
    trade.invoice(world, orders)
    waiting = env["dms.code.order"].create(
        [
            {
                "product_id": lot.product_id.id,
                "lot_id": lot.id,
                "quantity": quantity,
                "user_id": world.ref("user_manager").id,
            }
            for code, quantity in (("QH-M02", 1200), ("QH-J01", 600))
            for lot in env["stock.lot"].search(
                [("product_id", "=", world.product(code).id)], order="id desc", limit=1
            )
        ]
    )
    waiting[0].action_generate()


def tell_when(world, code_orders, picking, day, received):
    """Date what was recorded just now. Events are never changed afterwards, so nothing but the database can do it."""
    env = world.env
    env.flush_all()
    packed = world.moment(day - timedelta(days=1), 10)
    for order in code_orders:
        env.cr.execute(
            SQL(
                "UPDATE dms_trace_pack SET packed_on = %s WHERE first BETWEEN %s AND %s",
                packed,
                order.first_key,
                order.last_key,
            )
        )
    for condition, moment in (
        (
            SQL("order_id = ANY(%s) AND biz_step = 'commissioning'", code_orders.ids),
            packed - timedelta(hours=2),
        ),
        (SQL("order_id = ANY(%s) AND biz_step <> 'commissioning'", code_orders.ids), packed),
        (SQL("picking_id = %s AND biz_step = 'shipping'", picking.id), world.moment(day, 15)),
        (
            SQL("picking_id = %s AND biz_step = 'receiving'", picking.id),
            received and world.moment(received, 10),
        ),
    ):
        if moment:
            env.cr.execute(SQL("UPDATE dms_trace_event SET event_time = %s WHERE %s", moment, condition))
    env.invalidate_all()


def bottles(world, sighting):
    """Codes of the product that left with the shipment, as ``dms.code._resolve`` tells them."""
    picking = world.pickings[sighting.shipment]
    pairs = [
        (gtin, serial)
        for order in world.code_orders[sighting.shipment]
        if order.product_id.default_code == sighting.product
        for gtin, serials in order._iter_serials("unit", 0, 240)
        for serial in serials
    ]
    infos = world.env["dms.code"]._resolve(pairs)
    return [info for info in infos if info and info["picking_id"] == picking.id]


def scan(world, sighting, first=0):
    """Scan bottles of a shipment, some of them twice; answer the alert that an inspector raises on those abroad."""
    env, rng = world.env, world.rng
    place = {
        "country_id": env.ref("base.cn").id,
        "state_id": env.ref(f"base.state_cn_{sighting.state}").id,
        "city": sighting.city,
        "zip": sighting.zip,
    }
    found = env["dms.scan"]
    for number, info in enumerate(bottles(world, sighting)[first : first + sighting.codes]):
        for _again in range(1 + (number % 3 == 0)):
            day = world.today - timedelta(days=sighting.days + rng.randint(0, 4))
            # Not in the future, and not before the goods were there.
            moment = min(
                world.moment(day, rng.randint(8, 20), rng.randint(0, 59)), world.moment(world.today, 7)
            )
            device = f"{rng.getrandbits(64):016x}"
            public = env["dms.scan"].with_user(env.ref("base.public_user")).sudo()
            record = public.with_context(default_date=moment)._record(
                info,
                info["gtin"],
                info["serial"],
                place=place,
                device=device,
                address=f"{rng.choice((36, 58, 112, 183))}.{rng.randint(16, 160)}.{rng.randint(1, 250)}.0/24",
            )
            found |= record.sudo(False).with_env(env)
    found = found.filtered(lambda scan: scan.area == "outside")
    if found:
        found.with_user(world.ref("user_inspector")).action_raise_alert()
    return found.alert_id


def scans(world):
    """What consumers scanned in the last weeks, at home and elsewhere; a few codes were forged."""
    for sighting in INSIDE:
        scan(world, sighting, first=40)
    world.ruled, world.heard, world.dismissed = (
        scan(world, sighting) for sighting in (RULED, HEARD, DISMISSED)
    )
    for number, sighting in enumerate(OPEN):
        scan(world, sighting, first=20 + 8 * number)
    gtin = f"0{world.product('QH-T01').barcode}"
    for number in range(3):
        moment = world.moment(world.today - timedelta(days=1 + number), 18)
        world.env["dms.scan"].with_context(default_date=moment)._record(
            None, gtin, "".join(world.rng.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(14))
        )


def cases(world):
    """One case ruled, one in hearing, one alert dismissed; the other alerts wait for the inspector."""
    person = world.ref("user_inspector")
    world.dismissed.with_user(person).action_dismiss()
    ruled, heard = (
        world.env["dms.diversion.case"].browse(
            alert.with_user(person)
            .with_context(default_date=world.today - timedelta(days=days))
            .action_open_case()["res_id"]
        )
        for alert, days in ((world.ruled, 12), (world.heard, 3))
    )
    for case in (ruled, heard):
        case.with_user(person).action_hear()
    ruled._answer(
        "Two pallets were sold to a wholesaler in Jiaxing; we did not know that it supplies Shanghai."
    )
    ruled.with_user(person)._rule(
        "confirmed",
        "Six bottles of one delivery were scanned in Pudong by different people within four days, and the answer"
        " confirms where they came from.",
    )
    heard.with_user(world.ref("user_clerk_south"))._answer(
        "We deliver to Changsha only by order of your own sales office. Please check with the central region."
    )
    world.name(ruled | heard, ["case_ruled", "case_heard"])
