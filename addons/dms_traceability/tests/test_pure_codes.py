import itertools
import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools import codes

MASTER = b"a" * 32
OTHER = b"b" * 32
GTIN = "06901234567892"
keys = st.integers(0, 2**codes.KEY_BITS - 1)


class TestCodes(unittest.TestCase):
    @given(st.lists(keys, min_size=1, max_size=50))
    def test_permutation_is_a_bijection(self, numbers):
        secret = b"k" * 32
        array = np.array(numbers, dtype=np.uint64)
        bodies = codes.permute(secret, array)
        self.assertTrue((bodies < 2**codes.KEY_BITS).all())
        self.assertEqual(codes.unpermute(secret, bodies).tolist(), numbers)

    @given(keys, st.sampled_from([2025, 2026, 2027]))
    def test_round_trip(self, key, year):
        (serial,) = codes.encode(MASTER, GTIN, year, [key])
        self.assertRegex(serial, r"^[0-9A-HJKMNP-TV-Z]{14}$")
        self.assertEqual(codes.decode([OTHER, MASTER], GTIN, [serial.lower()], 2027), [(key, year, 1)])

    @settings(max_examples=300)
    @given(keys, st.integers(0, 13), st.sampled_from(codes.ALPHABET))
    def test_an_altered_code_is_refused(self, key, position, glyph):
        (serial,) = codes.encode(MASTER, GTIN, 2026, [key])
        altered = serial[:position] + glyph + serial[position + 1 :]
        if altered != serial:
            self.assertEqual(codes.decode([MASTER], GTIN, [altered], 2027), [None])

    @given(st.text(max_size=20))
    def test_any_text_is_answered(self, text):
        self.assertEqual(codes.decode([MASTER], GTIN, [text], 2027), [None])

    def test_many_at_once(self):
        serials = codes.encode(MASTER, GTIN, 2026, range(1000))
        serials[3], serials[5] = "0" * 14, "?"
        found = codes.decode([MASTER], GTIN, serials, 2026)
        self.assertEqual([index for index, item in enumerate(found) if item is None], [3, 5])
        self.assertEqual(found[999], (999, 2026, 0))
        self.assertEqual(codes.decode([MASTER], GTIN, [], 2026), [])

    def test_other_key_gtin_or_future_year_is_refused(self):
        (serial,) = codes.encode(MASTER, GTIN, 2027, [7])
        self.assertEqual(codes.decode([OTHER], GTIN, [serial], 2027), [None])
        self.assertEqual(codes.decode([MASTER], "16901234567899", [serial], 2027), [None])
        self.assertEqual(codes.decode([MASTER], GTIN, [serial], 2026), [None])
        self.assertEqual(codes.decode([], GTIN, [serial], 2027), [None])

    def test_no_collision_across_orders_and_years(self):
        seen = set()
        for year, first in ((2025, 0), (2026, 100_000), (2027, 200_000)):
            seen.update(codes.encode(MASTER, GTIN, year, np.arange(first, first + 100_000)))
        self.assertEqual(len(seen), 300_000)

    def test_bodies_of_one_gtin_differ_in_every_year(self):
        bodies = {
            codes.encode(MASTER, GTIN, year, [key])[0][:8] for year in (2025, 2026) for key in range(500)
        }
        self.assertEqual(len(bodies), 500)

    def test_serials_look_random(self):
        serials = codes.encode(MASTER, GTIN, 2026, np.arange(20_000))
        for position in range(codes.SERIAL_LENGTH):
            counts = np.bincount([codes.ALPHABET.index(serial[position]) for serial in serials], minlength=32)
            chi2 = ((counts - 625) ** 2 / 625).sum()
            self.assertLess(chi2, 80, f"position {position}")  # 31 degrees of freedom, p < 1e-5

    @given(keys, st.sampled_from([2025, 2026, 2027]))
    def test_code_under_the_cap(self, key, year):
        (serial,) = codes.encode(MASTER, GTIN, year, [key])
        (cap,) = codes.encode(MASTER, GTIN, year, [key], cap=True)
        self.assertRegex(cap, r"^[0-9A-HJKMNP-TV-Z]{20}$")
        self.assertEqual(codes.decode([OTHER, MASTER], GTIN, [cap.lower()], 2027, cap=True), [(key, year, 1)])
        # Neither kind passes for the other, nor for its beginning.
        self.assertEqual(codes.decode([MASTER], GTIN, [cap, cap[:14]], 2027), [None, None])
        self.assertEqual(
            codes.decode([MASTER], GTIN, [serial, serial + "0" * 6], 2027, cap=True), [None, None]
        )

    @settings(max_examples=300)
    @given(keys, st.integers(0, 19), st.sampled_from(codes.ALPHABET))
    def test_an_altered_code_under_the_cap_is_refused(self, key, position, glyph):
        (cap,) = codes.encode(MASTER, GTIN, 2026, [key], cap=True)
        altered = cap[:position] + glyph + cap[position + 1 :]
        if altered != cap:
            self.assertEqual(codes.decode([MASTER], GTIN, [altered], 2027, cap=True), [None])

    def test_no_collision_across_keys_and_gtins(self):
        """Serials of the same numbers under other master keys or GTINs are others."""
        for cap in (False, True):
            seen = set()
            for master, gtin in (
                (MASTER, GTIN),
                (OTHER, GTIN),
                (MASTER, "16901234567899"),
                (OTHER, "16901234567899"),
            ):
                seen.update(codes.encode(master, gtin, 2026, np.arange(50_000), cap))
            self.assertEqual(len(seen), 200_000)

    @given(st.lists(st.tuples(st.integers(0, 2**24 - 2), st.integers(1, 200)), min_size=1, max_size=8))
    def test_orders_never_share_a_serial(self, orders):
        """Orders get chunks of keys of their own; so their serials differ, whatever their sizes."""
        seen, chunks = set(), set()
        for chunk, count in orders:
            if chunk not in chunks:
                chunks.add(chunk)
                serials = codes.encode(MASTER, GTIN, 2026, range(chunk << 16, (chunk << 16) + count))
                self.assertFalse(seen.intersection(serials))
                seen.update(serials)

    def test_a_key_out_of_range_is_refused(self):
        with self.assertRaises(ValueError):
            codes.encode(MASTER, GTIN, 2026, [2**codes.KEY_BITS])
        self.assertEqual(codes.encode(MASTER, GTIN, 2026, []), [])

    def test_crockford_aliases(self):
        self.assertEqual(codes.normalise("oil" + "z" * 11), "011" + "Z" * 11)
        self.assertIsNone(codes.normalise("U" * 14))
        self.assertIsNone(codes.normalise("1" * 13))

    def test_master_keys(self):
        self.assertEqual(codes.parse_master_keys(" , "), ())
        self.assertEqual(codes.parse_master_keys(f"{'a' * 32} , {'b' * 40}"), (MASTER, b"b" * 40))
        with self.assertRaises(ValueError):
            codes.parse_master_keys("short")

    @given(st.sets(st.integers(0, 200)))
    def test_ranges_cover_exactly(self, numbers):
        runs = codes.ranges(numbers)
        self.assertEqual({n for first, last in runs for n in range(first, last + 1)}, numbers)
        self.assertTrue(all(after[0] > before[1] + 1 for before, after in itertools.pairwise(runs)))
