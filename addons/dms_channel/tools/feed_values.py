"""What the texts of a file mean: numbers, days, moments, phone numbers. Free of Odoo."""

import datetime
import re
import zoneinfo
from decimal import Decimal, InvalidOperation

_MONTH_NAMES = (
    "jan january,feb february,mar march,apr april,may,jun june,"
    "jul july,aug august,sep sept september,oct october,nov november,dec december"
)
MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES.split(","), 1) for name in names.split()}


#: Full-width ASCII and blanks to plain ones. Not NFKC, which would turn 10² into 102.
_PLAIN = {0xFF01 + offset: 0x21 + offset for offset in range(94)}
_PLAIN |= {0xFFE5: "¥", 0x3000: " ", 0xA0: " ", 0xFEFF: None, 0: None}


def clean(value, decimal="."):
    """Answer a cell's text: full-width characters made plain, no outer blanks, ``="00123"`` and ``'00123``
    unwrapped.

    Numbers of a spreadsheet are written with ``decimal`` as their mark, so that they read back as what they were.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        if not value.isascii():
            value = value.translate(_PLAIN)
        elif "\0" in value:
            value = value.replace("\0", "")
        value = value.strip()
        if value[:2] == '="' and value[-1:] == '"':
            return value[2:-1].strip()
        return value[1:] if value[:1] == "'" else value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        return text.replace(".", decimal)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


_EDGES = re.compile(r"^(?:[¥$€£]|RMB|CNY|USD|EUR|GBP)|(?:[¥$€£元]|RMB|CNY|USD|EUR|GBP)$", re.IGNORECASE)
_BLANKS = re.compile(r"[\s'’_]")
_FORMS = {
    ".": re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d*)?(?:[eE][+-]?\d{1,2})?"),
    ",": re.compile(r"(?:\d+|\d{1,3}(?:\.\d{3})+)?(?:,\d*)?(?:[eE][+-]?\d{1,2})?"),
}
_LIMIT = Decimal(10) ** 12


def parse_number(text, decimal="."):
    """Answer ``text`` as a plain decimal number ('-1234.5'), or None if it is not one or is beyond 10**12.

    ``decimal`` is the file's decimal mark; a number that can only be meant with the other mark is still read.
    """
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return text
    text = text.translate(_PLAIN).strip()
    sign = 1
    if text[:1] == "(" and text[-1:] == ")":
        text, sign = text[1:-1], -1
    text = _BLANKS.sub("", text).replace("\u2212", "-").replace("−", "-").replace("‑", "-")
    if text[-1:] == "-":
        text, sign = text[:-1], -sign
    if text[:1] in ("-", "+"):
        sign = -sign if text[0] == "-" else sign
        text = text[1:]
    text = _EDGES.sub("", _EDGES.sub("", text))
    if not any(char.isdigit() for char in text[:40]) or len(text) > 40 or text[:1] in ("-", "+"):
        return None
    other = "," if decimal == "." else "."
    if not _FORMS[decimal].fullmatch(text):
        if not _FORMS[other].fullmatch(text):
            return None
        decimal, other = other, decimal
    try:
        number = Decimal(text.replace(other, "").replace(decimal, ".")) * sign
    except InvalidOperation:
        return None
    if abs(number) >= _LIMIT:
        return None
    return format(number.normalize(), "f") if number else "0"


def guess_decimal(texts):
    """Answer the decimal mark that ``texts`` speak for, '.' where they leave it open."""
    votes = {".": 0, ",": 0}
    for text in texts:
        last = max(text.rfind("."), text.rfind(","))
        if last < 0:
            continue
        mark, other = text[last], "," if text[last] == "." else "."
        if other in text:
            votes[mark] += 1
        elif text.count(mark) > 1:
            votes[other] += 1
        elif not re.fullmatch(r"\d{3}", text[last + 1 :]) or text[:last].lstrip("-+") in ("", "0"):
            votes[mark] += 1
    return "," if votes[","] > votes["."] else "."


_TIME = r"(?:[T ]+\d{1,2}[:时]\d{1,2}.{0,24})?"
_YMD = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?" + _TIME)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})" + _TIME)
_NUMERIC = re.compile(r"(\d{1,2})\s*[-/. ]\s*(\d{1,2})\s*[-/. ]\s*(\d{4}|\d{2})" + _TIME)
_DAY_NAME = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-/., ]*([A-Za-z]{3,9})[-/., ]*(\d{4}|\d{2})" + _TIME)
_NAME_DAY = re.compile(r"([A-Za-z]{3,9})[-/., ]*(\d{1,2})(?:st|nd|rd|th)?[-/., ]+(\d{4}|\d{2})" + _TIME)
_SERIAL = re.compile(r"(\d{5})(?:[.,]\d+)?")
_EPOCH = datetime.date(1899, 12, 30)


def _parse_date_parts(text, order):
    """Answer (year, month, day) texts or numbers of ``text``, or None."""
    if match := _YMD.fullmatch(text) or _COMPACT.fullmatch(text):
        return match.groups()
    if match := _NUMERIC.fullmatch(text):
        first, second, year = match.groups()
        return (year, first, second) if order == "mdy" else (year, second, first)
    if match := _DAY_NAME.fullmatch(text):
        return match[3], MONTHS.get(match[2].lower(), 0), match[1]
    if match := _NAME_DAY.fullmatch(text):
        return match[3], MONTHS.get(match[1].lower(), 0), match[2]
    return None


def parse_date(text, order="dmy"):
    """Answer ``text`` as an ISO date between 1990 and 2100, or None. ``order`` ('dmy', 'mdy') settles 03/04/2025.

    A five-digit number is a spreadsheet's day count since 1899-12-30.
    """
    if match := _SERIAL.fullmatch(text):
        day = _EPOCH + datetime.timedelta(days=int(match[1]))
    else:
        parts = _parse_date_parts(text.translate(_PLAIN).strip(), order)
        if not parts:
            return None
        year, month, number = (int(part) for part in parts)
        year += (2000 if year < 70 else 1900) if year < 100 else 0
        try:
            day = datetime.date(year, month, number)
        except ValueError:
            return None
    return day.isoformat() if 1990 <= day.year <= 2100 else None


def guess_date_order(texts, default="dmy"):
    """Answer 'dmy' or 'mdy' from the days above 12 among ``texts``; ``default`` where there is none."""
    for text in texts:
        if match := _NUMERIC.fullmatch(text):
            if int(match[1]) > 12:
                return "dmy"
            if int(match[2]) > 12:
                return "mdy"
    return default


_CLOCK = re.compile(
    r"(.+?)(?:[T ,]+|(?<=日))(\d{1,2})[:时点](\d{1,2})(?:[:分](\d{1,2})(?:[.,]\d+)?秒?|分)?\s*(AM|PM|上午|下午)?"
    r"\s*(Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{1,2}:?(?:\d{2})?)?",
    re.IGNORECASE,
)
_EPOCH_SECONDS = re.compile(r"\d{10}(?:\.\d+)?|\d{13}")
_SERIAL_MOMENT = re.compile(r"(\d{5})[.,](\d+)")


def parse_moment(text, order="dmy", zone="UTC"):
    """Answer a day and time of day as UTC ('2025-01-05 06:30:00'), or None where ``text`` is no moment.

    Read are the days of :func:`parse_date` with a time (12 or 24 hours, with or without a zone), seconds or
    milliseconds since 1970, and a spreadsheet's day count with a fraction. What names no zone is of ``zone``.
    """
    text = text.translate(_PLAIN).strip()
    if _EPOCH_SECONDS.fullmatch(text):
        seconds = float(text) / (1000 if len(text) == 13 else 1)
        return _written(datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc))
    if match := _SERIAL_MOMENT.fullmatch(text):
        day = parse_date(match[1], order)
        seconds = round(float("0." + match[2]) * 86400)
        return day and _in_utc(
            datetime.datetime.fromisoformat(day) + datetime.timedelta(seconds=seconds), zone
        )
    match = _CLOCK.fullmatch(text)
    day = match and parse_date(match[1].strip(" ,"), order)
    if not day:
        return None
    hour, half = int(match[2]), (match[5] or "").upper()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in ("PM", "下午") else 0)
    try:
        at = datetime.datetime.fromisoformat(day).replace(
            hour=hour, minute=int(match[3]), second=int(match[4] or 0)
        )
    except ValueError:
        return None
    return _in_utc(at, zone, match[6])


def _in_utc(at, zone, offset=None):
    if offset:
        digits = re.sub(r"[^\d+-]", "", offset)
        if not digits:
            return _written(at)
        sign, digits = (-1 if digits[0] == "-" else 1), digits[1:]
        hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
        if hours > 14 or minutes > 59:
            return None
        return _written(at - sign * datetime.timedelta(hours=hours, minutes=minutes))
    local = at.replace(tzinfo=zoneinfo.ZoneInfo(zone or "UTC"))
    return _written(local.astimezone(datetime.timezone.utc))


def _written(at):
    return at.strftime("%Y-%m-%d %H:%M:%S") if 1990 <= at.year <= 2100 else None


def local_day(moment, zone="UTC"):
    """Answer the day in ``zone`` of a moment that :func:`parse_moment` answered."""
    at = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.timezone.utc)
    return at.astimezone(zoneinfo.ZoneInfo(zone or "UTC")).date().isoformat()


_ROUNDED = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d{1,2}")
_PHONE = re.compile(r"\+?[\d\s()./\-]{3,}(?:\s*(?:[x#,;]|ext\.?|转|分机)\s*\d{1,6})?", re.IGNORECASE)


def parse_phone(text):
    """Answer a phone number without the traces of a spreadsheet, or None where it is none.

    '13800138000.0' lost nothing. '1.38E+10' lost its last digits, and nobody can tell them: None.
    """
    text = text.translate(_PLAIN).strip()
    text = re.sub(r"(?<=\d{5})\.0+$", "", text)
    if _ROUNDED.fullmatch(text):
        number = Decimal(text.replace(",", "."))
        digits = len(re.sub(r"\D", "", re.split("[eE]", text)[0]))
        if number != int(number) or digits < len(str(int(number))):
            return None
        text = str(int(number))
    if not _PHONE.fullmatch(text) or not 3 <= sum(char.isdigit() for char in text) <= 20:
        return None
    return " ".join(text.split())


_OPEN = {
    "1",
    "yes",
    "y",
    "true",
    "open",
    "active",
    "opened",
    "trading",
    "是",
    "正常",
    "营业",
    "营业中",
    "开业",
    "在营",
    "启用",
    "有效",
}
_CLOSED = {
    "0",
    "no",
    "n",
    "false",
    "closed",
    "inactive",
    "archived",
    "shut",
    "否",
    "停业",
    "关闭",
    "关店",
    "闭店",
    "歇业",
    "停用",
    "注销",
    "倒闭",
    "无效",
}


def parse_open(text):
    """Answer whether a shop trades: True, False, or None where ``text`` says neither."""
    word = re.sub(r"[\W_]+", "", text.translate(_PLAIN).lower())
    return True if word in _OPEN else False if word in _CLOSED else None
