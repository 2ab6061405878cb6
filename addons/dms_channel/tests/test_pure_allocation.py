from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools.allocation import Demand, by_rank, fair_share

demand_lists = st.lists(
    st.tuples(st.integers(0, 500), st.sampled_from([1, 6, 12, 25]), st.integers(0, 3)), max_size=12
).map(lambda rows: [Demand(key, quantity, pack, (rank,)) for key, (quantity, pack, rank) in enumerate(rows)])
policies = st.sampled_from([by_rank, fair_share])


@given(policies, demand_lists, st.integers(-50, 3000))
def test_never_more_than_available_or_demanded(share, demands, available):
    shares = share(demands, available)
    assert shares.keys() == {demand.key for demand in demands}
    assert sum(shares.values()) <= max(available, 0)
    assert all(0 <= shares[demand.key] <= demand.quantity for demand in demands)


@given(policies, demand_lists, st.integers(0, 3000))
def test_whole_packs_or_all_of_it(share, demands, available):
    shares = share(demands, available)
    for demand in demands:
        assert shares[demand.key] == demand.quantity or shares[demand.key] % demand.pack == 0


@given(policies, demand_lists, st.integers(0, 3000))
def test_nothing_is_left_that_somebody_could_take(share, demands, available):
    shares = share(demands, available)
    left = available - sum(shares.values())
    for demand in demands:
        missing = demand.quantity - shares[demand.key]
        assert not missing or min(demand.pack, missing) > left


@given(policies, demand_lists, st.integers(0, 3000), st.randoms())
def test_the_order_of_the_list_does_not_matter(share, demands, available, random):
    shuffled = random.sample(demands, len(demands))
    assert share(shuffled, available) == share(demands, available)


@given(demand_lists, st.integers(0, 3000))
def test_priority_is_kept(demands, available):
    shares = by_rank(demands, available)
    for first in demands:
        for second in demands:
            if first.rank < second.rank and first.pack == second.pack and shares[second.key] >= second.pack:
                assert shares[first.key] == first.quantity


@given(st.integers(1, 500), st.integers(2, 8), st.sampled_from([1, 6, 12]), st.integers(0, 3000))
def test_equals_are_treated_alike(quantity, number, pack, available):
    shares = fair_share([Demand(key, quantity, pack, ()) for key in range(number)], available).values()
    assert max(shares) - min(shares) < 2 * pack, "one pack, and an incomplete last one"


@given(demand_lists, st.integers(0, 3000))
def test_a_fair_share_is_within_the_packs_of_the_exact_one(demands, available):
    """Without packs that differ, nobody is further than one pack from his exact share."""
    demands = [demand._replace(pack=1) for demand in demands]
    total = sum(demand.quantity for demand in demands)
    shares = fair_share(demands, available)
    for demand in demands:
        exact = demand.quantity * min(available, total) / total if total else 0
        assert abs(shares[demand.key] - exact) < 1 + 1e-9


def test_an_example_by_hand():
    """100 in cases of 12 for demands of 120, 60 and 20 (exact shares 60, 30 and 10)."""
    demands = [Demand(1, 120, 12, (2,)), Demand(2, 60, 12, (1,)), Demand(3, 20, 12, (3,))]
    assert fair_share(demands, 100) == {1: 60, 2: 24, 3: 12}
    assert by_rank(demands, 100) == {2: 60, 1: 36, 3: 0}
