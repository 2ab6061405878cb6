"""Diversion statistics over arrays: scans in, findings out; no database, no Odoo.

``evidence`` turns scans into independent observations, ``baseline`` learns what honest travel looks like, ``judge`` weighs
the one against the other; ``volume``, ``prices`` and ``clones`` look at other traces of the same trade.
docs/diversion.md says how they work together, and where they fail.
"""
