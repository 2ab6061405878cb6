import gzip
import tempfile
from itertools import islice
from pathlib import Path

from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon

MAPPING = {
    "columns": {"distributor": "region", "product_code": "product", "quantity": "qty", "amount": "revenue"},
    "create_missing": True,
    "products": {"file": "products.csv", "code": "product", "name": "name", "price": "price"},
}
KOUBEI = {
    "columns": {"quantity": "qty"},
    "create_missing": True,
    "outlets": {"file": "outlets.csv.gz", "name": "{cat2} {outlet}", "city": "city", "distributor": "city"},
    "sales": {"distributor": "city", "product_code": "{cat1}", "unit_price": "per_pay"},
}


@tagged("post_install", "-at_install")
class TestHistory(DmsChannelCommon):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "products.csv").write_text("product,name,price\nH-1,Hat,9.5\nH-2,Coat,80\n")
        self.sales = "region,product,date,qty,returned,revenue\n" + "".join(
            f"{region},{product},2011-03-{day:02},{day},{day % 2},{day * 2}\n"
            for region in ("R-1", "R-2")
            for product in ("H-1", "H-2", "H-3")
            for day in range(1, 11)
        )
        self.sales += "R-1,H-1,someday,1,0,1\n"

    def _load(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        steps = []
        report = self.env["dms.feed"]._load_history(str(path), MAPPING, lambda *step: steps.append(step))
        return report, steps

    def test_load_twice(self):
        report, steps = self._load("sales.csv", self.sales.encode())
        self.assertEqual(report["created"], {"distributors": 2, "outlets": 0, "products": 3})
        self.assertEqual(
            (report["rows"], report["released"], report["refused"], report["duplicates"], report["moves"]),
            (61, 60, 1, 0, 90),
        )
        self.assertEqual(report["refused_by_reason"], {"Unreadable date": 1})
        self.assertEqual([step for step, _done, _total in steps], ["create", "release"])
        self.assertLessEqual({"create", "read", "check", "store", "release", "total"}, set(report["seconds"]))
        hat = self.env["product.product"].search([("default_code", "=", "H-1")])
        self.assertRecordValues(hat, [{"name": "Hat", "list_price": 9.5, "is_storable": True}])
        position = self.env["dms.channel.position"].search(
            [("product_id", "=", hat.id), ("partner_id.ref", "=", "R-1")]
        )
        self.assertEqual(position.quantity, 5 - 55)
        self.assertFalse(self.env["dms.channel.position"]._check_consistency())

        again, _steps = self._load("renamed.csv", self.sales.encode())
        self.assertTrue(again["existing"])
        self.assertEqual(
            (again["feed_id"], again["moves"], again["created"]["products"]), (report["feed_id"], 0, 0)
        )

        packed, _steps = self._load("packed.csv.gz", gzip.compress(self.sales.encode()))
        self.assertFalse(packed["existing"])
        self.assertEqual((packed["duplicates"], packed["released"], packed["moves"]), (60, 0, 0))
        self.assertEqual(position.quantity, 5 - 55)

    def test_outlets_of_a_file(self):
        """Outlets come through the inbox as master data, and say whose sales and of what they are."""
        (self.folder / "shops.csv").write_text(
            "shop,town,trade,status\n1,Ghent,Food,open\n2,Ghent,Drinks,\n3,Leuven,Food,perhaps\n"
        )
        path = self.folder / "pay.csv"
        path.write_text(
            "shop,date,n\n1,2025-01-05,3\n2,2025-01-05,4\n2,2025-01-06,x\n3,2025-01-05,2\n9,2025-01-05,1\n"
        )
        mapping = {
            "columns": {"outlet": "shop", "quantity": "n"},
            "create_missing": True,
            "outlets": {
                "file": "shops.csv",
                "outlet": "shop",
                "name": "{trade} {shop}",
                "city": "town",
                "distributor": "town",
                "status": "status",
            },
            "sales": {"distributor": "town", "product_code": "{trade}"},
        }
        report = self.env["dms.feed"]._load_history(str(path), mapping)
        self.assertEqual(report["created"], {"distributors": 2, "outlets": 0, "products": 2})
        self.assertEqual(
            (report["outlets"]["rows"], report["outlets"]["released"]), (3, 2), report["outlets"]
        )
        self.assertEqual(report["outlets"]["refused_by_reason"], {"Unknown status": 1})
        self.assertEqual((report["rows"], report["released"], report["refused"]), (5, 2, 3))
        self.assertEqual(
            report["refused_by_reason"],
            {"Unreadable quantity": 1, "Unknown outlet": 1, "No product code": 1},
        )
        self.assertIn('"x" is no number', report["examples"]["Unreadable quantity"])
        shop = self.env["res.partner"].search([("name", "=", "Drinks 2")])
        self.assertRecordValues(shop, [{"city": "Ghent", "channel_role": "outlet", "ref": "2"}])
        self.assertEqual(shop.upstream_id.ref, "Ghent")
        again = self.env["dms.feed"]._load_history(str(path), mapping)
        self.assertTrue(again["existing"])
        self.assertEqual(again["outlets"], report["outlets"])


@tagged("post_install", "-at_install")
class TestRealHistory(DmsChannelCommon):
    """A part of two real histories, where they lie beside the checkout."""

    FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "forecast"
    ROWS = 4000

    def _load_part(self, name, mapping):
        folder = self.FOLDER / name
        if not folder.is_dir():
            self.skipTest(f"{folder} is not there")
        part = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for path in folder.glob("*.csv.gz"):
            if path.name != "sales.csv.gz":
                (part / path.name).symlink_to(path)
        with gzip.open(folder / "sales.csv.gz", "rt") as source, open(part / "sales.csv", "w") as target:
            target.writelines(islice(source, self.ROWS + 1))
        report = self.env["dms.feed"]._load_history(str(part / "sales.csv"), mapping)
        self.assertEqual(report["rows"], self.ROWS)
        self.assertEqual(
            report["released"] + report["refused"] + report["duplicates"] + report["to_confirm"],
            report["rows"],
        )
        self.assertEqual(sum(report["refused_by_reason"].values()), report["refused"])
        self.assertEqual(
            set(report["examples"]), set(report["refused_by_reason"]) | set(report["to_confirm_by_reason"])
        )
        self.assertFalse(self.env["dms.channel.position"]._check_consistency())
        return report

    def test_uci_online_retail(self):
        report = self._load_part(
            "uci_online_retail",
            {
                **MAPPING,
                "products": {
                    "file": "products.csv.gz",
                    "code": "product",
                    "name": "name",
                    "price": "median_price",
                },
            },
        )
        self.assertGreater(report["released"], 0.9 * self.ROWS)

    def test_koubei(self):
        report = self._load_part("koubei", KOUBEI)
        self.assertGreater(report["released"], 0.9 * self.ROWS)
        self.assertGreater(report["outlets"]["released"], 1000)
