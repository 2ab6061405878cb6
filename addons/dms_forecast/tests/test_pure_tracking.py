import unittest

import numpy as np

from odoo.addons.dms_forecast.tools.tracking import is_alarm, tracking_signal

nan = float("nan")


class TestTracking(unittest.TestCase):
    def test_signal(self):
        errors = [
            [5, 5, 5, 5, 5],
            [5, -5, 5, -5, 5],
            [-2, -2, -2, -2, nan],
            [5, 5, 5, nan, nan],
            [0, 0, 0, 0, 0],
        ]
        self.assertEqual(tracking_signal(errors).tolist(), [5, 1, -4, 0, 0])

    def test_opens_high_and_closes_low(self):
        self.assertEqual(
            is_alarm(np.array([4.5, -4.5, 3, 3, 1.9]), [False, False, False, True, True]).tolist(),
            [True, True, False, True, False],
        )
