"""Sell-through and stock counts, through the inbox that distributors use."""

import csv
import io
from datetime import timedelta

from ..tools import guard
from . import catalogue

COLUMNS = ("outlet", "product_code", "date", "quantity", "unit_price", "returned", "reference")


def feeds(world):
    """The brand's own load of the first nine months, then a file of each distributor for each month since."""
    monthly(world)
    first_own = (world.today - timedelta(days=100)).replace(day=1)
    months = []
    while first_own <= world.today:
        following = (first_own + timedelta(days=32)).replace(day=1)
        months.append((first_own, min(following, world.today)))
        first_own = following
    rows = [
        (catalogue.DISTRIBUTORS[key].code, *row)
        for key in catalogue.TERMS
        for row in lines(world, key, None, months[0][0])
    ]
    receive(
        world,
        None,
        f"sell-through until {months[0][0]:%Y-%m}.csv",
        table(("distributor", *COLUMNS), rows),
        months[0][0],
    )
    for key, member in catalogue.DISTRIBUTORS.items():
        for first, end in months:
            if key == "south" and end == world.today:
                end = max(first, world.today - timedelta(days=6))
            if rows := lines(world, key, first, end):
                receive(world, key, f"{member.code}_{first:%Y%m}.csv", table(COLUMNS, rows), end)
    faulty(world)


def monthly(world):
    """The distributors of the demo report by the month."""
    rule = world.env.ref("dms_channel.dms_feed_rule_window")
    rule.write({"cycle": "month", "due_days": 3})
    names = {
        "en_US": "Months are reported by noon of the third day after",
        "zh_CN": "月度数据须在次月3日中午前上报",
    }
    installed = dict(world.env["res.lang"].get_installed())
    rule.update_field_translations("name", {code: name for code, name in names.items() if code in installed})


def lines(world, key, first, end):
    """Rows of what a distributor sold from ``first`` (included) to ``end`` (left out); each day's goes to one shop."""
    outlets = [member.code for member in catalogue.OUTLETS.values() if member.upstream == key]
    rows = []
    for (day, code), quantity in world.sales[key].items():
        if (first and day < first) or day >= end:
            continue
        drink = world.drinks[code]
        number = day.toordinal() + int(code[-2:])
        price = round(drink.price * 1.12 * world.price_scale, 2)
        returned = max(1, quantity // 40) if number % 53 == 0 else ""
        rows.append((outlets[number % len(outlets)], code, day.isoformat(), quantity, price, returned, ""))
    return rows


def table(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def sender(world, key):
    """Distributors with a clerk send by themselves; for the others the brand's people take their files."""
    name = {"north": "user_clerk_north", "south": "user_clerk_south"}.get(key, "user_manager")
    return world.env["dms.feed"].with_user(world.ref(name))


def receive(world, key, filename, raw, day, kind="sell_through", release=True):
    """:param day: when it came in"""
    partner = world.ref(f"distributor_{key}") if key else None
    feed = sender(world, key)._receive(raw, filename, partner=partner, kind=kind)
    arrived = world.moment(min(day, world.today), 8, world.rng.randint(0, 59))
    # The day on which it came in is kept by the framework, and nothing but the database can set it back.
    feed.flush_recordset()
    world.env.cr.execute("UPDATE dms_feed SET create_date = %s WHERE id = %s", [arrived, feed.id])
    feed.invalidate_recordset(["create_date"])
    if release:
        feed.action_release()
        guard.mark(feed.sudo()).released_on = world.moment(min(day, world.today), 9, world.rng.randint(0, 59))
    return feed


def others(world):
    """Of the north: returns with their reasons, its outlets with what has changed, and what sensors see on shelves."""
    shops = [member for member in catalogue.OUTLETS.values() if member.upstream == "north"]
    drinks = [drink.code for drink in catalogue.PRODUCTS][:4]
    reasons = ("破损 damaged", "临期 near expiry", "滞销 not sold", "包装污损 soiled pack")
    rows = [
        (shops[n % 3].code, drinks[n % 4], (world.today - timedelta(days=4 + 3 * n)).isoformat(), 2 + n % 5,
         f"B{2400 + n}", reasons[n % 4])
        for n in range(12)
    ]  # fmt: skip
    receive(
        world, "north", f"D-BJ01_returns_{world.today:%Y%m%d}.csv",
        table(("outlet", "product_code", "date", "quantity", "batch", "reason"), rows), world.today, "returns",
    )  # fmt: skip
    rows = [
        (shops[0].code, shops[0].name, shops[0].street, shops[0].city, "北京", shops[0].zip, "010-6417 2233", "营业"),
        (shops[1].code, shops[1].name, "阜通东大街 8 号", shops[1].city, "北京", shops[1].zip, "", "营业"),
        ("S-BJ003", "胡同茶铺 (Hutong Tea Corner)", "南锣鼓巷 35 号", "北京", "北京", "100009", "010-8402 1180", "营业"),
        ("S-BJ004", "悦邻便利 三里屯 (Yuelin Convenience Sanlitun)", shops[0].street, "北京", "北京", shops[0].zip, "", "营业"),
        ("S-BJ005", "西单小超市 (Xidan Mini Market)", "西单北大街 120 号", "北京", "北京", "100031", "1.06E+10", "筹备"),
    ]  # fmt: skip
    receive(
        world, "north", f"D-BJ01_outlets_{world.today:%Y%m%d}.csv",
        table(("code", "name", "address", "city", "state", "zip", "phone", "status"), rows), world.today, "outlet", release=False,
    )  # fmt: skip
    rows = []
    for number, (shop, code) in enumerate((shop, code) for shop in shops for code in drinks):
        left = 18 + 5 * (number % 3)
        for reading in range(24):
            at = world.moment(world.today - timedelta(days=2 - reading // 12), 8 + reading % 12, 0)
            left = max(0, left - world.rng.randint(0, 3))
            if left == 0 and number % 4:
                left = 20
            if at <= world.moment(world.today, 7, 0):
                rows.append((f"SHELF-{1 + number // 4}", shop.code, code, f"{at:%Y-%m-%dT%H:%M:%SZ}", left))
    receive(
        world, "north", f"D-BJ01_shelves_{world.today:%Y%m%d}.csv",
        table(("device", "outlet", "product_code", "time", "quantity"), rows), world.today, "sensor",
    )  # fmt: skip


def faulty(world):
    """The south's last week, with four rows that can't be right: two are to be mended by hand, one is a new code."""
    first = max(world.today - timedelta(days=6), world.today.replace(day=1))
    rows = lines(world, "south", first, world.today)
    far = (world.today + timedelta(days=45)).isoformat()
    rows[3] = (*rows[3][:1], "QH-T2", *rows[3][2:])
    rows[11] = (*rows[11][:2], far, *rows[11][3:])
    rows[17] = (*rows[17][:3], "12O", *rows[17][4:])
    rows[24] = ("S-GZ009", *rows[24][1:])
    receive(world, "south", f"D-GZ01_{first:%Y%m%d}_week.csv", table(COLUMNS, rows), world.today)


def count(world):
    """The north counted its stock last week; a few bottles were missing."""
    partner = world.ref("distributor_north")
    day = world.today - timedelta(days=4)
    at = world.env["dms.channel.position"]._at(day, partners=partner)
    rows = []
    for drink in catalogue.PRODUCTS:
        quantity = at.get((partner.id, world.product(drink.code).id))
        if quantity is not None:
            missing = world.rng.choice((0, 0, 0, 6, 12, -3))
            rows.append((drink.code, day.isoformat(), max(0, int(quantity) - missing)))
    receive(
        world,
        "north",
        f"D-BJ01_count_{day:%Y%m%d}.csv",
        table(("product_code", "date", "quantity"), rows),
        day,
        "count",
    )
