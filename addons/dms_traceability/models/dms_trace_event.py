from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import codes
from ..tools.epcis_vocabulary import BIZ_STEPS, DISPOSITIONS


class DmsTraceEvent(models.Model):
    """What happened to codes, in the words of EPCIS 2.0 / CBV 2.0. Appended, never changed."""

    _name = "dms.trace.event"
    _inherit = "dms.trace.event.epcis"
    _description = "Trace Event"
    _order = "event_time desc, id desc"
    # Who recorded it and when are fields of the event, and nothing changes later: each column costs each event.
    _log_access = False

    _STEPS = {
        # business step: (event type, action, disposition)
        "commissioning": ("object", "add", "active"),
        "packing": ("aggregation", "add", "in_progress"),
        "unpacking": ("aggregation", "delete", "in_progress"),
        "shipping": ("object", "observe", "in_transit"),
        "receiving": ("object", "observe", "in_progress"),
        "retail_selling": ("object", "observe", "retail_sold"),
        "inspecting": ("object", "observe", "in_progress"),
        "repackaging": ("transformation", None, "active"),
        "destroying": ("object", "delete", "destroyed"),
        "decommissioning": ("object", "delete", "inactive"),
    }

    event_type = fields.Selection(
        [
            ("object", "Object"),
            ("aggregation", "Aggregation"),
            ("transaction", "Transaction"),
            ("transformation", "Transformation"),
            ("association", "Association"),
            ("other", "Other"),
        ],
        required=True,
        readonly=True,
    )
    action = fields.Selection([("add", "Add"), ("observe", "Observe"), ("delete", "Delete")], readonly=True)
    biz_step = fields.Selection(
        [(word, word.replace("_", " ").title()) for word in BIZ_STEPS],
        "Business Step",
        readonly=True,
        index=True,
    )
    disposition = fields.Selection(
        [(word, word.replace("_", " ").title()) for word in DISPOSITIONS], readonly=True
    )
    event_time = fields.Datetime(required=True, readonly=True, index=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    user_id = fields.Many2one("res.users", "Recorded By", readonly=True)
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True, index="btree_not_null")
    picking_id = fields.Many2one("stock.picking", "Delivery", readonly=True, index="btree_not_null")
    order_id = fields.Many2one("dms.code.order", "Code Order", readonly=True, index="btree_not_null")
    code_count = fields.Integer(
        "Labels", readonly=True, help="Labels that the event names: a case counts once."
    )
    payload = fields.Json(readonly=True)

    @api.depends("biz_step", "event_type")
    @api.depends_context("lang")
    def _compute_display_name(self):
        steps = dict(self._fields["biz_step"]._description_selection(self.env))
        types = dict(self._fields["event_type"]._description_selection(self.env))
        for event in self:
            event.display_name = steps.get(event.biz_step) or types.get(event.event_type)

    def write(self, vals):
        raise UserError(self.env._("Trace events are never changed: record what happened since."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_uninstall(self):
        raise UserError(self.env._("Trace events are never deleted."))

    @api.model
    def _record(
        self, biz_step, keys, when=None, company=None, partner=None, picking=None, order=None, payload=None
    ):
        """Append one event about codes.

        :param keys: code keys, or runs of them: ``(first, last)`` or ``(parent, first, last)``
        :return: the event
        """
        event_type, action, disposition = self._STEPS[biz_step]
        single = [key for key in keys if isinstance(key, int)]
        runs = codes.ranges(single) + [tuple(key[-2:]) for key in keys if not isinstance(key, int)]
        event_sudo = self.sudo().create(
            {
                "event_type": event_type,
                "action": action,
                "biz_step": biz_step,
                "disposition": disposition,
                "event_time": when or fields.Datetime.now(),
                "company_id": (company or self.env.company).id,
                "user_id": self.env.uid,
                "partner_id": partner and partner.id,
                "picking_id": picking and picking.id,
                "order_id": order and order.id,
                "code_count": sum(last - first + 1 for first, last in runs),
                "payload": payload,
            }
        )
        self.env.cr.execute(
            "INSERT INTO dms_trace_event_range (event_id, first, last) "
            "SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[])",
            [event_sudo.id, [run[0] for run in runs], [run[1] for run in runs]],
        )
        return event_sudo.sudo(False)

    @api.model
    def _declare_wrong(self, event):
        """Append that one of our own events did not happen: it stands there again, as an error declaration."""
        event.ensure_one()
        event_sudo = event.sudo()
        wrong_sudo = event_sudo.create(
            {
                **event_sudo.copy_data()[0],
                "event_time": event.event_time,
                "error_time": fields.Datetime.now(),
                "user_id": self.env.uid,
            }
        )
        self.env.cr.execute(
            "INSERT INTO dms_trace_event_range (event_id, first, last) "
            "SELECT %s, first, last FROM dms_trace_event_range WHERE event_id = %s",
            [wrong_sudo.id, event.id],
        )
        return wrong_sudo.sudo(False)

    def _get_runs(self):
        """Keys that the event names: list of ``(first, last)``."""
        self.ensure_one()
        return self.env.execute_query(
            SQL("SELECT first, last FROM dms_trace_event_range WHERE event_id = %s ORDER BY first", self.id)
        )

    @api.model
    def _of_codes(self, keys):
        """``{key: events}``, oldest first: those that name the code, or the case it was in at that time."""
        if not keys:
            return {}
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT k.key, e.id
                  FROM unnest(%(keys)s::bigint[]) AS k(key)
                  JOIN dms_trace_event_range r ON int8range(r.first, r.last, '[]') @> k.key
                  JOIN dms_trace_event e ON e.id = r.event_id
                 UNION
                SELECT k.key, e.id
                  FROM unnest(%(keys)s::bigint[]) AS k(key)
                  JOIN dms_trace_pack p ON int8range(p.first, p.last, '[]') @> k.key
                  JOIN dms_trace_event_range r ON int8range(r.first, r.last, '[]') @> p.parent
                  JOIN dms_trace_event e ON e.id = r.event_id
                 WHERE e.event_time >= p.packed_on AND (p.unpacked_on IS NULL OR e.event_time <= p.unpacked_on)
                """,
                keys=list(keys),
            )
        )
        found = defaultdict(list)
        for key, event_id in rows:
            found[key].append(event_id)
        return {
            key: self.browse(event_ids).sorted(lambda event: (event.event_time, event.id))
            for key, event_ids in found.items()
        }

    def action_open_codes(self):
        self.ensure_one()
        runs = self.env.execute_query(
            SQL(
                "SELECT first, last FROM dms_trace_event_range WHERE event_id = %s ORDER BY first LIMIT 1000",
                self.id,
            )
        )
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_code_action")
        action["domain"] = ["|"] * (len(runs) - 1) + [
            leaf for first, last in runs for leaf in ("&", ("id", ">=", first), ("id", "<=", last))
        ]
        return action
