"""Fixtures that the tests share."""

import pytest
from problems import PROBLEMS, make_problem


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
