"""Odoo 19, from a source tree of the user's or from Debian's package, unpacked and not installed."""

import functools
import os
import platform
import re
import shutil
from pathlib import Path

from .run_command import run
from .say import Stop, step

PACKAGE = "odoo-19"
# The package links into these by relative paths.
UNSTABLE = (
    PACKAGE,
    "fonts-inconsolata",
    "fonts-montserrat",
    "fonts-ocr-b",
    "fonts-roboto-unhinted",
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
)
# Odoo knows the files of Font Awesome 4, which unstable no longer has; the other is for our own PDFs.
STABLE = ("fonts-font-awesome", "fonts-wqy-microhei")
STABLE_SUITE = "bookworm"
LEFT_OUT = ("mail/static/lib/selfie_segmentation/selfie_segmentation.js",)
OWN_SOURCE = (
    "set DMS_ODOO to a source checkout of Odoo, branch 19.0 "
    "(git clone --depth 1 --branch 19.0 of github.com/odoo/odoo), or use docker compose."
)


class Odoo:
    """An importable Odoo 19.

    :param python_path: folder to put on PYTHONPATH
    :param addons: Odoo's own addons folders
    """

    def __init__(self, python_path, addons):
        self.python_path, self.addons = python_path, addons


def find(settings):
    """Return the :class:`Odoo` to use, fetching it on the first call."""
    if settings.odoo:
        return _from_tree(settings.odoo)
    prefix = settings.home / "odoo-19"
    if not (prefix / ".complete").exists():
        _fetch(settings, prefix)
    _stand_in(prefix)
    packages = prefix / "usr/lib/python3/dist-packages"
    return Odoo(packages, [packages / "odoo" / "addons"])


def _stand_in(prefix):
    """Put an empty file where Debian left a library out that Odoo's asset bundles name.

    It serves blurred backgrounds in video calls. Without the file, each page of the back office says on the browser's
    console that it is missing, and every browser test fails on that line.
    """
    for name in LEFT_OUT:
        path = prefix / "usr/lib/python3/dist-packages/odoo/addons" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("// Not part of Debian's package; ./dms keeps its place.\n")


def _from_tree(root):
    release = root / "odoo" / "release.py"
    if not release.is_file():
        raise Stop(
            f"DMS_ODOO={root} holds no odoo/release.py.", "point it at the top of an Odoo source tree."
        )
    version = re.search(r"version_info\s*=\s*\((\d+)", release.read_text())
    if not version or version[1] != "19":
        raise Stop(f"DMS_ODOO={root} is not Odoo 19.", "check out branch 19.0 there.")
    return Odoo(root, [path for path in (root / "addons", root / "odoo" / "addons") if path.is_dir()])


def _fetch(settings, prefix):
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Stop("Odoo 19 is fetched as a Debian package, and this host has no apt.", OWN_SOURCE)
    settings.need_space(4)
    mirror, keyring = debian_mirror(Path("/etc/apt"))
    work = settings.home / "apt"
    folder = settings.home / "download"
    folder.mkdir(exist_ok=True)
    with step("Odoo 19: finding the package"):
        unstable = _apt(work / "unstable", mirror, "unstable", keyring)
        stable = _apt(work / "stable", mirror, STABLE_SUITE, keyring)
    for name, environment, packages in (("Odoo 19", unstable, UNSTABLE), ("Fonts", stable, STABLE)):
        with step(f"{name}: downloading") as progress:
            sizes = _sizes(packages, folder, environment)
            run(
                ["apt-get", "-q", "download", *packages],
                f"downloading {name} from the host's Debian mirror",
                f"check that the mirror carries {packages[0]}; else {OWN_SOURCE}",
                watch=functools.partial(_show_download, progress, folder, sizes),
                cwd=folder,
                env=environment,
            )
    with step("Odoo 19: unpacking") as progress:
        # Unpacked beside its place and renamed at the end, so that a kill leaves no half of it.
        fresh = settings.home / "odoo-19.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        archives = sorted(folder.glob("*.deb"))
        for index, archive in enumerate(archives):
            progress.at(index, len(archives), archive.name)
            run(
                ["dpkg", "-x", archive, fresh],
                f"unpacking {archive.name}",
                "delete that file and start again.",
            )
        (fresh / ".complete").touch()
        shutil.rmtree(prefix, ignore_errors=True)
        fresh.rename(prefix)
    shutil.rmtree(folder)
    shutil.rmtree(work)


def _sizes(packages, folder, environment):
    """:return: {file name: bytes} of what apt-get will download"""
    listing = run(
        ["apt-get", "-q", "download", "--print-uris", *packages],
        f"asking for the address of {packages[0]}",
        f"check that the host's Debian mirror carries {packages[0]}; else {OWN_SOURCE}",
        cwd=folder,
        env=environment,
    )
    return {name: int(size) for name, size in re.findall(r"(?m)^'\S+' (\S+) (\d+) ", listing)}


def _show_download(progress, folder, sizes):
    here = sum(path.stat().st_size for path in folder.glob("*.deb") if path.name in sizes)
    total = sum(sizes.values())
    progress.at(here, total, f"{here / 1e6:.0f} of {total / 1e6:.0f} MB")


def _apt(folder, mirror, suite, keyring):
    """Fetch a suite's index with apt's own signature check, leaving the host's apt untouched.

    :return: the environment under which ``apt-get`` sees that suite alone
    """
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    signed = f"[signed-by={keyring}] " if keyring else ""
    (folder / "sources.list").write_text(f"deb {signed}{mirror} {suite} main\n")
    (folder / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{folder}/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null";\n'
        f'Dir::State::lists "{folder}/lists";\n'
        f'Dir::Cache "{folder}/cache";\n'
        'APT::Sandbox::User "";\n'
        'Acquire::Languages "none";\n'
        'Acquire::Retries "3";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
    run(
        ["apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any"],
        f"asking the host's Debian mirror for the suite {suite}",
        OWN_SOURCE,
        env=environment,
    )
    return environment


def debian_mirror(etc):
    """The address of the Debian archive that the host's own apt uses, and the keyring it trusts.

    :param Path etc: apt's configuration folder, with deb822 (``.sources``) and one-line (``.list``) files
    :return: (address, keyring path or None)
    :raise Stop: where no Debian archive is configured
    """
    for entry in _apt_entries(etc):
        # Ubuntu's and vendors' archives carry no Odoo; security archives no whole suites.
        debian = re.search(r"/debian/?$", entry["uri"]) or "debian-archive" in entry["signed-by"]
        if debian and "main" in entry["components"] and "security" not in entry["uri"]:
            keyring = entry["signed-by"] or "/usr/share/keyrings/debian-archive-keyring.gpg"
            return entry["uri"], keyring if Path(keyring).exists() else None
    raise Stop(f"apt on this host ({platform.platform()}) is configured for no Debian archive.", OWN_SOURCE)


def _apt_entries(etc):
    parts = etc / "sources.list.d"
    for path in sorted(parts.glob("*.sources")) if parts.is_dir() else ():
        for stanza in re.split(r"\n\s*\n", path.read_text(errors="replace")):
            fields = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").lower() != "no":
                for uri in fields.get("URIs", "").split():
                    yield {
                        "uri": uri,
                        "components": fields.get("Components", "").split(),
                        "signed-by": fields.get("Signed-By", "").strip(),
                    }
    one_line = [etc / "sources.list", *(sorted(parts.glob("*.list")) if parts.is_dir() else ())]
    for path in one_line:
        for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
            found = re.match(
                r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+\S+\s+(?P<components>.+)", line
            )
            if found:
                signed = re.search(r"signed-by=(\S+)", found["options"] or "")
                yield {
                    "uri": found["uri"],
                    "components": found["components"].split(),
                    "signed-by": signed[1] if signed else "",
                }
