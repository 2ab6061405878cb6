from . import (
    dms_agreement,
    dms_agreement_line,
    dms_credit_entry,
    dms_credit_rule,
    dms_order_check,
    dms_order_rule,
    dms_territory,
    loyalty_program,
    res_partner,
    sale_order,
    sale_order_line,
)
