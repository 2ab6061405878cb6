from . import (
    test_agreement,
    test_credit,
    test_order_rule,
    test_portal_access,
    test_pure_geometry,
    test_pure_pdf,
    test_pure_rebate,
    test_rebate_accrual,
    test_rebate_program,
    test_settlement,
    test_territory,
)
