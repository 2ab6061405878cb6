from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools.translate import get_translation

from ..tools import gs1_ai, gs1_link, resolver
from ..tools.gs1_error import Gs1Error, shorten

LOT, SERIAL = "10", "21"


class DmsGs1Link(models.Model):
    """Where the code on an item, a batch or a place leads: what the GS1 Digital Link resolver knows."""

    _name = "dms.gs1.link"
    _description = "GS1 Link"
    _order = "sequence, id"

    name = fields.Char("Title", required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    key_ai = fields.Selection(
        lambda self: [(ai, f"({ai}) {gs1_ai.get(ai).title}") for ai in gs1_ai.PRIMARY_KEYS],
        "Identified By",
        required=True,
        default="01",
        help="The GS1 key that stands in the code: a GTIN for products, an SSCC for logistic units, a GLN for places.",
    )
    key_value = fields.Char(
        "Number",
        index=True,
        help="The number behind the key, for links that belong to one thing and no product.",
    )
    product_tmpl_id = fields.Many2one(
        "product.template", "Product", index="btree_not_null", ondelete="cascade"
    )
    categ_id = fields.Many2one(
        "product.category",
        "Product Category",
        index="btree_not_null",
        ondelete="cascade",
        help="The link holds for all products of the category and of those below it.",
    )
    lot_id = fields.Many2one(
        "stock.lot",
        "Batch",
        index="btree_not_null",
        ondelete="cascade",
        domain="[('product_id.product_tmpl_id', '=', product_tmpl_id)]",
        help="The link holds for one batch only, such as its laboratory report.",
    )
    link_type = fields.Selection(
        list(resolver.LINK_TYPES.items()),
        required=True,
        default="pip",
        help="What the reader finds there, in the words of the GS1 Web Vocabulary. A request may ask for it.",
    )
    url = fields.Char("Leads To", required=True)
    language = fields.Char(help="Language of the page, such as en or zh-Hans; empty where it has several.")
    media_type = fields.Char(default="text/html")
    is_default = fields.Boolean(
        "Default",
        help="Where the code leads when the request asks for nothing else. Of the defaults of batch, product, category "
        "and company the nearest counts; without any, the nearest link in the order of this list.",
    )
    digital_link = fields.Char("Web Address of the Code", compute="_compute_digital_link")

    _default_uniq = models.UniqueIndex(
        "(company_id, key_ai, COALESCE(key_value, ''), COALESCE(product_tmpl_id, 0), COALESCE(categ_id, 0), "
        "COALESCE(lot_id, 0)) WHERE is_default AND active",
        "There is a default link for the same thing already: take its mark off first.",
    )

    @api.depends("key_ai", "key_value", "product_tmpl_id.barcode", "lot_id.name")
    def _compute_digital_link(self):
        root = self.env["dms.code"]._get_resolver_url()
        for link in self:
            barcode = link.product_tmpl_id.barcode
            elements = [(link.key_ai, link.key_value or (barcode and barcode.zfill(14)) or "")]
            if link.lot_id:
                elements.append((LOT, link.lot_id.name))
            try:
                link.digital_link = gs1_link.build(elements, root)
            except Gs1Error:
                link.digital_link = False

    @api.constrains("key_ai", "key_value", "product_tmpl_id", "categ_id", "lot_id")
    def _check_scope(self):
        for link in self:
            if link.key_ai == "01":
                if link.key_value or (link.categ_id and link.product_tmpl_id):
                    raise ValidationError(
                        self.env._(
                            "%s: a link by GTIN belongs to a product, or to a category, or to all products of the "
                            "company; it has no number of its own.",
                            link.name,
                        )
                    )
                if link.lot_id and link.lot_id.product_id.product_tmpl_id != link.product_tmpl_id:
                    raise ValidationError(
                        self.env._("%s: choose the product of the batch as the link's product.", link.name)
                    )
            elif link.product_tmpl_id or link.categ_id or link.lot_id:
                raise ValidationError(
                    self.env._("%s: only a link by GTIN belongs to a product, category or batch.", link.name)
                )
            else:
                try:
                    gs1_ai.check(link.key_ai, link.key_value or "")
                except Gs1Error as error:
                    raise ValidationError(self._translate_gs1(error)) from error

    @api.constrains("url", "language", "media_type")
    def _check_target(self):
        for link in self:
            if not resolver.is_target(link.url):
                raise ValidationError(
                    self.env._(
                        "“%s” is no web address to lead to. Write it whole, such as https://example.com/tea, "
                        "without blanks and without a password in it.",
                        shorten(link.url),
                    )
                )
            if link.language and not resolver.is_language(link.language):
                raise ValidationError(
                    self.env._(
                        "“%s” is no language code: write en, zh-Hans or the like.", shorten(link.language)
                    )
                )
            if link.media_type and not resolver.is_media_type(link.media_type):
                raise ValidationError(
                    self.env._(
                        "“%s” is no media type: write text/html, application/pdf or the like.",
                        shorten(link.media_type),
                    )
                )

    @api.model
    def _translate_gs1(self, error):
        """The sentence of a :class:`Gs1Error` in the user's language; it is marked where no language is known."""
        sentence = get_translation("dms_traceability", self.env.lang or "en_US", error.source, error.values)
        return f"({error.ai}): {sentence}" if error.ai else sentence

    @api.model
    def _resolve(self, path):
        """The links of what a Digital Link names, level by level.

        :param list path: ``(application identifier, value)``, the primary key first
        :return: ``(levels, description)``: levels are ``(anchor, links)`` as of :mod:`..tools.resolver`, the nearest
            first; or None when we know nothing of it
        """
        root = self._get_root()
        (key_ai, value), *qualifiers = path
        anchor = root + gs1_link.build(path[:1], "")
        if key_ai != "01":
            records = self.sudo().search([("key_ai", "=", key_ai), ("key_value", "=", value)])
            if not records:
                return None
            return [(anchor, self._describe(records))], f"({key_ai}) {value}"
        product_sudo = self.env["product.product"].sudo()._dms_find_by_gtin(value)
        if not product_sudo:
            return None
        values = dict(qualifiers)
        of_lot, of_product = self._find_for_product(product_sudo, values.get(LOT))
        levels = []
        if SERIAL in values:
            levels.append(
                (root + gs1_link.build(path, ""), [self._describe_code_page(value, values[SERIAL])])
            )
        if LOT in values:
            levels.append((root + gs1_link.build([path[0], (LOT, values[LOT])], ""), self._describe(of_lot)))
        levels.append((anchor, self._describe(of_product)))
        return levels, product_sudo.with_context(display_default_code=False).display_name

    @api.model
    def _get_root(self):
        return self.env["dms.code"]._get_resolver_url().rstrip("/")

    @api.model
    def _find_for_product(self, product_sudo, lot_name):
        """Links of the batch, and those of product, category and company, the nearest first."""
        template_sudo = product_sudo.product_tmpl_id
        parents = [int(part) for part in (template_sudo.categ_id.parent_path or "").split("/") if part]
        domain = [
            ("key_ai", "=", "01"),
            ("product_tmpl_id", "in", [False, template_sudo.id]),
            ("categ_id", "in", [False, *parents]),
        ]
        if template_sudo.company_id:
            domain.append(("company_id", "=", template_sudo.company_id.id))
        links_sudo = self.sudo().search(domain)
        of_lot_sudo = links_sudo.filtered("lot_id")
        depth = {categ_id: place for place, categ_id in enumerate(parents)}
        rest_sudo = (links_sudo - of_lot_sudo).sorted(
            lambda link: (not link.product_tmpl_id, -depth.get(link.categ_id.id, -1), link.sequence, link.id)
        )
        return of_lot_sudo.filtered(lambda link: link.lot_id.name == lot_name), rest_sudo

    def _describe(self, links):
        return [
            {
                "type": link.link_type,
                "href": resolver.quote_url(link.url),
                "title": link.name,
                "language": link.language or "",
                "media": link.media_type or "",
                "default": link.is_default,
            }
            for link in links
        ]

    def _describe_code_page(self, gtin, serial):
        """The public page of a unit's code: our own, and always its default."""
        path = [("01", gtin), (SERIAL, serial)]
        return {
            "type": "verificationService",
            "href": self._get_root() + gs1_link.build(path, ""),
            "title": self.env._("Is it genuine?"),
            "language": "",
            "media": "text/html",
            "default": True,
        }
