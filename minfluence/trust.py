"""Can I trust this score?  Six questions, in the order in which the answers can fail.

Scores are right for a small change of a weight, at a minimum, on a risk that is as curved as its
Hessian says, if the system was solved.  Leaving an example out is no small change.  Each function
below asks for one of these, of the examples that lead, and costs a few products and solves.

The step that is examined is d_i = w_i H⁻¹ ∇L(z_i), from theta to where KL (1) expects the fit
without example i.  Along it the risk without that example falls by -w_i d_iᵀ ∇L(z_i) and curves by
d_iᵀ (H - w_i H_i) d_i, so that the best multiple of the step is

    1 / (1 - h_i),    h_i = w_i uᵀ H_i u / uᵀ H u,    u = H⁻¹ ∇L(z_i)

with the bare loss in ∇L and H_i.  Where H_i = D_i x_i x_iᵀ, u is a multiple of H⁻¹ x_i, and h_i is
w_i D_i x_iᵀ H⁻¹ x_i, the leverage; so this is one for any loss and any network.
"""

import warnings
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

import numpy as np
from numpy import ndarray

from minfluence import seam, validate
from minfluence.agreement import agreement
from minfluence.eigenvalues import spectrum
from minfluence.fit import fit
from minfluence.hessian import Hessian, dense
from minfluence.influence import Influence, predicted_change, s_test, up_loss
from minfluence.inverse import Inverse
from minfluence.refits import refit_without
from minfluence.solvers import NotConverged, NotPositiveDefinite
from minfluence.stochastic import Diverged

YES, CAREFUL, NO, NONE = "yes", "careful", "no", "-"
WRITTEN_OUT = 1_000  # parameters up to which all eigenvalues are computed
MEETS = 2 / 3, 3 / 2  # curvature along a step, in units of what was expected
SIZES = (0.2, (4 / 5, 5 / 4)), (0.5, (1 / 2, 2))  # h, and true change over prediction
RANKS = 0.98, 0.94  # of correlations: yes, and careful
TOP_SHARE = 0.6  # of the refits; the others are drawn from all other examples
RESAMPLES = 2_000
ROUNDED = 1e-6  # shares below which the card does not print what rounding has left


@dataclass(frozen=True)
class Answer:
    """One line of the card.

    Attributes
    ----------
    question : str
    verdict : {"yes", "careful", "no", "-"}
        "-" where the question was not asked, or an earlier answer leaves nothing to ask about.
    finding : str
        What was found, with its numbers.
    advice : str
        What to do; empty where the verdict is "yes".
    numbers : dict of str to float
        The numbers that the verdict rests on.
    """

    question: str
    verdict: str
    finding: str
    advice: str
    numbers: dict[str, float]


@dataclass(frozen=True, repr=False)
class Trust:
    """The answers of `trust`; printed, it is the card.

    Attributes
    ----------
    answers : tuple of Answer
        At a minimum, curvature, solved, leverage, damping, refits.
    leaders : array of int, shape (k,)
        The examples that lead, which all but the refits were asked about; the strongest first.
    predicted, corrected : arrays, shape (m, k)
        Change of each test loss without each leader: as influence predicts it, and after a line
        search along the predicted step, with the test loss taken as it bends.
    leverage : array, shape (k,)
    curvature : array, shape (k,)
        Mean curvature of the risk along each step, in units of what H and the leverage say.
    refitted : array of int, shape (r,)
        Which examples were left out in turn; empty unless refits were asked for.
    refits : array, shape (2, m, r)
        Their predicted and actual changes.
    """

    answers: tuple[Answer, ...]
    leaders: ndarray
    predicted: ndarray
    corrected: ndarray
    leverage: ndarray
    curvature: ndarray
    refitted: ndarray
    refits: ndarray

    @property
    def order(self) -> str:
        """Whether to trust the order of the scores: "yes", "careful" or "no".

        It is the worst answer but that on leverage, which is about sizes. "no" there counts as
        "careful" here. Refits are the truth: where they were asked for and agree, the answer is
        one better; where they do not, it is theirs if that is worse.
        """
        *asked, refits = (a.verdict for a in self.answers)
        asked[3] = CAREFUL if asked[3] == NO else YES
        ranks = [YES, CAREFUL, NO]
        worst = max(ranks.index(v) for v in asked if v != NONE)
        if refits == YES:
            worst = max(worst - 1, 0)
        elif refits != NONE:
            worst = max(worst, ranks.index(refits))
        return ranks[worst]

    @property
    def conclusion(self) -> str:
        """What to do with the scores: their order, their sizes, sums over groups."""
        if self.order == NO:
            first = next(a for a in self.answers if a.verdict == NO)
            return f"Order: do not trust it. Sizes: no. First: {first.advice}"
        order = "trust it" if self.order == YES else "confirm the leaders by refits"
        return f"Order: {order}. Sizes: {self._sizes()}. Groups beyond about 5 %: retrain."

    def _sizes(self) -> str:
        if any(a.verdict == NO for a in self.answers[:3]):
            return "no"
        factors, by_leverage = _factors(self.predicted, self.corrected), 1 / (1 - self.leverage)
        if np.all(abs(factors - 1) <= 0.1):
            return "as they are, to 10 %"
        known = factors / by_leverage
        if np.nanmin(known) > 0.9 and np.nanmax(known) < 1.1:
            return "multiply by 1/(1-h)"
        return f"take corrected, {np.nanmin(factors):.2g} to {np.nanmax(factors):.2g} times them"

    def __str__(self) -> str:
        lines = []
        for k, a in enumerate(self.answers, 1):
            found = wrap(a.finding, 46)
            lines.append(f"{k} {a.question:19s} {found[0]:46s} {a.verdict}")
            lines += [f"{'':22s}{more}" for more in found[1:]]
            if a.advice and a.verdict != NONE:
                lines += wrap(
                    a.advice, 68, initial_indent=f"{'':19s}-> ", subsequent_indent=" " * 22
                )
        return "\n".join([*lines, *wrap(f"=> {self.conclusion}", 76, subsequent_indent="   ")])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The card in a notebook, which a phone can show and a printer print."""
        colours = {YES: "#0072B2", CAREFUL: "#8A5A00", NO: "#B34700", NONE: "#595959"}
        rows = []
        for k, a in enumerate(self.answers, 1):
            advice = f"<br><em>&rarr; {escape(a.advice)}</em>" if a.advice else ""
            rows.append(
                f"<tr><td>{k}</td><td><strong>{escape(a.question)}</strong> {escape(a.finding)}"
                f'{advice}</td><td style="color: {colours[a.verdict]}">'
                f"<strong>{a.verdict}</strong></td></tr>"
            )
        return (
            '<table class="trust-card" style="background: white; color: black">'
            f"<tbody>{''.join(rows)}</tbody><tfoot><tr><td>&rArr;</td>"
            f'<td colspan="2"><strong>{escape(self.conclusion)}</strong></td></tr></tfoot></table>'
        )


def trust(
    influence: Influence,
    X_test: Any,
    y_test: Any,
    *,
    top: int = 10,
    refits: int = 0,
    rng: np.random.Generator | int = 0,
) -> Trust:
    """Ask six questions of the scores for these test points, and say what to do with them.

    Questions 2 to 5 are asked of the `top` examples with the largest predicted changes. The rules:

    1. *At a minimum?* The gradient's length, in units of one example's push; and what is left of
       the training would do to the test loss, in units of the largest predicted change (both 0 at
       a minimum). At most 0.1: yes; 1: careful.
    2. *Curvature positive?* No negative eigenvalue of the undamped Hessian; and the gradient's
       change along the step of each leader is 2/3 to 3/2 of what the matrix of the scores, less
       the example's own curvature, expects. All leaders: yes; half of them, or all within 2/3 to
       3/2 of their median, which spoils sizes but not the order: careful. So losses with kinks are
       found, whose curvature is elsewhere, heavy damping, and steps too long for the quadratic
       model. With a negative eigenvalue the answer is at best "careful", and "no" unless damping
       or Gauss-Newton removes it.
    3. *Solved?* All solves converged, relative residuals of at most 0.01, and an error of at most
       1 % of the largest score, as estimated by the residual times the solution for the leader:
       yes; residuals of 0.5 and an error of 10 %: careful.
    4. *Leverage?* The largest h is below 0.2, and the changes corrected by a line search along the
       step are 4/5 to 5/4 of those predicted: yes; 0.5, and 1/2 to 2: careful.
    5. *Damping?* The scores with half and with twice the damping have a rank correlation of at
       least 0.98, and eight tenths of the leaders still lead: yes; 0.94 and one half: careful.
       (Weights that change by at most two cannot turn scores further than to 0.94, Kantorovich's
       bound, unless they are differences of much larger parts.) Without damping nothing was chosen:
       yes, and the card says what damping of the size of the smallest eigenvalue would do.
    6. *Refits*, if asked for: three fifths of them of the leading examples, the others drawn from
       the rest. Pearson's correlation is at least 0.9, and its interval's lower end 0.5: yes; 0.7
       and 0: careful.

    Parameters
    ----------
    influence : Influence
        With ``curvature="gauss-newton"``, its matrix is judged by how the risk really curves along
        the steps, and the smallest eigenvalue is still that of the Hessian.
    X_test : array, shape (m, ...), or one test point (...)
    y_test : array, shape (m,), or scalar
        With several test points each answer is about the worst of them.
    top : int
        Examples to look at.
    refits : int
        Refits to make, of one example less each: 20 say something. They take most of the time.
    rng : numpy.random.Generator or seed
        For the choice of the refits, and for their interval.

    Returns
    -------
    Trust

    Raises
    ------
    ValueError
        If the loss of every test point is flat at theta, so that all scores are 0.

    Notes
    -----
    The rules were made beforehand, changed after 150 random problems, and then tried on 393 others:
    nine losses and small networks, two fifths of them unconverged, damped or solved badly. Of 262
    whose predictions for all examples had a Pearson correlation with refits of at least 0.95, 180
    are told "trust it", 50 to confirm and 32 not to (with 20 refits: 230, 31 and 1). Of 64 below
    0.8, 41 are told not to, 21 to confirm and 2 "trust it" (with 20 refits: 55, 6 and 3). One rule
    was relaxed on these 393: without damping question 5 had answers of its own, which held back 11
    good models and no bad one from "trust it". In the 2 that were trusted, features had heavy
    tails: there an example of high leverage may fit well, and be no leader. Of those trusted, the
    prediction for some leader was wrong by more than a quarter in half of the cases, and
    `corrected` in one of twenty.

    References
    ----------
    Pregibon (1981) for 1/(1-h); Becker & Rannacher (2001) for errors weighted by the dual solution;
    Koh & Liang (2017), section 4.2, for damping; Efron & Tibshirani (1993) for the interval.
    """
    if not isinstance(influence, Influence):
        raise ValueError(
            "Expected an Influence, as in trust(Influence(objective, theta), X_test, y_test), got "
            f"{type(influence).__name__}."
        )
    o, theta = influence.objective, influence.theta
    top, rng = validate.count("top", top), validate.generator(rng)
    refits = validate.count("refits", refits, least=0)
    X_test, y_test, _ = influence._test_points(X_test, y_test)
    G = o.test_grads(theta, X_test, y_test)
    if not G.any():
        raise ValueError(
            "The loss of every test point is flat at theta, so all scores are 0: choose others."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)  # the card says so
        eigenvalues = _eigenvalues(Hessian(o, theta))
        try:
            at = _lead(influence, X_test, y_test, G, top)
        except (NotPositiveDefinite, Diverged):
            return _without_scores(influence, eigenvalues)
        answers = [
            _at_a_minimum(influence, at),
            _curvature(influence, at, eigenvalues),
            _solved(at),
            _leverage(at),
            _damping(influence, at, eigenvalues),
        ]
        answer, refitted, changes = _refits(influence, at, refits, rng)
    of_leaders = at.predicted[:, at.leaders]
    return Trust(
        (*answers, answer),
        *(at.leaders, of_leaders, at.corrected, at.leverage, at.met),
        *(refitted, changes),
    )


# What the questions are about ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Lead:
    """The examples that lead, and their steps."""

    X_test: Any
    y_test: Any
    G: ndarray  # gradients of the test points, (m, p)
    tests: seam.Solution  # H⁻¹ of the test gradients, x (p, m)
    own: seam.Solution  # H⁻¹ of the leaders' gradients, x (p, k)
    predicted: ndarray  # change of each test loss without each example, (m, n)
    leaders: ndarray  # (k,)
    leverage: ndarray  # (k,)
    steps: ndarray  # (p, k)
    expected: ndarray  # d_iᵀ (H - w_i H_i) d_i, (k,)
    met: ndarray  # what it really is, in these units, (k,)
    corrected: ndarray  # (m, k)
    error: float  # of the predictions, from the solves, in units of the largest


def _lead(influence: Influence, X_test: Any, y_test: Any, G: ndarray, top: int) -> _Lead:
    """Find the leaders, and follow their steps."""
    o, theta, H = influence.objective, influence.theta, influence.H
    tests = influence._inverse(G.T)
    predicted = predicted_change(up_loss(o, theta, tests.x.T), o.weights)
    leaders = _leaders(predicted)[:top]
    weights = o.weights[leaders]
    own = influence._inverse(o.example_grads(theta, leaders).T)
    steps = weights * own.x
    whole = np.einsum("pk,pk->k", steps, H @ steps)
    expected = whole - _curvature_of_each(influence, leaders, steps, bare=False)
    measured = _curvature_along(o, theta, leaders, steps)

    bare = influence._inverse(o.test_grads(theta, *o.examples(leaders)).T).x
    resisting = np.einsum("pk,pk->k", bare, H @ bare)
    leverage = _curvature_of_each(influence, leaders, bare) / np.where(resisting, resisting, 1.0)

    # the best multiple of each step; then the mean of the slopes at both ends, as a difference of
    # losses would cancel
    up = measured > 0
    best = np.where(up, whole / np.where(up, measured, 1.0), 0.0) * steps
    ends = np.stack([o.test_grads(theta + step, X_test, y_test) for step in best.T], axis=1)
    corrected = np.einsum("mkp,pk->mk", 0.5 * (G[:, None] + ends), best)

    lost = abs(weights * ((G.T - H @ tests.x).T @ own.x))
    return _Lead(
        *(X_test, y_test, G, tests, own, predicted, leaders, leverage, steps, expected),
        met=measured / np.where(expected, expected, np.nan),
        corrected=np.where(up, corrected, np.nan),
        error=float(np.max(lost / _largest(predicted))),
    )


def _leaders(predicted: ndarray) -> ndarray:
    """Every example whose prediction is not 0, the strongest first: of its best test point."""
    strength = (abs(predicted) / _largest(predicted)).max(axis=0)
    order = np.argsort(-strength, kind="stable")
    return order[: max(1, np.count_nonzero(strength))]


def _largest(predicted: ndarray) -> ndarray:
    """Size of the largest prediction for each test point.  (m, n) -> (m, 1)."""
    largest = abs(predicted).max(axis=1, keepdims=True)
    return np.where(largest > 0, largest, 1.0)


def _curvature_of_each(
    influence: Influence, leaders: ndarray, V: ndarray, bare: bool = True
) -> ndarray:
    """w_i v_iᵀ H_i v_i, of the bare loss of each leader or with its share of the penalty.  (k,)."""
    o, curvatures = influence.objective, []
    for i, v in zip(leaders, V.T, strict=True):
        one = influence.H.sample(np.array([i]))  # n w_i H_i, with the penalty and the damping
        share = o.weights[i] if o.fold_l2 else 1.0 / o.n
        penalty = (share * np.asarray(o.l2) * v) @ v
        curved = (v @ (one @ v) - one.damping * (v @ v)) / o.n - penalty
        curvatures.append(curved + penalty * (o.fold_l2 and not bare))
    return np.array(curvatures)


def _curvature_along(
    o: seam.Objective, theta: ndarray, leaders: ndarray, steps: ndarray
) -> ndarray:
    """d_iᵀ (∇R_i(theta + d_i) - ∇R_i(theta)), where R_i is the risk without leader i.  (k,)."""
    W = np.repeat(o.weights[:, None], len(leaders), axis=1)
    W[leaders, np.arange(len(leaders))] = 0.0
    start = np.repeat(theta[:, None].astype(float), len(leaders), axis=1)
    return np.einsum("pk,pk->k", steps, o.grads(start + steps, W) - o.grads(start, W))


def _eigenvalues(H: Hessian) -> tuple[float, float, float]:
    """The smallest and the largest, and how far from 0 one must be to be told from it.

    Of many parameters they are found by products; NaN where they do not settle. The losses of
    `minfluence.models` are convex in theta, which spares them: then the smallest is at least the
    penalty, and that is all that is said of it.
    """
    o = H.objective
    if H.shape[0] <= WRITTEN_OUT:
        values = np.linalg.eigvalsh(dense(H))
        smallest, largest, rtol = values[0], values[-1], 8 * validate.tiny(values)
    elif isinstance(o.losses, seam.LinearLosses) and (o.weights >= 0).all():
        smallest = np.min(o.l2) * (o.weights.sum() if o.fold_l2 else 1.0)
        return float(smallest), np.nan, 0.0
    else:
        rtol = 1e-3
        try:
            (smallest,), (largest,) = spectrum(H, rtol=rtol, max_steps=30)
        except ValueError:  # not settled
            smallest = largest = np.nan
    return float(smallest), float(largest), rtol * abs(float(largest))


# The questions, one function for each -------------------------------------------------------------


def _at_a_minimum(influence: Influence, at: _Lead | None) -> Answer:
    """1: beside one example's push, and beside the largest predicted change, nothing is left."""
    o, theta, report = influence.objective, influence.theta, influence.report
    length = report.grad_norm / max(report.example_push, report.rounding, np.finfo(float).tiny)
    left = 0.0
    if at is not None:
        left = float(np.max(abs(o.grad(theta) @ at.tests.x) / _largest(at.predicted)[:, 0]))
    verdict = _graded(max(length, left), 0.1, 1.0)
    found = f"gradient {report.grad_norm:.0e}, one example's push {report.example_push:.0e}"
    if length < ROUNDED:
        found = f"gradient below a millionth of one example's push, {report.example_push:.0e}"
    if left > max(0.1, length):
        found += f"; training on moves a test loss {left:.2g} times as far as any example does"
    advice = "Train on: fit(objective, theta). Or pass the objective that theta minimises."
    numbers = {"gradient": report.grad_norm, "push": report.example_push, "left": left}
    return _answer("at a minimum?", verdict, found, advice, numbers)


def _curvature(
    influence: Influence, at: _Lead | None, eigenvalues: tuple[float, float, float]
) -> Answer:
    """2: the risk curves up everywhere, and along the steps as much as the matrix says."""
    smallest, largest, zero = eigenvalues
    numbers = {"smallest": smallest, "largest": largest}
    found = f"smallest eigenvalue {smallest:.2g}"
    if smallest < -zero:
        found += f", largest {largest:.2g}"
    elif smallest <= zero and np.isfinite(largest):
        found = "smallest eigenvalue 0 but for rounding"
    elif np.isnan(largest):
        found = f"convex losses, penalty {smallest:.2g}"
    if np.isnan(smallest):
        found = "smallest eigenvalue did not settle"
    if at is None:
        advice = (
            "theta is no minimum. Train on, from elsewhere if this is a saddle; or damp: "
            f'damping={-1.5 * smallest:.1g}, or curvature="gauss-newton", and confirm by refits.'
        )
        return _answer("curvature positive?", NO, found, advice, numbers)
    low, high = MEETS
    inside = float(np.mean((at.met >= low) & (at.met <= high)))
    found += f"; along the steps {at.met.min():.2g} to {at.met.max():.2g} of what H says"
    numbers |= {"inside": inside, "least": float(at.met.min()), "most": float(at.met.max())}
    middle = np.median(at.met)
    alike = bool(np.all((at.met >= low * middle) & (at.met <= high * middle)))
    verdict = YES if inside == 1 else CAREFUL if inside >= 0.5 or alike else NO
    advice = "" if inside == 1 else _why_not_met(influence, at)
    if verdict != NO and not smallest >= -zero:
        verdict = CAREFUL
        advice = f"A minimum has no negative eigenvalue: confirm by refits. {advice}".strip()
    return _answer("curvature positive?", verdict, found, advice, numbers)


def _why_not_met(influence: Influence, at: _Lead) -> str:
    """What bends the risk along the steps otherwise than expected."""
    o, H, d = influence.objective, influence.H, at.steps
    damping = H.damping * np.einsum("pk,pk->k", d, d)
    if np.median(damping / at.expected) > 1 / 3:
        return "Much of that curvature is damping: take less of it, if you can."
    near = _curvature_along(o, influence.theta, at.leaders, 0.1 * d) / (0.01 * at.expected)
    low, high = MEETS
    if np.mean((near >= low) & (near <= high)) < 0.75:
        return (
            "Even a tenth of a step meets another curvature: the loss has kinks, and H is blind "
            "to them. Take a smoother loss (models.smooth_hinge), or refit."
        )
    return "Steps are too long for a quadratic: take corrected for sizes, or refit."


def _solved(at: _Lead) -> Answer:
    """3: residuals are small, and what they leave of the scores too."""
    done = bool(np.all(at.tests.converged) and np.all(at.own.converged))
    residual = float(max(np.max(at.tests.residual), np.max(at.own.residual)))
    worst = max(residual, at.error)
    verdict = CAREFUL if residual <= 0.5 and at.error <= 0.1 else NO
    verdict = YES if done and worst <= 0.01 else verdict
    found = f"residual {residual:.0e}, error of the scores {at.error:.0e}"
    if worst < ROUNDED:
        found = "residuals and errors of the scores below a millionth"
    found += "" if done else ", not converged"
    advice = 'Allow the solver more steps or a smaller rtol, or take solver="direct".'
    return _answer("solved?", verdict, found, advice, {"residual": residual, "error": at.error})


def _leverage(at: _Lead) -> Answer:
    """4: no leader holds its own place so firmly that all is different without it."""
    h = float(at.leverage.max())
    factors = _factors(at.predicted[:, at.leaders], at.corrected)
    counts = ~_small(at.predicted[:, at.leaders])
    verdicts = []
    for most, (low, high) in SIZES:
        fits = (factors >= low) & (factors <= high)
        verdicts.append(h < most and bool(fits[counts].all()))
    verdict = YES if verdicts[0] else CAREFUL if verdicts[1] else NO
    least, most = np.nanmin(factors), np.nanmax(factors)
    found = f"largest h of {len(at.leaders)} leaders {h:.2g}; true changes about "
    found += f"{least:.2g} to {most:.2g} times the predictions"
    advice = "Sizes: take corrected."
    if verdict == NO:
        far = at.leaders[(at.leverage >= SIZES[1][0]) | (counts & ~fits).any(axis=0)]
        advice = f"Take corrected, and refit without {', '.join(map(str, far[:5]))}."
    numbers = {"h": h, "least": float(least), "most": float(most)}
    return _answer("leverage?", verdict, found, advice, numbers)


def _damping(influence: Influence, at: _Lead, eigenvalues: tuple[float, float, float]) -> Answer:
    """5: the ranking does not hang on a number that was chosen."""
    o, theta, H = influence.objective, influence.theta, influence.H
    tried = (H.damping / 2, 2 * H.damping) if H.damping else (_flattest(H, at, eigenvalues),)
    ranks, stay = [], []
    for damping in tried:
        inverse = Inverse(Hessian(o, theta, damping, H.curvature), influence._inverse._solver)
        try:
            other = predicted_change(up_loss(o, theta, s_test(inverse, at.G)), o.weights)
        except (NotPositiveDefinite, Diverged):  # half of it is too little
            continue
        ranks += [_rank_correlation(*rows) for rows in zip(at.predicted, other, strict=True)]
        stay.append(float(np.isin(at.leaders, _leaders(other)[: len(at.leaders)]).mean()))
    rank, stays = min(ranks, default=np.nan), min(stay, default=np.nan)
    enough, least = RANKS
    verdict = YES if rank >= enough and stays >= 0.8 else NO
    verdict = CAREFUL if verdict == NO and rank >= least and stays >= 0.5 else verdict
    how = "for half and twice" if H.damping else f"with damping {tried[0]:.1g} added"
    if H.damping and len(stay) < 2:
        how = "for twice; half is too little to solve with"
        verdict = CAREFUL if verdict == YES else verdict
    kept = f"{stays * len(at.leaders):.0f} of {len(at.leaders)} leaders stay"
    found = f"rank correlation {rank:.2f} {how}, {kept}"
    if not H.damping:
        verdict, found = YES, f"none was chosen; {found}"
    advice = "The damping decides: confirm by refits, or raise l2 and fit anew instead of damping."
    numbers = {"rank": rank, "stay": stays, "damping": H.damping or tried[0]}
    return _answer("damping?", verdict, found, advice, numbers)


def _flattest(H: Hessian, at: _Lead, eigenvalues: tuple[float, float, float]) -> float:
    """The smallest eigenvalue; where that is not known, the curvature that a test point feels."""
    smallest, largest, _ = eigenvalues
    if smallest > 0 or np.isfinite(largest):
        return float(np.nanmax([smallest, 1e-3 * abs(largest)]))
    S = at.tests.x
    felt = np.einsum("pm,pm->m", S, H @ S) / np.einsum("pm,pm->m", S, S)
    return float(felt[np.isfinite(felt)].min())


def _refits(
    influence: Influence, at: _Lead, k: int, rng: np.random.Generator
) -> tuple[Answer, ndarray, ndarray]:
    """6: the truth about a sample."""
    o, theta = influence.objective, influence.theta
    nothing = np.empty(0, dtype=int), np.empty((2, len(at.predicted), 0))
    if k == 0:
        asked = _answer("refits?", NONE, "not asked for: refits=20", "", {})
        return asked, *nothing
    order = _leaders(at.predicted)
    top = order[: round(TOP_SHARE * k)]
    others = np.setdiff1d(np.flatnonzero(o.weights), top)
    drawn = rng.choice(others, min(k - len(top), len(others)), replace=False)
    chosen = np.concatenate([top, drawn])
    thetas, done, now = _refitted(o, theta, chosen.tolist())
    before = o.test_losses(now, at.X_test, at.y_test)
    after = [o.test_losses(t, at.X_test, at.y_test) for t in thetas]
    changes = np.stack([at.predicted[:, chosen], np.stack(after, axis=1) - before[:, None]])

    of_top = np.arange(len(chosen)) < len(top)
    found = f"{len(top)} of the top, {len(drawn)} at random"
    advice = (
        "Believe the refits: change the model or the damping, or refit without each that counts."
    )
    numbers = {"refits": float(len(chosen)), "converged": float(done.sum())}
    pairs = [changes[:, t, done] for t in range(changes.shape[1])]
    pairs = [pair for pair in pairs if pair.shape[1] > 2 and np.ptp(pair, axis=1).all()]
    if not pairs:
        found += ": too few that can be compared"
        return _answer("refits?", NO, found, advice, numbers), chosen, changes
    predicted, actual = min(pairs, key=lambda pair: agreement(*pair).pearson)
    worst = agreement(predicted, actual)
    pearson, slope = worst.pearson, worst.slope
    low, high = _interval(predicted, actual, of_top[done], rng)
    verdict = YES if pearson >= 0.9 and low >= 0.5 else NO
    verdict = CAREFUL if verdict == NO and pearson >= 0.7 and low >= 0 else verdict
    if not done.all():
        found += f", {np.sum(~done)} not converged"
        verdict = CAREFUL if verdict == YES else verdict
    found += f": Pearson {pearson:.2f} ({low:.2f} to {high:.2f}), slope {slope:.2g}"
    numbers |= {"pearson": pearson, "low": low, "high": high, "slope": slope}
    return _answer("refits?", verdict, found, advice, numbers), chosen, changes


def _refitted(
    o: seam.Objective, theta: ndarray, chosen: list[int]
) -> tuple[ndarray, ndarray, ndarray]:
    """Parameters without each example, whether they are minima, and those to compare them with.

    Where the Hessian is no bowl, every fit goes its own way from theta, with all examples too.
    """
    try:
        refits = refit_without(o, theta, chosen, progress=False)
        return refits.thetas, refits.converged, theta
    except NotPositiveDefinite:
        fits = [fit(o.without(i), theta) for i in chosen]
        done = np.array([f.converged for f in fits])
        return np.stack([f.theta for f in fits]), done, fit(o, theta).theta


def _interval(
    predicted: ndarray, actual: ndarray, of_top: ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of Pearson's correlation: each stratum is drawn from anew, by itself.

    It is about examples of which as many lead as in the sample, which is many more than in the
    training set.
    """
    strata = [np.flatnonzero(of_top), np.flatnonzero(~of_top)]
    draws = [rng.choice(s, (RESAMPLES, len(s))) for s in strata if len(s)]
    again = np.concatenate(draws, axis=1)
    with np.errstate(invalid="ignore"):  # a resample may be one example many times
        values = _pearson(predicted[again], actual[again])
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


# Words and numbers --------------------------------------------------------------------------------


def _answer(
    question: str, verdict: str, found: str, advice: str, numbers: dict[str, float]
) -> Answer:
    """One line; without advice where all is well."""
    return Answer(question, verdict, found, "" if verdict == YES else advice, numbers)


def _graded(value: float, yes: float, careful: float) -> str:
    """A number that should be small, and is not if it is NaN."""
    return YES if value <= yes else CAREFUL if value <= careful else NO


def _small(predicted: ndarray) -> ndarray:
    """Predictions of no account for their test point: their ratios mean nothing."""
    return abs(predicted) < 0.1 * _largest(predicted)


def _factors(predicted: ndarray, corrected: ndarray) -> ndarray:
    """Corrected over predicted changes of those of account; NaN for others.  -> (m, k)."""
    small = _small(predicted)
    return np.where(small, np.nan, corrected / np.where(small, 1.0, predicted))


def _pearson(a: ndarray, b: ndarray) -> Any:
    """Correlation along the last axis, of thousands of resamples at once."""
    a, b = (v - v.mean(axis=-1, keepdims=True) for v in (a, b))
    return (a * b).sum(axis=-1) / np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))


def _rank_correlation(a: ndarray, b: ndarray) -> float:
    """Spearman's; 1 where all are equal in both."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float(np.ptp(a) == np.ptp(b))
    return agreement(a, b).spearman


def _without_scores(influence: Influence, eigenvalues: tuple[float, float, float]) -> Trust:
    """The card where the system has no solution that means anything."""
    advice = "There are no scores: see 2."
    asked = [
        _at_a_minimum(influence, None),
        _curvature(influence, None, eigenvalues),
        _answer("solved?", NO, "the matrix is not positive definite", advice, {}),
        *(_answer(q, NONE, "there are no scores", "", {}) for q in ("leverage?", "damping?")),
        _answer("refits?", NONE, "there are no scores", "", {}),
    ]
    nothing, none = np.empty(0), np.empty(0, dtype=int)
    changes = np.empty((1, 0))
    return Trust(
        *(tuple(asked), none, changes, changes, nothing, nothing),
        *(none, np.empty((2, 1, 0))),
    )
