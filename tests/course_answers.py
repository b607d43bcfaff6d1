"""What a check of the course must say of a right and of a wrong answer: assertions that its tests share, and garbage."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from txray_lib.course import Checked

GARBAGE = [
    *("text", True, float("nan"), [], [1, "a"], object(), print, lambda p, q: "far", lambda *given: 1 / 0),
    *(np.zeros((2, 3)), np.full(500, np.nan), pd.Series(dtype=float), pd.Series([1.0, 2.0], index=["a", "a"])),
    pd.Series([7.0], index=pd.MultiIndex.from_tuples([("a", "b")])),
    pd.DataFrame({"a": [1], "b": [2]}),
]


def aligned(function: Callable[[pd.Series, pd.Series], Any]) -> Callable[[pd.Series, pd.Series], Any]:
    """A measure of two distributions as one of them on the features of both."""
    return lambda p, q: function(*p.align(q, fill_value=0.0))


def assert_right(checked: Checked) -> None:
    assert checked.state == "right", checked.said


def assert_wrong(checked: Checked, said: str) -> None:
    """The answer is wrong, and what is said of it matches this pattern."""
    assert checked.state == "wrong", checked
    assert re.search(said, checked.said), checked.said
    assert checked.said.endswith((".", "?"))
