from . import (
    test_code_order,
    test_code_page,
    test_comparison,
    test_diversion,
    test_pure_codes,
    test_pure_gs1,
    test_pure_gs1_vectors,
    test_pure_labels,
    test_resolver,
    test_shipping,
)
