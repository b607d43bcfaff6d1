"""The paper's claims beside ours: over seeds where sibling runs are there, and what follows from it.

A verdict is one of six, decided in this order:

    impossible as stated  the claim contradicts the paper's own numbers (paper.yaml says how)
    not stated            the paper gives no number or rule to test
    not tested            a choice of setting, one neuron of lost weights, a table that the run did not keep; or the paper's
                          number lies in our interval, but five seeds of real corpora are not there; or there is no interval
    reproduced            the paper's number lies in our interval over at least five seeds, never for generated worlds
    same direction        the claim's sign is ours, and the interval excludes no effect
    differs               anything else that was measured

The interval is Student's over seeds where there are two or more, else that of the one run. Where the rules conflict the
stricter one holds: a claim without a number is never "reproduced", only "same direction", and an interval that holds no effect
is "differs" even where our sign is the claim's. Intervals are read claim by claim, without a correction for their number.
May touch: errors, paper, places, profiles, results, tables, measures, intervals.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import pandas as pd
import yaml
from pydantic import ValidationError

from txray_lib import places
from txray_lib.audit.intervals import Measured, missing, over_seeds
from txray_lib.audit.measures import COLUMNS, against, effect_name, measure
from txray_lib.audit.measures.run import Run
from txray_lib.paper import Claim, claims
from txray_lib.profiles import Profile
from txray_lib.results import Results
from txray_lib.tables import read_table

REPRODUCED, SAME, DIFFERS, IMPOSSIBLE, NOT_STATED, NOT_TESTED = VERDICTS = (
    "reproduced",
    "same direction",
    "differs",
    "impossible as stated",
    "not stated",
    "not tested",
)
ENOUGH_SEEDS = 5
_OF_STATUS = {"impossible": IMPOSSIBLE, "not_stated": NOT_STATED, "not_tested": NOT_TESTED}
_IGNORED = {"name", "about", "seed", "controls", "nulls"}
"""Keys of a profile in which the seeds of one experiment may differ: controls and nulls change no stage."""


def verdicts(results: Results) -> pd.DataFrame:
    """A row for each part of each claim that says something, in the order of paper.yaml.

    Columns: id, part, what, label, section, unit, paper (NaN: no number), asked (the direction in words), against (our value
    of what the direction compares with), ours, low, high, seeds, basis, difference (ours − paper), verdict, because, flag,
    caution. Counts of neurons are shares. `seeds` is 0 where nothing was measured.
    """
    values = seeds(results)
    own = _measured(results).set_index(["id", "part"])
    by_seed = {key: rows["value"].tolist() for key, rows in values.groupby(["id", "part"], sort=False)}
    generated = is_generated(results)
    rows = []
    for name, claim in claims().items():
        ours = {part: _ours(own, by_seed, name, part) for part in _parts(claim)}
        rows += [_row(claim, part, ours, generated) for part in claim.parts if says(claim, part)]
    return pd.DataFrame(rows)


def says(claim: Claim, part: str) -> bool:
    """Whether a part claims anything, or is only there for another to be compared with."""
    its = claim.parts[part]
    return bool(its.direction) or part in claim.statuses or not math.isnan(its.value)


def seeds(results: Results) -> pd.DataFrame:
    """[id, part, profile, value] of this run and of its siblings, runs named `{profile}-seed-N` with the same settings."""
    parts = [_measured(results).assign(profile=results.profile)]
    for folder in siblings(results):
        parts.append(read_table(folder / "measured.parquet").assign(profile=folder.name))
    return pd.concat(parts, ignore_index=True)[["id", "part", "profile", "value"]]


def siblings(results: Results) -> list[Path]:
    """Folders of the runs that differ from this one in the seed alone; live ones before frozen ones of the same name."""
    parents = [results.folder.parent]
    if results.folder.parent in (places.live_results("x").parent, places.frozen_results("x").parent):
        parents = [places.live_results("x").parent, places.frozen_results("x").parent]
    found: dict[str, Path] = {}
    for parent in parents:
        for folder in sorted(parent.glob(f"{results.profile}-seed-*")):
            if (folder / "measured.parquet").is_file() and _settings(folder) == _settings(results.folder):
                found.setdefault(folder.name, folder)
    return [found[name] for name in sorted(found)]


def is_generated(results: Results) -> bool:
    """Whether any of the run's corpora comes from a generated world, or cannot be told not to."""
    corpora = Run(results).settings.get("corpora")
    return not isinstance(corpora, dict) or any(its.get("source") == "world" for its in corpora.values())


def decide(claim: Claim, part: str, ours: Measured, effect: Measured, seeds: int, generated: bool) -> tuple[str, str]:
    """The verdict on a part and its reason.

    ours    the value with its interval, `effect` what is compared with no effect: ours, or its difference from another part
    seeds   how many runs the value is of
    """
    if part in claim.statuses:
        status, why = claim.statuses[part]
        return _OF_STATUS[status], why
    if math.isnan(ours.value):
        return NOT_TESTED, ours.why or "the run gives no value"
    its, paper = claim.parts[part], claim.compared(part)
    inside = ours.has_interval and ours.low <= paper <= ours.high
    enough = seeds >= ENOUGH_SEEDS and not generated
    if inside and enough:
        return REPRODUCED, f"the paper's number lies in our interval over {_runs(seeds)}"
    if its.direction:
        return _by_sign(its.direction, effect, 0.0 if isinstance(its.than, str) else its.than, seeds)
    if not ours.has_interval:
        return NOT_TESTED, ours.why or "one run gives this number without an interval"
    if not inside:
        return DIFFERS, f"the paper's number lies outside our interval ({_runs(seeds)})"
    lacking = (
        "the corpora are generated" if generated else f"“reproduced” takes five seeds, not {_runs(seeds, few=False)}"
    )
    return NOT_TESTED, f"the paper's number lies in our interval, but {lacking}"


def _by_sign(direction: str, effect: Measured, none: float, seeds: int) -> tuple[str, str]:
    """Same direction or differs, by an effect and the value that would be none."""
    if math.isnan(effect.value):
        return NOT_TESTED, effect.why or "what it is compared with was not measured"
    if not effect.has_interval:
        return NOT_TESTED, effect.why or "one run gives this number without an interval"
    greater = direction == "greater"
    if (effect.value > none) != greater or effect.value == none:
        return (
            DIFFERS,
            f"{'there is no effect' if effect.value == none else 'ours goes the other way'} ({_runs(seeds)})",
        )
    if not (effect.low > none if greater else effect.high < none):
        return DIFFERS, f"our sign is the claim's, but the interval holds no effect ({_runs(seeds)})"
    return SAME, f"ours has the claim's sign and excludes no effect ({_runs(seeds)})"


def _runs(number: int, few: bool = True) -> str:
    said = "one seed" if number == 1 else f"{number} seeds"
    return f"{said}, fewer than five" if few and number < ENOUGH_SEEDS else said


def _row(claim: Claim, part: str, ours: dict[str, tuple[Measured, int]], generated: bool) -> dict[str, object]:
    its, (own, number) = claim.parts[part], ours[part]
    other = its.than if its.direction and isinstance(its.than, str) else ""
    effect = ours[effect_name(part, other)][0] if other else own
    against = ours[other][0].value if other else (its.than if its.direction else math.nan)
    verdict, because = decide(claim, part, own, effect, number, generated)
    paper = claim.compared(part)
    return {
        "id": claim.id,
        "part": part,
        "what": claim.what,
        "label": its.label,
        "section": claim.section,
        "unit": claim.unit,
        "paper": paper,
        "asked": _asked(claim, part),
        "against": against,
        "ours": own.value,
        "low": own.low,
        "high": own.high,
        "seeds": number,
        "basis": own.basis,
        "difference": own.value - paper,
        "verdict": verdict,
        "because": because,
        "flag": claim.flag,
        "caution": claim.caution,
    }


def _asked(claim: Claim, part: str) -> str:
    """The direction of a part in words: "more than 0.5", "less than early"."""
    its = claim.parts[part]
    if not its.direction:
        return ""
    if its.than == 0:
        return "positive" if its.direction == "greater" else "negative"
    than = claim.parts[its.than].label if isinstance(its.than, str) else f"{its.than:g}"
    return f"{'more' if its.direction == 'greater' else 'less'} than {than}"


def _ours(own: pd.DataFrame, by_seed: dict, name: str, part: str) -> tuple[Measured, int]:
    """The value with the interval over seeds where two or more runs have it, else the run's own; and their number."""
    if (name, part) not in own.index:
        return missing("this run measured no such part"), 0
    row = own.loc[(name, part)]
    values = [value for value in by_seed[name, part] if not math.isnan(value)]
    if len(values) >= 2:
        return over_seeds(values), len(values)
    return Measured(row["value"], row["low"], row["high"], row["basis"], row["why"]), len(values)


def _parts(claim: Claim) -> list[str]:
    return [*claim.parts, *(effect_name(*pair) for pair in against(claim))]


def _measured(results: Results) -> pd.DataFrame:
    path = results.folder / "provenance.json"
    return _measured_once(results, path.stat().st_mtime_ns if path.is_file() else 0).copy()


@lru_cache(maxsize=16)
def _measured_once(results: Results, changed: int) -> pd.DataFrame:
    """The run's own measured table if it has all parts that the claims ask for today, else measured now."""
    wanted = {(name, part) for name, claim in claims().items() for part in _parts(claim)}
    if results.has("measured"):
        table = results.table("measured")
        if wanted <= set(zip(table["id"], table["part"], strict=True)):
            return table[COLUMNS]
    return measure(results)


def _settings(folder: Path) -> dict[str, object]:
    path = folder / "profile.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    with suppress(ValidationError):  # a parameter that did not exist when the tables were made had its default
        given = Profile.model_validate({k: v for k, v in given.items() if v is not None}).model_dump()
    return {key: value for key, value in given.items() if key not in _IGNORED}


def judge(results: Results, *ids: str) -> pd.DataFrame:
    """One row per claim: id, claim, section, paper, asked, unit, ours, low, high, basis, chance, seeds, verdict, because, flag,
    caution."""
    rows = verdicts(results).drop_duplicates("id").rename(columns={"what": "claim", "against": "chance"})
    if ids:
        rows = rows.set_index("id", drop=False).loc[list(ids)].reset_index(drop=True)
    return rows[[*_JUDGED]]


_JUDGED = (
    "id",
    "claim",
    "section",
    "paper",
    "asked",
    "unit",
    "ours",
    "low",
    "high",
    "basis",
    "chance",
    "seeds",
    "verdict",
    "because",
    "flag",
    "caution",
)
