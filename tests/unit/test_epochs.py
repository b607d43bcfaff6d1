"""Epoch by epoch: steps and lengths by hand, sentences that follow the numbers, what is left out and what is missing."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from telling_tables import write_tables

from txray_lib import answers, figures as charts
from txray_lib.answers.epochs import Neighbours, epoch_steps
from txray_lib.figures.epochs import snapshot_lengths, steps
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

EPOCHS = pd.Series({"s0": 0, "s1": 1, "s2": 2, "s3": 3})
CURVE = {0: 1000.0, 1: 100.0, 2: 50.0, 3: 40.0}


def step(number: int, *neurons: tuple[int, int, float]) -> pd.DataFrame:
    """Transfer rows of the step that ends at this epoch, from (length before, length after, distance)."""
    before, after = f"s{number - 1}", f"s{number}"
    rows = [
        (
            f"{before}:{after}",
            "epochs",
            before,
            after,
            0,
            i,
            "shared" if x and y else "avoided" if x else "gained",
            x,
            y,
            h,
        )
        for i, (x, y, h) in enumerate(neurons)
    ]
    columns = [
        "comparison",
        "question",
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
FIRST = step(1, (2, 8, 0.9), (3, 3, 0.7), (0, 4, NAN), (5, 0, NAN))
SECOND = step(2, (8, 16, 0.6), (3, 6, 0.4), (4, 4, 0.5))
THIRD = step(3, (16, 16, 0.2), (6, 6, 0.1), (4, 8, 0.3))
ROWS = pd.concat([FIRST, SECOND, THIRD], ignore_index=True)


def run(folder: Path, rows: pd.DataFrame, curve: dict[int, float], rates: dict[int, float] | None = None) -> Results:
    """Tables whose snapshots, comparisons and curves are these and no others."""
    write_tables(folder)
    stages = read_table(folder / "stages.parquet").iloc[:4]
    roles = ["untrained", "early", "before-last", "last"]
    write_table(stages.assign(stage=list(EPOCHS.index), epoch=list(EPOCHS), role=roles), folder / "stages.parquet", {})
    write_table(rows, folder / "transfer.parquet", {})
    points = [("pretraining", float(e), "valid_perplexity", p, 1.0) for e, p in curve.items()]
    points += [("pretraining", float(e), "learning_rate", r, 1.0) for e, r in (rates or {}).items()]
    write_table(
        pd.DataFrame(points, columns=["phase", "epoch", "measure", "value", "seconds"]), folder / "training.parquet", {}
    )
    return Results("demo", folder, "live")


def test_a_step_stands_where_it_ends_and_counts_shared_neurons() -> None:
    table = steps(pd.concat([SECOND, FIRST]), EPOCHS)
    assert table["epoch"].tolist() == [1, 2]
    assert table["start"].tolist() == [0, 1]
    assert table["shared"].tolist() == [2, 3]
    assert table["median"].tolist() == pytest.approx([0.8, 0.5])
    assert table["low"].tolist() == pytest.approx([0.75, 0.45])


def test_lengths_of_a_snapshot_are_those_of_its_preferred_neurons() -> None:
    table = snapshot_lengths(ROWS, EPOCHS).set_index("stage")
    assert table.loc["s0", ["median", "preferred"]].tolist() == [3, 3]
    assert table.loc["s1", "median"] == 4
    assert table.loc["s3", "high"] == 12
    assert table["epoch"].tolist() == [0, 1, 2, 3]


def test_the_steps_of_the_page_by_hand(tmp_path: Path) -> None:
    results = run(tmp_path / "demo", ROWS, CURVE)
    table = epoch_steps(results, answers.neighbours(results).rows)
    assert table["fall"].tolist() == pytest.approx([0.9, 0.5, 0.2])
    assert table["factor"].tolist() == pytest.approx([2.0, 2.0, 1.0])
    assert table["preferred_end"].tolist() == [3, 3, 3]
    assert table["shared"].tolist() == [2, 3, 3]


def test_sentences_follow_the_numbers(tmp_path: Path) -> None:
    results = run(tmp_path / "demo", ROWS, CURVE)
    found = answers.neighbours(results)
    assert "3 steps between neighbouring snapshots: epochs 0 → 1, 1 → 2, 2 → 3." in answers.kept(results, found).data
    said = answers.converges(results, found).data
    assert "In the last step both move least: perplexity changes by −20.0 % there and by −90.0 % in the first" in said
    assert "the median distance is 0.20 there and 0.80 in the first (75.0 % less)" in said
    assert "the last has 9.7 %, of its median distance 25.0 %: distances are slower to settle" in said
    lengths = answers.lengths_settle(results, found).data
    assert "a factor of 1.00 in the last step and of 2.00 in the first; in no step does it change less" in lengths
    assert "from 3 to 3 in the last step, with 3 in use on both sides, and from 3 to 3 in the first, with 2" in lengths


def test_where_perplexity_rises_and_distances_grow_the_page_says_the_opposite(tmp_path: Path) -> None:
    wider = pd.concat(
        [FIRST.assign(hellinger=FIRST["hellinger"] / 9), SECOND, THIRD.assign(hellinger=0.95, length_after=99)]
    )
    results = run(tmp_path / "demo", wider, {0: 100.0, 1: 90.0, 2: 89.0, 3: 120.0})
    found = answers.neighbours(results)
    said = answers.converges(results, found).data
    assert "In the last step neither moves least: perplexity changes by +34.8 % there" in said
    assert "slower to settle" not in said
    assert "in another step it changes less than in the last" in answers.lengths_settle(results, found).data


def test_one_that_settles_alone_is_named(tmp_path: Path) -> None:
    results = run(tmp_path / "demo", ROWS, {0: 1000.0, 1: 990.0, 2: 980.0, 3: 10.0})
    said = answers.converges(results, answers.neighbours(results)).data
    assert "only distance moves least" in said
    assert "distances settle at least as far" in said


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({1: 0.01, 2: 0.005, 3: 0.00001}, "must both come to rest"),
        ({1: 0.01, 2: 0.008, 3: 0.005}, "makes late steps smaller by itself, though it does not bring them to rest"),
        ({1: 0.01, 2: 0.01, 3: 0.01}, "does not force the distances to shrink"),
        ({}, "was not kept"),
    ],
)
def test_what_the_schedule_does_by_itself(rates: dict[int, float], said: str, tmp_path: Path) -> None:
    results = run(tmp_path / "demo", ROWS, CURVE, rates)
    assert said in answers.optimiser(results, answers.neighbours(results)).data


def test_short_neurons_lose_their_distance_and_stay_counted(tmp_path: Path) -> None:
    results = run(tmp_path / "demo", ROWS, CURVE)
    found = answers.neighbours(results, min_length=4)
    table = epoch_steps(results, found.rows)
    assert math.isnan(table["median"][0])
    assert table["median"].tolist()[1:] == pytest.approx([0.55, 0.2])
    assert table["shared"].tolist() == [2, 3, 3]
    chart = charts.epochs(results.table("training"), found.rows, results.stages)
    assert "nan" not in chart.description
    with pytest.raises(TxrayError, match="smaller min_length"):
        answers.neighbours(results, min_length=500)


def test_the_untrained_encoder_can_be_left_out_and_an_older_run_says_so(tmp_path: Path) -> None:
    results = run(tmp_path / "demo", ROWS, CURVE)
    assert len(epoch_steps(results, answers.neighbours(results, untrained=False).rows)) == 2
    older = run(tmp_path / "small", ROWS.assign(question="rq1"), CURVE)
    found = answers.neighbours(older)
    assert not found.every
    assert "of an older run" in answers.kept(older, found).data


def test_without_a_curve_or_a_shared_neuron_the_question_stays_open(tmp_path: Path) -> None:
    results = run(tmp_path / "demo", ROWS, {})
    found = answers.neighbours(results)
    assert "cannot be answered" in answers.converges(results, found).data
    chart = charts.epochs(results.table("training"), found.rows, results.stages)
    assert "no perplexity; median Hellinger distance" in chart.description
    assert len(chart.vconcat) == 3
    assert answers.learning_curve(results, results.stages) == []
    assert "no perplexity with them" in answers.perplexity(results).data
    none = Neighbours(ROWS.assign(state="avoided", hellinger=NAN), True)
    assert "No neuron is shared in any step" in answers.lengths_settle(results, none).data


def test_the_yardstick_is_the_median_of_halves(tmp_path: Path) -> None:
    halves = FIRST.assign(question="control", comparison="c", before="s3/first-half", after="s3/second-half")
    results = run(tmp_path / "demo", pd.concat([ROWS, halves]), CURVE)
    assert answers.halves_median(results) == pytest.approx(0.8)
    assert answers.halves_median(results, 3) == pytest.approx(0.7)
    assert answers.halves_median(run(tmp_path / "tiny", ROWS, CURVE)) is None
