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
    return (text or "").upper().replace(" ", "").replace("-", "")


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
        self._ranks: dict[tuple[int, int], dict[str, int]] = {}
        self._lengths: dict[tuple[int, int], list[int]] = {}
        for rank, area in enumerate(areas):
            self._keys.append(area.key)
            for country in area.countries or (0,):
                for state in area.states or (0,):
                    bucket = self._ranks.setdefault((country, state), {})
                    for prefix in area.prefixes or ("",):
                        bucket.setdefault(prefix, rank)
        for place, bucket in self._ranks.items():
            self._lengths[place] = sorted({len(prefix) for prefix in bucket})

    def match(self, country: int, state: int, zip_code: str | None) -> int:
        """Key of the best area that holds the address (0 stands for an unknown country or state), or 0."""
        code = normalise_zip(zip_code)
        best = len(self._keys)
        for place in {(country, state), (country, 0), (0, state), (0, 0)}:
            bucket = self._ranks.get(place)
            if bucket is None:
                continue
            for length in self._lengths[place]:
                if length > len(code):
                    break
                best = min(best, bucket.get(code[:length], best))
        return self._keys[best] if best < len(self._keys) else 0
