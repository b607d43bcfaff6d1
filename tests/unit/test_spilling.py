"""Sums that spill: whatever the parts and the budget, the table that summing at once gives; nothing left behind."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib import spilling
from txray_lib.errors import TxrayError
from txray_lib.preferences import KEYS, aggregate, without_features
from txray_lib.spilling import SpillingSum
from txray_lib.tables import read_table, write_table

WORDS, TAGS = ("the", "film", "Great", "<unk>", "大"), ("NN", "DT", "JJ")


def records(rows: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """Records of (neuron, word, tag, y); the activation of the n-th is n + 1."""
    neuron, word, tag, y = np.array(rows, np.int64).reshape(-1, 4).T
    return pd.DataFrame(
        {
            "layer": np.zeros(len(rows), np.int8),
            "neuron": neuron.astype(np.int32),
            "feature": pd.Categorical.from_codes(word, list(WORDS)),
            "tag": pd.Categorical.from_codes(tag, list(TAGS)),
            "y": y.astype(np.int8),
            "activation": np.arange(1, len(rows) + 1, dtype=np.float32),
            "prediction": np.full(len(rows), 0.5, np.float32),
        }
    )


def same(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    plain = dict.fromkeys(("feature", "tag"), object)
    pd.testing.assert_frame_equal(table.astype(plain), expected.astype(plain), check_exact=False, rtol=1e-12)
    assert table["count"].tolist() == expected["count"].tolist()


ROWS = st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 4), st.integers(0, 2), st.integers(-1, 1)), max_size=40)


@given(ROWS, st.lists(st.integers(0, 40), max_size=5), st.integers(2, 30))
def test_any_parts_and_any_budget_give_the_sum_of_the_whole(tmp_path_factory, rows, cuts, budget):
    folder, whole = tmp_path_factory.mktemp("sum"), records(rows)
    bounds = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    with SpillingSum(folder, budget) as total:
        for start, stop in pairwise(bounds):
            part = whole.iloc[start:stop]
            part = part.assign(feature=part["feature"].cat.remove_unused_categories())
            total.add(aggregate(part))
        written = total.write(folder / "preferences.parquet")
    expected = aggregate(whole)
    assert written == len(expected)
    table = read_table(folder / "preferences.parquet")
    same(table, expected)
    assert [p.name for p in folder.iterdir()] == ["preferences.parquet"]
    if len(expected):
        write_table(expected, folder / "at-once.parquet", {})
        pd.testing.assert_frame_equal(table, read_table(folder / "at-once.parquet"), rtol=1e-12)


def test_a_small_budget_spills_and_a_large_one_does_not(tmp_path):
    parts = [aggregate(records([(neuron, word, 0, 1) for word in range(5)])) for neuron in (3, 1, 2, 1)]
    for budget, runs in ((6, 2), (1000, 0)):
        with SpillingSum(tmp_path, budget) as total:
            for part in parts:
                total.add(part)
            assert total.runs == runs
            assert total.write(tmp_path / "t.parquet") == 15
        table = read_table(tmp_path / "t.parquet")
        assert table["neuron"].tolist() == [1] * 5 + [2] * 5 + [3] * 5
        assert table["count"].tolist() == [2] * 5 + [1] * 10
        assert table["feature"].tolist() == sorted(WORDS) * 3
        assert table["activation_sum"].sum() == 4 * 15
    assert table.dtypes[["layer", "neuron", "y", "count"]].astype(str).tolist() == ["int8", "int32", "int8", "int64"]


def test_runs_of_many_batches_are_read_a_few_neurons_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(spilling, "_BATCH", 4)
    random = np.random.default_rng(1)
    whole = records(
        [*zip(*(random.integers(low, high, 3000) for low, high in ((0, 40), (0, 5), (0, 3), (0, 2))), strict=True)]
    )
    with SpillingSum(tmp_path, 60) as total:
        for start in range(0, 3000, 50):
            total.add(aggregate(whole.iloc[start : start + 50]))
        assert total.runs > 10
        total.write(tmp_path / "t.parquet")
    same(read_table(tmp_path / "t.parquet"), aggregate(whole))


def test_other_numbers_of_words_and_layers_keep_their_order(tmp_path):
    table = aggregate(records([(2, 0, 0, 0), (0, 1, 1, 1)]))
    upper = table.assign(layer=np.int8(1))
    with SpillingSum(tmp_path, 2) as total:
        for part in (upper, table, upper):
            total.add(part)
        total.write(tmp_path / "t.parquet")
    keys = read_table(tmp_path / "t.parquet")[KEYS].astype({"feature": object, "tag": object})
    assert keys.values.tolist() == [
        [0, 0, "film", "DT", 1],
        [0, 2, "the", "NN", 0],
        [1, 0, "film", "DT", 1],
        [1, 2, "the", "NN", 0],
    ]


def test_nothing_to_sum_is_a_table_without_a_row(tmp_path):
    with SpillingSum(tmp_path) as total:
        assert total.write(tmp_path / "t.parquet") == 0
    table = read_table(tmp_path / "t.parquet")
    assert table.empty
    assert list(table.columns) == list(aggregate(records([])).columns)


def test_an_error_leaves_nothing(tmp_path):
    part = aggregate(records([(n, 0, 0, 0) for n in range(5)]))

    def fails() -> None:
        with SpillingSum(tmp_path, 2) as total:
            total.add(part)
            assert [p.name[:7] for p in tmp_path.iterdir()] == [".spill-"]
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fails()
    assert [*tmp_path.iterdir()] == []


def test_a_budget_too_small_is_an_error(tmp_path):
    with pytest.raises(TxrayError, match="1 rows at a time"):
        SpillingSum(tmp_path, 1)


def table_of(rows: int, start: int, neurons: int) -> pd.DataFrame:
    """Rows numbered from `start`, distinct from those of every other number: a word for every `neurons` of them."""
    number = np.arange(start, start + rows)
    return pd.DataFrame(
        {
            "layer": np.int8(0),
            "neuron": (number % neurons).astype(np.int32),
            "feature": pd.Categorical([f"w{word:06}" for word in number // neurons]),
            "tag": pd.Categorical(["NN"] * rows),
            "y": np.int8(-1),
            "count": np.int64(1),
            "activation_sum": 0.5,
            "prediction_sum": np.nan,
        }
    )


def peak_of(folder: Path, tables: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that are held at most while so many tables of 5,000 rows over 50 neurons, the same words again and again,
    are summed."""
    table = table_of(5_000, 0, 50)
    monkeypatch.setattr(spilling, "write_tables", lambda made, path, source: [None for _ in made])
    tracemalloc.start()
    with SpillingSum(folder, 10_000) as total:
        for layer in range(tables):
            total.add(table.assign(layer=np.int8(layer)))
        assert total.runs >= tables // 3
        assert total.write(folder / "t.parquet") == 5_000 * tables
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_is_that_of_the_budget_however_many_rows_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(spilling, "_BATCH", 2**8)
    peak_of(tmp_path, 3, monkeypatch)
    few, many = (peak_of(tmp_path, tables, monkeypatch) for tables in (12, 96))
    assert many < 1.15 * few


def test_a_neuron_of_more_rows_than_the_budget_is_summed_some_words_at_a_time(tmp_path, monkeypatch):
    sizes, summed = [], spilling._summed
    tables = [table_of(100, start, neurons=1) for start in (*range(0, 3000, 100), *range(0, 3000, 300))]
    with SpillingSum(tmp_path, 250) as total:
        for table in tables:
            total.add(table)
        monkeypatch.setattr(spilling, "_summed", lambda columns: sizes.append(len(columns["count"])) or summed(columns))
        assert total.write(tmp_path / "t.parquet") == 3000
    assert max(sizes) <= 250
    table = read_table(tmp_path / "t.parquet")
    assert table["feature"].tolist() == [f"w{word:06}" for word in range(3000)]
    assert table["count"].tolist() == ([2] * 100 + [1] * 200) * 10
    assert table["feature"].cat.categories.is_monotonic_increasing


@pytest.mark.parametrize("name", ["feature", "tag"])
def test_a_row_without_a_word_is_an_error_and_not_another_words(tmp_path, name):
    table = aggregate(records([(0, 0, 0, 0), (0, 1, 1, 0)]))
    table[name] = table[name].where([True, False])
    with SpillingSum(tmp_path) as total, pytest.raises(TxrayError, match=f"1 rows of the preferences have no {name}"):
        total.add(table)


def test_words_that_no_row_has_are_not_in_the_table(tmp_path):
    table = without_features(aggregate(records([(0, 0, 0, 0), (0, 3, 0, 0)])), ["<unk>"])
    assert "<unk>" in table["feature"].cat.categories
    with SpillingSum(tmp_path) as total:
        total.add(table)
        total.write(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["feature"].cat.categories.tolist() == ["the"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    opened = spilling.pa.OSFile
    monkeypatch.setattr(spilling.pa, "OSFile", lambda path, mode="rb": opened("/dev/full", mode))

    def spills() -> None:
        with SpillingSum(tmp_path, 2) as total:
            total.add(aggregate(records([(n, 0, 0, 0) for n in range(5)])))

    with pytest.raises(TxrayError, match="no space left on the disk"):
        spills()
    assert [*tmp_path.iterdir()] == []


def test_a_table_that_cannot_be_written_leaves_the_one_that_was_there(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_text("the old one")
    with SpillingSum(tmp_path, 2) as total:
        for neuron in range(6):
            total.add(aggregate(records([(neuron, 0, 0, 0), (neuron, 1, 0, 0)])))
        with monkeypatch.context() as broken:
            broken.setattr(spilling, "_frame", _Second(spilling._frame))
            with pytest.raises(ArithmeticError):
                total.write(tmp_path / "t.parquet")
        assert (tmp_path / "t.parquet").read_text() == "the old one"
        assert total.write(tmp_path / "t.parquet") == 12
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


class _Second:
    """A function that fails when it is called for the second time."""

    def __init__(self, function: Callable[..., pd.DataFrame]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *given: object) -> pd.DataFrame:
        self.calls += 1
        if self.calls == 2:
            raise ArithmeticError
        return self.function(*given)
