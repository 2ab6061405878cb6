from . import dms_code_pack, dms_code_scan, dms_code_scan_line, dms_diversion_ruling
