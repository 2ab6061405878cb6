from collections import defaultdict

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import codes
from .dms_code_tables import RECEIVED, SHIPPED, SOLD, STATES

MAX_SCANS = 500


class DmsCodeReceipt(models.AbstractModel):
    """Distributors, sub-distributors and outlets scan in what they received, and out what they sold."""

    _name = "dms.code.receipt"
    _description = "Receipt and Sale of Unit Codes"

    @api.model
    def _receive(self, partner, texts):
        """Take labels over for a member of the channel; scanning one again changes nothing. See :meth:`_scan_for`.

        Goods may come from the brand (a delivery to the partner), from who supplies it, or from another distributor by
        a transfer that was shipped. A label that stands in a package leaves it.
        """
        return self._scan_for(partner, texts, "receipt")

    @api.model
    def _sell(self, partner, texts):
        """Labels that a member of the channel sold to consumers; what was not scanned in before is so now. See :meth:`_scan_for`."""
        return self._scan_for(partner, texts, "sale")

    @api.model
    def _take_back(self, partner, texts):
        """Labels that consumers brought back, or that were scanned as sold by mistake. See :meth:`_scan_for`."""
        return self._scan_for(partner, texts, "take_back")

    @api.model
    def _scan_for(self, partner, texts, work):
        """Do some work on labels for a member of the channel, each for itself.

        :param partner: the distributor or outlet, a commercial partner
        :param texts: at most 500 Digital Links, element strings, SSCC or serials
        :param work: ``receipt``, ``sale`` or ``take_back``
        :return: list of dicts ``text``, ``ok``, ``again``, ``units``, ``product``, ``message`` aligned with ``texts``
        """
        judge, apply, done, again = {
            "receipt": (
                self._judge_receipt,
                self._apply_receipt,
                self.env._("Received."),
                self.env._("Scanned in already."),
            ),
            "sale": (self._judge_sale, self._apply_sale, self.env._("Sold."), self.env._("Sold already.")),
            "take_back": (
                self._judge_take_back,
                self._apply_take_back,
                self.env._("Taken back."),
                self.env._("Taken back already."),
            ),
        }[work]
        texts = [str(text)[:200] for text in texts[:MAX_SCANS]]
        gtins = set()
        if any(len(text.strip()) == 14 for text in texts):
            gtins = {
                gtin
                for group in self.env["dms.code.order"]
                .sudo()
                ._read_group([("first_key", ">", 0)], ["gtin", "inner_gtin", "case_gtin", "pallet_gtin"])
                for gtin in group
                if gtin
            }
        found = self._read_texts(texts, gtins)
        keys = [info["key"] for info in found if info]
        self._lock_labels(keys)
        rows, contents = self._read_rows(keys), self._count_contents(keys)
        transfers = self._get_receivable_transfers(partner)
        outcomes, moves, seen = [], defaultdict(list), set()
        for text, info in zip(texts, found, strict=True):
            inside = contents.get(info["key"], {}) if info else {}
            orders_sudo = self.env["dms.code.order"].sudo().browse(inside)
            outcome = {
                "text": text,
                "ok": False,
                "again": False,
                "units": sum(inside.values()),
                "product": ", ".join(orders_sudo.product_id.mapped("name")) if info else "",
            }
            source, message = judge(partner, info and rows[info["key"]], orders_sudo, transfers)
            if source == "again" or (info and info["key"] in seen):
                outcome.update(ok=True, again=True, message=again)
            elif source:
                seen.add(info["key"])
                moves[source].append(info["key"])
                outcome.update(ok=True, message=done)
            else:
                # Who has no right to the goods learns nothing of them.
                outcome.update(message=message, units=0, product="")
            outcomes.append(outcome)
        for source, own in moves.items():
            apply(partner, source, own, rows)
        return outcomes

    @api.model
    def _judge_receipt(self, partner, row, orders, transfers):
        """Where the goods come from (``brand``, ``upstream``, ``transfer``, ``again``) and why not, in words."""
        if not row or not orders:
            return None, self.env._("This is none of our codes, or an empty package.")
        holder = row["holder_id"] or row["partner_id"]
        if row["state"] == RECEIVED and holder == partner.id:
            return "again", None
        if row["state"] not in (SHIPPED, RECEIVED):
            names = dict(self.env["dms.code"]._fields["state"]._description_selection(self.env))
            name = next((name for name, value in STATES.items() if value == row["state"]), "ordered")
            return None, self.env._("It can't be received: it is %s.", names[name].lower())
        if row["partner_id"] == partner.id and not row["holder_id"]:
            return "brand", None
        giver_products = transfers.get(holder, set())
        if giver_products and set(orders.product_id.ids) <= giver_products:
            return "transfer", None
        if holder and holder in (partner.upstream_id.id, partner._get_distributor().id):
            return "upstream", None
        return None, self.env._("It was not sent to you. Keep it apart and tell who delivered it.")

    @api.model
    def _judge_sale(self, partner, row, orders, transfers):
        """As :meth:`_judge_receipt`; ``own`` where the partner has the goods."""
        if row and row["state"] == SOLD and (row["holder_id"] or row["partner_id"]) == partner.id:
            return "again", None
        source, message = self._judge_receipt(partner, row, orders, transfers)
        return ("own" if source == "again" else source), message

    @api.model
    def _judge_take_back(self, partner, row, orders, transfers):
        """``sold`` where the partner sold the goods, ``again`` where it has them."""
        if row and orders and (row["holder_id"] or row["partner_id"]) == partner.id:
            if row["state"] == SOLD:
                return "sold", None
            if row["state"] == RECEIVED:
                return "again", None
        return None, self.env._("It was not sold by you, so it can't come back to you.")

    @api.model
    def _get_receivable_transfers(self, partner):
        """``{giver id: product ids}`` of transfers to the partner that are on their way or were just received."""
        lines_sudo = (
            self.env["dms.transfer.line"]
            .sudo()
            .search([("taker_id", "=", partner.id), ("state", "in", ("shipped", "difference", "received"))])
        )
        return {
            giver.id: set(lines.product_id.ids) for giver, lines in lines_sudo.grouped("giver_id").items()
        }

    @api.model
    def _apply_receipt(self, partner, source, keys, rows):
        self._take_out([key for key in keys if rows[key]["case_key"]])
        values = {
            "brand": SQL("state = %s", RECEIVED),
            "upstream": SQL("state = %s, holder_id = %s", RECEIVED, partner.id),
            # The other distributor answers for the goods now; where they may be sold follows from its agreement.
            "transfer": SQL(
                "state = %s, partner_id = %s, holder_id = NULL, picking_id = NULL", RECEIVED, partner.id
            ),
        }[source]
        self.env.cr.execute(SQL("UPDATE dms_trace_code SET %s WHERE key = ANY(%s)", values, keys))
        if source == "transfer":
            # What was inside had the sender's name as far as it was taken out of a package before.
            self.env.cr.execute(
                SQL(
                    """UPDATE dms_trace_code SET partner_id = %s, holder_id = NULL, picking_id = NULL
                        WHERE key = ANY(%s) AND partner_id IS NOT NULL""",
                    partner.id,
                    self._inside_keys(keys),
                )
            )
        self._tell(partner, "receiving", keys, {"source": source})
        self.invalidate_model()

    @api.model
    def _apply_sale(self, partner, source, keys, rows):
        if source == "own":
            self._take_out([key for key in keys if rows[key]["case_key"]])
        else:
            self._apply_receipt(partner, source, keys, rows)
        self.env.cr.execute(SQL("UPDATE dms_trace_code SET state = %s WHERE key = ANY(%s)", SOLD, keys))
        self._tell(partner, "retail_selling", keys)
        self.invalidate_model()

    @api.model
    def _apply_take_back(self, partner, source, keys, rows):
        self._take_out([key for key in keys if rows[key]["case_key"]])
        self.env.cr.execute(SQL("UPDATE dms_trace_code SET state = %s WHERE key = ANY(%s)", RECEIVED, keys))
        self._tell(partner, "receiving", keys, {"source": "consumer"})
        self.invalidate_model()

    @api.model
    def _tell(self, partner, step, keys, payload=None):
        """Record an event for each code order concerned, for each has a company of its own."""
        for order, own in self.env["dms.code.order"].sudo()._of_keys(keys).items():
            self.env["dms.trace.event"].sudo()._record(
                step,
                codes.ranges(own),
                when=fields.Datetime.now(),
                company=order.company_id,
                partner=partner,
                payload=payload,
            )
