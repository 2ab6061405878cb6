from . import (
    base_partner_merge,
    dms_feed_map_codes,
    dms_feed_upload,
    dms_order_release,
    dms_order_split,
    dms_settlement_generate,
)
