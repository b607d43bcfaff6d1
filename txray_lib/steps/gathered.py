"""The tables that the book reads, gathered with their provenance: the step tables. May touch: tables, provenance."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from txray_lib import places
from txray_lib.flow import Run
from txray_lib.provenance import provenance
from txray_lib.stages import stages
from txray_lib.tables import read_table, write_table


def tables(run: Run, folder: Path) -> None:
    facts = json.loads(run.file("corpora", "facts.json").read_text(encoding="utf-8"))
    source = provenance(run.profile.name, run.profile.seed, facts["hashes"])
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
    }
    optional = {"truth": ("corpora", "truth.parquet"), "tag_accuracy": ("tags", "accuracy.parquet")}
    tables |= {name: read_table(run.file(*where)) for name, where in optional.items() if run.file(*where).is_file()}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", source)
    for stage in stages(run.profile):
        write_table(
            read_table(run.file("preferences", f"{stage.name}.parquet")),
            folder / "preferences" / f"{stage.name}.parquet",
            source,
        )
    seconds = {name: s for name, s in run.seconds().items() if name != "tables"}
    places.write_text(json.dumps({**source, "seconds": seconds}, indent=1), folder / "provenance.json")
    places.write_text(
        yaml.safe_dump(run.profile.model_dump(), sort_keys=False, allow_unicode=True), folder / "profile.yaml"
    )


def _stages_table(run: Run) -> pd.DataFrame:
    rows = []
    for stage in stages(run.profile):
        counts = json.loads(run.file(f"collect-{stage.name}", "counts.json").read_text(encoding="utf-8"))
        preferred = read_table(run.file("preferences", f"{stage.name}.parquet"))["neuron"].nunique()
        named = {"stage" if key == "name" else key: value for key, value in asdict(stage).items()}
        rows.append({**named, **counts, "preferred": preferred, "neurons": run.profile.pretraining.units})
    return pd.DataFrame(rows)


def _corpora_table(run: Run) -> pd.DataFrame:
    parts = [read_table(run.file(step, "measures.parquet")) for step in ("corpora", "vocabulary")]
    if run.file("tags", "accuracy.parquet").is_file():
        scored = read_table(run.file("tags", "accuracy.parquet")).query("tag == 'all'")
        parts.append(pd.DataFrame({"corpus": scored["corpus"], "measure": "tag_accuracy", "value": scored["share"]}))
    return pd.concat(parts, ignore_index=True).astype({"value": np.float64})
