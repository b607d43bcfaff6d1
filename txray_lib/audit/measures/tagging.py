"""Tags: shares of activation mass beside the corpus, and the tagger's accuracy (§3.1, §3.2).

A share of mass is of all tokens that were read, so one run gives it without an interval: its neurons are no sample of
anything, and documents are not in the tables. May touch: errors, results, intervals.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import Measured, missing, plain
from txray_lib.audit.measures.run import Run, attempt

ROLES = ("untrained", "early", "last")


def measures(run: Run) -> dict[str, dict[str, Measured]]:
    """F3, K3, K10–K12."""
    names = {"F3": ROLES, "K10": ("untrained", "early"), "K11": ("first", "later"), "K12": ("untrained", "last")}
    found = {"K3": _accuracy(run)}
    try:
        wide = _shares(run)
    except KeyError as error:
        return {
            **found,
            **{
                name: dict.fromkeys(parts, missing(f"this run kept no {error.args[0]}"))
                for name, parts in names.items()
            },
        }
    correlation = {role: plain(float(wide[role].corr(wide["corpus"]))) for role in ROLES}
    away = {role: _moved(wide[role], wide["corpus"]) for role in ROLES}
    return {
        **found,
        "F3": correlation,
        "K10": {role: away[role] for role in names["K10"]},
        "K11": {"first": _moved(wide["untrained"], wide["early"]), "later": _moved(wide["early"], wide["last"])},
        "K12": {role: away[role] for role in names["K12"]},
    }


def _shares(run: Run) -> pd.DataFrame:
    """Shares by tag: a column for the corpus and one for each of ROLES. Raises KeyError for a stage that is not there."""
    results = run.results
    if absent := [role for role in ROLES if role not in results.roles.values()]:
        raise KeyError(f"stage with the role {absent[0]}")
    columns = {role: _mass(run, results.stage(role)) for role in ROLES}
    wide = pd.DataFrame({**columns, "corpus": _corpus(run, results.stage("last"))}).fillna(0.0)
    return wide / wide.sum()


def mismatch(run: Run, stage: str) -> float:
    """The share of a stage's activation mass that would have to move to other tags to match the text that it read."""
    wide = pd.DataFrame({"mass": _mass(run, stage), "corpus": _corpus(run, stage)}).fillna(0.0)
    wide = wide / wide.sum()
    return _moved(wide["mass"], wide["corpus"]).value


def _mass(run: Run, stage: str) -> pd.Series:
    return _by_tag(run.results.preferences(stage), "activation_sum")


def _corpus(run: Run, stage: str) -> pd.Series:
    """Tokens by tag in the text of a stage: those that somebody prefers where the run did not count them."""
    results = run.results
    corpus = results.stages.set_index("stage")["corpus"].loc[stage]
    if results.has("tag_counts"):
        counts = results.table("tag_counts")
        return _by_tag(counts[counts["corpus"] == corpus], "tokens")
    return _by_tag(results.preferences(stage), "count")


def _by_tag(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.groupby(rows["tag"].astype(str))[column].sum().astype(float)


def _moved(first: pd.Series, second: pd.Series) -> Measured:
    """Total variation: the share that would have to move to other tags."""
    return plain(float(np.abs(first - second).sum() / 2))


def _accuracy(run: Run) -> dict[str, Measured]:
    """The tagger's accuracy on each corpus, where the true tags are known (generated worlds)."""
    parts = ("pretraining", "target")
    if not run.results.has("tag_accuracy"):
        return dict.fromkeys(parts, missing("this run kept no true tags: they are known in generated worlds alone"))

    def both() -> dict[str, Measured]:
        sums = run.results.table("tag_accuracy").groupby("corpus")[["correct", "tokens"]].sum()
        corpora = run.results.stages.set_index("role")["corpus"]
        return {
            part: _proportion(*sums.loc[corpora[role]]) if corpora[role] in sums.index else missing("no true tags")
            for part, role in zip(parts, ("last", "zero-shot"), strict=True)
        }

    return attempt(both, parts)


def _proportion(hits: float, of: float) -> Measured:
    """A share of tokens with its normal interval over tokens."""
    value = hits / of
    half = 1.96 * float(np.sqrt(value * (1 - value) / of))
    return Measured(value, value - half, value + half, "tokens")
