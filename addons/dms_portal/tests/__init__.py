from . import (
    test_pure_chart,
    test_routes,
    test_tours,
)
