"""Sums that spill: whatever the parts and the budget, the table that summing at once gives; nothing left behind."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib import spilling
from txray_lib.errors import TxrayError
from txray_lib.preferences import KEYS, aggregate
from txray_lib.spilling import SpillingSum, remove_spilled
from txray_lib.tables import read_table

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
    same(read_table(folder / "preferences.parquet"), expected)
    assert [p.name for p in folder.iterdir()] == ["preferences.parquet"]


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


def test_an_error_leaves_nothing_and_what_a_kill_left_is_removed(tmp_path):
    part = aggregate(records([(n, 0, 0, 0) for n in range(5)]))

    def fails() -> None:
        with SpillingSum(tmp_path, 2) as total:
            total.add(part)
            assert [p.name[:7] for p in tmp_path.iterdir()] == [".spill-"]
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fails()
    assert [*tmp_path.iterdir()] == []
    SpillingSum(tmp_path, 2).__enter__().add(part)
    assert len([*tmp_path.iterdir()]) == 1
    remove_spilled(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_budget_too_small_is_an_error(tmp_path):
    with pytest.raises(TxrayError, match="1 rows at a time"):
        SpillingSum(tmp_path, 1)
