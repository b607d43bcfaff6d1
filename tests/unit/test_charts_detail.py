"""Single neurons (Fig. 5, 7, 9): the picture's numbers by hand, the rule that picks, what is said of tokens kept and lost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import HOSTILE, write_tables

from txray_lib import answers, figures as charts
from txray_lib.book import figure
from txray_lib.figures.detail import MAX_LETTERS, strongest_in_turn
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

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
    chart = charts.detail({"a": BEFORE, "b": AFTER}, ROLES, neuron=0)
    marks, bars = data(chart, "feature"), data(chart, "tag")
    assert marks[("a", "river")] == pytest.approx(2 / 7, abs=1e-5)
    assert marks[("a", "saw")] == pytest.approx(1 / 7, abs=1e-5)
    assert marks[("b", "film")] == pytest.approx(1 / 2)
    assert ("b", "river") not in marks
    assert bars[("a", "NN noun")] == pytest.approx(2 / 7 + 1 / 28, abs=1e-5)
    assert bars[("a", "VBD verb")] == pytest.approx(3 / 28, abs=1e-5)


def test_the_released_figure_counts_and_averages() -> None:
    chart = charts.detail({"a": BEFORE, "b": AFTER}, ROLES, neuron=0, definition="released")
    assert data(chart, "tag")[("a", "NN noun")] == 5
    assert data(chart, "feature")[("a", "of")] == 1
    assert data(chart, "feature")[("a", "river")] == 0.5
    assert "tokens counted of its tags as bars, mean activation of its tokens as marks" in chart.description


def test_released_probabilities_miss_what_the_neuron_saw_often() -> None:
    """Means over the sum of all activations, 4: 1/8, 1/4 and 1/16."""
    chart = charts.detail({"a": BEFORE}, ROLES, neuron=0, probability="released")
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
    nine = data(charts.detail({"a": stage(**dict(list(of.items())[:9]))}, ROLES, neuron=0), "tag")
    assert len(nine) == 9
    assert not any("rarer" in tag for _, tag in nine)
    ten = data(charts.detail({"a": stage(**of)}, ROLES, neuron=0), "tag")
    assert ten[("a", "2 rarer tags")] == pytest.approx((1.2 + 1.1) / sum(total for *_, total in of.values()), abs=1e-5)


def test_the_legend_says_what_is_left_out_and_who_prefers_nothing() -> None:
    text = charts.detail({"a": BEFORE, "b": BEFORE.iloc[:0]}, ROLES, neuron=0, top_tokens=2).description
    assert "a: prefers 3 tokens; those shown hold 86 % of P" in text
    assert "b: prefers nothing" in text
    assert "a: prefers 3 tokens, all of them shown" in charts.detail({"a": BEFORE}, ROLES, neuron=0).description


def test_hostile_and_endless_tokens_stay_text_and_apart() -> None:
    twins = ["w" * 300 + end for end in "xy"]
    tokens = [*HOSTILE, *twins]
    rows = pd.concat([stage(x=("NN", 1, 1.0)).assign(feature=token) for token in tokens], ignore_index=True)
    spec = charts.detail({"a": rows}, ROLES, neuron=0, top_tokens=50).to_dict()
    marks = next(rows for rows in spec["datasets"].values() if rows and "feature" in rows[0])
    assert {row["feature"] for row in marks} == set(tokens)
    assert len({row["word"] for row in marks}) == len(tokens)
    assert max(len(row["word"]) for row in marks) <= MAX_LETTERS + len(" (3)")
    page = figure(spec)
    assert page.count("</script") == page.count("<script") == 1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"neuron": 9}, "neuron 9 of layer 0 prefers nothing in a, b"),
        ({"top_tokens": 0}, "at least 1"),
        ({"definition": "relaesed"}, "Did you mean 'released'"),
    ],
)
def test_what_cannot_be_drawn_is_said(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(TxrayError, match=named):
        charts.detail({"a": BEFORE, "b": AFTER}, ROLES, **{"neuron": 0, **wrong})


def comparison(*neurons: tuple[int, int, float]) -> pd.DataFrame:
    """Transfer rows from (length before, length after, distance)."""
    rows = [
        (
            "a:b",
            "a",
            "b",
            0,
            i,
            "shared" if x and y else "avoided" if x else "gained" if y else "never preferred",
            x,
            y,
            h,
        )
        for i, (x, y, h) in enumerate(neurons)
    ]
    columns = [
        "comparison",
        "before",
        "after",
        "layer",
        "neuron",
        "state",
        "length_before",
        "length_after",
        "hellinger",
    ]
    return pd.DataFrame(rows, columns=columns)


NAN = math.nan
FOUR = comparison((6, 9, 0.5), (1, 1, 1.0), (5, 400, 0.1), (8, 7, 0.9), (0, 3, NAN), (0, 0, NAN))


def test_the_rule_looks_between_two_lengths() -> None:
    assert answers.singled_out(FOUR, 5, 50)["neuron"].to_dict() == {"most": 3, "least": 0}
    assert answers.singled_out(FOUR, 1)["neuron"].to_dict() == {"most": 1, "least": 2}
    assert answers.singled_out(FOUR, 5, 50, rank=2)["neuron"].to_dict() == {"most": 0}
    assert answers.singled_out(FOUR, 5, 50, rank=3).empty
    assert answers.singled_out(FOUR, neuron=4)["neuron"].to_dict() == {"asked for": 4}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"neuron": 5}, "neuron 5 prefers nothing in a and b.* such as 0, 1, 2, 3, or -1"),
        ({"neuron": 6}, "numbered from 0 to 5"),
        ({"min_length": 9, "max_length": 8}, "must not be below"),
        ({"rank": 0}, "the rank is 0"),
    ],
)
def test_a_neuron_that_cannot_be_singled_out_is_said(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(TxrayError, match=named):
        answers.singled_out(FOUR, **wrong)


def test_a_neuron_is_introduced_with_its_place_among_all() -> None:
    picked = answers.singled_out(FOUR, 5, 50)
    assert "Of the other 3 shared neurons 1 has a larger one and 2 have a smaller one." in (
        answers.introduced(FOUR, picked, "most").data
    )
    ties = comparison((5, 5, 1.0), (5, 5, 1.0), (5, 5, 0.2))
    said = answers.introduced(ties, answers.singled_out(ties), "most").data
    assert "none has a larger one, 1 has a smaller one and 1 has the same." in said
    gained = answers.introduced(FOUR, answers.singled_out(FOUR, neuron=4), "asked for").data
    assert "It is gained: only in b does it prefer anything, so it has no distance." in gained


def two_stages(folder: Path, before: pd.DataFrame, after: pd.DataFrame, **corpora: str) -> Results:
    """Tables in which the stages of RQ3 have these preferences; optionally a stage of another corpus."""
    write_tables(folder)
    for name, rows in (("reviews-zero-shot", before), ("reviews-supervised", after)):
        write_table(rows, folder / "preferences" / f"{name}.parquet", {})
    stages = read_table(folder / "stages.parquet")
    stages["corpus"] = [
        corpora.get(stage, corpus) for stage, corpus in zip(stages["stage"], stages["corpus"], strict=True)
    ]
    write_table(stages, folder / "stages.parquet", {})
    return Results("demo", folder, "live")


STAGES = ["reviews-zero-shot", "reviews-supervised"]


def test_tokens_kept_lost_and_new_by_hand(tmp_path: Path) -> None:
    results = two_stages(tmp_path / "demo", BEFORE, AFTER)
    said = answers.exchanged(results, STAGES, 0).data
    assert "1 of 3 tokens is kept (“of”), which holds 57.1 % of P before and 50.0 % after" in said
    assert "2 are lost (“river”, “saw”); 1 is new (“film”)." in said
    assert "The strongest tag is IN at both, with 57.1 % and 50.0 % of P." in said
    turned = answers.exchanged(results, STAGES[::-1], 0).data
    assert "1 of 2 tokens is kept (“of”), which holds 50.0 % of P before and 57.1 % after" in turned
    assert "1 is lost (“film”); 2 are new (“river”, “saw”)." in turned


def test_on_another_text_it_is_said_what_that_text_lacks(tmp_path: Path) -> None:
    after = pd.concat([AFTER, stage(neuron=3, river=("NN", 1, 1.0))], ignore_index=True)
    results = two_stages(tmp_path / "demo", BEFORE, after, **{"reviews-supervised": "other"})
    said = answers.exchanged(results, STAGES, 0).data
    assert "2 are lost (“river”, “saw”), and the other text lacks 1 of these" in said
    assert "1 is new (“film”), and the other text lacks 1 of these" in said


def test_same_preferences_lose_nothing(tmp_path: Path) -> None:
    said = answers.exchanged(two_stages(tmp_path / "demo", BEFORE, BEFORE), STAGES, 0).data
    assert "3 of 3 tokens are kept" in said
    assert "which hold 100.0 % of P before and 100.0 % after; none is lost; none is new" in said


def test_a_neuron_of_one_side_and_hostile_tokens(tmp_path: Path) -> None:
    hostile = stage(x=("NN", 1, 1.0)).assign(feature=HOSTILE[0])
    results = two_stages(tmp_path / "demo", hostile, stage(neuron=1, of=("IN", 1, 1.0)))
    said = answers.exchanged(results, STAGES, 0).data
    assert "nothing is preferred in reviews-supervised; 1 token in the other" in said
    assert "<script" not in said
    assert "nothing is preferred at either" in answers.exchanged(results, STAGES, 2).data
