from odoo import fields, models
from odoo.tools import SQL

from ..tools import matching

#: Outlets that one step of a release writes.
BATCH = 500
#: What a name of a state ends with in one spelling and not in another.
STATE_ENDS = "(特别行政区|维吾尔自治区|壮族自治区|回族自治区|自治区|省|市)$"
#: Address and status of an outlet, as the changes name them.
PARTNER_FIELDS = ("name", "street", "city", "zip", "state_id", "country_id", "phone", "email", "active")


class DmsFeedOutlet(models.AbstractModel):
    """Outlet master data: what a row changes about which outlet, and how that is written and taken back.

    A distributor's file makes and changes outlets that it supplies, and no others. What a row leaves empty stays as it
    is. A part of ``dms.feed``, which inherits it.
    """

    _name = "dms.feed.outlet"
    _description = "Outlet Master Data of a Feed"

    # -- checking --------------------------------------------------------------------------------------------------

    def _check_outlets(self):
        """Look up whom the staged rows are about and write what each changes to ``dms_feed_checked``."""
        self._create_temp("dms_feed_place", self._get_places_sql())
        self._create_temp("dms_feed_known", self._get_known_outlets_sql())
        self._create_temp("dms_feed_checked", self._get_checked_outlets_sql())
        self._place_outlets()
        self._mark_outlets()

    def _get_places_sql(self):
        """Answer the query (partner_id, country, state, country_id, state_id): each pair of texts, and what it names.

        Without a country, a state is looked for in the distributor's country, else in the company's.
        """
        return SQL(
            """
            WITH keys AS (
                SELECT DISTINCT COALESCE(partner.partner_id, 0) AS partner_id,
                       lower(COALESCE(stage.details->>'country', '')) AS country,
                       lower(COALESCE(stage.details->>'state', '')) AS state
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
            ), country AS (
                SELECT DISTINCT ON (keys.country) keys.country, found.id
                  FROM keys
                  JOIN res_country found
                    ON lower(found.code) = keys.country
                    OR EXISTS (SELECT FROM jsonb_each_text(found.name) name WHERE lower(name.value) = keys.country)
                 WHERE keys.country <> ''
              ORDER BY keys.country, lower(found.code) <> keys.country, found.id
            )
            SELECT keys.partner_id, keys.country, keys.state, country.id AS country_id, home.country_id AS home_id,
                   (SELECT state.id FROM res_country_state state
                     WHERE state.country_id = COALESCE(country.id, home.country_id) AND keys.state <> ''
                       AND (lower(state.code) = keys.state
                            OR lower(regexp_replace(state.name, %(ends)s, ''))
                               = lower(regexp_replace(keys.state, %(ends)s, '')))
                  ORDER BY state.id LIMIT 1) AS state_id
              FROM keys
         LEFT JOIN country USING (country)
        CROSS JOIN LATERAL (SELECT COALESCE((SELECT country_id FROM res_partner WHERE id = keys.partner_id),
                                            %(country)s) AS country_id) home
            """,
            ends=STATE_ENDS,
            country=self.company_id.country_id.id or None,
        )

    def _get_known_outlets_sql(self):
        """Answer the query (partner_id, code, outlet_id, elsewhere) of the outlets that the rows' codes name.

        A code is the sender's mapping or an outlet's reference; archived outlets count, too. Only an outlet that the
        distributor supplies, directly or through others, is taken; ``elsewhere`` says that there is another one.
        """
        return SQL(
            """
            WITH RECURSIVE keys AS (
                SELECT DISTINCT partner.partner_id, lower(stage.outlet_code) AS code
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                 WHERE stage.outlet_code <> '' AND partner.partner_id IS NOT NULL
            ), candidate AS (
                SELECT keys.partner_id, keys.code, outlet.id, outlet.active, 1 AS rank
                  FROM keys
                  JOIN res_partner outlet ON lower(outlet.ref) = keys.code AND outlet.channel_role = 'outlet'
                   AND (outlet.company_id IS NULL OR outlet.company_id = %(company)s)
             UNION
                SELECT keys.partner_id, keys.code, outlet.id, outlet.active, 0
                  FROM keys
                  JOIN dms_feed_mapping mapping
                    ON mapping.kind = 'outlet' AND mapping.company_id = %(company)s
                   AND lower(mapping.code) = keys.code
                   AND (mapping.partner_id = COALESCE(%(sender)s, keys.partner_id) OR mapping.partner_id IS NULL)
                  JOIN res_partner outlet ON outlet.id = mapping.outlet_id
            ), supplier AS (
                SELECT DISTINCT candidate.id, outlet.upstream_id
                  FROM candidate JOIN res_partner outlet ON outlet.id = candidate.id
                 WHERE outlet.upstream_id IS NOT NULL
             UNION
                SELECT supplier.id, partner.upstream_id
                  FROM supplier JOIN res_partner partner ON partner.id = supplier.upstream_id
                 WHERE partner.upstream_id IS NOT NULL
            ), own AS (
                SELECT DISTINCT ON (candidate.partner_id, candidate.code)
                       candidate.partner_id, candidate.code, candidate.id
                  FROM candidate
                  JOIN supplier ON supplier.id = candidate.id AND supplier.upstream_id = candidate.partner_id
              ORDER BY candidate.partner_id, candidate.code, candidate.rank, candidate.active DESC, candidate.id
            )
            SELECT keys.partner_id, keys.code, own.id AS outlet_id,
                   own.id IS NULL AND EXISTS (SELECT FROM candidate
                                               WHERE candidate.partner_id = keys.partner_id
                                                 AND candidate.code = keys.code) AS elsewhere
              FROM keys LEFT JOIN own USING (partner_id, code)
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )

    def _get_checked_outlets_sql(self):
        """Answer the query of what each staged row changes: ``changes`` is {field: [before, after]}."""
        return SQL(
            """
            SELECT stage.line_id, stage.row, stage.distributor_code, stage.outlet_code, partner.partner_id,
                   known.outlet_id, NULL::integer AS product_id, NULL::date AS date, NULL::numeric AS quantity,
                   NULL::numeric AS returned, NULL::numeric AS price_unit, NULL::numeric AS amount,
                   CONCAT_WS(',', NULLIF(stage.issues, ''), partner.issue,
                             CASE WHEN stage.details ? 'country' AND place.country_id IS NULL
                                  THEN 'country_unknown' END) AS issues,
                   CONCAT_WS(',', CASE WHEN known.elsewhere THEN 'outlet_elsewhere' END,
                                  CASE WHEN stage.details ? 'state' AND place.state_id IS NULL
                                       THEN 'state_unknown' END) AS warnings,
                   ''::text AS notes, NULL::jsonb AS figures, NULL::integer AS duplicate_of_id, stage.details,
                   COALESCE(place.country_id, outlet.country_id, place.home_id) AS country_id,
                   COALESCE(place.state_id, outlet.state_id) AS state_id,
                   COALESCE(stage.details->>'zip', outlet.zip, '') AS zip, NULL::integer AS territory_id,
                   CASE WHEN known.outlet_id IS NULL THEN '{"new": [false, true]}'::jsonb ELSE '{}'::jsonb END
                   || COALESCE(changed.changes, '{}') AS changes
              FROM dms_feed_stage stage
              JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
         LEFT JOIN dms_feed_place place
                ON place.partner_id = COALESCE(partner.partner_id, 0)
               AND place.country = lower(COALESCE(stage.details->>'country', ''))
               AND place.state = lower(COALESCE(stage.details->>'state', ''))
         LEFT JOIN dms_feed_known known
                ON known.partner_id = partner.partner_id AND known.code = lower(stage.outlet_code)
         LEFT JOIN res_partner outlet ON outlet.id = known.outlet_id
         LEFT JOIN LATERAL (
                   SELECT jsonb_object_agg(part.name, jsonb_build_array(part.before, part.after)) AS changes
                     FROM (VALUES
                              ('name', to_jsonb(outlet.name), stage.details->'name'),
                              ('street', to_jsonb(outlet.street), stage.details->'street'),
                              ('city', to_jsonb(outlet.city), stage.details->'city'),
                              ('zip', to_jsonb(outlet.zip), stage.details->'zip'),
                              ('phone', to_jsonb(outlet.phone), stage.details->'phone'),
                              ('email', to_jsonb(outlet.email), stage.details->'email'),
                              ('state_id', to_jsonb(outlet.state_id), to_jsonb(place.state_id)),
                              ('country_id', to_jsonb(outlet.country_id),
                               to_jsonb(COALESCE(place.country_id,
                                                 CASE WHEN outlet.country_id IS NULL THEN place.home_id END))),
                              ('active', to_jsonb(COALESCE(outlet.active, TRUE)), stage.details->'open'),
                              ('contact', 'null'::jsonb,
                               CASE WHEN NOT EXISTS (SELECT FROM res_partner contact
                                                      WHERE contact.parent_id = outlet.id AND contact.active
                                                        AND lower(contact.name) = lower(stage.details->>'contact'))
                                    THEN stage.details->'contact' END)
                          ) part (name, before, after)
                    WHERE part.after IS NOT NULL AND part.after IS DISTINCT FROM part.before
                   ) changed ON TRUE
            """
        )

    def _place_outlets(self):
        """Note in whose territory the addresses lie, each address looked up once."""
        places = self.env.execute_query(
            SQL("SELECT DISTINCT country_id, state_id, zip FROM dms_feed_checked WHERE issues = ''")
        )
        territories = (
            self.env["dms.territory"]
            .with_company(self.company_id)
            ._match_addresses(
                [
                    {"country_id": country, "state_id": state, "zip": zip_code}
                    for country, state, zip_code in places
                ]
            )
        )
        rows = [
            (*place, territory.id) for place, territory in zip(places, territories, strict=True) if territory
        ]
        if rows:
            countries, states, zips, ids = map(list, zip(*rows, strict=True))
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE dms_feed_checked checked SET territory_id = place.territory_id
                      FROM unnest(%s::integer[], %s::integer[], %s::text[], %s::integer[])
                           place (country_id, state_id, zip, territory_id)
                     WHERE checked.country_id IS NOT DISTINCT FROM place.country_id
                       AND checked.state_id IS NOT DISTINCT FROM place.state_id AND checked.zip = place.zip
                    """,
                    countries,
                    states,
                    zips,
                    ids,
                )
            )

    def _mark_outlets(self):
        """Mark rows that say nothing new, that contradict each other, or that close an outlet which is in use."""
        self._mark_said_twice({"code": SQL("lower(outlet_code)")}, SQL("details"), "outlet_twice")
        self.env.cr.execute(
            "UPDATE dms_feed_checked SET issues = 'duplicate' WHERE issues = '' AND changes = '{}'::jsonb"
        )
        closing = [
            outlet_id
            for (outlet_id,) in self.env.execute_query(
                SQL(
                    "SELECT DISTINCT outlet_id FROM dms_feed_checked"
                    " WHERE issues = '' AND outlet_id IS NOT NULL AND changes->'active' = '[true, false]'::jsonb"
                )
            )
        ]
        if in_use := self._find_outlets_in_use(closing):
            self.env.cr.execute(
                SQL(
                    "UPDATE dms_feed_checked SET issues = 'outlet_in_use'"
                    " WHERE issues = '' AND outlet_id = ANY(%s) AND changes->'active' = '[true, false]'::jsonb",
                    in_use,
                )
            )

    def _find_outlets_in_use(self, outlet_ids):
        """Ids of those of the outlets that can't be archived: an open order, or a user."""
        outlets = self.env["res.partner"].browse(outlet_ids)
        if not outlets:
            return []
        orders = self.env["sale.order"].search(outlets._get_dms_open_order_domain())
        users = self.env["res.users"].search([("partner_id", "in", outlets.ids)])
        return (outlets & (orders.partner_id.commercial_partner_id | users.partner_id)).ids

    def _find_similar_outlets(self, rows, own):
        """Answer [(line id, name, code)] of new outlets that look like a known one, by name and address.

        :param SQL rows: of ``dms_feed_checked``
        :param bool own: among the outlets of the row's distributor and the other new rows of the file, else among those
            that others supply
        """
        new = self.env.execute_query(
            SQL(
                """
                SELECT line_id, partner_id, details->>'name', details->>'street',
                       COALESCE(details->>'zip', details->>'city', ''), outlet_code
                  FROM %s mine WHERE outlet_id IS NULL AND issues = '' ORDER BY line_id
                """,
                rows,
            )
        )
        if not new:
            return []
        known = self.env.execute_query(
            SQL(
                """
                SELECT outlet.id, outlet.upstream_id, outlet.name, outlet.street, outlet.zip, outlet.city, outlet.ref
                  FROM res_partner outlet
                 WHERE outlet.channel_role = 'outlet' AND outlet.street <> '' AND outlet.upstream_id IS NOT NULL
                   AND (outlet.company_id IS NULL OR outlet.company_id = %(company)s)
                   AND (lower(outlet.zip) = ANY(%(places)s) OR lower(outlet.city) = ANY(%(places)s))
                """,
                company=self.company_id.id,
                places=list({row[4].lower() for row in new if row[4]}),
            )
        )
        by_partner = {}
        for line_id, partner_id, name, street, place, code in new:
            by_partner.setdefault(partner_id, []).append((line_id, name, street or "", place, code))
        found = []
        for partner_id, mine in by_partner.items():
            others = [
                (name, street, place, code or "")
                for _id, upstream_id, name, street, zip_code, city, code in known
                if (upstream_id == partner_id) is own
                for place in {zip_code, city} - {None, "", False}
            ]
            found += [
                (line_id, name, code)
                for line_id, (name, _street, _place, code) in matching.find_similar(mine, others, among=own)
            ]
        return found

    # -- releasing ---------------------------------------------------------------------------------------------------

    def _book_outlets(self):
        """Write the right lines to the outlets, a batch at a time; answer how many lines, and how many outlets."""
        lines = self.env["dms.feed.line"].search(
            [("feed_id", "=", self.id), ("state", "=", "ok")], order="id"
        )
        today = fields.Date.context_today(self)
        # What a new partner takes from its parent is among its values: Odoo would write it once more, partner by partner.
        partners = self.env["res.partner"].with_context(
            tracking_disable=True,
            mail_create_nosubscribe=True,
            active_test=False,
            _partners_skip_fields_sync=True,
        )
        for start in range(0, len(lines), BATCH):
            batch = lines[start : start + BATCH]
            new = batch.filtered(lambda line: not line.outlet_id)
            created = partners.create([self._prepare_outlet_vals(line, today) for line in new])
            for line in batch - new:
                if vals := self._prepare_outlet_changes(line.changes, 1, today):
                    partners.browse(line.outlet_id.id).write(vals)
            outlets = [*created, *(partners.browse(line.outlet_id.id) for line in batch - new)]
            partners.create(
                [
                    self._prepare_contact_vals(outlet, line.changes["contact"][1])
                    for line, outlet in zip(new + (batch - new), outlets, strict=True)
                    if (line.changes or {}).get("contact")
                ]
            )
            self.env.flush_all()
            self.env.cr.execute(
                SQL(
                    "UPDATE dms_feed_line line SET outlet_id = made.outlet_id"
                    "  FROM unnest(%s::integer[], %s::integer[]) made (line_id, outlet_id) WHERE line.id = made.line_id",
                    new.ids,
                    created.ids,
                )
            )
            batch.invalidate_recordset()
        return len(lines), len(lines)

    def _prepare_outlet_vals(self, line, today):
        return self._prepare_outlet_changes(line.changes, 1, today) | {
            "ref": line.outlet_code,
            "channel_role": "outlet",
            "is_company": True,
            "upstream_id": line.partner_id.id,
            "company_id": line.partner_id.company_id.id,
        }

    def _prepare_contact_vals(self, outlet, name):
        inherited = outlet._get_address_values() | outlet._get_commercial_values()
        return inherited | {"name": name, "type": "contact", "parent_id": outlet.id}

    def _prepare_outlet_changes(self, changes, side, today):
        """Values of the partner's fields before (0) or after (1) the changes."""
        vals = {name: pair[side] or False for name, pair in (changes or {}).items() if name in PARTNER_FIELDS}
        if "active" in vals:
            vals["dms_closed_on"] = False if vals["active"] else today
        return vals

    def _reverse_outlets(self, lines):
        """Give the outlets back what they had before these released lines; answer the lines whose outlet was changed since.

        An outlet that the feed made is archived: it may have orders or sales by now. What somebody else has changed
        since stays as it is.
        """
        kept = lines.browse()
        today = fields.Date.context_today(self)
        lines = lines.with_context(active_test=False, tracking_disable=True).sorted("id", reverse=True)
        made = lines.filtered(lambda line: "new" in (line.changes or {}))
        contacts = {(line.outlet_id, (line.changes or {}).get("contact", [None, None])[1]) for line in lines}
        lines.outlet_id.child_ids.filtered(
            lambda child: (child.parent_id, child.name) in contacts
        ).action_archive()
        made.outlet_id.write({"active": False, "dms_closed_on": False})
        for line in lines - made:
            outlet, changes = line.outlet_id, line.changes or {}
            after = self._prepare_outlet_changes(changes, 1, today)
            same = {
                name: pair
                for name, pair in changes.items()
                if name in PARTNER_FIELDS
                and (outlet[name].id if name.endswith("_id") else outlet[name]) == after[name]
            }
            if len(same) < len(set(changes) & set(PARTNER_FIELDS)):
                kept |= line
            if vals := self._prepare_outlet_changes(same, 0, today):
                outlet.write(vals)
        return kept
