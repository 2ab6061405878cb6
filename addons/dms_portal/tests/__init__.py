from . import (
    test_agreement_tour,
    test_journey,
    test_pure_chart,
    test_routes,
    test_statement,
    test_tours,
)
