"""One neuron (Fig. 5, 7, 9): the picture's numbers by hand."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import HOSTILE

from txray_lib.book.extension import figure
from txray_lib.errors import TxrayError
from txray_lib.figures import theme
from txray_lib.figures.detail import MAX_LETTERS, detail, strongest_in_turn

ROLES = {"a": "zero-shot", "b": "supervised"}


def stage(neuron: int = 0, **features: tuple[str, int, float]) -> pd.DataFrame:
    """Preferences of a neuron: tag, count and activation sum by feature; "river_NN" is a second tag of "river"."""
    rows = [(0, neuron, f.split("_")[0], tag, -1, n, total, math.nan) for f, (tag, n, total) in features.items()]
    columns = ["layer", "neuron", "feature", "tag", "y", "count", "activation_sum", "prediction_sum"]
    return pd.DataFrame(rows, columns=columns).astype({"feature": "category", "tag": "category"})


BEFORE = stage(river=("NN", 4, 2.0), of=("IN", 1, 1.0), saw=("NN", 1, 0.25), saw_VBD=("VBD", 3, 0.75))
"""Means 0.5, 1.0 and 0.25: P is 2/7, 4/7 and 1/7, the last in shares of 1 to 3 to the tags NN and VBD."""
AFTER = stage(of=("IN", 2, 1.0), film=("NN", 1, 0.5))


def data(chart: Any, column: str) -> dict[tuple[str, str], float]:
    """The values drawn, by stage and what the column names."""
    tables = chart.to_dict()["datasets"].values()
    rows = next(rows for rows in tables if rows and {"stage", column, "value"} <= set(rows[0]))
    return {(row["stage"], row[column]): row["value"] for row in rows}


def test_bars_and_marks_are_the_papers_probabilities() -> None:
    chart = detail({"a": BEFORE, "b": AFTER}, ROLES, neuron=0)
    marks, bars = data(chart, "feature"), data(chart, "tag")
    assert marks[("a", "river")] == pytest.approx(2 / 7, abs=1e-5)
    assert marks[("a", "saw")] == pytest.approx(1 / 7, abs=1e-5)
    assert marks[("b", "film")] == pytest.approx(1 / 2)
    assert ("b", "river") not in marks
    assert bars[("a", "NN noun")] == pytest.approx(2 / 7 + 1 / 28, abs=1e-5)
    assert bars[("a", "VBD verb")] == pytest.approx(3 / 28, abs=1e-5)


def test_the_released_figure_counts_and_averages() -> None:
    chart = detail({"a": BEFORE, "b": AFTER}, ROLES, neuron=0, definition="released")
    assert data(chart, "tag")[("a", "NN noun")] == 5
    assert data(chart, "feature")[("a", "of")] == 1
    assert data(chart, "feature")[("a", "river")] == 0.5


def test_released_probabilities_miss_what_the_neuron_saw_often() -> None:
    """Means over the sum of all activations, 4: 1/8, 1/4 and 1/16."""
    chart = detail({"a": BEFORE}, ROLES, neuron=0, probability="released")
    assert data(chart, "feature")[("a", "river")] == pytest.approx(1 / 8)
    assert sum(data(chart, "tag").values()) == pytest.approx(7 / 16, abs=1e-4)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), min_size=1, max_size=3), st.integers(1, 8))
def test_every_stage_has_its_turn(ranked: list[list[str]], number: int) -> None:
    shown = strongest_in_turn(ranked, number)
    assert len(shown) == len(set(shown)) == min(number, len(set().union(*ranked)))
    assert set(shown) <= set().union(*ranked)
    firsts = list(dict.fromkeys(own[0] for own in ranked if own))
    assert shown[: len(firsts)] == firsts[:number]


def test_the_second_of_each_comes_before_the_third_of_any() -> None:
    assert strongest_in_turn([["a", "b", "c"], ["x", "a", "y"]], 5) == ["a", "x", "b", "c", "y"]


def test_nine_tags_stay_and_of_ten_two_are_folded() -> None:
    names = ["NN", "NNS", "VB", "VBD", "JJ", "RB", "IN", "DT", "CC", "CD"]
    of = {f"w{i}": (tag, 1, 1.0 + (10 - i) / 10) for i, tag in enumerate(names)}
    nine = data(detail({"a": stage(**dict(list(of.items())[:9]))}, ROLES, neuron=0), "tag")
    assert len(nine) == 9
    assert not any("rarer" in tag for _, tag in nine)
    ten = data(detail({"a": stage(**of)}, ROLES, neuron=0), "tag")
    assert ten[("a", "2 rarer tags")] == pytest.approx((1.2 + 1.1) / sum(total for *_, total in of.values()), abs=1e-5)


def test_the_legend_says_what_is_left_out_and_who_prefers_nothing() -> None:
    few = legend(detail({"a": BEFORE, "b": BEFORE.iloc[:0]}, ROLES, neuron=0, top_tokens=2))
    assert "3 tokens" in few[0]
    assert "86 %" in few[0]
    assert few[1] == "b: prefers nothing"
    assert "all" in legend(detail({"a": BEFORE}, ROLES, neuron=0))[0]


def legend(chart: Any) -> list[str]:
    spec = json.dumps(chart.to_dict()["hconcat"])
    return json.loads(spec[spec.index('"domain": ["a:') + len('"domain": ') :].split("]")[0] + "]")


def test_a_chart_draws_and_fits() -> None:
    spec = theme.finish(detail({"a": BEFORE, "b": AFTER}, ROLES, neuron=0), "a neuron").to_dict()
    assert struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650


def test_hostile_and_endless_tokens_stay_text_and_apart() -> None:
    twins = ["w" * 300 + end for end in "xy"]
    tokens = [*HOSTILE, *twins]
    rows = pd.concat([stage(x=("NN", 1, 1.0)).assign(feature=token) for token in tokens], ignore_index=True)
    spec = detail({"a": rows}, ROLES, neuron=0, top_tokens=50).to_dict()
    marks = next(rows for rows in spec["datasets"].values() if rows and "feature" in rows[0])
    assert {row["feature"] for row in marks} == set(tokens)
    assert len({row["word"] for row in marks}) == len(tokens)
    assert max(len(row["word"]) for row in marks) <= MAX_LETTERS + len(" (3)")
    page = figure(spec)
    assert page.count("</script") == page.count("<script") == 1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"neuron": 9}, "neuron 9 prefers nothing in a, b"),
        ({"top_tokens": 0}, "at least 1"),
        ({"definition": "relaesed"}, "Did you mean 'released'"),
    ],
)
def test_what_cannot_be_drawn_is_said(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(TxrayError, match=named):
        detail({"a": BEFORE, "b": AFTER}, ROLES, **{"neuron": 0, **wrong})
