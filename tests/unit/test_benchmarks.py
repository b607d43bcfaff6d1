"""Every row of the benchmarks can be measured, at sizes that say nothing; the table and its errors. No time is tested."""

import json
import math
import os
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks.measuring import Measured, Row, Sizes, best_threads, draw_lengths
from benchmarks.transforming import agreeing
from txray_lib import places
from txray_lib.encoders.lstm import has_bfloat16

SIZES = Sizes(8, 4, 60, 600, 3_000, 40, 4, 1, 4, 3, 3_000)
NEUROX = {"layers", "neurox", "neurox-long", "neurox-disk", "neurox-words", "neurox-same"}
NOT_HERE = {"notebook", "book", "overhead-gpu", "explorer-ready", "explorer-click", *NEUROX}
"""Rows of what may not be at hand, or takes long."""
if not has_bfloat16("cpu"):
    NOT_HERE.add("bfloat16")
ALIKE = {"memory", "null-swap", "null-deal"}
"""Rows measured as another one is, which is enough for a test."""
ROW = Row("r", "this over that", "times", "at most", 2.5, lambda sizes: Measured(2.0, {}, "Of two."), "It is slow.")


@pytest.mark.parametrize("name", sorted(set(command.ROWS) - NOT_HERE - ALIKE))
def test_a_row_can_be_measured(name, tmp_path, monkeypatch):
    if name == "tagging":
        pytest.importorskip("flair")
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    told = command.measure_once(command.ROWS[name], SIZES, tmp_path)
    assert told["value"] > 0
    assert math.isfinite(told["value"])
    assert told["met"] == command.ROWS[name].is_met(told["value"])


@pytest.mark.skipif(
    not (places.root() / "build" / "benchmarks" / "neurox").is_dir(), reason="make bench ARGS=neurox installs NeuroX"
)
def test_rows_beside_neurox_can_be_measured(tmp_path):
    values = {name: command.measure_once(command.ROWS[name], SIZES, tmp_path)["value"] for name in NEUROX}
    assert all(value > 0 and math.isfinite(value) for value in values.values())


def test_where_neurox_cannot_be_installed_its_rows_say_so(tmp_path, monkeypatch):
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    told = command.measure_once(command.ROWS["neurox"], replace(SIZES, rounds=2), tmp_path)
    assert told["value"] is None
    assert "NeuroX cannot be installed: ERROR: No matching distribution" in command.say(told)
    assert [*(tmp_path / "build" / "benchmarks").iterdir()] == []


def test_without_products_in_bfloat16_their_row_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.training.has_bfloat16", lambda device: False)
    told = command.measure_once(command.ROWS["bfloat16"], SIZES, tmp_path)
    assert told["value"] is None
    assert "not at hand" in command.say(told)


def test_neurons_agree_in_words_counts_and_sums():
    columns = ["layer", "neuron", "feature", "tag", "count", "activation_sum"]
    rows = [
        (0, 1, "a", "NN", 2, 1.0),
        (0, 1, "a", "VB", 1, 0.5),
        (0, 2, "b", "NN", 1, 1.0),
        (1, 1, "a", "NN", 1, 2.0),
        (1, 3, "c", "NN", 1, 3.0),
    ]
    ours = pd.DataFrame(rows, columns=columns)
    assert agreeing(ours, ours) == 4
    summed = pd.DataFrame([(0, 1, "a", "NN", 3, 1.50001), *rows[2:]], columns=columns)
    assert agreeing(ours, summed) == 4
    assert agreeing(ours, ours.replace({"feature": {"b": "d"}})) == 3
    assert agreeing(ours, ours.replace({"activation_sum": {2.0: 2.1}})) == 3
    assert agreeing(ours, ours.replace({"neuron": {3: 1}})) == 2


def test_a_figure_is_kept_and_judged_by_the_limit_of_today(tmp_path):
    told = command.measure_once(ROW, SIZES, tmp_path)
    assert (told["value"], told["met"], told["note"]) == (2, True, "Of two.")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["value"] == 2
    later = replace(ROW, what="that over this", limit=1.5, measure=lambda sizes: Measured(3.0))
    told = command.measure_once(later, SIZES, tmp_path)
    assert (told["value"], told["met"], told["what"]) == (2, False, "that over this")
    assert told["note"] == "It is slow. Of two."
    assert "at most 1.50" in command.say(told)
    assert "FALLS SHORT: It is slow. Of two." in command.say(told)
    assert all(row.short for row in command.ROWS.values())


def test_what_is_not_at_hand_is_said_and_asked_for_again(tmp_path):
    told = command.measure_once(replace(ROW, measure=lambda sizes: None), SIZES, tmp_path)
    assert (told["value"], told["met"]) == (None, None)
    assert command.say(told).split(maxsplit=1) == ["r", "not at hand on this machine"]
    assert command.measure_once(ROW, SIZES, tmp_path)["met"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["overhed"], "there is no row overhed"), (["overhead", "--freeze"], "only the whole table is kept")],
)
def test_wrong_arguments_are_errors(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit):
        command.main()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("like", ["paragraphs", "reviews"])
def test_lengths_sum_to_the_tokens_and_are_unequal(like):
    drawn = draw_lengths(like, 50_000)
    assert drawn.sum() == 50_000
    assert drawn.min() > 0
    assert np.std(drawn) > 0.5 * np.mean(drawn)


def test_threads_are_those_that_were_fastest(monkeypatch):
    monkeypatch.setattr("benchmarks.measuring.os.cpu_count", lambda: 3)
    chosen = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr("benchmarks.measuring.timed", lambda side: {1: 3.0, 2: 1.0, 3: 2.0}[chosen[-1]])
    assert best_threads(lambda: None) == 2
    assert chosen == [1, 2, 3, 2]
