from . import (
    test_agreement_tour,
    test_journey,
    test_pure_chart,
    test_rebate,
    test_receive,
    test_routes,
    test_settlement,
    test_settlement_tour,
    test_statement,
    test_stock,
    test_tours,
    test_transfer,
)
