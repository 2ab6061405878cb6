{
    "name": "DMS Channel",
    "summary": "Territories, agreements, order rules, rebates, settlement and channel stock",
    "version": "19.0.1.0.0",
    "category": "Sales/Distribution",
    "author": "DMS",
    "license": "LGPL-3",
    "depends": [
        "account",
        "partnership",
        "portal",
        "sale_loyalty",
        "sale_management",
        "sale_stock",
        "stock_delivery",
    ],
    "external_dependencies": {"python": ["openpyxl", "reportlab", "shapely"]},
    "data": [
        "security/dms_channel_groups.xml",
        "security/ir.model.access.csv",
        "views/dms_channel_menus.xml",
    ],
    "application": True,
}
