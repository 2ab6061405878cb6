from . import dms_order_release
