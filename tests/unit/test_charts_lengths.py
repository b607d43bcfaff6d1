"""Lengths (Fig. 2, 10), tag shares (Fig. 3) and masses (Fig. 11): charts hold the tables' own numbers; cases by hand."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import write_tables

from txray_lib import answers, figures as charts
from txray_lib.answers.masses import spread
from txray_lib.figures import theme
from txray_lib.errors import TxrayError
from txray_lib.results import Results

STAGES = ["encyclopedia-1", "encyclopedia-5", "encyclopedia-6"]
REVIEWS = ["encyclopedia-6", "reviews-zero-shot", "reviews-supervised"]
READ = ["encyclopedia-0", "encyclopedia-1", "encyclopedia-6"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder: Path = tmp_path_factory.mktemp("results") / "demo"
    return Results("demo", write_tables(folder), "frozen")


def lengths_of(**lengths: list[int]) -> pd.DataFrame:
    """A table of neurons from the lengths that each stage gives them in order; mass equals length, tags half of it."""
    rows = [
        (stage, 0, neuron, n, (n + 1) // 2, n, float(n)) for stage, ns in lengths.items() for neuron, n in enumerate(ns)
    ]
    return pd.DataFrame(rows, columns=["stage", "layer", "neuron", "length", "tag_length", "count", "mass"])


HAND = {"a": [0, 1, 4, 8, 0, 6], "b": [3, 1, 2, 8, 0, 0]}
ROLES = {"a": "zero-shot", "b": "supervised", "c": "last"}

KINDS: dict[str, Callable[[Results], Any]] = {
    "three stages": lambda r: charts.lengths(answers.neuron_table(r, STAGES), STAGES, r.roles),
    "tags": lambda r: charts.lengths(answers.neuron_table(r, REVIEWS[1:]), REVIEWS[1:], r.roles, by="tag"),
    "gained": lambda r: charts.lengths(answers.neuron_table(r, REVIEWS[1:]), REVIEWS[1:], r.roles, state="gained"),
    "shares": lambda r: charts.tag_shares(answers.tag_shares(r, READ), r.roles, tags=5),
    "masses": lambda r: charts.masses(answers.neuron_table(r, [*READ[:1], *REVIEWS]), REVIEWS, r.roles, 3, READ[0]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_speaks_draws_fits_and_has_its_dark_colours(kind: str, results: Results) -> None:
    spec = KINDS[kind](results).to_dict()
    assert any(sign.isdigit() for sign in spec["description"])
    assert struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650
    text = json.dumps({k: v for k, v in spec.items() if k not in ("usermeta", "datasets")})
    colours = {part[:7] for part in text.split('"') if part.startswith("#") and len(part) == 7}
    dark = spec["usermeta"]["txray"]["dark"]
    assert colours <= set(dark)
    assert set(dark).isdisjoint(dark.values())


def test_directions_medians_and_states_are_counted_by_hand() -> None:
    text = charts.lengths(lengths_of(**HAND), ["a", "b"], ROLES).description
    assert (
        "a to b: 1 longer, 2 shorter, 2 unchanged" in text
    )  # the neuron that prefers nothing at either stage is no line
    assert "a: 4 neurons in use, median 5, quartiles 3.25 to 6.5" in text
    gained = charts.lengths(lengths_of(**HAND), ["a", "b"], ROLES, state="gained").description
    assert "1 longer, 0 shorter, 0 unchanged" in gained


def test_same_lengths_change_nothing() -> None:
    table = lengths_of(a=HAND["a"], b=HAND["a"])
    assert "0 longer, 0 shorter, 4 unchanged" in charts.lengths(table, ["a", "b"], ROLES).description
    assert "change by +0.0 % as a ratio of means, by +0.0 % as a mean of ratios" in said(answers.length_verdict, table)


def test_no_neuron_in_use_still_draws_and_speaks() -> None:
    table = lengths_of(a=[0, 0], b=[0, 0])
    assert theme.png(charts.lengths(table, ["a", "b"], ROLES).to_dict(), scale=1)
    assert "No neuron is shared" in said(answers.length_verdict, table)
    assert "of 0 neurons in use" in answers.length_shifts(table, ["a", "b"]).data
    assert "no neuron prefers anything" in answers.concentration(table, ["a"], 1, 9).data


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"by": "tags"}, "Did you mean 'tag'"),
        ({"state": "gaines"}, "Did you mean 'gained'"),
        ({"stages": ["a"]}, "two stages"),
    ],
)
def test_a_wrong_parameter_names_what_is_right(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(TxrayError, match=named):
        charts.lengths(lengths_of(**HAND), **{"stages": ["a", "b"], "roles": ROLES, **wrong})


def said(sentence: Callable[..., Any], table: pd.DataFrame) -> str:
    return sentence(table, "a", "b").data


def test_each_reading_of_on_average_by_hand() -> None:
    """Shared: 1 → 1, 4 → 2, 8 → 8. Means 13/3 and 11/3; ratios 1, 1/2, 1. All: 19 → 14."""
    text = said(answers.length_verdict, lengths_of(**HAND))
    assert (
        "Token lengths of 3 shared neurons change by −15.4 % as a ratio of means, by −16.7 % as a mean of ratios"
        in text
    )
    assert "by +0.0 % in the median neuron" in text
    assert "the sign depends on the reading" not in text.split("POS")[0]
    assert "the mean token length changes by −26.3 %" in text


def test_a_table_of_neurons_has_all_neurons_and_the_transfers_lengths(results: Results) -> None:
    table = answers.neuron_table(results, STAGES[:2])
    units = int(results.stages["neurons"].max())
    assert len(table) == 2 * units
    both = answers.side_by_side(table, *STAGES[:2]).reset_index()
    rows = results.transfer("rq1")
    rows = rows[(rows["before"] == STAGES[0]) & (rows["after"] == STAGES[1])].sort_values("neuron")
    assert list(both["before"]) == list(rows["length_before"])
    assert list(both["after"]) == list(rows["length_after"])
    assert list(both["state"]) == list(rows["state"])


def test_a_range_and_the_half_of_all_features_by_hand() -> None:
    text = answers.concentration(lengths_of(a=[1, 2, 3, 14, 0]), ["a"], 2, 3).data
    assert "50.0 % of the neurons in use" in text
    assert "the mean is 5.0, the median 2.5, 25.0 % are longer" in text
    assert "1 longest neuron holds half" in text
    with pytest.raises(TxrayError, match="not from 9 to 2"):
        answers.concentration(lengths_of(a=[1]), ["a"], 9, 2)


def test_masses_by_hand() -> None:
    equal = spread([2, 2, 2, 2], top=1)
    assert (equal.top, equal.half, equal.used) == (0.25, 2, 4)
    assert equal.gini == pytest.approx(0)
    one = spread([0, 0, 5, 0], top=20)
    assert (one.top, one.half, one.used, one.first) == (1, 1, 1, 4)
    assert one.gini == pytest.approx(0.75)
    nothing = spread([0, 0])
    assert nothing.total == 0
    assert np.isnan(nothing.gini)
    assert nothing.half == 0
    with pytest.raises(TxrayError, match="at least 1"):
        spread([1.0], top=0)


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=40), st.floats(0.1, 10), st.integers(1, 50))
def test_a_spread_does_not_depend_on_unit_or_order(masses: list[float], unit: float, top: int) -> None:
    one, other = spread(masses, top), spread([unit * mass for mass in reversed(masses)], top)
    assert one.top == pytest.approx(other.top)
    assert one.gini == pytest.approx(other.gini, abs=1e-9)
    assert -1e-9 <= one.gini < 1
    n = len(masses)
    by_pairs = np.abs(np.subtract.outer(masses, masses)).sum() / (2 * n * sum(masses))
    assert one.gini == pytest.approx(by_pairs, abs=1e-9)
    assert one.top >= min(top, n) / n - 1e-9


def test_a_peak_and_a_shorter_tail_are_said_and_so_is_their_absence() -> None:
    table = lengths_of(c=[9, 9, 9, 9], a=[4, 4, 4, 4], b=[9, 1, 1, 0])
    text = answers.mass_verdict(table, "c", "a", "b", 1).data
    assert "goes from 25.0 % to 81.8 %" in text
    assert "The head peaks" in text
    assert "the tail shortens" in text
    assert "caption of Fig. 11" in text
    assert "that is the order" in text
    other = answers.mass_verdict(table, "c", "b", "a", 1).data
    assert "where the paper's head peaks" in other
    assert "the tail grows" in other
    same = answers.mass_verdict(table, "c", "a", "a", 1).data
    assert "stays as it was" in same
    assert "keeps its length" in same


def test_the_marked_share_stands_in_the_legend_and_zero_masses_have_no_point() -> None:
    spec = charts.masses(lengths_of(a=[6, 3, 1, 0]), ["a"], ROLES, top=2).to_dict()
    assert "a: top 2 hold 90.0 %" in json.dumps(spec)
    curve = next(rows for rows in spec["datasets"].values() if len(rows) == 3)
    assert [row["neuron"] for row in curve] == [0, 1, 2]
    with pytest.raises(TxrayError, match="nothing to draw"):
        charts.masses(lengths_of(a=[0]), ["a"], ROLES)


def shares_of(**series: dict[str, float]) -> pd.DataFrame:
    rows = [(name, tag, share) for name, shares in series.items() for tag, share in shares.items()]
    return pd.DataFrame(rows, columns=["series", "tag", "share"])


SHARES = shares_of(
    corpus={"NN": 0.5, "IN": 0.3, "UH": 0.15, "FW": 0.05},
    a={"NN": 0.4, "IN": 0.4, "UH": 0.2, "FW": 0.0},
    b={"NN": 0.5, "IN": 0.3, "UH": 0.05, "FW": 0.15},
)


def test_total_variation_by_hand_counts_folded_tags_apart() -> None:
    found = answers.tag_distances(SHARES)
    assert found.loc["a", "distance"] == pytest.approx(0.15)
    assert found.loc["b", "distance"] == pytest.approx(0.1)
    assert found.loc["b", "tag"] in ("UH", "FW")
    spec = json.dumps(charts.tag_shares(SHARES, ROLES, tags=2).to_dict())
    assert "0.150 from the corpus" in spec
    assert "0.100 from the corpus" in spec
    assert "2 rarer tags" in spec
    assert "FW" not in spec


def test_folding_loses_nothing_and_one_tag_alone_keeps_its_name() -> None:
    for tags in (1, 2, 3, 9):
        spec = charts.tag_shares(SHARES, ROLES, tags=tags).to_dict()
        rows = next(r for r in spec["datasets"].values() if r and {"series", "percent"} <= set(r[0]))
        total = pd.DataFrame(rows).groupby("series")["percent"].sum()
        assert np.allclose(total, 100, atol=0.01)
    assert "FW" in json.dumps(charts.tag_shares(SHARES, ROLES, tags=3).to_dict())
    with pytest.raises(TxrayError, match="at least 1"):
        charts.tag_shares(SHARES, ROLES, tags=0)


def test_an_untrained_match_is_no_sign_of_learning() -> None:
    def verdict(untrained: str, early: str, last: str) -> str:
        return answers.tag_verdict(SHARES, untrained, early, last).data

    assert "no sign of learning" in verdict("b", "a", "a")
    assert "Training brings mass nearer" in verdict("a", "b", "b")
    assert "Only b is nearer" not in verdict("a", "b", "b")
    assert "no sign of learning" in verdict("a", "a", "a")


def test_shares_of_a_stage_sum_to_one_and_a_text_is_one_text(results: Results) -> None:
    shares = answers.tag_shares(results, READ)
    assert np.allclose(shares.groupby("series")["share"].sum(), 1)
    assert list(shares["series"].unique()) == ["corpus", *READ]
    with pytest.raises(TxrayError, match="different corpora"):
        answers.tag_shares(results, ["encyclopedia-6", "reviews-zero-shot"])


def test_frequencies_counted_by_the_run_go_before_sums(results: Results, tmp_path: Path) -> None:
    from txray_lib.tables import write_table

    other = Results("demo", write_tables(tmp_path / "demo"), "frozen")
    (other.folder / "tag_counts.parquet").unlink(missing_ok=True)
    assert "kept no counts" in answers.corpus_source(other, READ).data
    counts = pd.DataFrame({"corpus": ["encyclopedia"] * 2, "tag": ["NN", "IN"], "tokens": [30, 10]})
    write_table(counts, other.folder / "tag_counts.parquet", other.provenance)
    shares = answers.tag_shares(other, READ)
    own = shares[shares["series"] == "corpus"].set_index("tag")["share"]
    assert own["NN"] == 0.75
    assert own.sum() == pytest.approx(1)
    assert "every token" in answers.corpus_source(other, READ).data


@pytest.mark.parametrize("page", ["light", "dark"])
def test_lines_and_counts_stand_out_from_the_page(page: str) -> None:
    from test_charts import _contrast

    ground = getattr(theme.PAGE, page)
    for ink in (*theme.DIRECTIONS.values(), theme.CORPUS):
        assert _contrast(getattr(ink, page), ground) >= 4.5


@pytest.mark.parametrize("page", ["light", "dark"])
def test_directions_differ_for_all_eyes(page: str) -> None:
    from test_charts import EYES, _lab, _linear

    for eyes in EYES.values():
        seen = [_lab(np.clip(eyes @ _linear(getattr(ink, page)), 0, 1)) for ink in theme.DIRECTIONS.values()]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 16
