from . import test_pure_pdf, test_pure_rebate
