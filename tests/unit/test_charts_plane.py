"""Distance against length (Fig. 4, 6, 8) and sorted masses (Fig. 11): charts hold the tables' own numbers; cases by hand."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pandas as pd
import pytest

from txray_lib.errors import TxrayError
from txray_lib.figures import theme
from txray_lib.figures.masses import masses
from txray_lib.figures.plane import first_shown, plane
from txray_lib.preferences import strongest
from txray_lib.transfer import compare

ROLES = {"a": "last", "b": "zero-shot", "c": "supervised"}
HOSTILE = ["<script>alert(1)</script>", "$x$ [a](b)", "`", "é" * 60, "é" * 59 + "e"]


def prefers(neurons: dict[int, dict[str, float]]) -> pd.DataFrame:
    """Preferences from the mean activation of each neuron's features, every feature met once."""
    rows = [(n, word, mean) for n, words in neurons.items() for word, mean in words.items()]
    table = pd.DataFrame(rows, columns=["neuron", "feature", "activation_sum"])
    return table.assign(layer=0, tag="NN", y=-1, count=1, prediction_sum=math.nan)


# Neuron 0 keeps its two words, 1 exchanges its one, 2 is avoided, 3 gained, 4 never preferred, 5 keeps one of two.
BEFORE = prefers({0: {"x": 3, "y": 1}, 1: {"x": 1}, 2: {"z": 1}, 5: {"x": 1, "y": 1}})
AFTER = prefers({0: {"x": 3, "y": 1}, 1: {"z": 1}, 3: {"z": 1, "y": 1, "x": 1}, 5: {"x": 1}})


def shared_of(before: pd.DataFrame, after: pd.DataFrame, units: int) -> pd.DataFrame:
    rows = compare(before, after, units, ("a", "b"))
    rows["length"] = rows[["length_before", "length_after"]].mean(axis=1)
    return rows[rows["state"] == "shared"]


def drawn(**changed: Any) -> dict[str, Any]:
    shared = shared_of(BEFORE, AFTER, 6).assign(**changed.pop("columns", {}))
    return plane(shared, strongest(BEFORE, AFTER, 5), ROLES, **{"min_length": 1, **changed}).to_dict(validate=False)


def points(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return next(rows for rows in spec["datasets"].values() if rows and "hellinger" in rows[0] and "w" in rows[0])


def test_a_point_per_shared_neuron_with_its_distance_its_length_and_its_words() -> None:
    by_neuron = {row["neuron"]: row for row in points(drawn())}
    assert sorted(by_neuron) == [0, 1, 5]
    kept_one = round(math.sqrt(1 - math.sqrt(0.5)), 4)
    assert [by_neuron[n]["hellinger"] for n in (0, 1, 5)] == [0, 1, kept_one]
    assert [by_neuron[n]["length"] for n in (0, 1, 5)] == [2, 1, 1.5]
    assert (by_neuron[0]["w"], by_neuron[0]["b"], by_neuron[0]["a"]) == (["x", "y"], [0.75, 0.25], [0.75, 0.25])
    assert (by_neuron[1]["b"], by_neuron[1]["a"]) == ([1, 0], [0, 1])


@pytest.mark.parametrize(("neuron", "min_length", "found"), [(-1, 1, 1), (-1, 2, 0), (-1, 9, 1), (5, 9, 5)])
def test_the_neuron_shown_first_is_asked_for_or_the_most_changed_that_is_long_enough(
    neuron: int, min_length: int, found: int
) -> None:
    shared = shared_of(BEFORE, AFTER, 6)
    assert shared.loc[first_shown(shared, neuron, min_length), "neuron"] == found


@pytest.mark.parametrize("neuron", [2, 4, 77])
def test_a_neuron_without_a_point_is_refused(neuron: int) -> None:
    with pytest.raises(TxrayError, match=f"neuron {neuron} is not shared"):
        drawn(neuron=neuron)


def test_points_are_filled_or_hollow_only_where_they_were_tested() -> None:
    tested = {"expected": 0.5, "q": [0.01, 0.5, 0.5], "above": [True, False, False]}
    assert json.dumps(drawn(columns=tested)).count('"!datum.above"') == 1
    assert "datum.above" not in json.dumps(drawn(columns={"expected": math.nan, "q": math.nan, "above": False}))


def test_one_comparison_has_circles_and_several_differ_by_mark() -> None:
    one = shared_of(BEFORE, AFTER, 6)
    both = pd.concat([one, one.assign(before="b", after="c", comparison="b:c")])
    words = strongest(BEFORE, AFTER, 5)
    words = pd.concat([words.assign(comparison=name) for name in both["comparison"].unique()])
    assert marks_of(plane(one, words, ROLES).to_dict(validate=False)) == ["circle"]
    assert marks_of(plane(both, words, ROLES).to_dict(validate=False)) == ["circle", "cross"]


def marks_of(spec: dict[str, Any]) -> list[str]:
    """The marks of the points of the upper panel."""
    layers = [its["encoding"] for its in spec["vconcat"][0]["layer"]]
    (marks,) = [its["shape"]["scale"]["range"] for its in layers if "shape" in its]
    return marks


def test_a_key_says_what_filled_and_hollow_mean_only_where_points_were_tested() -> None:
    tested = {"expected": 0.5, "q": [0.01, 0.5, 0.5], "above": [True, False, False]}
    assert "title" in drawn(columns=tested)["vconcat"][0]
    assert "title" not in drawn()["vconcat"][0]


@pytest.mark.parametrize(("distance", "lines"), [(0.25, 1), (None, 0), (math.nan, 0)])
def test_a_yardstick_is_drawn_where_there_is_one(distance: float | None, lines: int) -> None:
    assert json.dumps(drawn(yardstick=distance)).count('"two halves of one text"') == lines


def test_without_a_shared_neuron_a_figure_says_so() -> None:
    nothing = shared_of(prefers({0: {"x": 1}}), prefers({1: {"x": 1}}), 2)
    words = strongest(BEFORE.iloc[:0], AFTER.iloc[:0], 5)
    assert theme.png(plane(nothing, words, ROLES).to_dict(validate=False), scale=1)


def test_hostile_words_stay_data_are_short_and_differ() -> None:
    before, after = (prefers({0: dict.fromkeys(HOSTILE, mean)}) for mean in (1.0, 2.0))
    spec = plane(shared_of(before, after, 1), strongest(before, after, 9), ROLES).to_dict()
    (row,) = points(spec)
    assert len(set(row["w"])) == len(HOSTILE)
    assert max(map(len, row["w"])) <= 24
    assert fits(spec)


def fits(spec: dict[str, Any]) -> bool:
    """Whether it can be drawn within the column and every colour has a dark one."""
    text = json.dumps({key: value for key, value in spec.items() if key != "datasets"})
    colours = {part for part in text.split('"') if part.startswith("#") and len(part) == 7}
    dark = {ink.light for ink in theme._INKS}
    return colours <= dark and struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650


@pytest.mark.parametrize("stage", ["imdb-zero-shot", "a-corpus-of-ones-own"])
def test_the_plane_fits_whatever_its_stages_are_called(stage: str) -> None:
    rows = shared_of(BEFORE, AFTER, 6).assign(after=stage, comparison=f"a:{stage}")
    spec = plane(rows, strongest(BEFORE, AFTER, 5), {"a": "last", stage: "zero-shot"}).to_dict()
    assert fits(spec)


MASS = pd.DataFrame({"a": [0.0, 6, 3, 1], "b": [2.0, 2, 2, 2], "shuffled-1": [0.0, 0, 0, 9]})
KINDS = {**ROLES, "shuffled-1": "shuffled"}


def curve_of(spec: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    longest = max((rows for rows in spec["datasets"].values() if "mass" in rows[0]), key=len)
    return [row for row in longest if row["stage"] == stage]


def test_masses_fall_with_rank_and_a_neuron_without_mass_has_no_point() -> None:
    spec = masses(MASS, KINDS, top=2).to_dict(validate=False)
    assert [(row["neuron"], row["mass"], row["rank"]) for row in curve_of(spec, "a")] == [
        (1, 6, 1),
        (2, 3, 2),
        (3, 1, 3),
    ]
    assert [row["neuron"] for row in curve_of(spec, "b")] == [0, 1, 2, 3]
    assert [row["neuron"] for row in curve_of(spec, "shuffled-1")] == [3]


@pytest.mark.parametrize(("top", "share"), [(1, "60.0 %"), (2, "90.0 %"), (3, "100.0 %"), (20, "100.0 %")])
def test_the_share_of_the_strongest_stands_in_the_legend(top: int, share: str) -> None:
    (label,) = {row["label"] for row in curve_of(masses(MASS, KINDS, top).to_dict(validate=False), "a")}
    assert label == f"a: 3 neurons with mass, top {top} hold {share}"


def test_only_controls_are_dashed_and_the_figure_fits() -> None:
    spec = masses(MASS, KINDS).to_dict()
    assert {(row["stage"], row["kind"]) for row in curve_of(spec, "a") + curve_of(spec, "shuffled-1")} == {
        ("a", "stage"),
        ("shuffled-1", "control"),
    }
    assert fits(spec)


def test_a_rank_below_one_and_a_table_without_mass_are_refused() -> None:
    with pytest.raises(TxrayError, match="at least 1"):
        masses(MASS, KINDS, top=0)
    with pytest.raises(TxrayError, match="nothing to draw"):
        masses(MASS[["a"]] * 0, KINDS)
    assert fits(masses(MASS.assign(b=0.0), KINDS).to_dict())
