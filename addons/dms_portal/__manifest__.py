{
    "name": "DMS Portal",
    "summary": "Everything a distributor or a shop sees, on a phone as well as a desk",
    "version": "19.0.1.0.0",
    "category": "Sales/Distribution",
    "author": "DMS",
    "license": "LGPL-3",
    "depends": [
        "dms_forecast",
        "dms_traceability",
    ],
}
