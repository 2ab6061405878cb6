"""Unit codes: serials that nobody can guess and that need no look-up to be told from a forgery.

A serial is 14 Crockford base-32 characters: 8 for a 40-bit body, 6 for a 30-bit tag.

* The body is a keyed permutation of a *key*, a sequential number below 2**40 which is the primary
  key in the database. The permutation is a balanced Feistel network over two 20-bit halves whose
  round function is AES-256 (Luby & Rackoff 1988; ten rounds, as FF1 of NIST SP 800-38G).
* The tag is the first 30 bits of AES-256 over GTIN and body, one fixed-length block, so a
  pseudo-random function of both. A guess passes once in 2**30 per accepted key and year.

The permutation's key depends on master key and GTIN, the tag's on master key, GTIN and year.
Keys are never reused for another code, so under one master key two serials of a GTIN always differ,
whatever their years. Nothing derived is stored.

The code under the cap has 20 characters: the same body under keys of its own, and a tag of 60 bits.
Who knows the serial outside learns nothing of it.
"""

import hashlib
import hmac
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SERIAL_LENGTH = 14
BODY_CHARS = 8
KEY_BITS = 40
TAG_BITS = 30
CAP_LENGTH = 20
CAP_TAG_BITS = 60
FIRST_YEAR = 2025
MASTER_KEY_MIN_LENGTH = 32

_HALF_BITS = KEY_BITS // 2
_HALF_MASK = (1 << _HALF_BITS) - 1
_ROUNDS = 10
_GLYPHS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_VALUE_OF = np.zeros(128, dtype=np.uint64)
_VALUE_OF[_GLYPHS] = np.arange(32, dtype=np.uint64)
_VALUES = {glyph: value for value, glyph in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}


def parse_master_keys(text):
    """Split a setting into master keys, the issuing one first, older ones still accepted.

    :param str text: keys separated by commas, each of 32 characters or more
    :return: tuple of bytes, empty when the text is
    :raise ValueError: when a key is shorter than 32 characters
    """
    keys = tuple(part.strip().encode() for part in (text or "").split(",") if part.strip())
    if any(len(key) < MASTER_KEY_MIN_LENGTH for key in keys):
        raise ValueError(f"a master key has fewer than {MASTER_KEY_MIN_LENGTH} characters")
    return keys


@lru_cache(maxsize=4096)
def _derive(master, label, gtin, year=0):
    """32-byte key for one purpose: HMAC-SHA256 as a key derivation function (NIST SP 800-108)."""
    return hmac.new(master, f"dms/1/{label}/{gtin}/{year}".encode(), hashlib.sha256).digest()


def fingerprint(master):
    """8 characters that tell master keys apart without telling anything about them."""
    return _derive(master, "fingerprint", "").hex()[:8]


def _aes(key, high, low):
    """First 64 bits of AES over the blocks ``high || low``, for arrays of uint64.

    ECB is right here: each block is the whole input of a pseudo-random function.
    """
    blocks = np.empty((len(low), 2), dtype=">u8")
    blocks[:, 0] = high
    blocks[:, 1] = low
    encryptor = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()
    return np.frombuffer(encryptor.update(blocks.tobytes()), dtype=">u8")[::2].astype(np.uint64)


def permute(key, numbers):
    """Feistel permutation of uint64 ``numbers`` below 2**40; shape is kept."""
    left, right = numbers >> np.uint64(_HALF_BITS), numbers & np.uint64(_HALF_MASK)
    for turn in range(_ROUNDS):
        left, right = right, left ^ (_aes(key, turn, right) & np.uint64(_HALF_MASK))
    return (left << np.uint64(_HALF_BITS)) | right


def unpermute(key, bodies):
    """Inverse of :func:`permute`."""
    left, right = bodies >> np.uint64(_HALF_BITS), bodies & np.uint64(_HALF_MASK)
    for turn in reversed(range(_ROUNDS)):
        left, right = right ^ (_aes(key, turn, left) & np.uint64(_HALF_MASK)), left
    return (left << np.uint64(_HALF_BITS)) | right


class _Kind(NamedTuple):
    """What tells the two kinds of serials apart: length, bits of the tag, and the purpose of their keys."""

    length: int
    tag_bits: int
    prefix: str


_OUTSIDE = _Kind(SERIAL_LENGTH, TAG_BITS, "")
_CAP = _Kind(CAP_LENGTH, CAP_TAG_BITS, "cap-")


def _tags(kind, master, gtin, year, bodies):
    key = _derive(master, kind.prefix + "tag", gtin, year)
    return _aes(key, int(gtin), bodies) >> np.uint64(64 - kind.tag_bits)


def encode(master, gtin, year, keys, cap=False):
    """Serials of database keys.

    :param bytes master: the issuing master key
    :param str gtin: GTIN-14
    :param int year: year of issue
    :param keys: integers in [0, 2**40), any sequence
    :param bool cap: the codes under the cap instead of those outside
    :return: list of serials of 14 characters (20 under the cap), aligned with ``keys``
    """
    numbers = np.asarray(keys, dtype=np.uint64)
    if not len(numbers):
        return []
    if numbers.max() >> np.uint64(KEY_BITS):
        raise ValueError("a code key is out of range")
    kind = _CAP if cap else _OUTSIDE
    bodies = permute(_derive(master, kind.prefix + "body", gtin), numbers)
    glyphs = np.empty((len(numbers), kind.length), dtype=np.uint8)
    for value, bits, start in (
        (bodies, KEY_BITS, 0),
        (_tags(kind, master, gtin, year, bodies), kind.tag_bits, BODY_CHARS),
    ):
        for position in range(bits // 5):
            shift = np.uint64(bits - 5 * (position + 1))
            glyphs[:, start + position] = _GLYPHS[(value >> shift) & np.uint64(31)]
    return glyphs.view(f"S{kind.length}").ravel().astype(str).tolist()


def normalise(serial, cap=False):
    """Canonical form of a serial as typed or scanned, or None if it can't be one.

    Lower case is accepted, and the letters that Crockford reads as digits (O, I, L).
    """
    length = CAP_LENGTH if cap else SERIAL_LENGTH
    if not isinstance(serial, str) or len(serial) != length or not serial.isascii():
        return None
    values = [_VALUES.get(glyph) for glyph in serial.upper()]
    if None in values:
        return None
    return "".join(ALPHABET[value] for value in values)


def decode(masters, gtin, serials, last_year, cap=False):
    """Database keys of serials, without any look-up.

    All keys and years are tried for each serial, so that the time tells nothing.

    :param masters: accepted master keys (bytes)
    :param str gtin: GTIN-14 of all the serials
    :param serials: as typed or scanned
    :param int last_year: last year of issue to accept
    :param bool cap: they are codes under the cap
    :return: list aligned with ``serials``: ``(key, year, index of the master key)``, or None when no accepted
        key vouches for the serial
    """
    kind = _CAP if cap else _OUTSIDE
    canonical = [normalise(serial, cap) for serial in serials]
    bodies, tags = _split([serial or "0" * kind.length for serial in canonical], kind)
    found = [None] * len(canonical)
    for position, master in enumerate(masters):
        keys = unpermute(_derive(master, kind.prefix + "body", gtin), bodies)
        for year in range(last_year, FIRST_YEAR - 1, -1):
            for index in np.flatnonzero(_tags(kind, master, gtin, year, bodies) == tags).tolist():
                if canonical[index] is not None and found[index] is None:
                    found[index] = (int(keys[index]), year, position)
    return found


def _split(serials, kind):
    """Bodies and tags of canonical serials, as arrays of uint64."""
    glyphs = np.frombuffer("".join(serials).encode(), dtype=np.uint8).reshape(-1, kind.length)
    values = _VALUE_OF[glyphs]
    bodies = np.zeros(len(values), dtype=np.uint64)
    tags = np.zeros(len(values), dtype=np.uint64)
    for position in range(kind.length):
        target = bodies if position < BODY_CHARS else tags
        target <<= np.uint64(5)
        target |= values[:, position]
    return bodies, tags


def ranges(keys):
    """Runs of consecutive keys as ``[(first, last), ...]``, ascending; duplicates count once."""
    numbers = np.unique(np.asarray(list(keys), dtype=np.int64))
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    firsts = numbers[np.concatenate(([0], breaks + 1))]
    lasts = numbers[np.concatenate((breaks, [len(numbers) - 1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
