"""What the audit measures, against tables made by hand; and what it says where a run kept too little."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from telling_tables import write_tables

from txray_lib.audit import measure
from txray_lib.audit.measures import COLUMNS, against, effect_name
from txray_lib.paper import claims
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

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
    rows = [
        (0, neuron, feature, "NN" if feature[0] == "a" else "IN", -1, 1, MASS[neuron], math.nan)
        for neuron, features in HELD[stage].items()
        for feature in features.split()
    ]
    columns = ["layer", "neuron", "feature", "tag", "y", "count", "activation_sum", "prediction_sum"]
    return pd.DataFrame(rows, columns=columns).astype({"feature": "category", "tag": "category"})


def stages() -> pd.DataFrame:
    rows = [
        (name, role, corpus, epoch, sum(len(f.split()) for f in HELD[name].values()), 0, UNITS)
        for name, role, corpus, epoch in STAGES
    ]
    return pd.DataFrame(rows, columns=["stage", "role", "corpus", "epoch", "tokens", "nobody", "neurons"])


def pruning() -> pd.DataFrame:
    """Changes by set: (train, test) out of the encoder; B and C hold two neurons each."""
    changes = {"A": (0.02, 0.01), "B": (-0.03, 0.0), "C": (-0.05, -0.02), "D": (-0.04, -0.03)}
    rows = [
        (name, 2, share, "out of the encoder", split, change, -0.01, 0.0, 0.02)
        for (name, pair), share in zip(changes.items(), (0.0, 0.05, 0.9, 0.2), strict=True)
        for split, change in zip(("train", "test"), pair, strict=True)
    ]
    columns = ["set", "neurons", "mass_share", "way", "split", "change", "random_low", "random_median", "random_high"]
    return pd.DataFrame(rows, columns=columns)


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
        "transfer": pd.DataFrame({"comparison": [], "question": []}).astype(str),
        "training": pd.DataFrame(curve, columns=["phase", "epoch", "measure", "value"]),
        "pruning": pruning(),
        "scores": pd.DataFrame({"split": ["train", "test"], "shared_texts": "kept", "f1": [0.9, 0.8]}),
        "truth": pd.DataFrame({"word": ["a7", "a9", "a1"], "sentiment": [1, -1, 0]}),
    }
    for name, table in tables.items():
        write_table(table, made / f"{name}.parquet", {})
    return made


@pytest.fixture(scope="module")
def measured(folder: Path) -> pd.DataFrame:
    return measure(Results("made", folder, "frozen")).set_index(["id", "part"])


@pytest.mark.parametrize(
    ("number", "part", "expected"),
    [
        ("S1", "units", 6),
        ("S2", "epochs", 3),
        ("S2", "dropout", 0.2),
        ("S2", "perplexity", 40),
        ("S2", "seeds", 4),
        ("S4", "f1", 0.8),
        ("S5", "flair", 0),
        ("N1", "early", 2 / 6),
        ("N1", "late", 3 / 6),
        ("N2", "early", (4 + 1) / 2),
        ("N2", "before_last", (2 + 1 + 4) / 3),
        ("N7", "shared", 3 / 6),
        ("N8", "drop", 0),
        ("N11", "shared", 2 / 6),
        ("N12", "lost", 1 / 3),
        ("N12", "avoided", 1 / 3),
        ("N13", "gained", 2 / 6),
        ("N14", "empty", 2 / 6),
        ("N14", "avoided", 1 / 6),
        ("N15", "share", 1),
        ("N17", "tokens", 4 / 5 - 1),
        ("N17", "tags", 2 / 3 - 1),
        ("N18", "tokens", 7 / 6 - 1),
        ("T2-0", "base", 0.8),
        ("T2-B", "mass", 0.05),
        ("T2-C", "train", -0.05),
        ("F2", "early", 1 / 3),
        ("F2", "late", 3 / 4),
        ("F10", "longer", 1 / 2),
        ("K4", "early", 2 / 6),
        ("K4", "last", 4 / 6),
        ("K5", "longer", 1 / 2),
        ("K16", "shared", 3 / 4),
        ("K21", "zero_shot", 3 / 6),
        ("K23", "gained", (1 / 2 + 1) / 2),
        ("K23", "shared", 0),
        ("K26", "gap", -0.01),
        ("K27", "gap", 0.03),
        ("K28", "gap", -0.05 - -0.04),
        ("K29", "gap", 0.03),
        ("K30", "gap", 0.01),
        ("K31", "d_b", -0.03),
        ("K31", "d_c", -0.01),
        ("K32", "activation", ((20 + 0.5 + 6) / 6) / ((20 + 0.5 + 8 + 0.2) / 8)),
        ("K33", "pretrained", 4 / 6),
        ("K33", "zero_shot", 3 / 6),
        ("K37", "gap", 0.1),
        ("K45", "tokens", 1),
        ("K47", "first", 0.5),
        ("K47", "last", 0.2),
        ("K50", "tokens", 7 / 6),
        ("K53", "b", 1 / 2),
        ("K53", "c", 1 / 2),
        ("K54", "gap", 0.0 - -0.02),
        ("F11", "tail_before", 3 / 6),
        ("F11", "tail_after", 4 / 6),
        ("F11", "total_before", 26.5 / 28.7),
    ],
)
def test_each_part_is_what_one_counts_by_hand(measured, number, part, expected):
    assert measured.loc[(number, part), "value"] == pytest.approx(expected)


def test_tags_are_measured_against_the_text_that_was_read(measured):
    """wiki-0 by neuron 0 alone: 2 of 3 tokens are NN, and so is its mass. wiki-3: NN is 20 + 0.5 + 4 of 28.7."""
    corpus = 5 / 8  # of wiki-3: a1 a2 | a1 | a2 a4 among eight
    assert measured.loc[("K10", "untrained"), "value"] == pytest.approx(abs(2 / 3 - corpus))
    assert measured.loc[("K12", "last"), "value"] == pytest.approx(abs(24.5 / 28.7 - corpus))
    assert measured.loc[("K11", "later"), "value"] == pytest.approx(abs(24.5 / 28.7 - 30.5 / 40.5))


def test_the_spread_of_random_sets_is_laid_around_a_change(measured):
    its = measured.loc[("T2-C", "test")]
    assert (its["low"], its["high"], its["basis"]) == (pytest.approx(-0.04), pytest.approx(-0.01), "random sets")
    gap = measured.loc[("K29", "gap")]
    assert (gap["low"], gap["high"]) == (pytest.approx(-0.04 + 0.04), pytest.approx(-0.01 + 0.07))


def test_every_part_and_every_comparison_of_parts_has_one_row(measured):
    expected = [(name, part) for name, claim in claims().items() for part in claim.parts]
    expected += [(name, effect_name(*pair)) for name, claim in claims().items() for pair in against(claim)]
    assert sorted(measured.index) == sorted(expected)
    assert measured.index.is_unique


def test_what_two_parts_are_compared_by_is_their_difference(measured):
    for name, claim in claims().items():
        for first, second in against(claim):
            values = [measured.loc[(name, part), "value"] for part in (first, second, effect_name(first, second))]
            assert values[2] == pytest.approx(values[0] - values[1], nan_ok=True)


def test_an_interval_holds_its_value_or_is_absent_with_a_reason(folder, tmp_path):
    telling = measure(Results("tiny", write_tables(tmp_path / "tiny"), "frozen"))
    for table in (telling, measure(Results("made", folder, "frozen"))):
        assert list(table.columns) == COLUMNS
        with_interval = table.dropna(subset=["low", "high"])
        assert (with_interval["low"] <= with_interval["high"]).all()
        assert (with_interval["basis"] != "").all()
        without = table[table["low"].isna()]
        assert (without["why"] != "").all(), without[without["why"] == ""]
    inside = telling.dropna(subset=["low"])
    sets = inside[inside["basis"] == "random sets"]
    assert ((sets["low"] <= sets["value"]) & (sets["value"] <= sets["high"])).all()


@pytest.mark.parametrize(
    ("lost", "number", "part", "why"),
    [
        ("scores", "S4", "f1", "kept no scores"),
        ("pruning", "T2-A", "test", "pruned no such set"),
        ("pruning", "N15", "share", "no set B"),
        ("pruning", "K54", "gap", "not all four sets"),
        ("truth", "K23", "gained", "no truth about words"),
        ("training", "S2", "perplexity", "no training curves"),
        ("training", "K47", "last", "fewer than three epochs"),
        ("corpora", "K17", "target", "no table of corpora"),
        ("tag_accuracy", "K3", "target", "no true tags"),
        ("transfer", "K15", "distance", "did not compare every epoch"),
    ],
)
def test_a_table_that_a_run_did_not_keep_is_the_reason(folder, tmp_path, lost, number, part, why):
    copy = tmp_path / "made"
    shutil.copytree(folder, copy)
    if lost not in ("corpora", "tag_accuracy", "transfer"):
        (copy / f"{lost}.parquet").unlink()
    its = measure(Results("made", copy, "frozen")).set_index(["id", "part"]).loc[(number, part)]
    assert math.isnan(its["value"])
    assert why in its["why"]


def test_a_run_without_an_untrained_stage_says_which_is_missing(folder, tmp_path):
    copy = tmp_path / "made"
    shutil.copytree(folder, copy)
    table = read_table(copy / "stages.parquet")
    write_table(table[table["role"] != "untrained"], copy / "stages.parquet", {})
    its = measure(Results("made", copy, "frozen")).set_index(["id", "part"]).loc[("K10", "early")]
    assert its["why"] == "this run kept no stage with the role untrained"


def epochs(fall: Callable[[int], float]) -> pd.DataFrame:
    """Neighbouring epochs of six shared neurons whose distance and change of length are `fall` of the step."""
    rows = []
    for step, (before, after) in enumerate((("wiki-0", "wiki-1"), ("wiki-1", "wiki-2"), ("wiki-2", "wiki-3"))):
        change = fall(step)
        rows += [
            ("epochs", f"{before}:{after}", before, after, n, "shared", 100, 100 * (1 + change), change)
            for n in range(6)
        ]
    columns = "question comparison before after neuron state length_before length_after hellinger"
    return pd.DataFrame(rows, columns=columns.split())


@pytest.mark.parametrize(("fall", "expected"), [(lambda s: 0.9 / (s + 1), 1.0), (lambda s: 0.1 * (s + 1), -1.0)])
def test_distance_and_length_converge_as_perplexity_does_or_against_it(folder, tmp_path, fall, expected):
    """Log perplexity falls by log 10, log 2 and log 1.25: the steps are in falling order."""
    copy = tmp_path / "made"
    shutil.copytree(folder, copy)
    write_table(epochs(fall), copy / "transfer.parquet", {})
    table = measure(Results("made", copy, "frozen")).set_index(["id", "part"])["value"]
    assert [table["K15", part] for part in ("distance", "length")] == pytest.approx([expected] * 2)


def test_neurons_drawn_again_are_the_same_each_time(folder, measured):
    again = measure(Results("made", folder, "frozen")).set_index(["id", "part"])
    assert np.array_equal(again["low"], measured["low"], equal_nan=True)
