import base64
import binascii
import os
from datetime import UTC, datetime

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.image import ImageProcess

from odoo.addons.dms_channel.tools import guard

from ..tools import codes, gs1, seal

MAX_BYTES = 20_000_000
FILES = ("photo", "receipt")


class DmsInspectionEvidence(models.Model):
    """One piece of evidence, as it came from the inspector's phone: appended, never changed."""

    _name = "dms.inspection.evidence"
    _description = "Inspection Evidence"
    _order = "inspection_id, id"
    _rec_name = "key"

    inspection_id = fields.Many2one(
        "dms.inspection", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(related="inspection_id.company_id", store=True, index=True)
    key = fields.Char(
        required=True, readonly=True, help="Names the piece on the phone that it was taken with."
    )
    kind = fields.Selection(
        [
            ("photo", "Photo"),
            ("receipt", "Receipt"),
            ("code", "Scanned Code"),
            ("note", "Note"),
            ("report", "Report"),
        ],
        required=True,
        readonly=True,
    )
    content = fields.Binary("File", attachment=True, readonly=True)
    filename = fields.Char(readonly=True)
    text = fields.Text(readonly=True)
    taken_on = fields.Datetime(required=True, readonly=True, help="By the clock of the phone.")
    received_on = fields.Datetime(required=True, readonly=True, help="By the clock of the server.")
    user_id = fields.Many2one("res.users", "Inspector", required=True, readonly=True)
    latitude = fields.Float(digits=(9, 6), readonly=True, aggregator=None)
    longitude = fields.Float(digits=(9, 6), readonly=True, aggregator=None)
    accuracy = fields.Integer("Accuracy (m)", readonly=True, aggregator=None)
    position = fields.Char(compute="_compute_position")
    verdict = fields.Selection(
        [
            ("genuine", "Genuine"),
            ("inactive", "Not Yet in Use"),
            ("void", "Withdrawn"),
            ("forged", "Not Our Code"),
        ],
        "What the Code Is",
        readonly=True,
    )
    product_id = fields.Many2one("product.product", readonly=True)
    scan_id = fields.Many2one("dms.scan", readonly=True, index="btree_not_null", ondelete="set null")
    device_sha256 = fields.Char("SHA-256 on the Phone", readonly=True)
    sha256 = fields.Char("SHA-256", readonly=True)
    seal = fields.Char(readonly=True)
    seal_key = fields.Char(readonly=True)
    seal_state = fields.Selection(
        [("intact", "Intact"), ("altered", "Changed"), ("unknown", "Key not at hand")],
        compute="_compute_seal_state",
    )

    _key_uniq = models.UniqueIndex("(inspection_id, key)", "This piece of evidence was sent already.")

    # === COMPUTE ===

    @api.depends("latitude", "longitude", "accuracy")
    def _compute_position(self):
        for evidence in self:
            known = evidence.latitude or evidence.longitude
            evidence.position = f"{evidence.latitude:.5f}, {evidence.longitude:.5f}" if known else False

    @api.depends("seal", "sha256")
    def _compute_seal_state(self):
        states = self.inspection_id.evidence_ids._check_seals()
        for evidence in self:
            evidence.seal_state = states.get(evidence._origin.id, "altered")

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        if not guard.is_marked(self):
            raise UserError(self.env._("Evidence comes from the inspector's page only."))
        return super().create(vals_list)

    def write(self, vals):
        if guard.is_marked(self) and vals.keys() == {"seal"} and not any(self.mapped("seal")):
            return super().write(vals)
        raise UserError(self.env._("Evidence is never changed. Add another piece to the inspection instead."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_never(self):
        raise UserError(self.env._("Evidence is never deleted."))

    # === SEALS ===

    def _get_facts(self):
        """What the seal covers."""
        self.ensure_one()
        return {
            "accuracy": self.accuracy,
            "device_sha256": self.device_sha256 or "",
            "filename": self.filename or "",
            "inspection": self.inspection_id.id,
            "key": self.key,
            "kind": self.kind,
            "latitude": f"{self.latitude:.6f}",
            "longitude": f"{self.longitude:.6f}",
            "received_on": fields.Datetime.to_string(self.received_on),
            "sha256": self.sha256,
            "taken_on": fields.Datetime.to_string(self.taken_on),
            "user": self.user_id.id,
            "verdict": self.verdict or "",
        }

    def _get_bytes(self):
        """What the hash is of: the file, or the text."""
        self.ensure_one()
        if self.kind in FILES:
            return base64.b64decode(self.with_context(bin_size=False).content or b"")
        return (self.text or "").encode()

    def _check_seals(self, read_files=False):
        """Compute the hashes and the chain of seals of whole inspections anew.

        Files are read where that is asked for, and otherwise only where their traces are not those of the last time that
        they were read (see :meth:`_get_traces`). What this costs: who can write to the disk, and change the system's clock
        or the disk itself so that a file keeps its size and the time of its last change, stays unseen until the files are
        read: at night, by the form's button, and when a report is printed.

        :return: ``{id: "intact", "altered" or "unknown"}``; unknown where the key of the seal is kept no more
        """
        if not self:
            return {}
        try:
            masters = self.env["dms.code"]._get_master_keys()
        except UserError:
            return dict.fromkeys(self._origin.ids, "unknown")
        marks = {codes.fingerprint(master) for master in masters}
        if read_files:
            # What this transaction has read already is not read off the disk.
            self._origin.sudo().invalidate_recordset(["content"])
            self.env["ir.attachment"].invalidate_model(["datas", "raw"])
        traces = {} if read_files else self._get_traces()
        states = {}
        for inspection_sudo, pieces_sudo in self._origin.sudo().grouped("inspection_id").items():
            previous, known = "", {} if read_files else inspection_sudo._get_read_traces(masters)
            for evidence in pieces_sudo.sorted("id"):
                trace = traces.get(evidence.id)
                was_read = evidence.kind in FILES and trace and known.get(str(evidence.id)) == trace
                if not was_read and seal.digest(evidence._get_bytes()) != evidence.sha256:
                    states[evidence.id] = "altered"
                elif evidence.seal_key not in marks:
                    states[evidence.id] = "unknown"
                else:
                    intact = seal.check(masters, previous, evidence._get_facts(), evidence.seal)
                    states[evidence.id] = "intact" if intact else "altered"
                previous = evidence.seal
        return states

    def _get_traces(self):
        """What tells without reading it whether a file may have changed: what it is named in the database, the checksum there,
        the hash that it had on arrival, its size and the time of its last change on the disk.

        That time (ctime) is the system's own: no program can set it, so a file that is written over and given back its date
        shows. A backup that was restored shows too, and is then simply read.

        :return: ``{id: list of texts}``; nothing for a file that is not on the disk
        """
        attachments_sudo = (
            self.env["ir.attachment"]
            .sudo()
            .search_fetch(
                [
                    ("res_model", "=", self._name),
                    ("res_field", "=", "content"),
                    ("res_id", "in", self._origin.ids),
                ],
                ["res_id", "store_fname", "checksum"],
            )
        )
        hashes = {evidence.id: evidence.sha256 for evidence in self._origin.sudo()}
        traces = {}
        for attachment in attachments_sudo.filtered("store_fname"):
            try:
                found = os.stat(attachment._full_path(attachment.store_fname))
            except OSError:
                continue
            traces[attachment.res_id] = [
                attachment.store_fname,
                attachment.checksum or "",
                hashes[attachment.res_id] or "",
                str(found.st_size),
                str(found.st_ctime_ns),
            ]
        return traces

    # === RECEIVING ===

    @api.model
    def _receive(self, inspection, piece):
        """Check, store and seal a piece of evidence.

        :param inspection: the order, locked
        :param dict piece: ``key``, ``kind``, and as the kind asks ``content`` (base64) with ``filename``, or ``text``;
            optionally ``sha256`` of these bytes as the phone computed it, ``taken`` (seconds since 1970),
            ``latitude``, ``longitude``, ``accuracy`` (metres)
        :return: the evidence
        :raises UserError: with what is wrong
        """
        key, kind = piece.get("key"), piece.get("kind")
        if (
            not isinstance(key, str)
            or not 8 <= len(key) <= 64
            or kind not in dict(self._fields["kind"].selection)
        ):
            raise UserError(self.env._("The piece of evidence has no key or is of no known kind."))
        vals = self._read_content(kind, piece)
        content = vals.pop("bytes")
        device_sha256 = str(piece.get("sha256") or "")[:64].lower()
        vals["sha256"] = seal.digest(content)
        if device_sha256 and device_sha256 != vals["sha256"]:
            raise UserError(self.env._("The piece arrived damaged: its hash is another one. Send it again."))
        received = fields.Datetime.now()
        vals.update(
            inspection_id=inspection.id,
            key=key,
            kind=kind,
            device_sha256=device_sha256,
            received_on=received,
            taken_on=self._read_moment(piece.get("taken"), received),
            user_id=self.env.uid,
            **self._read_position(piece),
        )
        if kind == "code":
            vals.update(self._check_code(inspection, vals))
        master = self.env["dms.code"]._get_master_keys()[0]
        vals["seal_key"] = codes.fingerprint(master)
        previous = inspection.sudo().evidence_ids.sorted("id")[-1:].seal or ""
        evidence_sudo = guard.mark(self.sudo()).create(vals)
        # Sealed as it is stored, so that it compares with what is read later.
        evidence_sudo.invalidate_recordset()
        sealed = seal.seal(master, previous, evidence_sudo._get_facts())
        evidence_sudo.write({"seal": sealed})
        if kind in FILES:
            inspection.sudo()._note_read(evidence_sudo)
        return evidence_sudo.sudo(False).with_env(self.env)

    @api.model
    def _read_content(self, kind, piece):
        if kind not in FILES:
            text = str(piece.get("text") or "").strip()[:10000]
            if not text:
                raise UserError(self.env._("Scan or type something first."))
            return {"text": text, "bytes": text.encode()}
        encoded = piece.get("content")
        try:
            content = base64.b64decode(encoded, validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise UserError(self.env._("The file arrived damaged. Send it again.")) from error
        if len(content) > MAX_BYTES:
            raise UserError(
                self.env._("The file has more than %s megabytes. Take a smaller one.", MAX_BYTES // 10**6)
            )
        if not (kind == "receipt" and content.startswith(b"%PDF-")):
            try:
                picture = ImageProcess(content, verify_resolution=False).image
            except UserError:
                picture = None
            if not picture:
                raise UserError(self.env._("This is no picture that can be read: send JPEG or PNG."))
        filename = str(piece.get("filename") or kind)[:200]
        return {"content": base64.b64encode(content), "filename": filename, "bytes": content}

    @api.model
    def _read_moment(self, seconds, received):
        """When it was taken; a phone's clock that is ahead of the server's does not make it later than it came."""
        try:
            moment = datetime.fromtimestamp(int(float(seconds)), UTC).replace(tzinfo=None)
        except (TypeError, ValueError, OverflowError, OSError):
            return received
        return min(moment, received)

    @api.model
    def _read_position(self, piece):
        try:
            latitude, longitude = float(piece["latitude"]), float(piece["longitude"])
        except (KeyError, TypeError, ValueError):
            return {}
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            return {}
        try:
            accuracy = min(max(int(float(piece.get("accuracy") or 0)), 0), 10**6)
        except (TypeError, ValueError, OverflowError):
            accuracy = 0
        return {"latitude": latitude, "longitude": longitude, "accuracy": accuracy}

    @api.model
    def _check_code(self, inspection, vals):
        """What the code is, and the inspector's scan of it, which the detection weighs as one."""
        Code_sudo = self.env["dms.code"].sudo()
        gtins = set()
        if len(vals["text"]) == 14:
            orders_sudo = (
                self.env["dms.code.order"]
                .sudo()
                .search_fetch(
                    [("product_id", "in", inspection.product_ids.ids)], ["gtin", "inner_gtin", "case_gtin"]
                )
            )
            gtins = {order[name] for order in orders_sudo for name in ("gtin", "inner_gtin", "case_gtin")}
        (info,) = Code_sudo._read_texts([vals["text"][:200]], gtins - {False})
        if info is None:
            try:
                gtin, serial = gs1.parse(vals["text"][:200])
            except ValueError:
                gtin, serial = "", ""
            gtin, serial = gtin or "", serial or ""
        elif not info["order"]:
            # A logistic unit is no item that is scanned.
            return {"verdict": "genuine"}
        else:
            gtin, serial = info["gtin"], info["serial"]
        scan_sudo = (
            self.env["dms.scan"]
            .with_context(default_date=vals["taken_on"])
            ._record(
                info,
                gtin,
                serial,
                kind="inspector",
                place=self._get_point(vals),
                device=self.env["dms.scan"]._hash_device("user", self.env.uid),
            )
        )
        self._place_by_order(inspection, scan_sudo)
        return {"verdict": scan_sudo.result, "product_id": scan_sudo.product_id.id, "scan_id": scan_sudo.id}

    @api.model
    def _get_point(self, vals):
        return {name: vals[name] for name in ("latitude", "longitude") if name in vals}

    @api.model
    def _place_by_order(self, inspection, scan_sudo):
        """Where the phone's position is in no territory that is drawn, the order says where the inspector was sent."""
        order_sudo = inspection.sudo()
        outlet_sudo = order_sudo.outlet_id
        if not scan_sudo.territory_id and outlet_sudo.country_id:
            scan_sudo._locate(
                {
                    "country_id": outlet_sudo.country_id.id,
                    "state_id": outlet_sudo.state_id.id,
                    "city": outlet_sudo.city,
                    "zip": outlet_sudo.zip,
                }
            )
        if not scan_sudo.territory_id and order_sudo.territory_id:
            scan_sudo.territory_id = order_sudo.territory_id
            scan_sudo._compare_area()

    # === WHAT THE INSPECTOR IS TOLD ===

    def _get_outcome(self, again=False):
        """What the page shows of the piece, as a dict of texts."""
        self.ensure_one()
        names = dict(self._fields["kind"]._description_selection(self.env))
        return {
            "key": self.key,
            "again": again,
            "kind": self.kind,
            "label": names[self.kind],
            "text": self.text or self.filename or "",
            "verdict": self.verdict or "",
            "message": self._explain_code() if self.kind == "code" else "",
            "sha256": self.sha256,
        }

    def _explain_code(self):
        """What the inspector may know of a code: all of its path that matters on the spot."""
        self.ensure_one()
        names = dict(self._fields["verdict"]._description_selection(self.env))
        scan_sudo = self.sudo().scan_id
        said = [f"{names[self.verdict]}."]
        if scan_sudo.product_id:
            batch = scan_sudo.lot_id.name
            said.append(
                self.env._("%(product)s, batch %(batch)s.", product=scan_sudo.product_id.name, batch=batch)
                if batch
                else f"{scan_sudo.product_id.name}."
            )
        if scan_sudo.partner_id:
            said.append(self.env._("Shipped to %s.", scan_sudo.partner_id.name))
        if scan_sudo.area != "unknown":
            said.append(
                self.env._("This place is outside its area.")
                if scan_sudo.area == "outside"
                else self.env._("This place is inside its area.")
            )
        return " ".join(said)
