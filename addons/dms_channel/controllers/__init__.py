from . import agreement, feed, settlement, statement
