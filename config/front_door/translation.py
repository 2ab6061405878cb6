"""The translation templates, written from the code, and Chinese kept in step with them."""

import subprocess

from . import database, postgres
from .say import say
from .settings import ADDONS, CHECKOUT

MERGE = """
import os, polib
top = os.environ["DMS_CHECKOUT"]
for addon in os.environ["DMS_ADDONS"].split(","):
    folder = os.path.join(top, "addons", addon, "i18n")
    os.makedirs(folder, exist_ok=True)
    fresh = polib.pofile(os.path.join(os.environ["DMS_POTS"], addon + ".pot"))
    for name in ("POT-Creation-Date", "PO-Revision-Date"):
        fresh.metadata.pop(name, None)
    fresh.metadata["Project-Id-Version"] = "Odoo Server 19.0"
    fresh.save(os.path.join(folder, addon + ".pot"))
    path = os.path.join(folder, "zh_CN.po")
    chinese = polib.pofile(path) if os.path.exists(path) else polib.POFile(wrapwidth=78)
    chinese.metadata = {**fresh.metadata, "Language": "zh_CN", "Plural-Forms": "nplurals=1; plural=0;"}
    chinese.merge(fresh)
    for entry in chinese.obsolete_entries():
        chinese.remove(entry)
    chinese.save(path)
    missing = chinese.untranslated_entries() + chinese.fuzzy_entries()
    print(f"  {addon}: {len(chinese)} terms, {len(missing)} without Chinese")
    for entry in missing[:20]:
        print(f"    {entry.msgid[:90]!r}")
"""


def refresh(settings, odoo, server):
    """Export each addon's terms from an up-to-date database and merge them into ``zh_CN.po``."""
    tested = f"dms_test_{settings.checkout_key}"
    database.ensure(settings, odoo, server, tested, demo=False, extra=("test_lint",))
    config = database.write_config(settings, odoo, tested, log_level="error")
    environment = database.odoo_environment(settings, odoo, server)
    pots = settings.home / f"pot_{settings.checkout_key}"
    pots.mkdir(exist_ok=True)
    for addon in ADDONS:
        pot = str(pots / f"{addon}.pot")
        command = database.odoo_command(
            settings, config, "i18n export", "-d", tested, "-l", "pot", "-o", pot, addon
        )
        subprocess.run(command, check=True, env=environment, cwd=settings.home)
    variables = {
        **environment,
        "DMS_CHECKOUT": str(CHECKOUT),
        "DMS_POTS": str(pots),
        "DMS_ADDONS": ",".join(ADDONS),
    }
    done = subprocess.run([settings.python, "-c", MERGE], check=False, env=variables)
    postgres.leave(settings)
    say("Translate what has no Chinese in addons/*/i18n/zh_CN.po, then run it again.")
    return done.returncode
