import json
import threading

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from odoo import SUPERUSER_ID, api, fields
from odoo.fields import Command
from odoo.service.model import call_kw
from odoo.tests import Form, HttpCase, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon, SessionsCase
from odoo.addons.dms_channel.tools import guard

some_lines = st.lists(
    st.tuples(st.booleans(), st.integers(1, 130), st.sampled_from([1.0, 4.5, 9.99, 10.0])),
    min_size=1,
    max_size=3,
)
# Each example confirms several orders: few of them, and none to find a smaller one.
few = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@tagged("post_install", "-at_install")
class TestOrderRulePaths(DmsChannelCommon):
    """The outcome depends on the order alone: not on the path it came by, the one who confirms, or its lines' order."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rules = [
            ("Bounded", {"kind": "amount", "amount_min": 20.0, "amount_max": 700.0}),
            ("Lines", {"kind": "quantity", "scope": "product", "quantity_max": 120}),
            ("Cases", {"kind": "quantity_case", "outcome": "refuse", "categ_ids": cls.categ_snacks.ids}),
            ("Price", {"kind": "price", "price_percent": 20}),
            ("Usual", {"kind": "usual_size", "history_min": 2}),
            ("Cover", {"kind": "cover", "cover_days": 60, "unknown_policy": "stop"}),
            ("Trusted", {"kind": "amount", "amount_max": 60.0, "outcome": "approve", "sequence": 6}),
            ("Small", {"kind": "domain", "order_domain": "[('amount_total', '<', 40)]", "sequence": 7}),
        ]
        cls.env["dms.order.rule"].create([{"name": name, "sequence": 5, **vals} for name, vals in rules])
        for quantity in (10, 12, 14):
            cls._create_order(cls.distributor_north, [(cls.product_tea, quantity, 10.0)]).action_confirm()
        cls.salesman = cls._create_staff("rules_salesman", "sales_team.group_sale_salesman_all_leads")
        cls.salesman.write({"tz": "Pacific/Auckland", "lang": "en_US"})

    def _lines(self, lines):
        return [
            (self.product_tea if tea else self.product_chips, float(quantity), price)
            for tea, quantity, price in lines
        ]

    def _judge(self, make):
        """What the rules say of the order that ``make()`` confirms; nothing of it is kept."""
        savepoint = self.env.cr.savepoint()
        try:
            order = make()
            # One by one in the rules' sequence: outcome and figures, but for the names in the user's language.
            checks = order.sudo().dms_check_ids.mapped(
                lambda c: (c.rule_name, c.outcome, json.dumps(c.figures))
            )
            return order.sudo().dms_state, order.sudo().state, checks
        finally:
            savepoint.close(rollback=True)
            self.env.invalidate_all(flush=False)

    def _draft(self, lines):
        return self._create_order(self.distributor_north, lines)

    def _confirmed(self, order):
        order.action_confirm()
        return order

    @few
    @given(some_lines)
    def test_outcome_does_not_depend_on_the_path(self, lines):
        lines = self._lines(lines)

        def by_form():
            with Form(self.env["sale.order"]) as form:
                form.partner_id = self.distributor_north
                for product, quantity, price in lines:
                    with form.order_line.new() as line:
                        line.product_id = product
                        line.product_uom_qty = quantity
                        line.price_unit = price
            return self._confirmed(form.record)

        def by_import():
            head = [
                "partner_id/.id",
                "order_line/product_id/.id",
                "order_line/product_uom_qty",
                "order_line/price_unit",
            ]
            rows = [
                [
                    str(self.distributor_north.id) if not number else "",
                    str(product.id),
                    str(quantity),
                    str(price),
                ]
                for number, (product, quantity, price) in enumerate(lines)
            ]
            return self._confirmed(
                self.env["sale.order"].browse(self.env["sale.order"].load(head, rows)["ids"])
            )

        def by_api():
            order = self._draft(lines)
            call_kw(self.env["sale.order"].with_user(self.salesman), "action_confirm", [order.ids], {})
            return order

        def by_cron():
            order = self._draft(lines)
            root = api.Environment(self.env.cr, SUPERUSER_ID, {})
            root["ir.actions.server"].create(
                {
                    "name": "Confirm",
                    "model_id": root["ir.model"]._get_id("sale.order"),
                    "state": "code",
                    "code": f"env['sale.order'].browse({order.id}).action_confirm()",
                }
            ).run()
            return order

        def by_change():
            order = self._draft([(self.product_tea, 1.0, 1.0)])
            order.action_confirm()
            order.action_draft() if order.state != "draft" else None
            order.order_line.unlink()
            order.write({"order_line": self._draft(lines).copy_data()[0]["order_line"]})
            return self._confirmed(order)

        expected = self._judge(lambda: self._confirmed(self._draft(lines)))
        for path in (by_form, by_import, by_api, by_cron, by_change):
            self.assertEqual(self._judge(path), expected, path.__name__)
        self.assertEqual(self._judge(lambda: self._confirmed(self._draft(lines).copy())), expected, "copy")

    @few
    @given(some_lines, st.randoms())
    def test_outcome_does_not_depend_on_the_order_of_the_lines(self, lines, chance):
        shuffled = list(lines)
        chance.shuffle(shuffled)
        self.assertEqual(
            self._judge(lambda: self._confirmed(self._draft(self._lines(lines)))),
            self._judge(lambda: self._confirmed(self._draft(self._lines(shuffled)))),
        )

    def test_check_says_the_same_twice_and_a_dry_run_writes_nothing(self):
        order = self._draft([(self.product_tea, 24, 10.0)])
        Rule = self.env["dms.order.rule"].sudo()
        writes = self.env["dms.order.check"].search_count([])
        first = Rule._evaluate(order, dry=True)
        self.assertEqual(first, Rule._evaluate(order, dry=True))
        self.assertEqual(first[order], Rule._evaluate(order)[order])
        self.assertEqual(self.env["dms.order.check"].search_count([]), writes)
        self.assertFalse(order.dms_state)

    def test_dry_run_applies_the_rules_that_it_is_given_archived_ones_too(self):
        order = self._draft([(self.product_tea, 24, 10.0)])
        rule = self.env["dms.order.rule"].create(
            {"name": "Idea", "kind": "amount", "amount_max": 1.0, "active": False}
        )
        checks = rule._evaluate(order, rules=rule, dry=True)[order]
        self.assertEqual([vals["outcome"] for vals in checks], ["hold"])
        self.assertEqual(rule._conclude(checks), "held")


@tagged("post_install", "-at_install")
class TestOrderRuleApi(DmsChannelCommon, HttpCase):
    def test_order_through_the_web_api_is_judged_like_any_other(self):
        self.env["dms.order.rule"].create({"name": "Cap", "kind": "amount", "amount_max": 100.0})
        salesman = self._create_staff("rules_api", "sales_team.group_sale_salesman_all_leads")
        key = (
            self.env["res.users.apikeys"]
            .with_user(salesman)
            ._generate("rpc", "test", fields.Datetime.add(fields.Datetime.now(), days=1))
        )
        self.env.flush_all()

        def call(method, **arguments):
            response = self.url_open(
                f"/json/2/sale.order/{method}",
                data=json.dumps(arguments),
                headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            )
            return response.status_code, response.json()

        line = {"product_id": self.product_tea.id, "product_uom_qty": 24, "price_unit": 10.0}
        values = {"partner_id": self.distributor_north.id, "order_line": [[0, 0, line]]}
        status, ids = call("create", vals_list=[values])
        self.assertEqual(status, 200)
        self.assertEqual(call("action_confirm", ids=ids)[0], 200)
        order = self.env["sale.order"].browse(ids)
        self.assertRecordValues(order, [{"state": "draft", "dms_state": "held"}])
        for forged in ({"dms_state": "approved"}, {"state": "sale"}):
            self.assertEqual(call("write", ids=ids, vals=forged)[0], 422)
        self.env.invalidate_all()
        self.assertRecordValues(order, [{"state": "draft", "dms_state": "held"}])


@tagged("post_install", "-at_install")
class TestOrderRuleConcurrency(SessionsCase):
    def setUp(self):
        super().setUp()

        def prepare(env):
            country = env.ref("base.be")
            territory = env["dms.territory"].create(
                {"name": "Race", "code": "RACE", "country_ids": [Command.link(country.id)]}
            )
            partner = env["res.partner"].create(
                {"name": "Race", "ref": "R-RACE", "channel_role": "distributor", "is_company": True}
            )
            agreement = env["dms.agreement"].create(
                {
                    "partner_id": partner.id,
                    "date_start": "2020-01-01",
                    "credit_limit": 1000.0,
                    "line_ids": [Command.create({"territory_id": territory.id})],
                }
            )
            guard.mark(agreement).write({"state": "active", "activated_on": "2020-01-01 00:00:00"})
            product = env["product.product"].create(
                {"name": "Race", "type": "service", "list_price": 600.0, "taxes_id": [Command.clear()]}
            )
            orders = env["sale.order"].create(
                [{"partner_id": partner.id, "order_line": [Command.create({"product_id": product.id})]}] * 2
            )
            return partner.id, agreement.id, territory.id, product.id, orders.ids

        self.partner_id, self.agreement_id, self.territory_id, self.product_id, self.order_ids = self._run(
            prepare
        )
        self.addCleanup(self._run, self._clean)

    def _clean(self, env):
        orders = env["sale.order"].browse(self.order_ids)
        orders._action_cancel()
        orders.unlink()
        env.cr.execute("DELETE FROM dms_agreement WHERE id = %s", [self.agreement_id])
        env.cr.execute("DELETE FROM dms_territory WHERE id = %s", [self.territory_id])
        env["product.product"].browse(self.product_id).unlink()
        env["res.partner"].browse(self.partner_id).unlink()

    def test_two_orders_at_once_do_not_both_fit_under_one_limit(self):
        barrier = threading.Barrier(2)
        tries, errors = [], []

        def confirm(env, order_id):
            tries.append(order_id)
            order = env["sale.order"].browse(order_id)
            # Both look at the same state of affairs before either of them decides.
            self.assertEqual(order.state, "draft")
            if tries.count(order_id) == 1:
                barrier.wait(30)
            order.action_confirm()

        def work(order_id):
            try:
                self._run(lambda env: confirm(env, order_id))
            except Exception as error:  # reported in the main thread
                errors.append(error)

        threads = [threading.Thread(target=work, args=(order_id,)) for order_id in self.order_ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertFalse(errors)
        states = self._run(
            lambda env: sorted(
                env["sale.order"].browse(self.order_ids).mapped(lambda o: (o.state, o.dms_state))
            )
        )
        self.assertEqual(states, [("draft", "held"), ("sale", "approved")])
        self.assertEqual(len(tries), 3, "the later one was tried again on the new data")
