"""Tables of nulls and of measures in the form a run writes, made from a transfer table by rules that a test can follow."""

from __future__ import annotations

import numpy as np
import pandas as pd

EXPECTED = 0.5
FAR = 0.8
"""Distances above this are above their null; all have the same distance by chance."""
QUESTIONS = ("rq1", "rq2", "rq3")
MEASURES = {"hellinger": 1.0, "mass_hellinger": 2.0, "jensen_shannon": 0.9, "ochiai": 1.5}
"""Powers of the paper's distance that stand for the other measures."""


def chance_tables(transfer: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """nulls, null_states, measures and measure_nulls of these comparisons."""
    nulls = nulls_of(transfer)
    return {
        "nulls": nulls,
        "null_states": null_states_of(transfer),
        "measures": measures_of(transfer),
        "measure_nulls": measure_nulls_of(nulls),
    }


def nulls_of(transfer: pd.DataFrame) -> pd.DataFrame:
    """A shared neuron's q is 0.002 above `FAR` and 0.8 elsewhere; an avoided or gained one's q_state is 0.004."""
    rows = transfer[transfer["question"].isin(QUESTIONS)].reset_index(drop=True)
    shared, preferred = rows["state"] == "shared", rows["state"] != "never preferred"
    distance = rows["hellinger"].where(shared)
    far = distance > FAR
    p = pd.Series(np.where(far, 0.001, 0.4), rows.index)
    p_state = pd.Series(np.where(shared, 1.0, 0.002), rows.index).where(preferred)
    two = rows["question"] == "rq2"
    common = (0.8 * distance).where(two)
    return pd.DataFrame(
        {
            "layer": rows["layer"].astype("int8"),
            "neuron": rows["neuron"].astype("int32"),
            "hellinger": distance,
            "expected": EXPECTED + 0 * distance,
            "null_05": EXPECTED - 0.1 + 0 * distance,
            "null_95": EXPECTED + 0.1 + 0 * distance,
            "excess": distance - EXPECTED,
            "permutations": np.where(preferred, np.where(far, 4000, 1000), 0),
            "reached": np.where(preferred & ~far, 400, 0),
            "p": p.where(shared),
            "q": (2 * p).where(shared),
            "p_state": p_state,
            "q_state": (2 * p_state).clip(upper=1.0),
            "comparison": rows["comparison"],
            "question": rows["question"],
            "kind": np.where(two, "split", "swap"),
            "hellinger_common": common,
            "hellinger_vocabulary": np.sqrt(1 - (1 - distance**2) / (1 - common**2)).where(two),
        }
    )


def null_states_of(transfer: pd.DataFrame) -> pd.DataFrame:
    """Chance gives two avoided and two gained neurons of each comparison, from 1 to 4."""
    made = []
    for name, rows in transfer[transfer["question"].isin(QUESTIONS)].groupby("comparison", sort=False):
        question = rows["question"].iloc[0]
        counts = rows["state"].value_counts()
        shared, avoided, gained = (int(counts.get(state, 0)) for state in ("shared", "avoided", "gained"))
        in_use = shared + avoided + gained
        for state, observed, expected, tail in (
            ("shared", shared, in_use - 4.0, "as few"),
            ("avoided", avoided, 2.0, "as many"),
            ("gained", gained, 2.0, "as many"),
            ("avoided or gained", avoided + gained, 4.0, "as many"),
        ):
            low, high = expected - 1, expected + 2
            p = 0.001 if (observed < low if tail == "as few" else observed > high) else 0.5
            kind = "split" if question == "rq2" else "swap"
            made.append((state, observed, expected, low, high, tail, p, name, question, kind))
    columns = "state observed expected null_05 null_95 tail p comparison question kind"
    return pd.DataFrame(made, columns=columns.split())


def measures_of(transfer: pd.DataFrame) -> pd.DataFrame:
    """Every comparison and control by every measure; lengths rarefied to half."""
    rows = transfer.drop_duplicates(["comparison", "neuron"])
    distances = {name: rows["hellinger"] ** power for name, power in MEASURES.items()}
    lengths = {
        f"rarefied_{side}": (rows[f"length_{side}"] / 2).where(rows["hellinger"].notna())
        for side in ("before", "after")
    }
    columns = {**rows[["layer", "neuron"]], **distances, **lengths, **rows[["comparison", "question"]]}
    return pd.DataFrame(columns).reset_index(drop=True)


def measure_nulls_of(nulls: pd.DataFrame) -> pd.DataFrame:
    """As by the paper's distance, but that by mass every neuron with a distance is above its null."""
    made = []
    for name, power in MEASURES.items():
        own = nulls[["comparison", "question", "kind", "layer", "neuron"]].assign(
            observed=nulls["hellinger"] ** power, expected=nulls["expected"] ** power
        )
        p, q = nulls["p"], nulls["q"]
        if name == "mass_hellinger":
            p, q = p.clip(upper=0.001), q.clip(upper=0.002)
        made.append(own.assign(excess=own["observed"] - own["expected"], p=p, q=q, measure=name))
    return pd.concat(made, ignore_index=True)
