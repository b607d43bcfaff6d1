"""What the audit measures, against tables made by hand; and what it says where a run kept too little."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from by_hand import preferences_of

from txray_lib.audit import measure, measure_one
from txray_lib.audit.intervals import Measured
from txray_lib.audit.measures import PAIRS, Run
from txray_lib.paper import claim, judged
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table
from txray_lib.transfer import compare

STAGES = [
    ("wiki-0", "untrained", "wiki", 0),
    ("wiki-1", "early", "wiki", 1),
    ("wiki-2", "before-last", "wiki", 2),
    ("wiki-3", "last", "wiki", 3),
    ("imdb-zero-shot", "zero-shot", "imdb", 3),
    ("imdb-supervised", "supervised", "imdb", 3),
]
UNITS = 6
# Per stage and neuron: the features with count and mean activation. Tags: words of "a…" are NN, others IN.
HELD = {
    "wiki-0": {0: "a1 a2 b1"},
    "wiki-1": {0: "a1 a2 a3 b1", 1: "a1"},
    "wiki-2": {0: "a1 a2", 1: "a1", 2: "a2 a4 b1 b2"},
    "wiki-3": {0: "a1 a2", 1: "a1", 2: "a2 a4 b1 b2", 3: "b2"},
    "imdb-zero-shot": {0: "a1 a5", 1: "a1", 2: "a2 a4 b1"},
    "imdb-supervised": {0: "a1 a5 a6", 2: "a2", 4: "a7 a8", 5: "a9"},
}
MASS = {0: 10.0, 1: 0.5, 2: 2.0, 3: 0.2, 4: 4.0, 5: 0.1}
"""The activation of each occurrence by neuron; every feature occurs once."""


def preferences(stage: str) -> pd.DataFrame:
    return preferences_of(
        (neuron, feature, "NN" if feature[0] == "a" else "IN", 1, MASS[neuron])
        for neuron, features in HELD[stage].items()
        for feature in features.split()
    )


def stages() -> pd.DataFrame:
    rows = [
        (name, role, corpus, epoch, sum(len(f.split()) for f in HELD[name].values()), 0, UNITS)
        for name, role, corpus, epoch in STAGES
    ]
    return pd.DataFrame(rows, columns=["stage", "role", "corpus", "epoch", "tokens", "nobody", "neurons"])


def pruning() -> pd.DataFrame:
    """Changes by set: (train, test) out of the encoder; B and C hold two neurons each."""
    changes = {"A": (0.02, 0.01), "B": (-0.03, 0.0), "C": (-0.05, -0.02), "D": (-0.04, -0.03)}
    made = pd.DataFrame(changes, index=["train", "test"]).melt(ignore_index=False, var_name="set", value_name="change")
    return made.rename_axis("split").reset_index().assign(neurons=2, way="out of the encoder", sampling_error=0.001)


def random_sets() -> pd.DataFrame:
    """A hundred sets of the size of each: from −0.01 to 0.02, and others that are alike in mass."""
    rows = [
        (name, "out of the encoder", split, match, shift + 0.03 * draw / 100 - 0.01)
        for name in "ABCD"
        for split in ("train", "test")
        for match, shift in (("size", 0.0), ("mass", 5.0))
        for draw in range(101)
    ]
    return pd.DataFrame(rows, columns=["set", "way", "split", "match", "change"])


def nulls() -> pd.DataFrame:
    """By chance every distance is 0.4 early and 0.2 late, without spread."""
    rows = [(name, n, h, h, h) for name, h in (("wiki-1:wiki-2", 0.4), ("wiki-2:wiki-3", 0.2)) for n in range(UNITS)]
    return pd.DataFrame(rows, columns=["comparison", "neuron", "expected", "null_05", "null_95"])


def null_states() -> pd.DataFrame:
    rows = [
        ("wiki-1:wiki-2", "shared", 3.0),
        ("wiki-2:wiki-3", "shared", 3.6),
        ("wiki-3:imdb-zero-shot", "shared", 3.3),
        ("imdb-zero-shot:imdb-supervised", "shared", 2.7),
        ("imdb-zero-shot:imdb-supervised", "avoided", 0.3),
        ("imdb-zero-shot:imdb-supervised", "gained", 0.6),
    ]
    made = pd.DataFrame(rows, columns=["comparison", "state", "expected"])
    return made.assign(null_05=made["expected"], null_95=made["expected"])


def scores() -> pd.DataFrame:
    """On test reviews 40 hits, 20 called positive wrongly, 10 missed, 30 others: F1 is 80 / 110."""
    rates = {"f1": 80 / 110, "precision": 40 / 60, "recall": 40 / 50, "accuracy": 0.7}
    return pd.DataFrame([{"split": "test", "shared_texts": "kept", "reviews": 100, **rates}])


def transfer() -> pd.DataFrame:
    """The four comparisons; and two halves of the pretraining text, with 2 and 3 of activation per token."""
    stage = {role: name for name, role, *_ in STAGES}
    names = [(stage[before], stage[after]) for before, after in PAIRS.values()]
    made = [compare(*map(preferences, pair), UNITS, pair).assign(question="rq1") for pair in names]
    halves = {"comparison": "wiki-3/first-half:wiki-3/second-half", "before": "wiki-3/first-half", "state": "shared"}
    sizes = {"mass_before": 20.0, "count_before": 10, "mass_after": 36.0, "count_after": 12}
    own = pd.DataFrame({"neuron": range(UNITS)}).assign(question="control", **halves, **sizes)
    return pd.concat([*made, own], ignore_index=True)


def shuffled() -> pd.DataFrame:
    """With shuffled labels neuron 4 is gained, and neuron 0, the only shared one, grows from two features to six."""
    states = ["shared", "avoided", "avoided", "never preferred", "gained", "never preferred"]
    made = pd.DataFrame({"control": "shuffled-1", "neuron": range(UNITS), "state": states})
    return made.assign(length_before=[2, 1, 3, 0, 0, 0], length_after=[6, 0, 0, 0, 2, 0], mass_after=MASS.values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("results") / "made"
    made.mkdir()
    (made / "provenance.json").write_text(json.dumps({"profile": "made"}), encoding="utf-8")
    settings = {"name": "made", "seed": 4, "tagger": "own", "corpora": {}, "pretraining": {"dropout": 0.2}}
    (made / "profile.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    for name in HELD:
        write_table(preferences(name), made / "preferences" / f"{name}.parquet", {})
    curve = [("pretraining", float(e), "valid_perplexity", p) for e, p in enumerate((1000.0, 100.0, 50.0, 40.0))]
    tables = {
        "stages": stages(),
        "transfer": transfer(),
        "training": pd.DataFrame(curve, columns=["phase", "epoch", "measure", "value"]),
        "pruning": pruning(),
        "pruning_random": random_sets(),
        "tag_counts": pd.DataFrame([("wiki", "NN", 5), ("wiki", "IN", 3)], columns=["corpus", "tag", "tokens"]),
        "nulls": nulls(),
        "null_states": null_states(),
        "scores": scores(),
        "control_transfer": shuffled(),
    }
    for name, table in tables.items():
        write_table(table, made / f"{name}.parquet", {})
    return made


def measured_in(folder: Path) -> pd.DataFrame:
    return measure(Results("made", folder, "frozen")).set_index("id")


def one_in(folder: Path, number: str) -> Measured:
    return measure_one(Run(Results("made", folder, "frozen")), claim(number))


@pytest.fixture
def other(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the run with other tables, or without one (None)."""

    def make(**tables: pd.DataFrame | None) -> Path:
        copy = tmp_path / "made"
        shutil.copytree(folder, copy)
        for name, table in tables.items():
            (copy / f"{name}.parquet").unlink()
            if table is not None:
                write_table(table, copy / f"{name}.parquet", {})
        return copy

    return make


@pytest.fixture(scope="module")
def table(folder: Path) -> pd.DataFrame:
    return measured_in(folder)


POSITIVE = 50 / 100
EXCHANGED = ((2 / 3 + 3 + 3 / 2 + 1 / 3) / 2 - 2) / 2
"""Neuron 0 goes from two features to three, neuron 2 from three to one: changes of both, exchanged at random."""
# N3, early: neuron 0 loses two of four features of like mean, 1 keeps its only one; late nothing changes.
# F3: in wiki-0 NN has 2 of 3 tokens and of the mass; in wiki-3 24.5 of 28.7, in a text of five NN to three IN.


@pytest.mark.parametrize(
    ("number", "value", "chance"),
    [
        ("S2", 40, math.nan),
        ("S4", 80 / 110, 2 * POSITIVE / (1 + POSITIVE)),
        ("N1", 3 / 6 - 2 / 6, (3.6 - 3.0) / 6),
        ("N2", (4 + 1) / 2, math.nan),
        ("N3", 1, 1 - 0.2 / 0.4),
        ("N4", 0, 0),
        ("N7", 3 / 6, 3.3 / 6),
        ("N8", 3 / 6 - 3 / 6, (3.6 - 3.3) / 6),
        ("N11", 2 / 6 - 3 / 6, (2.7 - 3.3) / 6),
        ("N12", 1 / 3, 0.3 / 3),
        ("N13", 2 / 6, 0.6 / 6),
        ("N15", 1, 2 / 4),
        ("N17 tokens", 4 / 5 - 1, 0),
        ("N17 ratios", (3 / 2 + 1 / 3) / 2 - 1, EXCHANGED),
        ("N17 POS", 2 / 3 - 1, 0),
        ("N18", 7 / 6 - 1, 0),
        ("T2-A test", 0.01, 0.005),
        ("T2-B mass", (0.1 + 2.0) / 40.1, 30 / 30),
        ("T2-C mass", (30.0 + 8.0) / 40.1, 30 / 30),
        ("T2-D mass", (8.0 + 0.1) / 40.1, math.nan),
        ("T2-C test", -0.02, 0.005),
        ("F3", 1, 1),
        ("F11", 0, 0),
        ("K5", 1 / 2, 1 / 2),
        ("K8", (7 / 3) / (5 / 2) - 1, 0),
        ("K23", 2 / 6, 1 / 6),
        ("K26", 0.01 - 0.02, 0),
        ("K31", -0.03 - (0.0 - 0.02) / 2, 0),
        ("K32", (26.5 / 6) / (28.7 / 8), 3 / 2),
        ("K42", (1 / 2 + 2) / 2, 2),
        ("K53", 1 / 2, 2 / 4),
        ("K54", (0.01 + 0.0 + 0.02 + 0.03) / 2, 0),
        ("K56", 0, 0),
    ],
)
def test_each_number_and_what_chance_gives_is_what_one_counts_by_hand(table, number, value, chance):
    its = table.loc[number]
    assert its["value"] == pytest.approx(value)
    assert its["chance"] == pytest.approx(chance, nan_ok=True, abs=1e-12)
    assert its["beyond"] == pytest.approx(value - chance, nan_ok=True)


def test_every_claim_has_one_row_and_an_interval_that_holds_its_value_or_a_reason_for_none(table, folder):
    assert list(table.index) == [its.id for its in judged()]
    wilson = 0.455, 0.680  # of 40 hits among 70 reviews that are positive or called so
    assert tuple(table.loc["S4", ["low", "high"]]) == pytest.approx([2 * w / (1 + w) for w in wilson], abs=1e-3)
    with_interval = table.dropna(subset=["low", "high"])
    assert (with_interval["low"] <= with_interval["value"] + 1e-9).all()
    assert (with_interval["value"] <= with_interval["high"] + 1e-9).all()
    assert (with_interval["basis"] != "").all()
    assert (table.loc[table["low"].isna(), "why"] != "").all()
    assert np.array_equal(measured_in(folder)["low"], table["low"], equal_nan=True), "the same neurons are drawn again"


@pytest.mark.parametrize(
    ("lost", "number", "has_value"),
    [
        ("scores", "S4", False),
        ("pruning", "T2-A test", False),
        ("pruning", "K54", False),
        ("control_transfer", "K23", False),
        ("null_states", "N13", True),
        ("nulls", "N3", True),
        ("control_transfer", "F11", True),
        ("pruning_random", "T2-A test", True),
    ],
)
def test_what_needs_a_table_that_a_run_did_not_keep_is_missing(other, lost, number, has_value):
    """The number with a reason, or the chance alone."""
    its = one_in(other(**{lost: None}), number)
    assert math.isnan(its.value) != has_value
    assert math.isnan(its.chance)
    assert math.isnan(its.beyond_low)
    assert has_value or its.why


@pytest.mark.parametrize(("emptied", "number"), [("training", "S2"), ("training", "K15"), ("scores", "S4")])
def test_a_table_that_holds_no_such_row_is_as_good_as_none(folder, other, emptied, number):
    empty = {emptied: read_table(folder / f"{emptied}.parquet").iloc[:0]}
    assert math.isnan(one_in(other(transfer=epochs(lambda step: 0.9), **empty), number).value)


def test_a_run_without_an_untrained_stage_has_no_such_chance(other):
    its = measured_in(other(stages=stages().query("role != 'untrained'")))
    assert math.isnan(its.loc["F3", "value"])
    assert "untrained" in its.loc["F3", "why"]
    assert its.loc[["N4", "T2-C mass"], "value"].notna().all()
    assert its.loc[["N4", "T2-C mass"], "chance"].isna().all()


def test_a_run_of_one_snapshot_measures_what_needs_no_other(other):
    its = measured_in(other(stages=stages().query("role not in ['untrained', 'early', 'before-last']")))["value"]
    assert its[["N1", "N3", "N8", "K1", "K5", "K6", "K8"]].isna().all()
    assert its[["N7", "N11", "N12", "N13", "N18", "K32"]].notna().all()


def test_the_spread_of_what_chance_gives_widens_what_lies_beyond_it_and_nothing_else(folder, other):
    rows = null_states()
    wide = rows.assign(null_05=rows["expected"] - 2, null_95=rows["expected"] + 2)
    narrow, found = one_in(folder, "N13"), one_in(other(null_states=wide), "N13")
    assert (found.value, found.low, found.high, found.chance) == (narrow.value, narrow.low, narrow.high, narrow.chance)
    assert found.beyond_high - found.beyond_low > narrow.beyond_high - narrow.beyond_low


def epochs(fall: Callable[[int], float]) -> pd.DataFrame:
    """Neighbouring epochs of six shared neurons whose distance is `fall` of the step."""
    rows = [(f"wiki-{step}", f"wiki-{step + 1}", n, fall(step)) for step in range(3) for n in range(UNITS)]
    made = pd.DataFrame(rows, columns=["before", "after", "neuron", "hellinger"])
    return made.assign(question="epochs", comparison=made["before"] + ":" + made["after"], state="shared")


@pytest.mark.parametrize(("fall", "expected"), [(lambda s: 0.9 / (s + 1), 1.0), (lambda s: 0.1 * (s + 1), -1.0)])
def test_distances_converge_as_perplexity_does_or_against_it(other, fall, expected):
    """Log perplexity falls by log 10, log 2 and log 1.25: the steps are in falling order."""
    assert one_in(other(transfer=epochs(fall)), "K15").value == pytest.approx(expected)


@pytest.mark.parametrize("is_learned", [False, True])
def test_a_correlation_that_chance_gives_too_lies_within_its_interval(other, is_learned):
    """K1 over 200 shared neurons whose distances follow their lengths, as those of rearranged blocks do, or do not."""
    rng = np.random.default_rng(1)
    lengths = rng.permutation(200).astype(float)
    expected = 0.9 - lengths / 400 + rng.normal(0, 0.1, 200)
    distances = 0.9 - lengths / 400 if is_learned else expected + rng.normal(0, 0.05, 200)
    expected = rng.permutation(expected) if is_learned else expected
    rows = pd.DataFrame({"neuron": range(200), "hellinger": distances, "state": "shared", "length_before": lengths})
    rows = rows.assign(question="rq1", comparison="wiki-2:wiki-3", before="wiki-2", length_after=lengths)
    null = rows[["comparison", "neuron"]].assign(expected=expected, null_05=expected - 0.01, null_95=expected + 0.01)
    its = one_in(other(transfer=rows, nulls=null), "K1")
    assert its.high < 0, "it excludes 0"
    assert its.beyond_high < 0 if is_learned else its.beyond_low < 0 < its.beyond_high


@pytest.mark.parametrize(
    ("encoder", "told"), [({"transformer": "bert"}, "is a Transformer"), ({"layers": "all"}, "is read in layers")]
)
def test_claims_on_the_one_layer_of_an_lstm_are_not_measured_on_encoders_of_layers(other, encoder, told):
    copy = other()
    settings = {"name": "made", "seed": 4, "encoder": encoder}
    (copy / "profile.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    table = measured_in(copy)
    assert table["value"].isna().all()
    assert f"this encoder {told}" in table.loc["N1", "why"]
