"""Tables: what is written is read, with its provenance; what is missing or damaged is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from txray_lib.errors import TxrayError
from txray_lib.tables import read_table, write_table

TABLE = pd.DataFrame(
    {
        "feature": pd.Categorical(["<b>", "ŷ", "<b>"]),
        "count": np.array([1, 2**53 + 1, 3], np.int64),
        "p": [0.1, np.nan, 1 / 3],
        "activation": np.array([1e-7, 2, 3], np.float32),
        "y": np.array([-1, 0, 1], np.int8),
    }
)


def test_a_table_comes_back_with_its_types_and_its_source(tmp_path):
    source = {"profile": "é", "seed": 1, "corpora": {"a": "0f"}, "versions": {}}
    write_table(TABLE, tmp_path / "sub" / "t.parquet", source)
    table = read_table(tmp_path / "sub" / "t.parquet")
    pd.testing.assert_frame_equal(table, TABLE)
    assert table.attrs["provenance"] == source
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["t.parquet"]


def test_an_empty_table_comes_back(tmp_path):
    write_table(TABLE[:0], tmp_path / "t.parquet", {})
    table = read_table(tmp_path / "t.parquet")
    assert list(table.columns) == list(TABLE.columns)
    assert len(table) == 0


def test_the_index_is_not_written(tmp_path):
    write_table(TABLE.set_index(pd.Index([7, 8, 9])), tmp_path / "t.parquet", {})
    assert read_table(tmp_path / "t.parquet").index.tolist() == [0, 1, 2]


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(TxrayError, match=r"the table .*none.parquet does not exist. Make it with `txray run`"):
        read_table(tmp_path / "none.parquet")


@pytest.mark.parametrize("left", [0, 3, 100, -1])
def test_a_truncated_table_is_told(tmp_path, left):
    path = tmp_path / "t.parquet"
    write_table(TABLE, path, {})
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(TxrayError, match=r"t.parquet cannot be read"):
        read_table(path)


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(TABLE, path, {"a": 1})
    with pytest.raises(TypeError):
        write_table(TABLE, path, {"a": object()})
    assert read_table(path).attrs["provenance"] == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
