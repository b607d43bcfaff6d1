"""What a check of the course must say of a right and of a wrong answer: assertions that its tests share."""

from __future__ import annotations

import re

from txray_lib.course.checked import Checked


def assert_right(checked: Checked) -> None:
    assert checked.state == "right", checked.said
    assert checked


def assert_wrong(checked: Checked, said: str) -> None:
    """The answer is wrong, and what is said of it matches this pattern."""
    assert checked.state == "wrong", checked
    assert re.search(said, checked.said), checked.said
    assert not checked
