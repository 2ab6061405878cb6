from werkzeug.routing import BaseConverter, ValidationError

from odoo import SUPERUSER_ID, models
from odoo.http import request

from ..tools import gs1_compress

# Where addresses of one's own are kept; with these the address is no code, whatever it reads as.
OWN_ADDRESSES = (("ir.attachment", "url"), ("website.page", "url"), ("website.rewrite", "url_from"))


class CompressedLinkConverter(BaseConverter):
    """A path of one part that reads as a compressed GS1 Digital Link.

    Anything else is left to Odoo, which answers with its page or its 404. Few paths come as far as the converter, and
    nearly all of them fail with their first letters; the database is asked about the others alone.
    """

    regex = r"[A-Za-z0-9_-]{6,2000}"

    def to_python(self, value):
        if not gs1_compress.may_be(value) or self._is_taken(f"/{value}"):
            raise ValidationError
        return value

    def _is_taken(self, path):
        return any(
            request.env[model].with_user(SUPERUSER_ID).search_count([(field, "=", path)], limit=1)
            for model, field in OWN_ADDRESSES
            if model in request.env
        )


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _get_converters(cls):
        return {**super()._get_converters(), "dms_compressed_link": CompressedLinkConverter}
