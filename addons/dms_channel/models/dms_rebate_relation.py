from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .dms_rebate_engine import Validity


class DmsRebateRelation(models.Model):
    """How a programme follows from others; their versions follow by the programme's code."""

    _name = "dms.rebate.relation"
    _description = "Relation of Rebate Programmes"
    _inherit = ["dms.program.term"]
    _order = "program_id, id"

    kind = fields.Selection(
        [
            ("excludes", "Pays nothing to those who earn under"),
            ("reduces", "Counts less what is earned under"),
            ("cap", "Shares a cap with"),
        ],
        required=True,
        default="reduces",
    )
    other_ids = fields.Many2many("dms.rebate.program", string="Programmes", required=True)
    amount = fields.Float(
        "Cap", digits=(18, 4), help="The most that this programme and those together pay in a period."
    )

    @api.constrains("kind", "amount", "other_ids", "program_id")
    def _check_relation(self):
        for relation in self:
            program = relation.program_id
            if not relation.other_ids:
                raise ValidationError(
                    self.env._(
                        "A relation of %s names no programme: choose at least one.", program.display_name
                    )
                )
            if program.code in relation.other_ids.mapped("code"):
                raise ValidationError(
                    self.env._("%s can't follow from itself: choose another programme.", program.display_name)
                )
            if relation.kind == "cap" and relation.amount <= 0:
                raise ValidationError(
                    self.env._(
                        "The cap that %s shares with others lies above zero: enter it.", program.display_name
                    )
                )
            if relation.other_ids.company_id - program.company_id or (
                relation.other_ids.currency_id - program.currency_id
            ):
                raise ValidationError(
                    self.env._(
                        "%(program)s and %(others)s differ in company or currency, so their earnings can't be set off.",
                        program=program.display_name,
                        others=", ".join(relation.other_ids.mapped("display_name")),
                    )
                )

    def _get_others(self):
        """Return all published versions of the named programmes; the last ones only, where all are tried on the same days."""
        versions = self.env["dms.rebate.program"].search(
            [
                ("company_id", "in", self.program_id.company_id.ids),
                ("code", "in", self.other_ids.mapped("code")),
                ("state", "!=", "draft"),
            ],
            order="id",
        )
        if isinstance(self.env.context.get("dms_rebate_validity"), Validity):
            return self.env["dms.rebate.program"].union(
                *(
                    same[-1:]
                    for same in versions.grouped(lambda program: (program.company_id, program.code)).values()
                )
            )
        return versions

    def _to_sentence(self):
        self.ensure_one()
        others = ", ".join(sorted(set(self.other_ids.mapped("code"))))
        if self.kind == "excludes":
            return self.env._("Pays nothing to those who earn under %s.", others)
        if self.kind == "reduces":
            return self.env._("What %s earns is taken off the base.", others)
        return self.env._(
            "Together with %(others)s at most %(cap)s a period.",
            others=others,
            cap=self.program_id._format_money(self.amount),
        )
