# Parts of a model go before the model that inherits them.
from . import (
    dms_code_packing,
    dms_code_receipt,
    dms_code_tables,
    dms_inspection_document,
    dms_trace_event_epcis,
)

# isort: split
from . import (
    dms_channel_comparison,
    dms_code,
    dms_code_consumption,
    dms_code_order,
    dms_credit_entry,
    dms_demo,
    dms_diversion_alert,
    dms_diversion_case,
    dms_diversion_detection,
    dms_epcis_capture,
    dms_gs1_link,
    dms_inspection,
    dms_inspection_evidence,
    dms_rebate_modifier,
    dms_scan,
    dms_scan_report,
    dms_trace_event,
    product_product,
    product_template,
    res_company,
    res_partner,
    stock_package,
    stock_picking,
)
