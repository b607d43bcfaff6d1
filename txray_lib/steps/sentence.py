"""One sentence of a generated review, for the pages that follow it by hand: the step sentence.

May touch: corpora, encoders, preferences, sentence, tables. Not a step of runs on real text, since a sentence is published.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from txray_lib.corpora import UNKNOWN, load_corpus_file
from txray_lib.preferences import NOBODY
from txray_lib.profiles import Profile
from txray_lib.stages import Stage, stages
from txray_lib.steps.collected import load_model
from txray_lib.steps.controls import finetuning_controls
from txray_lib.steps.files import read_vocabulary, write_frame
from txray_lib.steps.task import Task
from txray_lib.tables import read_table

SENTENCE_TABLES = ("sentence", "sentence_activations", "sentence_facts", "sentence_records")
_SIDES = {"zero-shot": "before", "supervised": "after"}


def shuffled_step(profile: Profile) -> str | None:
    """The step that fine-tunes on shuffled labels, the first where there are several; None where there is none."""
    return next((f"finetune-{c.name}" for c in finetuning_controls(profile) if c.kind == "shuffled"), None)


def sides_of(profile: Profile) -> dict[str, Stage]:
    """The stages that read the sentence: "before" and "after" supervision."""
    return {_SIDES[stage.role]: stage for stage in stages(profile) if stage.role in _SIDES}


def one_sentence(task: Task, folder: Path) -> None:
    """The tables of a sentence; tables without a row where the text holds none that follows the rule."""
    from txray_lib.encoders import load_classifier
    from txray_lib.one_sentence import pick_sentence, sentence_tables

    profile, vocabulary = task.profile, read_vocabulary(task)
    corpus = load_corpus_file(task.file("tags", "target.parquet"))
    words = read_table(task.file("corpora", "truth.parquet"))
    limit = profile.finetuning.max_tokens
    found = pick_sentence(corpus, vocabulary, words.set_index("word")["sentiment"].to_dict(), limit)
    if found is None:
        for name in SENTENCE_TABLES:
            write_frame(pd.DataFrame(), folder / f"{name}.parquet")
        return
    sides = sides_of(profile)
    models = {side: load_model(task, stage) for side, stage in sides.items()}
    if step := shuffled_step(profile):
        models["shuffled"] = load_classifier(task.file(step, "supervised.safetensors"), vocabulary.digest())
    training = load_corpus_file(task.file("corpora", "target.parquet")).split("train")
    probed = profile.controls.probe_tokens
    made = sentence_tables(found, corpus, vocabulary, words, training, models, probed, profile.seed, limit, task.device)
    winners = {neuron for side in sides for neuron in made["sentence"][f"neuron_{side}"]}
    made["sentence_records"] = pd.concat([_records(task, stage, side, winners) for side, stage in sides.items()])
    for name, table in made.items():
        write_frame(table, folder / f"{name}.parquet")


def _records(task: Task, stage: Stage, side: str, neurons: set[int]) -> pd.DataFrame:
    """The records that some neurons were given at a stage: side, block, feature, tag, neuron, activation."""
    rows = read_table(task.file(f"collect-{stage.name}", "records.parquet"))
    rows = rows[rows["neuron"].isin(neurons - {NOBODY})]
    if task.profile.collection.exclude_unknown:
        rows = rows[rows["feature"] != UNKNOWN]
    words = {"block": str, "feature": str, "tag": str}
    return rows[["block", "feature", "tag", "neuron", "activation"]].astype(words).assign(side=side)
