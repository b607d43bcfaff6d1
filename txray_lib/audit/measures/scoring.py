"""F1, pruning and activation masses (§3.3). May touch: results, intervals, transfer.

The interval of a pruning's change is the spread of random sets of the same size, laid around ours: such a change holds no
effect where a random set could differ from its median by as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import SETS, Measured, bootstrap, difference, missing, plain, rank_correlation, share
from txray_lib.audit.measures.run import Run
from txray_lib.transfer import GAINED

STRONGEST = 20
WAYS = {"": "out of the encoder", "_classifier": "before the classifier"}
Found = dict[str, dict[str, Measured]]


def measures(run: Run) -> Found:
    """S4, N15, T2-0, T2-A–D, F11, K24–K32, K37, K53, K54, K56."""
    return {**_scores(run), **_pruning(run), **_masses(run)}


def _scores(run: Run) -> Found:
    if not run.results.has("scores"):
        none = missing("this run kept no scores")
        return {"S4": {"f1": none}, "K37": {"gap": none}, "T2-0": {"base": none}}
    rows = run.results.table("scores")
    f1 = rows[rows["shared_texts"] == "kept"].drop_duplicates("split").set_index("split")["f1"]
    test = plain(f1.get("test", np.nan))
    gap = plain(f1.get("train", np.nan) - f1.get("test", np.nan))
    return {"S4": {"f1": test}, "K37": {"gap": gap}, "T2-0": {"base": test}}


def _pruning(run: Run) -> Found:
    effects = _effects(run)
    found: Found = {f"T2-{name}": _of_set(effects, name, run) for name in "ABCD"}
    gaps = {"K26": "A", "K27": "B", "K29": "C", "K30": "D"}
    for number, name in gaps.items():
        found[number] = {"gap": difference(found[f"T2-{name}"]["test"], found[f"T2-{name}"]["train"])}
    train, test = ({name: found[f"T2-{name}"][split] for name in "ABCD"} for split in ("train", "test"))
    others = [train[name] for name in "ABD" if not np.isnan(train[name].value)]
    lowest = min(others, key=lambda own: own.value) if others else train["A"]
    found["K28"] = {"gap": difference(train["C"], lowest)}
    found["K31"] = {"d_b": difference(test["D"], test["B"]), "d_c": difference(test["D"], test["C"])}
    found["K54"] = {"gap": _least_gap([test["A"], test["B"]], [test["C"], test["D"]])}
    least = _of_size(effects, "B", run, ascending=True)
    most = _of_size(effects, "C", run, ascending=False)
    found["N15"] = {"share": _share_of(least, "B", lambda rows: rows["length_after"] == 1)}
    found["K53"] = {
        "b": _share_of(least, "B", lambda rows: rows["state"] != GAINED),
        "c": _share_of(most, "C", lambda rows: rows["state"] != GAINED),
    }
    return found


def _effects(run: Run) -> pd.DataFrame:
    if not run.results.has("pruning"):
        return pd.DataFrame()
    return run.results.table("pruning").drop_duplicates(["set", "way", "split"]).set_index(["set", "way", "split"])


def _of_set(effects: pd.DataFrame, name: str, run: Run) -> dict[str, Measured]:
    parts = [f"{split}{suffix}" for suffix in WAYS for split in ("train", "test")]
    if effects.empty or name not in effects.index.get_level_values("set"):
        return dict.fromkeys(["mass", *parts], missing("this run pruned no such set"))
    found = {"mass": plain(effects.loc[name]["mass_share"].iloc[0])}
    for suffix, way in WAYS.items():
        for split in ("train", "test"):
            key = (name, way, split)
            why = "this run did not prune the set in this way"
            found[f"{split}{suffix}"] = _effect(effects.loc[key]) if key in effects.index else missing(why)
    return found


def _effect(row: pd.Series) -> Measured:
    """The change with the spread of random sets around it."""
    if np.isnan(row["change"]):
        return missing("the change is not defined: the set is empty, or F1 is 0 before")
    if np.isnan(row["random_low"]):
        return plain(row["change"], "no random sets of the same size were pruned beside it")
    up, down = row["random_high"] - row["random_median"], row["random_median"] - row["random_low"]
    return Measured(float(row["change"]), float(row["change"] - up), float(row["change"] + down), SETS)


def _least_gap(better: list[Measured], worse: list[Measured]) -> Measured:
    """The lowest of `better` − the highest of `worse`; missing if one of them is."""
    if any(math.isnan(own.value) for own in [*better, *worse]):
        return missing("not all four sets were pruned, or a change is not defined")
    return difference(min(better, key=lambda own: own.value), max(worse, key=lambda own: own.value))


def _of_size(effects: pd.DataFrame, name: str, run: Run, ascending: bool) -> pd.DataFrame | None:
    """The least or the most preferred neurons, as many as the run's set of this name holds; None where it has no such set."""
    if effects.empty or name not in effects.index.get_level_values("set"):
        return None
    rows = run.compared["supervised"]
    rows = rows[rows["length_after"] > 0]
    ordered = rows.sort_values(["mass_after", "neuron"], ascending=[ascending, True], kind="stable")
    return ordered.head(int(effects.loc[name]["neurons"].iloc[0]))


def _share_of(rows: pd.DataFrame | None, name: str, has: Callable[[pd.DataFrame], pd.Series]) -> Measured:
    return missing(f"this run pruned no set {name}") if rows is None else bootstrap(share, has(rows))


def _masses(run: Run) -> Found:
    zero_shot, supervised = run.compared["zero-shot"], run.compared["supervised"]
    pretrained, before = (zero_shot[f"mass_{side}"].to_numpy() for side in ("before", "after"))
    after = supervised["mass_after"].to_numpy()
    gained = supervised[supervised["state"] == GAINED]
    preferred = supervised[supervised["length_after"] > 0]
    counts = [zero_shot[f"count_{side}"].to_numpy(dtype=float) for side in ("before", "after")]
    return {
        "F11": {
            "head_before": bootstrap(_head, before),
            "head_after": bootstrap(_head, after),
            "tail_before": bootstrap(share, before > 0),
            "tail_after": bootstrap(share, after > 0),
            "total_before": bootstrap(_ratio, before, pretrained),
            "total_after": bootstrap(_ratio, after, pretrained),
        },
        "K56": {
            name: bootstrap(_head, own)
            for name, own in (("pretrained", pretrained), ("zero_shot", before), ("supervised", after))
        },
        "K24": {"length": bootstrap(rank_correlation, gained["mass_after"], gained["length_after"])},
        "K25": {"length": bootstrap(rank_correlation, preferred["mass_after"], preferred["length_after"])},
        "K32": {"activation": bootstrap(_activation, before, counts[1], pretrained, counts[0])},
    }


def _head(masses: np.ndarray) -> np.ndarray:
    """The share of mass that the 20 strongest neurons hold (all, if there are no more)."""
    ordered = np.sort(masses, axis=-1)
    return ordered[..., -STRONGEST:].sum(axis=-1) / ordered.sum(axis=-1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part.sum(axis=-1) / whole.sum(axis=-1)


def _activation(mass: np.ndarray, count: np.ndarray, mass_before: np.ndarray, count_before: np.ndarray) -> np.ndarray:
    """Mean maximal activation of a token on the second text by that on the first."""
    return _ratio(mass, count) / _ratio(mass_before, count_before)
