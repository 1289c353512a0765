"""Fixtures that the tests share, and how hypothesis runs."""

import pytest
from hypothesis import HealthCheck, settings
from problems import PROBLEMS, make_problem

# The same examples each time; `make random` looks for others, and keeps those that fail.
slow = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("gate", derandomize=True, database=None, max_examples=100, **slow)
settings.register_profile("long", max_examples=2_000, print_blob=True, **slow)
settings.load_profile("gate")


@pytest.fixture(params=PROBLEMS)
def problem(request):
    """Each model in each objective, and a network: objective, minimiser, test points."""
    return make_problem(request.param)


@pytest.fixture
def logistic():
    """One problem, where one is enough."""
    return make_problem("LinearObjective-logistic")


@pytest.fixture
def network():
    """A model that is not linear."""
    return make_problem("AutogradObjective-network")
