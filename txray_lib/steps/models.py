"""Weights: the steps pretrain, which may take them from the user's own files, and finetune. May touch: corpora, encoders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from txray_lib.corpora import load_words
from txray_lib.steps.files import read_texts, read_vocabulary, take_snapshots, write_frame
from txray_lib.steps.task import Task


def pretrain(task: Task, folder: Path) -> None:
    from txray_lib import encoders

    vocabulary = read_vocabulary(task)
    curve = encoders.pretrain(
        task.profile.pretraining,
        len(vocabulary),
        *(np.load(task.file("vocabulary", f"stream-{split}.npy"), allow_pickle=False) for split in ("train", "valid")),
        task.profile.seed,
        lambda epoch, encoder: encoders.save_snapshot(
            encoder, task.scratch / f"epoch-{epoch}.safetensors", vocabulary.digest()
        ),
        task.scratch / "checkpoint.safetensors",
        task.device,
    )
    take_snapshots(task, folder)
    write_frame(curve, folder / "curve.parquet")


def take_encoder(task: Task, folder: Path) -> None:
    """The snapshots of `pretrain` out of files of the user's own; no curve, for a language model is not asked for."""
    from txray_lib import encoders
    from txray_lib.encoders.own import load_own_encoder, untrained_encoder

    own, model = task.profile.encoder, task.profile.pretraining
    assert own is not None
    vocabulary, rows = load_words(task.own_file(own.vocabulary), task.profile.vocabulary.lowercase)
    for epoch in own.snapshots:
        if epoch in own.files:
            path = task.own_file(own.files[epoch])
            encoder = load_own_encoder(path, rows, model.embedding_size, model.units, own.embedding, own.lstm)
        else:
            encoder = untrained_encoder(len(vocabulary), model.embedding_size, model.units, task.profile.seed)
        encoders.save_snapshot(encoder, folder / f"epoch-{epoch}.safetensors", vocabulary.digest())
    empty = {"epoch": "float64", "measure": object, "value": "float64", "seconds": "float64"}
    write_frame(pd.DataFrame(columns=list(empty)).astype(empty), folder / "curve.parquet")


def finetune(task: Task, folder: Path) -> None:
    from txray_lib import encoders
    from txray_lib.encoders.finetuning import scores_table

    vocabulary, settings = read_vocabulary(task), task.profile.finetuning
    encoder = encoders.load_encoder(
        task.file("pretrain", f"epoch-{task.profile.pretraining.epochs}.safetensors"), vocabulary.digest()
    )
    texts = read_texts(task)
    classifier, curve = encoders.finetune(
        settings,
        encoder,
        texts["train"],
        texts["valid"],
        task.profile.seed,
        task.scratch / "checkpoint.safetensors",
        task.device,
    )
    encoders.save_snapshot(classifier, folder / "supervised.safetensors", vocabulary.digest())
    hidden = {
        split: encoders.last_hidden_states(classifier, part, task.device, f"scoring {split}")
        for split, part in texts.items()
    }
    for split, rows in hidden.items():
        np.save(folder / f"hidden-{split}.npy", rows.numpy(), allow_pickle=False)
    shared = frozenset(json.loads(task.file("corpora", "facts.json").read_text(encoding="utf-8"))["shared"])
    write_frame(scores_table(classifier, texts, hidden, shared), folder / "scores.parquet")
    write_frame(curve, folder / "curve.parquet")
