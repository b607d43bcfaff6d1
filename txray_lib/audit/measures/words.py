"""Tokens of single neurons: what they keep and what they take in (§3.1, §3.2, §3.3.1). May touch: results, intervals."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import Measured, bootstrap, median, missing, plain, share
from txray_lib.audit.measures.run import PAIRS, Run
from txray_lib.transfer import GAINED, SHARED


def measures(run: Run) -> dict[str, dict[str, Measured]]:
    """K14, K17, K20, K23 and T1."""
    kept = partial(_features, run, "early")
    return {
        "K14": {
            part: bootstrap(median, kept(run.extremes("early", most=part == "most")["neuron"], _kept))
            for part in ("most", "least")
        },
        "K17": _types(run),
        "K20": {
            "new": bootstrap(median, _features(run, "zero-shot", run.extremes("zero-shot", False)["neuron"], _new))
        },
        "K23": _evaluative(run),
        "T1": _gained(run),
    }


def _features(run: Run, comparison: str, neurons: pd.Series, measure) -> list[float]:
    """A measure of the two sets of features of each of these neurons."""
    sides = []
    for role in PAIRS[comparison]:
        rows = run.preferences(role)
        rows = rows[rows["neuron"].isin(neurons)]
        sides.append(rows.groupby("neuron")["feature"].agg(lambda features: set(features.astype(str))))
    return [measure(sides[0][neuron], sides[1][neuron]) for neuron in neurons]


def _kept(before: set[str], after: set[str]) -> float:
    return len(before & after) / len(before | after)


def _new(before: set[str], after: set[str]) -> float:
    return len(after - before) / len(after)


def _types(run: Run) -> dict[str, Measured]:
    """Distinct tokens of the text that stages read (table corpora, measure stage_types)."""
    parts = {"pretraining": "last", "target": "zero-shot"}
    if not run.results.has("corpora"):
        return dict.fromkeys(parts, missing("this run kept no table of corpora"))
    rows = run.results.table("corpora")
    types = rows[rows["measure"] == "stage_types"].set_index("corpus")["value"]
    corpora = run.results.stages.set_index("role")["corpus"]
    return {
        part: plain(types[corpora[role]])
        if corpora[role] in types.index
        else missing("this run kept no count of distinct tokens")
        for part, role in parts.items()
    }


def _evaluative(run: Run) -> dict[str, Measured]:
    """The share of evaluative words among the features of gained and of shared neurons, where the world tells which are."""
    if not run.results.has("truth"):
        why = "this run kept no truth about words: it is known in generated worlds alone"
        return dict.fromkeys(("gained", "shared"), missing(why))
    truth = run.results.table("truth")
    words = set(truth.loc[truth["sentiment"] != 0, "word"].astype(str))
    rows = run.results.preferences(run.results.stage("supervised"))
    found = rows[["neuron", "feature"]].astype({"feature": str}).drop_duplicates()
    shares = found["feature"].isin(words).groupby(found["neuron"]).mean().reindex(range(run.units)).to_numpy()
    state = run.compared["supervised"]["state"].to_numpy()
    return {
        part: bootstrap(share, np.where(state == name, shares, np.nan))
        for part, name in (("gained", GAINED), ("shared", SHARED))
    }


def _gained(run: Run) -> dict[str, Measured]:
    """Mass and length of the strongest and the weakest gained neurons (Tab. 1)."""
    rows = run.compared["supervised"]
    rows = rows[rows["state"] == GAINED].sort_values(["mass_after", "neuron"], ascending=[False, True])
    parts = ("most_mass", "most_length", "least_mass", "least_length")
    if len(rows) < 6:
        return dict.fromkeys(parts, missing("fewer than six neurons were gained"))
    most, least = rows.head(3), rows.tail(3)
    return {
        "most_mass": plain(most["mass_after"].iloc[0]),
        "most_length": bootstrap(median, most["length_after"]),
        "least_mass": plain(least["mass_after"].iloc[-1]),
        "least_length": bootstrap(median, least["length_after"]),
    }
