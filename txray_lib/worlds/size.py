"""How large the two worlds are, checked when it is said. Part of the room worlds; may touch: errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from txray_lib.errors import TxrayError, nearest

SPLITS = ("train", "valid", "test")
FEWEST_TOKENS = 1_000


@dataclass(frozen=True)
class WorldSize:
    """The size of the generated corpora.

    encyclopedia_tokens  tokens of the encyclopedia over all splits; the paragraph that reaches them is kept whole
    reviews              number of reviews in each of "train", "valid" and "test"; even, since labels are balanced
    words                about how many distinct content word forms both worlds have together, names included
    noise                share of the sentiment words of a review that contradict its label, from 0 to 0.5

    A size that cannot be generated raises TxrayError, which names the field.
    """

    encyclopedia_tokens: int
    reviews: dict[str, int]
    words: int
    noise: float

    def __post_init__(self) -> None:
        _whole_number("encyclopedia_tokens", self.encyclopedia_tokens, FEWEST_TOKENS)
        _review_counts(self.reviews)
        _whole_number("words", self.words, 1)
        if isinstance(self.noise, bool) or not isinstance(self.noise, int | float) or not math.isfinite(self.noise):
            raise TxrayError(f"the world's size has noise = {self.noise!r}. Give a number from 0 to 0.5.")
        if not 0 <= self.noise <= 0.5:
            raise TxrayError(
                f"the world's size has noise = {self.noise}, which is no share of contradicting words below one half. "
                "Give a number from 0 (labels are plain) to 0.5 (labels cannot be learnt)."
            )


def _whole_number(field: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise TxrayError(f"the world's size has {field} = {value!r}. Give a whole number of at least {least}.")


def _review_counts(counts: object) -> None:
    if not isinstance(counts, Mapping):
        raise TxrayError(f"the world's size has reviews = {counts!r}. Give a number of reviews for each of {SPLITS}.")
    for split in counts:
        if split not in SPLITS:
            raise TxrayError(f"the world's size has reviews for {split!r}. {nearest(str(split), SPLITS)}")
    for split in SPLITS:
        if split not in counts:
            raise TxrayError(f"the world's size has no number of reviews for {split!r}. Add reviews[{split!r}].")
        _whole_number(f"reviews[{split!r}]", counts[split], 2)
        if counts[split] % 2:
            raise TxrayError(
                f"the world's size has reviews[{split!r}] = {counts[split]}, which two labels cannot share evenly. "
                "Give an even number."
            )
