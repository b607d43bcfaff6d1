"""A file in which a bit was flipped is told by name, or reads as it was written: pages of tables, weights.

The footer of a Parquet file has no checksum of its own. Between steps every byte counts besides (`test_run`): the note of a
step holds a hash of each of its files.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from txray_lib.errors import TxrayError
from txray_lib.tables import read_groups, read_table, write_table

FLIPS = 150


def flipped(path: Path) -> Iterator[None]:
    """The file with one bit changed, at places drawn from all of it but a Parquet file's footer; afterwards whole again."""
    whole, draw = path.read_bytes(), random.Random(7)
    footer = int.from_bytes(whole[-8:-4], "little") + 8 if path.suffix == ".parquet" else 0
    for _ in range(FLIPS):
        place = draw.randrange(len(whole) - footer)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :])
        yield
    path.write_bytes(whole)


def count_told(path: Path, read: Callable[[], Any], check: Callable[[Any], None]) -> int:
    """How many flips were told, each by the file's name; what was read of the others is checked."""
    told = 0
    for _ in flipped(path):
        try:
            check(read())
        except TxrayError as error:
            told += path.name in str(error)
    return told


def test_a_table(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    table = pd.DataFrame(
        {"neuron": draw.integers(0, 99, 3000), "word": draw.choice(["a", "b"], 3000), "p": draw.random(3000)}
    )
    path = tmp_path / "table.parquet"
    write_table(table, path, {"profile": "tiny"})
    same = lambda read: pd.testing.assert_frame_equal(read, table)  # noqa: E731
    assert count_told(path, lambda: read_table(path), same) > 0.9 * FLIPS
    assert count_told(path, lambda: pd.concat(read_groups(path)), same) > 0.9 * FLIPS
    same(read_table(path))


def test_weights(tmp_path: Path, classifier: Any) -> None:
    from txray_lib.encoders.snapshots import load_classifier, save_snapshot

    path = tmp_path / "supervised.safetensors"
    save_snapshot(classifier, path, "words")
    assert count_told(path, lambda: load_classifier(path, "words"), lambda read: pytest.fail("unnoticed")) == FLIPS
    assert load_classifier(path, "words")
