"""North American coupon codes, application identifiers 8110 and 8112.

Sources: GS1 US, *North American Coupon Application Guideline Using GS1 DataBar Expanded Symbols* (8110) and the
GS1 General Specifications, section 3.9.12 (8112). A coupon is read from left to right; many of its fields begin
with a digit that says how long they are.
"""

from .gs1_error import Gs1Error, _lt


class _Reader:
    """Takes fields off the front of a text of digits."""

    def __init__(self, text):
        self.text, self.place = text, 0

    def __bool__(self):
        return self.place < len(self.text)

    def take(self, length, allowed=None):
        field = self.text[self.place : self.place + length]
        if len(field) < length:
            raise Gs1Error(_lt("The coupon ends in the middle of a field."))
        if allowed and field not in allowed:
            raise Gs1Error(
                _lt("The coupon has %(value)s at place %(place)s, where %(allowed)s may stand."),
                value=field,
                place=self.place + 1,
                allowed=", ".join(allowed),
            )
        self.place += length
        return field

    def skip(self, head):
        """Whether the optional field comes that begins with the digit ``head``."""
        if self.text[self.place : self.place + 1] != head:
            return False
        self.place += 1
        return True

    def end(self):
        if self:
            raise Gs1Error(
                _lt("The coupon has digits left over from place %(place)s on."), place=self.place + 1
            )


def _read_requirement(reader):
    reader.take(int(reader.take(1, "12345")))
    reader.take(1, "012349")
    reader.take(3)


def _read_prefix(reader):
    """A company prefix of 6 to 12 digits, or 9 for the one named first."""
    length = reader.take(1, "01234569")
    if length != "9":
        reader.take(6 + int(length))


def check_coupon(text, check_date):
    """Check a coupon (8110).

    :param str text: digits
    :param check_date: raises :class:`Gs1Error` for what is no date YYMMDD
    """
    reader = _Reader(text)
    reader.take(6 + int(reader.take(1, "0123456")))
    reader.take(6)
    reader.take(int(reader.take(1, "12345")))
    _read_requirement(reader)
    if reader.skip("1"):
        reader.take(1, "0123")
        _read_requirement(reader)
        _read_prefix(reader)
    if reader.skip("2"):
        _read_requirement(reader)
        _read_prefix(reader)
    dates = {}
    for head in "34":
        if reader.skip(head):
            dates[head] = reader.take(6)
            check_date(dates[head])
    if len(dates) == 2 and dates["3"] < dates["4"]:
        raise Gs1Error(_lt("The coupon expires before it starts."))
    if reader.skip("5"):
        reader.take(6 + int(reader.take(1)))
    if reader.skip("6"):
        reader.take(6 + int(reader.take(1, "1234567")))
    if reader.skip("9"):
        reader.take(1, "01256")
        reader.take(1, "012")
        reader.take(1)
        reader.take(1, "01")
    reader.end()


def check_offer(text):
    """Check a positive offer file coupon (8112), a text of digits."""
    reader = _Reader(text)
    reader.take(1, "01")
    reader.take(6 + int(reader.take(1, "0123456")))
    reader.take(6)
    reader.take(6 + int(reader.take(1)))
    reader.end()
