"""The tables that the book reads, gathered with their provenance, and what the audit measures in them: the step tables.

Of a study of what is known its own tables alone. May touch: audit, corpora, results, tables.
"""

import json
import shlex
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from txray_lib import audit, places
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.results import Results
from txray_lib.stages import stages
from txray_lib.steps import Task, read_note
from txray_lib.tables import commit, read_table, write_table

_COPIED = ("transfer", "contexts", "nulls", "prune", "definitions", "controls", "probe", "sentence")
"""The steps whose tables the book reads as they are."""
_ALSO = ("scores.parquet", "truth.parquet")
"""What it reads so of the files of the steps finetune and corpora."""
_STUDY = ("truth_states", "truth_measures", "truth_detection")


def gather_tables(task: Task, folder: Path, parameters: dict[str, Any]) -> None:
    """Gather the tables that the book reads of a run: some are copied, others are counted here."""
    facts = json.loads(task.file("corpora", "facts.json").read_text(encoding="utf-8"))
    made = read_note(task.needs["pretrain"])["files"]
    own: dict[str, Any] = {"snapshots": {name: made[name] for name in made if name.endswith(".safetensors")}}
    if facts.get("labels"):
        own["labels"] = facts["labels"]
    source = _write_source(task, folder, task.profile.seed, facts["hashes"], parameters, own)
    tables = {}
    for step, place in task.needs.items():
        for file in read_note(place)["files"]:
            if step in _COPIED or (step in ("finetune", "corpora") and file in _ALSO):
                tables[file.removesuffix(".parquet")] = read_table(task.file(step, file))
    curves = [
        read_table(task.file(step, "curve.parquet")).assign(phase=phase)
        for step, phase in (("pretrain", "pretraining"), ("finetune", "finetuning"))
    ]
    measures = [read_table(task.file(step, "measures.parquet")) for step in ("corpora", "vocabulary")]
    tables |= {
        "stages": _count_stages(task),
        "training": pd.concat(curves, ignore_index=True),
        "corpora": pd.concat(measures, ignore_index=True).astype({"value": np.float64}),
        "tag_counts": _count_tags(task),
    }
    if tables["transfer"]["layer"].nunique() > 1:
        tables = {name: _narrowed(table) for name, table in tables.items()}
    for stage in stages(task.profile):
        preferences = read_table(task.file("preferences", f"{stage.name}.parquet"))
        tables[f"preferences/{stage.name}"] = preferences
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", source)
    measured = audit.measure(Results(task.profile.name, folder, "live"))
    write_table(measured, folder / "measured.parquet", source)


def _narrowed(table: pd.DataFrame) -> pd.DataFrame:
    """Fractions as float32: where there are several layers, tables are so many times longer."""
    return table.astype(dict.fromkeys(table.select_dtypes("float64").columns, "float32"))


def gather_study(task: Task, folder: Path, seeds: dict[str, int], parameters: dict[str, Any]) -> None:
    """Gather the tables of the study: those of its seeds, by step, one below the other."""
    corpora = {}
    for step in seeds:
        corpora |= json.loads(task.file(step, "facts.json").read_text(encoding="utf-8"))["hashes"]
    source = _write_source(task, folder, list(seeds.values()), corpora, parameters, {})
    for name in _STUDY:
        parts = [read_table(task.file(step, f"{name}.parquet")) for step in seeds]
        write_table(pd.concat(parts, ignore_index=True), folder / f"{name}.parquet", source)


def _write_source(
    task: Task,
    folder: Path,
    seed: int | list[int],
    corpora: dict[str, str],
    parameters: dict[str, Any],
    own: dict[str, Any],
) -> dict[str, Any]:
    """What every table carries (law 7); `weights` is the commit that trained the encoder, `commit` the one that made the table.

    It is written to provenance.json too, with the time of each step and the hashes of the user's own files; profile.yaml holds
    the parameters that were read.
    """
    notes = {step: read_note(place) for step, place in task.needs.items()}
    trained = [notes["finetune"]] if "finetune" in notes else notes.values()
    versions: dict[str, set[str]] = {}
    for note in notes.values():
        for package, version in note["versions"].items():
            versions.setdefault(package, set()).add(version)
    source = {
        "profile": task.profile.name,
        "seed": seed,
        "corpora": corpora,
        "versions": {package: " and ".join(sorted(found)) for package, found in versions.items()},
        "commit": commit(),
        "weights": " and ".join(sorted({note["commit"] for note in trained})),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if task.own:
        own = {**own, "files": {name: places.file_hash(path) for name, path in task.own.items()}}
    steps = {name: {"seconds": note["seconds"], "commit": note["commit"]} for name, note in notes.items()}
    places.write_text(json.dumps({**source, **own, "steps": steps}, indent=1), folder / "provenance.json")
    places.write_text(yaml.safe_dump(parameters, sort_keys=False, allow_unicode=True), folder / "profile.yaml")
    return source


def _count_stages(task: Task) -> pd.DataFrame:
    rows = []
    for stage in stages(task.profile):
        counts = json.loads(task.file(f"collect-{stage.name}", "counts.json").read_text(encoding="utf-8"))
        preferences = read_table(task.file("preferences", f"{stage.name}.parquet"))
        layers = max(preferences["layer"].nunique(), 1)
        counts["excluded"] = layers * counts["tokens"] - counts["nobody"] - int(preferences["count"].sum())
        named = {key: getattr(stage, key) for key in ("role", "corpus", "snapshot", "epoch")}
        preferred = len(preferences[["layer", "neuron"]].drop_duplicates())
        neurons = {"preferred": preferred, "neurons": task.profile.pretraining.units}
        rows.append({"stage": stage.name, **named, **counts, **neurons})
    return pd.DataFrame(rows)


def _count_tags(task: Task) -> pd.DataFrame:
    """How often each tag occurs in the text of the stages: columns corpus, tag, tokens (Fig. 3's black bars)."""
    rows = []
    for role in ("pretraining", "target"):
        corpus = load_corpus_file(task.file("tags", f"stage-{role}.parquet"))
        counts = Counter(tag for document in corpus for tag in document.tags or ())
        rows += [(corpus.name, tag, tokens) for tag, tokens in sorted(counts.items())]
    return pd.DataFrame(rows, columns=["corpus", "tag", "tokens"])
