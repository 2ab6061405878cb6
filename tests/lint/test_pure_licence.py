"""All is LGPL-3, and so may be joined with what our addons import."""

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PERMISSIVE = re.compile(
    r"\b(Apache|BSD|MIT|MPL|ISC|PSF|Python Software Foundation|HPND|LGPL|Lesser|Zlib)", re.IGNORECASE
)


def _requirements():
    lines = (TOP / "config" / "requirements-dms.txt").read_text().splitlines()
    return sorted({line.split("==")[0] for line in lines if "==" in line})


def _licence(package):
    about = metadata.metadata(package)
    classified = [line for line in about.get_all("Classifier", []) if line.startswith("License")]
    return " ".join([about.get("License-Expression") or "", *classified, (about.get("License") or "")[:200]])


def test_the_licence_of_the_repository_is_lgpl_3():
    text = (TOP / "LICENSE").read_text()
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    assert "Version 3" in text


@pytest.mark.parametrize(
    "manifest", sorted(TOP.glob("addons/*/__manifest__.py")), ids=lambda path: path.parent.name
)
def test_every_addon_says_so(manifest):
    assert ast.literal_eval(manifest.read_text())["license"] == "LGPL-3"


@pytest.mark.parametrize("package", _requirements())
def test_what_our_addons_import_may_be_joined_with_it(package):
    assert PERMISSIVE.search(_licence(package)), _licence(package)
