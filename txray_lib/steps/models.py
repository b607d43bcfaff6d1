"""Weights: the steps pretrain and finetune. May touch: corpora, training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from txray_lib.flow import Run
from txray_lib.steps.files import read_texts, read_vocabulary, write_frame


def pretrain(run: Run, folder: Path) -> None:
    from txray_lib import training

    vocabulary = read_vocabulary(run)
    curve = training.pretrain(
        run.profile.pretraining,
        len(vocabulary),
        *(np.load(run.file("vocabulary", f"stream-{split}.npy"), allow_pickle=False) for split in ("train", "valid")),
        run.profile.seed,
        lambda epoch, encoder: training.save_snapshot(
            encoder, folder / f"epoch-{epoch}.safetensors", vocabulary.digest()
        ),
        folder / "checkpoint.safetensors",
        run.device,
    )
    write_frame(curve, folder / "curve.parquet")


def finetune(run: Run, folder: Path) -> None:
    from txray_lib import training
    from txray_lib.training.finetuning import scores_table

    vocabulary, settings = read_vocabulary(run), run.profile.finetuning
    encoder = training.load_encoder(
        run.file("pretrain", f"epoch-{run.profile.pretraining.epochs}.safetensors"), vocabulary.digest()
    )
    texts = read_texts(run)
    classifier, curve = training.finetune(
        settings,
        encoder,
        texts["train"],
        texts["valid"],
        run.profile.seed,
        folder / "checkpoint.safetensors",
        run.device,
    )
    training.save_snapshot(classifier, folder / "supervised.safetensors", vocabulary.digest())
    hidden = {
        split: training.last_hidden_states(classifier, part, run.device, f"scoring {split}")
        for split, part in texts.items()
    }
    for split, rows in hidden.items():
        np.save(folder / f"hidden-{split}.npy", rows.numpy(), allow_pickle=False)
    shared = frozenset(json.loads(run.file("corpora", "facts.json").read_text(encoding="utf-8"))["shared"])
    write_frame(scores_table(classifier, texts, hidden, shared), folder / "scores.parquet")
    write_frame(curve, folder / "curve.parquet")
