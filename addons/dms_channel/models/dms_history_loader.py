import csv
import gzip
import logging
import time
from pathlib import Path

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL, split_every

from ..tools import feed_reader
from ..tools.feed_parser import Line
from ..tools.feed_values import parse_number

_logger = logging.getLogger(__name__)


class DmsHistoryLoader(models.AbstractModel):
    """Load a file of past sell-through through the inbox, as a distributor's file goes, and report on it."""

    _name = "dms.history.loader"
    _description = "Sell-through History Loader"

    @api.model
    def _load(self, path, mapping=None, progress=None):
        """Receive, check and release a file; create its unknown distributors, outlets and products first if asked to.

        Everything happens in the caller's transaction, which the caller commits. The same file again changes nothing.

        :param str path: CSV (also .gz, .zip) or XLSX
        :param dict mapping: ``columns`` {name of ``feed_columns.KINDS``: header}; ``create_missing`` (bool);
            ``products`` {``file`` (beside ``path``), ``code``, ``name``, ``price``: its headers}; ``currency`` (code of
            the amounts' currency, the company's where absent)
        :param progress: called with (step, rows done, rows in all) as each step ends
        :return: dict: feed_id, feed, existing, rows, released, refused, refused_by_reason {words: lines}, duplicates,
            moves, positions, positions_touched, created {distributors, outlets, products}, date_from, date_to,
            seconds {create, read, check, store, release, total}, lines_per_second
        """
        mapping = mapping or {}
        started = time.monotonic()
        raw = Path(path).read_bytes()
        seconds = {}
        created = {"distributors": 0, "outlets": 0, "products": 0}
        feed_model = self.env["dms.feed"]
        before = feed_model.search([], order="id desc", limit=1).id
        if mapping.get("create_missing"):
            created = self._create_missing(raw, Path(path).parent, mapping)
            seconds["create"] = round(time.monotonic() - started, 3)
            self._tell(progress, "create", sum(created.values()), sum(created.values()))
        feed = feed_model._receive(
            raw, Path(path).name, columns=mapping.get("columns"), currency=self._get_currency(mapping)
        )
        existing = feed.id <= (before or 0)
        moves = touched = 0
        if not existing:
            self._tell(progress, "check", feed.ok_count, feed.line_count)
            moves, touched = feed._release()
            seconds |= feed.timings
            self._tell(progress, "release", feed.released_count, feed.line_count)
        seconds["total"] = round(time.monotonic() - started, 3)
        labels = dict(self.env["dms.feed.line"]._fields["issue"]._description_selection(self.env))
        refused = self.env["dms.feed.line"]._read_group(
            [("feed_id", "=", feed.id), ("state", "=", "error")], ["issue"], ["__count"]
        )
        positions = self.env["dms.channel.position"].search_count([("company_id", "=", self.env.company.id)])
        return {
            "feed_id": feed.id,
            "feed": feed.name,
            "existing": existing,
            "rows": feed.line_count,
            "released": feed.released_count,
            "refused": feed.error_count,
            "refused_by_reason": {labels[issue]: count for issue, count in refused},
            "duplicates": feed.duplicate_count,
            "moves": moves,
            "positions": positions,
            "positions_touched": touched,
            "created": created,
            "date_from": str(feed.date_from or ""),
            "date_to": str(feed.date_to or ""),
            "seconds": seconds,
            "lines_per_second": round(feed.line_count / max(seconds["total"], 0.001)),
        }

    @api.model
    def _tell(self, progress, step, done, total):
        _logger.info("history: %s, %s of %s", step, done, total)
        if progress:
            progress(step, done, total)

    @api.model
    def _get_currency(self, mapping):
        if not mapping.get("currency"):
            return None
        currency = (
            self.env["res.currency"]
            .with_context(active_test=False)
            .search([("name", "=", mapping["currency"])], limit=1)
        )
        if not currency:
            raise UserError(
                self.env._("There is no currency %(code)s. Correct the mapping.", code=mapping["currency"])
            )
        currency.active = True
        return currency

    @api.model
    def _create_missing(self, raw, folder, mapping):
        """Create the distributors, outlets and products that the file names and the database lacks; answer how many."""
        distributors, outlets, products = {}, {}, {}
        try:
            layout = feed_reader.inspect(raw, mapping.get("columns"))
            for line in map(Line._make, feed_reader.read_lines(raw, layout)):
                if line.distributor:
                    distributors.setdefault(line.distributor.lower(), line.distributor)
                if line.outlet:
                    outlets.setdefault(line.outlet.lower(), (line.outlet, line.distributor.lower()))
                if line.product_code:
                    products.setdefault(line.product_code.lower(), line.product_code)
        except feed_reader.FeedError as error:
            raise UserError(self.env["dms.feed"]._translate_error(error)) from error
        known = self._get_known(
            SQL("SELECT lower(ref) FROM res_partner WHERE channel_role = 'distributor' AND active")
        )
        new_distributors = [code for key, code in distributors.items() if key not in known]
        self._create_batches(
            "res.partner",
            [
                {"name": code, "ref": code, "channel_role": "distributor", "is_company": True}
                for code in new_distributors
            ],
        )
        known = self._get_known(
            SQL("SELECT lower(ref) FROM res_partner WHERE channel_role = 'outlet' AND active")
        )
        new_outlets = [pair for key, pair in outlets.items() if key not in known]
        self._create_outlets(new_outlets)
        known = self._get_known(
            SQL(
                "SELECT lower(default_code) FROM product_product WHERE active"
                " UNION SELECT lower(barcode) FROM product_product WHERE active"
            )
        )
        new_products = [code for key, code in products.items() if key not in known]
        described = self._read_products(folder, mapping.get("products"))
        self._create_batches(
            "product.product",
            [
                {
                    "default_code": code,
                    "type": "consu",
                    "is_storable": True,
                    **described.get(code.lower(), {"name": code}),
                }
                for code in new_products
            ],
        )
        return {
            "distributors": len(new_distributors),
            "outlets": len(new_outlets),
            "products": len(new_products),
        }

    @api.model
    def _create_outlets(self, pairs):
        suppliers = self.env["res.partner"].search(
            [("channel_role", "=", "distributor"), ("ref", "!=", False)]
        )
        supplier_by_code = {partner.ref.lower(): partner.id for partner in suppliers}
        self._create_batches(
            "res.partner",
            [
                {
                    "name": code,
                    "ref": code,
                    "channel_role": "outlet",
                    "is_company": True,
                    "upstream_id": supplier_by_code.get(distributor),
                }
                for code, distributor in pairs
            ],
        )

    @api.model
    def _get_known(self, query):
        self.env.flush_all()
        return {code for (code,) in self.env.execute_query(query) if code}

    @api.model
    def _create_batches(self, model, vals_list):
        records = self.env[model].with_context(tracking_disable=True, mail_create_nosubscribe=True)
        for batch in split_every(500, vals_list):
            records.create(list(batch))
            _logger.info("history: %s more records of %s", len(batch), model)

    @api.model
    def _read_products(self, folder, description):
        """Answer {code in small letters: values} from the mapping's file of products."""
        if not description:
            return {}
        path = folder / description["file"]
        opened = gzip.open if path.suffix == ".gz" else open
        answer = {}
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                code = (row.get(description.get("code", "product_code")) or "").strip()
                price = parse_number(row.get(description.get("price", "price")) or "")
                answer[code.lower()] = {
                    "name": (row.get(description.get("name", "name")) or "").strip() or code,
                    "list_price": float(price or 0),
                }
        return answer
