"""Records: the step collect of each stage, and of each control. May touch: corpora, encoders, collection.

A shard is some documents in a row; records of shards in turn are the records of the whole (law 4).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from txray_lib import places
from txray_lib.collection import Collected, collect_parts
from txray_lib.corpora.documents import document_lengths, stream_corpus_file
from txray_lib.errors import TxrayError
from txray_lib.stages import Stage
from txray_lib.steps import Task
from txray_lib.steps.train import load_model, read_vocabulary
from txray_lib.tables import read_groups, write_tables

Text = Literal["pretraining", "target"]
COUNTS = ("documents", "tokens", "nobody", "near_ties")


def collect(task: Task, folder: Path, stage: Stage, shard: int = 0) -> None:
    """Collect the records of a stage, or of one of its shards.

    Shards are numbered from 0; where there are fewer documents than shards, some are empty.
    """
    read = partial(collect_parts, load_model(task, stage), vocabulary=read_vocabulary(task))
    write_records(task, folder, stage, shard, read)


def write_records(task: Task, folder: Path, stage: Stage, shard: int, read: Callable[..., Iterator[Collected]]) -> None:
    """Write what `read` gives of the documents of a stage's shard: `collect_parts` or `collect_layers`, with its model."""
    counts, settings = Counter[str](), task.profile.collection
    path = task.file("tags", f"stage-{text_of(task, stage)}.parquet")
    lengths = document_lengths(path)
    if not lengths.sum():
        raise TxrayError(f"the text of {stage.name} is empty: {path} holds no token. Run the step tags again.")
    start, stop = map(int, shard_ends(lengths, settings.shards)[shard : shard + 2])
    total = int(lengths[start:stop].sum())

    def written() -> Iterator[pd.DataFrame]:
        parts = read(
            documents=stream_corpus_file(path, start, stop),
            batch_size=settings.batch_size,
            device=task.device,
            what=stage.name,
            max_tokens=task.profile.finetuning.max_tokens,
            total=total,
            first=start,
        )
        for part in parts:
            counts.update(documents=part.documents, nobody=part.nobody, near_ties=part.near_ties)
            yield part.records

    write_tables(written() if start < stop else [pd.DataFrame()], folder / "records.parquet")
    counts["tokens"] = total
    places.write_text(json.dumps({name: counts[name] for name in COUNTS}), folder / "counts.json")


def join_shards(task: Task, folder: Path, steps: list[str]) -> None:
    """Join the records of the shards that these steps collected, in turn."""
    counts = {step: json.loads(task.file(step, "counts.json").read_text(encoding="utf-8")) for step in steps}
    whole = [task.file(step, "records.parquet") for step, count in counts.items() if count["documents"]]
    write_tables((group for path in whole for group in read_groups(path)), folder / "records.parquet")
    summed = {name: sum(count[name] for count in counts.values()) for name in COUNTS}
    places.write_text(json.dumps(summed), folder / "counts.json")


def text_of(task: Task, stage: Stage) -> Text:
    """Which of the two tagged texts a stage reads."""
    return "target" if stage.corpus == task.profile.corpora.target.name else "pretraining"


def shard_ends(lengths: np.ndarray, shards: int) -> np.ndarray:
    """Where shards of about equally many tokens end, (shards + 1,): shard k holds the documents from ends[k] to ends[k + 1].

    lengths are the tokens of each document, (documents,).
    """
    middles = np.cumsum(lengths) - lengths / 2
    inner = np.searchsorted(middles, np.linspace(0, lengths.sum(), shards + 1)[1:-1])
    return np.array([0, *inner, len(lengths)])
