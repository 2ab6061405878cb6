"""Turn the texts of a row into values and the codes of what is wrong, for each kind of transmission. Free of Odoo."""

import json
import re
from collections import namedtuple

from .feed_columns import COLUMNS, DETAILS
from .feed_values import local_day, parse_date, parse_moment, parse_number, parse_open, parse_phone

#: Largest text that a code, a unit or a reference may be; a longer one is most often an unclosed quotation mark.
MAX_TEXT = 200
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
SPREADSHEET_ERRORS = {"#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"}

#: One row: ``row`` as a spreadsheet numbers it, the ten texts as sent, then what they mean as texts that PostgreSQL
#: reads (ISO date, plain decimal numbers) or None, then the comma-separated codes of what is wrong ('' if nothing).
Line = namedtuple("Line", ("row", *COLUMNS, "day", "sold", "back", "price", "value", "issues"))


def _is_formula(text):
    if text[0] == "#":
        return text in SPREADSHEET_ERRORS
    return len(text) > 1 and not text[1:].replace(".", "").isdigit()


class LineParser:
    """Turn the ten texts of a row into values and the codes of what is wrong. One instance per file: it remembers.

    :param str kind: of :data:`.feed_columns.KINDS`; :func:`make_parser` chooses the class for it
    :param str zone: name of the time zone of moments that name none
    :param bool negative: what came back is written with a minus in this file
    """

    #: Places of the texts that are codes: what begins like a formula is none.
    codes = (0, 1, 2, 5, 9)

    def __init__(self, kind="sell_through", date_order="dmy", decimal=".", zone="UTC", negative=False):
        self.kind = kind
        self.date_order = date_order
        self.decimal = decimal
        self.zone = zone
        self.negative = negative
        self._dates = {}
        self._numbers = {}

    def _date(self, text):
        try:
            return self._dates[text]
        except KeyError:
            if len(self._dates) > 50_000:
                self._dates.clear()
            answer = self._dates[text] = parse_date(text, self.date_order)
            return answer

    def _number(self, text):
        try:
            return self._numbers[text]
        except KeyError:
            if len(self._numbers) > 50_000:
                self._numbers.clear()
            answer = self._numbers[text] = parse_number(text, self.decimal)
            return answer

    def parse(self, row, texts):
        """Answer the :class:`Line` of ``texts`` (ten, in the order of :data:`COLUMNS`)."""
        issues = self._check_texts(texts)
        (_distributor, _outlet, code, date, quantity, _unit, price, amount, returned, _reference) = texts[:10]
        if not code:
            issues.append("product_missing")
        day = self._date(date) if date else None
        if day is None:
            issues.append("date_unreadable" if date else "date_missing")
        sold = self._optional(quantity, "quantity_unreadable", issues)
        back = self._optional(returned, "returned_unreadable", issues)
        price = self._optional(price, "price_unreadable", issues)
        value = self._optional(amount, "amount_unreadable", issues)
        if sold is None and not quantity:
            if back is None:
                issues.append("quantity_missing")
            else:
                sold = "0"
        sold, back, value = self._signs(sold, back, value, issues)
        if price and price[0] == "-":
            issues.append("price_negative")
        return (row, *texts, day, sold, back or "0", price, value, ",".join(issues))

    def _check_texts(self, texts):
        """Answer the issues of the texts as such; what is too long is cut."""
        issues = []
        for index, text in enumerate(texts):
            if len(text) > MAX_TEXT:
                issues.append("cell_too_long")
                texts[index] = text[:MAX_TEXT]
        for index in self.codes:
            text = texts[index]
            if text and text[0] in "=@+-#" and _is_formula(text):
                issues.append("formula")
                break
        return issues

    def _optional(self, text, issue, issues):
        if not text:
            return None
        number = self._number(text)
        if number is None:
            issues.append(issue)
        return number

    def _signs(self, sold, back, value, issues):
        """A negative quantity of a sell-through file is what customers brought back; elsewhere it is an error."""
        if back and back[0] == "-":
            issues.append("returned_negative")
        if sold and sold[0] == "-":
            if self.kind == "count" or (back and back != "0"):
                issues.append("quantity_negative")
            else:
                sold, back = "0", sold[1:]
                value = value.lstrip("-") if value else value
        elif value and value[0] == "-":
            issues.append("amount_negative")
        return sold, back, value


class ReturnParser(LineParser):
    """What came back to the distributor: ten texts, the batch and the reason.

    Some write it with a minus. Where the whole file does, that is its way of writing; where single rows do, nobody knows
    whether they take a return back.
    """

    codes = (*LineParser.codes, 10, 11)

    def _signs(self, sold, back, value, issues):
        if sold and sold != "0":
            if self.negative:
                sold = sold[1:] if sold[0] == "-" else "-" + sold
            if sold[0] == "-":
                issues.append("quantity_negative")
        return sold, None, value.lstrip("-") if value else value


class SensorParser(LineParser):
    """What a shelf sensor read: ten texts, of which the fourth is a moment, and the device.

    A line has the moment in UTC before its issues. The product may be left to what the device is known for.
    """

    codes = (*LineParser.codes, 10)

    def parse(self, row, texts):
        issues = self._check_texts(texts)
        date, quantity, device = texts[3], texts[4], texts[10]
        if not device:
            issues.append("device_missing")
        moment = parse_moment(date, self.date_order, self.zone) if date else None
        if moment is None:
            if not date:
                issues.append("date_missing")
            else:
                issues.append("time_missing" if self._date(date) else "moment_unreadable")
        level = self._optional(quantity, "quantity_unreadable", issues)
        if not quantity:
            issues.append("quantity_missing")
        elif level and level[0] == "-":
            issues.append("quantity_negative")
        day = local_day(moment, self.zone) if moment else None
        return (row, *texts, day, level, "0", None, None, moment, ",".join(issues))


class OutletParser(LineParser):
    """Master data of a shop: distributor, its code, and :data:`DETAILS`.

    Answers (row, distributor, code, details as JSON, issues). The details are the texts as they will be kept, of those
    that say something, and ``open`` where the status was understood.
    """

    #: Not the phone number, which may begin with a plus.
    codes = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11)

    def parse(self, row, texts):
        texts = [", ".join(filter(None, map(str.strip, text.splitlines()))) for text in texts]
        issues = self._check_texts(texts)
        distributor, code, *rest = texts
        details = {name: text for name, text in zip(DETAILS, rest, strict=True) if text}
        if not code:
            issues.append("outlet_missing")
        if not details.get("name"):
            issues.append("name_missing")
        if phone := details.get("phone"):
            if phone[0] in "=@":
                issues.append("formula")
            elif number := parse_phone(phone):
                details["phone"] = number
            else:
                issues.append("phone_unreadable")
        if (email := details.get("email")) and not _EMAIL.fullmatch(email):
            issues.append("email_unreadable")
        if status := details.get("status"):
            trading = parse_open(status)
            if trading is None:
                issues.append("status_unknown")
            else:
                details["open"] = trading
        return (
            row,
            distributor,
            code,
            json.dumps(details, ensure_ascii=False),
            ",".join(dict.fromkeys(issues)),
        )


_PARSERS = {"returns": ReturnParser, "sensor": SensorParser, "outlet": OutletParser}


def make_parser(kind, layout, zone="UTC"):
    """Answer the parser of a kind of transmission for a file's ``layout``, a dict as ``Layout.to_json`` answers it."""
    return _PARSERS.get(kind, LineParser)(
        kind,
        layout.get("date_order") or "dmy",
        layout.get("decimal") or ".",
        zone,
        bool(layout.get("negative")),
    )
