from . import code_file, code_page, epcis, inspection, resolver
