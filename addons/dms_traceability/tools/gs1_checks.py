"""What the parts of a value must satisfy: character sets, check digits, dates, code lists.

Each function takes the part as text, returns nothing when it is right, and raises :class:`Gs1Error` when it is
not. They are the checks that the GS1 Barcode Syntax Dictionary (release 2026-01-27) names, under its names; their
rules come from the GS1 General Specifications, section 3 (values) and 7.9 (check digits and characters). Time is
linear in the length.
"""

import calendar
import re

from . import gs1_coupons
from .gs1_codes import COUNTRIES, COUNTRY_NUMBERS, CURRENCY_NUMBERS, PACKAGE_TYPES
from .gs1_error import Gs1Error, _lt, shorten

# GS1 character sets 82, 39 and 64 (General Specifications, figures 7.11-1 to 7.11-3).
CSET82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
CSET39 = "#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CSET64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_CHECK_PAIR_GLYPHS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CHECK_PAIR_MODULUS = 1021
_CHECK_PAIR_MAX_LENGTH = 99
_VALUE82 = {glyph: value for value, glyph in enumerate(CSET82)}
_IBAN_MIN_LENGTH, _IBAN_MAX_LENGTH = 11, 34


def _primes(count):
    found = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


_WEIGHTS = _primes(_CHECK_PAIR_MAX_LENGTH)


def _characters(allowed, name):
    wrong = re.compile(f"[^{re.escape(allowed)}]")

    def check(text):
        match = wrong.search(text)
        if match:
            raise Gs1Error(
                _lt("“%(char)s” is not one of the characters that are allowed here (%(name)s)."),
                char=shorten(match[0]),
                name=name,
            )

    return check


cset82 = _characters(CSET82, "GS1 character set 82")
cset39 = _characters(CSET39, "GS1 character set 39")
_cset64_body = _characters(CSET64, "GS1 character set 64")
csetnumeric = _characters("0123456789", "0-9")


def cset64(text):
    """URL-safe base 64, with or without the padding that makes its length a multiple of three."""
    body = text.rstrip("=")
    _cset64_body(body)
    padding = len(text) - len(body)
    if padding and (padding > 2 or len(text) % 3 or not body):
        raise Gs1Error(_lt("“=” may only fill up the last group of three characters."))


def check_digit(digits):
    """Check digit of a GS1 key without its last digit: weights 3, 1, 3... from the right."""
    total = 3 * sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2]))
    return str(-total % 10)


def csum(text):
    csetnumeric(text)
    if not text:
        raise Gs1Error(_lt("The number is missing."))
    expected = check_digit(text[:-1])
    if text[-1] != expected:
        raise Gs1Error(
            _lt("The check digit of %(number)s is wrong: the last digit should be %(expected)s."),
            number=text,
            expected=expected,
        )


def check_pair(text):
    """The two check characters behind a text: prime weights modulo 1021, General Specifications 7.9.5."""
    total = sum(
        _VALUE82[glyph] * weight for glyph, weight in zip(reversed(text), _WEIGHTS[: len(text)], strict=True)
    )
    high, low = divmod(total % _CHECK_PAIR_MODULUS, len(_CHECK_PAIR_GLYPHS))
    return _CHECK_PAIR_GLYPHS[high] + _CHECK_PAIR_GLYPHS[low]


def csumalpha(text):
    if not 2 <= len(text) <= _CHECK_PAIR_MAX_LENGTH:
        raise Gs1Error(_lt("The number lacks its two check characters, or is too long to have them."))
    cset82(text[:-2])
    if text[-2:] != check_pair(text[:-2]):
        raise Gs1Error(
            _lt("The check characters are wrong: the last two should be %(expected)s."),
            expected=check_pair(text[:-2]),
        )


def company_prefix(_text):
    """Whether the number starts with a company prefix that GS1 has issued needs GS1's registry: not checked here."""


def hasnondigit(text):
    if not any(char not in "0123456789" for char in text):
        raise Gs1Error(_lt("At least one character must not be a digit."))


def _exactly(text, length):
    csetnumeric(text)
    if len(text) != length:
        raise Gs1Error(_lt("“%(value)s” should have %(length)s digits."), value=shorten(text), length=length)


def _clock(limit):
    def check(text):
        _exactly(text, 2)
        if int(text) >= limit:
            raise Gs1Error(_lt("“%(value)s” is no time of the day."), value=text)

    return check


hh = _clock(24)
mi = _clock(60)
ss = _clock(60)


def hhmi(text):
    _exactly(text, 4)
    hh(text[:2])
    mi(text[2:])


def _date(year_length, day_optional):
    def check(text):
        _exactly(text, year_length + 4)
        # The century does not matter: of the years 1950 to 2049, two digits tell whether February has 29 days.
        year = int(text[:year_length]) + (2000 if year_length == 2 else 0)
        month, day = int(text[-4:-2]), int(text[-2:])
        days = calendar.mdays[month] if 1 <= month <= 12 else 0
        if month == 2 and calendar.isleap(year):
            days += 1
        if not (0 if day_optional else 1) <= day <= days or not days:
            raise Gs1Error(_lt("“%(value)s” is no date of the calendar (YYMMDD)."), value=text)

    return check


yymmdd = _date(2, False)
yymmd0 = _date(2, True)
yyyymmdd = _date(4, False)
yyyymmd0 = _date(4, True)


def hyphen(text):
    if not text or text.strip("-"):
        raise Gs1Error(_lt("Only a hyphen may stand here."))


def iban(text):
    """International bank account number, ISO 13616: its two check digits make the number 1 modulo 97."""
    match = re.search(r"[^0-9A-Z]", text)
    if match or not _IBAN_MIN_LENGTH <= len(text) <= _IBAN_MAX_LENGTH or text[:2] not in COUNTRIES:
        raise Gs1Error(_lt("“%(value)s” is no international bank account number."), value=shorten(text))
    if int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 != 1:
        raise Gs1Error(_lt("The check digits of the bank account number are wrong."))


def importeridx(text):
    if len(text) != 1:
        raise Gs1Error(_lt("The importer index is one character."))
    _cset64_body(text)


def _one_of(values, source):
    def check(text):
        if text not in values:
            raise Gs1Error(source, value=shorten(text))

    return check


iso3166 = _one_of(COUNTRY_NUMBERS, _lt("“%(value)s” is no country number of ISO 3166."))
iso3166999 = _one_of(COUNTRY_NUMBERS | {"999"}, _lt("“%(value)s” is no country number of ISO 3166."))
iso3166alpha2 = _one_of(COUNTRIES, _lt("“%(value)s” is no country code of ISO 3166."))
iso4217 = _one_of(CURRENCY_NUMBERS, _lt("“%(value)s” is no currency number of ISO 4217."))
iso5218 = _one_of(frozenset("0129"), _lt("“%(value)s” is no code of ISO 5218 for the biological sex."))
mediatype = _one_of(
    frozenset(f"{number:02}" for number in (*range(1, 11), *range(80, 100))),
    _lt("“%(value)s” is no code for a medium."),
)
packagetype = _one_of(PACKAGE_TYPES, _lt("“%(value)s” is no package type of UNECE recommendation 21."))
winding = _one_of(frozenset("019"), _lt("“%(value)s” is no winding direction: 0, 1 or 9."))
yesno = _one_of(frozenset("01"), _lt("“%(value)s” should be 0 (no) or 1 (yes)."))


def _degrees(limit):
    def check(text):
        _exactly(text, 10)
        if int(text) > limit:
            raise Gs1Error(_lt("“%(value)s” is no place on the globe."), value=text)

    return check


latitude = _degrees(1_800_000_000)
longitude = _degrees(3_600_000_000)


def nonzero(text):
    csetnumeric(text)
    if not text.strip("0"):
        raise Gs1Error(_lt("The number must not be zero."))


def nozeroprefix(text):
    csetnumeric(text)
    if text.startswith("0"):
        raise Gs1Error(_lt("The number must not begin with zero."))


def zero(text):
    if not text or text.strip("0"):
        raise Gs1Error(_lt("“%(value)s” should be zero."), value=shorten(text))


def pcenc(text):
    """Percent-encoded text: each percent sign begins a sequence of two hexadecimal digits."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise Gs1Error(_lt("A percent sign must be followed by two hexadecimal digits."))


def pieceoftotal(text):
    csetnumeric(text)
    half = len(text) // 2
    if not text or len(text) % 2:
        raise Gs1Error(_lt("The piece and the number of pieces should have as many digits as each other."))
    if not 0 < int(text[:half]) <= int(text[half:]):
        raise Gs1Error(
            _lt("Piece %(piece)s of %(total)s can't be."), piece=int(text[:half]), total=int(text[half:])
        )


def posinseqslash(text):
    match = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", text)
    if not match or int(match[1]) > int(match[2]):
        raise Gs1Error(_lt("“%(value)s” should be a place in a sequence, such as 2/3."), value=shorten(text))


def couponcode(text):
    csetnumeric(text)
    gs1_coupons.check_coupon(text, yymmdd)


def couponposoffer(text):
    csetnumeric(text)
    gs1_coupons.check_offer(text)


gcppos1 = gcppos2 = company_prefix

#: The checks by their names in the GS1 Barcode Syntax Dictionary.
CHECKS = {
    check: globals()[check]
    for check in [
        "couponcode",
        "couponposoffer",
        "cset39",
        "cset64",
        "cset82",
        "csetnumeric",
        "csum",
        "csumalpha",
        "gcppos1",
        "gcppos2",
        "hasnondigit",
        "hh",
        "hhmi",
        "hyphen",
        "iban",
        "importeridx",
        "iso3166",
        "iso3166999",
        "iso3166alpha2",
        "iso4217",
        "iso5218",
        "latitude",
        "longitude",
        "mediatype",
        "mi",
        "nonzero",
        "nozeroprefix",
        "packagetype",
        "pcenc",
        "pieceoftotal",
        "posinseqslash",
        "ss",
        "winding",
        "yesno",
        "yymmd0",
        "yymmdd",
        "yyyymmd0",
        "yyyymmdd",
        "zero",
    ]
}
