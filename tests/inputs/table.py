"""Judge inputs: each gets the right number, or one clear sentence.

clear
    One sentence, raised or warned by the package itself, that says what is expected of it.
right
    An answer that equals an independent computation.
WRONG
    An answer that does not, or that should not be there, without a word.
NAN
    The same with NaN or infinity in it.
CRYPTIC
    An error from elsewhere (NumPy, SciPy, autograd, ...), of another kind or about something else.
HANG
    No answer in time.
"""

import importlib
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minfluence as mi
from inputs import PARTS

PACKAGE = str(Path(mi.__file__).parent)
GOOD = ("clear", "right")
SENTENCES = (ValueError, RuntimeError, ImportError, AssertionError)  # kinds of errors with one
PATIENCE = 20  # seconds for one case


@dataclass(frozen=True)
class Case:
    """One input: what is called, and what is expected of it."""

    name: str
    answer: partial
    expected: Any = None  # the right answer, or a function that computes it
    saying: str | None = None  # a regular expression that the sentence must hold
    by: tuple[str, ...] = ()  # how it may be said: "error", "warning"
    tol: float = 1e-6  # of the largest number expected
    pair: bool = False  # the answer comes with what is expected


def refused(name: str, function: Callable, *args: Any, saying: str, **kwargs: Any) -> Case:
    """An error of the package's own."""
    return Case(name, partial(function, *args, **kwargs), saying=saying, by=("error",))


def warned(name: str, function: Callable, *args: Any, saying: str, **kwargs: Any) -> Case:
    """A documented warning, and an answer."""
    return Case(name, partial(function, *args, **kwargs), saying=saying, by=("warning",))


def told(name: str, function: Callable, *args: Any, saying: str, **kwargs: Any) -> Case:
    """A sentence, as an error or as a warning."""
    return Case(name, partial(function, *args, **kwargs), saying=saying, by=("error", "warning"))


def right(
    name: str, function: Callable, *args: Any, expected: Any, tol: float = 1e-6, **kwargs: Any
) -> Case:
    """The right number: an array, or a function that computes it."""
    return Case(name, partial(function, *args, **kwargs), expected, tol=tol)


def right_or_told(
    name: str,
    function: Callable,
    *args: Any,
    expected: Any,
    saying: str,
    tol: float = 1e-6,
    **kwargs: Any,
) -> Case:
    """The right number, or a sentence: both are good answers."""
    answer = partial(function, *args, **kwargs)
    return Case(name, answer, expected, saying, ("error", "warning"), tol)


def agree(name: str, function: Callable, *args: Any, tol: float = 1e-6, **kwargs: Any) -> Case:
    """A function that returns two numbers, the package's and another way to compute it."""
    return Case(name, partial(function, *args, **kwargs), tol=tol, pair=True)


def holds(name: str, function: Callable, *args: Any, **kwargs: Any) -> Case:
    """A function that returns whether all is well."""
    return Case(name, partial(function, *args, **kwargs), True)


class Unexpected(Exception):
    """Raised by a case that sees for itself what is wrong."""


class Hang(BaseException):
    """No answer in time."""


def judge(case: Case) -> tuple[str, str]:
    """Verdict on one case, and why.  Case -> (word, detail)."""
    given = [*case.answer.args, *case.answer.keywords.values()]
    arrays = [a for a in given if isinstance(a, np.ndarray)]
    before = [a.tobytes() for a in arrays]
    word, detail = _judge(case)
    if [a.tobytes() for a in arrays] != before:
        return "WRONG", "an array of the reader's was changed"
    return word, detail


def _judge(case: Case) -> tuple[str, str]:
    with warnings.catch_warnings(record=True) as seen, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            with _time_limit():
                answer = case.answer()
        except Hang:
            return "HANG", f"no answer in {PATIENCE} s"
        except Exception as error:
            return _of_error(case, error)
    told = [" ".join(str(w.message).split()) for w in seen if _is_ours(w)]
    if "warning" in case.by and (said := [words for words in told if _says(case, words)]):
        return "clear", f"warns: {said[0]}"
    expected = case.expected
    if case.pair:
        answer, expected = answer
    if callable(expected):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of is not about the answer
            expected = expected()
    if expected is None:
        word = "WRONG" if _finite(answer) else "NAN"
        about = f", warned of something else: {told[0]}" if told else ""
        return word, f"no sentence with /{case.saying}/{about}: {_short(answer)}"
    return _compared(answer, expected, case.tol)


def _of_error(case: Case, error: Exception) -> tuple[str, str]:
    """Verdict on an error."""
    said = " ".join(str(error).split())
    if isinstance(error, Unexpected):
        return "WRONG", said
    if "error" not in case.by:
        return "CRYPTIC", f"valid input was refused: {type(error).__name__}: {said}"
    at = traceback.extract_tb(error.__traceback__)[-1]
    raised = at.filename.startswith(PACKAGE) and (at.line or "").startswith("raise")
    if not (raised and isinstance(error, SENTENCES)):  # NumPy's come from C, without a frame
        return "CRYPTIC", f"{type(error).__name__} at {Path(at.filename).name}: {said}"
    if not _says(case, said):
        return "CRYPTIC", f"nothing about /{case.saying}/: {said}"
    return "clear", said


def _compared(answer: Any, expected: Any, tol: float) -> tuple[str, str]:
    """Verdict on two numbers."""
    got, want = np.asarray(answer, dtype=float), np.asarray(expected, dtype=float)
    if got.shape != want.shape:
        return "WRONG", f"shape {got.shape}, expected {want.shape}"
    if not np.isfinite(got).all():
        return "NAN", _short(got)
    size = np.abs(want).max(initial=0.0)
    error = np.abs(got - want).max(initial=0.0) / (size or 1e-300)
    if not error <= tol:
        return "WRONG", f"relative error {error:.1e}: {_short(got)}, expected {_short(want)}"
    return "right", ""


def _is_ours(warning: warnings.WarningMessage) -> bool:
    """Whether a warning comes from the package: one of its kinds, or raised inside it."""
    ours = issubclass(warning.category, (mi.NotConverged, mi.FarFromMinimum))
    inside = warning.filename.startswith(PACKAGE) and issubclass(warning.category, UserWarning)
    return ours or inside


def _says(case: Case, words: str) -> bool:
    return bool(re.search(case.saying or "", words, re.IGNORECASE))


def _finite(answer: Any) -> bool:
    if isinstance(answer, (list, tuple)):
        return all(_finite(one) for one in answer)
    return not isinstance(answer, (float, np.ndarray, np.number)) or (
        np.asarray(answer).dtype.kind not in "fc" or bool(np.isfinite(answer).all())
    )


def _short(answer: Any) -> str:
    return " ".join(repr(answer).split())[:120]


@contextmanager
def _time_limit() -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# The table ------------------------------------------------------------------------------------


def cases_of(part: str) -> list[Case]:
    """Every case of one part; no two of them have the same name."""
    cases = list(importlib.import_module(f"inputs.{part}").cases())
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), sorted({n for n in names if names.count(n) > 1})
    return cases


def closing_line(good: int, total: int) -> str:
    """What the README repeats."""
    return f"{good} of {total} inputs get the right number or one clear sentence"


def line(case: Case, word: str, detail: str) -> str:
    """One case on one line, the same in every run: paths, ports and addresses are left out."""
    for changing, name in ((r"/\S*/inputs-\w+", "<folder>"), (r"127\.0\.0\.1:\d+", "<origin>")):
        detail = re.sub(changing, name, detail)
    detail = re.sub(r" at 0x[0-9a-f]+", "", detail)
    return f"{word:8s}{case.name}{' - ' if detail else ''}{detail}"[: 160 if word in GOOD else 400]


def main(words: str = "") -> int:
    """Print the table; 0 if all is well."""
    good = total = 0
    for part in PARTS:
        chosen = [case for case in cases_of(part) if words.lower() in case.name.lower()]
        if chosen:
            print(f"\n{part}")
        for case in chosen:
            word, detail = judge(case)
            print(f"  {line(case, word, detail)}", flush=True)
            good, total = good + (word in GOOD), total + 1
    print(f"\n{closing_line(good, total)}")
    return int(good < total)
