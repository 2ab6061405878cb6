from . import dms_rebate_analysis
