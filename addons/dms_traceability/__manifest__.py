{
    "name": "DMS Traceability",
    "summary": "Unit codes, packing, scans and diversion cases",
    "version": "19.0.1.0.0",
    "category": "Sales/Distribution",
    "author": "DMS",
    "license": "LGPL-3",
    "depends": [
        "barcodes_gs1_nomenclature",
        "dms_channel",
        "product_expiry",
    ],
    "data": [
        "security/ir.model.access.csv",
    ],
}
