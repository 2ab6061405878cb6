from . import (
    test_forecast_run,
    test_pure_forecast,
    test_pure_inventory,
    test_replenishment,
    test_security,
    test_stock_health,
)
