import base64
import io
from contextlib import contextmanager
from unittest.mock import patch

from openpyxl import load_workbook

from odoo import http
from odoo.fields import Command, Date
from odoo.sql_db import Cursor
from odoo.tests import tagged

from .common import SIGNATURE, DmsPortalCommon

LISTS = (
    "catalogue",
    "orders",
    "deliveries",
    "feeds",
    "stock",
    "proposals",
    "settlements",
    "statements",
    "rebates",
    "agreements",
    "points",
    "cases",
)


@tagged("post_install", "-at_install")
class TestRoutes(DmsPortalCommon):
    """Who sees and does what on each route: the own clerk, a sibling's, another company's, an outlet, the public."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._create_everything()
        cls.details = {
            f"/my/orders/{cls.order.id}": cls.order,
            f"/my/deliveries/{cls.picking.id}": cls.picking,
            f"/my/feeds/{cls.feed.id}": cls.feed,
            f"/my/settlements/{cls.settlement.id}": cls.settlement,
            f"/my/statements/{cls.statement.id}": cls.statement,
            f"/my/proposals/{cls.proposal.id}": cls.proposal,
            f"/my/agreements/{cls.agreement_sent.id}": cls.agreement_sent,
            f"/my/cases/{cls.case.id}": cls.case,
            f"/my/stock/{cls.product_tea.id}": cls.product_tea,
        }

    def _login(self, user):
        self.authenticate(user.login if user else None, user.login if user else None)

    def _get(self, url):
        return self.url_open(url, allow_redirects=False)

    def _post(self, url, **data):
        return self.url_open(
            url, data={"csrf_token": http.Request.csrf_token(self), **data}, allow_redirects=False
        )

    @contextmanager
    def _count_queries(self):
        count = [0]
        execute = Cursor.execute

        def counted(cursor, *args, **kwargs):
            count[0] += 1
            return execute(cursor, *args, **kwargs)

        with patch.object(Cursor, "execute", counted):
            yield count

    def test_own_pages(self):
        self._login(self.clerk_north)
        for url, record in self.details.items():
            with self.subTest(url=url):
                response = self._get(url)
                self.assertEqual(response.status_code, 200)
                self.assertIn(record.name, response.text)
        for name in LISTS:
            with self.subTest(name=name):
                self.assertEqual(self._get(f"/my/{name}").status_code, 200)
        self.assertEqual(self._get(f"/dms/settlement/{self.settlement.id}/pdf").content[:4], b"%PDF")
        self.assertIn("Point for the northern one", self._get("/my/points").text)

    def test_foreign_pages(self):
        for user in (self.clerk_south, self.clerk_other, self.clerk_outlet):
            self._login(user)
            for url in self.details:
                with self.subTest(user=user.login, url=url):
                    self.assertEqual(self._get(url).status_code, 303)
                    self.assertEqual(self._get(f"{url}?access_token=wrong").status_code, 303)
            for name in LISTS:
                text = self.url_open(f"/my/{name}").text
                with self.subTest(user=user.login, name=name):
                    self.assertNotIn(self.distributor_north.name, text if user != self.clerk_outlet else "")
                    for record in self.details.values():
                        if record != self.product_tea:
                            self.assertNotIn(f">{record.name}<", text)

    def test_public(self):
        self._login(None)
        for url in [*self.details, *(f"/my/{name}" for name in LISTS)]:
            with self.subTest(url=url):
                self.assertEqual(self._get(url).status_code, 303)
                self.assertEqual(self._get(f"{url}?access_token=wrong").status_code, 303)

    def test_tokens(self):
        """Whoever holds a document's link may read it; it opens nothing else."""
        self._login(None)
        for url, record in self.details.items():
            if "access_token" not in record._fields and record._name != "stock.picking":
                continue
            token = (record.sale_id if record._name == "stock.picking" else record)._portal_ensure_token()
            self.env.flush_all()
            with self.subTest(url=url):
                response = self._get(f"{url}?access_token={token}")
                self.assertEqual(response.status_code, 200)
                self.assertIn(record.name, response.text)

    def test_foreign_actions_change_nothing(self):
        cart = self.env["sale.order"].sudo()._dms_get_cart(self.distributor_north, self.company, create=True)
        cart._dms_set_quantity(self.product_tea, 1)
        line = self.feed.line_ids.filtered(lambda line: line.issue == "quantity_unreadable")
        for user in (self.clerk_south, self.clerk_other, self.clerk_outlet):
            self._login(user)
            self._post(f"/my/cart/{cart.id}/send")
            self._post(f"/my/feeds/{self.feed.id}/release")
            self._post(f"/my/feeds/{self.feed.id}/reject")
            self._post(f"/my/feeds/{self.feed.id}/map", code_0="GT-500", target_0="TEA")
            self._post(f"/my/statements/{self.statement.id}/answer", answer="confirmed", name="X")
            self._post(f"/my/proposals/{self.proposal.id}/accept")
            self._post(f"/my/proposals/{self.proposal.id}/decline", reason="no")
            self._post(f"/my/cases/{self.case.id}/answer", text="It was not us")
            for url, params in (
                (
                    "/my/catalogue/quantity",
                    {"product_id": self.product_tea.id, "quantity": 9, "order_id": cart.id},
                ),
                (f"/my/deliveries/{self.picking.id}/sign", {"name": "X", "signature": SIGNATURE.decode()}),
                (
                    f"/my/agreements/{self.agreement_sent.id}/sign",
                    {"name": "X", "signature": SIGNATURE.decode()},
                ),
                (f"/my/feeds/{self.feed.id}/lines/{line.id}", {"texts": {"quantity_text": "3"}}),
            ):
                with self.subTest(user=user.login, url=url):
                    self.assertTrue(self.make_jsonrpc_request(url, params)["error"])
        self.env.invalidate_all()
        self.assertEqual(cart.state, "draft")
        self.assertEqual(cart._get_dms_lines().product_uom_qty, 1)
        self.assertEqual((self.feed.released_count, self.feed.error_count, self.feed.state), (0, 2, "error"))
        self.assertEqual((self.proposal.state, self.case.answer), ("proposed", False))
        self.assertEqual((self.statement.state, self.statement.answer), ("sent", "open"))
        self.assertEqual((self.picking.dms_receipt_state, self.agreement_sent.state), ("in_transit", "sent"))

    def test_strange_input(self):
        """Parameters that nobody offers answer a page or a sentence, never a crash."""
        self._login(self.clerk_north)
        for name in LISTS:
            if name == "orders":
                continue
            response = self._get(f"/my/{name}?sortby=nonsense&filterby=nonsense&search=%25'&categ=abc")
            with self.subTest(name=name):
                self.assertEqual(response.status_code, 200)
        for quantity in ("abc", "-1", "1e99", None, "nan"):
            answer = self.make_jsonrpc_request(
                "/my/catalogue/quantity", {"product_id": self.product_tea.id, "quantity": quantity}
            )
            with self.subTest(quantity=quantity):
                self.assertTrue(answer.get("error") or answer["count"] == 0)
        self.assertIn(
            "Choose the file",
            self.url_open("/my/feeds/upload", data={"csrf_token": http.Request.csrf_token(self)}).text,
        )
        answer = self.make_jsonrpc_request(
            f"/my/deliveries/{self.picking.id}/sign", {"name": "X", "signature": "no picture"}
        )
        self.assertTrue(answer["error"])

    def test_catalogue_is_the_agreement_at_own_prices(self):
        self.distributor_north.grade_id = self.grade_gold
        self.distributor_north.property_product_pricelist = self.pricelist_gold
        self._login(self.clerk_north)
        text = self._get("/my/catalogue").text
        self.assertIn("Tea", text)
        self.assertIn("9.00", text)
        self.assertIn("108.00", text, "a case of 12 at the own price")
        self.assertIn("1200 Units", text.replace("</span>", "").replace("1,200", "1200"))
        self._login(self.clerk_outlet)
        text = self._get("/my/catalogue").text
        self.assertIn("Tea", text)
        self.assertNotIn("9.00", text)
        self.assertNotIn("10.00", text)

    def test_catalogue_offers_only_what_the_agreement_covers(self):
        self.agreement_south.action_terminate()
        self._create_agreement(
            self.distributor_south,
            self.territory_south,
            date_start=Date.today(),
            line_ids=[
                Command.create(
                    {
                        "territory_id": self.territory_south.id,
                        "categ_ids": [Command.set(self.categ_drinks.ids)],
                    }
                )
            ],
        )
        self._login(self.clerk_south)
        text = self._get("/my/catalogue").text
        self.assertIn("Tea", text)
        self.assertNotIn("Chips", text)
        request = {"product_id": self.product_chips.id, "quantity": 2}
        for product_id in (self.product_chips.id, str(self.product_chips.id), "x", -1, None):
            answer = self.make_jsonrpc_request(
                "/my/catalogue/quantity", {**request, "product_id": product_id}
            )
            with self.subTest(product_id=product_id):
                self.assertIn("Your agreement does not cover this product", answer["error"])
        # A line that came into the cart on another path, or before the agreement changed, is held when it is sent.
        cart = self.env["sale.order"].sudo()._dms_get_cart(self.distributor_south, self.company, create=True)
        cart._dms_set_quantity(self.product_chips, 1)
        self._post(f"/my/cart/{cart.id}/send")
        self.assertEqual((cart.state, cart.dms_state), ("draft", "held"))
        self.assertIn("does not cover [CHIPS] Chips", self._get(f"/my/orders/{cart.id}").text)

    def test_order_approved_held_refused(self):
        self._login(self.clerk_north)
        quantity = {"product_id": self.product_tea.id, "quantity": 2}
        self.assertIn("Review order", self.make_jsonrpc_request("/my/catalogue/quantity", quantity)["html"])
        cart = self.env["sale.order"].sudo()._dms_get_cart(self.distributor_north, self.company)
        self.assertRecordValues(
            cart.order_line, [{"product_uom_id": self.uom_case.id, "product_uom_qty": 2.0}]
        )
        self.assertIn(
            f"/my/orders/{cart.id}",
            self._post(f"/my/cart/{cart.id}/send", client_order_ref="PO 7").headers["Location"],
        )
        self.assertEqual((cart.state, cart.dms_state, cart.client_order_ref), ("sale", "approved", "PO 7"))
        self.assertIn("Approved.", self._get(f"/my/orders/{cart.id}?dms_sent=1").text)

        self.make_jsonrpc_request("/my/catalogue/quantity", {**quantity, "quantity": 50})
        second = self.env["sale.order"].sudo()._dms_get_cart(self.distributor_north, self.company)
        self.assertNotEqual(second, cart)
        self._post(f"/my/cart/{second.id}/send")
        self.assertEqual((second.state, second.dms_state), ("draft", "held"))
        text = self._get(f"/my/orders/{second.id}").text
        self.assertIn("Held.", text)
        self.assertIn("over the limit", text)
        self.assertIn("Take back", text)
        self.assertIn(second.name, self._get("/my/orders?filterby=held").text)
        # Entered by our staff, it would ask for a signature; held, it has nothing to sign yet.
        second.write({"dms_cart": False, "require_signature": True})
        self.assertNotIn("Accept", self._get(f"/my/orders/{second.id}").text)
        second.dms_cart = True
        self.assertTrue(
            self.make_jsonrpc_request("/my/catalogue/quantity", {**quantity, "order_id": second.id})["error"]
        )

        self._post(f"/my/cart/{second.id}/take_back")
        self.assertFalse(second.dms_state)
        self.make_jsonrpc_request(
            "/my/catalogue/quantity", {**quantity, "order_id": second.id, "view": "cart"}
        )
        self._post(f"/my/cart/{second.id}/send")
        self.assertEqual(second.state, "sale")

    def test_order_now_what_passes(self):
        self._login(self.clerk_north)
        quantity = {"product_id": self.product_tea.id, "quantity": 20}
        self.make_jsonrpc_request("/my/catalogue/quantity", quantity)
        order = self.env["sale.order"].sudo()._dms_get_cart(self.distributor_north, self.company)
        self._post(f"/my/cart/{order.id}/send")
        self.assertEqual(order.dms_state, "held")
        self.assertIn("What you can do", self._get(f"/my/orders/{order.id}").text)
        self._login(self.clerk_south)
        self._post(f"/my/cart/{order.id}/split")
        self.assertEqual(order.state, "draft", "a sibling's order is out of reach")
        self._login(self.clerk_north)
        self._post(f"/my/cart/{order.id}/split")
        rest = order.dms_split_ids
        self.assertEqual((order.state, rest.state, rest.dms_state), ("sale", "draft", "held"))
        self.assertEqual(sum((order | rest).order_line.mapped("product_uom_qty")), 20)
        self.assertTrue(rest.dms_cart)
        self.assertIn(rest.name, self._get(f"/my/orders/{order.id}").text)
        self._post(f"/my/cart/{rest.id}/split")
        self.assertIn("No part of this order", self._get(f"/my/orders/{rest.id}?dms_split_error=1").text)
        rest.with_user(self.user_manager)._dms_refuse("Sell what you have first")
        self.assertIn("Sell what you have first", self._get(f"/my/orders/{rest.id}").text)

    def test_upload_mend_map_release(self):
        self._login(self.clerk_south)
        content = f"product_code,date,quantity\nTEA,{Date.today()},4\nTEA2,{Date.today()},x\n".encode()
        self.url_open(
            "/my/feeds/upload",
            data={"csrf_token": http.Request.csrf_token(self), "kind": "sell_through"},
            files={"file": ("week.csv", content, "text/csv")},
        )
        feed = self.env["dms.feed"].sudo().search([("partner_id", "=", self.distributor_south.id)])
        self.assertEqual((feed.filename, feed.ok_count, feed.error_count), ("week.csv", 1, 1))
        self.assertIn("sent this very file before", self.url_open(
            "/my/feeds/upload",
            data={"csrf_token": http.Request.csrf_token(self), "kind": "sell_through"},
            files={"file": ("again.csv", content, "text/csv")},
        ).text)  # fmt: skip
        self.assertIn(
            "Not found: nonsense",
            self._post(f"/my/feeds/{feed.id}/map", code_0="TEA2", target_0="nonsense").text,
        )
        self._post(f"/my/feeds/{feed.id}/map", code_0="TEA2", target_0="TEA · Tea")
        line = feed.line_ids.filtered(lambda line: line.state == "error")
        self.assertEqual((line.product_id, line.issues), (self.product_tea, "quantity_unreadable"))
        answer = self.make_jsonrpc_request(
            f"/my/feeds/{feed.id}/lines/{line.id}", {"texts": {"quantity_text": "3", "state": "released"}}
        )
        self.assertTrue(answer["ok"])
        self.assertEqual(line.state, "ok")
        self._post(f"/my/feeds/{feed.id}/release")
        self.assertEqual(feed.released_count, 2)
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_south.id)])
        self.assertEqual(position.quantity, -7)
        response = self.url_open(
            "/my/feeds/upload",
            data={"csrf_token": http.Request.csrf_token(self)},
            files={"file": ("x.pdf", b"%PDF-1.4 nothing", "application/pdf")},
        )
        self.assertIn("alert-danger", response.text)

    def test_typed_in(self):
        """A report without a file; what is wrong with a quantity is said on its line, as in a file."""
        self._login(self.clerk_north)
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_in",
                "partner_id": self.distributor_north.id,
                "product_id": self.product_chips.id,
                "date": Date.today(),
                "quantity": 40,
            }
        )
        page = self._get("/my/feeds/form").text
        self.assertIn(f'name="quantity_{self.product_chips.id}"', page)
        self.assertIn(self.outlet.name, page)
        self.assertNotIn(self.outlet.name, self._get("/my/feeds/form?kind=count").text)
        filled = {
            "date": str(Date.today()),
            "outlet": self.outlet.ref,
            f"quantity_{self.product_chips.id}": "2",
            "code_0": "GT-9000",
            "more_0": "1",
            "code_1": "TEA",
            "more_1": "some",
        }
        self.assertIn("Nothing was filled in", self._post("/my/feeds/form", date=filled["date"]).text)
        answer = self._post("/my/feeds/form", **filled)
        feed = self.env["dms.feed"].sudo().search([("partner_id", "=", self.distributor_north.id)], limit=1)
        self.assertTrue(answer.headers["Location"].endswith(f"/my/feeds/{feed.id}"))
        self.assertRecordValues(feed, [{"typed": True, "ok_count": 1, "error_count": 2}])
        self.assertEqual(
            [(line.outlet_id, line.issues) for line in feed.line_ids],
            [
                (self.outlet, False),
                (self.outlet, "product_unknown"),
                (self.outlet, "quantity_unreadable"),
            ],
        )
        self.assertIn("again=1", self._post("/my/feeds/form", **filled).headers["Location"])
        count = self._post(
            "/my/feeds/form",
            kind="count",
            **{"date": filled["date"], f"quantity_{self.product_chips.id}": "0"},
        )
        self.assertIn("Release 1 line", self._get(count.headers["Location"]).text)
        self._login(self.clerk_other)
        self.assertNotIn(f'name="quantity_{self.product_chips.id}"', self._get("/my/feeds/form").text)

    def test_templates(self):
        self._login(self.clerk_north)
        for kind in ("sell_through", "count"):
            header = self._get(f"/my/feeds/template/{kind}.csv").content.decode("utf-8-sig").splitlines()[0]
            self.assertIn("product_code", header)
            book = load_workbook(io.BytesIO(self._get(f"/my/feeds/template/{kind}.xlsx").content))
            self.assertEqual([cell.value for cell in book.active[1]], header.split(","))
        self.assertEqual(self._get("/my/feeds/template/other.csv").status_code, 404)

    def test_sign_and_answer(self):
        self._login(self.clerk_north)
        signature = {"name": "Nora", "signature": SIGNATURE.decode()}
        self.assertTrue(
            self.make_jsonrpc_request(f"/my/deliveries/{self.picking.id}/sign", signature)["force_refresh"]
        )
        self.assertEqual((self.picking.dms_receipt_state, self.picking.dms_received_by), ("received", "Nora"))
        self.assertTrue(base64.b64decode(self.picking.dms_signature))
        self.assertTrue(
            self.make_jsonrpc_request(f"/my/agreements/{self.agreement_sent.id}/sign", signature)[
                "force_refresh"
            ]
        )
        self.assertEqual(self.agreement_sent.state, "signed")
        self._post(f"/my/cases/{self.case.id}/answer", text="Sold to a wholesaler by mistake.")
        self.assertEqual(self.case.answer, "Sold to a wholesaler by mistake.")
        self.case._rule("confirmed", "Proved by two scans.", points=-5)
        self._post(f"/my/cases/{self.case.id}/appeal", text="One of the two was ours.")
        self.assertEqual(self.case.state, "appealed")

    def test_proposal_to_order(self):
        self._login(self.clerk_north)
        line = self.proposal.line_ids
        self.assertIn(
            "is no number",
            self._post(f"/my/proposals/{self.proposal.id}/accept", **{f"packs_{line.id}": "x"}).text,
        )
        self._post(f"/my/proposals/{self.proposal.id}/accept", **{f"packs_{line.id}": "1"})
        order = self.proposal.order_id
        self.assertEqual((self.proposal.state, order.state), ("accepted", "draft"))
        self.assertRecordValues(
            order.order_line, [{"product_uom_id": self.uom_case.id, "product_uom_qty": 1.0}]
        )
        self.assertIn("Your order", self._get(f"/my/cart/{order.id}").text)
        declined = self._create_proposal(name="RP/TEST/2")
        self._post(f"/my/proposals/{declined.id}/decline", reason="Still enough here")
        self.assertEqual((declined.state, declined.decline_reason), ("declined", "Still enough here"))

    def test_hidden_until_their_time(self):
        """Drafts, and cases that an inspector still looks into, are not for the distributor; nor with a link."""
        self._login(self.clerk_north)
        draft = self.agreement_north.copy({"date_start": "2031-01-01"})
        case = self._create_case(self.picking, state="open")
        for record, url in ((draft, "agreements"), (case, "cases")):
            token = record._portal_ensure_token()
            self.env.flush_all()
            self.assertEqual(self._get(f"/my/{url}/{record.id}").status_code, 303)
            self.assertEqual(self._get(f"/my/{url}/{record.id}?access_token={token}").status_code, 303)

    def test_counters(self):
        self._login(self.clerk_north)
        names = [
            "dms_to_sign_count",
            "dms_feed_error_count",
            "dms_proposal_open_count",
            "dms_agreement_to_sign_count",
            "dms_case_open_count",
            "dms_held_order_count",
        ]
        counters = self.make_jsonrpc_request("/my/counters", {"counters": names})
        self.assertEqual(
            {name: counters[name] for name in names}, dict.fromkeys(names, 1) | {"dms_held_order_count": 0}
        )
        self.assertIn("Credit left", self._get("/my").text)
        self._login(self.clerk_outlet)
        self.assertFalse({*names} & self.make_jsonrpc_request("/my/counters", {"counters": names}).keys())
        self.assertIn(self.distributor_north.name, self._get("/my").text)

    def test_outlet_reads_its_own_sales(self):
        self.feed._release()
        self._login(self.clerk_outlet)
        text = self._get("/my/sales").text
        self.assertIn("Tea", text)
        self.assertNotIn("Chips", text)
        self._login(self.clerk_north)
        self.assertEqual(self._get("/my/sales").status_code, 303)

    def test_outlet_reports_its_own_sales(self):
        sibling = self.outlet.copy({"name": "Other Shop", "ref": "O-2"})
        clerk_sibling = self._create_clerk("clerk_sibling", sibling)
        self._login(self.clerk_outlet)
        page = self._get("/my/feeds").text
        self.assertIn("Shelf readings", page)
        self.assertNotIn("Stock count", page)
        today = Date.context_today(self.env.user)
        answer = self.url_open(
            "/my/feeds/upload",
            data={"csrf_token": http.Request.csrf_token(self)},
            files={"file": ("mine.csv", f"product_code,date,quantity\nTEA,{today},3\n".encode())},
            allow_redirects=False,
        )
        feed = self.env["dms.feed"].search([("partner_id", "=", self.outlet.id)])
        self.assertIn(f"/my/feeds/{feed.id}", answer.headers["Location"])
        for user in (clerk_sibling, self.clerk_north, self.clerk_south):
            self._login(user)
            self.assertEqual(self._get(f"/my/feeds/{feed.id}").status_code, 303)
            self._post(f"/my/feeds/{feed.id}/release")
        self.assertEqual(feed.released_count, 0)
        self._login(self.clerk_outlet)
        self._post(f"/my/feeds/{feed.id}/release")
        self.env.invalidate_all()
        self.assertEqual(feed.released_count, 1)
        self.assertIn(self.outlet.name, self._get("/my/sales").text)

    def test_query_counts_do_not_grow(self):
        def grow(number):
            for index in range(number):
                order = self._create_order(self.distributor_north, [(self.product_tea, 12, 0.01)])
                self._ship(order, tracking=f"T{index}")
                self._create_settlement(name=f"STL/GROW/{number}/{index}")
                self._create_proposal(name=f"RP/GROW/{number}/{index}", state="declined")
                self._receive_sales(
                    text=f"product_code,date,quantity\nTEA,{{today}},{number}{index}\n",
                    filename=f"{index}.csv",
                )
                product = self.env["product.product"].create(
                    {"name": f"Chips {number} {index}", "is_storable": True}
                )
                self.env["dms.channel.move"].sudo().create(
                    {
                        "kind": "count",
                        "company_id": self.company.id,
                        "partner_id": self.distributor_north.id,
                        "product_id": product.id,
                        "quantity": 5,
                    }
                )
                self.env["dms.credit.entry"].sudo()._post_event(
                    "manual", self.distributor_north, f"grow:{number}:{index}", points=1
                )
            self.env.flush_all()

        def measure():
            counts = {}
            for name in LISTS:
                self._get(f"/my/{name}")
                with self._count_queries() as count:
                    self.assertEqual(self._get(f"/my/{name}").status_code, 200)
                counts[name] = count[0]
            return counts

        self._login(self.clerk_north)
        grow(2)
        few = measure()
        grow(6)
        for name, count in measure().items():
            with self.subTest(name=name, few=few[name]):
                self.assertLessEqual(count, few[name] + 2)
