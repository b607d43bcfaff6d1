"""What the weights are worth without some neurons, and what they tell of tags: the steps prune and probe.

May touch: corpora, encoders, pruning, probe.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from txray_lib import probe
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.encoders.snapshots import load_snapshot
from txray_lib.pruning import pruning_tables
from txray_lib.stages import stages
from txray_lib.steps import Task
from txray_lib.steps.train import load_model, read_texts, read_vocabulary
from txray_lib.tables import read_table, write_table

_SCORED = ("train", "test")
_PROBED = ("untrained", "early", "last")


def prune(task: Task, folder: Path) -> None:
    """Prune the sets A–D and random ones, and score the classifier."""
    profile, texts = task.profile, read_texts(task)
    classifier = load_snapshot(task.file("finetune", "supervised.safetensors"), read_vocabulary(task).digest())
    hidden = {
        split: torch.from_numpy(np.load(task.file("finetune", f"hidden-{split}.npy"), allow_pickle=False))
        for split in _SCORED
    }
    scored = {split: texts[split] for split in _SCORED}
    asked = (profile.pruning, profile.seed, task.device, profile.finetuning.precision)
    table, random = pruning_tables(classifier, read_rq3(task), scored, hidden, *asked)
    write_table(table, folder / "pruning.parquet")
    write_table(random, folder / "pruning_random.parquet")


def read_rq3(task: Task) -> pd.DataFrame:
    """The rows of the transfer table that supervision made: sets to prune are chosen from them."""
    return read_table(task.file("transfer", "transfer.parquet")).query("question == 'rq3'").reset_index(drop=True)


def probe_tags(task: Task, folder: Path) -> None:
    """Probe the encoder for tags, beside the word alone and the most frequent tag."""
    profile, vocabulary = task.profile, read_vocabulary(task)
    corpus = load_corpus_file(task.file("tags", "stage-pretraining.parquet"))
    parts = probe.split_by_block(corpus, profile.controls.probe_tokens, profile.seed)
    train_tags, tags = (np.array([tag for d in part for tag in d.tags or ()], dtype=object) for part in parts)
    blocks = np.repeat([d.block for d in parts[1]], [len(d) for d in parts[1]])
    facts = {"training_tokens": len(train_tags), "unit": "block", "l2": probe.L2, "seed": profile.seed}

    def row(stage: str | None, role: str | None, reads: str, told: np.ndarray) -> dict[str, Any]:
        return {"stage": stage, "role": role, "reads": reads, **probe.accuracy(told, tags, blocks), **facts}

    rows = []
    for stage in (stage for role in _PROBED for stage in stages(profile) if stage.role == role):
        read = [probe.read_activations(load_model(task, stage), part, vocabulary, task.device) for part in parts]
        rows.append(row(stage.name, stage.role, "activations", probe.fit(read[0], train_tags).tell(read[1])))
    words = [np.concatenate([vocabulary.encode(d.tokens) for d in part]) for part in parts]
    rows.append(row(None, None, "word alone", probe.by_word(words[0], train_tags, words[1])))
    rows.append(row(None, None, "nothing", probe.majority(train_tags, len(tags))))
    write_table(pd.DataFrame(rows), folder / "probe.parquet")
