"""What each process does with random problems; test_random_problems starts them."""

import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from random_problems import definite_problems

import minfluence as mi


def few_problems():
    """The same ones in every process."""
    drawn = []
    options = {"kinds": ["linear parts", "autograd parts"], "curvatures": ("hessian",)}

    @settings(
        max_examples=10,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(definite_problems(**options))
    def draw(problem_and_curvature):
        drawn.append(problem_and_curvature[0])

    draw()
    return drawn


def answers(problem, o):
    """What all processes together say."""
    theta = problem.theta
    results = {"risk": o.risk(theta), "grad": o.grad(theta), "hessian": o.hessian(theta)}
    for solver in ("direct", "cg"):
        influence = mi.Influence(o, theta, solver=solver, damping=problem.damping)
        results[solver] = influence.up_loss(*problem.tests)
    return results


if __name__ == "__main__":
    ranks = mi.Ranks(timeout=30)
    for k, problem in enumerate(few_problems()):
        r, like = problem.reference, problem.objective.like
        mine = ranks.part(r.n)
        part = like.on(problem.given(r.X[mine]), problem.label(r.y[mine]))
        o = mi.ShardedObjective([part], ranks).reweighted(problem.given(r.weights))
        folder = Path(sys.argv[1])
        np.savez(folder / f"{k} {ranks.rank} of {ranks.size}.npz", **answers(problem, o))
