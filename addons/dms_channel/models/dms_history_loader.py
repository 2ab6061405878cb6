import csv
import gzip
import io
import logging
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL, split_every

from ..tools import feed_reader
from ..tools.feed_columns import COLUMNS, KINDS
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
        :param dict mapping: ``columns`` {name of ``feed_columns.COLUMNS``: header}; ``create_missing`` (bool);
            ``products`` {``file`` (beside ``path``), ``code``, ``name``, ``price``: its headers}; ``currency`` (code of
            the amounts' currency, the company's where absent); ``outlets`` {``file``, and a column of outlet master
            data: header, or a text with {header} in it}, which goes through the inbox first; ``sales`` {name of
            ``feed_columns.COLUMNS``: the same}, what a sale takes from its outlet's row instead of its own
        :param progress: called with (step, rows done, rows in all) as each step ends
        :return: dict: feed_id, feed, existing, rows, released, refused, refused_by_reason {words: lines},
            to_confirm_by_reason, duplicates,
            moves, positions, created {distributors, outlets, products}, date_from, date_to,
            seconds {create, outlets, read, check, store, release, total}, lines_per_second, examples {words: what is
            wrong with the first such line}, to_confirm, outlets (the same of the outlets' file: rows, released,
            refused_by_reason, ..., or None)
        """
        with tempfile.TemporaryDirectory(prefix="dms_history_") as spool:
            return self._load_from(Path(path), mapping or {}, progress, Path(spool))

    @api.model
    def _load_from(self, path, mapping, progress, spool):
        started = time.monotonic()
        seconds = {}
        described = self._read_outlets(path.parent, mapping.get("outlets"))
        columns = mapping.get("columns")
        raw = path
        if mapping.get("sales"):
            raw, columns = self._write_sales(path, mapping, described, spool / "sales.csv"), None
        listed = (
            self._write_outlets(mapping["outlets"], described, spool / "outlets.csv") if described else None
        )
        created = {"distributors": 0, "outlets": 0, "products": 0}
        feed_model = self.env["dms.feed"]
        before = feed_model.search([], order="id desc", limit=1).id
        if mapping.get("create_missing"):
            created = self._create_missing(raw, path.parent, mapping, columns, described)
            seconds["create"] = round(time.monotonic() - started, 3)
            self._tell(progress, "create", sum(created.values()), sum(created.values()))
        outlets = None
        if listed:
            since = time.monotonic()
            outlets = feed_model._receive(listed, mapping["outlets"]["file"], kind="outlet")
            if outlets.ok_count:
                outlets._release()
            seconds["outlets"] = round(time.monotonic() - since, 3)
            self._tell(progress, "outlets", outlets.released_count, outlets.line_count)
        feed = feed_model.with_context(dms_feed_release=True)._receive(
            raw, path.name, columns=columns, currency=self._get_currency(mapping)
        )
        existing = feed.id <= (before or 0)
        if not existing:
            if feed.ok_count:
                feed._release()
            seconds |= feed.timings
            self._tell(progress, "release", feed.released_count, feed.line_count)
        seconds["total"] = round(time.monotonic() - started, 3)
        positions = self.env["dms.channel.position"].search_count([("company_id", "=", self.env.company.id)])
        return {
            "feed_id": feed.id,
            "feed": feed.name,
            "existing": existing,
            **self._get_counts(feed),
            "outlets": self._get_counts(outlets) if outlets else None,
            "moves": 0 if existing else feed.move_count,
            "positions": positions,
            "created": created,
            "date_from": str(feed.date_from or ""),
            "date_to": str(feed.date_to or ""),
            "seconds": seconds,
            "lines_per_second": round(feed.line_count / max(seconds["total"], 0.001)),
        }

    @api.model
    def _get_counts(self, feed):
        """What became of the lines of a feed; of those refused or in doubt, why, and the first of each in words."""
        lines = self.env["dms.feed.line"]
        labels = dict(lines._fields["issue"]._description_selection(self.env))
        groups = lines._read_group(
            [("feed_id", "=", feed.id), ("state", "in", ("error", "warning"))],
            ["state", "issue"],
            ["__count", "id:min"],
        )
        first = {line.id: line for line in lines.browse(line_id for *_group, line_id in groups)}
        return {
            "rows": feed.line_count,
            "released": feed.released_count,
            "refused": feed.error_count,
            "refused_by_reason": {
                labels[issue]: count for state, issue, count, _id in groups if state == "error"
            },
            "to_confirm_by_reason": {
                labels[issue]: count for state, issue, count, _id in groups if state == "warning"
            },
            "examples": {
                labels[issue]: self.env._(
                    "Row %(row)s: %(message)s", row=first[id_].row, message=first[id_].message
                )
                for _state, issue, _count, id_ in groups
            },
            "to_confirm": feed.warning_count,
            "duplicates": feed.duplicate_count,
        }

    @api.model
    def _open_table(self, path):
        """Answer the rows of a CSV (may be gzipped), as {header: text}, a row at a time."""
        source = feed_reader.Source(path)
        encoding = feed_reader.guess_encoding(source)
        head = io.TextIOWrapper(source.open(), encoding=encoding, newline="").read(1 << 16)
        text = io.TextIOWrapper(source.open(), encoding=encoding, newline="")
        return csv.DictReader(text, delimiter=feed_reader.guess_separator(head))

    @api.model
    def _read_outlets(self, folder, description):
        """Answer {outlet's code in small letters: its row} of the mapping's file of outlets."""
        if not description:
            return {}
        header = description.get("outlet", "outlet")
        try:
            rows = self._open_table(folder / description["file"])
            return {row[header].strip().lower(): row for row in rows if row.get(header)}
        except feed_reader.FeedError as error:
            raise UserError(self.env["dms.feed"]._translate_error(error)) from error

    @api.model
    def _fill(self, pattern, row):
        """Answer the text under a header, or a text with {header} in it, from an outlet's row."""
        if "{" in pattern:
            return pattern.format_map(defaultdict(str, row)).strip()
        return (row.get(pattern) or "").strip()

    @api.model
    def _write_outlets(self, description, described, path):
        """Write the outlets as a file of outlet master data and answer its path."""
        names = [
            name for name in KINDS["outlet"].columns if name in description or name in ("outlet", "name")
        ]
        patterns = {"outlet": "outlet", "name": description.get("outlet", "outlet")} | description
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            for row in described.values():
                writer.writerow([self._fill(patterns[name], row) for name in names])
        return path

    @api.model
    def _write_sales(self, path, mapping, described, target):
        """Write the sales anew with what they take from their outlet's row, a row at a time, and answer the path."""
        headers = {name: name for name in COLUMNS} | (mapping.get("columns") or {})
        taken = mapping["sales"]
        if unknown := set(taken) - set(COLUMNS):
            raise UserError(
                self.env._(
                    "%(names)s is no column of sales. Correct the mapping.", names=", ".join(sorted(unknown))
                )
            )
        try:
            rows = self._open_table(path)
            with open(target, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                names = [
                    name for name in COLUMNS if name in taken or headers[name] in (rows.fieldnames or ())
                ]
                writer.writerow(names)
                for row in rows:
                    outlet = described.get((row.get(headers["outlet"]) or "").strip().lower(), {})
                    writer.writerow(
                        self._fill(taken[name], outlet) if name in taken else row.get(headers[name]) or ""
                        for name in names
                    )
        except feed_reader.FeedError as error:
            raise UserError(self.env["dms.feed"]._translate_error(error)) from error
        return target

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
    def _create_missing(self, raw, folder, mapping, columns, listed):
        """Create the distributors, outlets and products that the file names and the database lacks; answer how many."""
        distributors, outlets, products = {}, {}, {}
        try:
            layout = feed_reader.inspect(raw, columns)
            for line in map(Line._make, feed_reader.read_lines(raw, layout)):
                if line.distributor:
                    distributors.setdefault(line.distributor.lower(), line.distributor)
                if line.outlet and not listed:
                    outlets.setdefault(line.outlet.lower(), (line.outlet, line.distributor.lower()))
                if line.product_code:
                    products.setdefault(line.product_code.lower(), line.product_code)
        except feed_reader.FeedError as error:
            raise UserError(self.env["dms.feed"]._translate_error(error)) from error
        if supplier := (mapping.get("outlets") or {}).get("distributor"):
            for row in listed.values():
                if code := self._fill(supplier, row):
                    distributors.setdefault(code.lower(), code)
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
