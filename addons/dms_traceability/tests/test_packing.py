from datetime import datetime, timedelta

import psycopg2
from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestPacking(DmsTraceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.dms_gs1_prefix = "0614141"
        cls.Code = cls.env["dms.code"]

    def _order_tree(self, quantity=96, action="pack"):
        """Inner boxes of 4, cases of 12, pallets of 2 cases."""
        order = self.env["dms.code.order"].create(
            {
                "product_id": self.product.id,
                "lot_id": self.lot.id,
                "quantity": quantity,
                "inner_size": 4,
                "case_size": 12,
                "pallet_size": 2,
            }
        )
        order.action_generate()
        order.action_activate()
        if action == "pack":
            order.action_pack()
        return order

    def _keys(self, order, level):
        return next(
            list(range(first, first + count))
            for name, _gtin, first, count in order._get_spans()
            if name == level
        )

    def test_nested_roll(self):
        order = self._order_tree()
        self.assertEqual((order.inner_count, order.case_count, order.pallet_count), (24, 8, 4))
        self.assertEqual(len({order.gtin, order.inner_gtin, order.case_gtin, order.pallet_gtin}), 4)
        self.assertRecordValues(order, [{"packed_count": 96, "free_case_count": 8, "shipped_count": 0}])
        units, inners, cases, pallets = (
            self._keys(order, level) for level in ("unit", "inner", "case", "pallet")
        )
        self.assertEqual(
            self.Code._count_units([inners[0], cases[1], pallets[3]]),
            {inners[0]: 4, cases[1]: 12, pallets[3]: 24},
        )
        self.assertEqual(
            self.Code._get_units([cases[1]]), {cases[1]: [(units[n], units[n + 3]) for n in (12, 16, 20)]}
        )
        parents = self.Code._get_parents([units[47], inners[11], cases[3]])
        self.assertEqual(parents, {units[47]: inners[11], inners[11]: cases[3], cases[3]: pallets[1]})
        code = self.Code.browse(cases[3])
        self.assertEqual((code.level, code.unit_count, code.case_key), ("case", 12, pallets[1]))

    def test_printers_house_gets_the_nesting(self):
        order = self._order_tree(30, None)
        boxes = [serial for part in order._iter_boxes("unit", size=7) for serial in part]
        inners = self._serials(order, "inner")
        self.assertEqual(boxes, [inners[n // 4] for n in range(28)] + ["", ""])
        cases = self._serials(order, "case")
        self.assertEqual(
            [s for part in order._iter_boxes("inner") for s in part], [cases[n // 3] for n in range(6)] + [""]
        )
        pallets = self._serials(order, "pallet")
        self.assertEqual([s for part in order._iter_boxes("case") for s in part], [pallets[0]] * 2)
        self.assertEqual([s for part in order._iter_boxes("pallet") for s in part], [""])

    def test_scanning_a_pallet_covers_its_contents(self):
        order = self._order_tree()
        picking = self._create_delivery(24)
        pallet, unit = self._serials(order, "pallet")[0], self.Code.browse(order.first_key)
        (outcome,) = picking._dms_add_codes([f"(01){order.pallet_gtin}(21){pallet}"])
        self.assertEqual((outcome["ok"], outcome["units"]), (True, 24))
        self.assertEqual(
            (unit.state, picking.dms_unit_count, picking.dms_scan_state), ("assigned", 24, "done")
        )
        self.assertEqual(order.free_case_count, 6)
        case, inner = self._serials(order, "case")[0], self._serials(order, "inner")[20]
        for serial, gtin, words in (
            (case, order.case_gtin, "Scanned already"),
            (inner, order.inner_gtin, "stands in a package"),
        ):
            (outcome,) = picking._dms_add_codes([f"(01){gtin}(21){serial}"])
            self.assertIn(words, outcome["message"])
        picking.button_validate()
        self.env.invalidate_all()
        self.assertEqual(
            (unit.state, unit.partner_id, order.shipped_count), ("shipped", self.distributor_north, 24)
        )

    def test_mixed_pallet_with_an_sscc(self):
        order, loose = self._order_tree(24), self._order_codes(5, 0, "active")
        package = self.env["stock.package"]._dms_create_logistic()
        self.assertTrue(package.valid_sscc)
        key, case = package._dms_get_key(), self._keys(order, "case")[0]
        with self.assertRaisesRegex(UserError, "stands in another package"):
            self.Code._pack_into(key, [case])
        self.Code._take_out([case])
        self.Code._pack_into(key, [case, *range(loose.first_key, loose.first_key + 3)])
        self.assertEqual(package.dms_unit_count, 15)
        with self.assertRaisesRegex(UserError, "can't be changed"):
            package.name = "X"
        with self.assertRaisesRegex(UserError, "never used again"):
            package.unlink()
        picking = self._create_delivery(15)
        (outcome,) = picking._dms_add_codes([f"]C100{package.name}"])
        self.assertEqual((outcome["ok"], outcome["units"]), (True, 15))
        picking.button_validate()
        codes = self.Code.browse([order.first_key, loose.first_key])
        self.assertEqual(codes.mapped("state"), ["shipped"] * 2)
        self.assertEqual(codes.partner_id, self.distributor_north)

    def test_refusals(self):
        order = self._order_tree(48)
        other = self._order_codes(
            24, 24, lot=self.env["stock.lot"].create({"name": "B2", "product_id": self.product.id})
        )
        case, pallet, inner = (self._keys(order, level)[0] for level in ("case", "pallet", "inner"))
        package = self.env["stock.package"]._dms_create_logistic()._dms_get_key()
        for parent, key, words in (
            (case, pallet, "as big, or bigger"),
            (case, case, "as big, or bigger"),
            (pallet, other.first_key + 24, "another product or batch"),
            (package, order.first_key, "stands in another package"),
            (package, package, "as big, or bigger"),
        ):
            with self.assertRaisesRegex(UserError, words):
                self.Code._pack_into(parent, [key])
        self.Code._unpack([inner])
        with self.assertRaisesRegex(UserError, "not in use"):
            self.Code._pack_into(case, [inner])
        self.company.dms_gs1_prefix = False
        with self.assertRaisesRegex(UserError, "no GS1 company prefix"):
            self.env["stock.package"]._dms_create_logistic()

    def test_what_was_inside_on_a_day(self):
        start = datetime(2026, 3, 2, 8)
        with freeze_time(start):
            order = self._order_tree(24)
        case, first = self._keys(order, "case")[0], order.first_key
        with freeze_time(start + timedelta(days=1)):
            self.Code._take_out([first + 1])
        with freeze_time(start + timedelta(days=2)):
            self.Code._unpack([case])

        def units(day):
            runs = self.Code._get_units([case], start + timedelta(days=day, hours=1)).get(case, [])
            return sum(last - first + 1 for first, last in runs)

        self.assertEqual([units(day) for day in (-1, 0, 1, 2)], [0, 12, 11, 0])
        inner = self._keys(order, "inner")[0]
        self.assertEqual(self.Code._get_parents([first + 1], start + timedelta(hours=2)), {first + 1: inner})
        self.assertFalse(self.Code._get_parents([first + 1], start + timedelta(days=1, hours=2)))

    def test_taking_out_keeps_where_the_goods_are(self):
        order = self._order_tree(24)
        picking = self._create_delivery(24)
        picking._dms_add_codes([f"(01){order.pallet_gtin}(21){self._serials(order, 'pallet')[0]}"])
        picking.button_validate()
        unit, neighbour = order.first_key + 5, order.first_key + 4
        self.Code._take_out([unit])
        rows = self.Code._read_rows([unit, neighbour])
        self.assertFalse(rows[unit]["case_key"])
        self.assertTrue(rows[neighbour]["case_key"])
        for row in rows.values():
            self.assertEqual(
                (row["state"], row["picking_id"], row["partner_id"]),
                (4, picking.id, self.distributor_north.id),
            )

    def test_replaced_label(self):
        order, spare = self._order_tree(24), self._order_codes(24, 12, "active")
        case, pallet, new_case = (
            self._keys(order, "case")[0],
            self._keys(order, "pallet")[0],
            spare.first_key + 24,
        )
        before = self.Code._get_units([case])[case]
        self.Code._replace_label(case, new_case)
        self.assertEqual(self.Code._get_units([new_case])[new_case], before)
        self.assertEqual(self.Code._get_parents([new_case]), {new_case: pallet})
        self.assertEqual(self.Code._count_units([pallet]), {pallet: 24})
        self.assertEqual(self.Code.browse([case, new_case]).mapped("state"), ["active", "void"][::-1])
        unit = order.first_key + 7
        inner = self.Code._get_parents([unit])[unit]
        self.Code._replace_label(unit, spare.first_key)
        self.assertEqual(self.Code._get_parents([spare.first_key, unit]), {spare.first_key: inner})
        with self.assertRaisesRegex(UserError, "void already"):
            self.Code._replace_label(unit, spare.first_key + 1)
        with self.assertRaisesRegex(UserError, "in use for something else"):
            self.Code._replace_label(order.first_key, order.first_key + 1)
        with self.assertRaisesRegex(UserError, "no label of the same kind"):
            self.Code._replace_label(order.first_key, spare.first_key + 25)

    def test_window(self):
        order = self._order_codes(24, 12, "active")
        case, serials = self._serials(order, "case")[0], self._serials(order)
        window = self.env["dms.code.pack"].with_user(self.storeman).create({})
        window.on_barcode_scanned(f"(01){order.case_gtin}(21){case}")
        for serial in serials[:3]:
            window.on_barcode_scanned(serial)
        window.action_apply()
        self.assertIn("3 units are inside", window.message)
        self.assertFalse(window.labels_text)
        window.labels_text = serials[2]
        window.action_apply()
        self.assertFalse(window.success)
        self.assertEqual(window.labels_text, serials[2], "what was refused stays, to be mended")
        window.task = "look"
        window.action_apply()
        self.assertIn("3 × Green Tea, batch B001", window.message)
        window.write({"task": "take_out", "labels_text": serials[0]})
        window.action_apply()
        self.assertIn("1 labels taken out", window.message)
        window.task = "unpack"
        window.action_apply()
        self.assertTrue(window.success)
        self.assertFalse(self.Code._get_parents(range(order.first_key, order.first_key + 3)))
        window.write({"task": "pack", "box_text": "junk", "labels_text": serials[0]})
        window.action_apply()
        self.assertIn("none of our codes", window.message)

    def test_one_parent_at_a_time_whatever_happens(self):
        """Random packing work, compared with a plain model of it; the past is compared too."""
        order = self._order_tree(48)
        spare = self._order_codes(12, 4, "active")
        levels = {
            key: level for level in ("unit", "inner", "case", "pallet") for key in self._keys(order, level)
        }
        units, inners, cases = (
            [key for key in levels if levels[key] == name] for name in ("unit", "inner", "case")
        )
        step = st.one_of(
            st.tuples(
                st.just("out"), st.lists(st.sampled_from(units + inners + cases), min_size=1, max_size=4)
            ),
            st.tuples(st.just("unpack"), st.lists(st.sampled_from(inners + cases), min_size=1, max_size=1)),
            st.tuples(
                st.just("pack"), st.lists(st.sampled_from(units + inners + cases), min_size=2, max_size=5)
            ),
        )

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(step, max_size=8))
        def check(steps):
            savepoint = self.env.cr.savepoint()
            parent = self.Code._get_parents(list(levels))
            void, history, now = set(), [], datetime(2100, 1, 1)
            for action, keys in steps:
                now += timedelta(hours=1)
                try:
                    with self.env.cr.savepoint():
                        if action == "out":
                            self.Code._take_out(keys, now)
                        elif action == "unpack":
                            if keys[0] in void:
                                continue
                            self.Code._unpack(keys, now)
                        else:
                            self.Code._pack_into(keys[0], keys[1:], now)
                except UserError:
                    refused = True
                else:
                    refused = False
                if not refused:
                    if action == "out":
                        for key in keys:
                            parent.pop(key, None)
                    elif action == "unpack":
                        void.update(keys)
                        parent.pop(keys[0], None)
                        parent = {key: box for key, box in parent.items() if box != keys[0]}
                    else:
                        self.assertFalse(set(keys[1:]) & set(parent), "what had a parent was packed again")
                        parent.update(dict.fromkeys(keys[1:], keys[0]))
                history.append((now, dict(parent)))
                self.assertEqual(self.Code._get_parents(list(levels)), parent)
            for moment, then in history:
                self.assertEqual(self.Code._get_parents(list(levels), moment), then)
            savepoint.rollback()
            savepoint.close(rollback=False)

        check()
        # And the database itself refuses a second parent.
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.ExclusionViolation),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute(
                "INSERT INTO dms_trace_pack (parent, first, last, packed_on) VALUES (%s, %s, %s, '2200-01-01')",
                [spare.first_key + 12, order.first_key, order.first_key],
            )
