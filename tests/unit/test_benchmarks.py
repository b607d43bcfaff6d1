"""Every row of the benchmarks can be measured, at sizes that say nothing; the table and its errors. No time is tested."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.measuring import QUICK, Measured, Row, best_threads, paragraph_lengths, review_lengths, review_source
from txray_lib.errors import TxrayError

SIZES = replace(QUICK, units=8, embedding=4, words=60, tokens=600, many=3_000, few=40, memory_units=4, slots=4)
SIZES = replace(SIZES, permutations=3, distinct=3_000)
BUILT = {"notebook", "book", "demo", "overhead-gpu", "explorer-ready", "explorer-click"}
"""Rows of what may not be at hand, or takes long."""
PROCESSES = {"memory", "null-swap", "null-deal", "spilling"}
"""Rows measured in a process of its own: one of them is enough for a test."""


@pytest.mark.parametrize("name", [*sorted(set(command.ROWS) - BUILT - PROCESSES), "spilling"])
def test_a_row_can_be_measured(name, tmp_path, monkeypatch):
    if name == "tagging":
        pytest.importorskip("flair")
    import torch

    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    told = command.measure_once(command.ROWS[name], SIZES, tmp_path)
    assert told["value"] > 0
    assert math.isfinite(told["value"])
    assert told["met"] == command.ROWS[name].is_met(told["value"])
    assert json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8")) == told


def test_a_row_that_was_measured_is_not_measured_again(tmp_path):
    figures = iter([Measured(2.0), Measured(3.0)])
    row = Row("r", "this over that", "times", "at most", 2.5, lambda sizes: next(figures), "It is slow.")
    assert command.measure_once(row, QUICK, tmp_path)["value"] == 2
    assert command.measure_once(row, QUICK, tmp_path)["value"] == 2
    again = command.measure_once(row, QUICK, tmp_path, again=True)
    assert (again["value"], again["met"], again["note"]) == (3, False, "It is slow.")
    said = command.lines(again)
    assert said.split()[:3] == ["r", "3.00", "times"]
    assert "at most 2.50: FALLS SHORT" in said
    assert said.endswith("why: It is slow.")


def test_a_kept_figure_is_judged_by_the_limit_of_today(tmp_path):
    row = Row("r", "this over that", "times", "at most", 2.5, lambda sizes: Measured(2.0, {}, "Of two."), "It is slow.")
    assert command.measure_once(row, QUICK, tmp_path)["note"] == "Of two."
    stricter = replace(row, what="that over this", limit=1.5, short="It is very slow.")
    told = command.measure_once(stricter, QUICK, tmp_path)
    assert (told["value"], told["met"], told["what"]) == (2, False, "that over this")
    assert told["note"] == "It is very slow. Of two."


def test_every_row_says_why_it_may_fall_short():
    assert all(row.short for row in command.ROWS.values())


def test_what_is_not_at_hand_is_said_and_not_judged(tmp_path):
    row = Row("r", "this", "seconds", "at most", 1, lambda sizes: None)
    told = command.measure_once(row, QUICK, tmp_path)
    assert (told["value"], told["met"]) == (None, None)
    assert command.lines(told).split(maxsplit=1) == ["r", "not at hand on this machine"]
    later = replace(row, measure=lambda sizes: Measured(0.5))
    assert command.measure_once(later, QUICK, tmp_path)["met"], "it is asked for again"
    assert command.table([told])["value"].isna().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["overhed"], "there is no row overhed"),
        (["--quick", "--freeze"], "only a whole run at full size is kept"),
        (["overhead", "--freeze"], "only a whole run at full size is kept"),
        (["--device", "cuda", "--freeze"], "only a whole run at full size is kept"),
    ],
)
def test_wrong_arguments_are_errors(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit):
        command.main()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("lengths", [paragraph_lengths, review_lengths])
def test_lengths_sum_to_the_tokens_and_are_unequal(lengths):
    drawn = lengths(50_000)
    assert drawn.sum() == 50_000
    assert drawn.min() > 0
    assert np.std(drawn) > 0.5 * np.mean(drawn)


def test_lengths_of_reviews_are_repeated_where_data_is_at_hand(monkeypatch):
    monkeypatch.setenv("TXRAY_DATA", "anywhere")
    monkeypatch.setattr("benchmarks.measuring._imdb_lengths", lambda: np.array([5, 1, 4]))
    assert review_lengths(23).tolist() == [5, 1, 4, 5, 1, 4, 3]
    assert review_source() == "Lengths of documents are those of IMDB's reviews."


def test_parts_are_those_of_collection(monkeypatch):
    from benchmarks import collecting

    monkeypatch.setattr(collecting, "PART_TOKENS", 5)
    lengths = np.array([2, 3, 4, 9, 1])
    assert [part.tolist() for part in collecting._parted(lengths)] == [[2, 3], [4, 9], [1]]
    assert [len(i) for i in collecting._in_parts([np.zeros(n) for n in lengths])] == [3, 2, 9, 4, 1]
    assert collecting._padded(lengths, 2) == 2 * 3 + 2 * 9 + 1


def test_a_sum_that_lost_rows_is_an_error(monkeypatch):
    from benchmarks import spilling

    monkeypatch.setattr(spilling, "_tables", lambda rows: iter(()))
    with pytest.raises((RuntimeError, TxrayError)):
        spilling.summed(10, 5)


def test_threads_are_those_that_were_fastest(monkeypatch):
    import torch

    monkeypatch.setattr("benchmarks.measuring.os.cpu_count", lambda: 3)
    chosen = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr("benchmarks.measuring.timed", lambda side: {1: 3.0, 2: 1.0, 3: 2.0}[chosen[-1]])
    assert best_threads(lambda: None) == 2
    assert chosen == [1, 2, 3, 2]
