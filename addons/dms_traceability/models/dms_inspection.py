from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain

from odoo.addons.dms_channel.tools import guard

from ..tools import seal
from .dms_inspection_evidence import FILES

# Written when the order is made and when it is reported back.
STATE_FIELDS = {"altered_on", "checked_on", "done_on", "findings", "name", "read_traces", "result", "state"}
# What a report answers to stays as it was asked.
ORDER_FIELDS = {
    "alert_id",
    "case_id",
    "company_id",
    "deadline",
    "instructions",
    "outlet_id",
    "partner_id",
    "place",
    "product_ids",
    "territory_id",
    "user_id",
}
FIELD_GROUP = "dms_traceability.dms_traceability_group_field_inspector"
ACTIVITY = "mail.mail_activity_data_todo"
# Stands where the seal of a piece of evidence has the one before, so that neither passes for the other.
TRACE_SEAL = "files read"
# What was read within so many hours is not read again by the nightly job, should it be started twice.
CHECK_HOURS = 20


class DmsInspection(models.Model):
    """An order to look at a place: who goes where by when, what to look for, and what was found, with its evidence."""

    _name = "dms.inspection"
    _description = "Inspection"
    _inherit = ["mail.thread", "mail.activity.mixin", "dms.inspection.document"]
    _order = "deadline, id"

    name = fields.Char("Inspection No.", readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, default=lambda self: self.env.company
    )
    alert_id = fields.Many2one("dms.diversion.alert", index="btree_not_null", ondelete="restrict")
    case_id = fields.Many2one(
        "dms.diversion.case", "Diversion Case", index="btree_not_null", ondelete="restrict"
    )
    partner_id = fields.Many2one(
        "res.partner",
        "About",
        required=True,
        index=True,
        domain=[("channel_role", "=", "distributor")],
        help="The distributor whose goods are looked for.",
    )
    product_ids = fields.Many2many("product.product", string="Goods")
    user_id = fields.Many2one(
        "res.users",
        "Inspector",
        required=True,
        index=True,
        domain=lambda self: [("all_group_ids", "in", self.env.ref(FIELD_GROUP).ids)],
        tracking=True,
    )
    outlet_id = fields.Many2one(
        "res.partner", index="btree_not_null", domain=[("channel_role", "!=", False)], tracking=True
    )
    territory_id = fields.Many2one("dms.territory", index="btree_not_null")
    place = fields.Char(help="Street, market or hall, where it is no outlet that is known.")
    where = fields.Char(compute="_compute_where")
    instructions = fields.Text("What to Look For", required=True)
    deadline = fields.Date(
        required=True,
        default=lambda self: fields.Date.add(fields.Date.context_today(self), days=7),
        tracking=True,
    )
    state = fields.Selection(
        [("open", "To Inspect"), ("done", "Reported"), ("cancelled", "Cancelled")],
        "Status",
        default="open",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    result = fields.Selection(
        [("found", "Goods found"), ("clean", "Nothing found"), ("refused", "Not possible to look")],
        readonly=True,
        copy=False,
        tracking=True,
    )
    findings = fields.Text(readonly=True, copy=False)
    done_on = fields.Datetime("Reported On", readonly=True, copy=False)
    evidence_ids = fields.One2many("dms.inspection.evidence", "inspection_id", readonly=True)
    evidence_count = fields.Integer("Pieces of Evidence", compute="_compute_evidence_count")
    seal_state = fields.Selection(
        [("intact", "As it was sent"), ("altered", "Changed afterwards"), ("unknown", "Key not at hand")],
        "Seal",
        compute="_compute_seal_state",
        help="Whether every piece of evidence, and their order, is still what the inspector sent.",
    )
    checked_on = fields.Datetime(
        "Files Read On",
        readonly=True,
        copy=False,
        help="When all files were last read and compared with their hashes.",
    )
    altered_on = fields.Datetime(
        "Found Changed On", readonly=True, copy=False, help="When a check first found evidence changed."
    )
    read_traces = fields.Json(
        readonly=True, copy=False, help="Traces of the files that were read and found intact, with a seal."
    )

    # === COMPUTE ===

    @api.depends("outlet_id", "territory_id", "place")
    @api.depends_context("lang")
    def _compute_where(self):
        for inspection in self:
            outlet_sudo = inspection.sudo().outlet_id
            address = outlet_sudo._display_address(without_company=True) if outlet_sudo else ""
            parts = [
                outlet_sudo.name,
                ", ".join(line.strip() for line in (address or "").splitlines() if line.strip()),
                inspection.place,
                inspection.sudo().territory_id.display_name,
            ]
            inspection.where = " · ".join(filter(None, parts))

    def _compute_evidence_count(self):
        counts = dict(
            self.env["dms.inspection.evidence"]._read_group(
                [("inspection_id", "in", self.ids)], ["inspection_id"], ["__count"]
            )
        )
        for inspection in self:
            inspection.evidence_count = counts.get(inspection, 0)

    @api.depends("evidence_ids", "state", "read_traces")
    def _compute_seal_state(self):
        states = self.evidence_ids._check_seals()
        for inspection in self:
            inspection.seal_state = inspection._judge_seals(states)

    # === CONSTRAINTS ===

    @api.constrains("user_id")
    def _check_user(self):
        for inspection in self:
            if not inspection.user_id.has_group(FIELD_GROUP):
                raise ValidationError(
                    self.env._(
                        "%s is no inspector and could not open the order. Give the user the role first.",
                        inspection.user_id.name,
                    )
                )

    # With a field that every new order has: constraints look at what is given only.
    @api.constrains("instructions", "outlet_id", "territory_id", "place")
    def _check_where(self):
        for inspection in self:
            if not (inspection.outlet_id or inspection.territory_id or inspection.place):
                raise ValidationError(
                    self.env._("Say where to look: choose an outlet or a territory, or describe the place.")
                )

    @api.constrains("alert_id", "case_id", "partner_id", "company_id")
    def _check_origin(self):
        for inspection in self:
            for origin in filter(None, (inspection.alert_id, inspection.case_id)):
                if (origin.partner_id, origin.company_id) != (inspection.partner_id, inspection.company_id):
                    raise ValidationError(
                        self.env._(
                            "%(origin)s is about %(partner)s: an inspection for it looks for the goods of that distributor.",
                            origin=origin.name,
                            partner=origin.partner_id.display_name,
                        )
                    )

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        named = []
        for vals in vals_list:
            self._check_guarded(vals)
            company = self.env["res.company"].browse(vals.get("company_id")) or self.env.company
            sequence = self.env["ir.sequence"].with_company(company)
            named.append({**vals, "name": sequence.next_by_code("dms.inspection")})
        inspections = super().create(named)
        inspections._tell_inspector()
        return inspections

    def write(self, vals):
        self._check_guarded(vals)
        if not guard.is_marked(self) and ORDER_FIELDS & vals.keys():
            self._require_open()
        sent_to = {inspection: inspection.user_id for inspection in self}
        result = super().write(vals)
        moved = self.filtered(lambda inspection: inspection.user_id != sent_to[inspection])
        moved.activity_unlink([ACTIVITY])
        moved._tell_inspector()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_evidence(self):
        if self.sudo().evidence_ids or self.filtered(lambda inspection: inspection.state == "done"):
            raise UserError(
                self.env._("An inspection that evidence was sent for is kept. Cancel it instead.")
            )

    def _check_guarded(self, vals):
        if not guard.is_marked(self) and STATE_FIELDS & vals.keys():
            raise UserError(self.env._("An inspection moves on by its inspector's report only."))

    # === ACTIONS ===

    def action_cancel(self):
        self.check_access("write")
        self._require_open()
        guard.mark(self).write({"state": "cancelled"})
        self.activity_unlink([ACTIVITY])
        return True

    def action_open_page(self):
        """The page that the inspector works on."""
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": self._get_page_url(), "target": "new"}

    def action_print(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"{self._get_page_url()}/report", "target": "new"}

    def action_check(self):
        """Read all files and compare them with their hashes."""
        self.check_access("read")
        altered = [inspection.name for inspection in self if inspection.sudo()._check_files() == "altered"]
        message = (
            self.env._("Evidence of %s is not what the inspector sent.", ", ".join(altered))
            if altered
            else self.env._("All files were read. None was changed.")
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "danger" if altered else "success",
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # === CHECKING ===

    def _judge_seals(self, states):
        """The inspection's own state by those of its evidence, see :meth:`.dms_inspection_evidence._check_seals`."""
        self.ensure_one()
        own = {states.get(evidence._origin.id, "altered") for evidence in self.evidence_ids}
        closed = "report" in self.evidence_ids.mapped("kind")
        if "altered" in own or closed != (self.state == "done"):
            return "altered"
        return "unknown" if "unknown" in own else "intact"

    def _check_files(self):
        """Read all files, keep the traces of those that are intact, and say so when one is not (called as superuser).

        :return: the state, as ``seal_state``
        """
        self.ensure_one()
        states = self.evidence_ids._check_seals(read_files=True)
        state = self._judge_seals(states)
        guard.mark(self).write({"read_traces": False, "checked_on": fields.Datetime.now()})
        self._note_read(self.evidence_ids.filtered(lambda evidence: states[evidence.id] == "intact"))
        if state == "altered" and not self.altered_on:
            guard.mark(self).altered_on = fields.Datetime.now()
            self.message_post(
                body=self.env._("Evidence of %s is not what the inspector sent.", self.name),
                subtype_xmlid="mail.mt_note",
            )
            self.activity_schedule(
                ACTIVITY,
                user_id=self.create_uid.id,
                summary=self.env._("Evidence of %s is not what the inspector sent.", self.name),
            )
        return state

    def _note_read(self, evidence):
        """Note that files were read and are what was sent, under a seal that nobody makes who can write to the database only
        (called as superuser). Without a key nothing is noted, and files are read again."""
        self.ensure_one()
        try:
            masters = self.env["dms.code"]._get_master_keys()
        except UserError:
            return
        traces = self._get_read_traces(masters)
        traces.update({str(number): trace for number, trace in evidence._get_traces().items()})
        sealed = seal.seal(masters[0], TRACE_SEAL, {"inspection": self.id, "files": traces})
        guard.mark(self).read_traces = {"files": traces, "seal": sealed}

    def _get_read_traces(self, masters):
        """Traces of the files as they were when they were last read, by the id of the evidence as text."""
        self.ensure_one()
        noted = self.read_traces or {}
        files = noted.get("files") or {}
        intact = seal.check(masters, TRACE_SEAL, {"inspection": self.id, "files": files}, noted.get("seal"))
        return dict(files) if intact else {}

    @api.model
    def _cron_check_files(self):
        """Read the files of all inspections, those first that were not read for longest."""
        waiting = self.search(
            Domain("evidence_ids", "any", [("kind", "in", FILES)])
            & (
                Domain("checked_on", "=", False)
                | Domain("checked_on", "<", fields.Datetime.now() - timedelta(hours=CHECK_HOURS))
            ),
            order="checked_on NULLS FIRST, id",
        )
        commit = self.env["ir.cron"]._commit_progress
        commit(remaining=len(waiting))
        for inspection in waiting:
            inspection._check_files()
            if not commit(1):
                break

    # === BUSINESS ===

    def _get_page_url(self):
        return f"/dms/inspection/{self.id}"

    def _require_open(self):
        for inspection in self:
            if inspection.state != "open":
                raise UserError(
                    self.env._(
                        "%s was reported or cancelled: nothing can be added or changed any more.",
                        inspection.name,
                    )
                )

    def _tell_inspector(self):
        for inspection in self:
            inspection.activity_schedule(
                ACTIVITY,
                date_deadline=inspection.deadline,
                user_id=inspection.user_id.id,
                summary=self.env._("Inspect: %s", inspection.where),
            )

    def _check_is_mine(self):
        """Only who was sent may report: whoever orders inspections does not write their evidence."""
        self.ensure_one()
        if self.env.user != self.user_id:
            raise UserError(
                self.env._(
                    "%(inspection)s was given to %(user)s.", inspection=self.name, user=self.user_id.name
                )
            )

    def _receive(self, piece):
        """Take one piece of evidence; one that is known by its key already is not taken again.

        :param dict piece: see :meth:`.dms_inspection_evidence._receive`
        :return: see there
        :raises UserError: with what is wrong with the piece
        """
        self._check_is_mine()
        self.lock_for_update()
        known = self.evidence_ids.filtered(lambda evidence: evidence.key == piece.get("key"))
        if known:
            return known._get_outcome(again=True)
        self._require_open()
        return self.env["dms.inspection.evidence"]._receive(self, piece)._get_outcome()

    def _report(self, result, findings, key):
        """The inspector's report, which ends the order.

        :param str result: ``found``, ``clean`` or ``refused``
        :param str key: name of the report, so that sending it twice does no harm
        """
        self._check_is_mine()
        self.lock_for_update()
        if self.state == "done" and key in self.evidence_ids.mapped("key"):
            return
        self._require_open()
        results = dict(self._fields["result"]._description_selection(self.env))
        findings = (findings or "").strip()[:10000]
        if result not in results or not findings:
            raise UserError(self.env._("Say what came of it, and describe in a sentence what you saw."))
        if result == "found" and not self.evidence_ids:
            raise UserError(self.env._("Goods were found: add a photo or a code of them first."))
        self.env["dms.inspection.evidence"]._receive(
            self, {"key": key, "kind": "report", "text": f"{result}\n{findings}"}
        )
        inspection_sudo = guard.mark(self.sudo())
        inspection_sudo.write(
            {"state": "done", "result": result, "findings": findings, "done_on": fields.Datetime.now()}
        )
        inspection_sudo.activity_feedback([ACTIVITY])
        inspection_sudo._check_files()
        for origin_sudo in filter(None, (inspection_sudo.case_id, inspection_sudo.alert_id)):
            origin_sudo.message_post(
                body=self.env._(
                    "%(inspection)s: %(result)s. %(findings)s",
                    inspection=inspection_sudo._get_html_link(),
                    result=results[result],
                    findings=findings,
                ),
                author_id=self.env.user.partner_id.id,
                subtype_xmlid="mail.mt_note",
            )
            if origin_sudo.user_id:
                origin_sudo.activity_schedule(
                    ACTIVITY,
                    user_id=origin_sudo.user_id.id,
                    summary=self.env._("%s was reported", self.name),
                )

    @api.model
    def _get_mine_domain(self):
        return Domain("user_id", "=", self.env.uid) & Domain("state", "=", "open")
