from . import (
    dms_feed_map_codes,
    dms_feed_upload,
    dms_order_release,
    dms_settlement_generate,
)
