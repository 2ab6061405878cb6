from . import code_file, code_page, resolver
