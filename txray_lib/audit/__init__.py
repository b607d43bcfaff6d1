"""The verdict on each claim: the paper's number or direction beside ours, and beside what chance gives.

    intervals  a number beside chance, with its interval
    measures   ours for the claims of §3.1 to §3.3
    pruning    F1, and what pruning does to it
    switches   how far one choice of definition or of reading moves the paper's numbers

A claim is a region: the values beyond a threshold (0, a number, or chance), or, where the paper gives a number alone, those
within half the distance from that number to chance. The verdict, decided in this order:

    impossible as stated, not stated, not tested  as paper.yaml says; not tested too where the run gives no value
    reproduced      the interval over five seeds or more, on real text, lies within half the distance from the paper's number
                    to chance, and the sign is the claim's
    same direction  the interval lies in the claim's region and excludes what chance gives, and the paper's own number lies
                    beyond chance too
    contradicted    the interval lies outside the claim's region
    inconclusive    anything else that was measured: no interval, one that reaches over the border, or a number that chance gives

Intervals are Student's over seeds where there are two or more, else those of the one run; they are read claim by claim, without
a correction for their number. May touch: errors, paper, preferences, results, tables, transfer.
Needs no torch.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from txray_lib.audit import measures, pruning
from txray_lib.audit.intervals import Measured, over_seeds
from txray_lib.audit.measures import Run
from txray_lib.errors import TxrayError
from txray_lib.paper import Claim, judged
from txray_lib.results import VERDICTS, Results, read_parameters
from txray_lib.tables import read_table

REPRODUCED, SAME, INCONCLUSIVE, CONTRADICTED, IMPOSSIBLE, NOT_STATED, NOT_TESTED = VERDICTS
ENOUGH_SEEDS = 5
MEASURES: dict[str, Callable[[Run], Measured]] = {**measures.MEASURES, **pruning.MEASURES}
COLUMNS = ["id", *Measured.__dataclass_fields__]


def judge(results: Results, *ids: str) -> pd.DataFrame:
    """A row for each claim that the ids name or point at (all claims without ids), in their order.

    id, claim, short, section, unit; flag, caution: see `paper.Claim`
    paper, asked        the paper's number (NaN where it gives none) and the direction in words
    ours, low, high     our number and its interval over `basis`, of `seeds` runs (0 where nothing was measured)
    chance, against     the number that chance gives, and what gives it
    beyond, beyond_low, beyond_high  ours − chance, with the interval of this difference
    verdict, because    one of VERDICTS, and where the interval lies, in a few words that `audit.md` explains, or what is missing

    Counts of neurons are shares of all. Raises TxrayError for an unknown id.
    """
    measured, generated, rows = seeds(results), is_generated(results), []
    for its in judged(*ids):
        ours, number = _over_runs(measured[measured["id"] == its.id])
        verdict, because = decide(its, ours, number, generated)
        told = {"ours": ours.value, "seeds": number, "verdict": verdict, "because": because}
        rows.append({**vars(its), **asdict(ours), **told})
    columns = (
        "id claim short section unit paper asked ours low high basis chance against beyond beyond_low beyond_high"
        " seeds verdict because flag caution"
    )
    return pd.DataFrame(rows)[columns.split()]


def decide(its: Claim, ours: Measured, number: int, generated: bool) -> tuple[str, str]:
    """The verdict on a claim and the reason, of `number` seeds; `generated`: on corpora from a generated world."""
    if its.why:
        return IMPOSSIBLE if its.impossible else NOT_STATED if its.not_stated else NOT_TESTED, its.why
    if math.isnan(ours.value):
        return NOT_TESTED, ours.why or "no value"
    if math.isnan(its.threshold) and math.isnan(ours.chance):
        return NOT_TESTED, "chance unknown"
    if not ours.has_interval:
        return INCONCLUSIVE, ours.why
    reach = abs(its.paper - ours.chance) / 2
    is_near = max(ours.high - its.paper, its.paper - ours.low) < reach
    is_far = max(ours.low - its.paper, its.paper - ours.high) > reach
    is_inside, is_outside = _places(its, ours) if its.side else (is_near, is_far)
    if is_near and is_inside and number >= ENOUGH_SEEDS and not generated:
        return REPRODUCED, "near the paper"
    if is_outside:
        return CONTRADICTED, "outside the claim" if its.side else "far from the paper"
    if not is_inside:
        return INCONCLUSIVE, _hindrance(its, ours)
    if not its.side:
        return INCONCLUSIVE, "near the paper, generated text" if generated else "near the paper, few seeds"
    if its.side * (its.paper - ours.chance) <= 0:
        return INCONCLUSIVE, "chance exceeds the paper"
    return SAME, "beyond chance, far from the paper" if is_far else "beyond chance"


def seeds(results: Results) -> pd.DataFrame:
    """What was measured in this run and in its other seeds (`Results.seed_folders`): COLUMNS and profile, a row for each claim
    and run.

    A run that was measured for other claims than today's is measured now; another one is passed over: it is to be run again.
    """
    own = _read_measured(results.folder)
    found = {results.profile: measure(results) if own is None else own}
    for folder in results.seed_folders:
        table = _read_measured(folder)
        if table is not None:
            found.setdefault(folder.name, table)
    return pd.concat([found[name].assign(profile=name) for name in sorted(found)], ignore_index=True)


def is_generated(results: Results) -> bool:
    """Whether any of the run's corpora comes from a generated world, or cannot be told not to."""
    corpora = read_parameters(results.folder).get("corpora")
    return not corpora or any(its["source"] == "world" for its in corpora.values())


def measure(results: Results) -> pd.DataFrame:
    """Ours for every claim that is judged, beside chance: COLUMNS, a row a claim in the order of paper.yaml."""
    run = Run(results)
    return pd.DataFrame([{"id": its.id, **asdict(measure_one(run, its))} for its in judged()], columns=COLUMNS)


def measure_one(run: Run, its: Claim) -> Measured:
    """Ours for one claim; missing, with the reason, where the run lacks a table or a stage, and of a Transformer."""
    if its.id not in MEASURES:
        return Measured(why=its.why)
    try:
        if other := run.other_encoder:
            return Measured(why=f"the claim is on the one layer of an LSTM, and this encoder is {other}")
        return MEASURES[its.id](run)
    except TxrayError as error:
        return Measured(why=f"this run kept too little: {str(error).splitlines()[0]}")


def _places(its: Claim, ours: Measured) -> tuple[bool, bool]:
    """Whether the interval lies inside the region of a claim of a direction and excludes chance; whether it lies outside."""
    past_chance = past_border = sorted((its.side * ours.beyond_low, its.side * ours.beyond_high))
    if not math.isnan(its.threshold):
        past_border = sorted(its.side * (end - its.threshold) for end in (ours.low, ours.high))
    return past_border[0] > 0 and past_chance[0] > 0, past_border[1] <= 0


def _hindrance(its: Claim, ours: Measured) -> str:
    """What keeps an interval from telling either way."""
    if math.isnan(ours.beyond_low):
        return "chance unknown"
    if ours.beyond_low <= 0 <= ours.beyond_high:
        return "not told from chance"
    if its.side * ours.beyond < 0:
        return "chance exceeds ours"
    return "crosses the border"


def _over_runs(rows: pd.DataFrame) -> tuple[Measured, int]:
    """The number over seeds where two or more runs have it, else the run's own; and how many runs it is of."""
    own = Measured(**{key: rows.iloc[0][key] for key in COLUMNS[1:]})
    has_chance = rows["chance"].notna() | math.isnan(own.chance)
    known = rows[rows["value"].notna() & has_chance]
    if math.isnan(own.value) or len(known) < 2:
        return own, int(not math.isnan(own.value))
    return over_seeds(known["value"], known["chance"]), len(known)


def _read_measured(folder: Path) -> pd.DataFrame | None:
    """The measured table of a folder; none where it lacks a claim that is judged today."""
    if not (folder / "measured.parquet").is_file():
        return None
    table = read_table(folder / "measured.parquet")
    is_current = set(COLUMNS) <= set(table) and {its.id for its in judged()} <= set(table["id"])
    return table[COLUMNS] if is_current else None
