"""The demo data of this addon, part by part."""

from . import account, approval, feeds, masters, money, policy, trade, transfer
from .world import World


def load(env):
    World(env).run(
        masters.company,
        masters.users,
        masters.units,
        masters.products,
        masters.prices,
        masters.territories,
        masters.partners,
        trade.plan,
        masters.agreements,
        masters.rules,
        masters.promotion,
        trade.stock,
        trade.carriers,
        trade.rounds,
        money.points,
        money.programs,
        money.settlements,
        feeds.feeds,
        feeds.count,
        feeds.others,
        masters.guards,
        money.more_programs,
        trade.pending,
        policy.channel_prices,
        policy.guidance_prices,
        policy.grade_review,
        approval.approvals,
        account.deductions,
        account.statements,
        transfer.transfers,
    )
