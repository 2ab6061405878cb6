from odoo import api, models
from odoo.tools import SQL


class DmsFeedLookup(models.AbstractModel):
    """The queries by which the codes of the staged rows are looked up, each code once.

    A part of ``dms.feed``, which inherits it.
    """

    _name = "dms.feed.lookup"
    _description = "Codes of a Feed"

    @api.model
    def _get_own_codes(self, partner):
        """Answer what a sender can call ``partner``, in lower case."""
        return sorted({text.lower() for text in (partner.ref, partner.name) if text})

    def _get_partner_codes_sql(self):
        """Answer the query (code, partner_id, issue) for each distributor code that the rows give ('' is none)."""
        codes = SQL("SELECT DISTINCT lower(distributor_code) AS code FROM dms_feed_stage")
        if self.partner_id:
            distributor = self.partner_id._get_distributor()
            own = self._get_own_codes(distributor)
            return SQL(
                """
                SELECT code, %s::integer AS partner_id,
                       CASE WHEN code <> '' AND code <> ALL(%s::text[]) THEN 'distributor_other' END AS issue
                  FROM (%s) codes
                """,
                distributor.id or None,
                own,
                codes,
            )
        return SQL(
            """
            SELECT codes.code, CASE WHEN found.number = 1 THEN found.id END AS partner_id,
                   CASE WHEN codes.code = '' THEN 'distributor_missing'
                        WHEN found.number IS NULL THEN 'distributor_unknown'
                        WHEN found.number > 1 THEN 'distributor_ambiguous' END AS issue
              FROM (%(codes)s) codes
         LEFT JOIN (SELECT lower(ref) AS code, MIN(id) AS id, COUNT(*) AS number
                      FROM res_partner
                     WHERE channel_role = 'distributor' AND active AND ref <> ''
                       AND id = commercial_partner_id
                       AND (company_id IS NULL OR company_id = %(company)s)
                  GROUP BY lower(ref)) found
                ON found.code = codes.code
            """,
            codes=codes,
            company=self.company_id.id,
        )

    def _get_product_codes_sql(self):
        """Answer the query (partner_id, code, product_id, uom_id, factor, issue) for each sender's product code.

        The sender's mapping goes before everybody's mapping, the product's reference, and its barcode.
        """
        return SQL(
            """
            WITH keys AS (
                SELECT DISTINCT COALESCE(partner.partner_id, 0) AS partner_id, lower(stage.product_code) AS code
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                 WHERE stage.product_code <> ''
            ), codes AS (
                SELECT DISTINCT code FROM keys
            ), product AS (
                SELECT product.id, lower(product.default_code) AS default_code, lower(product.barcode) AS barcode,
                       product.active AND template.active AS active, uom.id AS uom_id, uom.factor AS factor,
                       uom.parent_path
                  FROM product_product product
                  JOIN product_template template ON template.id = product.product_tmpl_id
                  JOIN uom_uom uom ON uom.id = template.uom_id
                 WHERE template.type = 'consu'
                   AND (template.company_id IS NULL OR template.company_id = %(company)s)
            ), ranked AS (
                SELECT code, rank, COUNT(*) FILTER (WHERE active) AS number,
                       CASE WHEN bool_or(active) THEN MIN(id) FILTER (WHERE active)
                            WHEN COUNT(*) = 1 THEN MIN(id) END AS id
                  FROM (SELECT 1 AS rank, default_code AS code, id, active FROM product
                         WHERE default_code IN (SELECT code FROM codes)
                     UNION ALL
                        SELECT 2, barcode, id, active FROM product WHERE barcode IN (SELECT code FROM codes)) named
              GROUP BY code, rank
            ), found AS (
                SELECT DISTINCT ON (code) code, id, number FROM ranked ORDER BY code, number = 0, rank
            ), mapped AS (
                SELECT DISTINCT ON (keys.partner_id, keys.code) keys.partner_id, keys.code, mapping.product_id AS id
                  FROM keys
                  JOIN dms_feed_mapping mapping
                    ON mapping.kind = 'product' AND mapping.company_id = %(company)s
                   AND lower(mapping.code) = keys.code
                   AND (mapping.partner_id = COALESCE(%(sender)s, keys.partner_id) OR mapping.partner_id IS NULL)
              ORDER BY keys.partner_id, keys.code, mapping.partner_id NULLS LAST
            )
            SELECT keys.partner_id, keys.code, product.id AS product_id, product.uom_id, product.factor,
                   product.parent_path,
                   CASE WHEN mapped.id IS NULL AND found.code IS NULL THEN 'product_unknown'
                        WHEN mapped.id IS NULL AND found.number > 1 THEN 'product_ambiguous'
                        WHEN product.active IS NOT TRUE THEN 'product_inactive' END AS issue
              FROM keys
         LEFT JOIN mapped USING (partner_id, code)
         LEFT JOIN found USING (code)
         LEFT JOIN product
                ON product.id = COALESCE(mapped.id, CASE WHEN found.number <= 1 THEN found.id END)
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )

    def _get_outlet_codes_sql(self):
        """Answer the query (partner_id, code, outlet_id, issue) for each sender's outlet code.

        An outlet belongs to the distributor that supplies it, directly or through others. An outlet that sends its own
        sales is the outlet of each row, whether the row names it or none.
        """
        if self.partner_id.channel_role == "outlet":
            return SQL(
                """
                SELECT %s::integer AS partner_id, lower(outlet_code) AS code, %s::integer AS outlet_id,
                       CASE WHEN lower(outlet_code) <> '' AND lower(outlet_code) <> ALL(%s::text[])
                            THEN 'outlet_sender' END AS issue, NULL::date AS closed_on
                  FROM dms_feed_stage GROUP BY lower(outlet_code)
                """,
                self.partner_id._get_distributor().id or None,
                self.partner_id.id,
                self._get_own_codes(self.partner_id),
            )
        return SQL(
            """
            WITH RECURSIVE keys AS (
                SELECT DISTINCT COALESCE(partner.partner_id, 0) AS partner_id, lower(stage.outlet_code) AS code
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                 WHERE stage.outlet_code <> ''
            ), found AS (
                SELECT lower(ref) AS code, id, upstream_id, active FROM res_partner
                 WHERE channel_role = 'outlet' AND (active OR dms_closed_on IS NOT NULL)
                   AND lower(ref) IN (SELECT code FROM keys)
                   AND (company_id IS NULL OR company_id = %(company)s)
            ), supplier AS (
                SELECT id, upstream_id FROM found WHERE upstream_id IS NOT NULL
             UNION
                SELECT supplier.id, partner.upstream_id
                  FROM supplier JOIN res_partner partner ON partner.id = supplier.upstream_id
                 WHERE partner.upstream_id IS NOT NULL
            ), mapped AS (
                SELECT DISTINCT ON (keys.partner_id, keys.code) keys.partner_id, keys.code, mapping.outlet_id AS id
                  FROM keys
                  JOIN dms_feed_mapping mapping
                    ON mapping.kind = 'outlet' AND mapping.company_id = %(company)s
                   AND lower(mapping.code) = keys.code
                   AND (mapping.partner_id = COALESCE(%(sender)s, keys.partner_id) OR mapping.partner_id IS NULL)
              ORDER BY keys.partner_id, keys.code, mapping.partner_id NULLS LAST
            ), own AS (
                SELECT DISTINCT ON (keys.partner_id, keys.code) keys.partner_id, keys.code, found.id
                  FROM keys
                  JOIN found USING (code)
                  JOIN supplier ON supplier.id = found.id AND supplier.upstream_id = keys.partner_id
              ORDER BY keys.partner_id, keys.code, found.active DESC, found.id
            )
            SELECT keys.partner_id, keys.code, COALESCE(mapped.id, own.id) AS outlet_id,
                   CASE WHEN mapped.id IS NULL AND own.id IS NULL
                        THEN CASE WHEN keys.code IN (SELECT code FROM found)
                                  THEN 'outlet_other' ELSE 'outlet_unknown' END END AS issue,
                   CASE WHEN NOT outlet.active THEN outlet.dms_closed_on END AS closed_on
              FROM keys
         LEFT JOIN mapped USING (partner_id, code)
         LEFT JOIN own USING (partner_id, code)
         LEFT JOIN res_partner outlet ON outlet.id = COALESCE(mapped.id, own.id)
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )

    def _get_unit_codes_sql(self):
        """Answer the query (partner_id, code, product_id, factor, issue) for each unit that a product is reported in.

        A unit is known by the sender's mapping or its name in any language; one of the product's own measure goes first.
        """
        return SQL(
            """
            WITH keys AS (
                SELECT DISTINCT product.partner_id, lower(stage.unit_text) AS code, product.product_id,
                       split_part(product.parent_path, '/', 1) AS root
                  FROM dms_feed_stage stage
                  JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                  JOIN dms_feed_product product
                    ON product.partner_id = COALESCE(partner.partner_id, 0)
                   AND product.code = lower(stage.product_code)
                 WHERE stage.unit_text <> '' AND product.product_id IS NOT NULL
            ), named AS (
                SELECT 0 AS partner_id, 2 AS rank, lower(name.value) AS code, uom.id
                  FROM uom_uom uom, jsonb_each_text(uom.name) name WHERE uom.active
             UNION ALL
                SELECT COALESCE(partner_id, 0), CASE WHEN partner_id IS NULL THEN 1 ELSE 0 END, lower(code), uom_id
                  FROM dms_feed_mapping WHERE kind = 'unit' AND company_id = %(company)s
            ), found AS (
                SELECT DISTINCT ON (keys.partner_id, keys.code, keys.product_id)
                       keys.partner_id, keys.code, keys.product_id, uom.factor,
                       split_part(uom.parent_path, '/', 1) = keys.root AS fits
                  FROM keys
                  JOIN named ON named.code = keys.code AND named.partner_id IN (0, COALESCE(%(sender)s, keys.partner_id))
                  JOIN uom_uom uom ON uom.id = named.id
              ORDER BY keys.partner_id, keys.code, keys.product_id,
                       (split_part(uom.parent_path, '/', 1) = keys.root) DESC, named.rank
            )
            SELECT keys.partner_id, keys.code, keys.product_id, found.factor,
                   CASE WHEN found.code IS NULL THEN 'unit_unknown'
                        WHEN NOT found.fits THEN 'unit_incompatible' END AS issue
              FROM keys
         LEFT JOIN found USING (partner_id, code, product_id)
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )
