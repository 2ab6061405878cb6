"""One form for the identifiers of EPCIS: EPC URNs and Digital Links become the same canonical Digital Link.

Sources: EPC Tag Data Standard 1.13, section 6 (URN forms); CBV 2.0, section 8.9.3 (for the event hash: canonical
Digital Link of the finest level, without consumer product variant and query).
"""

import re
from functools import lru_cache

from . import gs1_link
from .gs1_checks import check_digit
from .gs1_error import Gs1Error

_ROOT = gs1_link.CANONICAL_ROOT
_URN = re.compile(r"urn:epc:(id|class|idpat):([a-z]+):([0-9]{6,12})\.(.*)", re.DOTALL)

# {scheme: (identifier, digits of prefix and reference, identifier of the serial)}; a check digit follows them.
_NUMBERED = {
    "sgtin": ("01", 13, "21"), "lgtin": ("01", 13, "10"), "upui": ("01", 13, "235"), "sscc": ("00", 17, None),
    "sgln": ("414", 12, "254"), "pgln": ("417", 12, None), "gsrn": ("8018", 17, None), "gsrnp": ("8017", 17, None),
    "gsin": ("402", 16, None), "itip": ("8006", 13, "21"), "grai": ("8003", 12, ""), "gdti": ("253", 12, ""),
    "sgcn": ("255", 12, ""),
}  # fmt: skip
# Of a product, as AI (21) has them.
_MAX_SERIAL = 20
_FREE = {"giai": "8004", "ginc": "401"}
#: Schemes whose reference begins with a digit that the key has in front of the company prefix.
_INDICATOR = {"sgtin", "lgtin", "upui", "itip", "sscc"}


@lru_cache(maxsize=65536)
def canonical(uri):
    """Canonical Digital Link of an identifier, or the text itself when it is none of GS1's."""
    if uri.startswith("urn:epc:"):
        return _from_urn(uri) or uri
    if uri.startswith(("http://", "https://")):
        return _from_link(uri) or uri
    return uri


def canonical_list(uris, accepts=lambda uri: True):
    """:func:`canonical` of each, quickly where many are serial numbers of one product.

    :param uris: list, not empty, of whatever it holds
    :param accepts: whether one is text that may be read; asked for what stands before serial numbers, or for each
    :return: list, or None when one is not accepted
    """
    first = uris[0]
    if not accepts(first):
        return None
    head = first[: max(first.rfind("."), first.rfind("/")) + 1]
    root = _serial_root(head)
    if root:
        try:
            # One text, so that it is searched once and not item by item.
            nothing, *serials = f"\n{chr(10).join(uris)}".split(f"\n{head}")
        except TypeError:
            return None
        together = "".join(serials)
        if (
            not nothing
            and len(serials) == len(uris)
            and "" not in serials
            and together.isascii()
            and together.isalnum()
            and len(max(serials, key=len)) <= _MAX_SERIAL
        ):
            return [root + serial for serial in serials]
    return [canonical(uri) for uri in uris] if all(map(accepts, uris)) else None


@lru_cache(maxsize=4096)
def _serial_root(head):
    """Canonical form of what stands before a serial number, where any letters and digits may follow; else None."""
    if not (head.startswith("urn:epc:id:sgtin:") or head.endswith("/21/")) or "?" in head or "#" in head:
        return None
    link = canonical(f"{head}1")
    return link[:-1] if link.endswith("/21/1") else None


def _from_urn(uri):
    match = _URN.fullmatch(uri)
    if not match:
        return None
    form, scheme, prefix, rest = match.groups()
    if form == "idpat":
        rest = rest.removesuffix(".*")
    rest = gs1_link.unescape(rest)
    if scheme in _FREE and form == "id":
        return _link((_FREE[scheme], prefix + rest)) if rest else None
    if scheme == "cpi":
        reference, _dot, serial = rest.rpartition(".") if form == "id" else (rest, "", "")
        return _link(("8010", prefix + reference), *([("8011", serial)] if serial else []))
    if scheme not in _NUMBERED:
        return None
    ai, _digits, serial_ai = _NUMBERED[scheme]
    reference, _dot, serial = rest.partition(".")
    number = _number(scheme, prefix, reference)
    if not number:
        return None
    if scheme == "itip":
        piece, _dot, serial = serial.partition(".")
        total, _dot, serial = serial.partition(".")
        number += piece + total
    if serial_ai == "":
        return _link((ai, number + serial))
    if not serial or serial_ai is None or (scheme == "sgln" and serial == "0"):
        return _link((ai, number))
    return _link((ai, number), (serial_ai, serial))


@lru_cache(maxsize=4096)
def _number(scheme, prefix, reference):
    """The key of a company prefix and a reference, with its check digit; None when their lengths are wrong."""
    if not reference.isascii() or not (reference.isdigit() or not reference):
        return None
    if len(prefix + reference) != _NUMBERED[scheme][1]:
        return None
    number = reference[:1] + prefix + reference[1:] if scheme in _INDICATOR else prefix + reference
    number += check_digit(number)
    return f"0{number}" if scheme == "grai" else number


def _link(*path):
    return _ROOT + "".join(f"/{ai}/{gs1_link.escape(value)}" for ai, value in path)


def _from_link(uri):
    if not gs1_link.may_be(uri):
        return None
    try:
        link = gs1_link.parse(uri.partition("#")[0].rstrip("/"), zero_suppressed=True, words=True)
    except Gs1Error:
        return None
    ais = [ai for ai, _value in link.path]
    drop = {"22"} | ({"10"} if "21" in ais else set())
    return _link(*[(ai, value) for ai, value in link.path if ai not in drop])
