"""What several steps read and write. May touch: corpora, tables, encoders."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from txray_lib.corpora import Vocabulary
from txray_lib.steps.task import Task
from txray_lib.tables import write_table, write_tables

SPLITS = ("train", "valid", "test")


def read_vocabulary(task: Task) -> Vocabulary:
    return Vocabulary.load(task.file("vocabulary", "vocabulary.json"))


def read_texts(task: Task) -> dict[str, Any]:
    from txray_lib.encoders.encoded import Texts

    limit = task.profile.finetuning.max_tokens
    return {split: Texts.load(task.file("vocabulary", f"texts-{split}.npz")).cut(limit) for split in SPLITS}


def take_snapshots(task: Task, folder: Path) -> None:
    """Copy the snapshots of a training, which was perhaps killed between them, from where they outlived that."""
    for path in task.scratch.glob("epoch-*.safetensors"):
        shutil.copy(path, folder)


def write_frames(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write tables of equal columns as one, each as a row group, so that they need not fit in memory together."""
    write_tables(tables, path, {})


def write_frame(table: pd.DataFrame, path: Path) -> None:
    write_table(table, path, {})
