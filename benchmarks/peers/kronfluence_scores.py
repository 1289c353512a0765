"""kronfluence: EK-FAC, an approximation of the inverse. The scores have the opposite sign."""

import tempfile

import torch
from common import L2, measured
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset
from torch_models import linear, tensors


class Classification(Task):
    def compute_train_loss(self, batch, model, sample=False):
        logits = model(batch[0])
        if sample:
            with torch.no_grad():
                labels = torch.multinomial(logits.softmax(dim=1), 1).flatten()
            return cross_entropy(logits, labels, reduction="sum")
        return cross_entropy(logits, batch[1], reduction="sum")

    def compute_measurement(self, batch, model):
        return cross_entropy(model(batch[0]), batch[1], reduction="sum")


def scores(inputs):
    train = TensorDataset(*tensors(inputs.X, inputs.y))
    tests = TensorDataset(*tensors(*inputs.tests))
    task = Classification()
    module = torch.nn.Sequential(linear(inputs.theta, 10))

    def run():
        with tempfile.TemporaryDirectory() as folder:
            analyzer = Analyzer(
                "a",
                prepare_model(module, task),
                task,
                cpu=True,
                disable_tqdm=True,
                output_dir=folder,
            )
            analyzer.fit_all_factors(
                "ekfac", train, per_device_batch_size=10_000, factor_args=FactorArguments("ekfac")
            )
            analyzer.compute_pairwise_scores(
                "scores",
                "ekfac",
                tests,
                train,
                per_device_query_batch_size=len(tests),
                per_device_train_batch_size=10_000,
                score_args=ScoreArguments(damping_factor=L2),
            )
            return -analyzer.load_pairwise_scores("scores")["all_modules"]

    return run


if __name__ == "__main__":
    torch.manual_seed(0)
    measured({"a1": scores})
