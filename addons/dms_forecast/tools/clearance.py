"""What to do with stock that nobody will buy soon: hold, promote, transfer or return, with days, cost and cash of each. numpy only.

n stocks of one distributor x product each. Quantities are units, money is in one currency, days are days. The surplus is what lies above the
cover that counts as normal; cleared means that it is gone.
"""

from dataclasses import dataclass

import numpy as np

HOLD, PROMOTE, TRANSFER, RETURN = OPTIONS = ("hold", "promote", "transfer", "return")


@dataclass(frozen=True)
class Terms:
    """What clearing costs.

    `holding`: share of the value that a year of lying costs (capital, space, ageing). `promo_days`: how long a promotion runs; `elasticity`:
    units sold rise with the price to the power of minus this; `discount_most`: deepest discount. `fee`: share of the value that a return
    costs, over in `return_days`.
    """

    holding: float = 0.24
    promo_days: int = 30
    elasticity: float = 2.0
    discount_most: float = 0.4
    fee: float = 0.1
    return_days: int = 14


@dataclass
class Options:
    """(4, n) arrays in the order of `OPTIONS`; what can't be done has NaN days and an infinite cost.

    `quantity`: units that leave by the option itself; `days` until the surplus is gone; `cost`: money; `cash`: money that comes free by then,
    the value of the surplus less what is spent in cash (holding is not); `uplift`: (n,) more sales than forecast that the promotion needs, as a
    share; `discount`: (n,) share of the price. `best`: (n,) row of the cheapest option; equal costs go to the one that is over first.
    """

    quantity: np.ndarray
    days: np.ndarray
    cost: np.ndarray
    cash: np.ndarray
    uplift: np.ndarray
    discount: np.ndarray
    best: np.ndarray


def cents(money, digits):
    """Rounded half away from zero to a currency's decimal places."""
    scaled = np.abs(money) * 10.0**digits
    return np.sign(money) * np.floor(scaled + 0.5 + 4 * np.spacing(scaled)) / 10.0**digits


def clearance(surplus, daily, price, moved, freight, transfer_days, terms=None, digits=2):
    """Options for the surplus of each stock.

    Hold: the surplus is sold in surplus / daily days and lies half of them on average. Promote: it has to be sold in `promo_days`; the
    uplift is how many times faster that is, less one, and the discount what a demand of constant elasticity asks for it
    (1 + uplift = (1 - discount) ** -elasticity). Transfer: what a lane takes to others that sell it, the rest is held. Return: all of it goes back.

    :param surplus: (n,) units, positive
    :param daily: (n,) units expected a day, without promotion
    :param price: (n,) money of a unit: what it came in at
    :param moved: (n,) units that others would sell in time; freight: (n,) money that moving all of them costs; transfer_days: (n,) days that
        it takes
    :param digits: decimal places of the currency; every amount is rounded to them
    :return: Options
    """
    terms = terms or Terms()
    surplus, daily, price, moved, freight, transfer_days = (
        np.asarray(x, float)
        for x in np.broadcast_arrays(surplus, daily, price, moved, freight, transfer_days)
    )
    value = surplus * price

    def hold(units):
        days = np.where(
            units > 0, np.divide(units, daily, out=np.full(units.shape, np.inf), where=daily > 0), 0.0
        )
        lying = np.where(np.isfinite(days), days, 0)
        cost = units / 2 * price * terms.holding * lying / 365
        return days, np.where(np.isfinite(days), cost, np.inf)

    hold_days, hold_cost = hold(surplus)
    speed = np.divide(surplus, daily * terms.promo_days, out=np.full(surplus.shape, np.inf), where=daily > 0)
    uplift = np.maximum(speed - 1, 0)
    discount = 1 - (1 + uplift) ** (-1 / terms.elasticity)
    possible = (discount <= terms.discount_most + 1e-12) & (uplift > 0) & np.isfinite(speed)
    lying = surplus / 2 * price * terms.holding * terms.promo_days / 365
    given = value * discount
    moved = np.clip(moved, 0, surplus)
    rest_days, rest_cost = hold(surplus - moved)
    fee = value * terms.fee
    nothing, never = np.zeros_like(surplus), np.inf
    quantity = np.stack([surplus, np.where(possible, surplus, nothing), moved, surplus])
    days = np.stack(
        [
            hold_days,
            np.where(possible, terms.promo_days, never),
            np.where(moved > 0, np.maximum(transfer_days, rest_days), never),
            np.full(surplus.shape, float(terms.return_days)),
        ]
    )
    cost = np.stack(
        [
            hold_cost,
            np.where(possible, given + lying, never),
            np.where(moved > 0, freight + rest_cost, never),
            fee,
        ]
    )
    spent = np.stack([nothing, given, freight, fee])
    done = np.isfinite(days) & np.isfinite(cost)
    cost = np.where(done, cents(np.where(done, cost, 0), digits), never)
    cash = np.where(done, cents(value, digits) - cents(spent, digits), 0.0)
    order = np.lexsort((np.where(done, days, never), cost), axis=0)
    return Options(
        quantity=np.where(done, quantity, 0.0),
        days=np.where(done, days, np.nan),
        cost=cost,
        cash=cash,
        uplift=np.where(np.isfinite(uplift), uplift, np.nan),
        discount=np.where(possible, discount, np.nan),
        best=order[0],
    )
