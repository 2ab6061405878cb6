from itertools import count

from odoo import Command, fields
from odoo.tests import new_test_user

from odoo.addons.account.tests.common import AccountTestInvoicingCommon


class RebateCommon(AccountTestInvoicingCommon):
    """A company with rebate accounts, two distributors, three products and the people who handle money."""

    _keys = count()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env.company
        cls.company._dms_prepare_rebate_accounts()
        cls.accrual_account = cls.company.dms_rebate_accrual_account_id
        cls.expense_account = cls.company.dms_rebate_expense_account_id
        cls.drinks = cls.env["product.category"].create({"name": "Drinks"})
        cls.juice = cls.env["product.category"].create({"name": "Juice", "parent_id": cls.drinks.id})
        cls.cola, cls.apple, cls.soap = (
            cls._create_product(name=name, lst_price=10, taxes_id=cls.env["account.tax"], categ_id=categ.id)
            for name, categ in (
                ("Cola", cls.drinks),
                ("Apple juice", cls.juice),
                ("Soap", cls.product_category),
            )
        )
        cls.north, cls.south = cls.env["res.partner"].create(
            [
                {"name": name, "ref": name[0], "is_company": True, "channel_role": "distributor"}
                for name in ("North Trading", "South Trading")
            ]
        )
        cls.clerk_north, cls.clerk_south = (
            new_test_user(
                cls.env,
                f"clerk_{partner.ref}",
                "base.group_portal",
                name=f"Clerk {partner.ref}",
                company_id=cls.company.id,
                partner_id=cls.env["res.partner"]
                .create({"name": f"Clerk {partner.ref}", "parent_id": partner.id})
                .id,
            )
            for partner in (cls.north, cls.south)
        )
        cls.accountant, cls.manager, cls.staff = (
            new_test_user(
                cls.env,
                name,
                f"base.group_user,dms_channel.dms_channel_group_{name}",
                company_id=cls.company.id,
            )
            for name in ("accountant", "manager", "user")
        )

    @classmethod
    def get_default_groups(cls):
        return super().get_default_groups() | cls.quick_ref("dms_channel.dms_channel_group_manager")

    @classmethod
    def _program(cls, tiers=((0, 10), (100, 20), (300, 30)), publish=True, **vals):
        """Create a programme; ``tiers`` are pairs (from, rate)."""
        kind = "percent" if vals.get("basis", "amount") == "amount" else "unit"
        program = cls.env["dms.rebate.program"].create(
            {
                "name": "Volume bonus",
                "code": "VOL",
                "date_start": "2026-01-01",
                "tier_ids": [
                    Command.create({"from_amount": low, "rate": rate, "kind": kind}) for low, rate in tiers
                ],
                **vals,
            }
        )
        if publish:
            program.action_publish()
        return program

    @classmethod
    def _invoice(
        cls, partner, amount, product=None, date="2026-02-10", move_type="out_invoice", post=True, **vals
    ):
        """Create an invoice of one line at ``amount``, or of several when ``amount`` is a list of pairs (product, price)."""
        lines = amount if isinstance(amount, list) else [(product or cls.cola, amount)]
        move = cls.env["account.move"].create(
            {
                "move_type": move_type,
                "partner_id": partner.id,
                "invoice_date": fields.Date.to_date(date),
                "invoice_line_ids": [
                    Command.create(
                        {
                            "product_id": item.id,
                            "quantity": 1,
                            "price_unit": price,
                            "tax_ids": [Command.clear()],
                        }
                    )
                    for item, price in lines
                ],
                **vals,
            }
        )
        if post:
            move.action_post()
        return move

    @classmethod
    def _settle(cls, partner=None, until="2026-12-31", since="2026-01-01"):
        """Generate, send, accept and post; return the settlements."""
        settlements = cls.env["dms.settlement"]._generate(
            fields.Date.to_date(since), fields.Date.to_date(until), partners=partner
        )
        cls._post_settlements(settlements)
        return settlements

    @classmethod
    def _post_settlements(cls, settlements):
        settlements.action_send()
        settlements.action_accept()
        settlements.action_post()

    @classmethod
    def _give_points(cls, partner, points):
        cls.env["dms.credit.entry"]._post_event("manual", partner, f"test-{next(cls._keys)}", points=points)

    def _ledger(self, partner, account=None, field="amount_currency"):
        """Return the balance of the accrual account for a partner; what is owed counts above zero."""
        [(balance,)] = self.env["account.move.line"]._read_group(
            [
                ("account_id", "=", (account or self.accrual_account).id),
                ("partner_id", "=", partner.id),
                ("parent_state", "=", "posted"),
            ],
            [],
            [f"{field}:sum"],
        )
        return -(balance or 0.0)

    def _assert_ties(self, partner):
        """Accrual minus reversal minus settlement is what the account holds, and standings are the sum of accruals."""
        accruals = self.env["dms.rebate.accrual"].search([("partner_id", "=", partner.id)])
        settled = self.env["dms.settlement.line"].search(
            [("partner_id", "=", partner.id), ("settlement_id.state", "=", "posted")]
        )
        self.assertAlmostEqual(
            sum(accruals.mapped("amount")) - sum(settled.mapped("computed_amount")), self._ledger(partner), 6
        )
        self.assertFalse(self.env["dms.rebate.balance"]._check_consistency())
