"""What the controls prefer and score: collecting them, and the steps controls and probe. May touch: collection … probe."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from txray_lib.corpora import Corpus, load_corpus_file
from txray_lib.stages import stages
from txray_lib.steps.collected import Text, collect_text, load_model
from txray_lib.steps.compared import excluding_unknown
from txray_lib.steps.controls import Control, finetuning_controls, has_constant
from txray_lib.steps.files import read_vocabulary, write_frame
from txray_lib.steps.task import Task
from txray_lib.tables import read_table

CONSTANT = "constant"
_PROBED = ("untrained", "early", "last")


def collect_classifier(task: Task, folder: Path, control: Control) -> None:
    from txray_lib.encoders import load_classifier

    path = task.file(f"finetune-{control.name}", "supervised.safetensors")
    collect_text(load_classifier(path, read_vocabulary(task).digest()), "target", control.name, task, folder)


def collect_constant(task: Task, folder: Path) -> None:
    from txray_lib.encoders import load_encoder

    for epoch in task.profile.pretraining.snapshots:
        path = task.file("pretrain-constant", f"epoch-{epoch}.safetensors")
        encoder = load_encoder(path, read_vocabulary(task).digest())
        collect_text(encoder, "pretraining", f"epoch {epoch} at a constant rate", task, folder, f"records-{epoch}")


def compare_controls(task: Task, folder: Path) -> None:
    controls = finetuning_controls(task.profile)
    if controls:
        write_frame(_transfer_table(task, controls), folder / "control_transfer.parquet")
        write_frame(_scores_table(task, controls), folder / "control_scores.parquet")
    if has_constant(task.profile):
        write_frame(_epochs_table(task), folder / "control_epochs.parquet")
    curves = {control.name: (f"finetune-{control.name}", "finetuning") for control in controls}
    curves |= {CONSTANT: ("pretrain-constant", "pretraining")} if has_constant(task.profile) else {}
    parts = [
        read_table(task.file(step, "curve.parquet")).assign(phase=phase, control=name)
        for name, (step, phase) in curves.items()
    ]
    write_frame(pd.concat(parts, ignore_index=True), folder / "control_training.parquet")


def probe_tags(task: Task, folder: Path) -> None:
    from txray_lib import probe

    profile, vocabulary = task.profile, read_vocabulary(task)
    parts = probe.split_by_block(_text(task, "pretraining"), profile.controls.probe_tokens, profile.seed)
    train_tags, tags = (np.array([tag for d in part for tag in d.tags or ()], dtype=object) for part in parts)
    blocks = np.repeat([d.block for d in parts[1]], [len(d) for d in parts[1]])
    facts = {"training_tokens": len(train_tags), "unit": "block", "l2": probe.L2, "seed": profile.seed}

    def row(stage: str | None, role: str | None, reads: str, told: np.ndarray) -> dict[str, Any]:
        return {"stage": stage, "role": role, "reads": reads, **probe.accuracy(told, tags, blocks), **facts}

    rows = []
    for stage in (s for role in _PROBED for s in stages(profile) if s.role == role):
        read = [probe.read_activations(load_model(task, stage), part, vocabulary, task.device) for part in parts]
        rows.append(row(stage.name, stage.role, "activations", probe.fit(read[0], train_tags).tell(read[1])))
    words = [np.concatenate([vocabulary.encode(d.tokens) for d in part]) for part in parts]
    rows.append(row(None, None, "word alone", probe.by_word(words[0], train_tags, words[1])))
    rows.append(row(None, None, "nothing", probe.majority(train_tags, len(tags))))
    write_frame(pd.DataFrame(rows), folder / "probe.parquet")


def _transfer_table(task: Task, controls: list[Control]) -> pd.DataFrame:
    """Zero-shot to each control, as the transfer table's rq3 is to the real fine-tuning."""
    from txray_lib.transfer import compare

    by_role = {stage.role: stage.name for stage in stages(task.profile)}
    before, tables = read_table(task.file("preferences", f"{by_role['zero-shot']}.parquet")), []
    for control in controls:
        after = _preferences(task, f"collect-control-{control.name}", "records")
        names = (by_role["zero-shot"], f"{by_role['supervised']}/{control.name}")
        table = compare(before, after, task.profile.pretraining.units, names)
        tables.append(table.assign(question="rq3", control=control.name))
    return pd.concat(tables, ignore_index=True)


def _epochs_table(task: Task) -> pd.DataFrame:
    """Neighbouring snapshots at a constant rate, as the transfer table's "epochs" are at the schedule's."""
    from txray_lib.transfer import compare

    name, tables = task.profile.corpora.pretraining.name, []
    read = {
        e: _preferences(task, "collect-control-constant", f"records-{e}")
        for e in sorted(task.profile.pretraining.snapshots)
    }
    for before, after in pairwise(read):
        names = (f"{name}-{before}/{CONSTANT}", f"{name}-{after}/{CONSTANT}")
        tables.append(compare(read[before], read[after], task.profile.pretraining.units, names))
    return pd.concat(tables, ignore_index=True).assign(question="epochs", control=CONSTANT)


def _scores_table(task: Task, controls: list[Control]) -> pd.DataFrame:
    """Scores on the test split, against its true labels: of the real fine-tuning and of each control."""
    from txray_lib.encoders.finetuning import kept_updates

    settings, seed = task.profile.finetuning, task.profile.seed
    real = read_table(task.file("finetune", "scores.parquet")).query("split == 'test'")
    updates = kept_updates(read_table(task.file("finetune", "curve.parquet")), settings, settings.reviews.train)
    tables = [real.assign(updates=updates, seed=seed, control="real")]
    tables += [
        read_table(task.file(f"finetune-{control.name}", "scores.parquet")).assign(control=control.name)
        for control in controls
    ]
    return pd.concat(tables, ignore_index=True)


def _preferences(task: Task, step: str, name: str) -> pd.DataFrame:
    from txray_lib.preferences import aggregate

    return excluding_unknown(task, aggregate(read_table(task.file(step, f"{name}.parquet"))))


def _text(task: Task, role: Text) -> Corpus:
    return load_corpus_file(task.file("tags", f"{role}.parquet"))
