"""Ours for every claim of the paper that the tables of a run can answer: one module for each kind of table.

    run        the tables of a run as the measures ask for them
    changes    states, lengths and distances between stages (§3.1–§3.3)
    tagging    tags: shares of mass, the tagger's accuracy (§3.1, §3.2)
    epochs     what settles over all epochs, and with what (§3.1)
    words      tokens of single neurons (§3.1–§3.3.1)
    scoring    F1, pruning, masses (§3.3)
    labels     what the labels do that shuffled labels do not (§3.3)
    settings   what the run was given (§3)

Each has `measures(run)`, a dictionary of id to {part: Measured}. May touch: errors, paper, preferences, profiles, results,
transfer, intervals, quantities.
"""

from __future__ import annotations

import pandas as pd

from txray_lib.audit.intervals import Measured, effect, missing
from txray_lib.audit.measures import changes, epochs, labels, scoring, settings, tagging, words
from txray_lib.audit.measures.run import Run
from txray_lib.paper import Claim, claims
from txray_lib.results import Results

COLUMNS = ["id", "part", "value", "low", "high", "basis", "why"]


def measure(results: Results) -> pd.DataFrame:
    """Ours for every part of every claim: [id, part, value, low, high, basis, why].

    Counts of neurons are shares of the run's neurons. The interval is over neurons (bootstrap) or random sets (pruning);
    `basis` says which. `why` says why there is no value or no interval. Where a claim sets one part against another, a row
    with the part `effect_name` holds their difference.
    """
    absent = [role for role in ("early", "before-last") if role not in results.roles.values()]
    found = _without(absent, results) if absent else _found(Run(results))
    units = Run(results).units
    rows = []
    for name, claim in claims().items():
        own = {part: found.get(name, {}).get(part) or missing(_reason(claim, part)) for part in claim.parts}
        for first, second in against(claim):
            own[effect_name(first, second)] = effect(own[first], own[second], units)
        rows += [(name, part, its.value, its.low, its.high, its.basis, its.why) for part, its in own.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _found(run: Run) -> dict[str, dict[str, Measured]]:
    found: dict[str, dict[str, Measured]] = {}
    for room in (settings, changes, tagging, epochs, words, scoring, labels):
        for name, parts in room.measures(run).items():
            found.setdefault(name, {}).update(parts)
    return found


def _without(absent: list[str], results: Results) -> dict[str, dict[str, Measured]]:
    """What a run that lacks some roles can answer: a part that changes with what stands in for them has no value."""
    found, *others = (
        _found(Run(results, dict(zip(absent, stand_ins, strict=False))))
        for stand_ins in (("untrained", "last"), ("last", "untrained"), ("last", "last"), ("", "last"), ("", ""))
    )
    none = missing("this run has too few snapshots of pretraining to compare")

    def same(name: str, part: str, its: Measured) -> bool:
        return all(str(other[name][part]) == str(its) for other in others)

    return {
        name: {part: its if same(name, part, its) else none for part, its in parts.items()}
        for name, parts in found.items()
    }


def against(claim: Claim) -> list[tuple[str, str]]:
    """The pairs of parts that a claim sets against each other."""
    return [(part.name, part.than) for part in claim.parts.values() if part.direction and isinstance(part.than, str)]


def effect_name(first: str, second: str) -> str:
    """The part of a measured row that holds first − second."""
    return f"{first} − {second}"


def _reason(claim: Claim, part: str) -> str:
    """Why a part that no measure gives has none: its status in paper.yaml."""
    return claim.statuses.get(part, ("", "no measure of it is written"))[1]
