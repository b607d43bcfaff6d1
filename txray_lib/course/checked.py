"""What a check says of an answer. May touch: nothing.

A check is a method under `check`: it returns what to say if the answer is right, and raises `Hint` where it is not. A
cell that was not filled in gives "not answered yet", and whatever else goes wrong becomes a hint too, so that a page
of exercises runs from top to bottom whatever its reader wrote.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["open", "wrong", "right"]
OPENINGS: dict[State, str] = {"open": "Not answered yet.", "wrong": "Not yet.", "right": "Right."}


class Unanswered(Exception):
    """A function that is still the starter's: it gives `...` back."""


class Hint(Exception):
    """What kind of mistake an answer holds, in a sentence that does not give the answer away."""


@dataclass(frozen=True)
class Checked:
    """A check's answer to an answer, shown by a notebook as one line; true where it is right."""

    state: State
    said: str = ""

    def __bool__(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        return f"{OPENINGS[self.state]} {self.said}".strip()

    def _repr_html_(self) -> str:
        """One paragraph with a class for the state; what is between backticks is code, and nothing is markup."""
        said = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.said))
        return f'<p class="txray-check txray-check-{self.state}"><strong>{OPENINGS[self.state]}</strong> {said}</p>'


def is_open(answer: Any) -> bool:
    """Whether a starter cell was left as it was: `...`, or nothing at all."""
    return answer is ... or answer is None or (isinstance(answer, str) and not answer.strip())


def check(wanted: str) -> Callable[[Callable[..., str]], Callable[..., Checked]]:
    """Make a check of a method that returns what to say of a right answer, or raises `Hint`.

    wanted  the form of the answer, as "a number": said where the answer cannot be read at all
    """

    def decorate(method: Callable[..., str]) -> Callable[..., Checked]:
        @functools.wraps(method)
        def checked(self: Any, *answers: Any) -> Checked:
            to_do = Checked("open", f"Put {wanted} in place of the dots or between the quotes, and run the cell again.")
            if not answers or any(is_open(answer) for answer in answers):
                return to_do
            try:
                return Checked("right", method(self, *answers))
            except Unanswered:
                return to_do
            except Hint as hint:
                return Checked("wrong", f"{str(hint)[:1].upper()}{str(hint)[1:]}")
            except Exception as error:
                kinds = " and ".join(type(answer).__name__ for answer in answers)
                return Checked(
                    "wrong", f"This should be {wanted}, and {kinds} could not be read as that ({type(error).__name__})."
                )

        return checked

    return decorate
