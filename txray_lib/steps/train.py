"""Weights: the steps pretrain (which may take them from the user's own files) and finetune, and those of controls.

May touch: corpora, encoders, stages, tables.
"""

import ctypes
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from txray_lib.corpora import Vocabulary
from txray_lib.corpora.documents import SPLITS
from txray_lib.corpora.own import load_words
from txray_lib.encoders import training
from txray_lib.encoders.encoded import Texts
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.encoders.snapshots import load_own_encoder, load_snapshot, save_snapshot, untrained_encoder
from txray_lib.steps import Task
from txray_lib.tables import read_table, write_table

if TYPE_CHECKING:
    from txray_lib.stages import Stage

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Of `mallopt`, as malloc.h numbers them."""


def pretrain(task: Task, folder: Path, constant: bool = False) -> None:
    """Pretrain the language model and keep snapshots.

    constant  the control of RQ1: at a constant learning rate
    """
    _keep_memory()
    vocabulary, settings = read_vocabulary(task), task.profile.pretraining
    train, valid = (
        np.load(task.file("vocabulary", f"stream-{split}.npy"), allow_pickle=False) for split in ("train", "valid")
    )
    if constant:
        settings = training.at_constant_rate(settings, len(train))

    def keep(epoch: int, encoder: Encoder) -> None:
        save_snapshot(encoder, task.scratch / f"epoch-{epoch}.safetensors", vocabulary.digest())

    checkpoint = task.scratch / "checkpoint.safetensors"
    curve = training.pretrain(settings, len(vocabulary), train, valid, task.profile.seed, keep, checkpoint, task.device)
    for path in task.scratch.glob("epoch-*.safetensors"):
        shutil.copy(path, folder)
    write_table(curve, folder / "curve.parquet")


def take_encoder(task: Task, folder: Path) -> None:
    """Take the snapshots from the user's own files.

    There is no curve, for a language model is not asked for.
    """
    own, model = task.profile.encoder, task.profile.pretraining
    vocabulary, rows = load_words(task.own[own.vocabulary], task.profile.vocabulary.lowercase)
    for epoch in model.snapshots:
        if epoch in own.files:
            encoder = load_own_encoder(task.own[own.files[epoch]], rows, model.embedding_size, model.units, own)
        else:
            encoder = untrained_encoder(len(vocabulary), model.embedding_size, model.units, task.profile.seed)
        save_snapshot(encoder, folder / f"epoch-{epoch}.safetensors", vocabulary.digest())
    write_empty_curve(folder)


def write_empty_curve(folder: Path) -> None:
    """The curve of an encoder that was not pretrained here."""
    empty = {"epoch": "float64", "measure": object, "value": "float64", "seconds": "float64"}
    write_table(pd.DataFrame(columns=list(empty)).astype(empty), folder / "curve.parquet")


def finetune(task: Task, folder: Path, seed: int | None = None, shuffled: int = 0) -> None:
    """Fine-tune the encoder on the labels, and score the classifier.

    seed      of the order of batches and of the classifier; a control, which has one, is scored on the test alone
    shuffled  the number of a control on shuffled labels, from 1
    """
    vocabulary, last = read_vocabulary(task).digest(), f"epoch-{task.profile.pretraining.epochs}.safetensors"
    encoder = load_snapshot(task.file("pretrain", last), vocabulary)
    finetune_encoder(task, folder, encoder, read_texts(task), vocabulary, seed, shuffled)


def finetune_encoder(
    task: Task,
    folder: Path,
    encoder: Encoder,
    texts: dict[str, Texts],
    digest: str,
    seed: int | None,
    shuffled: int,
) -> None:
    """Fine-tune an encoder under a classifier, and score it: the files of the step finetune."""
    profile, settings, is_control = task.profile, task.profile.finetuning, seed is not None
    seed = profile.seed if seed is None else seed
    train, valid, updates = texts["train"], texts["valid"], None
    if shuffled:
        updates = training.kept_updates(read_table(task.file("finetune", "curve.parquet")), settings, len(train))
        train, valid = (part.with_shuffled_labels(seed, shuffled) for part in (train, valid))
    checkpoint = task.scratch / "checkpoint.safetensors"
    classifier, curve = training.finetune(settings, encoder, train, valid, seed, checkpoint, task.device, updates)
    scored = {"test": texts["test"]} if is_control else texts
    hidden = {
        split: training.last_hidden_states(classifier, part, task.device, f"scoring {split}", settings.precision)
        for split, part in scored.items()
    }
    shared = frozenset(json.loads(task.file("corpora", "facts.json").read_text(encoding="utf-8"))["shared"])
    scores = training.scores_table(classifier, scored, hidden, shared)
    if is_control:
        updates = updates or training.kept_updates(curve, settings, len(train))
        scores = scores.assign(updates=updates, seed=seed)
    else:
        for split, rows in hidden.items():
            np.save(folder / f"hidden-{split}.npy", rows.numpy(), allow_pickle=False)
    save_snapshot(classifier, folder / "supervised.safetensors", digest)
    write_table(scores, folder / "scores.parquet")
    write_table(curve, folder / "curve.parquet")


def _keep_memory() -> None:
    """Let the C library of Linux keep what this process frees, until it ends: to give the logits of each window back to the
    system, and to ask for as much again, takes a quarter of the time of a pretraining of 512 units on 10,000 words. Batches of
    other shapes, as those of a fine-tuning, would leave holes that nothing fits in: 14 GB for 512 units."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_TRIM_THRESHOLD, -1)
        mallopt(_MMAP_MAX, 0)


def read_vocabulary(task: Task) -> Vocabulary:
    return Vocabulary.load(task.file("vocabulary", "vocabulary.json"))


def read_texts(task: Task) -> dict[str, Texts]:
    """The reviews of each split as token ids, cut to the profile's length."""
    limit = task.profile.finetuning.max_tokens
    return {split: Texts.load(task.file("vocabulary", f"texts-{split}.npz")).cut(limit) for split in SPLITS}


def load_model(task: Task, stage: "Stage") -> Encoder | Classifier:
    """The weights of a stage, as they were trained."""
    return load_snapshot(task.file(stage.trained, f"{stage.snapshot}.safetensors"), read_vocabulary(task).digest())
