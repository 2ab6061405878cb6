from . import (
    test_order_rule,
    test_pure_pdf,
    test_pure_rebate,
)
