"""What pages and charts say of controls: shuffled labels, seeds, a constant rate, a probe, random sets. Cases by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from control_tables import CONTROLS, control_epochs_of, control_transfer_of, probe_table
from telling_tables import write_tables

from txray_lib import answers, audit, charts
from txray_lib.answers import controls as told
from txray_lib.answers import probing
from txray_lib.answers.constant import _fell
from txray_lib.answers.tables import at_edge_by_chance
from txray_lib.figures import theme
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

TABLES = ("control_transfer", "control_scores", "control_epochs", "control_training", "probe", "pruning_random")
PLACES = ["percentile", "percentile_variance", "percentile_mass", "why", "sampling_error"]
STATES = ("shared", "avoided", "gained", "never preferred")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results("demo", write_tables(tmp_path_factory.mktemp("results") / "demo"), "frozen")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run of before there were controls."""
    folder = write_tables(tmp_path_factory.mktemp("older") / "demo")
    for name in TABLES:
        (folder / f"{name}.parquet").unlink()
    write_table(read_table(folder / "pruning.parquet").drop(columns=PLACES), folder / "pruning.parquet", {})
    return Results("demo", folder, "frozen")


def text(shown: Any) -> str:
    return shown.data


def neurons(states: str, distance: float = 0.5, change: float = 2.0) -> pd.DataFrame:
    """An rq3 comparison from one letter a neuron: s, a, g, n; shared ones go from 10 features to `change` times as many."""
    names = dict(zip("sagn", STATES, strict=True))
    rows = pd.DataFrame({"state": [names[letter] for letter in states]})
    before, after = rows["state"].isin(["shared", "avoided"]), rows["state"].isin(["shared", "gained"])
    rows = rows.assign(
        comparison="z:s", question="rq3", before="z", after="s", layer=0, neuron=range(len(rows)),
        hellinger=np.where(rows["state"] == "shared", distance, np.nan),
    )  # fmt: skip
    for size in ("length", "tag_length", "count", "mass"):
        rows[f"{size}_before"] = 10.0 * before
        rows[f"{size}_after"] = np.where(before, 10.0 * change, 10.0) * after
    return rows


def run_of(folder: Path, real: pd.DataFrame, **others: pd.DataFrame) -> Results:
    """A run of these comparisons alone, `shuffled_1` as the control shuffled-1."""
    roles = [("untrained", "e-0"), ("early", "e-1"), ("last", "e-2"), ("zero-shot", "z"), ("supervised", "s")]
    stages = pd.DataFrame(roles, columns=["role", "stage"]).assign(neurons=len(real), epoch=[0, 1, 2, 2, 2])
    write_table(stages, folder / "stages.parquet", {})
    write_table(real, folder / "transfer.parquet", {})
    named = {name.replace("_", "-"): rows for name, rows in others.items()}
    if named:
        parts = [rows.assign(control=name, after=f"s/{name}") for name, rows in named.items()]
        write_table(pd.concat(parts, ignore_index=True), folder / "control_transfer.parquet", {})
    return Results("demo", folder, "frozen")


# Shuffled labels and seeds


def test_a_row_for_each_fine_tuning_by_hand(tmp_path: Path):
    run = run_of(tmp_path, neurons("ssaggn"), shuffled_1=neurons("sssgnn", 0.25, 3.0), seed_1=neurons("aaannn"))
    rows = answers.control_rows(run).set_index("control")
    assert rows.index.tolist() == ["real", "shuffled-1", "seed-1"]
    assert rows[["shared", "avoided", "gained"]].to_numpy().tolist() == [[2, 1, 2], [3, 0, 1], [0, 3, 0]]
    assert rows["distance_median"].tolist()[:2] == [0.5, 0.25]
    assert rows["length_median"].tolist()[:2] == [1.0, 2.0]
    assert rows["tag_length_high"].tolist()[:2] == [1.0, 2.0]
    assert rows.loc["seed-1", ["distance_median", "length_median"]].isna().all()


def test_shares_of_what_the_labels_do_by_hand(tmp_path: Path):
    run = run_of(tmp_path, neurons("sssaaaagg"), shuffled_1=neurons("sssssssgn", 0.45, 1.5))
    said = text(answers.controls_said(run))
    assert "the count of avoided neurons is 0 and of gained ones 1; with the labels 4 and 2" in said
    assert (
        "avoided neurons 0.0 %, gained neurons 50.0 %, the median distance 90.0 %, the median change of length 50.0 %"
        in said
    )
    assert "a single run on the labels cannot tell more than that the two differ" in said
    assert "No other seed was fine-tuned" in said
    assert "range" not in said
    assert "any further training" not in said, "one run each is no ground for a cause"


def test_several_shufflings_are_averaged_and_seeds_give_a_range(tmp_path: Path):
    run = run_of(
        tmp_path, neurons("ssaa"), shuffled_1=neurons("sssa"), shuffled_2=neurons("ssss"), seed_1=neurons("saaa")
    )  # fmt: skip
    said = text(answers.controls_said(run))
    assert "(means over 2 shufflings) the count of avoided neurons is 0.5" in said
    assert (
        "Over 2 fine-tunings on the labels that differ in the seed alone, the range is 2 to 3 for avoided neurons"
        in said
    )
    assert (
        "As shares of the mean over 2 fine-tunings on the labels, shuffled ones bring: avoided neurons 20.0 %" in said
    )
    assert "Avoided neurons with shuffled labels: outside the range of the seeds, but counts so small" in said
    assert "Gained neurons, the median distance and the median change of length with shuffled labels: within" in said
    assert "A further seed of the labels would lie outside a range of 2 in 66.7 % of cases" in said


def test_seeds_alone_do_not_tell_the_labels_doing(tmp_path: Path):
    run = run_of(tmp_path, neurons("sag"), seed_1=neurons("sag"))
    for said in (answers.controls_said(run), answers.gained_by_controls(run), answers.lengths_by_controls(run)):
        assert told.NOT_SHUFFLED in text(said)
    assert "nan" not in text(answers.lengths_by_controls(run))


def test_nobody_shared_or_gained_is_said(tmp_path: Path):
    run = run_of(tmp_path, neurons("aaa"), shuffled_1=neurons("aaa"))
    said = text(answers.controls_said(run))
    assert "nan" not in said
    assert "The median distance and the median change of length cannot be compared: one side shares no neuron" in said
    seeds = run_of(tmp_path / "seeds", neurons("aaa"), shuffled_1=neurons("aaa"), seed_1=neurons("aaa"))
    said = text(answers.controls_said(seeds))
    assert "Avoided neurons and gained neurons with shuffled labels: within the range" in said
    assert "the range is 3 to 3 for avoided neurons, 0 to 0 for gained neurons." in said
    assert "cannot be compared: one side shares no neuron" in text(answers.lengths_by_controls(run))
    said = text(answers.gained_by_controls(run))
    assert said.startswith("The labels gain 0 neurons. Fine-tuning on shuffled labels gains 0, 0 of them among those.")
    assert said.endswith("Where the labels gain no neuron there is nothing to ascribe to them.")
    assert "no neuron is shared" in charts.controls(answers.control_rows(run), ["distance"]).description


def test_gained_neurons_are_drawn_from_those_that_are_free(tmp_path: Path):
    run = run_of(tmp_path, neurons("ssggnnnn"), shuffled_1=neurons("ssgngnnn"), seed_1=neurons("ssgggnnn"))
    said = text(answers.gained_by_controls(run))
    assert "shuffled labels gains 2, 1 of them among those (a random choice among the 6 that prefer nothing" in said
    assert "would give about 0.7)" in said, "2 · 2 / 6, and not 2 · 2 / 8"
    assert "the labels from another seed gains 3, 2 of them among those" in said
    assert "gain 80.0 % as many as the labels do on average over 2 seeds: within the range of the seeds" in said
    assert "no sign by itself that they serve the task" in said


def test_few_gained_neurons_need_nothing(tmp_path: Path):
    """3 against 1: nothing to be said of one run each; outside the range of two seeds, but as chance has it."""
    real, shuffled = neurons("sgggnn"), neurons("sgnnnn")
    alone = text(answers.gained_by_controls(run_of(tmp_path / "a", real, shuffled_1=shuffled)))
    assert "gain 33.3 % as many as the labels do: a single run on the labels cannot tell more than that" in alone
    seeds = text(answers.gained_by_controls(run_of(tmp_path / "b", real, shuffled_1=shuffled, seed_1=real)))
    assert "outside the range of the seeds, but counts so small differ as much by chance" in seeds
    many = neurons("s" + 40 * "g"), neurons("s" + 2 * "g" + 38 * "n")
    clear = text(answers.gained_by_controls(run_of(tmp_path / "c", many[0], shuffled_1=many[1], seed_1=many[0])))
    assert "outside the range of the seeds; shuffled labels hardly do this, a hint that it needs labels" in clear


@pytest.mark.parametrize(
    ("labels", "shuffled", "words"),
    [
        ([0.0, 0.1], 0.3, "no such change"),
        ([-0.1, 0.2], 0.3, "of either sign"),
        ([0.4, 0.3], 0.0, "hardly do this"),
        ([0.4, 0.3], -0.3, "the reverse"),
        ([-0.4, -0.5], -0.2, "part of it"),
        ([0.4, 0.5], 0.38, "no less than 80 %"),
        ([0.4, 0.5], 0.9, "no less than 80 %"),
        ([-0.119, -0.286, -0.304], -0.183, "within the range of the seeds, so shuffled labels are not told"),
        ([0.4], 0.1, "cannot tell more than that the two differ"),
        ([0.4], 0.4, "cannot tell more than that the two do not differ"),
    ],
)
def test_what_a_change_with_shuffled_labels_says(labels: list[float], shuffled: float, words: str):
    assert words in told._verdict(pd.Series(labels), pd.Series([shuffled]))


def test_lengths_are_shares_of_the_mean_over_seeds(tmp_path: Path):
    """Changes of +50 % and +100 % with the labels, +60 % with shuffled ones: 80 % of 75 %, and within the range."""
    run = run_of(
        tmp_path, neurons("ss", 0.5, 1.5), shuffled_1=neurons("ss", 0.5, 1.6), seed_1=neurons("ss", 0.5, 2.0)
    )  # fmt: skip
    said = text(answers.lengths_by_controls(run))
    assert (
        "is +50.0 % with the labels (+75.0 % on average over 2 seeds) and +60.0 % with shuffled ones, 80.0 % of that: within"
        in said
    )
    assert "explains" not in said


def test_names_carry_a_number_only_where_there_are_several():
    assert told.said_names(["shuffled-1", "seed-1", "seed-2"]) == {
        "shuffled-1": "shuffled labels",
        "seed-1": "the labels from another seed (1)",
        "seed-2": "the labels from another seed (2)",
    }


def test_masses_of_controls_by_hand(tmp_path: Path):
    run = run_of(tmp_path, neurons("ssss"), shuffled_1=neurons("saaa"), seed_1=neurons("ssaa"))
    masses = pd.concat(
        [
            pd.DataFrame(
                {"stage": stage, "layer": 0, "neuron": range(4), "length": 1, "tag_length": 1, "count": 1, "mass": 1.0}
            )
            for stage in ("z", "s")
        ]
    )
    every, kinds = answers.with_controls(run, masses)
    assert kinds == {"s/shuffled-1": "shuffled", "s/seed-1": "seed"}
    assert every.loc[every["stage"] == "s/shuffled-1", "mass"].tolist() == [20.0, 0.0, 0.0, 0.0]
    said = text(answers.masses_by_controls(every, kinds, "z", "s", 1))
    assert "After shuffled labels the top 1 hold 100.0 % and 1 neuron has mass" in said
    assert "With the labels the share of the top 1 changes by +0.0 points, with shuffled ones by +75.0" in said
    assert "Over 2 fine-tunings on the labels that differ in the seed alone, it changes by +0.0 to +25.0" in said
    assert "+75.0: outside the range of the seeds; with the labels there is no such change to explain" in said
    assert "outside a range of 2 in 66.7 % of cases" in said
    seeds_only = {stage: kind for stage, kind in kinds.items() if kind == "seed"}
    assert told.NOT_SHUFFLED in text(answers.masses_by_controls(every, seeds_only, "z", "s", 1))


def test_scores_keep_each_fine_tuning_once(results: Results):
    shown = text(answers.control_scores(results))
    assert shown.count("<tr>") == 1 + 1 + len(CONTROLS)
    assert "0.660" in shown
    assert "0.500" in shown


# A constant rate


def test_steps_of_both_rates_are_the_same_ones(results: Results):
    steps = answers.rate_steps(results)
    ends = {rate: rows[["start", "end"]].to_numpy().tolist() for rate, rows in steps.groupby("rate")}
    assert ends["schedule"] == ends["constant"] == [[0, 1], [1, 5], [5, 6]]
    assert (steps.loc[steps["rate"] == "constant", "low"] >= 0.6).all()
    trained = answers.rate_steps(results, untrained=False)
    assert trained["start"].min() == 1
    assert (answers.rate_steps(results, 5)["shared"] < steps["shared"]).all()


def test_one_step_in_common_is_no_fall(tmp_path: Path):
    folder = write_tables(tmp_path / "demo")
    rows = control_epochs_of(read_table(folder / "transfer.parquet"))
    write_table(rows[rows["after"] == "encyclopedia-1/constant"], folder / "control_epochs.parquet", {})
    run = Results("demo", folder, "frozen")
    assert "fewer than two steps in common" in text(answers.constant_said(run))
    with pytest.raises(TxrayError, match="no step"):
        charts.constant(answers.rate_curves(run), answers.rate_steps(run, untrained=False))


def test_fall_of_both_rates_by_hand(tmp_path: Path):
    folder = write_tables(tmp_path / "demo")
    transfer = read_table(folder / "transfer.parquet")
    falling = {"encyclopedia-1": 0.95, "encyclopedia-5": 0.8, "encyclopedia-6": 0.2}
    moved = transfer["after"].map(falling).where((transfer["question"] == "rq1") & (transfer["state"] == "shared"))
    transfer["hellinger"] = moved.fillna(transfer["hellinger"])
    write_table(transfer, folder / "transfer.parquet", {})
    write_table(control_epochs_of(transfer), folder / "control_epochs.parquet", {})
    said = text(answers.constant_said(Results("demo", folder, "frozen")))
    assert (
        "untrained encoder: at a constant rate the median distance goes from 0.80 (epochs 1 → 5) to 0.60 (5 → 6)"
        in said
    )
    assert "under the schedule the median distance goes from 0.80 (epochs 1 → 5) to 0.20 (5 → 6)" in said
    assert "by a factor of 1.33 against 4; at the end they are 3 times as large as under the schedule" in said
    assert "On a log scale that is 20.8 % of the schedule's fall: part of the fall is learning" in said
    assert (
        "ends at 50.0 at a constant rate and at 73.3 under the schedule: the encoder trained at a constant rate predicts better"
        in said
    )


@pytest.mark.parametrize(
    ("schedule", "constant", "words"),
    [
        (0.3, 1.0, "the optimiser coming to rest"),
        (0.3, 1.2, "the optimiser coming to rest"),
        (1.1, 1.2, "neither"),
        (1.0, 0.7, "not the schedule that makes them small"),
        (0.30, 0.33, "the schedule adds little"),
        (0.3, 0.6, "part of the fall"),
        (0.05 / 0.95, 0.20 / 0.95, "part of the fall"),
        (0.001, 0.003, "part of the fall"),
        (0.3, 0.9, "nearly all of the fall is the schedule's"),
        (0.0, 0.9, "cannot be compared"),
    ],
)
def test_what_falls_at_both_rates_say(schedule: float, constant: float, words: str):
    """What is left at the end of a first distance that is the same for both."""
    assert words in _fell((0.95, 0.95 * schedule), (0.95, 0.95 * constant))


# A probe


def probing_of(folder: Path, table: pd.DataFrame) -> str:
    write_table(table, folder / "probe.parquet", {})
    return text(answers.probe_said(Results("demo", folder, "frozen")))


def test_probe_beside_the_word_and_the_untrained_encoder_by_hand(results: Results):
    said = text(answers.probe_said(results))
    assert "the tag of 95.0 % (95 %: 94.0 % to 96.0 %) of 1,000 tokens" in said
    assert "tells 85.0 % (95 %: 84.0 % to 86.0 %), always the most frequent tag 20.0 %" in said
    assert "10.0 percentage points more, net 66.7 % of what the word gets wrong" in said
    assert "no answer" not in said
    assert (
        "The untrained encoder gives 60.0 % (95 %: 59.0 % to 61.0 %), below the word alone; training brought 35.0"
        in said
    )
    assert "85.7 % of what training brings is there by then" in said


def test_a_probe_that_tells_nothing_says_so(results: Results, tmp_path: Path):
    table = probe_table(results.stages)
    alike = table.assign(accuracy=0.8, low=0.79, high=0.81)
    said = probing_of(tmp_path / "alike", alike)
    assert "the two intervals meet: nothing shows that the encoder holds more" in said
    assert "training brought nothing that this probe sees" in said
    assert "of what training brings" not in said
    worse = table.assign(**{c: table[c] - 0.5 * (table["role"] == "last") for c in ("accuracy", "low", "high")})
    said = probing_of(tmp_path / "worse", worse)
    assert "40.0 percentage points fewer" in said
    assert "training brought 15.0 percentage points fewer" in said
    single = probing_of(tmp_path / "single", table.assign(low=np.nan, high=np.nan))
    assert "(95 %" not in single
    assert "meet" not in single
    assert single.count("with fewer than two blocks to test on there is no interval") == 2
    assert "lacks the last snapshot" in probing_of(tmp_path / "none", table[table["role"] != "last"])


# Pruned sets among random ones


@pytest.mark.parametrize(("draws", "share"), [(200, 10 / 201), (40, 2 / 41), (10, 2 / 11), (1, 1.0)])
def test_chance_of_an_edge_counts_the_ranks(draws: int, share: float):
    ranks = [100 * below / draws for below in range(draws + 1)]
    at_edge = sum(place < 2.5 or place > 97.5 for place in ranks)
    assert at_edge_by_chance(draws) == pytest.approx(share)
    assert at_edge / (draws + 1) == pytest.approx(share)


def places_of(folder: Path, rows: list[tuple[Any, ...]], draws: int = 200) -> Results:
    """A pruning table of (set, change, place among size, variance, mass, why), each beside as many draws."""
    frame = pd.DataFrame(rows, columns=["set", "change", *PLACES[:4]])
    frame = frame.assign(way="before the classifier", split="test", neurons=5, mass_share=0.25, random_sets=draws)
    frame = frame.assign(random_low=-0.02, random_high=0.02)
    write_table(frame.assign(sampling_error=0.01), folder / "pruning.parquet", {})
    return Results("demo", folder, "frozen")


def test_edges_of_each_kind_by_hand(tmp_path: Path):
    run = places_of(
        tmp_path,
        [
            ("A", -0.05, 0.0, 1.0, np.nan, "none have its mass"),
            ("B", 0.004, 99.0, 50.0, 40.0, ""),
            ("C", -0.09, 0.5, np.nan, np.nan, "none have its mass; none have its variance"),
            ("D", 0.0, 50.0, 98.0, 2.5, ""),
            ("E", 0.03, 99.0, np.nan, 98.0, "none have its variance"),
        ],
    )
    said = text(answers.places_said(run))
    assert "**Among random sets of as many neurons**, 4 of 5 changes lie at an edge" in said
    assert "chance alone would put about 0.2 there" in said
    assert "the same variance of the last hidden state**, 2 of 3 changes lie" in said
    assert "the same activation mass**, 1 of 3 changes lies" in said, "2.5 itself is no edge"
    assert "every kind of random set that exists: E before the classifier on test." in said
    assert "without enough that hold as much: A before the classifier on test." in said
    assert "how active they are is not ruled out" in said
    assert "inside sets that vary as much or hold as much: B before" in said
    assert "without enough others beside it that vary or hold as much: C before" in said
    assert "A holds 25.0 % of the activation mass in 5 neurons: none have its mass." in said
    assert "Of 4 changes, 1 (25.0 %) is within two sampling errors of 0" in said
    assert "1 change is exactly 0 and left out here." in said
    verdict = text(answers.pruning_verdict(run))
    assert "4 lie below the 2.5 or above the 97.5 percentile" in verdict, "one rule for one question"
    assert "about 0.2 would, as few draws leave few ranks. That is more than chance gives" in verdict


def test_an_edge_of_few_draws_says_nothing_of_the_set(tmp_path: Path):
    rows = [("A", -0.05, 0.0, 0.0, 0.0, ""), ("B", 0.004, 100.0, 50.0, 40.0, "")]
    said = text(answers.places_said(places_of(tmp_path / "few", rows, 4)))
    assert "so few sets of equal size that chance puts up to 40.0 % of changes there: A before" in said
    assert "which neurons they are, and not only" not in said
    assert "no more than that of other such neurons" not in said


def test_edges_that_chance_gives_are_called_so(tmp_path: Path):
    """Of 20 changes beside 200 draws chance puts 1.0 at an edge, and 2 or more in a quarter of cases."""
    rows = [(f"S{i}", -0.05, 0.0 if i < 2 else 50.0, 0.0, 0.0, "") for i in range(20)]
    run = places_of(tmp_path, rows)
    said = text(answers.places_said(run))
    assert "2 at an edge are no more than chance may well put there, about 1.0 on average" in said
    assert "There it matters" not in said
    assert "Chance may well put as many there" in text(answers.pruning_verdict(run))


def test_one_set_and_no_draws(tmp_path: Path):
    one = text(
        answers.places_said(places_of(tmp_path / "one", [("B", 0.05, 99.0, np.nan, np.nan, "the set is empty")]))
    )
    assert "1 of 1 change lies at an edge" in one
    assert "No set has random ones of as many neurons with the same activation mass beside it." in one
    assert "Of 1 change, 0 (0.0 %) are within" in one
    still = places_of(tmp_path / "still", [("B", 0.0, 50.0, 50.0, 50.0, "")])
    write_table(still.table("pruning").assign(sampling_error=0.0), still.folder / "pruning.parquet", {})
    assert text(answers.places_said(Results("demo", still.folder, "frozen"))).endswith(
        "1 change is exactly 0 and left out here."
    )
    none = text(answers.places_said(places_of(tmp_path / "none", [("B", np.nan, np.nan, np.nan, np.nan, "")])))
    assert none.count("No set has random ones") == 3
    assert "nan" not in none


def test_places_stand_with_their_draws(results: Results):
    shown = text(answers.places_table(results))
    assert "± 0.50" in shown
    assert "(100)" in shown
    assert "none" in shown
    assert "nan" not in shown
    only = text(answers.places_table(results, "out of the encoder"))
    assert "before the classifier" not in only


# Absence


@pytest.mark.parametrize(
    "say",
    [
        answers.controls_said,
        answers.control_scores,
        answers.gained_by_controls,
        answers.lengths_by_controls,
        lambda run: answers.masses_by_controls(answers.neuron_table(run, ["reviews-supervised"]), {}, "", ""),
        answers.constant_said,
        answers.probe_said,
        answers.places_said,
        answers.places_table,
    ],
)
def test_an_older_run_says_in_a_sentence_what_it_lacks(older: Results, say: Callable[[Results], Any]):
    said = text(say(older))
    assert said.startswith("This run")
    assert said.endswith(".")
    assert said.count(". ") == 0


def test_an_older_run_has_none_of_the_tables(older: Results, results: Results):
    for has in (answers.has_controls, answers.has_constant, answers.has_probe, answers.has_places):
        assert has(results)
        assert not has(older)
    assert probing.probed(older) is None
    assert answers.random_draws(older) is None
    assert answers.control_rows(older)["control"].tolist() == ["real"]
    masses = answers.neuron_table(older, ["reviews-supervised"])
    assert answers.with_controls(older, masses)[1] == {}


# Charts


def drawn(results: Results) -> dict[str, Any]:
    stages = ["encyclopedia-6", "reviews-zero-shot", "reviews-supervised"]
    every, kinds = answers.with_controls(results, answers.neuron_table(results, stages))
    return {
        "controls": charts.controls(answers.control_rows(results)),
        "lengths": charts.controls(answers.control_rows(results), ["length", "tag_length"]),
        "constant": charts.constant(answers.rate_curves(results), answers.rate_steps(results)),
        "probe": charts.probe(results.table("probe"), results.roles),
        "sets": charts.random_sets(results.table("pruning"), results.table("pruning_random")),
        "masses": charts.masses(every, stages, results.roles, controls=kinds),
    }


def test_charts_fit_the_page_and_say_what_they_show(results: Results):
    for name, chart in drawn(results).items():
        spec = chart.to_dict()
        picture = charts.png(spec, scale=1)
        assert int.from_bytes(picture[16:20]) <= 650, name
        assert len(spec["description"]) > 60, name
        assert "nan" not in spec["description"], name


def test_descriptions_hold_the_numbers(results: Results):
    texts = {name: chart.description for name, chart in drawn(results).items()}
    real = answers.control_rows(results).iloc[0]
    assert (
        f"the labels: {real['shared']} shared, {real['avoided']} avoided, {real['gained']} gained" in texts["controls"]
    )
    assert "word alone 85.0 % (84.0 to 86.0); encyclopedia-0 (untrained) 60.0 %" in texts["probe"]
    assert "a constant rate: validation perplexity from 50 to 50" in texts["constant"]
    assert "reviews-supervised/shuffled-1:" in texts["masses"]
    assert "A-strict, before the classifier, train: not defined" in texts["sets"]


def test_one_fine_tuning_alone_can_be_drawn(older: Results):
    assert "the labels:" in charts.controls(answers.control_rows(older)).description


def test_charts_refuse_what_is_not_there(results: Results):
    rows = answers.control_rows(results)
    with pytest.raises(TxrayError, match="no panel 'lenght'"):
        charts.controls(rows, ["lenght"])
    with pytest.raises(TxrayError, match="no fine-tuning"):
        charts.controls(rows.iloc[:0])
    with pytest.raises(TxrayError, match="no random set"):
        charts.random_sets(results.table("pruning"), results.table("pruning_random").iloc[:0])
    with pytest.raises(TxrayError, match="probe table is empty"):
        charts.probe(results.table("probe").iloc[:0], results.roles)


def test_every_colour_is_one_ink_alone():
    """Dark pages exchange colours by value."""
    light = [ink.light for ink in theme._INKS]
    assert len(light) == len(set(light))
    assert set(theme.CONTROLS) == set(theme.CONTROL_SHAPES)


# The audit


def test_labels_are_asked_against_shuffled_ones(results: Results, older: Results):
    rows = audit.measure(results).set_index(["id", "part"]).loc["K42"]
    real, shuffled = (
        table[table["state"] == "shared"]
        for table in (results.transfer("rq3"), control_transfer_of(results.table("transfer"), ("shuffled-1",)))
    )
    by_hand = [
        float(np.median(np.exp(np.abs(np.log(t["length_after"] / t["length_before"]))) - 1)) for t in (real, shuffled)
    ]
    assert rows["value"].tolist() == pytest.approx([*by_hand, by_hand[0] - by_hand[1]])
    lacking = audit.measure(older).set_index(["id", "part"]).loc["K42"]
    assert lacking["value"].isna().all()
    assert set(lacking["why"]) == {"this run was not fine-tuned on shuffled labels"}
    verdict = audit.verdicts(older).set_index("id").loc["K42"]
    assert verdict["verdict"] == "not tested"


def test_seeds_alone_leave_the_labels_untested(results: Results, tmp_path: Path):
    folder = write_tables(tmp_path / "demo")
    write_table(
        control_transfer_of(read_table(folder / "transfer.parquet"), ("seed-1",)),
        folder / "control_transfer.parquet",
        {},
    )
    rows = audit.measure(Results("demo", folder, "frozen")).set_index(["id", "part"]).loc["K42"]
    assert rows["value"].isna().all()
