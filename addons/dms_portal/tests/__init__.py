from . import (
    test_journey,
    test_pure_chart,
    test_routes,
    test_tours,
)
