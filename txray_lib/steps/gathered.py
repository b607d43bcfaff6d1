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
from txray_lib.flow import Run, content_hash
from txray_lib.provenance import provenance
from txray_lib.results import Results
from txray_lib.stages import stages
from txray_lib.steps.sentence import SENTENCE_TABLES
from txray_lib.steps.truth import TABLES, study_seeds
from txray_lib.tables import read_table, write_table

_NULLS = ("nulls", "null_states", "measures", "measure_nulls")


def tables(run: Run, folder: Path) -> None:
    facts = json.loads(run.file("corpora", "facts.json").read_text(encoding="utf-8"))
    made = {name: step for name, step in run.done_steps().items() if name != "tables"}
    source = provenance(
        run.profile.name, run.profile.seed, facts["hashes"], _versions(made.values()), made["finetune"]["commit"]
    )
    tables = {
        "stages": _stages_table(run),
        "transfer": read_table(run.file("transfer", "transfer.parquet")),
        "training": pd.concat(
            [
                read_table(run.file("pretrain", "curve.parquet")).assign(phase="pretraining"),
                read_table(run.file("finetune", "curve.parquet")).assign(phase="finetuning"),
            ],
            ignore_index=True,
        ),
        "scores": read_table(run.file("finetune", "scores.parquet")),
        "pruning": read_table(run.file("prune", "pruning.parquet")),
        "corpora": _corpora_table(run),
        "tag_counts": _tag_counts(run),
        **{name: read_table(run.file("definitions", f"{name}.parquet")) for name in ("definitions", "same_weights")},
        **{name: read_table(run.file("nulls", f"{name}.parquet")) for name in _NULLS},
    }
    tables |= {name: read_table(path) for name, path in _optional_tables(run).items() if path.is_file()}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", source)
    for stage in stages(run.profile):
        write_table(
            read_table(run.file("preferences", f"{stage.name}.parquet")),
            folder / "preferences" / f"{stage.name}.parquet",
            source,
        )
    _write_source(run, folder, source, made)
    measured = audit.measure(Results(run.profile.name, folder, "live"))
    write_table(measured, folder / "measured.parquet", source)


def study(run: Run, folder: Path) -> None:
    """The tables of a study of what is known: those of its seeds one below the other."""
    assert run.profile.truth is not None
    made = {name: step for name, step in run.done_steps().items() if name in run.step("tables").needs}
    hashes = [json.loads(run.file(name, "facts.json").read_text(encoding="utf-8"))["hashes"] for name in made]
    seeds = list(study_seeds(run.profile).values())
    corpora = {name: digest for each in hashes for name, digest in each.items()}
    commits = " and ".join(sorted({step["commit"] for step in made.values()}))
    source = provenance(run.profile.name, seeds, corpora, _versions(made.values()), commits)
    for name in TABLES:
        parts = [read_table(run.file(step, f"{name}.parquet")) for step in made]
        write_table(pd.concat(parts, ignore_index=True), folder / f"{name}.parquet", source)
    _write_source(run, folder, source, made)


def _write_source(run: Run, folder: Path, source: dict[str, Any], made: dict[str, dict[str, Any]]) -> None:
    """provenance.json with the time of each step and the hashes and labels of the user's own files, profile.yaml with what was read."""
    steps = {name: {"seconds": step["seconds"], "commit": step["commit"]} for name, step in made.items()}
    facts = json.loads(run.file("corpora", "facts.json").read_text(encoding="utf-8")) if "corpora" in run.steps else {}
    own: dict[str, Any] = {"labels": facts["labels"]} if facts.get("labels") else {}
    if not run.profile.truth and run.profile.own_files:
        own["files"] = {name: content_hash(run.profile.own_file(name)) for name in run.profile.own_files}
    places.write_text(json.dumps({**source, **own, "steps": steps}, indent=1), folder / "provenance.json")
    places.write_text(
        yaml.safe_dump(run.profile.parameters, sort_keys=False, allow_unicode=True), folder / "profile.yaml"
    )


def _versions(made: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The versions that made the steps: more than one of a package where it was changed on the way."""
    found: dict[str, set[str]] = {}
    for step in made:
        for package, version in step["versions"].items():
            found.setdefault(package, set()).add(version)
    return {package: " and ".join(sorted(each)) for package, each in found.items()}


def _optional_tables(run: Run) -> dict[str, Path]:
    """Tables that not every profile makes, and where they would lie."""
    steps = {"truth": "corpora", "truth_words": "truth-words", "probe": "probe", "pruning_random": "prune"}
    steps |= dict.fromkeys(SENTENCE_TABLES, "sentence")
    steps |= {f"control_{what}": "controls" for what in ("transfer", "scores", "epochs", "training")}
    paths = {name: run.file(step, f"{name}.parquet") for name, step in steps.items() if step in run.steps}
    return {**paths, "tag_accuracy": run.file("tags", "accuracy.parquet")}


def _stages_table(run: Run) -> pd.DataFrame:
    rows = []
    for stage in stages(run.profile):
        counts = json.loads(run.file(f"collect-{stage.name}", "counts.json").read_text(encoding="utf-8"))
        preferences = read_table(run.file("preferences", f"{stage.name}.parquet"))
        counts["excluded"] = counts["tokens"] - counts["nobody"] - int(preferences["count"].sum())
        preferred = preferences["neuron"].nunique()
        named = {"stage" if key == "name" else key: value for key, value in asdict(stage).items()}
        rows.append({**named, **counts, "preferred": preferred, "neurons": run.profile.pretraining.units})
    return pd.DataFrame(rows)


def _tag_counts(run: Run) -> pd.DataFrame:
    """How often each tag occurs in the text of the stages: columns corpus, tag, tokens (Fig. 3's black bars)."""
    rows = []
    for role in ("pretraining", "target"):
        corpus = load_corpus_file(run.file("tags", f"{role}.parquet"))
        counts = Counter(tag for document in corpus for tag in document.tags or ())
        rows += [(corpus.name, tag, tokens) for tag, tokens in sorted(counts.items())]
    return pd.DataFrame(rows, columns=["corpus", "tag", "tokens"])


def _corpora_table(run: Run) -> pd.DataFrame:
    parts = [read_table(run.file(step, "measures.parquet")) for step in ("corpora", "vocabulary")]
    if run.file("tags", "accuracy.parquet").is_file():
        scored = read_table(run.file("tags", "accuracy.parquet")).query("tag == 'all'")
        parts.append(pd.DataFrame({"corpus": scored["corpus"], "measure": "tag_accuracy", "value": scored["share"]}))
    return pd.concat(parts, ignore_index=True).astype({"value": np.float64})
