from . import (
    base_partner_merge,
    dms_channel_position_at,
    dms_feed_accept,
    dms_feed_columns,
    dms_feed_map_codes,
    dms_feed_supersede,
    dms_feed_upload,
    dms_grade_decision,
    dms_order_release,
    dms_order_split,
    dms_settlement_generate,
    dms_statement_generate,
)
