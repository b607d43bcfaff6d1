"""States, lengths and distances between stages (§3.1–§3.3). May touch: preferences, transfer, intervals, quantities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import (
    Measured,
    bootstrap,
    change,
    fall,
    mean,
    median,
    missing,
    rank_correlation,
    share,
)
from txray_lib.audit.measures.run import Run
from txray_lib.audit.quantities import quantities
from txray_lib.paper import value as paper
from txray_lib.transfer import AVOIDED, GAINED, SHARED

Found = dict[str, dict[str, Measured]]


def measures(run: Run) -> Found:
    """Every claim about states, lengths and distances."""
    return {**_of_quantities(run), **_states(run), **_lengths(run), **_distances(run), **_picked(run)}


def _of_quantities(run: Run) -> Found:
    """N1–N3, N7, N8, N11–N14, N17, N18: the values of `quantities` with intervals over neurons; counts as shares."""
    values = quantities(run.compared).set_index(["id", "part"])["value"]
    found: Found = {}
    for key, interval in _intervals(run).items():
        number, part = key
        counted = number in ("N1", "N7", "N8", "N11", "N13", "N14")
        value = values[key] / run.units if counted else values[key]
        own = replace(interval, value=float(value)) if not np.isnan(value) else missing("no neuron is shared")
        found.setdefault(number, {})[part] = own
    return found


def _intervals(run: Run) -> dict[tuple[str, str], Measured]:
    state = {name: rows["state"].to_numpy() for name, rows in run.compared.items()}
    shared = {name: (its == SHARED).astype(float) for name, its in state.items()}
    rows, length = run.compared["supervised"], run.column
    before = np.where(run.preferred("supervised", "before"), 1.0, np.nan)
    avoided = (state["supervised"] == AVOIDED).astype(float)
    sizes = [length("supervised", column) for column in ("length_before", "length_after")]
    tags = [length("supervised", column) for column in ("tag_length_before", "tag_length_after")]
    return {
        ("N1", "early"): bootstrap(share, shared["early"]),
        ("N1", "late"): bootstrap(share, shared["late"]),
        ("N2", "early"): bootstrap(mean, length("early", "length_before")),
        ("N2", "before_last"): bootstrap(mean, length("late", "length_before")),
        ("N2", "last"): bootstrap(mean, length("late", "length_after")),
        ("N3", "share"): bootstrap(fall, length("early", "hellinger"), length("late", "hellinger")),
        ("N7", "shared"): bootstrap(share, shared["zero-shot"]),
        ("N8", "drop"): bootstrap(share, shared["late"] - shared["zero-shot"]),
        ("N11", "shared"): bootstrap(share, shared["supervised"]),
        ("N12", "lost"): bootstrap(fall, shared["zero-shot"], shared["supervised"]),
        ("N12", "avoided"): bootstrap(share, avoided * before),
        ("N13", "gained"): bootstrap(share, (state["supervised"] == GAINED).astype(float)),
        ("N14", "empty"): bootstrap(share, (rows["length_after"] == 0).to_numpy(dtype=float)),
        ("N14", "avoided"): bootstrap(share, avoided),
        ("N17", "tokens"): bootstrap(change, *sizes),
        ("N17", "tags"): bootstrap(change, *tags),
        ("N17", "mean_of_ratios"): bootstrap(mean, sizes[1] / sizes[0] - 1),
        ("N18", "tokens"): bootstrap(change, rows["length_before"], rows["length_after"]),
    }


def _states(run: Run) -> Found:
    """Which neurons are in use (F6, F8, K4, K16, K21, K33, the tail of F11)."""
    kept = {name: bootstrap(share, (rows["state"] == SHARED).to_numpy(float)) for name, rows in run.compared.items()}
    zero_shot, supervised = kept["zero-shot"], kept["supervised"]
    before = np.where(run.preferred("zero-shot", "before"), 1.0, np.nan)
    return {
        "F6": {"shared": zero_shot},
        "F8": {"shared": supervised},
        "K4": {
            "early": bootstrap(share, run.preferred("early", "before")),
            "last": bootstrap(share, run.preferred("late", "after")),
        },
        "K16": {"shared": bootstrap(share, before * run.preferred("zero-shot", "after"))},
        "K21": {"zero_shot": zero_shot, "supervised": supervised},
        "K33": {
            "pretrained": bootstrap(share, run.preferred("zero-shot", "before")),
            "zero_shot": bootstrap(share, run.preferred("zero-shot", "after")),
        },
    }


def _lengths(run: Run) -> Found:
    """How long neurons are and how that changes (N4, F2, F10, K5–K9)."""
    last = run.compared["late"]["length_after"].to_numpy(dtype=float)
    last = np.where(last > 0, last, np.nan)
    return {
        "N4": {name: bootstrap(share, _in_range(run, name)) for name in ("early", "late")},
        "F2": {name: bootstrap(share, _direction(run.compared[name], 0)) for name in ("early", "late")},
        "F10": {"longer": bootstrap(share, _longer(run.shared["supervised"]))},
        "K5": {"longer": bootstrap(share, _longer(run.compared["early"]))},
        "K6": {name: bootstrap(median, _moved(run, name, "length")) for name in ("early", "late")},
        "K7": {"short": bootstrap(_below_mean, last)},
        "K8": {
            "early": bootstrap(mean, run.column("early", "length_before")),
            "before_last": bootstrap(mean, run.column("late", "length_before")),
            "last": bootstrap(mean, run.column("late", "length_after")),
        },
        "K9": {name: bootstrap(median, _moved(run, name, "tag_length")) for name in ("early", "late")},
    }


def _in_range(run: Run, name: str) -> np.ndarray:
    """Whether the mean of a shared neuron's two lengths lies in the paper's range (N4); NaN where it is not shared."""
    size = (run.column(name, "length_before") + run.column(name, "length_after")) / 2
    low, high = paper("N4", "low"), paper("N4", "high")
    return np.where(np.isnan(size), np.nan, (size >= low) & (size <= high))


def _direction(rows: pd.DataFrame, sign: int) -> np.ndarray:
    """Whether the length of each neuron in use on either side changes by this sign; NaN where it is in use on none."""
    used = rows[["length_before", "length_after"]].max(axis=1) > 0
    moved = np.sign(rows["length_after"] - rows["length_before"]) == sign
    return np.where(used, moved.astype(float), np.nan)


def _longer(rows: pd.DataFrame) -> np.ndarray:
    """Whether each neuron becomes longer; NaN where its length stays."""
    moved = np.sign(rows["length_after"] - rows["length_before"]).to_numpy()
    return np.where(moved == 0, np.nan, (moved > 0).astype(float))


def _moved(run: Run, name: str, size: str) -> np.ndarray:
    """|log(after / before)| as a share: exp of it − 1; NaN where a neuron is not shared."""
    before, after = run.column(name, f"{size}_before"), run.column(name, f"{size}_after")
    return np.expm1(np.abs(np.log(after / before)))


def _below_mean(sizes: np.ndarray) -> np.ndarray:
    """Share of the sizes below their mean, NaN left out."""
    below = (sizes < np.nanmean(sizes, axis=-1, keepdims=True)).sum(axis=-1)
    return below / (~np.isnan(sizes)).sum(axis=-1)


def _distances(run: Run) -> Found:
    """How far neurons move (F4, K1, K19, K22)."""
    zero_shot = run.shared["zero-shot"]
    return {
        "F4": {name: bootstrap(median, run.column(name, "hellinger")) for name in ("early", "late")},
        "K1": {name: _short_are_far(run.shared[name]) for name in ("early", "late")},
        "K19": {"both": bootstrap(rank_correlation, zero_shot["hellinger"], zero_shot["hellinger_tag"])},
        "K22": {
            part: bootstrap(_deviation, run.column(name, "hellinger_tag"))
            for part, name in (("zero_shot", "zero-shot"), ("supervised", "supervised"))
        },
    }


def _short_are_far(rows: pd.DataFrame) -> Measured:
    size = (rows["length_before"] + rows["length_after"]) / 2
    return bootstrap(rank_correlation, rows["hellinger"], size)


def _deviation(values: np.ndarray) -> np.ndarray:
    return np.nanstd(values, axis=-1)


def _picked(run: Run) -> Found:
    """The ten most and the ten least distant neurons (N5, N6, N9, N10, N16, K13, K18)."""
    most = {name: run.extremes(name, most=True) for name in ("early", "zero-shot")}
    least = {name: run.extremes(name, most=False) for name in ("early", "zero-shot", "supervised")}
    late = run.compared["late"].set_index("neuron")["hellinger"].reindex(most["early"]["neuron"])
    rest = run.shared["zero-shot"].drop(index=most["zero-shot"].index)
    return {
        "N5": {"length": _median(most["early"]["length_before"])},
        "N6": {"length": _median(least["early"]["length_before"])},
        "N9": {"length": _median(most["zero-shot"]["length_after"])},
        "N10": {"length": _median(least["zero-shot"]["length_after"])},
        "N16": {side: _median(least["supervised"][f"length_{side}"]) for side in ("before", "after")},
        "K13": {"early": _median(most["early"]["hellinger"]), "late": _median(late)},
        "K18": {
            "most": _median(most["zero-shot"][["length_before", "length_after"]].mean(axis=1)),
            "others": _median(rest[["length_before", "length_after"]].mean(axis=1)),
        },
    }


def _median(values: pd.Series) -> Measured:
    return bootstrap(median, values)
