"""Chinese is complete, and says what the English says."""

import re
from pathlib import Path

import polib
import pytest

TOP = Path(__file__).resolve().parents[2]
ADDONS = sorted(path.parent.name for path in TOP.glob("addons/*/__manifest__.py"))
PLACEHOLDER = re.compile(r"%\(\w+\)[sdf]|%[sd]|\{\w*\}")
TAG = re.compile(r"</?\w+")


@pytest.fixture(params=ADDONS)
def files(request):
    folder = TOP / "addons" / request.param / "i18n"
    return polib.pofile(str(folder / f"{request.param}.pot")), polib.pofile(str(folder / "zh_CN.po"))


def test_every_term_has_its_chinese(files):
    template, chinese = files
    assert {entry.msgid for entry in template} == {entry.msgid for entry in chinese}
    missing = [entry.msgid for entry in chinese if not entry.msgstr or entry.fuzzy]
    assert missing == [], "run ./dms i18n and translate these"


def test_placeholders_and_markup_survive(files):
    for entry in files[1]:
        for pattern in (PLACEHOLDER, TAG):
            assert sorted(pattern.findall(entry.msgid)) == sorted(pattern.findall(entry.msgstr)), entry.msgid
