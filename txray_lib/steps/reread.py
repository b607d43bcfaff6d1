"""What a choice of definition or of reading does: the steps recollect and definitions. May touch: rereading … audit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from txray_lib.audit.measures import PAIRS
from txray_lib.audit.switches import formula_switches, reading_switch, same_weights
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.preferences import aggregate
from txray_lib.pruning import BEFORE_CLASSIFIER, OUT_OF_ENCODER, pruning_sets, set_changes
from txray_lib.rereading import READINGS, collect_as
from txray_lib.stages import READ_OTHERWISE, Stage, stages
from txray_lib.steps import Task
from txray_lib.steps.collect import text_of
from txray_lib.steps.compare import counted
from txray_lib.steps.score import read_rq3, read_scored
from txray_lib.steps.train import load_model, read_vocabulary
from txray_lib.tables import read_table, write_table
from txray_lib.transfer import compare

_OF_SNAPSHOTS = ("N1", "N2", "N3", "N8")
"""The quantities that the comparisons "early" and "late" have a part in."""

_SWITCHES = {"reset": ("sentence", ("zero-shot",)), "casing": ("cased", ()), "marks": ("marks", ())}
"""The reading of each switch, and the roles that the released code reads so (none named: all that were read so)."""


def recollect(task: Task, folder: Path, reading: str) -> None:
    """Read stages again, as the released code does, and sum what they prefer."""
    for stage in _stages_of(task, reading):
        collected = collect_as(
            reading,
            load_model(task, stage),
            load_corpus_file(task.file("tags", f"{text_of(task, stage)}.parquet")),
            read_vocabulary(task),
            task.profile.collection.batch_size,
            task.device,
            f"{stage.name}, reading {reading}",
        )
        write_table(aggregate(counted(task, collected.records)), folder / f"{stage.name}.parquet")


def compare_definitions(task: Task, folder: Path) -> None:
    """Tell how far each definition and each reading moves the numbers, and what the same weights prefer."""
    units = task.profile.pretraining.units
    paper = {s.role: read_table(task.file("preferences", f"{s.name}.parquet")) for s in stages(task.profile)}
    absent = [name for name, roles in PAIRS.items() if not paper.keys() >= set(roles)]
    for role in ("early", "before-last"):
        paper.setdefault(role, paper["last"].iloc[:0])
    pairs = _pair(paper)
    tables, rows = [formula_switches(pairs, units), _switch_pruning(task)], []
    for name, code in READINGS.items():
        read = {
            stage.role: read_table(task.file(f"recollect-{name}", f"{stage.name}.parquet"))
            for stage in _stages_of(task, name)
        }
        for stage in _stages_of(task, name):
            sides = paper[stage.role], read[stage.role]
            rows.append(same_weights(name, code, stage.name, *sides, units))
        for switch in (switch for switch, (used, _) in _SWITCHES.items() if used == name):
            roles = _SWITCHES[switch][1] or tuple(read)
            switched = _pair({**paper, **{role: read[role] for role in roles}})
            tables.append(reading_switch(switch, code, pairs, switched, units))
            tables.append(_compare_pruned(task, switch, code, switched["supervised"]))
    table = pd.concat(tables, ignore_index=True)
    if absent:
        of_absent = (table["id"] == "ranking") & table["part"].astype(str).str.split().str[0].isin(absent)
        table = table[~table["id"].isin(_OF_SNAPSHOTS) & ~of_absent].reset_index(drop=True)
    write_table(table, folder / "definitions.parquet")
    write_table(pd.DataFrame(rows), folder / "same_weights.parquet")


def _pair(by_role: dict[str, pd.DataFrame]) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    return {name: (by_role[before], by_role[after]) for name, (before, after) in PAIRS.items()}


def _stages_of(task: Task, reading: str) -> list[Stage]:
    """The stages that are collected again in this reading."""
    return [stage for stage in stages(task.profile) if stage.role in READ_OTHERWISE[reading]]


def _switch_pruning(task: Task) -> pd.DataFrame:
    """Tab. 2 with neurons cut out of the encoder, as the paper says, and before the classifier, as its code does (C21)."""
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


def _compare_pruned(task: Task, switch: str, code: str, switched: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Tab. 2 before the classifier for the sets that the paper's reading and another one choose."""
    size, units = task.profile.pruning.set_size, task.profile.pretraining.units
    classifier, texts, hidden = read_scored(task)
    paper, other = (
        set_changes(classifier, pruning_sets(transfer, size), texts, hidden)
        for transfer in (read_rq3(task), compare(*switched, units))
    )
    table = paper.merge(other, on=["id", "part"]).rename(columns={"value_x": "paper", "value_y": "switched"})
    return table.assign(switch=switch, code=code)[["switch", "code", "id", "part", "paper", "switched"]]
