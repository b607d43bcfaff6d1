"""The weights of the controls: the steps finetune-shuffled-K, finetune-seed-K, pretrain-constant. May touch: encoders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from txray_lib.profiles import Profile
from txray_lib.steps.files import read_texts, read_vocabulary, take_snapshots, write_frame
from txray_lib.steps.task import Task
from txray_lib.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

    from txray_lib.encoders.lstm import Classifier, Encoder

_SEEDS_APART = 1000


@dataclass(frozen=True)
class Control:
    """A fine-tuning beside the real one: on labels "shuffled", or from another "seed". Numbers begin with 1."""

    kind: Literal["shuffled", "seed"]
    number: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    def seed(self, profile: Profile) -> int:
        """The seed of its order of batches and of its classifier; the real fine-tuning's where labels are shuffled."""
        return profile.seed + (_SEEDS_APART * self.number if self.kind == "seed" else 0)


def finetuning_controls(profile: Profile) -> list[Control]:
    """The controls of RQ3 that a profile asks for."""
    shuffled = [Control("shuffled", number + 1) for number in range(profile.controls.shuffled_labels)]
    return shuffled + [Control("seed", number + 1) for number in range(profile.controls.finetuning_seeds)]


def has_constant(profile: Profile) -> bool:
    """Whether there is a control of RQ1: not where the schedule itself is constant, nor where nothing is pretrained."""
    return profile.controls.constant_rate and not profile.encoder and profile.pretraining.schedule != "constant"


def finetune_control(task: Task, folder: Path, control: Control) -> None:
    from txray_lib import encoders
    from txray_lib.encoders.finetuning import scores_table

    vocabulary, profile = read_vocabulary(task), task.profile
    encoder = encoders.load_encoder(
        task.file("pretrain", f"epoch-{profile.pretraining.epochs}.safetensors"), vocabulary.digest()
    )
    classifier, curve, updates = _finetuned(control, task, encoder, task.scratch / "checkpoint.safetensors")
    encoders.save_snapshot(classifier, folder / "supervised.safetensors", vocabulary.digest())
    test = {"test": read_texts(task)["test"]}
    hidden = {"test": encoders.last_hidden_states(classifier, test["test"], task.device, f"scoring {control.name}")}
    shared = frozenset(json.loads(task.file("corpora", "facts.json").read_text(encoding="utf-8"))["shared"])
    scores = scores_table(classifier, test, hidden, shared)
    write_frame(scores.assign(updates=updates, seed=control.seed(profile)), folder / "scores.parquet")
    write_frame(curve, folder / "curve.parquet")


def _finetuned(
    control: Control, task: Task, encoder: Encoder, checkpoint: Path
) -> tuple[Classifier, pd.DataFrame, int]:
    """The classifier, its curve, and the updates that led to it."""
    from txray_lib.encoders import finetune
    from txray_lib.encoders.controls import finetune_for, kept_updates, with_shuffled_labels

    settings, texts, seed = task.profile.finetuning, read_texts(task), control.seed(task.profile)
    reviews = len(texts["train"])
    if control.kind == "seed":
        made = finetune(settings, encoder, texts["train"], texts["valid"], seed, checkpoint, task.device)
        return *made, kept_updates(made[1], settings, reviews)
    updates = kept_updates(read_table(task.file("finetune", "curve.parquet")), settings, reviews)
    train, valid = (with_shuffled_labels(texts[split], seed, control.number) for split in ("train", "valid"))
    return *finetune_for(updates, settings, encoder, train, valid, seed, checkpoint, task.device), updates


def pretrain_constant(task: Task, folder: Path) -> None:
    from txray_lib import encoders
    from txray_lib.encoders.controls import at_constant_rate

    vocabulary = read_vocabulary(task)
    train, valid = (
        np.load(task.file("vocabulary", f"stream-{split}.npy"), allow_pickle=False) for split in ("train", "valid")
    )
    curve = encoders.pretrain(
        at_constant_rate(task.profile.pretraining, len(train)),
        len(vocabulary),
        train,
        valid,
        task.profile.seed,
        lambda epoch, encoder: encoders.save_snapshot(
            encoder, task.scratch / f"epoch-{epoch}.safetensors", vocabulary.digest()
        ),
        task.scratch / "checkpoint.safetensors",
        task.device,
    )
    take_snapshots(task, folder)
    write_frame(curve, folder / "curve.parquet")
