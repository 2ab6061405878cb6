"""Odoo's own linters, over Odoo and our addons alike.

Left out: its pylint and eslint runs, which read all of Odoo for minutes; ``./dms lint`` runs
the same checkers on our addons alone.
"""

from odoo.addons.test_lint.tests.test_docstring import TestDocstring
from odoo.addons.test_lint.tests.test_dunderinit import TestDunderinit
from odoo.addons.test_lint.tests.test_i18n import TestI18n
from odoo.addons.test_lint.tests.test_index import TestIndex
from odoo.addons.test_lint.tests.test_jstranslate import TestJsTranslations as JsTranslations
from odoo.addons.test_lint.tests.test_manifests import ManifestLinter
from odoo.addons.test_lint.tests.test_markers import TestConflictMarkers
from odoo.addons.test_lint.tests.test_naming import TestNaming
from odoo.addons.test_lint.tests.test_onchange_domains import TestOnchangeDomains
from odoo.addons.test_lint.tests.test_orm_import import TestDunderinit as TestOrmImport
from odoo.addons.test_lint.tests.test_override_signatures import TestLintOverrideSignatures
from odoo.addons.test_lint.tests.test_pofile import PotLinter
from odoo.addons.test_lint.tests.test_routes import RoutesLinter
from odoo.addons.test_lint.tests.test_test_holes import TestTestHoles

__all__ = [
    "ManifestLinter",
    "PotLinter",
    "RoutesLinter",
    "TestConflictMarkers",
    "TestDocstring",
    "TestDunderinit",
    "TestI18n",
    "TestIndex",
    "TestJsTranslations",
    "TestLintOverrideSignatures",
    "TestNaming",
    "TestOnchangeDomains",
    "TestOrmImport",
    "TestTestHoles",
]


class TestJsTranslations(JsTranslations):
    def iter_module_files(self, *globs):
        """Leave out the map's minified libraries, as Odoo leaves out its own: ``_`` is any function's name there."""
        return (path for path in super().iter_module_files(*globs) if "/static/lib/leaflet" not in path)


del JsTranslations
