"""What the method cannot see: distances and overlaps by hand, tables of tiny runs, charts that speak."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import HOSTILE, write_study, write_tables

from txray_lib import figures as charts
from txray_lib.answers import limits, overlaps
from txray_lib.figures import theme
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table
from txray_lib.transfer import compare

WORDS = "abcdefghij"


def prefers(neurons: dict[int, dict[str, float]]) -> pd.DataFrame:
    """Preferences of these neurons: each word met once, with this activation."""
    rows = [(n, word, 1, a) for n, words in neurons.items() for word, a in words.items()]
    made = pd.DataFrame(rows, columns=["neuron", "feature", "count", "activation_sum"])
    return made.assign(layer=0, tag="NN", y=-1, prediction_sum=np.nan)


def even(neurons: dict[int, str]) -> pd.DataFrame:
    return prefers({n: dict.fromkeys(words, 0.5) for n, words in neurons.items()})


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results("tiny", write_tables(tmp_path / "tiny"), "frozen")


def changed(results: Results, name: str, rows: pd.DataFrame) -> None:
    write_table(rows, results.folder / f"{name}.parquet", {"profile": results.profile})


def test_the_distance_of_uniform_distributions_is_that_of_their_sets():
    before, after = even({0: "abcd", 1: "a", 2: "ab", 4: "a"}), even({0: "cdef", 1: "a", 2: "cd", 3: "a"})
    found = overlaps.overlap_distance(before, after, 5)
    assert found[:3] == pytest.approx([math.sqrt(1 - 2 / 4), 0, 1])
    assert np.isnan(found[3:]).all()
    assert compare(before, after, 5)["hellinger"].to_numpy() == pytest.approx(found, nan_ok=True)


words = st.lists(st.sampled_from(WORDS), min_size=1, unique=True)


@given(words, words, st.floats(0.05, 1))
def test_the_sets_alone_do_not_see_an_activation(before, after, strength):
    first, second = even({0: "".join(before)}), even({0: "".join(after)})
    stronger = second.assign(activation_sum=np.linspace(0.05, strength, len(second)))
    sets = overlaps.overlap_distance(first, second, 1)
    assert overlaps.overlap_distance(first, stronger, 1) == pytest.approx(sets)
    assert compare(first, second, 1)["hellinger"].to_numpy() == pytest.approx(sets, abs=1e-7)


def test_all_distances_have_those_of_the_transfer_on_their_diagonal():
    before = prefers({0: {"a": 0.2, "b": 0.6}, 1: {"c": 0.5}, 2: {"d": 0.1}})
    after = prefers({0: {"a": 0.4}, 1: {"a": 0.2, "b": 0.6}})
    far = overlaps.distances_of_all(before, after, 3)
    assert np.diag(far) == pytest.approx(compare(before, after, 3)["hellinger"].to_numpy(), nan_ok=True)
    assert far[0, 1] == pytest.approx(0, abs=1e-7)
    assert far[0, 0] == pytest.approx(math.sqrt(1 - math.sqrt(0.25)))
    assert np.isnan(far[:, 2]).all()


@given(st.integers(2, 40), st.integers(0, 5))
def test_numbers_dealt_anew_leave_none_in_its_place(number, seed):
    order = overlaps.dealt_anew(number, seed)
    assert sorted(order) == list(range(number))
    assert (order != np.arange(number)).all()
    assert (overlaps.dealt_anew(number, seed) == order).all()
    assert list(overlaps.dealt_anew(1, seed)) == [0]


def test_a_stage_under_other_numbers_is_far_from_itself_and_found_by_matching(results: Results):
    stage = results.stage("last")
    changed(results, f"preferences/{stage}", even({0: "ab", 1: "cd", 2: "ef"}))
    said = overlaps.nearness_said(results, 1).data
    assert "3 shared neurons and a distance of 0 for each" in said
    assert "median distance of 1.00" in said
    assert "100.0 % of its neurons lie more than 0.9" in said
    assert "3 of 3 find a partner at a distance of 0 again" in said
    changed(results, f"preferences/{stage}", even({0: "ab"}))
    assert "too few preferred neurons" in overlaps.nearness_said(results, 1).data


def test_a_neuron_is_nearest_to_itself_unless_another_took_its_words(results: Results):
    before, after = overlaps.pair_of(results, "rq3")
    changed(results, f"preferences/{before}", even({0: "ab", 1: "cd", 2: "ef"}))
    changed(results, f"preferences/{after}", even({0: "ab", 1: "ef", 2: "cd"}))
    assert overlaps.found_again(results) == "33.3 %"
    own = overlaps.nearness(results, 1)
    own = own[(own["comparison"] == f"{before}:{after}") & (own["part"] == overlaps.ITSELF)]
    assert own["distance"].tolist() == pytest.approx([0, 1, 1], abs=1e-7)
    assert "33.3 %" in overlaps.nearness_table([results], 1).data


def test_overlaps_stand_beside_the_distances_of_the_transfer(results: Results):
    rows = overlaps.overlapping(results, "rq1")
    transfer = results.transfer("rq1")
    own = transfer[(transfer["comparison"] == "encyclopedia-5:encyclopedia-6") & (transfer["state"] == "shared")]
    assert rows["hellinger"].tolist() == own["hellinger"].tolist()
    assert 0 < overlaps.agreement(rows) <= 1
    assert math.isnan(overlaps.agreement(rows.head(9)))
    with pytest.raises(TxrayError, match="no question 'rq4'"):
        overlaps.overlapping(results, "rq4")


def test_what_is_said_of_overlaps_follows_their_agreement():
    rows = pd.DataFrame({"profile": "p", "comparison": "a:b", "hellinger": np.linspace(0, 1, 12), "neuron": range(12)})
    alike = overlaps.overlap_said(rows.assign(sets=rows["hellinger"] ** 2)).data
    assert "rank correlation of both is 1.000" in alike
    assert "next to no part" in alike
    other = overlaps.overlap_said(rows.assign(sets=rows["hellinger"].to_numpy()[::-1])).data
    assert "activations have a part" in other
    assert "too few shared neurons" in overlaps.overlap_said(rows.head(3).assign(sets=0.5)).data


def test_evenness_is_one_where_all_means_are_equal(results: Results):
    stage = results.stage("last")
    mine = {0: dict.fromkeys("abcd", 0.3), 1: {"a": 1.0, "b": 1e-12}, 2: {"c": 0.4}}
    changed(results, f"preferences/{stage}", prefers(mine))
    found = overlaps.evenness(results, "last")
    assert found.tolist() == pytest.approx([1, 0.5], abs=1e-6)
    assert "not" not in overlaps.even_table([results]).data


def test_words_met_once_weigh_by_features_and_count_by_tokens(results: Results):
    rows = even({0: "abcd"}).assign(count=[1, 1, 1, 97], activation_sum=[0.5, 0.5, 0.5, 48.5])
    changed(results, f"preferences/{results.stage('last')}", rows)
    assert overlaps.met_once(results) == pytest.approx((0.75, 0.03))
    assert "75.0 %" in overlaps.once_table([results]).data


def test_short_neurons_are_told_apart_by_the_shorter_side(results: Results):
    transfer = read_table(results.folder / "transfer.parquet")
    made = transfer.head(5).assign(
        question="control",
        before="encyclopedia-6/first-half",
        after="encyclopedia-6/second-half",
        state="shared",
        length_before=[1, 1, 9, 200, 30],
        length_after=[1, 50, 10, 100, 12],
        hellinger=[1.0, 0.5, 0.4, 0.3, 0.2],
    )
    changed(results, "transfer", pd.concat([transfer[transfer["question"] != "control"], made]))
    rows = overlaps.coarse(results).set_index("class")
    assert rows["neurons"].to_dict() == {"1": 2, "2 to 9": 1, "10 to 99": 1, "100 or more": 1}
    assert rows.loc["1", "ends"] == 0.5
    assert rows.loc["1", "median"] == 0.75
    changed(results, "transfer", transfer[transfer["question"] != "control"])
    fresh = Results("tiny", results.folder, "frozen")
    assert overlaps.coarse(fresh).empty
    assert "not compared" in limits.reading_table([fresh]).data


def test_neurons_come_into_use_as_more_is_read(results: Results):
    rows = even({0: "a", 1: "b"}).assign(count=[1, 3])
    changed(results, f"preferences/{results.stage('last')}", rows)
    found = limits.reading_on(results, roles=["last"], points=3)
    assert found["tokens"].iloc[-1] == 4
    assert found["neurons"].iloc[-1] == pytest.approx(2)
    half = limits.reading_on(results, roles=["last"], points=301)
    at_half = half.iloc[(half["tokens"] - 2).abs().argmin()]
    share = at_half["tokens"] / 4
    assert at_half["neurons"] == pytest.approx(share + 1 - (1 - share) ** 3)
    assert found["neurons"].is_monotonic_increasing


def test_the_tokens_of_a_word_are_spread_over_neurons(results: Results):
    rows = even({0: "ab", 1: "a", 2: "a"}).assign(count=[60, 99, 30, 10])
    unknown = rows.tail(1).assign(feature="<unk>", count=500)
    changed(results, f"preferences/{results.stage('last')}", pd.concat([rows, unknown]))
    words = limits.spread_of_words(results)
    assert words.index.tolist() == ["a"]
    assert words.loc["a", "neurons"] == 3
    assert words.loc["a", "first"] == pytest.approx(0.6)
    assert "60.0 %" in limits.context_table([results]).data


def pruned(**changes: tuple[float, float]) -> pd.DataFrame:
    rows = [
        (name, way, "test", change, 0.01, 4, -0.02, 0.02)
        for name, both in changes.items()
        for way, change in zip((limits.INSIDE, limits.OUTSIDE), both, strict=True)
    ]
    columns = ["set", "way", "split", "change", "sampling_error", "neurons", "random_low", "random_high"]
    return pd.DataFrame(rows, columns=columns)


def test_both_ways_of_removing_a_set_stand_side_by_side(results: Results):
    changed(results, "pruning", pruned(A=(0.0, -0.05), B=(0.03, -0.03), C=(0.01, 0.02), D=(0.04, 0.0)))
    rows = limits.both_ways(results).set_index("set")
    assert rows["beyond"].to_dict() == {"A": limits.OUTSIDE, "B": "both", "C": "neither", "D": limits.INSIDE}
    assert "F1 changes by more than sampling" in limits.discarded_said([results]).data
    changed(results, "pruning", pruned(A=(0.0, -0.02)))
    assert "None" not in limits.discarded_said([results]).data
    assert "In tiny F1 without them was not seen to leave" in limits.discarded_said([results]).data
    changed(results, "pruning", pruned(B=(0.0, -0.02)))
    assert "No neurons that prefer nothing were cut" in limits.discarded_said([results]).data
    assert "not measured" in limits.discarded_table([results]).data


def test_the_share_of_the_strongest_is_of_tokens(results: Results):
    rows = even({n: "a" for n in range(30)}).assign(count=[10] * 20 + [1] * 10)
    changed(results, f"preferences/{results.stage('supervised')}", rows)
    its = limits.discarded(results)
    assert (its["in_use"], its["neurons"]) == (30, 40)
    assert its["top"] == pytest.approx(200 / 210)


def test_seeds_are_told_only_where_there_are_several(results: Results, tmp_path: Path):
    assert "nothing is said of seeds" in limits.seeds_table([results]).data
    sibling = tmp_path / "tiny-seed-2"
    measured = pd.DataFrame({"id": ["N7"], "part": ["shared"], "value": [0.25], "low": np.nan, "high": np.nan})
    write_table(measured.assign(basis="", why=""), sibling / "measured.parquet", {})
    (sibling / "profile.yaml").write_text("name: tiny-seed-2\nseed: 2\n", encoding="utf-8")
    said = limits.seeds_table([results]).data
    assert said.count("<tr>") == 2
    assert "N7" in said
    assert "<td>25 %</td>" in said


def test_ways_of_collecting_are_compared_where_a_study_is_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    assert "not at hand" in limits.ways_said("truth").data
    write_study(tmp_path / "truth")
    said = limits.ways_said("truth").data
    assert "by argmax" in said
    assert "by positive" in said


def test_the_table_of_all_limits_has_ten_rows_and_escapes_words(results: Results):
    page = limits.limits_table([results]).data
    assert page.count("<tr>") == 11
    assert "nan" not in page
    for made in (limits.context_table([results]), overlaps.once_table([results])):
        assert HOSTILE[0] not in made.data


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_charts_of_limits_speak_and_fit(runs: int, results: Results):
    rows = pd.concat([overlaps.overlapping(results, "rq3").assign(profile=f"run {i}") for i in range(runs)])
    near = pd.concat([overlaps.nearness(results, 1).assign(profile=f"run {i}") for i in range(runs)])
    read = pd.concat([limits.reading_on(results).assign(profile=f"run {i}") for i in range(runs)])
    for chart in (charts.overlaps(rows), charts.nearness(near), charts.met(read)):
        spec = chart.to_dict()
        assert f"run {runs - 1}" in spec["description"]
        assert int.from_bytes(theme.png(spec, scale=1)[16:20], "big") <= 650
        dark = spec["usermeta"]["txray"]["dark"]
        assert set(dark).isdisjoint(dark.values())


def test_comparisons_are_drawn_in_the_order_of_the_run(results: Results):
    near = overlaps.nearness(results, 1)
    spec = charts.nearness(near).to_dict()
    drawn = list(dict.fromkeys(row["comparison"] for row in next(iter(spec["datasets"].values()))))
    assert drawn == list(dict.fromkeys(near["comparison"]))
