# A part of a model goes before the model that inherits it.
from . import dms_replenishment_review

# isort: split
from . import (
    dms_calendar_event,
    dms_channel_position,
    dms_demo,
    dms_forecast_accuracy,
    dms_forecast_bias,
    dms_forecast_line,
    dms_forecast_override,
    dms_forecast_run,
    dms_forecast_scenario,
    dms_forecast_scenario_line,
    dms_forecast_series,
    dms_replenishment_proposal,
    dms_replenishment_proposal_line,
    dms_replenishment_rule,
    dms_stock_alert,
    dms_stock_alert_line,
    dms_stock_alert_option,
    dms_stock_health,
    dms_stock_health_day,
    dms_stock_health_rule,
    dms_transfer_lane,
    dms_transfer_network,
    dms_transfer_plan,
    dms_transfer_plan_line,
    res_company,
    res_config_settings,
    sale_order,
    stock_warehouse_orderpoint,
)
