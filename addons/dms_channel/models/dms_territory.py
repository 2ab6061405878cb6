from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from ..tools.address import AddressIndex, Area, split_prefixes
from ..tools.geometry import BoundaryError, PointIndex, inner_point, outline, parse_boundary

# The fields that decide what a territory holds; a change of one empties the look-up indexes.
MATCH_FIELDS = {
    "active",
    "boundary",
    "company_id",
    "country_ids",
    "parent_id",
    "sequence",
    "state_ids",
    "zip_prefixes",
}


class DmsTerritory(models.Model):
    """A node of the tree of sales territories.

    A territory claims countries, states and zip prefixes, and may have a boundary. What it does not claim itself it
    takes from its nearest ancestor that does; a territory without any claim of its own holds no address.
    """

    _name = "dms.territory"
    _description = "Sales Territory"
    _inherit = ["mail.thread"]
    _parent_store = True
    _order = "complete_name, id"
    _rec_names_search = ["complete_name", "name", "code"]
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, tracking=True)
    code = fields.Char(index="trigram", copy=False, tracking=True, help="Short code, unique in the company.")
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10, help="Of two territories of the same depth, the lower one wins.")
    parent_id = fields.Many2one(
        "dms.territory", string="Part of", index=True, ondelete="restrict", check_company=True, tracking=True
    )
    parent_path = fields.Char(index=True)
    child_ids = fields.One2many("dms.territory", "parent_id", string="Sub-territories")
    child_count = fields.Integer(compute="_compute_child_count")
    complete_name = fields.Char(
        string="Full Name",
        compute="_compute_complete_name",
        recursive=True,
        store=True,
        index="trigram",
        help="In one language, for sorting and searching; the display name is in the reader's.",
    )
    company_id = fields.Many2one("res.company", index=True, help="Empty: shared by all companies.")
    user_id = fields.Many2one(
        "res.users", string="Responsible", domain="[('share', '=', False)]", tracking=True
    )
    country_ids = fields.Many2many("res.country", string="Countries")
    state_ids = fields.Many2many("res.country.state", string="States")
    zip_prefixes = fields.Char(help="Beginnings of zip codes, separated by commas: 200, 201, 2153")
    boundary = fields.Text(
        # Thousands of points: read where it is drawn or searched, not with every name.
        prefetch=False,
        help="GeoJSON Polygon or MultiPolygon, longitude before latitude. Decides for scans and other points.",
    )
    partner_ids = fields.One2many("res.partner", "territory_id", string="Partners")
    partner_count = fields.Integer(compute="_compute_partner_count")

    _code_company_uniq = models.UniqueIndex(
        "(code, COALESCE(company_id, 0)) WHERE code IS NOT NULL",
        "Another territory of the company has this code. Choose another code.",
    )

    @api.depends("child_ids")
    def _compute_child_count(self):
        counts = dict(self._read_group([("parent_id", "in", self.ids)], ["parent_id"], ["__count"]))
        for territory in self:
            territory.child_count = counts.get(territory, 0)

    @api.depends("name", "parent_id.complete_name")
    def _compute_complete_name(self):
        for territory in self:
            if territory.parent_id:
                territory.complete_name = f"{territory.parent_id.complete_name} / {territory.name}"
            else:
                territory.complete_name = territory.name

    @api.depends("name", "parent_path")
    @api.depends_context("lang", "hierarchical_naming")
    def _compute_display_name(self):
        if not self.env.context.get("hierarchical_naming", True):
            for territory in self:
                territory.display_name = territory.name
            return
        paths = {
            territory: [int(part) for part in (territory.parent_path or "").split("/")[:-1]]
            or [*territory.parent_id.ids, territory.id]
            for territory in self
        }
        ancestors_sudo = self.sudo().browse({part for path in paths.values() for part in path if part})
        names = {ancestor.id: ancestor.name for ancestor in ancestors_sudo}
        for territory, path in paths.items():
            above = [names[part] for part in path if part and part != territory.id]
            territory.display_name = " / ".join([*above, territory.name or ""])

    def _compute_partner_count(self):
        """Members of the territory and of all that lies inside it."""
        counts = {}
        groups = self.env["res.partner"]._read_group(
            [("territory_id", "child_of", self.ids), ("channel_role", "!=", False)],
            ["territory_id"],
            ["__count"],
        )
        for territory, count in groups:
            for ancestor in map(int, (territory.parent_path or "").split("/")[:-1]):
                counts[ancestor] = counts.get(ancestor, 0) + count
        for territory in self:
            territory.partner_count = counts.get(territory.id, 0)

    @api.constrains("parent_id")
    def _check_exclusive(self):
        """What one distributor sells exclusively may not come to lie inside another's exclusive territory."""
        self.env["dms.agreement"]._check_exclusive_lines([("territory_id", "child_of", self.ids)])

    @api.constrains("company_id")
    def _check_company_of_users(self):
        for territory in self.filtered("company_id"):
            strangers = ["&", ("company_id", "!=", False), ("company_id", "!=", territory.company_id.id)]
            lines_sudo = self.env["dms.agreement.line"].sudo()
            line_sudo = lines_sudo.search([("territory_id", "=", territory.id), *strangers], limit=1)
            child = next(
                (c for c in territory.child_ids if c.company_id != territory.company_id), self.browse()
            )
            if line_sudo or child:
                raise ValidationError(
                    self.env._(
                        "Territory %(name)s can't belong to %(company)s alone: %(user)s of another company uses it."
                        " Leave its company empty.",
                        name=territory.display_name,
                        company=territory.company_id.name,
                        user=line_sudo.agreement_id.display_name or child.display_name,
                    )
                )

    @api.constrains("boundary")
    def _check_boundary(self):
        for territory in self.filtered("boundary"):
            try:
                parse_boundary(territory.boundary)
            except BoundaryError as error:
                raise ValidationError(
                    self.env._(
                        "The boundary of territory %(name)s can't be used: %(reason)s",
                        name=territory.name,
                        reason=self._boundary_error_sentence(error),
                    )
                ) from error

    @api.model
    def _boundary_error_sentence(self, error):
        detail = error.detail
        sentences = {
            "json": self.env._("it is not valid JSON (%s). Paste the whole GeoJSON text.", detail),
            "type": self.env._("it is a %s, and must be a Polygon or a MultiPolygon.", detail),
            "shape": self.env._(
                "its rings can't be read (%s). Each ring needs four or more points and ends where it began.",
                detail,
            ),
            "empty": self.env._("it holds no area. Draw at least one ring."),
            "range": self.env._(
                "the point %s lies outside the globe. Longitude is within ±180, latitude within ±90.", detail
            ),
            "swapped": self.env._(
                "the point %s looks like latitude before longitude. GeoJSON puts the longitude first.", detail
            ),
            "invalid": self.env._(
                "its outline is not clean (%s). Redraw the ring so that it neither crosses nor touches itself.",
                detail,
            ),
        }
        return sentences[error.code]

    @api.model_create_multi
    def create(self, vals_list):
        territories = super().create(vals_list)
        territories._territory_changed()
        return territories

    def write(self, vals):
        if vals.get("parent_id"):
            self._check_parent(self.browse(vals["parent_id"]))
        result = super().write(vals)
        if MATCH_FIELDS & vals.keys():
            self._territory_changed()
        return result

    def unlink(self):
        result = super().unlink()
        self._territory_changed()
        return result

    def _check_parent(self, parent):
        """Refuse a circle in words, before the ORM finds it."""
        for territory in self:
            if territory._contains(parent.sudo()):
                raise ValidationError(
                    self.env._(
                        "Territory %(name)s can't be part of %(parent)s, which is itself or lies inside it. Choose"
                        " another parent.",
                        name=territory.display_name,
                        parent=parent.sudo().display_name,
                    )
                )

    def action_view_partners(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.res_partner_action_member"),
            "domain": [("territory_id", "child_of", self.id), ("channel_role", "!=", False)],
            "context": {"default_territory_id": self.id, "default_is_company": True},
        }

    def _territory_changed(self):
        """Forget the look-up indexes, and place the members anew; a territory that was set by hand stays."""
        self.env.flush_all()
        self.env.registry.clear_cache()
        self.env["res.partner"].sudo()._place_members()

    def _contains(self, other):
        """Whether ``other`` (a territory) is this territory or lies inside it."""
        self.ensure_one()
        return bool(other) and (other.parent_path or "").startswith(self.parent_path or "/")

    @api.model
    def _match_addresses(self, addresses):
        """Territory of each address: the deepest match wins, then the lowest sequence.

        :param list[dict] addresses: ``country_id`` and ``state_id`` (ids, or False) and ``zip``
        :return: territories (empty ones where none holds the address) aligned with ``addresses``
        :rtype: list
        """
        match = self._get_address_index().match
        found = {}
        answers = []
        for address in addresses:
            place = address.get("country_id") or 0, address.get("state_id") or 0, address.get("zip")
            if place not in found:
                found[place] = match(*place)
            answers.append(found[place])
        return self._browse_each(answers)

    @api.model
    def _match_points(self, points):
        """Territory whose boundary holds each point: the deepest wins, then the lowest sequence.

        :param points: ``(latitude, longitude)`` pairs in degrees (any array-like)
        :return: territories (empty ones where none holds the point) aligned with ``points``
        :rtype: list
        """
        return self._browse_each(self._get_point_index().match(points).tolist())

    @api.model
    def _browse_each(self, ids):
        """A territory for each of ``ids`` (0: the empty one), which repeat: each record is made once."""
        records = {id_: self.browse(id_ or ()) for id_ in set(ids)}
        return [records[id_] for id_ in ids]

    @api.model
    def _get_match_domain(self):
        return Domain("company_id", "in", [False, self.env.company.id])

    @api.model
    def get_backdrop(self, parent_id, own_id=False):
        """The boundaries around a territory that is being drawn, simplified to what a screen can show.

        :return: ``[{"kind": "parent" | "sibling" | "child", "name": str, "geometry": GeoJSON geometry}]``
        """
        family = Domain("id", "=", parent_id) | Domain("parent_id", "=", parent_id)
        if own_id:
            family |= Domain("parent_id", "=", own_id)
        territories = self.search(family & Domain("boundary", "!=", False) & Domain("id", "!=", own_id))
        kinds = {parent_id: "parent"} if parent_id else {}
        return [
            {
                "kind": kinds.get(territory.id)
                or ("child" if own_id and territory.parent_id.id == own_id else "sibling"),
                "name": territory.name,
                "geometry": outline(territory.boundary),
            }
            for territory in territories
        ]

    @api.model
    @api.readonly
    def get_map(self):
        """What the overview map shows: territories with a boundary, the top of the tree first, each with the distributors
        whose agreements in force hold for it, and the distributors as points.

        A distributor without coordinates of its own is shown inside its territory.

        :return: ``{"territories": [...], "distributors": [...]}``
        :rtype: dict
        """
        company = self.env.company
        territories = self.search(self._get_match_domain() & Domain("boundary", "!=", False))
        territories.fetch(["boundary", "name", "parent_path"])
        lines = self._get_lines_in_force(company)
        return {
            "territories": [
                {
                    "id": territory.id,
                    "name": territory.name,
                    "full_name": territory.display_name,
                    "geometry": outline(territory.boundary),
                    "members": territory.partner_count,
                    "holders": [
                        self._prepare_holder(line) for line in lines if line.territory_id._contains(territory)
                    ],
                }
                for territory in territories.sorted(lambda t: (t.parent_path.count("/"), -t.sequence))
            ],
            "distributors": self._get_map_points(territories, company),
        }

    @api.model
    def _get_lines_in_force(self, company):
        """The lines of all agreements in force today."""
        today = fields.Date.context_today(self)
        return self.env["dms.agreement.line"].search(
            [
                ("company_id", "=", company.id),
                ("agreement_id.state", "=", "active"),
                ("agreement_id.date_start", "<=", today),
                "|",
                ("agreement_id.date_end", "=", False),
                ("agreement_id.date_end", ">=", today),
            ]
        )

    @api.model
    def _prepare_holder(self, line):
        return {
            "id": line.partner_id.id,
            "name": line.partner_id.display_name,
            "exclusive": line.exclusive,
            "agreement_id": line.agreement_id.id,
            "agreement": line.agreement_id.display_name,
            "goods": line._format_goods(),
        }

    @api.model
    def _get_map_points(self, territories, company):
        """Distributors with coordinates, of their own or of the nearest territory around them that has a boundary."""
        points, inside = [], {}
        partners = self.env["res.partner"].search(
            [("channel_role", "=", "distributor"), ("company_id", "in", [False, company.id])]
        )
        bounded = {territory.id: territory for territory in territories}
        for partner in partners:
            place = partner.partner_latitude, partner.partner_longitude
            placed = any(place)
            if not placed:
                path = map(int, (partner.territory_id.parent_path or "").split("/")[:-1])
                around = next((bounded[id_] for id_ in reversed(list(path)) if id_ in bounded), None)
                if not around:
                    continue
                if around not in inside:
                    inside[around] = inner_point(around.boundary)
                place = inside[around]
            points.append(
                {
                    "id": partner.id,
                    "name": partner.display_name,
                    "latitude": place[0],
                    "longitude": place[1],
                    "placed": placed,
                }
            )
        return points

    @api.model
    def _get_ranked(self):
        """All territories of the company, the one that wins first (deepest, then sequence)."""
        # The answer is cached for all: the caller's wish to see archived records must not come in.
        territories = self.sudo().with_context(active_test=True).search(self._get_match_domain())
        return territories.sorted(lambda t: (-(t.parent_path or "").count("/"), t.sequence, t.id))

    @tools.ormcache("self.env.company.id")
    def _get_address_index(self):
        claims = {}
        ranked_sudo = self._get_ranked()
        for territory in reversed(ranked_sudo):
            countries, states, prefixes = claims.get(territory.parent_id.id, (frozenset(), frozenset(), ()))
            # A claim of its own replaces the inherited one, and what is finer than it.
            if territory.country_ids:
                countries, states, prefixes = frozenset(territory.country_ids.ids), frozenset(), ()
            if territory.state_ids:
                states, prefixes = frozenset(territory.state_ids.ids), ()
            if own_prefixes := split_prefixes(territory.zip_prefixes):
                prefixes = own_prefixes
            claims[territory.id] = countries, states, prefixes
        return AddressIndex(
            Area(territory.id, *claims[territory.id])
            for territory in ranked_sudo
            if territory.country_ids or territory.state_ids or split_prefixes(territory.zip_prefixes)
        )

    @tools.ormcache("self.env.company.id")
    def _get_point_index(self):
        bounded_sudo = self._get_ranked().filtered("boundary")
        return PointIndex(
            bounded_sudo.ids, [parse_boundary(territory.boundary) for territory in bounded_sudo]
        )
