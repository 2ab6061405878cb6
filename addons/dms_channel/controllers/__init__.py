from . import agreement, settlement
