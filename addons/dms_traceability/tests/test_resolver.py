import json

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_traceability.tools import gs1_ai, gs1_compress

from .common import GTIN, DmsTraceCommon

SAME_AS = "http://www.w3.org/2002/07/owl#sameAs"
LINKSET = "application/linkset+json"
GLN = "9506000134369"


@tagged("post_install", "-at_install")
class TestResolver(DmsTraceCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("dms_traceability.resolver_url", cls.base_url())
        Link = cls.env["dms.gs1.link"]
        template = cls.product.product_tmpl_id
        cls.links = Link.create(
            [
                {
                    "name": "About the tea",
                    "product_tmpl_id": template.id,
                    "url": "https://brand.example/tea?source=code#top",
                    "is_default": True,
                },
                {
                    "name": "How to brew",
                    "product_tmpl_id": template.id,
                    "link_type": "instructions",
                    "url": "https://brand.example/en/brew",
                    "language": "en",
                },
                {
                    "name": "冲泡方法",
                    "product_tmpl_id": template.id,
                    "link_type": "instructions",
                    "url": "https://brand.example/zh/brew",
                    "language": "zh-Hans",
                },
                {
                    "name": "Brewing leaflet",
                    "product_tmpl_id": template.id,
                    "link_type": "instructions",
                    "url": "https://brand.example/brew.pdf",
                    "media_type": "application/pdf",
                },
                {"name": "The house", "link_type": "homepage", "url": "https://brand.example/"},
                {
                    "name": "Laboratory report",
                    "product_tmpl_id": template.id,
                    "lot_id": cls.lot.id,
                    "link_type": "certificationInfo",
                    "url": "https://brand.example/lab/B001",
                },
                {"name": "Our gate", "key_ai": "414", "key_value": GLN, "url": "https://brand.example/gate"},
            ]
        )

    def _ask(self, path, method="GET", **headers):
        headers = {
            "Accept": "text/html",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.opener.request(
            method, self.base_url() + path, headers=headers, allow_redirects=False, timeout=30
        )

    def _assert_leads(self, path, url, **headers):
        response = self._ask(path, **headers)
        self.assertEqual(response.status_code, 307, response.text[:300])
        self.assertEqual(response.headers["Location"], url)
        return response

    def _linkset(self, path, **headers):
        response = self._ask(path, **headers)
        self.assertEqual(response.status_code, 200, response.text[:300])
        return response, response.json()["linkset"]

    def test_default_link(self):
        response = self._assert_leads(f"/01/{GTIN}", "https://brand.example/tea?source=code#top")
        self.assertIn(
            f'<{self.base_url()}/01/{GTIN}?linkType=linkset>; rel="linkset"', response.headers["Link"]
        )
        for url in self.links[:5].mapped("url"):
            self.assertIn(f"<{url}>", response.headers["Link"])
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
        self.assertNotIn("Set-Cookie", response.headers)
        # Shorter GTINs, a slash at the end, a case of the product and a batch without a default of its own.
        order = self._order_codes(24, 24, "generated")
        for path in (f"/01/{GTIN[1:]}", f"/01/{GTIN}/", f"/01/{order.case_gtin}", f"/01/{GTIN}/10/OTHER"):
            self._assert_leads(path, "https://brand.example/tea?source=code#top")
        self._assert_leads(f"/414/{GLN}", "https://brand.example/gate")

    def test_address_of_the_code(self):
        root = self.base_url()
        self.assertEqual(
            self.links[4:].mapped("digital_link"), [False, f"{root}/01/{GTIN}/10/B001", f"{root}/414/{GLN}"]
        )

    def test_default_without_mark(self):
        self.links.is_default = False
        self._assert_leads(f"/01/{GTIN}", "https://brand.example/tea?source=code#top")
        self.links[:4].active = False
        self._assert_leads(f"/01/{GTIN}", "https://brand.example/")

    def test_query_is_passed_on(self):
        self._assert_leads(
            f"/01/{GTIN}?17=270101&a=b%20c&d",
            "https://brand.example/tea?source=code&17=270101&a=b%20c&d#top",
        )
        self._assert_leads(
            f"/01/{GTIN}?linkType=gs1:homepage&x=1", "https://brand.example/?linkType=gs1:homepage&x=1"
        )

    def test_no_way_to_another_host(self):
        for query in ("url=https://evil.example", "//evil.example", "@evil.example", "%0d%0aSet-Cookie:x=1"):
            response = self._ask(f"/01/{GTIN}?{query}")
            self.assertEqual(response.status_code, 307)
            self.assertTrue(response.headers["Location"].startswith("https://brand.example/tea?"), query)
            self.assertNotIn("Set-Cookie", response.headers)
        for url in (
            "javascript:alert(1)", "//evil.example", "https://a:b@evil.example", "https://", "https://x y.example",
            "https://brand.example/\nX: 1", "https://brand.example:99999999/", "ftp://brand.example/x",
        ):  # fmt: skip
            with self.assertRaises(ValidationError, msg=url):
                self.links[0].url = url

    def test_link_type(self):
        for name in ("gs1:instructions", "instructions", "https://ref.gs1.org/voc/instructions"):
            response = self._ask(f"/01/{GTIN}?linkType={name}", Accept_Language="en")
            self.assertTrue(response.headers["Location"].startswith("https://brand.example/en/brew?"), name)
        path = f"/01/{GTIN}?linkType=gs1:instructions"
        for language, start in (("zh-CN,en;q=0.5", "zh/brew"), ("en-GB", "en/brew"), ("fr", "brew.pdf")):
            response = self._ask(path, Accept_Language=language)
            self.assertTrue(
                response.headers["Location"].startswith(f"https://brand.example/{start}"), language
            )
        response = self._ask(path, Accept="application/pdf")
        self.assertTrue(response.headers["Location"].startswith("https://brand.example/brew.pdf"))
        self.assertTrue(
            self._ask(f"/01/{GTIN}?linkType=gs1:defaultLink")
            .headers["Location"]
            .startswith("https://brand.example/tea")
        )
        for name in ("gs1:recallStatus", "gs1:nonsense", "schema:url", "%00", "x" * 200):
            response = self._ask(f"/01/{GTIN}?linkType={name}")
            self.assertEqual(response.status_code, 404, name)

    def test_behind_a_language(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        (serial,) = self._serials(self._order_codes(1, 0, "active"))
        for path in (f"/01/{GTIN}", f"/01/{GTIN}/21/{serial}"):
            plain = self.url_open(f"{path}?linkType=linkset")
            behind = self.url_open(f"/zh_CN{path}?linkType=linkset")
            self.assertEqual(
                (behind.status_code, len(behind.json()["linkset"])), (200, len(plain.json()["linkset"]))
            )
        page = self.url_open(f"/zh_CN/01/{GTIN}/21/{serial}")
        self.assertIn('lang="zh-CN"', page.text)
        self.assertEqual(self.url_open(f"/zh_CN/01/{GTIN}/21").status_code, 400)

    def test_linkset(self):
        _response, entries = self._linkset(f"/01/{GTIN}/10/B001?linkType=linkset")
        self.assertEqual(
            [entry["anchor"] for entry in entries],
            [f"{self.base_url()}/01/{GTIN}/10/B001", f"{self.base_url()}/01/{GTIN}"],
        )
        lot_entry, entry = entries
        self.assertEqual(
            lot_entry["https://ref.gs1.org/voc/certificationInfo"],
            [{"href": "https://brand.example/lab/B001", "title": "Laboratory report", "type": "text/html"}],
        )
        self.assertEqual(entry["itemDescription"], "Green Tea")
        # The default has no optional attributes, and is described under its own type.
        self.assertEqual(
            entry["https://ref.gs1.org/voc/defaultLink"],
            [{"href": "https://brand.example/tea?source=code#top", "title": "About the tea"}],
        )
        self.assertEqual(entry["https://ref.gs1.org/voc/pip"][0]["title"], "About the tea")
        self.assertEqual(
            [link.get("hreflang") for link in entry["https://ref.gs1.org/voc/instructions"]],
            [["en"], ["zh-Hans"], None],
        )
        for links in (value for key, value in entry.items() if key.startswith("https://")):
            for link in links:
                self.assertTrue(link["href"] and link["title"])

    def test_linkset_by_accept(self):
        for path, headers, media in (
            (f"/01/{GTIN}", {"Accept": LINKSET}, LINKSET),
            (f"/01/{GTIN}?linkType=all", {}, LINKSET),
            (f"/01/{GTIN}?linkType=linkset", {"Accept": "application/json"}, "application/json"),
        ):
            response, entries = self._linkset(path, **headers)
            self.assertEqual(response.headers["Content-Type"], f"{media}; charset=utf-8")
            self.assertEqual(len(entries), 1)
        # A browser takes anything, and wants the page.
        self.assertEqual(self._ask(f"/01/{GTIN}", Accept=f"text/html,{LINKSET};q=0.1").status_code, 307)

    def test_unit_code_is_its_own_default(self):
        order = self._order_codes(48, 24)
        serial = self._serials(order)[0]
        page = f"/01/{GTIN}/21/{serial}"
        response = self._ask(page)
        self.assertEqual(response.status_code, 200)
        self.assertIn("Genuine", response.text)
        self.assertIn(f"<{self.base_url()}{page}?linkType=linkset>", response.headers["Link"])
        self._assert_leads(f"/01/{GTIN}/10/B001/21/{serial}?a=1", f"{self.base_url()}{page}?a=1")
        self.assertIn("Genuine", self._ask(f"{page}/").text)
        for name in ("gs1:defaultLink", "gs1:verificationService"):
            self.assertIn("Genuine", self._ask(f"{page}?linkType={name}").text)
        response = self._ask(f"{page}?linkType=gs1:homepage")
        self.assertEqual(response.status_code, 307)
        _response, entries = self._linkset(page, Accept=LINKSET)
        self.assertEqual(entries[0]["anchor"], self.base_url() + page)
        self.assertEqual(entries[0]["https://ref.gs1.org/voc/defaultLink"][0]["href"], self.base_url() + page)
        # The same for a code that nobody issued: a link set tells nothing about it.
        _response, entries = self._linkset(f"/01/{GTIN}/21/FORGED?linkType=linkset")
        self.assertEqual(len(entries), 2)

    def test_head_and_options(self):
        order = self._order_codes(24, 24)
        unit = f"/01/{GTIN}/21/{self._serials(order)[0]}"
        for path in (
            f"/01/{GTIN}",
            f"/01/{GTIN}?linkType=linkset",
            f"/414/{GLN}",
            "/.well-known/gs1resolver",
            unit,
        ):
            full, head, options = (self._ask(path, method) for method in ("GET", "HEAD", "OPTIONS"))
            self.assertEqual(head.status_code, full.status_code, path)
            for name in ("Location", "Link", "Content-Type", "Access-Control-Allow-Origin"):
                self.assertEqual(head.headers.get(name), full.headers.get(name), (path, name))
            self.assertFalse(head.content)
            self.assertEqual(options.status_code, 204, path)
            self.assertEqual(options.headers["Access-Control-Allow-Origin"], "*")
            self.assertEqual(options.headers["Access-Control-Allow-Methods"], "GET, HEAD, OPTIONS")

    def test_compressed_link_is_answered_as_the_uncompressed_one(self):
        """The same status, target, links and body, with GET, HEAD and OPTIONS; and nothing leads to the other form."""
        root = self.base_url()
        for elements in (
            [("01", GTIN)],
            [("01", GTIN), ("10", "B001")],
            [("01", GTIN), ("10", "A/B"), ("17", "280426")],
            [("414", GLN)],
            [("01", "09506000134352")],
        ):
            text = gs1_compress.compress(elements)
            whole = gs1_compress.expand(text)
            for query, headers in (
                ("", {}),
                ("x=1&a=b%20c", {}),
                ("linkType=gs1:instructions", {"Accept-Language": "zh-CN"}),
                ("linkType=gs1:recallStatus", {}),
                ("linkType=linkset", {}),
                ("", {"Accept": LINKSET}),
                ("17=991332", {}),
            ):
                asked = f"/{text}?{query}".rstrip("?")
                plain = whole + (f"{'&' if '?' in whole else '?'}{query}" if query else "")
                for method in ("GET", "HEAD", "OPTIONS"):
                    mine, other = self._ask(asked, method, **headers), self._ask(plain, method, **headers)
                    self.assertEqual(mine.status_code, other.status_code, (asked, method))
                    for name in ("Location", "Content-Type", "Access-Control-Allow-Origin", "Vary"):
                        self.assertEqual(mine.headers.get(name), other.headers.get(name), (asked, method))
                    self.assertNotIn("Set-Cookie", mine.headers)
                    if method == "OPTIONS":
                        continue
                    links = mine.headers["Link"]
                    self.assertTrue(links.startswith(f'<{root}{whole}>; rel="owl:sameAs"'), links)
                    self.assertEqual(
                        links.partition('owl:sameAs"')[2].lstrip(", "), other.headers.get("Link", "")
                    )
                    self.assertNotEqual(mine.headers.get("Location", "").partition("?")[0], root + whole)
        # The list is about the uncompressed link, and says what it is the same as.
        _response, entries = self._linkset(f"/{gs1_compress.compress([('01', GTIN)])}?linkType=all")
        self.assertEqual(entries[0]["anchor"], f"{root}/01/{GTIN}")
        self.assertEqual(
            entries[-1],
            {
                "anchor": f"{root}/01/{GTIN}",
                SAME_AS: [{"href": f"{root}/{gs1_compress.compress([('01', GTIN)])}", "title": "Green Tea"}],
            },
        )

    def test_compressed_query_is_passed_on(self):
        text = gs1_compress.compress([("01", GTIN), ("17", "280426")], [("a", "b c")])
        for path in (f"/{text}?x=1", f"/{text}/?x=1"):
            self._assert_leads(path, "https://brand.example/tea?source=code&17=280426&a=b+c&x=1#top")
        text = gs1_compress.compress([("01", GTIN)], [("linkType", "gs1:homepage")])
        self._assert_leads(f"/{text}", "https://brand.example/?linkType=gs1%3Ahomepage")

    def test_compressed_unit_code_shows_its_page(self):
        order = self._order_codes(24, 24)
        serial = self._serials(order)[0]
        page = f"/01/{GTIN}/21/{serial}"
        fully = f"/{gs1_compress.compress([('01', GTIN), ('21', serial)])}"
        partially = f"/01/{GTIN[1:]}/{gs1_compress.compress([('21', serial)])}"
        for path in (fully, partially, f"{partially}/"):
            head = self._ask(path, "HEAD")
            self.assertEqual(head.status_code, 200)
            self.assertFalse(self.env["dms.scan"].search_count([("code_key", "=", order.first_key)]))
        for path in (fully, partially):
            response = self._ask(path)
            self.assertEqual(response.status_code, 200, path)
            self.assertIn("Genuine", response.text)
            # Its forms go where forms are read.
            self.assertIn(f'action="{page}/report"', response.text)
            self.assertNotIn(f'action="{path}', response.text)
            self.assertIn(f'<{self.base_url()}{page}>; rel="owl:sameAs"', response.headers["Link"])
            self.assertIn(f"<{self.base_url()}{page}?linkType=linkset>", response.headers["Link"])
            self.assertEqual(self._ask(path, "OPTIONS").status_code, 204)
            self._assert_leads(
                f"{path}?linkType=gs1:homepage", "https://brand.example/?linkType=gs1:homepage"
            )
            self.assertIn("Genuine", self._ask(f"{path}?linkType=gs1:defaultLink").text)
            _response, entries = self._linkset(path, Accept=LINKSET)
            self.assertEqual(entries[0]["anchor"], self.base_url() + page)
        # Of one device within the hour it is one scan.
        self.assertEqual(self.env["dms.scan"].search_count([("code_key", "=", order.first_key)]), 1)
        # With its batch the code leads to its page, which is another link.
        text = gs1_compress.compress([("01", GTIN), ("10", "B001"), ("21", serial)])
        self._assert_leads(f"/{text}", self.base_url() + page)
        # A forged code is one in either form, whatever its GTIN.
        for gtin in (GTIN, "09506000134352"):
            for path in (
                f"/01/{gtin}/21/FORGED",
                f"/{gs1_compress.compress([('01', gtin), ('21', 'FORGED')])}",
            ):
                response = self._ask(path)
                self.assertEqual(response.status_code, 404)
                self.assertIn("We did not issue this code", response.text)

    def test_compressed_and_malformed(self):
        whole = gs1_compress.compress([("01", GTIN)])
        text = gs1_compress.compress([("17", "280426")])
        for path in (
            f"/01/{GTIN}/{text[:-1]}",
            f"/01/{GTIN}/nonsense",
            f"/01/{GTIN[:-1]}5/{text}",
            f"/{whole}?17=1",
        ):
            self.assertEqual(self._ask(path).status_code, 400, path)
        # A wrong check digit; it reads as a link otherwise.
        response = self._ask("/ARFKk4XBog")
        self.assertEqual(response.status_code, 400)
        self.assertIn("check digit", response.text)

    def test_other_paths_stay_with_odoo(self):
        """What reads as nothing of GS1 gets Odoo's own 404, and an address that something else has is not a code."""
        own = self._ask("/there/is/nothing")
        for path in ("/nothing-here", f"/{gs1_compress.compress([('01', GTIN)])[:-1]}", "/" + "A" * 3000):
            for method in ("GET", "POST"):
                response = self._ask(path, method)
                self.assertEqual(response.status_code, 404, (path, method))
                self.assertNotIn("Access-Control-Allow-Origin", response.headers)
                self.assertEqual(own.headers["Content-Type"], response.headers["Content-Type"])
        self.assertEqual(self._ask("/web/login").status_code, 200)
        text = gs1_compress.compress([("01", GTIN)])
        self.assertEqual(self._ask(f"/{text}", "POST").status_code, 405)
        self.assertEqual(self._ask(f"/{text}").status_code, 307)
        self.env["ir.attachment"].create(
            {
                "name": "Page",
                "url": f"/{text}",
                "raw": b"Our own page",
                "mimetype": "text/plain",
                "public": True,
            }
        )
        self.assertEqual(self._ask(f"/{text}").text, "Our own page")

    def test_link_to_the_same_path_of_another_resolver(self):
        """It leads there; a link to itself leads nowhere."""
        self.links[0].url = f"https://other.example/01/{GTIN}"
        self._assert_leads(f"/01/{GTIN}", f"https://other.example/01/{GTIN}")
        self.links[0].url = f"{self.base_url()}/01/{GTIN}"
        self.assertEqual(self._ask(f"/01/{GTIN}").status_code, 404)

    def test_head_is_no_scan(self):
        order = self._order_codes(24, 24)
        self._ask(f"/01/{GTIN}/21/{self._serials(order)[0]}", "HEAD")
        self.assertFalse(self.env["dms.scan"].search_count([("code_key", "=", order.first_key)]))

    def test_malformed_is_400(self):
        wrong_digit = GTIN[:-1] + "5"
        for path in (
            f"/01/{wrong_digit}",
            "/01/123",
            "/01/abc",
            f"/01/{GTIN}/21",
            f"/01/{GTIN}/21/A/10/B",
            f"/01/{GTIN}/21/{'A' * 21}",
            f"/01/{GTIN}/99/A",
            f"/01/{GTIN}/10/%00",
            f"/01/{GTIN}/10/%E8%8C%B6",
            f"/01/{GTIN}?01={GTIN}",
            f"/01/{GTIN}?10=A",
            f"/01/{GTIN}?17=991332",
            f"/01/{GTIN}?999=1",
            f"/01/{GTIN}?{'a' * 3000}",
            f"/01/{GTIN}/10/{'A' * 9000}",
            f"/01/x/01/{GTIN}",
            "/414/9506000134360",
            "/8006/095060001343520502",
            "/00/%ff",
        ):
            response = self._ask(path)
            self.assertEqual(response.status_code, 400, path[:80])
            self.assertNotIn("Traceback", response.text)
        self.assertIn("check digit", self._ask(f"/01/{wrong_digit}").text)

    def test_unknown_is_404(self):
        for path in (
            "/01/09506000134352",
            "/00/095060001343521236",
            "/414/9506000134352",
            "/01/09506000134352/22/A",
        ):
            self.assertEqual(self._ask(path).status_code, 404, path)
        self.links.active = False
        response = self._ask(f"/01/{GTIN}")
        self.assertEqual(response.status_code, 404)
        self.assertIn("Nothing known", response.text)
        self.assertEqual(self._ask(f"/01/{GTIN}?linkType=linkset").status_code, 404)

    def test_description_file(self):
        response = self._ask("/.well-known/gs1resolver")
        self.assertEqual(response.headers["Content-Type"], "application/json; charset=utf-8")
        content = json.loads(response.text)
        self.assertEqual(content["resolverRoot"], self.base_url())
        self.assertEqual(content["supportedPrimaryKeys"], list(gs1_ai.PRIMARY_KEYS))
        self.assertIn(
            {"namespace": "https://ref.gs1.org/voc/", "prefix": "gs1:"}, content["supportedLinkType"]
        )

    def test_every_primary_key_has_its_qualifiers(self):
        self.env["dms.gs1.link"].create(
            {
                "name": "Asset",
                "key_ai": "8004",
                "key_value": "9506000ABC",
                "url": "https://brand.example/asset",
            }
        )
        self._assert_leads("/8004/9506000ABC", "https://brand.example/asset")
        self._assert_leads(f"/414/{GLN}/254/A%2FB", "https://brand.example/gate")
        self._assert_leads(f"/01/{GTIN}/22/A/10/B", "https://brand.example/tea?source=code#top")
        self._assert_leads(f"/01/{GTIN}/235/A", "https://brand.example/tea?source=code#top")

    def test_nearest_default(self):
        categories = self.env["product.category"].create([{"name": "Drinks"}, {"name": "Tea"}])
        categories[1].parent_id = categories[0]
        self.product.categ_id = categories[1]
        self.links[0].active = False
        of_drinks, of_tea = self.env["dms.gs1.link"].create(
            [
                {
                    "name": categ.name,
                    "categ_id": categ.id,
                    "is_default": True,
                    "url": f"https://brand.example/{categ.name}",
                }
                for categ in categories
            ]
        )
        self._assert_leads(f"/01/{GTIN}", of_tea.url)
        of_tea.active = False
        self._assert_leads(f"/01/{GTIN}", of_drinks.url)

    def test_links_of_another_company_stay_there(self):
        other = self.env["res.company"].create({"name": "Other brand"})
        self.product.company_id = self.company
        self.env["dms.gs1.link"].create(
            {"name": "Other", "company_id": other.id, "link_type": "faqs", "url": "https://other.example/"}
        )
        self.assertEqual(self._ask(f"/01/{GTIN}?linkType=gs1:faqs").status_code, 404)

    def test_scope_and_access(self):
        template = self.product.product_tmpl_id
        Link = self.env["dms.gs1.link"]
        categ = self.env["product.category"].create({"name": "Tea"})
        for vals in (
            {"product_tmpl_id": template.id, "categ_id": categ.id},
            {"lot_id": self.lot.id},
            {"key_value": GTIN},
            {"key_ai": "414"},
            {"key_ai": "414", "key_value": "9506000134360"},
            {"key_ai": "414", "key_value": GLN, "product_tmpl_id": template.id},
            {"language": "English"},
            {"media_type": "html"},
        ):
            with self.assertRaises(ValidationError, msg=str(vals)):
                Link.create({"name": "X", "url": "https://brand.example/", **vals})
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.links[0].copy({"is_default": True})
        with self.assertRaises(AccessError):
            self.links[0].with_user(self.storeman).name = "X"
        portal = new_test_user(self.env, "links_portal", groups="base.group_portal")
        with self.assertRaises(AccessError):
            self.links[0].with_user(portal).read(["url"])
