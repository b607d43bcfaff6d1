"""The one exception a user is meant to read. Below every room; imports nothing."""

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral


class TxrayError(Exception):
    """Bad input or a missing thing, told in one message: which input, what is wrong, what to do."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message, without the frames that led to it."""
        return [f"TxrayError: {self}"]


def require(value: object, kind: type, what: str, source: str) -> None:
    """Raise TxrayError where somebody gives another kind of thing; `source` says where the wanted one comes from."""
    if not isinstance(value, kind):
        name, wanted = type(value).__name__, kind.__name__
        raise TxrayError(f"{what} is of the type {name}, and a {wanted} is wanted: take {source}")


def require_number(value: object, what: str, least: int = 1) -> None:
    """Raise TxrayError for anything but a whole number from `least` on."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise TxrayError(f"{what} is {value!r}, and a whole number from {least} on is wanted")


def require_choice(value: object, what: str, known: Iterable[str]) -> None:
    """Raise TxrayError for a word that is not one of the known ones."""
    known = list(known)
    if value not in known:
        raise TxrayError(f"there is no {what} {value!r}. {nearest(str(value), known)}")


def nearest(word: object, known: Iterable[str]) -> str:
    """A sentence that names the known word nearest to a misspelt one, or lists the known words."""
    known = sorted({*known})
    close = get_close_matches(str(word), known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
