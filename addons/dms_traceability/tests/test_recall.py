from contextlib import contextmanager

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestRecall(DmsTraceCommon):
    """Two cases at the northern distributor, one of them at its shop; one with the southern; the rest in stock."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls._order_codes(120, 24)
        cases = [f"(01){cls.order.case_gtin}(21){serial}" for serial in cls._serials(cls.order, "case")]
        for partner, own in ((cls.distributor_north, cases[:2]), (cls.distributor_south, cases[2:3])):
            picking = cls._create_delivery(24 * len(own), partner)
            picking._dms_add_codes(own)
            picking.button_validate()
        cls.env["dms.code"]._receive(cls.distributor_north, cases[:2])
        cls.env["dms.code"]._receive(cls.outlet, cases[1:2])
        cls.manager = cls._create_staff("recaller", "dms_channel.dms_channel_group_manager")

    def _recall(self, **vals):
        return (
            self.env["dms.recall"]
            .with_user(self.manager)
            .create(
                {
                    "product_id": self.product.id,
                    "lot_ids": [Command.set(self.lot.ids)],
                    "reason": "Glass in a bottle.",
                    **vals,
                }
            )
        )

    def _held(self, recall):
        return {line.partner_id: line.unit_count for line in recall.line_ids}

    def _line(self, recall, partner, user):
        return recall.line_ids.filtered(lambda line: line.partner_id == partner).with_user(user)

    def test_who_holds_how_many(self):
        recall = self._recall()
        recall.action_count()
        nobody = self.env["res.partner"]
        self.assertEqual(
            self._held(recall),
            {nobody: 48, self.distributor_north: 24, self.distributor_south: 24, self.outlet: 24},
        )
        self.assertRecordValues(
            recall, [{"unit_count": 120, "stock_count": 48, "away_count": 72, "state": "draft"}]
        )
        self.assertEqual(self._line(recall, self.outlet, self.manager).distributor_id, self.distributor_north)
        recall.action_count()
        self.assertEqual(len(recall.line_ids), 4)

    def test_a_range_counts_parts_of_cases_and_void_units_not(self):
        serials = self._serials(self.order)
        self.env["dms.code"]._void([self.order.first_key + 50])
        recall = self._recall(scope="range", first_code=serials[40], last_code=serials[60])
        recall.action_count()
        self.assertEqual(self._held(recall), {self.outlet: 8, self.distributor_south: 12})
        recall.write({"first_code": serials[60], "last_code": serials[40]})
        with self.assertRefused("printed first"):
            recall.action_count()
        recall.first_code = self._serials(self.order, "case")[0]
        with self.assertRefused("no code of an item"):
            recall.action_count()

    def test_loose_units_and_those_taken_out_of_cases(self):
        order = self._order_codes(30, 24)
        loose = self._serials(order, offset=24)
        picking = self._create_delivery(6, self.distributor_south)
        picking._dms_add_codes(loose)
        picking.button_validate()
        self.env["dms.code"]._take_out([order.first_key + 3])
        recall = self._recall(scope="range", first_code=self._serials(order)[0], last_code=loose[-1])
        recall.action_count()
        self.assertEqual(self._held(recall), {self.env["res.partner"]: 24, self.distributor_south: 6})

    def test_counts_are_those_of_the_codes_one_by_one(self):
        self.env["dms.code"]._take_out([self.order.first_key + 5, self.order.first_key + 47])
        one_by_one = {}
        for code in self.env["dms.code"].browse(range(self.order.first_key, self.order.first_key + 120)):
            key = code.state, code.holder_id.id or None, code.partner_id.id or None
            one_by_one[key] = one_by_one.get(key, 0) + 1
        names = {2: "active", 3: "assigned", 4: "shipped", 5: "received"}
        rows = self.env["dms.recall"]._get_counts([(self.order.first_key, self.order.first_key + 119)])
        self.assertEqual({(names[row[0]], *row[1:3]): row[3] for row in rows}, one_by_one)

    def test_letters_answers_and_closing(self):
        self.distributor_south.email = "south@example.com"
        recall = self._recall(remedy="destroy")
        with self._watch_letters() as letters:
            recall.action_start()
        self.assertEqual(set(letters), {self.distributor_north, self.distributor_south, self.outlet})
        line = self._line(recall, self.distributor_south, self.clerk_south)
        self.assertIn("Glass in a bottle.", line.sudo().message_ids[-1].body)
        self.assertIn("Please destroy them", line.sudo().message_ids[-1].body)
        with self.assertRefused("only 24 are recalled"):
            line._answer(20, 5, 0, 0)
        with self.assertRefused("fewer than zero"):
            line._answer(-1, 5, 0, 0)
        line._answer(0, 20, 2, 1, "One is lost")
        self.assertRecordValues(
            line.sudo(), [{"state": "answered", "settled_count": 22, "open_count": 2, "note": "One is lost"}]
        )
        self.assertEqual((recall.answered_count, recall.holder_count, recall.settled_count), (1, 3, 22))
        with self._watch_letters() as letters:
            recall.action_remind()
        self.assertEqual(set(letters), {self.distributor_north, self.outlet})
        with self.assertRefused("what is recalled stays"):
            recall.lot_ids = False
        with self.assertRefused("conclusion first"):
            recall.action_close()
        recall.conclusion = "The filling line was stopped."
        recall.action_close()
        report = recall.message_ids.attachment_ids.filtered(lambda one: one.name.startswith("RC"))
        self.assertTrue(report.raw.startswith(b"%PDF"))
        with self.assertRefused("not open for answers"):
            line._answer(24, 0, 0, 0)
        with self.assertRefused("is kept"):
            recall.unlink()

    @contextmanager
    def _watch_letters(self):
        """Collects the holders that letters are posted to meanwhile."""
        domain = [("model", "=", "dms.recall.line"), ("subject", "ilike", "recall")]
        before = self.env["mail.message"].sudo().search(domain)
        holders = []
        yield holders
        new = self.env["mail.message"].sudo().search(domain) - before
        holders += self.env["dms.recall.line"].browse(new.mapped("res_id")).partner_id

    def test_what_comes_back_leaves_the_holder(self):
        recall = self._recall()
        recall.action_start()
        self.env.cr.execute(
            "UPDATE dms_trace_code SET state = 2, partner_id = NULL, picking_id = NULL WHERE key = %s",
            [self.order.first_key + 120 + 2],
        )
        recall.action_count()
        line = self._line(recall, self.distributor_south, self.manager)
        self.assertEqual((line.unit_count, line.left_count), (24, 0))

    def test_each_sees_and_answers_its_own(self):
        recall = self._recall()
        recall.action_count()
        self.assertFalse(
            self.env["dms.recall.line"].with_user(self.clerk_north).search([]), "a draft is nobody's"
        )
        recall.action_start()
        for clerk, partners in (
            (self.clerk_north, self.distributor_north | self.outlet),
            (self.clerk_south, self.distributor_south),
            (self.clerk_outlet, self.outlet),
        ):
            self.assertEqual(self.env["dms.recall.line"].with_user(clerk).search([]).partner_id, partners)
        south = self._line(recall, self.distributor_south, self.clerk_north)
        with self.assertRaises(AccessError):
            south._answer(24, 0, 0, 0)
        self._line(recall, self.outlet, self.clerk_north)._answer(24, 0, 0, 0)
        self.assertEqual(self._line(recall, self.outlet, self.manager).settled_count, 24)
        with self.assertRefused("counting and answering"):
            self._line(recall, self.distributor_south, self.clerk_south).write({"returned_count": 24})
        with self.assertRefused("counting and answering"):
            self._line(recall, self.distributor_south, self.manager).write({"returned_count": 24})
        with self.assertRefused("own actions"):
            recall.state = "closed"
        with self.assertRaises(AccessError):
            recall.with_user(self.clerk_north).read(["name"])
        with self.assertRaises(AccessError):
            recall.with_user(self.storeman).write({"reason": "x"})

    def test_nothing_to_recall(self):
        empty = self.env["stock.lot"].create({"name": "B9", "product_id": self.product.id})
        with self.assertRefused("no codes of these goods"):
            self._recall(lot_ids=[Command.set(empty.ids)]).action_count()
        with self.assertRefused("Enter the batches"):
            self._recall(lot_ids=[]).action_start()
        with self.assertRefused("production period"):
            self._recall(scope="period").action_count()
        today = self.order.date_generated.date()
        recall = self._recall(scope="period", date_from=today, date_to=today)
        recall.action_count()
        self.assertEqual(recall.unit_count, 120)
        self.env["dms.code"]._void(range(self.order.first_key, self.order.first_key + 120))
        with self.assertRefused("No unit of Green Tea, batch B001 is found"):
            self._recall().action_start()

    def test_a_list_of_recalls_reads_their_holders_at_once(self):
        recalls = self._recall() | self._recall() | self._recall()
        recalls.action_count()
        counts = []
        for some in (recalls, recalls[:1], recalls):
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            some.mapped("progress")
            counts.append(self.cr.sql_log_count - before)
        self.assertEqual(counts[1], counts[2])
