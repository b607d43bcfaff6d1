"""What is known of generated text, and what is found again of it: the steps sentence and truth-seed-K.

May touch: corpora, encoders, one_sentence, planted. Not a step of runs on real text, since a sentence is published.
Each seed of a study of what is known is a step of its own: a run that was killed loses one seed at most.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from txray_lib import places
from txray_lib.corpora.documents import content_hash, load_corpus_file
from txray_lib.encoders.snapshots import load_snapshot
from txray_lib.one_sentence import pick_sentence, sentence_tables
from txray_lib.planted import generate_population, study_tables
from txray_lib.preferences import NOBODY
from txray_lib.profiles import TruthStudy
from txray_lib.stages import stages
from txray_lib.steps import Task
from txray_lib.steps.compare import read_counted
from txray_lib.steps.train import load_model, read_vocabulary
from txray_lib.tables import read_table, write_table

SENTENCE_TABLES = ("sentence", "sentence_activations", "sentence_facts", "sentence_records")


def follow_sentence(task: Task, folder: Path) -> None:
    """Read one sentence by TX-Ray and by three other methods.

    The tables have no row where the text holds no sentence that follows the rule.
    """
    profile, vocabulary = task.profile, read_vocabulary(task)
    corpus = load_corpus_file(task.file("tags", "stage-target.parquet"))
    sentiment = read_table(task.file("corpora", "truth.parquet")).set_index("word")["sentiment"].to_dict()
    limit = profile.finetuning.max_tokens
    found = pick_sentence(corpus, vocabulary, sentiment, limit)
    if found is None:
        for name in SENTENCE_TABLES:
            write_table(pd.DataFrame(), folder / f"{name}.parquet")
        return
    by_role = {stage.role: stage for stage in stages(profile)}
    before, after = by_role["zero-shot"], by_role["supervised"]
    models = {"before": load_model(task, before), "after": load_model(task, after)}
    if "finetune-shuffled-1" in task.needs:
        shuffled = task.file("finetune-shuffled-1", "supervised.safetensors")
        models["shuffled"] = load_snapshot(shuffled, vocabulary.digest())
    probed = profile.controls.probe_tokens
    made = sentence_tables(found, corpus, vocabulary, sentiment, models, probed, profile.seed, limit, task.device)
    winners = {*made["sentence"]["neuron_before"], *made["sentence"]["neuron_after"]} - {NOBODY}
    records, words = [], {"block": str, "feature": str, "tag": str}
    for side, stage in (("before", before), ("after", after)):
        rows = read_counted(task, stage.name)
        rows = rows[rows["neuron"].isin(winners)]
        records.append(rows[[*words, "neuron", "activation"]].astype(words).assign(side=side))
    made["sentence_records"] = pd.concat(records)
    for name, table in made.items():
        write_table(table, folder / f"{name}.parquet")


def recover_planted(task: Task, folder: Path, seed: int, study: dict[str, Any]) -> None:
    """Plant encoders with one seed and see what is recovered."""
    planned = TruthStudy(**study)
    for name, table in study_tables(planned, seed, f"seed {seed}").items():
        write_table(table, folder / f"{name}.parquet")
    hashes = {f"encyclopedia-{seed}": content_hash(generate_population(planned, seed))}
    places.write_text(json.dumps({"hashes": hashes}), folder / "facts.json")
