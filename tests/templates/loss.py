"""Skeleton of a loss of the scores ``X @ Theta``; goes into ``minfluence/models/losses.py``."""

from dataclasses import dataclass

import autograd.numpy as np  # what `value` computes with, so that it can be differentiated
import numpy as onp

from minfluence.models.losses import LinearLoss, column


@dataclass(frozen=True)
class LogCosh(LinearLoss):
    """Log-cosh loss, ``log(cosh(s - y))``: squared near 0, a straight line far from it."""

    def value(self, S, y):
        r = (S - column(y, S))[:, 0]
        return np.logaddexp(r, -r) - onp.log(2.0)  # no overflow for any r

    def slope(self, S, y):
        return onp.tanh(S - column(y, S))

    def curvature(self, S, y):
        return 1.0 - self.slope(S, y) ** 2


log_cosh = LogCosh()
