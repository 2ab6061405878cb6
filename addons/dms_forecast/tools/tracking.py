"""Whether a forecast keeps missing in the same direction. numpy only."""

import numpy as np

OPENS_ABOVE = 4.0
CLOSES_BELOW = 2.0
LEAST_WEEKS = 4


def tracking_signal(errors):
    """Sum of errors by their mean absolute size (Brown 1959, Statistical Forecasting for Inventory Control).

    Errors that cancel out stay near zero; n errors in one direction and of one size reach n.

    :param errors: (n, T) forecast less actual; NaN where a period was not judged
    :return: (n,) signal, positive where the forecast is too high; 0 with less than LEAST_WEEKS periods or no error
    """
    errors = np.asarray(errors, float)
    known = ~np.isnan(errors)
    mean = np.where(known, np.abs(np.nan_to_num(errors)), 0).sum(1) / np.maximum(known.sum(1), 1)
    total = np.nan_to_num(errors).sum(1)
    usable = (known.sum(1) >= LEAST_WEEKS) & (mean > 0)
    return np.where(usable, total / np.where(mean > 0, mean, 1), 0.0)


def is_alarm(signal, was_open):
    """An alarm opens beyond OPENS_ABOVE and closes within CLOSES_BELOW: what lies between leaves it as it is."""
    size = np.abs(np.asarray(signal, float))
    return (size > OPENS_ABOVE) | (np.asarray(was_open, bool) & (size >= CLOSES_BELOW))
