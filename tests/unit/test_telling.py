"""Small pieces of sentences."""

from __future__ import annotations

import pytest

from txray_lib.telling import listed


@pytest.mark.parametrize(
    ("parts", "words"),
    [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), (("a", 2, "c"), "a, 2 and c"), (iter("ab"), "a and b")],
)
def test_names_in_a_row(parts: object, words: str) -> None:
    assert listed(parts) == words
