{
    "name": "DMS Forecast",
    "summary": "Sell-through forecast, inventory health and replenishment",
    "version": "19.0.1.0.0",
    "category": "Sales/Distribution",
    "author": "DMS",
    "license": "LGPL-3",
    "depends": [
        "dms_channel",
        "purchase_stock",
    ],
    "external_dependencies": {"python": ["numpy", "scipy"]},
    "data": [
        "security/ir.model.access.csv",
    ],
}
