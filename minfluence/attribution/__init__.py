"""Methods that came after, and beside, influence functions: one idea per file.

All score every training example for every test point with the sign of ``up_loss``: negative where
more of the example means less test loss. Those that approximate the same derivative share its
unit too. Costs are said in *gradient-equivalents*: one is the gradient of one example's loss,
forward and backward; a product of one example's Hessian (or Gauss-Newton matrix) with a vector
counts as two. Inner products and factorisations are not counted.
"""

from minfluence.attribution.arnoldi import arnoldi
from minfluence.attribution.ekfac import ekfac, kfac
from minfluence.attribution.mlp import MLP
from minfluence.attribution.relatif import loss_relatif, theta_relatif
from minfluence.attribution.representer import representer, representer_values
from minfluence.attribution.tracin import gradient_dot, tracin
from minfluence.attribution.training import train
from minfluence.attribution.trak import trak

__all__ = [
    "MLP",
    "arnoldi",
    "ekfac",
    "gradient_dot",
    "kfac",
    "loss_relatif",
    "representer",
    "representer_values",
    "theta_relatif",
    "tracin",
    "train",
    "trak",
]
