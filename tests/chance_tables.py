"""Tables of nulls and of measures in the form a run writes, made from a transfer table by simple rules."""

import numpy as np
import pandas as pd

EXPECTED, FAR = 0.5, 0.8
"""The distance by chance of every neuron; distances beyond the second are above it."""
QUESTIONS = ("rq1", "rq2", "rq3")
POWERS = {"hellinger": 1.0, "mass_hellinger": 2.0, "jensen_shannon": 0.9, "ochiai": 1.5}
"""Powers of the paper's distance stand for the other measures."""


def chance_tables(transfer: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """nulls, null_states, measures and measure_nulls of these comparisons."""
    asked = transfer[transfer["question"].isin(QUESTIONS)].reset_index(drop=True)
    nulls = _nulls(asked)
    of_measures = [
        nulls.assign(observed=nulls["hellinger"] ** power, expected=nulls["expected"] ** power, measure=name)
        for name, power in POWERS.items()
    ]
    every = transfer.drop_duplicates(["comparison", "neuron"]).reset_index(drop=True)
    columns = {name: every["hellinger"] ** power for name, power in POWERS.items()}
    columns |= {f"rarefied_{side}": every[f"length_{side}"] / 2 for side in ("before", "after")}
    return {
        "nulls": nulls,
        "null_states": pd.concat([_states(*each) for each in asked.groupby("comparison", sort=False)]),
        "measures": every[["layer", "neuron", "comparison", "question"]].assign(**columns),
        "measure_nulls": pd.concat(of_measures, ignore_index=True),
    }


def _nulls(rows: pd.DataFrame) -> pd.DataFrame:
    """A shared neuron's q is 0.002 beyond `FAR` and 0.8 elsewhere; words of one text alone make a part of RQ2's distances."""
    distance, is_two = rows["hellinger"], rows["question"] == "rq2"
    expected, p = EXPECTED + 0 * distance, pd.Series(np.where(distance > FAR, 0.001, 0.4)).where(distance.notna())
    common = (0.8 * distance).where(is_two)
    return rows[["layer", "neuron", "hellinger", "comparison", "question"]].assign(
        expected=expected,
        null_05=expected - 0.1,
        null_95=expected + 0.1,
        excess=distance - EXPECTED,
        p=p,
        q=2 * p,
        hellinger_common=common,
        hellinger_vocabulary=np.sqrt(1 - (1 - distance**2) / (1 - common**2)).where(is_two),
    )


def _states(comparison: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Chance gives two avoided and two gained neurons, from one to four."""
    counts = rows["state"].value_counts().reindex(["shared", "avoided", "gained"], fill_value=0)
    counts["avoided or gained"] = counts["avoided"] + counts["gained"]
    expected = pd.Series([counts.iloc[:3].sum() - 4.0, 2.0, 2.0, 4.0])
    made = pd.DataFrame({"state": counts.index, "observed": counts.to_numpy(), "expected": expected, "p": 0.5})
    ends = {"null_05": expected - 1, "null_95": expected + 2}
    return made.assign(**ends, comparison=comparison, question=rows["question"].iloc[0])
