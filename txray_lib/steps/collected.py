"""Records: the step collect, its shards, and what controls read in the same way. May touch: corpora, encoders, collection.

A shard is some documents in a row; records of shards in turn are the records of the whole (law 4).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from txray_lib import places
from txray_lib.corpora.documents import document_lengths, stream_corpus_file
from txray_lib.errors import TxrayError
from txray_lib.stages import Stage
from txray_lib.steps.files import read_vocabulary, write_frames
from txray_lib.steps.task import Task
from txray_lib.tables import read_groups

if TYPE_CHECKING:
    from txray_lib.collection import Collected
    from txray_lib.encoders.lstm import Classifier, Encoder

Text = Literal["pretraining", "target"]
COUNTS = ("documents", "tokens", "nobody", "near_ties")


def collect(task: Task, folder: Path, stage: Stage, shard: int = 0) -> None:
    """The records of a stage, or of its shard numbered `shard`, from 0; none where there are fewer documents than shards."""
    shards = task.profile.collection.shards
    collect_text(load_model(task, stage), text_of(task, stage), stage.name, task, folder, shards=shards, shard=shard)


def join_shards(task: Task, folder: Path, steps: list[str]) -> None:
    """The records of the shards that these steps collected, in turn."""
    counts = [json.loads(task.file(step, "counts.json").read_text(encoding="utf-8")) for step in steps]
    whole = [
        task.file(step, "records.parquet") for step, count in zip(steps, counts, strict=True) if count["documents"]
    ]
    write_frames((group for path in whole for group in read_groups(path)), folder / "records.parquet")
    _write_counts({name: sum(count[name] for count in counts) for name in COUNTS}, folder)


def shard_ends(lengths: np.ndarray, shards: int) -> np.ndarray:
    """Where shards of about equally many tokens end, (shards + 1,): shard k holds the documents from ends[k] to ends[k + 1].

    lengths are the tokens of each document, (documents,).
    """
    middles = np.cumsum(lengths) - lengths / 2
    inner = np.searchsorted(middles, np.linspace(0, lengths.sum(), shards + 1)[1:-1])
    return np.array([0, *inner, len(lengths)])


def load_model(task: Task, stage: Stage) -> Encoder | Classifier:
    """The weights of a stage, as they were trained."""
    from txray_lib.encoders import load_classifier, load_encoder

    digest = read_vocabulary(task).digest()
    if stage.role == "supervised":
        return load_classifier(task.file("finetune", "supervised.safetensors"), digest)
    return load_encoder(task.file("pretrain", f"{stage.snapshot}.safetensors"), digest)


def text_of(task: Task, stage: Stage) -> Text:
    """Which of the two tagged texts a stage reads."""
    return "target" if stage.corpus == task.profile.corpora.target.name else "pretraining"


def collect_text(
    model: Encoder | Classifier,
    text: Text,
    what: str,
    task: Task,
    folder: Path,
    name: str = "records",
    shards: int = 1,
    shard: int = 0,
) -> None:
    """Read a tagged text, or one of its shards, into `name`.parquet, streaming; its counts are written last."""
    from txray_lib.collection import collect_parts

    path, settings, counts = task.file("tags", f"{text}.parquet"), task.profile.collection, Counter[str]()
    lengths = document_lengths(path)
    if not lengths.sum():
        raise TxrayError(f"the text of {what} is empty: {path} holds no token. Run the step tags again.")
    start, stop = map(int, shard_ends(lengths, shards)[shard : shard + 2])

    def told(parts: Iterator[Collected]) -> Iterator[pd.DataFrame]:
        for part in parts:
            counts.update(
                documents=part.documents, tokens=len(part.records), nobody=part.nobody, near_ties=part.near_ties
            )
            yield part.records

    if start < stop:
        parts = collect_parts(
            model,
            stream_corpus_file(path, start, stop),
            read_vocabulary(task),
            settings.batch_size,
            task.device,
            what,
            task.profile.finetuning.max_tokens,
            int(lengths[start:stop].sum()),
            start,
        )
        write_frames(told(parts), folder / f"{name}.parquet")
    else:
        write_frames([pd.DataFrame()], folder / f"{name}.parquet")
    _write_counts({each: counts[each] for each in COUNTS}, folder, name)


def _write_counts(counts: dict[str, int], folder: Path, name: str = "records") -> None:
    places.write_text(json.dumps(counts), folder / f"{name.replace('records', 'counts')}.json")
