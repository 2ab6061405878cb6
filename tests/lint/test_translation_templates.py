"""The translation templates hold what the code says today."""

import io
from pathlib import Path

import polib

from odoo.tests import TransactionCase, tagged
from odoo.tools.translate import trans_export

TOP = Path(__file__).resolve().parents[2]


@tagged("post_install", "-at_install")
class TestTranslationTemplates(TransactionCase):
    def test_templates_are_up_to_date(self):
        for manifest in sorted(TOP.glob("addons/*/__manifest__.py")):
            addon = manifest.parent.name
            with self.subTest(addon=addon), io.BytesIO() as buffer:
                trans_export(False, [addon], buffer, "po", self.env)
                exported = {entry.msgid for entry in polib.pofile(buffer.getvalue().decode())}
                kept = {entry.msgid for entry in polib.pofile(str(manifest.parent / "i18n" / f"{addon}.pot"))}
                self.assertEqual(exported, kept, "run ./dms i18n")
