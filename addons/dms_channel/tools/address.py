"""Find the territory of a postal address among many, without a scan. No ``odoo`` import."""

from collections.abc import Iterable
from typing import NamedTuple


class Area(NamedTuple):
    """What one territory claims: ids of countries and states, and zip prefixes. An empty claim is no condition."""

    key: int
    countries: frozenset[int]
    states: frozenset[int]
    prefixes: tuple[str, ...]


def normalise_zip(text: str | None) -> str:
    """Zip codes compare without spaces and hyphens, in capitals."""
    if not text:
        return ""
    # Most are digits alone: nothing to do, and a look-up of many has many of them.
    return text if text.isdecimal() else text.upper().replace(" ", "").replace("-", "")


def split_prefixes(text: str | None) -> tuple[str, ...]:
    """Zip prefixes of a comma-separated text (Chinese commas too), normalised, in order, each once."""
    parts = (text or "").replace("，", ",").replace("、", ",").split(",")
    return tuple(dict.fromkeys(filter(None, map(normalise_zip, parts))))


class AddressIndex:
    """Areas by (country, state) and zip prefix. Where several hold an address, the first one given wins.

    :param areas: the areas, best first
    """

    def __init__(self, areas: Iterable[Area]):
        self._keys = []
        ranks: dict[tuple[int, int], dict[str, int]] = {}
        for rank, area in enumerate(areas):
            self._keys.append(area.key)
            for country in area.countries or (0,):
                for state in area.states or (0,):
                    bucket = ranks.setdefault((country, state), {})
                    for prefix in area.prefixes or ("",):
                        bucket.setdefault(prefix, rank)
        # Of each place: the lengths of its prefixes, and the rank of each prefix.
        self._places = {
            place: (sorted({len(prefix) for prefix in bucket}), bucket) for place, bucket in ranks.items()
        }

    def match(self, country: int, state: int, zip_code: str | None) -> int:
        """Key of the best area that holds the address (0 stands for an unknown country or state), or 0."""
        code = normalise_zip(zip_code)
        none = best = len(self._keys)
        for place in ((country, state), (country, 0), (0, state), (0, 0)):
            found = self._places.get(place)
            if found is None:
                continue
            lengths, bucket = found
            for length in lengths:
                if length > len(code):
                    break
                best = min(best, bucket.get(code[:length], none))
        return self._keys[best] if best < none else 0
