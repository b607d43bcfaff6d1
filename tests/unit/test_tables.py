"""Tables: what is written is read, with where its numbers come from; what is missing or damaged, as weights too, is told."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from txray_lib.errors import TxrayError
from txray_lib.tables import commit, read_groups, read_table, write_table, write_tables

TABLE = pd.DataFrame(
    {
        "feature": pd.Categorical(["<b>", "ŷ", "<b>"]),
        "count": np.array([1, 2**53 + 1, 3], np.int64),
        "p": [0.1, np.nan, 1 / 3],
        "activation": np.array([1e-7, 2, 3], np.float32),
        "y": np.array([-1, 0, 1], np.int8),
    }
)


def test_a_table_comes_back_with_its_types_and_its_source_and_without_its_index(tmp_path):
    source = {"profile": "é", "seed": 1, "corpora": {"a": "0f"}, "versions": {}}
    write_table(TABLE.set_index(pd.Index([7, 8, 9])), tmp_path / "sub" / "t.parquet", source)
    table = read_table(tmp_path / "sub" / "t.parquet")
    pd.testing.assert_frame_equal(table, TABLE)
    assert table.attrs["provenance"] == source
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["t.parquet"]


def test_tables_of_other_categories_stand_one_below_the_other(tmp_path):
    other = TABLE.assign(feature=pd.Categorical(["é", "a", "é"]))
    write_tables([TABLE, TABLE[:0], other], tmp_path / "t.parquet")
    both = read_table(tmp_path / "t.parquet")
    assert both["feature"].astype(str).tolist() == ["<b>", "ŷ", "<b>", "é", "a", "é"]
    assert sum(map(len, read_groups(tmp_path / "t.parquet", ["count"]))) == 6


def flipped(path: Path, end: int) -> Iterator[None]:
    """The file with one bit changed, at 150 places drawn from all of it but its end; afterwards whole again."""
    whole, draw = path.read_bytes(), random.Random(7)
    for _ in range(150):
        place = draw.randrange(len(whole) - end)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :])
        yield
    path.write_bytes(whole)


def test_a_flipped_bit_is_told_or_changes_nothing(tmp_path, classifier):
    """The footer of a Parquet file has no checksum; between steps a hash of each file counts besides (`test_run`)."""
    from txray_lib.encoders.snapshots import load_snapshot, save_snapshot

    draw, path, told = np.random.default_rng(1), tmp_path / "table.parquet", 0
    table = pd.DataFrame({"neuron": draw.integers(0, 99, 3000), "p": draw.random(3000)})
    write_table(table, path, {"profile": "tiny"})
    for _ in flipped(path, int.from_bytes(path.read_bytes()[-8:-4], "little") + 8):
        for read in (read_table, lambda path: pd.concat(read_groups(path))):
            try:
                pd.testing.assert_frame_equal(read(path), table)
            except TxrayError as error:
                told += "table.parquet" in str(error)
    assert told > 0.9 * 2 * 150
    path = tmp_path / "supervised.safetensors"
    save_snapshot(classifier, path, "words")
    for _ in flipped(path, 0):
        with pytest.raises(TxrayError, match="supervised"):
            load_snapshot(path, "words")


def test_a_missing_or_truncated_table_is_told(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(TABLE, path)
    for left in (100, 3, 0):
        path.write_bytes(path.read_bytes()[:left])
        with pytest.raises(TxrayError, match=r"t.parquet cannot be read"):
            read_table(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\nsize 9\n")
    with pytest.raises(TxrayError, match=r"t.parquet is a Git LFS pointer"):
        read_table(path)
    with pytest.raises(TxrayError, match=r"the table .*none.parquet does not exist. Make it with `txray run`"):
        read_table(tmp_path / "none.parquet")


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(TABLE, path, {"a": 1})
    with pytest.raises(TypeError):
        write_table(TABLE, path, {"a": object()})
    assert read_table(path).attrs["provenance"] == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_the_commit_is_the_checkouts_and_shows_changes_to_tracked_files(workplace: Path, monkeypatch):
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=A", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=workplace, check=True, capture_output=True, text=True).stdout.strip()

    assert commit() == "unknown"
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        git(*arguments)
    (workplace / "untracked.txt").write_text("x")
    assert commit() == git("rev-parse", "HEAD")
    (workplace / "profiles" / "tiny.yaml").write_text("seed: 2\n")
    assert commit().endswith("+changes")
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"
