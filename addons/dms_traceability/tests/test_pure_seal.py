import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools import seal

KEY = b"k" * 32
FACTS = st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.none(), max_size=5)


def chain(pieces):
    sealed = [""]
    for facts in pieces:
        sealed.append(seal.seal(KEY, sealed[-1], facts))
    return sealed[1:]


def intact(pieces, sealed):
    return all(
        seal.check([b"other", KEY], previous, facts, mine)
        for previous, facts, mine in zip(["", *sealed], pieces, sealed, strict=False)
    )


class TestSeal(unittest.TestCase):
    def test_known_hash(self):
        known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        self.assertEqual(seal.digest("abc"), known)
        self.assertEqual(seal.digest(b"abc"), known)

    @given(st.lists(FACTS, min_size=1, max_size=6), st.data())
    def test_any_change_is_seen(self, pieces, data):
        sealed = chain(pieces)
        self.assertTrue(intact(pieces, sealed))
        place = data.draw(st.integers(0, len(pieces) - 1))
        changed = [*pieces[:place], {**pieces[place], "new": 1}, *pieces[place + 1 :]]
        self.assertFalse(intact(changed, sealed))
        if place < len(pieces) - 1:
            self.assertFalse(
                intact(pieces[:place] + pieces[place + 1 :], sealed[:place] + sealed[place + 1 :])
            )

    @given(FACTS, st.binary(min_size=1, max_size=8))
    def test_another_key_seals_otherwise(self, facts, key):
        self.assertFalse(seal.check([key], "", facts, seal.seal(KEY, "", facts)))
