from . import test_pure_chart
