"""Short payments and what became of them, and the statements of the last two months."""

from datetime import timedelta

from odoo.fields import Command

# What distributors paid short on the fixtures they bought last month: share of the invoice, and the payer's words.
SHORT = {
    "north": (0.04, "{invoice} 扣破损 3 箱 / less 3 damaged cartons"),
    "east": (0.15, "{invoice} 抵 {credit} 陈列费 / less {credit}"),
    "zhejiang": (0.02, "{invoice} 扣短少 / short delivery"),
    "south": (0.18, "{invoice} 扣价差 / less price difference"),
    "central": (0.03, "{invoice} 扣迟到罚款 / late delivery penalty"),
    "southwest": (0.05, "{invoice} 扣促销费 / less promotion cost"),
}
REASONS = (
    ("DMG", "Damage in transport", "运输破损", 200),
    ("PRC", "Price difference", "价格差异", 200),
    ("QTY", "Short delivery", "数量短少", 200),
    ("RND", "Rounding", "尾差", 10),
)


def _last_month(world):
    return world.env["dms.statement"]._get_last_month()


def _fixtures(
    world, key, amount, move_type="out_invoice", name="Display racks and chillers 陈列架与冷柜", day=5
):
    """An invoice or credit note of things that earn no rebate, posted last month."""
    first, _last = _last_month(world)
    date = first + timedelta(days=day)
    move = world.env["account.move"].create(
        {
            "move_type": move_type,
            "partner_id": world.ref(f"distributor_{key}").id,
            "invoice_date": date,
            "invoice_date_due": date + timedelta(days=15),
            "invoice_payment_term_id": False,
            "invoice_line_ids": [
                Command.create(
                    {"name": name, "quantity": 1, "price_unit": amount, "tax_ids": [Command.clear()]}
                )
            ],
        }
    )
    move.action_post()
    return move


def deductions(world):
    """One short payment of each distributor: to resolve, with a suggestion, written off, to approve, charged back and
    queued."""
    env, scale = world.env, world.price_scale
    account = env["account.account"].search(
        [*env["account.account"]._check_company_domain(world.company), ("account_type", "=", "expense")],
        order="code",
        limit=1,
    )
    reasons = env["dms.deduction.reason"].create(
        [
            {"code": code, "name": name, "account_id": account.id, "limit_amount": limit * scale}
            for code, name, _chinese, limit in REASONS
        ]
    )
    world.name(reasons, [f"deduction_reason_{code.lower()}" for code, *_rest in REASONS])
    world.translate(reasons, "name", [chinese for _code, _name, chinese, _limit in REASONS])
    journal = env["account.journal"].search(
        [("type", "=", "bank"), ("company_id", "=", world.company.id)], limit=1
    )
    first, _last = _last_month(world)
    invoices = {}
    for key, (share, memo) in SHORT.items():
        invoice = invoices[key] = _fixtures(world, key, 2400 * scale)
        short = invoice.currency_id.round(invoice.amount_total * share)
        credit = (
            _fixtures(world, key, short, "out_refund", "Display allowance 陈列费")
            if "{credit}" in memo
            else None
        )
        payment = env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": invoice.partner_id.id,
                "amount": invoice.amount_total - short,
                "date": first + timedelta(days=21),
                "journal_id": journal.id,
                "memo": memo.format(invoice=invoice.name, credit=credit and credit.name),
            }
        )
        payment.action_post()
        (invoice | payment.move_id).line_ids.filtered(
            lambda line: line.account_id.account_type == "asset_receivable"
        ).reconcile()
        payment.invoice_ids = invoice
    found = env["dms.deduction"]._find(world.company)
    of = {
        key: found.filtered(lambda record, i=invoice: record.move_id == i)
        for key, invoice in invoices.items()
    }
    of = {key: record.with_user(world.ref("user_accountant")) for key, record in of.items()}
    of["north"].note = "Photos of the damage asked for. 已要求提供破损照片。"
    of["zhejiang"].reason_id = world.ref("deduction_reason_qty")
    of["zhejiang"].action_write_off()
    of["south"].reason_id = world.ref("deduction_reason_prc")
    of["south"].action_write_off()
    of["central"].note = "Delivered within the agreed time. 在约定时间内送达。"
    of["central"].action_charge_back()
    of["southwest"].action_queue()


def statements(world):
    """The month before last confirmed; last month's in every state, one of them with an entry that came later."""
    env = world.env
    Statement = env["dms.statement"].with_user(world.ref("user_accountant")).sudo()
    first, last = _last_month(world)
    before = first - timedelta(days=1)
    for statement in Statement._generate(before.replace(day=1), before):
        statement.action_send()
        statement._answer_balance("confirmed", _clerk(statement))
        statement.action_close()
    of = {}
    for statement in Statement._generate(first, last):
        keys = [key for key in SHORT if world.ref(f"distributor_{key}") == statement.partner_id]
        of.update(dict.fromkeys(keys, statement))
    for key, statement in of.items():
        if key != "southwest":
            statement.action_send()
    of["zhejiang"]._answer_balance("confirmed", _clerk(of["zhejiang"]))
    of["zhejiang"].action_close()
    of["east"]._answer_balance("confirmed", _clerk(of["east"]))
    disputed = of["south"].line_ids.filtered(lambda line: line.kind == "payment")[-1:]
    of["south"]._answer_lines(
        disputed,
        "disputed",
        _clerk(of["south"]),
        reason="We paid 200 more by a second transfer. 我方另行转账 200 元，未计入。",
        amount=disputed.amount - 200,
    )
    disputed.reply = "Please send us the bank slip of the second transfer. 请提供第二笔转账的银行回单。"
    _fixtures(world, "central", 150 * world.price_scale, "out_refund", "Chiller returned 退回冷柜", day=24)


def _clerk(statement):
    """Who answers for the distributor."""
    partner = statement.partner_id
    return (partner.child_ids.filtered("user_ids")[:1] or partner).name
