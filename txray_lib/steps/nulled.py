"""What chance makes of each comparison, and better measures beside the paper's: the step nulls. May touch: nulls, measures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from txray_lib.flow import Run
from txray_lib.stages import Comparison, comparisons
from txray_lib.steps.files import write_frame
from txray_lib.tables import read_table

_TWO_TEXTS = "rq2"


def nulls(run: Run, folder: Path) -> None:
    """Tables `nulls` (a row a comparison and neuron), `null_states` (a row a comparison and preference state) and
    `measures` (a row a comparison and neuron; controls too)."""
    wanted = [c for c in comparisons(run.profile) if c.question in ("rq1", "rq2", "rq3")]
    for comparison in wanted:
        path = folder / f"part-{comparison.name.replace(':', '-to-')}.parquet"
        if not path.exists():
            write_frame(_null(run, comparison, path.with_name(f"{path.stem}.states.parquet")), path)
    parts = sorted(folder.glob("part-*.parquet"))
    for name, suffix in (("nulls", False), ("null_states", True)):
        chosen = [part for part in parts if part.name.endswith(".states.parquet") == suffix]
        write_frame(pd.concat([read_table(part) for part in chosen], ignore_index=True), folder / f"{name}.parquet")
    for part in parts:
        part.unlink()
    write_frame(_measures(run, wanted), folder / "measures.parquet")


def _null(run: Run, comparison: Comparison, states: Path) -> pd.DataFrame:
    """The null of one comparison; that of its preference states is written to `states` first."""
    from txray_lib.nulls import split_null, swap_null

    null = split_null if comparison.question == _TWO_TEXTS else swap_null
    records = [
        read_table(run.file(f"collect-{stage}", "records.parquet")) for stage in (comparison.before, comparison.after)
    ]
    result = null(
        *map(lambda table: _somebodys(run, table), records),
        run.profile.pretraining.units,
        run.profile.nulls.permutations,
        run.profile.seed,
        what=f"null of {comparison.name}",
    )
    named = {"comparison": comparison.name, "question": comparison.question, "kind": result.kind}
    write_frame(result.states.assign(**named), states)
    return result.table.assign(**named)


def _somebodys(run: Run, records: pd.DataFrame) -> pd.DataFrame:
    """The records that count: with `exclude_unknown`, tokens that are `<unk>` are nobody's."""
    from txray_lib.corpora import UNKNOWN
    from txray_lib.preferences import NOBODY

    if not run.profile.collection.exclude_unknown:
        return records
    return records.assign(neuron=records["neuron"].where(records["feature"] != UNKNOWN, NOBODY))


def _measures(run: Run, wanted: list[Comparison]) -> pd.DataFrame:
    from txray_lib.measures import measured

    controls = [c for c in comparisons(run.profile) if c.question == "control"]
    parts = []
    for comparison in (*wanted, *controls):
        sides = [
            read_table(run.file("preferences", f"{stage}.parquet")) for stage in (comparison.before, comparison.after)
        ]
        table = measured(*sides, run.profile.pretraining.units)
        parts.append(table.assign(comparison=comparison.name, question=comparison.question))
    return pd.concat(parts, ignore_index=True)
