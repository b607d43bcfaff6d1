"""What chance makes of each comparison, and better measures beside the paper's: the step nulls. May touch: transfer, nulls."""

from itertools import product
from pathlib import Path

import pandas as pd

from txray_lib.nulls import draw_null
from txray_lib.results import FEW_BLOCKS
from txray_lib.stages import Comparison, comparisons
from txray_lib.steps import Task
from txray_lib.steps.compare import read_counted
from txray_lib.tables import read_table, write_table
from txray_lib.transfer import measured, vocabulary_shift

_PAPERS = "hellinger"


def permute_stages(task: Task, folder: Path) -> None:
    """Permute the text of each comparison, and measure it otherwise.

    Tables `nulls` (a row a comparison and neuron), `null_states` (a row a comparison and preference state), `measures`
    (a row a comparison and neuron; controls too) and `measure_nulls` (a row a comparison, measure and neuron).

    The null of each comparison and measure is kept aside once it is made: a run that was killed goes on with the next.
    """
    every = comparisons(task.profile)
    wanted = [c for c in every if c.question in ("rq1", "rq2", "rq3")]
    nulls, states, others = [], [], []
    for comparison, measure in product(wanted, (_PAPERS, *task.profile.nulls.measures)):
        path = task.scratch / f"{comparison.name.replace(':', '-to-')}.{measure}.parquet"
        if not path.exists():
            _permute(task, comparison, measure, path)
        null = read_table(path)
        if measure == _PAPERS:
            nulls.append(null)
            states.append(read_table(path.with_suffix(".states.parquet")))
        kept = ["comparison", "question", "kind", "layer", "neuron", measure, "expected", "excess", "p", "q"]
        others.append(null[kept].rename(columns={measure: "observed"}).assign(measure=measure))
    controls = [c for c in every if c.question == "control"]
    measures = [_measure(task, comparison) for comparison in (*wanted, *controls)]
    for name, parts in {"nulls": nulls, "null_states": states, "measure_nulls": others, "measures": measures}.items():
        write_table(pd.concat(parts, ignore_index=True), folder / f"{name}.parquet")


def _permute(task: Task, comparison: Comparison, measure: str, path: Path) -> None:
    """The null of one comparison by one measure: the table of its preference states, the same by each, is written first."""
    kind, units = "split" if comparison.question == "rq2" else "swap", task.profile.pretraining.units
    sides = [read_counted(task, stage) for stage in (comparison.before, comparison.after)]
    table, states = draw_null(
        kind,
        *sides,
        units,
        task.profile.nulls.permutations,
        task.profile.seed,
        measure=measure,
        what=f"null of {comparison.name}, {measure}",
    )
    if measure == _PAPERS and kind == "split":
        table = table.merge(vocabulary_shift(*sides, units), on=["layer", "neuron"])
        blocks = [side["block"].nunique() for side in sides]
        if min(blocks) < FEW_BLOCKS:
            task.say(
                f"warning: the texts of {comparison.name} have {blocks[0]:,} and {blocks[1]:,} blocks. With fewer than"
                f" {FEW_BLOCKS} in one of them its null gives p that are too small: give it more blocks, or shorter ones"
            )
    named = {"comparison": comparison.name, "question": comparison.question, "kind": kind}
    write_table(states.assign(**named), path.with_suffix(".states.parquet"))
    write_table(table.assign(**named), path)


def _measure(task: Task, comparison: Comparison) -> pd.DataFrame:
    sides = [read_table(task.file("preferences", f"{side}.parquet")) for side in (comparison.before, comparison.after)]
    table = measured(*sides, task.profile.pretraining.units)
    return table.assign(comparison=comparison.name, question=comparison.question)
