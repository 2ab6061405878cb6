from odoo import Command, fields
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.test_transfer import TransferCommon


@tagged("post_install", "-at_install")
class TestTransferCredit(TransferCommon):
    """Whose rebate goods count for that were passed on: 16 teas are worth 14 × 9 + 2 × 8 = 142 at their sell-in prices."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company._dms_prepare_rebate_accounts()
        cls.north, cls.south = cls.distributor_north, cls.distributor_south

    @classmethod
    def _program(cls, **vals):
        program = cls.env["dms.rebate.program"].create(
            {
                "name": "Bonus",
                "code": "BON",
                "date_start": cls.today.replace(month=1, day=1),
                "tier_ids": [Command.create({"from_amount": 0, "rate": 10, **vals.pop("tier", {})})],
                **vals,
            }
        )
        program.action_publish()
        return program

    def _invoice_north(self, amount=1000):
        invoice = self.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.north.id,
                "invoice_date": self.today,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "product_id": self.product_tea.id,
                            "quantity": 100,
                            "price_unit": amount / 100,
                            "tax_ids": False,
                        }
                    )
                ],
            }
        )
        invoice.action_post()
        return invoice

    def _bases(self, program):
        balances = self.env["dms.rebate.balance"].search([("program_id", "=", program.id)])
        return {
            balance.partner_id: (balance.measure_amount, balance.earned_amount)
            for balance in balances
            if balance.measure_amount or balance.earned_amount
        }

    def _assert_sums(self):
        self.assertFalse(self.env["dms.rebate.balance"]._check_consistency())

    def test_invoiced_accrues_on_receipt(self):
        program = self._program()
        self.assertEqual(program.accrual_policy, "posting")
        self._invoice_north()
        transfer = self._shipped(16, credit_policy="taker")
        self.assertEqual(self._bases(program), {self.north: (1000, 100)})
        self._receive(transfer)
        self.assertEqual(self._bases(program), {self.north: (858, 85.8), self.south: (142, 14.2)})
        accruals = self.env["dms.rebate.accrual"].search([("transfer_id", "=", transfer.id)])
        self.assertEqual(accruals.mapped("document_name"), [transfer.name] * 2)
        self.assertEqual(sum(accruals.mapped("amount")), 0)
        self.assertEqual(set(accruals.entry_id.mapped("state")), {"posted"})
        self.assertFalse(self.env["dms.rebate.accrual"]._accrue_transfers(transfer), "nothing accrues twice")
        program.action_accrue()
        self._assert_sums()
        transfer.action_cancel()
        self.assertEqual(self._bases(program), {self.north: (1000, 100)})
        self._assert_sums()
        accruals = self.env["dms.rebate.accrual"].search([("transfer_id", "=", transfer.id)])
        self.assertEqual((len(accruals), sum(accruals.mapped("amount_company"))), (4, 0))

    def test_the_giver_keeps_it(self):
        program = self._program()
        periodic = self._program(code="PER", accrual_policy="periodic")
        self._invoice_north()
        self._receive(self._shipped(16, credit_policy="giver"))
        periodic._accrue_difference()
        for each in (program, periodic):
            self.assertEqual(self._bases(each), {self.north: (1000, 100)})
        self.assertFalse(self.env["dms.rebate.accrual"].search([("transfer_id", "!=", False)]))

    def test_invoiced_as_periodic_difference(self):
        program = self._program(accrual_policy="periodic")
        self._invoice_north()
        program._accrue_difference()
        transfer = self._shipped(16, credit_policy="taker")
        self._receive(transfer, 13)
        transfer.line_ids.write({"fate": "lost", "fate_reason": "Accident"})
        self.env["dms.rebate.engine"]._synchronise(self.company)
        self.assertEqual(self._bases(program), {self.north: (1000, 100)}, "not before it is decided")
        transfer.action_decide()
        self.env["dms.rebate.engine"]._synchronise(self.company)
        # the newest three are missing: 13 × 9 have arrived
        self.assertEqual(self._bases(program), {self.north: (883, 88.3), self.south: (117, 11.7)})
        program._accrue_difference()
        self._assert_sums()
        transfer.action_cancel()
        program._accrue_difference()
        self.assertEqual(self._bases(program), {self.north: (1000, 100)})
        self._assert_sums()

    def test_delivered_by_quantity_and_value(self):
        value = self._program(code="DV", measure="delivered")
        units = self._program(
            code="DQ",
            measure="delivered",
            basis="quantity",
            uom_id=self.uom_unit.id,
            tier={"rate": 0.5, "kind": "unit"},
        )
        transfer = self._shipped(16, credit_policy="taker")
        self._receive(transfer)
        (value | units)._accrue_difference()
        self.assertEqual(self._bases(value)[self.south], (142, 14.2))
        self.assertEqual(self._bases(value)[self.north][0], -142)
        self.assertEqual(self._bases(units)[self.south], (16, 8))
        self.assertEqual(self._bases(units)[self.north][0], -16)
        self._assert_sums()

    def test_ordered_and_paid(self):
        """Goods that were passed on count as what was ordered and what was paid, at once, but are sold on by the shop."""
        programs = {
            measure: self._program(code=measure, measure=measure, accrual_policy="periodic")
            for measure in ("ordered", "paid", "sell_out")
        }
        transfer = self._shipped(16, credit_policy="taker")
        self._receive(transfer)
        for measure in ("ordered", "paid"):
            programs[measure]._accrue_difference()
            bases = self._bases(programs[measure])
            self.assertEqual(bases[self.south], (142, 14.2), measure)
            self.assertEqual(bases[self.north][0], -142, measure)
        programs["sell_out"]._accrue_difference()
        self.assertFalse(self._bases(programs["sell_out"]))
        self._assert_sums()
        transfer.action_cancel()
        for program in programs.values():
            program._accrue_difference()
            self.assertFalse(self._bases(program))
        self._assert_sums()

    def test_paid_goods_that_are_passed_on(self):
        """Of an invoice that was paid, the part that was passed on is the taker's."""
        program = self._program(measure="paid", accrual_policy="periodic")
        invoice = self._invoice_north()
        self._receive(self._shipped(16, credit_policy="taker"))
        program._accrue_difference()
        self.assertEqual(self._bases(program)[self.north][0], -142, "nothing is paid yet")
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=invoice.ids
        ).create({"payment_date": self.today})._create_payments()
        program._accrue_difference()
        self.assertEqual(self._bases(program), {self.north: (858, 85.8), self.south: (142, 14.2)})
        self._assert_sums()

    def test_foreign_currency(self):
        """Goods that were sold in in one currency count in that of the programme, at the rate of the receipt."""
        euro = self.setup_other_currency("EUR", rates=[("2020-01-01", 4.0), (self.today, 2.0)])
        program = self._program(currency_id=euro.id, accrual_policy="periodic")
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_in",
                "partner_id": self.north.id,
                "product_id": self.product_chips.id,
                "date": fields.Date.subtract(self.today, days=40),
                "quantity": 10,
                "currency_id": euro.id,
                "price_unit": 30.0,  # 7.5 in the company's currency on that day
                "amount": 75.0,
            }
        )
        lines = [Command.create({"product_id": self.product_chips.id, "product_uom_qty": 4})]
        transfer = self._agreed(line_ids=lines, credit_policy="taker")
        transfer.with_user(self.clerk_north)._ship("N. North")
        layers = self.env["dms.channel.position"]._get_layers(self.south, self.product_chips, self.company)
        self.assertEqual(
            [(float(layer.quantity), float(layer.price)) for [layer] in layers.values()], [(4, 7.5)]
        )
        self._receive(transfer)
        program._accrue_difference()
        self.assertEqual(self._bases(program)[self.south], (60, 6), "4 at 7.5 are 30, or 60 euros today")
        self.assertEqual(self._bases(program)[self.north][0], -60)
        accrual = self.env["dms.rebate.accrual"].search([("partner_id", "=", self.south.id)])
        self.assertEqual((sum(accrual.mapped("amount")), sum(accrual.mapped("amount_company"))), (6, 3))
        self._assert_sums()

    def test_it_can_be_followed_to_the_transfer(self):
        program = self._program(accrual_policy="periodic")
        self._invoice_north()
        transfer = self._shipped(16, credit_policy="taker")
        self._receive(transfer)
        program._accrue_difference()
        for partner, sign in ((self.north, -1), (self.south, 1)):
            accrual = self.env["dms.rebate.accrual"].search([("partner_id", "=", partner.id)])
            rows = [row for row in accrual._get_source_rows() if row[0] == transfer.name]
            self.assertCountEqual(
                [(row[2], row[4]) for row in rows], [(sign * 14, sign * 126), (sign * 2, sign * 16)]
            )

    def test_scope_of_the_programme(self):
        program = self._program(
            partner_ids=[Command.link(self.south.id)], categ_ids=[Command.link(self.categ_drinks.id)]
        )
        other = self._program(code="OTH", categ_ids=[Command.link(self.categ_snacks.id)])
        self._receive(self._shipped(16, credit_policy="taker"))
        self.assertEqual(self._bases(program), {self.south: (142, 14.2)})
        self.assertFalse(self._bases(other))

    def test_freight_is_no_sale(self):
        program = self._program()
        transfer = self._agreed(16, delivery_cost=100)
        transfer.action_ship()
        self._receive(transfer)
        transfer.charge_ids.action_post()
        self.assertFalse(self._bases(program))

    def test_freight_is_taken_off_the_next_settlement(self):
        self._program()
        self._invoice_north()
        transfer = self._agreed(16, delivery_cost=100)
        transfer.action_ship()
        self._receive(transfer)
        transfer.charge_ids.invoice_line_ids.tax_ids = False
        transfer.charge_ids.action_post()
        settlement = self.env["dms.settlement"]._generate(
            self.today.replace(month=1, day=1), self.today, self.north
        )
        self.assertEqual(
            settlement.line_ids.filtered(lambda line: line.kind == "deduction").mapped("amount"), [-50.0]
        )
        self.assertEqual(settlement.amount_total, 50)
        settlement.action_send()
        settlement.line_ids._accept()
        if settlement.state == "to_approve":
            settlement.action_approve()
        settlement.action_post()
        charge = transfer.charge_ids.filtered(lambda move: move.partner_id == self.north)
        self.assertEqual(charge.amount_residual, 0)
