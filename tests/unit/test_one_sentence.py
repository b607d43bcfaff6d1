"""The figures of one sentence: every token has its line, every number is the one that was given, absent controls do no harm."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from sentence_tables import sentence_tables
from telling_tables import HOSTILE

from txray_lib.errors import TxrayError
from txray_lib.figures import sentence, theme
from txray_lib.figures.sentence import MAX_LETTERS, PANELS, four_ways, lines, winners


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    return sentence_tables(HOSTILE)


def scores(tokens: pd.DataFrame, missing: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each method finds at a token, and its control, half of it."""
    found = pd.DataFrame({method: [(i + 1) / 20 for i in range(len(tokens))] for method in PANELS})
    return found, found * (float("nan") if missing else 0.5)


def data_of(spec: dict[str, Any], field: str) -> list[list[dict[str, Any]]]:
    """The data sets of a chart that have a field."""
    return [rows for rows in spec["datasets"].values() if rows and field in rows[0]]


def test_every_token_has_a_short_line_of_its_own(tables):
    tokens = tables["sentence"].assign(token="w" * 300)
    names = lines(tokens)
    assert len(set(names)) == len(tokens)
    assert all(len(name) <= MAX_LETTERS + 7 for name in names)
    assert [name[-4:] for name in lines(tables["sentence"]) if name.endswith(")")] == [" (−)", " (+)"]
    with pytest.raises(TxrayError, match="no token"):
        lines(tokens.iloc[:0])


@pytest.mark.parametrize("missing", [False, True])
def test_four_panels_draw_what_was_found_and_its_control(tables, missing):
    tokens = tables["sentence"]
    found, control = scores(tokens, missing)
    chart = theme.finish(four_ways(tokens, found, control), "A sentence.").to_dict()
    assert len(chart["hconcat"]) == len(PANELS)
    drawn = data_of(chart, "found")
    for rows in drawn:
        assert [row["found"] for row in rows] == found["probing"].tolist()
        assert [row["control"] for row in rows] == [None if missing else x for x in control["probing"].round(4)]
    axes = [panel["layer"][0]["encoding"]["y"]["field"] for panel in chart["hconcat"]]
    assert axes == ["line", "number", "number", "number"], "the first panel names the tokens"


def test_the_winner_of_each_token_bears_its_number(tables):
    chart = theme.finish(winners(tables["sentence"], tables["sentence_activations"]), "A sentence.").to_dict()
    (rows,) = data_of(chart, "rank")
    first = [row["neuron"] for row in rows if row["rank"] == 1 and row["stage"] == sentence.SIDES["after"]]
    assert first == tables["sentence"]["neuron_after"].tolist()
    assert {row["stage"] for row in rows} == {"zero-shot", "supervised"}
    assert chart["layer"][-1]["encoding"]["text"]["field"] == "neuron"


def test_the_figures_fit_the_column(tables):
    tokens = tables["sentence"]
    for chart in (four_ways(tokens, *scores(tokens)), winners(tokens, tables["sentence_activations"])):
        picture = theme.png(theme.finish(chart, "A sentence.").to_dict(), scale=1)
        assert 300 < int.from_bytes(picture[16:20], "big") <= theme.WIDTH
