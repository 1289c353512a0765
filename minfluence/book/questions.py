"""Questions that answer back, in Jupyter and in the built page alike.

Nothing is sent anywhere: the page itself knows the answers, and says of a wrong one which slip
leads to it. Needs anywidget (``pip install "minfluence[plots]"``).
"""

import math
import re
from collections.abc import Mapping
from string import ascii_lowercase
from typing import Any

import anywidget
import traitlets

from minfluence import validate
from minfluence.book.live import module

__all__ = ["Choice", "Number", "Tally"]

# Slips that are made again and again, and what is said of them.
SLIPS = {
    "sign": "The size is right, the sign is not. Ask which way it goes: more weight or less of it, "
    "help or harm?",
    "n": "That is n times too large: in the mean of n losses one example has the weight 1/n.",
    "1/n": "That is n times too small: the weight 1/n was counted once too often.",
    "leverage": "That is off by the factor 1/(1 − h): the leverage h was forgotten, or used twice.",
    "penalty": "The penalty is forgotten, or counted twice: it adds λ to each eigenvalue of H, "
    "and λθ to the gradient.",
    "transposed": "A matrix and its transpose have changed places: compare the shapes.",
}
PERCENT = (
    "A plain number, please, without a percent sign: 37% is 0.37, unless the question asks for "
    "per cent."
)
UNREADABLE = "That is no number I can read: write it as 0.25, -3, 1e-3 or 1/40."
CLOSE = "Close, but not close enough: carry more digits, and round only at the end."
OTHER = "No slip that I know leads to this number."
THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?")
NUMBER = re.compile(
    r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)(?:/([0-9]+\.?[0-9]*))?", re.I
)


class _Question(anywidget.AnyWidget):
    """What every question has."""

    _esm = module("question.js")
    asked = traitlets.Unicode().tag(sync=True)
    because = traitlets.Unicode().tag(sync=True)
    again = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)
    right = traitlets.Bool().tag(sync=True)

    def __init__(self, asked: str, because: str, again: str, **others: Any) -> None:
        if not asked.strip() or not because.strip():
            raise ValueError("A question needs a text, and because= says why its answer is right.")
        super().__init__(asked=asked, because=because, again=again, **others)


class Choice(_Question):
    """A question with a few options, one of them right.

    Texts are plain, with ``*emphasis*``.

    Parameters
    ----------
    asked : str
        The question.
    options : dict
        Text of each option, and what to say to a reader who chose it: for a wrong one the
        misconception behind it, for the right one nothing ("").
    right : str
        The option that is right.
    because : str
        Why it is.
    again : str
        Heading of the section to read again.

    Attributes
    ----------
    answer : str
        Letter of the option last chosen, "" before.
    right : bool
        Whether it is right.
    """

    options = traitlets.List().tag(sync=True)
    notes = traitlets.List().tag(sync=True)

    def __init__(
        self, asked: str, options: Mapping[str, str], *, right: str, because: str, again: str = ""
    ) -> None:
        without = [option for option, note in options.items() if not note.strip()]
        if right not in options or without != [right] or not 2 <= len(options) <= 26:
            raise ValueError(
                f"Expected two options or more, right={right!r} among them with the note '' and "
                f"each other one with a note on its misconception; without a note are {without}."
            )
        taken = set(ascii_lowercase[: len(options)])
        if clash := [o for o, k in zip(options, ascii_lowercase, strict=False) if o in taken - {k}]:
            raise ValueError(f"The option {clash[0]!r} reads like the letter of another option.")
        notes = [note.strip() for note in options.values()]
        super().__init__(asked, because, again, options=list(options), notes=notes)

    def check(self, answer: str) -> tuple[bool, str]:
        """Whether an answer, a letter or an option, is right, and what there is to say about it."""
        letters = ascii_lowercase[: len(self.options)]
        text = str(answer).strip()
        if text in self.options:
            k = self.options.index(text)
        elif len(text) == 1 and text.lower() in letters:
            k = letters.index(text.lower())
        else:
            return False, f"Answer with a letter from a to {letters[-1]}."
        return (False, self.notes[k]) if self.notes[k] else (True, self.because)

    def __repr__(self) -> str:
        options = (f"  ({k}) {o}" for k, o in zip(ascii_lowercase, self.options, strict=False))
        return "\n".join([self.asked, *options])


class Number(_Question):
    """A question whose answer is a number.

    Parameters
    ----------
    asked : str
        The question.
    value : float
        The right answer.
    because : str
        Why it is right.
    again : str
        Heading of the section to read again.
    rtol, atol : float
        An answer is right within ``atol + rtol * |value|``.
    wrong : dict
        Answers that a known slip leads to. A key is what to say, or short for a slip that is made
        again and again: "sign", "n" (n times too large), "1/n", "leverage", "penalty",
        "transposed". The sign is looked after without being named, unless another slip leads to
        the same number.

    Attributes
    ----------
    answer : str
        What was last typed, "" before.
    right : bool
        Whether it is right.
    """

    value = traitlets.Float().tag(sync=True)
    rtol = traitlets.Float().tag(sync=True)
    atol = traitlets.Float().tag(sync=True)
    wrong = traitlets.List().tag(sync=True)

    def __init__(
        self,
        asked: str,
        value: float,
        *,
        because: str,
        again: str = "",
        rtol: float = 0.02,
        atol: float = 0.0,
        wrong: Mapping[str, float] | None = None,
    ) -> None:
        value = float(validate.array("value", value, (), float))
        rtol, atol = validate.number("rtol", rtol), validate.number("atol", atol)
        if abs(value) < 1e-12 and not atol:  # 0 but for rounding
            raise ValueError(f"value is {value:g}: say with atol how near an answer must be.")
        slips = {key: float(validate.array(key, v, (), float)) for key, v in (wrong or {}).items()}
        within = atol + rtol * abs(value)
        for key, v in slips.items():
            if abs(v - value) <= within:
                raise ValueError(
                    f"wrong[{key!r}] = {v:g} counts as right: the answer is {value:g}."
                )
        if 2 * abs(value) > within and all(abs(v + value) > within for v in slips.values()):
            slips["sign"] = -value  # a slip of its own, unless another one leads there
        found = [[v, SLIPS.get(key, key)] for key, v in slips.items()]
        super().__init__(asked, because, again, value=value, rtol=rtol, atol=atol, wrong=found)

    def check(self, answer: str | float) -> tuple[bool, str]:
        """Whether a number, typed or not, is right, and what there is to say about it."""
        found = readings(str(answer))

        def near(v: float, wider: float = 1) -> bool:
            return any(abs(a - v) <= wider * (self.atol + self.rtol * abs(v)) for a in found)

        if not found:
            return False, PERCENT if "%" in str(answer) else UNREADABLE
        if near(self.value):
            return True, self.because
        known = [says for v, says in self.wrong if near(v)]
        return False, known[0] if known else CLOSE if near(self.value, 5) else OTHER

    def __repr__(self) -> str:
        return f"{self.asked}\n  (a number)"


def readings(text: str) -> list[float]:
    """Numbers that a text may mean: 1,234 may be written with a decimal comma, or without one."""
    plain = re.sub(r"[×x·*]10\^?", "e", re.sub("[−–]", "-", re.sub(r"\s", "", text)), count=1)
    forms = [plain.replace(",", ".", 1)]
    if THOUSANDS.fullmatch(plain):
        forms.append(plain.replace(",", ""))
    parts = [found for form in forms if (found := NUMBER.fullmatch(form))]
    pairs = [(float(p[1]), float(p[2] or 1)) for p in parts]
    return [a / b for a, b in pairs if b and math.isfinite(a / b)]


class Tally(anywidget.AnyWidget):
    """How many questions of a page were right at the first try, and what to read again."""

    _esm = module("tally.js")

    def __repr__(self) -> str:
        return (
            "Where JavaScript runs, in Jupyter and in the built page, it is counted here how many "
            "questions were right at the first try."
        )
