"""The demo data of one database: what its parts share, and the order in which they are made."""

import logging
import random
import time
from datetime import datetime, timedelta

from odoo import fields

from . import catalogue

_logger = logging.getLogger(__name__)

QUIET = {
    "mail_create_nolog": True,
    "mail_create_nosubscribe": True,
    "mail_notify_force_send": False,
    "no_reset_password": True,
    "skip_sms": True,
    "tracking_disable": True,
}


class World:
    """Records of the demo by name (:meth:`name`, :meth:`ref`), the day it is told on, and its own chance."""

    module = "dms_channel"
    # The addon whose demo data this builds on.
    after = None

    def __init__(self, env):
        self.env = env(context={**env.context, "lang": "en_US", **QUIET})
        self.today = fields.Date.context_today(env.user)
        self.rng = random.Random(20190)

    @property
    def company(self):
        return self.env.company

    @property
    def price_scale(self):
        """What turns the catalogue's yuan into plausible prices of the company's currency."""
        return 1.0 if self.company.currency_id.name == "CNY" else 0.2

    @property
    def drinks(self):
        return {drink.code: drink for drink in catalogue.PRODUCTS}

    def product(self, code):
        return self.ref(code.lower().replace("-", "_"))

    def terms_of(self, partner):
        """Terms of a distributor or of a contact of it."""
        codes = {member.code: key for key, member in catalogue.DISTRIBUTORS.items()}
        return catalogue.TERMS[codes[partner.commercial_partner_id.ref]]

    def ref(self, name, module=None):
        return self.env.ref(f"{module or 'dms_channel'}.{name}_demo")

    def name(self, records, names):
        """Give records their external ids, which later parts and other addons find them by."""
        self.env["ir.model.data"].create(
            [
                {
                    "module": self.module,
                    "name": f"{name}_demo",
                    "model": records._name,
                    "res_id": record.id,
                    "noupdate": True,
                }
                for record, name in zip(records, names, strict=True)
            ]
        )
        return records

    def translate(self, records, field, names):
        """Give records their Chinese names, where the database speaks Chinese."""
        if "zh_CN" not in dict(self.env["res.lang"].get_installed()):
            return
        for record, name in zip(records, names, strict=True):
            record.update_field_translations(field, {"zh_CN": name})

    def is_loaded(self, module=None):
        """Whether a part is there; its last act is to leave this name."""
        return bool(self.env.ref(f"{module or self.module}.loaded_demo", raise_if_not_found=False))

    def moment(self, day, hour=9, minute=0):
        """A time of day in China, as Odoo stores it."""
        return datetime.combine(day, datetime.min.time()) + timedelta(hours=hour - 8, minutes=minute)

    def run(self, *parts):
        """Make the parts, once per database, and say how long each took."""
        if self.is_loaded() or (self.after and not self.is_loaded(self.after)):
            return
        mails = self.env["mail.mail"].search([], order="id desc", limit=1).id or 0
        for part in parts:
            started = time.monotonic()
            part(self)
            self.env.flush_all()
            _logger.info("Demo: %s took %.1f s", part.__name__, time.monotonic() - started)
        self._drop_mails(mails)
        self.name(self.company, ["loaded"])

    def _drop_mails(self, last):
        """Invented people get no mail."""
        mails = self.env["mail.mail"].search([("id", ">", last)])
        self.env["mail.notification"].search([("mail_mail_id", "in", mails.ids)]).write(
            {"notification_status": "sent", "mail_mail_id": False}
        )
        mails.unlink()
