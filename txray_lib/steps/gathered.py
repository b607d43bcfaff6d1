"""The tables that the book reads, gathered with their provenance, and what the audit measures in them: the step tables.
Of a study of what is known its own tables alone.

May touch: audit, corpora, provenance, results, tables.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from txray_lib import audit, places
from txray_lib.corpora import load_corpus_file
from txray_lib.provenance import provenance
from txray_lib.results import Results
from txray_lib.stages import stages
from txray_lib.steps.sentence import SENTENCE_TABLES
from txray_lib.steps.task import Task
from txray_lib.steps.truth import TABLES
from txray_lib.tables import read_table, write_table

_NULLS = ("nulls", "null_states", "measures", "measure_nulls")


def tables(task: Task, folder: Path, steps: list[str], parameters: dict[str, Any]) -> None:
    facts = json.loads(task.file("corpora", "facts.json").read_text(encoding="utf-8"))
    made = {name: task.note(name) for name in steps}
    source = provenance(
        task.profile.name, task.profile.seed, facts["hashes"], _versions(made.values()), made["finetune"]["commit"]
    )
    tables = {
        "stages": _stages_table(task),
        "transfer": read_table(task.file("transfer", "transfer.parquet")),
        "training": pd.concat(
            [
                read_table(task.file("pretrain", "curve.parquet")).assign(phase="pretraining"),
                read_table(task.file("finetune", "curve.parquet")).assign(phase="finetuning"),
            ],
            ignore_index=True,
        ),
        "scores": read_table(task.file("finetune", "scores.parquet")),
        "pruning": read_table(task.file("prune", "pruning.parquet")),
        "corpora": _corpora_table(task),
        "tag_counts": _tag_counts(task),
        **{name: read_table(task.file("definitions", f"{name}.parquet")) for name in ("definitions", "same_weights")},
        **{name: read_table(task.file("nulls", f"{name}.parquet")) for name in _NULLS},
    }
    tables |= {name: read_table(task.file(step, f"{name}.parquet")) for name, step in _optional(task).items()}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", source)
    for stage in stages(task.profile):
        write_table(
            read_table(task.file("preferences", f"{stage.name}.parquet")),
            folder / "preferences" / f"{stage.name}.parquet",
            source,
        )
    _write_source(task, folder, source, made, parameters, facts.get("labels"))
    measured = audit.measure(Results(task.profile.name, folder, "live"))
    write_table(measured, folder / "measured.parquet", source)


def study(task: Task, folder: Path, steps: dict[str, int], parameters: dict[str, Any]) -> None:
    """The tables of a study of what is known: those of its seeds, by step, one below the other."""
    made = {name: task.note(name) for name in steps}
    hashes = [json.loads(task.file(name, "facts.json").read_text(encoding="utf-8"))["hashes"] for name in made]
    corpora = {name: digest for each in hashes for name, digest in each.items()}
    commits = " and ".join(sorted({step["commit"] for step in made.values()}))
    source = provenance(task.profile.name, list(steps.values()), corpora, _versions(made.values()), commits)
    for name in TABLES:
        parts = [read_table(task.file(step, f"{name}.parquet")) for step in made]
        write_table(pd.concat(parts, ignore_index=True), folder / f"{name}.parquet", source)
    _write_source(task, folder, source, made, parameters)


def _write_source(
    task: Task,
    folder: Path,
    source: dict[str, Any],
    made: dict[str, dict[str, Any]],
    parameters: dict[str, Any],
    labels: dict[str, Any] | None = None,
) -> None:
    """provenance.json with the time of each step and the hashes and labels of the user's own files, profile.yaml with what was read."""
    steps = {name: {"seconds": step["seconds"], "commit": step["commit"]} for name, step in made.items()}
    own: dict[str, Any] = {"labels": labels} if labels else {}
    if task.own:
        own["files"] = {name: places.file_hash(path) for name, path in task.own.items()}
    places.write_text(json.dumps({**source, **own, "steps": steps}, indent=1), folder / "provenance.json")
    places.write_text(yaml.safe_dump(parameters, sort_keys=False, allow_unicode=True), folder / "profile.yaml")


def _versions(made: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The versions that made the steps: more than one of a package where it was changed on the way."""
    found: dict[str, set[str]] = {}
    for step in made:
        for package, version in step["versions"].items():
            found.setdefault(package, set()).add(version)
    return {package: " and ".join(sorted(each)) for package, each in found.items()}


def _optional(task: Task) -> dict[str, str]:
    """Tables that not every profile makes, and the steps that made them."""
    steps = {"truth": "corpora", "truth_words": "truth-words", "probe": "probe", "pruning_random": "prune"}
    steps |= dict.fromkeys(SENTENCE_TABLES, "sentence") | {"tag_accuracy": "tags"}
    steps |= {f"control_{what}": "controls" for what in ("transfer", "scores", "epochs", "training")}
    return {name: step for name, step in steps.items() if task.has(step, f"{name}.parquet")}


def _stages_table(task: Task) -> pd.DataFrame:
    rows = []
    for stage in stages(task.profile):
        counts = json.loads(task.file(f"collect-{stage.name}", "counts.json").read_text(encoding="utf-8"))
        preferences = read_table(task.file("preferences", f"{stage.name}.parquet"))
        counts["excluded"] = counts["tokens"] - counts["nobody"] - int(preferences["count"].sum())
        preferred = preferences["neuron"].nunique()
        named = {"stage" if key == "name" else key: value for key, value in asdict(stage).items()}
        rows.append({**named, **counts, "preferred": preferred, "neurons": task.profile.pretraining.units})
    return pd.DataFrame(rows)


def _tag_counts(task: Task) -> pd.DataFrame:
    """How often each tag occurs in the text of the stages: columns corpus, tag, tokens (Fig. 3's black bars)."""
    rows = []
    for role in ("pretraining", "target"):
        corpus = load_corpus_file(task.file("tags", f"{role}.parquet"))
        counts = Counter(tag for document in corpus for tag in document.tags or ())
        rows += [(corpus.name, tag, tokens) for tag, tokens in sorted(counts.items())]
    return pd.DataFrame(rows, columns=["corpus", "tag", "tokens"])


def _corpora_table(task: Task) -> pd.DataFrame:
    parts = [read_table(task.file(step, "measures.parquet")) for step in ("corpora", "vocabulary")]
    if task.has("tags", "tag_accuracy.parquet"):
        scored = read_table(task.file("tags", "tag_accuracy.parquet")).query("tag == 'all'")
        parts.append(pd.DataFrame({"corpus": scored["corpus"], "measure": "tag_accuracy", "value": scored["share"]}))
    return pd.concat(parts, ignore_index=True).astype({"value": np.float64})
