"""Lengths (Fig. 2, 10), tag shares (Fig. 3), epochs and the idea (Fig. 1): charts hold the tables' own numbers, by hand."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from txray_lib.errors import TxrayError
from txray_lib.figures import theme
from txray_lib.figures.epochs import epochs
from txray_lib.figures.idea import idea
from txray_lib.figures.lengths import lengths
from txray_lib.figures.tag_shares import tag_shares
from txray_lib.transfer import compare

ROLES = {"a": "early", "b": "last", "c": "supervised"}
LENGTHS = pd.DataFrame({"a": [0, 1, 4, 8, 0, 6], "b": [3, 1, 2, 8, 0, 0]})
SHARES = pd.DataFrame(
    {"corpus": [0.5, 0.3, 0.15, 0.05], "a": [0.4, 0.4, 0.2, 0.0], "b": [0.5, 0.3, 0.05, 0.15]},
    index=["NN", "IN", "UH", "FW"],
)
CURVES = pd.DataFrame({"valid_perplexity": [900.0, 90.0, 80.0]}, index=pd.Index([0, 1, 2], name="epoch"))
STEPS = pd.DataFrame({"epoch": [1, 2], "median H": [0.9, 0.4], "by chance": [0.5, math.nan]})


def prefers(neurons: dict[int, dict[str, float]]) -> pd.DataFrame:
    """Preferences in which each token occurred once, with this activation."""
    rows = [(0, n, w, "NN", -1, 1, a, math.nan) for n, words in neurons.items() for w, a in words.items()]
    columns = ["layer", "neuron", "feature", "tag", "y", "count", "activation_sum", "prediction_sum"]
    return pd.DataFrame(rows, columns=columns).astype({"feature": "category", "tag": "category"})


STAGES = pd.DataFrame({"stage": ["a", "b"], "role": ["early", "last"], "corpus": "text", "snapshot": ["one", "two"]})
SIDES = {"a": prefers({0: {"x": 3, "y": 2, "z": 1}}), "b": prefers({0: {"q": 3, "x": 1}})}
OWN = compare(SIDES["a"], SIDES["b"], 1, ("a", "b")).assign(use="pretraining")

KINDS: dict[str, Callable[[], alt.TopLevelMixin]] = {
    "two stages": lambda: lengths(LENGTHS, ROLES),
    "three stages": lambda: lengths(LENGTHS.assign(c=[1, 2, 3, 4, 5, 30_000]), ROLES, {0: "and, of"}),
    "nothing in use": lambda: lengths(LENGTHS * 0, ROLES),
    "tag shares": lambda: tag_shares(SHARES, ROLES, tags=2),
    "epochs": lambda: epochs(CURVES, STEPS, 0.8),
    "epochs without perplexity": lambda: epochs(CURVES[[]], STEPS),
    "idea": lambda: idea(OWN, STAGES, SIDES, top_tokens=2),
}


def rows_of(chart: alt.TopLevelMixin, *columns: str) -> list[dict[str, Any]]:
    """The data set of a chart that has these columns."""
    return next(rows for rows in chart.to_dict()["datasets"].values() if rows and set(columns) <= set(rows[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_draws_fits_and_has_its_dark_colours(kind: str) -> None:
    spec = theme.finish(KINDS[kind](), "a chart").to_dict()
    assert struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650
    text = json.dumps({k: v for k, v in spec.items() if k not in ("usermeta", "datasets")})
    colours = {part[:7] for part in text.split('"') if part.startswith("#") and len(part) == 7}
    assert colours <= set(spec["usermeta"]["txray"]["dark"])


def test_directions_are_counted_by_hand_and_a_neuron_without_preferences_is_none() -> None:
    rows = rows_of(lengths(LENGTHS, ROLES), "direction")
    assert {row["neuron"]: row["direction"] for row in rows} == {
        0: "longer",
        1: "unchanged",
        2: "shorter",
        3: "unchanged",
        5: "shorter",
    }
    said = [
        row["says"] for rows in lengths(LENGTHS, ROLES).to_dict()["datasets"].values() for row in rows if "says" in row
    ]
    assert said == ["1 longer", "2 unchanged", "2 shorter"]


def test_counts_stay_in_their_corners_however_wide_a_panel_becomes() -> None:
    (panel,) = lengths(LENGTHS, ROLES).to_dict()["vconcat"][0]["hconcat"]
    counts = [its["encoding"] for its in panel["layer"] if its["mark"]["type"] == "text"]
    assert [(its["x"]["value"], its["y"]["value"]) for its in counts] == [(0, 0), *[("width", "height")] * 2]


def test_medians_are_those_of_the_neurons_in_use() -> None:
    middle = rows_of(lengths(LENGTHS, ROLES), "median")
    assert [(row["stage"], row["median"], row["low"], row["high"], row["used"]) for row in middle] == [
        ("a", 5.0, 3.2, 6.5, 4),
        ("b", 2.5, 1.8, 4.2, 4),
    ]


def test_lengths_of_one_stage_are_no_comparison() -> None:
    with pytest.raises(TxrayError, match="two stages"):
        lengths(LENGTHS[["a"]], ROLES)


def test_the_distance_from_the_corpus_counts_folded_tags_apart() -> None:
    moved = rows_of(tag_shares(SHARES, ROLES, tags=2), "distance")
    assert {row["series"]: row["distance"] for row in moved} == {"a": 0.15, "b": 0.1}


@pytest.mark.parametrize("tags", [1, 2, 3, 9])
def test_folding_loses_nothing_and_one_tag_alone_keeps_its_name(tags: int) -> None:
    rows = pd.DataFrame(rows_of(tag_shares(SHARES, ROLES, tags), "percent"))
    assert np.allclose(rows.groupby("series")["percent"].sum(), 100, atol=0.01)
    assert np.allclose(rows.groupby("series")["points"].sum(), 0, atol=0.01)
    assert ("FW" in set(rows["tag"])) == (tags >= 3)


def test_no_tag_cannot_be_drawn() -> None:
    with pytest.raises(TxrayError, match="at least 1"):
        tag_shares(SHARES, ROLES, tags=0)


def test_epochs_without_a_step_are_an_error() -> None:
    with pytest.raises(TxrayError, match="no step"):
        epochs(CURVES, STEPS.iloc[:0])


def test_rows_of_the_idea_follow_the_order_in_which_stages_bring_their_tokens() -> None:
    bars = rows_of(idea(OWN, STAGES, SIDES, top_tokens=2), "p")
    assert list(dict.fromkeys(row["word"] for row in bars)) == ["x", "y", "q"]
    assert {(row["stage"], row["word"]): row["p"] for row in bars} == {
        ("a", "x"): 0.5,
        ("a", "y"): 0.33333,
        ("b", "q"): 0.75,
        ("b", "x"): 0.25,
    }


@pytest.mark.parametrize(("own", "tokens"), [(OWN, 0), (OWN.iloc[:0], 4)])
def test_an_idea_of_nothing_is_an_error(own: pd.DataFrame, tokens: int) -> None:
    with pytest.raises(TxrayError):
        idea(own, STAGES, SIDES, tokens)
