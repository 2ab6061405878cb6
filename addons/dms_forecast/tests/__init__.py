from . import (
    test_calendar,
    test_forecast_run,
    test_pure_clearance,
    test_pure_forecast,
    test_pure_inventory,
    test_pure_replay,
    test_pure_transfer_plan,
    test_replenishment,
    test_security,
    test_stock_alert,
    test_stock_health,
)
