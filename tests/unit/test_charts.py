"""Charts hold the tables' own numbers, by hand; they fit the column, have their dark colours, and words stay text."""

import json
import math
import re
import struct
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
from by_hand import preferences_of
from telling_tables import HOSTILE

from txray_lib.book.extension import figure
from txray_lib.errors import TxrayError
from txray_lib.figures import theme
from txray_lib.figures.detail import detail
from txray_lib.figures.lengths import lengths
from txray_lib.figures.plane import first_shown, plane
from txray_lib.preferences import strongest
from txray_lib.transfer import compare

ROLES = {"a": "last", "b": "zero-shot", "c": "supervised"}


def prefers(neurons: dict[int, dict[str, tuple[str, int, float]]]) -> pd.DataFrame:
    """Preferences by neuron and feature: tag, count, activation sum; "saw_2" is a second tag of "saw"."""
    return preferences_of((n, f.split("_")[0], *its) for n, words in neurons.items() for f, its in words.items())


def once(neurons: dict[int, dict[str, float]]) -> pd.DataFrame:
    """Preferences in which each feature, a noun, was met once with this activation."""
    return prefers({n: {f: ("NN", 1, a) for f, a in words.items()} for n, words in neurons.items()})


# Neuron 0 keeps its two words, 1 exchanges its one, 2 is avoided, 3 gained, 4 never preferred, 5 keeps one of two.
BEFORE = once({0: {"x": 3, "y": 1}, 1: {"x": 1}, 2: {"z": 1}, 5: {"x": 1, "y": 1}})
AFTER = once({0: {"x": 3, "y": 1}, 1: {"z": 1}, 3: {"z": 1, "y": 1, "x": 1}, 5: {"x": 1}})
# Means 0.5, 1.0 and 0.25: P is 2/7, 4/7 and 1/7, the last in shares of 1 to 3 to the tags NN and VBD.
RIVER = prefers({0: {"river": ("NN", 4, 2.0), "of": ("IN", 1, 1.0), "saw": ("NN", 1, 0.25), "saw_2": ("VBD", 3, 0.75)}})
FILM = prefers({0: {"of": ("IN", 2, 1.0), "film": ("NN", 1, 0.5)}})
LENGTHS = pd.DataFrame({"a": [0, 1, 4, 8, 0, 6], "b": [3, 1, 2, 8, 0, 0]})
TESTED = {"expected": 0.5, "q": [0.01, 0.5, 0.5], "above": [True, False, False]}


def shared_of(before: pd.DataFrame, after: pd.DataFrame, units: int = 6, **columns: Any) -> pd.DataFrame:
    rows = compare(before, after, units, ("a", "b"))
    rows = rows.assign(length=rows[["length_before", "length_after"]].mean(axis=1))
    return rows[rows["state"] == "shared"].assign(**columns)


def drawn(neuron: int = -1, yardstick: float | None = None, **columns: Any) -> alt.VConcatChart:
    shared = shared_of(BEFORE, AFTER, **columns)
    return plane(shared, strongest(BEFORE, AFTER, 5), ROLES, neuron, 1, yardstick)


KINDS: dict[str, Callable[[], alt.TopLevelMixin]] = {
    "plane of a long name": lambda: plane(
        shared_of(BEFORE, AFTER).assign(after="a-corpus-of-ones-own"),
        strongest(BEFORE, AFTER, 5),
        {"a": "last", "a-corpus-of-ones-own": "zero-shot"},
    ),
    "plane of nothing": lambda: plane(shared_of(BEFORE, AFTER).iloc[:0], strongest(BEFORE, AFTER, 5), ROLES),
    "lengths of nothing": lambda: lengths(LENGTHS * 0, {}),
}
"""What no page draws (`test_pages`)."""


def rows_of(chart: alt.TopLevelMixin, *columns: str) -> list[dict[str, Any]]:
    """The data set of a chart that has these columns."""
    return next(rows for rows in chart.to_dict()["datasets"].values() if rows and set(columns) <= set(rows[0]))


def values(chart: alt.TopLevelMixin, column: str) -> dict[tuple[str, str], float]:
    return {(row["stage"], row[column]): row["p"] for row in rows_of(chart, "stage", column, "p")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_draws_fits_and_has_its_dark_colours(kind: str) -> None:
    spec = theme.finish(KINDS[kind](), "a chart").to_dict()
    assert struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650
    text = json.dumps({key: value for key, value in spec.items() if key not in ("usermeta", "datasets")})
    assert set(re.findall(r'"(#[0-9a-f]{6})"', text)) <= set(spec["usermeta"]["txray"]["dark"])


def test_hostile_and_endless_tokens_stay_text_short_and_apart() -> None:
    tokens = [*HOSTILE, *("w" * 300 + end for end in "xy")]
    one, two = (once({0: dict.fromkeys(tokens, mean)}) for mean in (1.0, 2.0))
    chart = detail({"a": one}, ROLES, 0, top_tokens=50)
    marks = rows_of(chart, "feature", "word")
    assert {row["feature"] for row in marks} == set(tokens)
    (point,) = rows_of(plane(shared_of(one, two, 1), strongest(one, two, 20), ROLES), "w")
    for shown in ([row["word"] for row in marks], point["w"]):
        assert len(set(shown)) == len(tokens)
        assert max(map(len, shown)) <= 32
    page = figure({**chart.to_dict(), "description": f'{HOSTILE[0]} " onload="x'})
    body = page.split('class="txray-spec">', 1)[1].split("</script>")[0]
    assert "<" not in body
    assert json.loads(body)["datasets"] == chart.to_dict()["datasets"]
    assert page.count("</script") == page.count("<script") == 1
    assert '" onload="' not in page


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no such neuron": (lambda: detail({"a": RIVER, "b": FILM}, ROLES, 9), "neuron 9 prefers nothing in a, b"),
    "one stage": (lambda: lengths(LENGTHS[["a"]], {}), "two stages"),
    "an avoided neuron": (lambda: drawn(neuron=2), "neuron 2 is not shared"),
    "a neuron that is not there": (lambda: drawn(neuron=77), "neuron 77 is not shared"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_said(case: str) -> None:
    draw, named = BAD[case]
    with pytest.raises(TxrayError, match=named):
        draw()


def test_the_medians_of_like_neurons_stand_beside_those_that_chance_gives_them() -> None:
    layers = drawn(**TESTED).to_dict()["vconcat"][0]["layer"]
    heights = [its["encoding"]["y"] for its in layers if "line" in str(its["mark"])]
    assert {(y["aggregate"], y["field"]) for y in heights} == {("median", "hellinger"), ("median", "expected")}


def test_a_point_per_shared_neuron_with_its_distance_its_length_and_its_words() -> None:
    by_neuron = {row["neuron"]: row for row in rows_of(drawn(), "hellinger", "w")}
    kept_one = round(math.sqrt(1 - math.sqrt(0.5)), 4)
    points = {n: (row["hellinger"], row["length"]) for n, row in by_neuron.items()}
    assert points == {0: (0, 2), 1: (1, 1), 5: (kept_one, 1.5)}
    assert (by_neuron[0]["w"], by_neuron[0]["b"], by_neuron[0]["a"]) == (["x", "y"], [0.75, 0.25], [0.75, 0.25])
    assert (by_neuron[1]["b"], by_neuron[1]["a"]) == ([1, 0], [0, 1])


@pytest.mark.parametrize(("neuron", "min_length", "found"), [(-1, 1, 1), (-1, 2, 0), (-1, 9, 1), (5, 9, 5)])
def test_the_neuron_shown_first_is_asked_for_or_the_most_changed_that_is_long_enough(
    neuron: int, min_length: int, found: int
) -> None:
    shared = shared_of(BEFORE, AFTER)
    assert shared.loc[first_shown(shared, neuron, min_length), "neuron"] == found


def test_points_are_hollow_only_where_they_were_tested() -> None:
    for columns, filled in ((TESTED, [True, False, False]), ({"q": math.nan, "above": False}, [True] * 3)):
        chart = drawn(**columns)
        assert [row["above"] for row in rows_of(chart, "hellinger", "w")] == filled
        scatter = chart.to_dict()["vconcat"][0]
        assert ("title" in scatter) == (not all(filled))
        shapes = [its["encoding"]["shape"] for its in scatter["layer"] if "shape" in its["encoding"]]
        assert shapes == [{"value": "circle"}] * 2, "one comparison needs no mark of its own"


def test_bars_and_marks_are_probabilities() -> None:
    papers = detail({"a": RIVER, "b": FILM}, ROLES, 0)
    marks, bars = values(papers, "feature"), values(papers, "tag")
    assert marks[("a", "river")] == pytest.approx(2 / 7, abs=1e-5)
    assert marks[("b", "film")] == pytest.approx(1 / 2)
    assert ("b", "river") not in marks
    assert bars[("a", "NN noun")] == pytest.approx(2 / 7 + 1 / 28, abs=1e-5)
    assert bars[("a", "VBD verb")] == pytest.approx(3 / 28, abs=1e-5)


def test_every_stage_has_its_turn_however_small_its_probabilities() -> None:
    few = once({0: {"x": 1, "y": 1}})
    many = once({0: {f"w{i}": 20 - i for i in range(20)}})
    shown = {row["feature"] for row in rows_of(detail({"a": few, "b": many}, ROLES, 0, top_tokens=3), "feature")}
    assert shown == {"x", "w0", "y"}


def test_nine_tags_stay_and_of_ten_two_are_folded() -> None:
    names = ["NN", "NNS", "VB", "VBD", "JJ", "RB", "IN", "DT", "CC", "CD"]
    of = {f"w{i}": (tag, 1, 1.0 + (10 - i) / 10) for i, tag in enumerate(names)}
    nine = values(detail({"a": prefers({0: dict(list(of.items())[:9])})}, ROLES, 0), "tag")
    assert len(nine) == 9
    assert not any("rarer" in tag for _, tag in nine)
    ten = values(detail({"a": prefers({0: of})}, ROLES, 0), "tag")
    assert ten[("a", "2 rarer tags")] == pytest.approx((1.2 + 1.1) / sum(total for *_, total in of.values()), abs=1e-5)
    assert sum(ten.values()) == pytest.approx(1, abs=1e-4)


def test_directions_are_counted_by_hand_and_medians_are_of_neurons_in_use() -> None:
    chart = lengths(LENGTHS, {})
    ways = {row["neuron"]: row["direction"] for row in rows_of(chart, "direction")}
    assert ways == {0: "longer", 1: "unchanged", 2: "shorter", 3: "unchanged", 5: "shorter"}
    assert '{\\"unchanged\\": 2, \\"shorter\\": 2, \\"longer\\": 1}[datum.label]' in chart.to_json()
    middle = [(row["stage"], row["median"], row["low"], row["high"], row["used"]) for row in rows_of(chart, "median")]
    assert middle == [("a", 5.0, 3.2, 6.5, 4), ("b", 2.5, 1.8, 4.2, 4)]


def test_every_role_of_a_stage_has_a_colour_and_a_shape() -> None:
    """A profile may keep more epochs than the roles of the paper name."""
    from txray_lib.profiles import load_profile
    from txray_lib.stages import stages

    tiny = load_profile("tiny")
    longer = tiny.pretraining.model_copy(update={"epochs": 6, "snapshots": [0, 1, 3, 5, 6]})
    roles = {stage.role for stage in stages(tiny.model_copy(update={"pretraining": longer}))}
    assert roles == set(theme.ROLES)
    assert all(ink.mark for ink in [*theme.ROLES.values(), *theme.CONTROLS.values(), theme.CORPUS])


TO_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
GROUNDS = {"light": "#ffffff", "dark": "#121212"}
PALETTES = (theme.ROLES, theme.STATES, theme.DIRECTIONS, theme.CHANCE, theme.CONTROLS)


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float(TO_LUMINANCE @ np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4))


@pytest.mark.parametrize("page", ["light", "dark"])
def test_marks_and_words_stand_out_from_the_page(page: str) -> None:
    marks = [*theme.SERIES, *(ink for palette in PALETTES for ink in palette.values())]
    for ink, least in [*((ink, 3) for ink in marks), (theme.TEXT, 7)]:
        dim, bright = sorted((luminance(getattr(ink, page)), luminance(GROUNDS[page])))
        assert (bright + 0.05) / (dim + 0.05) >= least, ink
