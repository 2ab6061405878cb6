import gzip
import tempfile
from pathlib import Path

from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon

MAPPING = {
    "columns": {"distributor": "region", "product_code": "product", "quantity": "qty", "amount": "revenue"},
    "create_missing": True,
    "products": {"file": "products.csv", "code": "product", "name": "name", "price": "price"},
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
        self.assertEqual(report["positions_touched"], 6)
        self.assertEqual([step for step, _done, _total in steps], ["create", "check", "release"])
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
