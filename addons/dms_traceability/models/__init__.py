from . import (
    dms_code,
    dms_code_order,
    dms_credit_entry,
    dms_demo,
    dms_diversion_alert,
    dms_diversion_case,
    dms_rebate_modifier,
    dms_scan,
    dms_trace_event,
    product_template,
    res_partner,
    stock_picking,
)
