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
    "data": [
        "views/portal_layout_templates.xml",
        "views/portal_home_templates.xml",
        "views/agreement_templates.xml",
        "views/case_templates.xml",
        "views/catalogue_templates.xml",
        "views/delivery_templates.xml",
        "views/feed_templates.xml",
        "views/order_templates.xml",
        "views/outlet_templates.xml",
        "views/points_templates.xml",
        "views/proposal_templates.xml",
        "views/rebate_templates.xml",
        "views/settlement_templates.xml",
        "views/statement_templates.xml",
        "views/stock_templates.xml",
        "views/transfer_templates.xml",
    ],
    "assets": {
        "web.assets_frontend": [
            "dms_portal/static/src/interactions/**/*",
            "dms_portal/static/src/scss/dms_portal.scss",
        ],
        "web.assets_tests": [
            "dms_portal/static/tests/tours/**/*",
        ],
    },
}
