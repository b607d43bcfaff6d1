"""The verdict on each claim: the paper's number or direction beside ours, and beside what chance gives.

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
a correction for their number. May touch: errors, paper, places, profiles, results, tables, measures, intervals, run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import pandas as pd
import yaml
from pydantic import ValidationError

from txray_lib import places
from txray_lib.audit import pretraining, pruning, supervision
from txray_lib.audit.intervals import Measured, missing, over_seeds
from txray_lib.audit.run import Run
from txray_lib.errors import TxrayError
from txray_lib.paper import Claim, claim, judged
from txray_lib.profiles import Profile
from txray_lib.results import Results
from txray_lib.tables import read_table

REPRODUCED, SAME, INCONCLUSIVE, CONTRADICTED, IMPOSSIBLE, NOT_STATED, NOT_TESTED = VERDICTS = (
    "reproduced",
    "same direction",
    "inconclusive",
    "contradicted",
    "impossible as stated",
    "not stated",
    "not tested",
)
ENOUGH_SEEDS = 5
MEASURES: dict[str, Callable[[Run], Measured]] = {**pretraining.MEASURES, **supervision.MEASURES, **pruning.MEASURES}
COLUMNS = ["id", *Measured.__dataclass_fields__]
_WHAT = {True: "the claim", False: "the paper's number"}
_OF_STATUS = {"impossible": IMPOSSIBLE, "not_stated": NOT_STATED, "not_tested": NOT_TESTED}
_IGNORED = {"name", "about", "seed", "controls", "nulls"}
"""Keys of a profile in which the seeds of one experiment may differ: controls and nulls change no stage."""


def judge(results: Results, *ids: str) -> pd.DataFrame:
    """A row for each claim that the ids name or point at (all claims without ids), in their order.

    id, claim, short, section, unit; flag, caution: see `paper.Claim`
    paper, asked        the paper's number (NaN where it gives none) and the direction in words
    ours, low, high     our number and its interval over `basis`, of `seeds` runs (0 where nothing was measured)
    chance, against     the number that chance gives, and what gives it
    beyond, beyond_low, beyond_high  ours − chance, with the interval of this difference
    verdict, because    one of VERDICTS, and why in one sentence of a fixed form

    Counts of neurons are shares of all. Raises TxrayError for an unknown id.
    """
    asked, generated = judged(*ids), is_generated(results)
    by_seed = {name: rows for name, rows in seeds(results).groupby("id", sort=False)}
    return pd.DataFrame([_row(its, *_ours(by_seed[its.id]), generated) for its in asked])


def pruned(results: Results) -> pd.DataFrame:
    """A row for each set, way and split that this run pruned, with the verdict on what the paper says of that set and split;
    other seeds are left out.

    set, way, split, change, low, high, chance (the median random set), beyond, beyond_low, beyond_high, verdict, because
    """
    generated, rows = is_generated(results), []
    for (name, way, split), its in pruning.effects(Run(results)).items():
        verdict, because = decide(claim(f"T2-{name[0]} {split}"), its, 1, generated)
        values = {key: value for key, value in asdict(its).items() if key not in ("basis", "why")}
        rows.append({"set": name, "way": way, "split": split, **values, "verdict": verdict, "because": because})
    return pd.DataFrame(rows).rename(columns={"value": "change"})


def decide(its: Claim, ours: Measured, number: int, generated: bool) -> tuple[str, str]:
    """The verdict on a claim and its reason, of `number` seeds; `generated`: on corpora from a generated world."""
    if its.status:
        return _OF_STATUS[its.status], its.why
    if math.isnan(ours.value):
        return NOT_TESTED, ours.why or "the run gives no value"
    if math.isnan(its.threshold) and math.isnan(ours.chance):
        return NOT_TESTED, f"the run does not say what chance gives: {its.against}"
    if not ours.has_interval:
        return INCONCLUSIVE, f"no interval: {ours.why}"
    of = "one seed" if number == 1 else f"{number} seeds"
    is_inside, is_outside = _places(its, ours)
    if _is_near(its, ours) and (is_inside or not its.side):
        if number >= ENOUGH_SEEDS and not generated:
            return REPRODUCED, f"our interval lies about the paper's number ({of})"
        if not its.side:
            lacks = "the corpora are generated" if generated else f"“reproduced” takes five seeds, not {of}"
            return INCONCLUSIVE, f"our interval lies about the paper's number, but {lacks}"
    if is_outside:
        return CONTRADICTED, f"our interval excludes {_WHAT[bool(its.side)]} ({of})"
    if is_inside and its.side * (its.paper - ours.chance) <= 0:
        return INCONCLUSIVE, f"chance gives more of it than the paper's own number ({of})"
    if is_inside:
        far = ", far from the paper's number" if _is_far(its, ours) else ""
        return SAME, f"our interval lies on the claim's side of chance{far} ({of})"
    return INCONCLUSIVE, _open(its, ours, of)


def seeds(results: Results) -> pd.DataFrame:
    """What was measured in this run and its siblings, a row for each claim and run: COLUMNS and profile."""
    parts = [measured(results).assign(profile=results.profile)]
    for folder in siblings(results):
        parts.append(read_table(folder / "measured.parquet").assign(profile=folder.name))
    return pd.concat(parts, ignore_index=True)


def siblings(results: Results) -> list[Path]:
    """Folders of runs named `{profile}-seed-N` that differ from this one in the seed alone; live ones before frozen ones of the
    same name. One that was measured for other claims than today's is passed over: it is to be run again."""
    parents = [results.folder.parent]
    if results.folder.parent in (places.live_results("x").parent, places.frozen_results("x").parent):
        parents = [places.live_results("x").parent, places.frozen_results("x").parent]
    found: dict[str, Path] = {}
    for parent in parents:
        for folder in sorted(parent.glob(f"{results.profile}-seed-*")):
            if _is_current(folder) and _settings(folder) == _settings(results.folder):
                found.setdefault(folder.name, folder)
    return [found[name] for name in sorted(found)]


def is_generated(results: Results) -> bool:
    """Whether any of the run's corpora comes from a generated world, or cannot be told not to."""
    corpora = Run(results).settings.get("corpora")
    return not isinstance(corpora, dict) or any(its.get("source") == "world" for its in corpora.values())


def measure(results: Results) -> pd.DataFrame:
    """Ours for every claim that is judged, beside chance: COLUMNS, a row a claim in the order of paper.yaml."""
    run = Run(results)
    return pd.DataFrame([{"id": its.id, **asdict(measure_one(run, its))} for its in judged()], columns=COLUMNS)


def measured(results: Results) -> pd.DataFrame:
    """The run's own measured table if it is of today's claims, else measured now."""
    path = results.folder / "provenance.json"
    return _measured(results, path.stat().st_mtime_ns if path.is_file() else 0).copy()


def measure_one(run: Run, its: Claim) -> Measured:
    """Ours for one claim; missing, with the reason, where the run lacks a table or a stage."""
    if its.id not in MEASURES:
        return missing(its.why)
    try:
        return MEASURES[its.id](run)
    except TxrayError as error:
        return missing(f"this run kept too little: {str(error).splitlines()[0]}")


def _places(its: Claim, ours: Measured) -> tuple[bool, bool]:
    """Whether the interval lies inside the claim's region and excludes chance; whether it lies outside the region."""
    if not its.side:
        return False, _is_far(its, ours)
    past_chance = _past(its.side, ours.beyond_low, ours.beyond_high, 0.0)
    past_border = past_chance
    if not math.isnan(its.threshold):
        past_border = _past(its.side, ours.low, ours.high, its.threshold)
    return past_border[0] > 0 and past_chance[0] > 0, past_border[1] <= 0


def _past(side: int, low: float, high: float, border: float) -> tuple[float, float]:
    """How far the ends of an interval lie past a border on one side, the nearer end first."""
    ends = (side * (low - border), side * (high - border))
    return min(ends), max(ends)


def _is_near(its: Claim, ours: Measured) -> bool:
    """Whether the whole interval lies within half the distance from the paper's number to chance."""
    return max(ours.high - its.paper, its.paper - ours.low) < abs(its.paper - ours.chance) / 2


def _is_far(its: Claim, ours: Measured) -> bool:
    """Whether the whole interval lies further away than that."""
    return max(ours.low - its.paper, its.paper - ours.high) > abs(its.paper - ours.chance) / 2


def _open(its: Claim, ours: Measured, of: str) -> str:
    """Why an interval tells neither way."""
    if math.isnan(ours.beyond_low):
        return f"the run does not say what chance gives: {its.against}"
    if ours.beyond_low <= 0 <= ours.beyond_high:
        return f"our interval holds what chance gives ({of})"
    if not its.side:
        return f"our interval reaches from near the paper's number to far from it ({of})"
    if its.side * ours.beyond < 0:
        return f"chance gives more of it than ours ({of})"
    return f"our interval holds the border of the claim ({of})"


def _ours(rows: pd.DataFrame) -> tuple[Measured, int]:
    """The number over seeds where two or more runs have it, else the run's own; and how many runs it is of."""
    own = Measured(**{key: rows.iloc[0][key] for key in COLUMNS[1:]})
    has_chance = rows["chance"].notna() | math.isnan(own.chance)
    known = rows[rows["value"].notna() & has_chance]
    if math.isnan(own.value) or len(known) < 2:
        return own, int(not math.isnan(own.value))
    return over_seeds(known["value"], known["chance"]), len(known)


def _row(its: Claim, ours: Measured, number: int, generated: bool) -> dict[str, object]:
    verdict, because = decide(its, ours, number, generated)
    return {
        **{key: getattr(its, key) for key in ("id", "claim", "short", "section", "unit", "paper", "asked")},
        "ours": ours.value,
        **{key: getattr(ours, key) for key in ("low", "high", "basis", "chance")},
        "against": its.against,
        **{key: getattr(ours, key) for key in ("beyond", "beyond_low", "beyond_high")},
        "seeds": number,
        "verdict": verdict,
        "because": because,
        "flag": its.flag,
        "caution": its.caution,
    }


@lru_cache(maxsize=16)
def _measured(results: Results, changed: int) -> pd.DataFrame:
    if _is_current(results.folder):
        return results.table("measured")[COLUMNS]
    return measure(results)


def _is_current(folder: Path) -> bool:
    """Whether a folder holds a measured table of all claims that are judged today."""
    path = folder / "measured.parquet"
    if not path.is_file():
        return False
    table = read_table(path)
    return set(COLUMNS) <= set(table) and {its.id for its in judged()} <= set(table["id"])


def _settings(folder: Path) -> dict[str, object]:
    path = folder / "profile.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    with suppress(ValidationError):  # a parameter that did not exist when the tables were made had its default
        given = Profile.model_validate({k: v for k, v in given.items() if v is not None}).model_dump()
    return {key: value for key, value in given.items() if key not in _IGNORED}
