import threading
from contextlib import contextmanager

from odoo import SUPERUSER_ID, api
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.service.model import retrying
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, new_test_user

from odoo.addons.account.tests.common import AccountTestInvoicingCommon

# The smallest valid picture: one white pixel as PNG.
SIGNATURE = (
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
)


class DmsChannelCommon(AccountTestInvoicingCommon):
    """A brand company (chart of accounts) with two territories, two sibling distributors with active agreements and
    portal clerks, an outlet of the first, staff, and two storable products that are sold in cases of 12.

    ``territory_country`` holds ``territory_north`` (zip 1...) and ``territory_south`` (zip 2...).
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.country = cls.env.ref("base.be")
        cls.uom_case = cls.env["uom.uom"].create(
            {"name": "Case of 12", "relative_factor": 12, "relative_uom_id": cls.uom_unit.id}
        )
        cls.categ_drinks, cls.categ_snacks = cls.env["product.category"].create(
            [
                {
                    "name": name,
                    "property_account_income_categ_id": cls.company_data["default_account_revenue"].id,
                    "property_account_expense_categ_id": cls.company_data["default_account_expense"].id,
                }
                for name in ("Drinks", "Snacks")
            ]
        )
        goods = {
            "type": "consu",
            "is_storable": True,
            "uom_id": cls.uom_unit.id,
            "uom_ids": [Command.link(cls.uom_case.id)],
            "invoice_policy": "delivery",
            "taxes_id": [Command.clear()],
            "supplier_taxes_id": [Command.clear()],
        }
        cls.product_tea, cls.product_chips = cls.env["product.product"].create(
            [
                {
                    **goods,
                    "name": "Tea",
                    "default_code": "TEA",
                    "list_price": 10.0,
                    "categ_id": cls.categ_drinks.id,
                },
                {
                    **goods,
                    "name": "Chips",
                    "default_code": "CHIPS",
                    "list_price": 5.0,
                    "categ_id": cls.categ_snacks.id,
                },
            ]
        )
        cls.pricelist_gold = cls.env["product.pricelist"].create(
            {
                "name": "Gold",
                "company_id": cls.company.id,
                "item_ids": [
                    Command.create(
                        {"compute_price": "percentage", "percent_price": 10.0, "applied_on": "3_global"}
                    )
                ],
            }
        )
        cls.grade_gold = cls.env["res.partner.grade"].create(
            {"name": "Gold", "company_id": cls.company.id, "default_pricelist_id": cls.pricelist_gold.id}
        )
        cls.territory_country = cls.env["dms.territory"].create(
            {"name": "Country", "code": "T", "country_ids": [Command.link(cls.country.id)]}
        )
        cls.territory_north, cls.territory_south = cls.env["dms.territory"].create(
            [
                {"name": "North", "code": "TN", "parent_id": cls.territory_country.id, "zip_prefixes": "1"},
                {"name": "South", "code": "TS", "parent_id": cls.territory_country.id, "zip_prefixes": "2"},
            ]
        )
        cls.distributor_north = cls._create_distributor("North Trading", "D-NORTH", "1000")
        cls.distributor_south = cls._create_distributor("South Trading", "D-SOUTH", "2000")
        cls.outlet = cls.env["res.partner"].create(
            {
                "name": "Corner Shop",
                "ref": "O-1",
                "is_company": True,
                "channel_role": "outlet",
                "upstream_id": cls.distributor_north.id,
                "country_id": cls.country.id,
                "zip": "1010",
            }
        )
        cls.agreement_north = cls._create_agreement(cls.distributor_north, cls.territory_north)
        cls.agreement_south = cls._create_agreement(cls.distributor_south, cls.territory_south)
        cls.user_manager = cls._create_staff("dms_manager", "dms_channel.dms_channel_group_manager")
        cls.user_accountant = cls._create_staff("dms_accountant", "dms_channel.dms_channel_group_accountant")
        cls.user_channel = cls._create_staff("dms_user", "dms_channel.dms_channel_group_user")
        cls.clerk_north = cls._create_clerk("clerk_north", cls.distributor_north)
        cls.clerk_south = cls._create_clerk("clerk_south", cls.distributor_south)
        cls.clerk_outlet = cls._create_clerk("clerk_outlet", cls.outlet)

    @contextmanager
    def assertRefused(self, words, error=UserError):
        """The block raises ``error`` (a ValidationError or AccessError is a UserError) with ``words``, a regular
        expression, in its message; whatever it wrote before is undone."""
        with self.assertRaisesRegex(error, words), self.env.cr.savepoint():
            yield

    @classmethod
    def get_default_groups(cls):
        return (
            super().get_default_groups()
            | cls.quick_ref("dms_channel.dms_channel_group_manager")
            | cls.quick_ref("dms_channel.dms_channel_group_accountant")
            | cls.quick_ref("sales_team.group_sale_manager")
        )

    @classmethod
    def _create_staff(cls, login, group):
        return new_test_user(
            cls.env,
            login,
            groups=f"base.group_user,{group}",
            email=f"{login}@brand.example",
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )

    @classmethod
    def _create_clerk(cls, login, partner):
        """A portal user (password: the login) that is a contact of ``partner``."""
        clerk = new_test_user(
            cls.env,
            login,
            groups="base.group_portal",
            email=f"{login}@partner.example",
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )
        clerk.partner_id.write({"parent_id": partner.id, "type": "contact"})
        return clerk

    @classmethod
    def _create_distributor(cls, name, ref, zip_code, **values):
        return cls.env["res.partner"].create(
            {
                "name": name,
                "ref": ref,
                "is_company": True,
                "channel_role": "distributor",
                "country_id": cls.country.id,
                "zip": zip_code,
                "property_account_receivable_id": cls.company_data["default_account_receivable"].id,
                **values,
            }
        )

    @classmethod
    def _create_agreement(cls, distributor, territory, activate=True, **values):
        """An agreement over all products; from 2020 on, credit limit 1,000, unless ``values`` says otherwise."""
        agreement = cls.env["dms.agreement"].create(
            {
                "partner_id": distributor.id,
                "date_start": "2020-01-01",
                "credit_limit": 1000.0,
                "line_ids": [Command.create({"territory_id": territory.id})],
                **values,
            }
        )
        if activate:
            agreement.action_send()
            agreement._sign("A. Signatory", SIGNATURE)
            agreement.action_activate()
        return agreement

    @classmethod
    def _create_order(cls, partner, lines=None, **values):
        """A quotation; ``lines`` is a list of (product, quantity, unit price or None), by default 12 teas."""
        return cls.env["sale.order"].create(
            {
                "partner_id": partner.id,
                "order_line": [
                    Command.create(
                        {"product_id": product.id, "product_uom_qty": quantity}
                        | ({} if price is None else {"price_unit": price})
                    )
                    for product, quantity, price in lines or [(cls.product_tea, 12, None)]
                ],
                **values,
            }
        )

    @classmethod
    def _deliver(cls, order):
        """Ship everything that the order still waits for."""
        for picking in order.picking_ids.filtered(lambda p: p.state not in ("done", "cancel")):
            for move in picking.move_ids:
                move.write({"quantity": move.product_uom_qty, "picked": True})
            picking._action_done()
        return order.picking_ids

    @classmethod
    def _invoice(cls, order, **values):
        """Invoice what was delivered, and post it."""
        invoice = order._create_invoices()
        invoice.write(values)
        invoice.action_post()
        return invoice


class SessionsCase(TransactionCase):
    """Several sessions at once, on connections of their own, committed: each test cleans up after itself."""

    def _run(self, function):
        with db_connect(self.env.cr.dbname).cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            return retrying(lambda: function(env), env)

    def _race(self, *works):
        """Run functions of an environment in threads that all have begun before one of them goes on.

        :return: the errors they ended with
        """
        barrier, errors = threading.Barrier(len(works)), []

        def begin(env, work):
            env.cr.execute("SELECT 1")  # the snapshot is taken before another one commits
            # one that is tried again waits for nobody
            if not getattr(threading.current_thread(), "waited", False):
                threading.current_thread().waited = True
                barrier.wait(30)
            return work(env)

        def run(work):
            try:
                self._run(lambda env: begin(env, work))
            except Exception as error:  # judged in the main thread
                errors.append(error)

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        return errors
