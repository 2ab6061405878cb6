from . import agreement, feed, settlement
