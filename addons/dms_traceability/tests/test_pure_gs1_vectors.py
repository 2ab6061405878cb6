"""Agreement with GS1's own reference: its dictionary of identifiers, and pairs of input and result."""

import json
import re
import unittest
from pathlib import Path

from odoo.addons.dms_traceability.tools import gs1_ai, gs1_checks, gs1_elements, gs1_link
from odoo.addons.dms_traceability.tools.gs1_error import Gs1Error

SHARED = Path(__file__).parents[4] / "shared" / "data" / "gs1"
ZERO_SUPPRESSED = "PermitZeroSuppressedGTINinDLuris"
# How the reference calls what we call otherwise; several share one symbology identifier.
SYMBOLOGIES = {
    "QR": "qr",
    "DM": "data_matrix",
    "DotCode": "dotcode",
    "DataBarExpanded": "databar_expanded",
    "DataBarOmni": "databar",
    "DataBarLimited": "databar_limited",
    "GS1_128_CCA": "gs1_128",
    "GS1_128_CCC": "gs1_128",
    "UPCA": "upc_a",
    "UPCE": "upc_e",
    "EAN13": "ean_13",
    "EAN8": "ean_8",
}
RULES = {
    "validateAIrepeats": gs1_ai.check_repeats,
    "validateAImutex": gs1_ai.check_excluded,
    "validateAIrequisites": gs1_ai.check_needed,
    "validateDigSigRequiresSerialisedKey": gs1_ai.check_signed,
}


def read_vectors(name):
    path = SHARED / "vectors" / f"{name}_vectors.jsonl"
    if not path.exists():
        raise unittest.SkipTest(
            "the GS1 test vectors are not beside the checkout (../shared/data/gs1/vectors)"
        )
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def answer(function, *args, **kwargs):
    """``(True, result)``, or ``(False, None)`` when it is refused."""
    try:
        return True, function(*args, **kwargs)
    except Gs1Error:
        return False, None


def message(elements):
    return "^" + gs1_elements.build(elements, "^")


def read_message(text):
    if not text.startswith("^"):
        raise Gs1Error("no FNC1 in front")
    return gs1_elements.parse(text[1:], "^")


class TestVectors(unittest.TestCase):
    maxDiff = None

    def test_checks(self):
        wrong, count = [], 0
        for vector in read_vectors("linter"):
            # What GS1's registry of company prefixes would say can't be known without it.
            if "GCP_PREFIX" in vector.get("error", "") or "OFFLINE" in vector.get("error", ""):
                continue
            count += 1
            good, _none = answer(gs1_checks.CHECKS[vector["linter"]], vector["input"])
            if good != vector["ok"]:
                wrong.append(vector)
        self.assertFalse(wrong[:20])
        self.assertGreater(count, 5600)

    def test_element_strings(self):
        wrong = []
        for vector in read_vectors("ai"):
            if vector["kind"] == "ai_bracketed_parse" and not vector["options"]:
                good, elements = answer(gs1_elements.parse_bracketed, vector["input"])
                result = message(elements) if good else ""
                if (good, result) != (vector["ok"], vector["expect"]):
                    wrong.append((vector, result))
            elif vector["kind"] == "ai_unbracketed_check" and not vector["options"]:
                good, _elements = answer(read_message, vector["input"])
                if good != vector["ok"]:
                    wrong.append(vector)
        self.assertFalse(wrong)

    def test_what_may_stand_together(self):
        wrong, count = [], 0
        for vector in read_vectors("ai"):
            # Those about (89) and (3338) need the switch that permits identifiers which do not exist.
            if vector["kind"] != "ai_validate_rules" or re.search(r"\((89|3338)\)", vector["input"]):
                continue
            count += 1
            elements = gs1_elements.parse_bracketed(vector["input"])
            good, _none = answer(RULES[vector["fn"]], elements)
            if good != vector["ok"]:
                wrong.append(vector)
        self.assertFalse(wrong)
        self.assertGreater(count, 60)

    def test_links_are_read(self):
        wrong, count = [], 0
        for vector in read_vectors("digital_link"):
            if vector["kind"] != "dl_parse" or "PermitUnknownAIs=true" in vector["options"]:
                continue
            count += 1
            good, link = answer(
                gs1_link.parse,
                vector["input"],
                zero_suppressed=f"{ZERO_SUPPRESSED}=true" in vector["options"],
                # The reference tries words once without and once with its switch for them.
                words=(vector["ok"] and "/gtin/" in vector["input"]) or "/sscc/" in vector["input"],
            )
            result = message(link.elements) if good else ""
            if (good, result) != (vector["ok"], vector["expect"]):
                wrong.append((vector, result))
        self.assertFalse(wrong)
        self.assertGreaterEqual(count, 116)

    def test_links_are_built(self):
        wrong = []
        for vector in read_vectors("digital_link"):
            if vector["kind"] != "dl_generate" or "PermitUnknownAIs=true" in vector["options"]:
                continue
            root = vector["stem"] or gs1_link.CANONICAL_ROOT
            good, link = answer(
                lambda text, root=root: gs1_link.build(gs1_elements.parse_bracketed(text), root),
                vector["input"],
            )
            if (good, link or "") != (vector["ok"], vector["expect"]):
                wrong.append((vector, link))
        self.assertFalse(wrong)

    def test_escaping(self):
        wrong = []
        for vector in read_vectors("digital_link"):
            if vector["kind"] not in ("uri_escape", "uri_unescape"):
                continue
            function = getattr(gs1_link, vector["kind"].removeprefix("uri_"))
            in_query = getattr(gs1_link, vector["kind"].removeprefix("uri_") + "_query")
            result = function(vector["input"]), in_query(vector["input"])
            if result != (vector["expect"], vector["expect_query"]):
                wrong.append((vector, result))
        self.assertFalse(wrong)

    def test_scans(self):
        wrong = []
        for vector in read_vectors("scandata"):
            if vector["options"]:
                continue
            if vector["kind"] == "scandata_process":
                good, scan = answer(gs1_elements.parse_scan, vector["input"])
                expected = (
                    vector["ok"],
                    vector["expect"],
                    SYMBOLOGIES[vector["symbology"]] if vector["ok"] else None,
                )
                result = good, scan.message if good else "", scan.symbology if good else None
            else:
                symbology = SYMBOLOGIES.get(vector["symbology"], vector["symbology"])
                _good, result = answer(gs1_elements.build_scan, symbology, vector["input"])
                expected = vector["expect"]
            if result != expected:
                wrong.append((vector, result))
        self.assertFalse(wrong)


class TestDictionary(unittest.TestCase):
    def test_table_agrees(self):
        path = SHARED / "gs1-syntax-engine" / "gs1-syntax-dictionary.txt"
        if not path.exists():
            self.skipTest("GS1's syntax dictionary is not beside the checkout (../shared/data/gs1)")
        seen = set()
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                seen |= self._compare(line)
        self.assertEqual(seen, set(gs1_ai.IDENTIFIERS))

    def _compare(self, line):
        facts, _hash, title = line.partition("#")
        ais, *words = facts.split()
        flags = words.pop(0) if re.fullmatch("[*?]+", words[0]) else ""
        parts = [word for word in words if re.match(r"\[?[NXYZ]", word)]
        keys = [word.partition("=") for word in words if word not in parts]
        first, _dash, last = ais.partition("-")
        seen = {str(number).zfill(len(first)) for number in range(int(first), int(last or first) + 1)}
        for ai in seen:
            mine = gs1_ai.IDENTIFIERS[ai]
            self.assertEqual((mine.predefined, mine.attribute), ("*" in flags, "?" in flags), ai)
            self.assertEqual(mine.title, title.strip(), ai)
            self.assertEqual(
                [self._describe(part) for part in mine.parts], [self._read(part) for part in parts]
            )
            groups = {
                name: [value for key, _eq, value in keys if key == name] for name in ("req", "ex", "dlpkey")
            }
            self.assertEqual(
                [",".join("+".join(together) for together in group) for group in mine.needs],
                groups["req"],
                ai,
            )
            self.assertEqual(",".join(mine.excludes), "".join(groups["ex"]), ai)
            qualifiers = mine.qualifiers and "|".join(",".join(sequence) for sequence in mine.qualifiers)
            self.assertEqual([] if mine.qualifiers is None else [qualifiers], groups["dlpkey"], ai)
        return seen

    def _describe(self, part):
        names = {function: name for name, function in gs1_checks.CHECKS.items() if name != "gcppos2"}
        return part.low, part.high, part.optional, tuple(names[check] for check in part.checks)

    def _read(self, text):
        optional = text.startswith("[")
        spec, *checks = text.replace("[", "").replace("]", "").replace("gcppos2", "gcppos1").split(",")
        length = int(spec[1:].lstrip("."))
        kinds = {"N": "csetnumeric", "X": "cset82", "Y": "cset39", "Z": "cset64"}
        return 1 if ".." in spec else length, length, optional, (kinds[spec[0]], *checks)
