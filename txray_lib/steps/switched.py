"""What a choice of definition or of reading does: the steps recollect and definitions. May touch: readings … audit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from txray_lib.corpora import load_corpus_file
from txray_lib.stages import READ_OTHERWISE, Stage, stages
from txray_lib.steps.collected import load_model, text_of
from txray_lib.steps.compared import excluding_unknown, read_scored
from txray_lib.steps.files import read_vocabulary, write_frame
from txray_lib.steps.task import Task
from txray_lib.tables import read_table

_PAIRS = {
    "early": ("early", "before-last"),
    "late": ("before-last", "last"),
    "zero-shot": ("last", "zero-shot"),
    "supervised": ("zero-shot", "supervised"),
}
"""The roles of both sides of each of `audit.switches.COMPARISONS`."""

_OF_SNAPSHOTS = ("N1", "N2", "N3", "N8")
"""The quantities that the comparisons "early" and "late" have a part in."""

_SWITCHES = {"reset": ("sentence", ("zero-shot",)), "casing": ("cased", ()), "marks": ("marks", ())}
"""The reading of each switch, and the roles that the released code reads so (none named: all that were read so)."""


def recollect(task: Task, folder: Path, reading: str) -> None:
    from txray_lib.preferences import aggregate
    from txray_lib.rereading import collect_as

    for stage in read_otherwise(task, reading):
        collected = collect_as(
            reading,
            load_model(task, stage),
            load_corpus_file(task.file("tags", f"{text_of(task, stage)}.parquet")),
            read_vocabulary(task),
            task.profile.collection.batch_size,
            task.device,
            f"{stage.name}, reading {reading}",
        )
        write_frame(excluding_unknown(task, aggregate(collected.records)), folder / f"{stage.name}.parquet")


def definitions(task: Task, folder: Path) -> None:
    from txray_lib.audit.switches import formula_switches, reading_switch, same_weights
    from txray_lib.rereading import READINGS

    units = task.profile.pretraining.units
    own = {stage.role: read_table(task.file("preferences", f"{stage.name}.parquet")) for stage in stages(task.profile)}
    absent = [name for name, roles in _PAIRS.items() if not set(roles) <= set(own)]
    paper = {**dict.fromkeys((role for name in absent for role in _PAIRS[name]), own["last"].iloc[:0]), **own}
    pairs = {name: (paper[before], paper[after]) for name, (before, after) in _PAIRS.items()}
    tables = [formula_switches(pairs, units), _pruning_switch(task)]
    rows = []
    for reading, code in READINGS.items():
        read = _read(task, reading)
        rows += [
            same_weights(reading, code, stage.name, paper[stage.role], read[stage.role], units)
            for stage in read_otherwise(task, reading)
        ]
        for switch in (name for name, (used, _) in _SWITCHES.items() if used == reading):
            roles = _SWITCHES[switch][1] or tuple(read)
            sides = {**paper, **{role: read[role] for role in roles}}
            switched = {name: (sides[before], sides[after]) for name, (before, after) in _PAIRS.items()}
            tables.append(reading_switch(switch, code, pairs, switched, units))
            tables.append(_pruning_moved(task, switch, code, switched["supervised"]))
    write_frame(_with(pd.concat(tables, ignore_index=True), absent), folder / "definitions.parquet")
    write_frame(pd.DataFrame(rows), folder / "same_weights.parquet")


def _with(definitions: pd.DataFrame, absent: list[str]) -> pd.DataFrame:
    """The rows that need none of the absent comparisons, in whose place nothing was compared."""
    ids, parts = definitions["id"], definitions["part"].astype(str)
    needs = ids.isin(_OF_SNAPSHOTS) | ((ids == "ranking") & parts.str.split().str[0].isin(absent))
    return definitions[~needs].reset_index(drop=True) if absent else definitions


def read_otherwise(task: Task, reading: str) -> list[Stage]:
    """The stages that are collected again in this reading."""
    return [stage for stage in stages(task.profile) if stage.role in READ_OTHERWISE[reading]]


def _read(task: Task, reading: str) -> Mapping[str, pd.DataFrame]:
    """Preferences by role, of the stages that were read so."""
    return {
        stage.role: read_table(task.file(f"recollect-{reading}", f"{stage.name}.parquet"))
        for stage in read_otherwise(task, reading)
    }


def _pruning_switch(task: Task) -> pd.DataFrame:
    """Tab. 2 with neurons cut out of the encoder, as the paper says, and before the classifier, as its code does (C21)."""
    from txray_lib.pruning import BEFORE_CLASSIFIER, OUT_OF_ENCODER

    rows = read_table(task.file("prune", "pruning.parquet"))
    ways = rows.pivot_table(index=["set", "split"], columns="way", values="change", dropna=False).reset_index()
    return pd.DataFrame(
        {
            "switch": "pruning",
            "code": "C21",
            "id": "T2-" + ways["set"],
            "part": ways["split"],
            "paper": ways[OUT_OF_ENCODER],
            "switched": ways[BEFORE_CLASSIFIER],
        }
    )


def _pruning_moved(task: Task, switch: str, code: str, switched: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Tab. 2 before the classifier for the sets that the paper's reading and another one choose."""
    from txray_lib.pruning import pruning_sets, set_changes
    from txray_lib.transfer import compare

    size, units = task.profile.pruning.set_size, task.profile.pretraining.units
    paper = read_table(task.file("transfer", "transfer.parquet")).query("question == 'rq3'").reset_index(drop=True)
    classifier, texts, hidden = read_scored(task)
    both = [
        set_changes(classifier, pruning_sets(transfer, size), texts, hidden)
        for transfer in (paper, compare(*switched, units))
    ]
    table = both[0].merge(both[1], on=["id", "part"]).rename(columns={"value_x": "paper", "value_y": "switched"})
    return table.assign(switch=switch, code=code)[["switch", "code", "id", "part", "paper", "switched"]]
