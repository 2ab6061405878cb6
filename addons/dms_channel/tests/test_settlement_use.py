from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged

from .rebate_common import RebateCommon


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestSettlementUse(RebateCommon):
    """Settlements that goods or future orders use up."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.order.rule"].search([]).action_archive()
        cls.liability = cls.company.dms_settlement_account_id
        (cls.cola | cls.apple | cls.soap).write({"type": "consu", "invoice_policy": "order"})
        cls.program = cls._program(tiers=((0, 10),))
        cls._invoice(cls.north, 1000)
        cls.settlement = cls.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-12-31")
        )

    def _post_as(self, payout, **vals):
        self.settlement.write({"payout": payout, **vals})
        self._post_settlements(self.settlement)
        self.env.flush_all()

    def _order(self, *lines, partner=None, **vals):
        return self.env["sale.order"].create(
            {
                "partner_id": (partner or self.north).id,
                "order_line": [
                    Command.create(
                        {
                            "product_id": product.id,
                            "product_uom_qty": quantity,
                            "price_unit": price,
                            "tax_ids": [Command.set(tax.ids)],
                        }
                    )
                    for product, quantity, price, tax in lines
                    or [(self.cola, 10, 20, self.env["account.tax"])]
                ],
                **vals,
            }
        )

    def _set_off_lines(self, order):
        return order.order_line.filtered("dms_settlement_use_id")

    def _waiting(self):
        return self._ledger(self.north, self.liability)

    def _assert_liability(self):
        """What waits in the ledger is what was settled less what invoices drew and what was written off."""
        drawn = sum(self.settlement.use_ids.mapped("invoiced_amount"))
        self.assertAlmostEqual(
            self._waiting(), self.settlement.amount_total - drawn - self.settlement.amount_written_off, 2
        )

    def test_posting_moves_the_accrual_to_the_liability(self):
        self._post_as("offset")
        self.assertEqual((self._ledger(self.north), self._waiting()), (0, 100))
        self.assertEqual(self.settlement.posting_id.move_type, "entry")
        self.assertRecordValues(
            self.settlement, [{"amount_left": 100, "amount_used": 0, "payout_state": "open"}]
        )
        self._assert_ties(self.north)

    def test_orders_use_it_up(self):
        self._post_as("offset", offset_share=0.3)
        order = self._order()
        self.assertEqual(order.dms_set_off_amount, 60, "the quotation says what will be set off")
        order.action_confirm()
        self.assertEqual((order.dms_set_off_amount, order.amount_total), (60, 140))
        self.assertRecordValues(self.settlement, [{"amount_left": 40, "payout_state": "partial"}])
        second = self._order()
        second.action_confirm()
        self.assertEqual(
            (second.amount_total, self.settlement.payout_state), (160, "done"), "no more than is left"
        )
        third = self._order()
        third.action_confirm()
        self.assertFalse(self._set_off_lines(third))
        self.assertEqual(self._waiting(), 100, "the liability stands until the invoice")
        invoice = order._create_invoices()
        invoice.action_post()
        self.assertEqual((invoice.amount_total, self._waiting()), (140, 40))
        second._create_invoices().action_post()
        self.assertEqual(self._waiting(), 0)
        self.assertTrue(self.settlement._get_rest_item().reconciled)
        self._assert_liability()

    def test_a_set_off_earns_no_rebate_and_takes_none(self):
        """It pays for goods; the goods earn what they would have earned without it."""
        self._post_as("offset", offset_share=0.3)
        order = self._order()
        order.action_confirm()
        order._create_invoices().action_post()
        [accrual] = self.env["dms.rebate.accrual"].search([("settlement_id", "=", False)])
        self.assertEqual((accrual.base_amount, accrual.amount), (200, 20))
        ordered = self._program(code="ORD", tiers=((0, 10),), measure="ordered", date_start="2026-03-01")
        balance = self.env["dms.rebate.balance"].search([("program_id", "=", ordered.id)])
        self.assertEqual(balance.measure_amount, 200)

    def test_taxes_of_the_goods(self):
        low = self.tax_sale_a.copy({"name": "5 %", "amount": 5})
        self._post_as("offset", offset_share=0.5)
        order = self._order((self.cola, 1, 66.67, self.tax_sale_a), (self.soap, 1, 33.33, low))
        order.action_confirm()
        self.assertEqual(
            sorted((line.tax_ids.name, line.price_subtotal) for line in self._set_off_lines(order)),
            sorted([(self.tax_sale_a.name, -33.34), ("5 %", -16.66)]),
        )
        self.assertEqual(order.amount_untaxed, 50)
        invoice = order._create_invoices()
        invoice.action_post()
        self.assertEqual(invoice.amount_total, order.amount_total)
        self.assertEqual(self._waiting(), 50)

    def test_parts_are_invoiced_with_their_part_of_the_set_off(self):
        self.cola.invoice_policy = "delivery"
        self._post_as("offset", offset_share=0.333)
        order = self._order((self.cola, 3, 100, self.env["account.tax"]))
        order.action_confirm()
        self.assertEqual(order.dms_set_off_amount, 99.9)
        goods = order.order_line.filtered(lambda line: line.product_id == self.cola)
        self.assertEqual(self._set_off_lines(order).qty_to_invoice, 0, "nothing is delivered yet")
        totals = []
        for delivered in (1, 2, 3):
            goods.qty_delivered = delivered
            invoice = order._create_invoices()
            invoice.action_post()
            totals.append(invoice.amount_total)
            self._assert_liability()
        self.assertEqual(totals, [66.7, 66.7, 66.7])
        self.assertAlmostEqual(self._waiting(), 0.1)

    def test_a_cancelled_order_gives_it_back(self):
        self._post_as("offset", offset_share=0.5)
        order = self._order()
        order.action_confirm()
        self.assertEqual(self.settlement.amount_left, 0)
        order._action_cancel()
        self.assertEqual((self.settlement.amount_left, order.dms_settlement_use_ids.exists().ids), (100, []))
        self.assertFalse(self._set_off_lines(order))
        order.action_draft()
        order.action_confirm()
        self.assertEqual((self.settlement.amount_left, order.amount_total), (0, 100))

    def test_what_is_invoiced_stays_used(self):
        self.cola.invoice_policy = "delivery"
        self._post_as("offset", offset_share=0.5)
        order = self._order()
        order.action_confirm()
        order.order_line.filtered(lambda line: line.product_id == self.cola).qty_delivered = 4
        invoice = order._create_invoices()
        invoice.action_post()
        order._action_cancel()
        self.assertEqual((self.settlement.amount_used, self.settlement.amount_left), (40, 60))
        self._assert_liability()
        with self.assertRaisesRegex(UserError, "is used by"):
            self.settlement.action_cancel()
        invoice._reverse_moves([{"invoice_date": fields.Date.to_date("2026-03-15")}], cancel=True)
        self.assertEqual(self._waiting(), 100)
        self._assert_liability()
        order.dms_settlement_use_ids.sudo()._release()
        self.assertEqual(self.settlement.amount_left, 100)
        self.settlement.action_cancel()
        self.assertEqual((self._waiting(), self._ledger(self.north)), (0, 100))
        self._assert_ties(self.north)

    def test_fewer_goods_take_less(self):
        self._post_as("offset", offset_share=0.5)
        order = self._order()
        order.action_confirm()
        goods = order.order_line.filtered(lambda line: line.product_id == self.cola)
        order.order_line = [Command.update(goods.id, {"product_uom_qty": 4})]
        self.assertEqual((order.dms_set_off_amount, order.amount_total), (40, 40))
        self.assertEqual(self.settlement.amount_left, 60)

    def test_nobody_changes_it_by_hand(self):
        self._post_as("offset")
        order = self._order()
        order.action_confirm()
        line = self._set_off_lines(order)
        for change in ({"price_unit": -2}, {"product_uom_qty": 500}, {"dms_settlement_use_id": False}):
            with self.assertRaisesRegex(UserError, "can't be changed by hand"):
                line.write(change)
        self.assertFalse(order.copy().order_line.filtered(lambda line: line.price_unit < 0))
        with self.assertRaises(AccessError):
            line.dms_settlement_use_id.with_user(self.accountant).amount = 1

    def test_another_distributor_company_or_currency_uses_nothing(self):
        self._post_as("offset")
        order = self._order(partner=self.south)
        order.action_confirm()
        self.assertFalse(self._set_off_lines(order))
        euro = self.setup_other_currency("EUR")
        pricelist = self.env["product.pricelist"].create({"name": "EUR", "currency_id": euro.id})
        order = self._order(pricelist_id=pricelist.id)
        order.action_confirm()
        self.assertFalse(self._set_off_lines(order))

    def test_goods_order(self):
        self._post_as("goods")
        plain = self._order()
        plain.action_confirm()
        self.assertFalse(self._set_off_lines(plain), "goods are chosen by an order of their own")
        order = self.env["sale.order"].browse(self.settlement.action_order_goods()["res_id"])
        self.assertEqual(self.settlement.action_order_goods()["res_id"], order.id, "one at a time")
        order.order_line = [
            Command.create(
                {"product_id": self.cola.id, "product_uom_qty": 4, "price_unit": 20, "tax_ids": False}
            )
        ]
        order.action_confirm()
        self.assertEqual((order.amount_total, self.settlement.amount_left), (0, 20))
        invoice = order._create_invoices()
        invoice.action_post()
        self.assertEqual((invoice.amount_total, self._waiting()), (0, 20))
        revenue = invoice.line_ids.filtered(lambda item: item.product_id == self.cola)
        self.assertEqual(revenue.balance, -80, "the goods are revenue, paid for by the liability")
        rest = self.env["sale.order"].browse(self.settlement.action_order_goods()["res_id"])
        rest.order_line = [
            Command.create(
                {"product_id": self.soap.id, "product_uom_qty": 1, "price_unit": 50, "tax_ids": False}
            )
        ]
        rest.action_confirm()
        self.assertEqual((rest.amount_total, self.settlement.payout_state), (30, "done"))
        with self.assertRaisesRegex(UserError, "Nothing of settlement"):
            self.settlement.action_order_goods()

    def test_a_promotion_and_a_set_off_leave_each_other_alone(self):
        """The promotion counts on the goods; the set-off's share on what they cost after it."""
        self.env["loyalty.program"].search([]).action_archive()
        self.env["loyalty.program"].create(
            {
                "name": "Ten off",
                "program_type": "promotion",
                "trigger": "auto",
                "applies_on": "current",
                "rule_ids": [Command.clear(), Command.create({"minimum_amount": 150})],
                "reward_ids": [
                    Command.clear(),
                    Command.create(
                        {"reward_type": "discount", "discount": 10, "discount_applicability": "order"}
                    ),
                ],
            }
        )
        self._post_as("offset", offset_share=0.5)
        order = self._order()
        order._update_programs_and_rewards()
        for coupon, rewards in order._get_claimable_rewards().items():
            order._apply_program_reward(rewards, coupon)
        self.assertEqual((order.amount_total, order.dms_set_off_amount), (180, 90))
        order.action_confirm()
        self.assertEqual((order.dms_set_off_amount, order.amount_total), (90, 90))
        self.assertEqual(order.order_line.filtered("is_reward_line").price_subtotal, -20)

    def test_write_off_of_the_remainder(self):
        self._post_as("offset", offset_share=0.3)
        order = self._order()
        order.action_confirm()
        order._create_invoices().action_post()
        wizard = (
            self.env["dms.settlement.write.off"]
            .with_user(self.accountant)
            .create({"settlement_id": self.settlement.id, "reason": "Expired"})
        )
        self.assertEqual(wizard.amount, 40)
        wizard.action_write_off()
        self.assertRecordValues(
            self.settlement, [{"amount_left": 0, "amount_written_off": 40, "payout_state": "done"}]
        )
        self.assertEqual(self._waiting(), 0)
        # 100 and 20 have accrued, on the first invoice and on this order's.
        self.assertEqual(-self._ledger(self.north, self.expense_account), 80)
        self.assertTrue(self.settlement._get_rest_item().reconciled)
        with self.assertRaisesRegex(UserError, "left to write off"):
            self.settlement._write_off("Again")

    def test_advances_are_set_off_by_an_entry_too(self):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "outbound",
                "partner_type": "customer",
                "partner_id": self.north.id,
                "amount": 30,
                "journal_id": self.company_data["default_journal_bank"].id,
                "dms_advance": True,
            }
        )
        payment.action_post()
        self.settlement.payout = "offset"
        self.settlement.action_compute()
        self._post_settlements(self.settlement)
        self.assertEqual((self.settlement.amount_left, self._waiting()), (70, 70))
        self.assertTrue(self.settlement.line_ids.item_id.reconciled)
