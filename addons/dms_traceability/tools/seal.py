"""Seals of evidence: a chain of keyed hashes, in which a later change of any piece is seen."""

import hashlib
import hmac
import json

LABEL = b"dms/1/evidence"


def digest(content):
    """SHA-256 of bytes, or of a text as UTF-8, in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def seal(master, previous, facts):
    """The seal of one piece (HMAC-SHA-256, hexadecimal).

    :param bytes master: key that is kept outside the database, so that who can write there can't seal anew
    :param str previous: seal of the piece before; empty for the first
    :param dict facts: what is sealed: texts, whole numbers or None by name
    """
    key = hmac.new(master, LABEL, hashlib.sha256).digest()
    message = json.dumps([previous, facts], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


def check(masters, previous, facts, sealed):
    """Whether one of the keys made the seal."""
    return any(hmac.compare_digest(seal(master, previous, facts), sealed or "") for master in masters)
