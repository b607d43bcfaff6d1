"""What chance makes of each comparison, and better measures beside the paper's: the step nulls. May touch: nulls, measures."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd

from txray_lib.results import FEW_BLOCKS
from txray_lib.stages import Comparison, comparisons
from txray_lib.steps.files import write_frame
from txray_lib.steps.task import Task
from txray_lib.tables import read_table

_TWO_TEXTS, _PAPERS = "rq2", "hellinger"


def nulls(task: Task, folder: Path) -> None:
    """Tables `nulls` (a row a comparison and neuron), `null_states` (a row a comparison and preference state), `measures`
    (a row a comparison and neuron; controls too) and `measure_nulls` (a row a comparison, measure and neuron)."""
    wanted = [c for c in comparisons(task.profile) if c.question in ("rq1", "rq2", "rq3")]
    asked = list(product(wanted, (_PAPERS, *task.profile.nulls.measures)))
    made: dict[str, list[Path]] = {"nulls": [], "null_states": [], "measure_nulls": []}
    for comparison, measure in asked:
        path = task.scratch / f"part-{comparison.name.replace(':', '-to-')}.{measure}.parquet"
        states = path.with_suffix(".states.parquet")
        if not path.exists():
            write_frame(_null(task, comparison, measure, states), path)
        if measure == _PAPERS:
            made["nulls"].append(path)
            made["null_states"].append(states)
        made["measure_nulls"].append(path)
    for name, paths in made.items():
        parts = [read_table(path) for path in paths]
        if name == "measure_nulls":
            parts = [_short(part, measure) for part, (_, measure) in zip(parts, asked, strict=True)]
        write_frame(pd.concat(parts, ignore_index=True), folder / f"{name}.parquet")
    write_frame(_measures(task, wanted), folder / "measures.parquet")


def _short(null: pd.DataFrame, measure: str) -> pd.DataFrame:
    """What of a null is kept for every measure."""
    columns = ["comparison", "question", "kind", "layer", "neuron", measure, "expected", "excess", "p", "q"]
    return null[columns].rename(columns={measure: "observed"}).assign(measure=measure)


def _null(task: Task, comparison: Comparison, measure: str, states: Path) -> pd.DataFrame:
    """The null of one comparison by one measure. That of its preference states, the same by each, is written to `states` first
    by the paper's."""
    from txray_lib.nulls import split_null, swap_null

    null = split_null if comparison.question == _TWO_TEXTS else swap_null
    records = [
        read_table(task.file(f"collect-{stage}", "records.parquet")) for stage in (comparison.before, comparison.after)
    ]
    result = null(
        *map(lambda table: _somebodys(task, table), records),
        task.profile.pretraining.units,
        task.profile.nulls.permutations,
        task.profile.seed,
        measure=measure,
        what=f"null of {comparison.name}, {measure}",
    )
    if measure == _PAPERS and result.kind == "split" and min(result.blocks) < FEW_BLOCKS:
        task.say(
            f"warning: the texts of {comparison.name} have {result.blocks[0]:,} and {result.blocks[1]:,} blocks. With fewer than"
            f" {FEW_BLOCKS} in one of them its null gives p that are too small: give it more blocks, or shorter ones"
        )
    named = {"comparison": comparison.name, "question": comparison.question, "kind": result.kind}
    if measure == _PAPERS:
        write_frame(result.states.assign(**named), states)
    return result.table.assign(**named)


def _somebodys(task: Task, records: pd.DataFrame) -> pd.DataFrame:
    """The records that count: with `exclude_unknown`, tokens that are `<unk>` are nobody's."""
    from txray_lib.corpora import UNKNOWN
    from txray_lib.preferences import NOBODY

    if not task.profile.collection.exclude_unknown:
        return records
    return records.assign(neuron=records["neuron"].where(records["feature"] != UNKNOWN, NOBODY))


def _measures(task: Task, wanted: list[Comparison]) -> pd.DataFrame:
    from txray_lib.measures import measured

    controls = [c for c in comparisons(task.profile) if c.question == "control"]
    parts = []
    for comparison in (*wanted, *controls):
        sides = [
            read_table(task.file("preferences", f"{stage}.parquet")) for stage in (comparison.before, comparison.after)
        ]
        table = measured(*sides, task.profile.pretraining.units)
        parts.append(table.assign(comparison=comparison.name, question=comparison.question))
    return pd.concat(parts, ignore_index=True)
