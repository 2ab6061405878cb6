"""Where things are and what they are called: from flags, then the environment, then defaults."""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .say import Stop

CHECKOUT = Path(__file__).resolve().parents[2]
ADDONS = ("dms_channel", "dms_traceability", "dms_forecast", "dms_portal")
# What our addons stand on; a template database holds these installed, so that a run or a test clones it.
ODOO_MODULES = (
    "account",
    "barcodes_gs1_nomenclature",
    "partnership",
    "portal",
    "product_expiry",
    "purchase_stock",
    "sale_loyalty",
    "sale_management",
    "sale_stock",
    "stock_delivery",
)
PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGSERVICE", "PGPASSFILE")


def default_home():
    """Root's home is closed to the database's user, so root gets a folder that others may pass."""
    if os.geteuid() == 0:
        return Path("/var/cache/dms")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dms"


@dataclass(frozen=True)
class Settings:
    home: Path
    database: str
    host: str
    port: int
    odoo: Path | None
    external_pg: bool

    @classmethod
    def read(cls, flags):
        """:param flags: an argparse namespace; absent flags are ``None``"""
        home = Path(flags.home or os.environ.get("DMS_HOME") or default_home()).expanduser().absolute()
        odoo = flags.odoo or os.environ.get("DMS_ODOO")
        port = flags.port or os.environ.get("DMS_PORT") or "8069"
        if not str(port).isdigit() or not 0 < int(port) < 65536:
            raise Stop(f"“{port}” is no port number.", "give --port a number from 1 to 65535.")
        database = flags.database or os.environ.get("DMS_DATABASE") or "dms"
        if not database.replace("_", "").replace("-", "").isalnum() or len(database) > 40:
            raise Stop(
                f"“{database}” cannot name a database.",
                "use letters, digits, - and _, 40 characters at most.",
            )
        return cls(
            home=home,
            database=database,
            host=flags.host or os.environ.get("DMS_HOST") or "127.0.0.1",
            port=int(port),
            odoo=Path(odoo).expanduser().absolute() if odoo else None,
            external_pg=any(os.environ.get(name) for name in PG_VARIABLES),
        )

    @property
    def checkout_key(self):
        """Eight characters that tell this checkout from others that share the cache folder."""
        return hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]

    @property
    def requirements_key(self):
        text = b"".join(path.read_bytes() for path in sorted((CHECKOUT / "config").glob("requirements*.txt")))
        tag = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return f"{tag}-{hashlib.sha256(text).hexdigest()[:8]}"

    @property
    def venv(self):
        return self.home / f"venv-{self.requirements_key}"

    @property
    def python(self):
        return self.venv / "bin" / "python"

    @property
    def data_dir(self):
        return self.home / "data"

    @property
    def font(self):
        """A font with Latin and Chinese letters for the PDFs that DMS draws itself."""
        return self.home / "odoo-19" / "usr/share/fonts/truetype/wqy/wqy-microhei.ttc"

    def prepare(self):
        """Make the cache folder; refuse what can't work before anything is written."""
        if sys.version_info[:2] not in PYTHONS:
            raise Stop(
                f"this is Python {sys.version_info[0]}.{sys.version_info[1]}, Odoo 19 needs 3.10 to 3.13.",
                "run `python3.11 ./dms ...` (or 3.10, 3.12, 3.13).",
            )
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Stop(
                f"the cache folder {self.home} cannot be made ({error.strerror}).",
                "name another with --home or DMS_HOME.",
            ) from error
        if not os.access(self.home, os.W_OK | os.X_OK):
            raise Stop(
                f"you may not write into the cache folder {self.home}.",
                "name another with --home or DMS_HOME, or run as the user who made it.",
            )

    def need_space(self, gigabytes):
        free = shutil.disk_usage(self.home).free
        if free < gigabytes * 1e9:
            raise Stop(
                f"the disk that holds {self.home} has {free / 1e9:.1f} GB free, this step needs {gigabytes} GB.",
                "free some space, or name another folder with --home or DMS_HOME.",
            )
