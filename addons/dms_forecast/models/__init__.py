from . import (
    dms_demo,
    dms_forecast_line,
    dms_forecast_run,
    dms_forecast_series,
    dms_replenishment_proposal,
    dms_replenishment_proposal_line,
    dms_replenishment_rule,
    dms_stock_health,
    res_company,
    res_config_settings,
    sale_order,
    stock_warehouse_orderpoint,
)
