"""The one exception a user is meant to read. Below every room; imports nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TxrayError(Exception):
    """Bad input or a missing thing, told in one message: which input, what is wrong, what to do."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message, without the frames that led to it."""
        return [f"TxrayError: {self}"]


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the known word nearest to a misspelt one, or lists the known words."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
