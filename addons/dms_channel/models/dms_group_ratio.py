from odoo import api, models
from odoo.tools import SQL


class DmsGroupRatio(models.AbstractModel):
    """Figures that are ratios: mixin. The ratio of a group is that of its sums, never the mean of its rows' ratios."""

    _name = "dms.group.ratio"
    _description = "Ratios of Groups"

    #: {name of a field with the aggregator "avg": (field that is summed above, field that is summed below)}
    _group_ratios = {}

    @api.model
    def _read_group_select(self, aggregate_spec, query):
        name, _colon, function = aggregate_spec.partition(":")
        if name not in self._group_ratios or function != "avg":
            return super()._read_group_select(aggregate_spec, query)
        above, below = self._get_ratio_parts(name, query)
        return SQL("COALESCE(SUM(%s) / NULLIF(SUM(%s), 0), 0)", above, below)

    @api.model
    def _get_ratio_parts(self, name, query):
        """What of each row is summed above and below."""
        return [self._field_to_sql(self._table, field, query) for field in self._group_ratios[name]]
