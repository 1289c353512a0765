"""torch-influence. Its scores are ``-up_loss / n``."""

import torch
from common import DAMPING, L2, L2_CNN, measured
from torch.nn.functional import cross_entropy, softplus
from torch.utils.data import DataLoader, TensorDataset
from torch_influence import BaseObjective, CGInfluenceModule, LiSSAInfluenceModule
from torch_models import conv_net, linear, tensors


class Objective(BaseObjective):
    def __init__(self, loss, l2):
        self.loss, self.l2 = loss, l2

    def train_outputs(self, model, batch):
        return model(batch[0])

    def train_loss_on_outputs(self, outputs, batch):
        return self.loss(outputs, batch[1])

    def train_regularization(self, params):
        return self.l2 / 2 * params.square().sum()

    def test_loss(self, model, params, batch):
        return self.loss(model(batch[0]), batch[1])


def margin_loss(scores, y):
    return softplus(-y * scores[:, 0]).mean()


def scores(inputs, make, module, loss=cross_entropy, l2=L2, batch=None, floats=False):
    X, y = tensors(inputs.X, inputs.y, floats)
    tests = TensorDataset(*tensors(*inputs.tests, floats))

    def run():
        solver = make(
            model=module,
            objective=Objective(loss, l2),
            train_loader=DataLoader(TensorDataset(X, y), batch_size=batch or len(X)),
            test_loader=DataLoader(tests, batch_size=1),
            device=torch.device("cpu"),
        )
        rows = [solver.influences(list(range(len(X))), [k]) for k in range(len(tests))]
        return -len(X) * torch.stack(rows)

    return run


def cg(inputs):
    def make(**options):
        return CGInfluenceModule(damp=0.0, rtol=1e-5, **options)

    return scores(inputs, make, linear(inputs.theta, 10))


def lissa(inputs, scale):
    def make(**options):
        return LiSSAInfluenceModule(damp=0.0, repeat=1, depth=5000, scale=scale, **options)

    return scores(inputs, make, linear(inputs.theta, 10), batch=1)


def network(inputs):
    module = conv_net().eval()
    module.load_state_dict(torch.load(inputs.folder / "cnn.pt"))

    def make(**options):
        return CGInfluenceModule(damp=DAMPING, gnh=True, rtol=1e-5, maxiter=2000, **options)

    return scores(inputs, make, module, l2=L2_CNN, batch=500)


if __name__ == "__main__":
    torch.manual_seed(0)
    measured({"a1": cg, "a100": cg, "lissa": lissa, "cnn": network})
