"""Company, products, people, territories, agreements and rules."""

import base64
import io
import json

from dateutil.relativedelta import relativedelta
from PIL import Image, ImageDraw, ImageFont

from odoo.fields import Command

from . import catalogue

AGREED_YEARS = 2
# Strength of each month: drinks sell in summer, and before the Spring Festival.
SEASON = dict(enumerate((11, 7, 7, 8, 9, 10, 11, 11, 9, 8, 7, 9), 1))
# Whose agreement ends so many days from today.
ENDING = {"central": 26}


def company(world):
    """Make the database's empty company the brand's own; leave one that has bookings as it is."""
    env, own = world.env, world.company
    env.ref("base.group_user").write(
        {
            "implied_ids": [
                Command.link(env.ref(group).id)
                for group in (
                    "product.group_product_pricelist",
                    "stock.group_production_lot",
                    "uom.group_uom",
                )
            ]
        }
    )
    if env["account.move.line"].search_count([("company_id", "=", own.id)], limit=1):
        return
    china, yuan = env.ref("base.cn"), env.ref("base.CNY")
    yuan.active = True
    own.write(
        {
            "name": catalogue.COMPANY,
            "logo": logo(),
            "currency_id": yuan.id,
            "street": "滨江区江南大道 3888 号",
            "city": "杭州",
            "state_id": env.ref("base.state_cn_ZJ").id,
            "zip": "310051",
            "country_id": china.id,
            "phone": "+86 571 5555 0100",
            "email": "info@qinghe.example",
            "website": "https://qinghe.example",
        }
    )
    own.partner_id.tz = "Asia/Shanghai"
    _china_taxes(world, china)
    # The warehouse was named after the company that the database began with.
    warehouse = env["stock.warehouse"].search([("company_id", "=", own.id)], limit=1)
    warehouse.write({"name": "Hangzhou Central Warehouse 杭州总仓"})


def logo():
    """A leaf over a wave and the name in Latin letters, PNG in base64."""
    image = Image.new("RGBA", (720, 200), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    green, blue = (46, 125, 80), (40, 130, 170)
    draw.pieslice((20, -60, 200, 120), 20, 160, fill=green)
    draw.pieslice((20, 20, 200, 200), 20, 160, fill=blue)
    draw.line((110, 30, 110, 118), fill="white", width=5)
    draw.text((220, 48), "QINGHE", font=ImageFont.load_default(96), fill=green)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue())


def _china_taxes(world, china):
    """Value-added tax of 13 % instead of the generic chart's taxes, which belong to another country."""
    env, own = world.env, world.company
    own.account_fiscal_country_id = china
    group = env["account.tax.group"].create(
        {"name": "VAT 13% 增值税", "country_id": china.id, "company_id": own.id}
    )
    old = own.account_sale_tax_id | own.account_purchase_tax_id
    taxes = {}
    for tax in old:
        taxes[tax] = tax.copy(
            {
                "name": "13% VAT",
                "description": "13%",
                "invoice_label": "13% VAT",
                "amount": 13,
                "country_id": china.id,
                "tax_group_id": group.id,
            }
        )
    for name in ("account_sale_tax_id", "account_purchase_tax_id"):
        own[name] = taxes.get(own[name], own[name])
    env["account.tax"].search([("company_id", "=", own.id), ("country_id", "!=", china.id)]).active = False


def users(world):
    """The brand's people. Each password is the log-in's part before the @."""
    env = world.env
    world.name(
        env["res.users"].create(
            [
                {
                    "name": name,
                    "login": f"{login}@dms.example",
                    "email": f"{login}@dms.example",
                    "password": login,
                    "tz": "Asia/Shanghai",
                    "function": function,
                    "company_id": world.company.id,
                    "company_ids": [Command.set(world.company.ids)],
                    "group_ids": [Command.set([env.ref(group).id for group in groups])],
                }
                for login, name, function, groups in (
                    (
                        "manager",
                        "Wang Lei 王磊 (Manager)",
                        "Channel Manager",
                        (
                            "dms_channel.dms_channel_group_manager",
                            "stock.group_stock_user",
                            "account.group_account_invoice",
                        ),
                    ),
                    (
                        "accountant",
                        "Liu Min 刘敏 (Accountant)",
                        "Accountant",
                        ("dms_channel.dms_channel_group_accountant",),
                    ),
                    (
                        "inspector",
                        "Zhao Qiang 赵强 (Inspector)",
                        "Market Inspector",
                        ("dms_channel.dms_channel_group_user",),
                    ),
                )
            ]
        ),
        ["user_manager", "user_accountant", "user_inspector"],
    )
    for user in (world.ref("user_manager"), world.ref("user_accountant"), world.ref("user_inspector")):
        user.partner_id.company_id = False


def units(world):
    """Bottles, cases and pallets (60 cases)."""
    Uom = world.env["uom.uom"]
    bottle = Uom.create(
        {"name": "Bottle", "relative_uom_id": world.env.ref("uom.product_uom_unit").id, "relative_factor": 1}
    )
    cases = Uom.create(
        [{"name": f"Case of {n}", "relative_uom_id": bottle.id, "relative_factor": n} for n in (12, 24)]
    )
    pallets = Uom.create(
        [
            {"name": f"Pallet of {60 * n}", "relative_uom_id": case.id, "relative_factor": 60}
            for case, n in zip(cases, (12, 24), strict=True)
        ]
    )
    records = world.name(bottle | cases | pallets, ["bottle", "case_12", "case_24", "pallet_12", "pallet_24"])
    world.translate(records, "name", ["瓶", "箱（12瓶）", "箱（24瓶）", "托盘（720瓶）", "托盘（1440瓶）"])


def products(world):
    """The drinks, with a GTIN-13 on the bottle and a GTIN-14 on the case."""
    env = world.env
    scale = world.price_scale
    parent = env["product.category"].create({"name": "Qinghe Drinks 清禾饮品"})
    world.name(parent, ["categ_drinks"])
    categories = world.name(
        env["product.category"].create(
            [{"name": name, "parent_id": parent.id} for name in catalogue.CATEGORIES.values()]
        ),
        [f"categ_{code}" for code in catalogue.CATEGORIES],
    )
    categ_of = dict(zip(catalogue.CATEGORIES, categories, strict=True))
    bottle = world.ref("bottle")
    drinks = env["product.product"].create(
        [
            {
                "name": drink.name,
                "default_code": drink.code,
                "barcode": gtin(f"690155{number:06d}"),
                "categ_id": categ_of[drink.category].id,
                "type": "consu",
                "is_storable": True,
                "tracking": "lot",
                "uom_id": bottle.id,
                "uom_ids": [
                    Command.set((world.ref(f"case_{drink.size}") | world.ref(f"pallet_{drink.size}")).ids)
                ],
                "list_price": round(drink.price * scale, 2),
                "standard_price": round(drink.cost * scale, 2),
                "invoice_policy": "delivery",
                "weight": 0.55,
                "description_sale": False,
            }
            for number, drink in enumerate(catalogue.PRODUCTS, 100)
        ]
    )
    world.name(drinks, [slug(drink.code) for drink in catalogue.PRODUCTS])
    world.translate(drinks.product_tmpl_id, "name", [drink.chinese_name for drink in catalogue.PRODUCTS])
    for number, (record, drink) in enumerate(zip(drinks, catalogue.PRODUCTS, strict=True), 100):
        # On templates one by one: a batch of products keeps the picture of its first only.
        record.product_tmpl_id.image_1920 = picture(drink, number)
    env["product.uom"].create(
        [
            {
                "product_id": record.id,
                "uom_id": world.ref(f"case_{drink.size}").id,
                "barcode": gtin(f"1690155{number:06d}"),
            }
            for number, (record, drink) in enumerate(zip(drinks, catalogue.PRODUCTS, strict=True), 100)
        ]
    )


def gtin(digits):
    """``digits`` with the check digit of GS1."""
    odd, even = digits[-1::-2], digits[-2::-2]
    return digits + str(-(3 * sum(map(int, odd)) + sum(map(int, even))) % 10)


def slug(code):
    return code.lower().replace("-", "_")


def picture(drink, number):
    """A bottle in the drink's colour, PNG in base64."""
    hues = {"tea": 95, "juice": 28, "milk": 18, "water": 200}
    hue = hues[drink.category] + (number * 37) % 30 - 15
    image = Image.new("RGB", (256, 256), "white")
    draw = ImageDraw.Draw(image)
    liquid, label, cap = (f"hsl({hue % 360}, {s}%, {light}%)" for s, light in ((55, 68), (60, 92), (60, 38)))
    wide = 34 if drink.size == 24 else 42
    draw.rounded_rectangle((128 - wide, 92, 128 + wide, 240), 16, fill=liquid)
    draw.polygon([(128 - wide, 108), (128 - 14, 48), (128 + 14, 48), (128 + wide, 108)], fill=liquid)
    draw.rounded_rectangle((128 - 17, 26, 128 + 17, 50), 5, fill=cap)
    draw.rectangle((128 - wide, 132, 128 + wide, 200), fill=label)
    draw.ellipse((128 - 17, 149, 128 + 17, 183), fill=cap)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue())


def prices(world):
    """A price list for each grade; everyone else pays the list price."""
    env, own = world.env, world.company
    Pricelist = env["product.pricelist"]
    if not Pricelist.search([("company_id", "in", (False, own.id)), ("item_ids", "=", False)], limit=1):
        Pricelist.create(
            {"name": "List Price", "currency_id": own.currency_id.id, "company_id": own.id, "sequence": 1}
        )
    grades = catalogue.DISCOUNTS
    lists = Pricelist.create(
        [
            {
                "name": f"{grade.title()} Distributors",
                "currency_id": own.currency_id.id,
                "company_id": own.id,
                "sequence": 20 + number,
                "item_ids": [
                    Command.create(
                        {
                            "applied_on": "2_product_category",
                            "categ_id": world.ref("categ_drinks").id,
                            "compute_price": "percentage",
                            "percent_price": discount,
                        }
                    )
                ],
            }
            for number, (grade, discount) in enumerate(catalogue.DISCOUNTS.items())
        ]
    )
    world.name(lists, [f"pricelist_{grade}" for grade in grades])
    world.translate(lists, "name", [f"{chinese}经销商价" for chinese in catalogue.GRADE_NAMES.values()])
    world.translate(
        env["res.partner.grade"].concat(
            *(env.ref(f"partnership.res_partner_grade_data_{grade}") for grade in catalogue.GRADE_NAMES)
        ),
        "name",
        catalogue.GRADE_NAMES.values(),
    )
    for grade, pricelist in zip(grades, lists, strict=True):
        env.ref(f"partnership.res_partner_grade_data_{grade}").default_pricelist_id = pricelist


def territories(world):
    """Country, regions, provinces; in some provinces districts by postcode."""
    env = world.env
    Territory = env["dms.territory"]
    china = Territory.create(
        {
            "name": "China",
            "code": "CN",
            "country_ids": [Command.set(env.ref("base.cn").ids)],
            "user_id": world.ref("user_manager").id,
        }
    )
    world.name(china, ["territory_cn"])
    world.translate(china, "name", ["中国"])
    regions = world.name(
        Territory.create(
            [
                {"name": name, "code": code.upper(), "parent_id": china.id, "sequence": 10 * number}
                for number, (code, (name, _chinese, _provinces)) in enumerate(catalogue.REGIONS.items(), 1)
            ]
        ),
        [f"territory_{code}" for code in catalogue.REGIONS],
    )
    world.translate(regions, "name", [chinese for _name, chinese, _provinces in catalogue.REGIONS.values()])
    parents = {
        province: region
        for region, (_name, _chinese, provinces) in zip(regions, catalogue.REGIONS.values(), strict=True)
        for province in provinces
    }
    states = {code: env.ref(f"base.state_cn_{code}") for code in catalogue.PROVINCES}
    provinces = Territory.create(
        [
            {
                "name": latin,
                "code": f"CN-{code}",
                "parent_id": parents[code].id,
                "state_ids": [Command.set(states[code].ids)],
                "boundary": outline(code),
            }
            for code, latin in catalogue.PROVINCES.items()
        ]
    )
    world.name(provinces, [f"territory_{code.lower()}_province" for code in catalogue.PROVINCES])
    world.translate(provinces, "name", [states[code].name for code in catalogue.PROVINCES])
    districts = world.name(
        Territory.create(
            [
                {
                    "name": name,
                    "code": f"CN-{province}-{code}",
                    "parent_id": world.ref(f"territory_{province.lower()}_province").id,
                    "zip_prefixes": prefixes,
                }
                for code, (name, _chinese, province, prefixes) in catalogue.DISTRICTS.items()
            ]
        ),
        [f"territory_{code.lower()}_district" for code in catalogue.DISTRICTS],
    )
    world.translate(districts, "name", [chinese for _name, chinese, *_rest in catalogue.DISTRICTS.values()])


def outline(code):
    """GeoJSON of a province's outline, or False."""
    if code not in catalogue.OUTLINES:
        return False
    rings = [catalogue.OUTLINES[place] for place in (code, catalogue.HOLES.get(code)) if place]
    return json.dumps({"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]})


def territory(world, code):
    return world.ref(
        f"territory_{code}" if code in catalogue.REGIONS else f"territory_{code.lower()}_province"
    )


def partners(world):
    """Distributors, their outlets, and the people who sign in to the portal."""
    env = world.env
    manager = world.ref("user_manager")
    for role, members in (("distributor", catalogue.DISTRIBUTORS), ("outlet", catalogue.OUTLETS)):
        records = env["res.partner"].create(
            [
                {
                    "name": member.name,
                    "ref": member.code,
                    "is_company": True,
                    "channel_role": role,
                    "upstream_id": member.upstream and world.ref(f"distributor_{member.upstream}").id,
                    "street": member.street,
                    "city": member.city,
                    "state_id": env.ref(f"base.state_cn_{member.state}").id,
                    "zip": member.zip,
                    "country_id": env.ref("base.cn").id,
                    "phone": f"+86 {135 + number} 5550 {1200 + 7 * number}",
                    "vat": False,
                    "user_id": manager.id,
                    "tz": "Asia/Shanghai",
                }
                for number, member in enumerate(members.values())
            ]
        )
        world.name(records, [f"{role}_{key}" for key in members])
    portal = env.ref("base.group_portal")
    clerks = (
        ("clerk.north", "Sun Yue 孙悦", "Purchasing Clerk", "distributor_north"),
        ("clerk.south", "Huang Jun 黄俊", "Purchasing Clerk", "distributor_south"),
        ("shop", "Chen Fang 陈芳", "Shop Owner", "outlet_north_1"),
    )
    contacts = env["res.partner"].create(
        [
            {
                "name": name,
                "email": f"{login}@dms.example",
                "function": function,
                "parent_id": world.ref(parent).id,
                "type": "contact",
                "tz": "Asia/Shanghai",
                "lang": "en_US",
            }
            for login, name, function, parent in clerks
        ]
    )
    world.name(
        env["res.users"].create(
            [
                {
                    "login": f"{login}@dms.example",
                    "password": login,
                    "partner_id": contact.id,
                    "company_id": world.company.id,
                    "company_ids": [Command.set(world.company.ids)],
                    "group_ids": [Command.set(portal.ids)],
                }
                for contact, (login, *_rest) in zip(contacts, clerks, strict=True)
            ]
        ),
        [f"user_{login.replace('.', '_')}" for login, *_rest in clerks],
    )


def agreements(world):
    """One agreement for each distributor, signed and in force since before the first order; and one draft to come."""
    env = world.env
    Term = env["account.payment.term"]
    terms = {
        days: Term.create(
            {
                "name": f"{days} Days after Invoice",
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": 100, "delay_type": "days_after", "nb_days": days}
                    )
                ],
            }
        )
        for days in {terms.days for terms in catalogue.TERMS.values()}
    }
    for days, term in terms.items():
        world.translate(term, "name", [f"开票后 {days} 天付款"])
    start = (world.today - relativedelta(months=14)).replace(day=1)
    manager = world.ref("user_manager")
    scale = world.price_scale
    records = (
        env["dms.agreement"]
        .with_user(manager)
        .sudo()
        .create(
            [
                {
                    "partner_id": world.ref(f"distributor_{key}").id,
                    "date_start": start,
                    "date_end": world.today + relativedelta(days=ENDING[key])
                    if key in ENDING
                    else start + relativedelta(years=AGREED_YEARS, days=-1),
                    "credit_limit": world.limits[key] * scale,
                    "payment_term_id": terms[term.days].id,
                    "grade_id": env.ref(f"partnership.res_partner_grade_data_{term.grade}").id,
                    "user_id": manager.id,
                    "note": "<p>Delivery to the distributor's warehouse. Goods are sold in the agreed territories only.</p>",
                    "line_ids": [
                        Command.create(
                            {
                                "territory_id": territory(world, code).id,
                                "categ_ids": [
                                    Command.set([world.ref(f"categ_{categ}").id for categ in term.categories])
                                ],
                                "exclusive": term.exclusive,
                                # All goes to the warehouse in the first one: that is where purchases count.
                                "target_amount": 0 if number else term.target * scale,
                            }
                        )
                        for number, code in enumerate(term.territories)
                    ],
                }
                for key, term in catalogue.TERMS.items()
            ]
        )
    )
    world.name(records, [f"agreement_{key}" for key in catalogue.TERMS])
    for agreement in records:
        agreement.line_ids[0]._spread(SEASON)
    records.action_send()
    for number, agreement in enumerate(records):
        agreement._sign("Zhang San 张三", signature(number))
    # Signing asks the responsible person to put the agreement in force, which is done here.
    records.action_activate()
    records.activity_ids.unlink()
    for key, days in ENDING.items():
        world.ref(f"agreement_{key}")._remind(30 if days <= 30 else 90)
    _new_version(world)


def _new_version(world):
    """The next version for the north: sent, and waiting for the clerk's signature in the portal."""
    old = world.ref("agreement_north")
    new = old.browse(old.action_new_version()["res_id"])
    new.write(
        {
            "date_start": (world.today + relativedelta(months=1)).replace(day=1),
            "credit_limit": round(old.credit_limit * 1.2),
            "deposit_amount": round(50000 * world.price_scale),
            "note": "<p>Delivery to the distributor's warehouse. Goods are sold in the agreed territories only;"
            " sales are reported by the third of each month.</p>",
        }
    )
    new.line_ids[0]._spread(SEASON, round(old.line_ids[0].target_amount * 1.1, -3))
    new.action_send()
    world.name(new, ["agreement_north_next"])


def signature(seed):
    """A scrawl, PNG in base64."""
    image = Image.new("RGB", (320, 120), "white")
    points = [
        (20 + 14 * step, 60 + ((step * (37 + 11 * seed)) % 61 - 30) * (1 if step % 2 else -1))
        for step in range(20)
    ]
    ImageDraw.Draw(image).line(points, fill=(20, 30, 90), width=3, joint="curve")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue())


def rules(world):
    """What an order must satisfy besides the default rules."""
    env = world.env
    manager = env.ref("dms_channel.dms_channel_group_manager")
    # The history leaves an invoice about two weeks late, on which no order of it should wait.
    env.ref("dms_channel.dms_order_rule_overdue").overdue_days = 20
    records = world.name(
        env["dms.order.rule"].create(
            [
                {
                    "name": "Whole cases only",
                    "sequence": 40,
                    "kind": "quantity_case",
                    "channel_role": "distributor",
                    "outcome": "refuse",
                    "message": "Please order in whole cases.",
                },
                {
                    "name": "Large orders of Bronze distributors",
                    "sequence": 50,
                    "kind": "amount",
                    "amount_max": 300000 * world.price_scale,
                    "grade_ids": [Command.set(env.ref("partnership.res_partner_grade_data_bronze").ids)],
                    "outcome": "hold",
                    "group_id": manager.id,
                    "message": "Split the order, or ask your area manager.",
                },
            ]
        ),
        ["order_rule_cases", "order_rule_bronze"],
    )
    world.translate(records, "name", ["整箱订货", "铜牌经销商大额订单"])
    world.translate(records, "message", ["请按整箱订货。", "请拆分订单，或联系区域经理。"])


def guards(world):
    """Rules that look at the history, which is there by now."""
    env = world.env
    gold, bronze = (env.ref(f"partnership.res_partner_grade_data_{name}") for name in ("gold", "bronze"))
    rules = (
        (
            "order_rule_points",
            "Bronze distributors need credit points",
            {
                "kind": "standing",
                "points_min": 1,
                "grade_ids": [Command.set(bronze.ids)],
                "message": "Pay and report in time to earn points.",
            },
        ),
        (
            "order_rule_price",
            "No special prices below the price list",
            {
                "kind": "price",
                "price_percent": 3.0,
                "message": "Apply for a promotion instead of a special price.",
            },
        ),
        (
            "order_rule_trusted",
            "Small orders of Gold distributors",
            {
                "kind": "amount",
                "amount_max": 20000 * world.price_scale,
                "grade_ids": [Command.set(gold.ids)],
                "outcome": "approve",
            },
        ),
        ("order_rule_first", "First order of a new distributor", {"kind": "first_order"}),
        ("order_rule_usual", "Unusually large orders", {"kind": "usual_size", "spread_factor": 4.0}),
        (
            "order_rule_quantity",
            "At most 5,000 cases of one drink",
            {"kind": "quantity", "scope": "product", "in_cases": True, "quantity_max": 5000},
        ),
        (
            "order_rule_stuffing",
            "No more than 75 days of stock",
            {
                "kind": "cover",
                "cover_days": 75,
                "channel_role": "distributor",
                "message": "Sell what is there first, or order less.",
            },
        ),
        (
            "order_rule_abroad",
            "Goods that leave the country",
            {
                "kind": "domain",
                "order_domain": "[('partner_shipping_id.country_id.code', '!=', 'CN')]",
                "outcome": "refuse",
                "message": "Export is not part of the agreement.",
            },
        ),
    )
    records = world.name(
        env["dms.order.rule"].create(
            [
                {"name": name, "sequence": 55 + 5 * number, **values}
                for number, (_key, name, values) in enumerate(rules)
            ]
        ),
        [key for key, _name, _values in rules],
    )
    chinese = ("铜牌经销商须有信用分", "特价不得低于价格表", "金牌经销商小额订单", "新经销商首单", "异常大额订单", "单品不超过 5,000 箱", "库存不超过 75 天", "货物出境")  # fmt: skip
    world.translate(records, "name", chinese)
    messages = {
        "order_rule_points": "请按时付款、及时上报数据以获得信用分。",
        "order_rule_price": "请申请促销，而不是特价。",
        "order_rule_stuffing": "请先消化现有库存，或减少订货。",
        "order_rule_abroad": "协议不包括出口。",
    }
    for record, (key, *_rest) in zip(records, rules, strict=True):
        if key in messages:
            world.translate(record, "message", [messages[key]])


def promotion(world):
    """A discount on milk tea for Gold distributors, running now."""
    env = world.env
    gold = env.ref("partnership.res_partner_grade_data_gold")
    milk = world.ref("categ_milk")
    program = world.name(
        env["loyalty.program"].create(
            {
                "name": "Winter Warm-up: Milk Tea −5 %",
                "program_type": "promotion",
                "trigger": "auto",
                "applies_on": "current",
                "company_id": world.company.id,
                "currency_id": world.company.currency_id.id,
                "date_from": world.today - relativedelta(days=20),
                "date_to": world.today + relativedelta(days=70),
                "portal_visible": False,
                "dms_grade_ids": [Command.set(gold.ids)],
                "rule_ids": [
                    Command.clear(),
                    Command.create(
                        {
                            "minimum_qty": 240,
                            "minimum_amount": 0,
                            "product_category_id": milk.id,
                            "reward_point_mode": "order",
                            "reward_point_amount": 1,
                        }
                    ),
                ],
                "reward_ids": [
                    Command.clear(),
                    Command.create(
                        {
                            "reward_type": "discount",
                            "discount": 5,
                            "discount_mode": "percent",
                            "discount_applicability": "specific",
                            "discount_product_category_id": milk.id,
                            "required_points": 1,
                            "description": "5 % off milk tea",
                        }
                    ),
                ],
            }
        ),
        ["program_milk"],
    )
    world.translate(program, "name", ["暖冬奶茶季：奶茶满减 5%"])
    world.translate(program.reward_ids, "description", ["奶茶优惠 5%"])
