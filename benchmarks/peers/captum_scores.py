"""captum's exact influence functions, in a subspace of the Hessian's leading eigenvectors.

Its Hessian and gradients are sums over the training set; the scores have the opposite sign.
"""

import torch
from captum.influence import NaiveInfluenceFunction
from common import L2, measured
from torch.nn.functional import softplus
from torch.utils.data import TensorDataset
from torch_models import linear, tensors


def margin_loss(scores, y):
    return softplus(-y * scores[:, 0])


def scores(inputs):
    X, y = tensors(inputs.X, inputs.y, floats=True)
    X_test, y_test = tensors(*inputs.tests, floats=True)
    module = linear(inputs.theta, 1)
    path = inputs.folder / "captum.pt"
    torch.save(module.state_dict(), path)

    def run():
        influence = NaiveInfluenceFunction(
            module,
            TensorDataset(X, y),
            str(path),
            loss_fn=margin_loss,
            batch_size=len(X),
            projection_dim=X.shape[1],
            hessian_reg=L2 * len(X),
            hessian_inverse_tol=0.0,
        )
        return -len(X) * influence.influence((X_test, y_test))

    return run


if __name__ == "__main__":
    torch.manual_seed(0)
    measured({"b": scores})
