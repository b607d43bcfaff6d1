"""One neuron's distance worked out by hand under both formulas of probability and of distance (C1, C2).

May touch: definitions, preferences, results, telling, transfer.
"""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.definitions import compared_by, stages_of
from txray_lib.definitions import Definitions
from txray_lib.errors import TxrayError
from txray_lib.preferences import distributions
from txray_lib.results import Results
from txray_lib.telling import count, paragraph, plural, table

FEW, MANY = 3, 8
"""A neuron with this many features on both sides together can be worked out on a page."""


def neuron_by_hand(results: Results, comparison: str = "supervised", neuron: int = -1) -> int:
    """The neuron itself, or for -1 the one that C2 moves most among shared neurons with 3 to 8 features on both sides
    together; if none is that short, the shared neuron with the fewest. Of equals the lowest. Raises TxrayError for a
    neuron that is not shared, and if none is."""
    paper = compared_by(results, comparison, Definitions())
    shared = paper[paper["hellinger"].notna()].set_index("neuron")
    if neuron >= 0:
        if neuron not in shared.index:
            raise TxrayError(
                f"neuron {neuron} is not shared in the {comparison} comparison, so it has no distance; "
                f"{plural(len(shared), 'neuron is', 'neurons are')}, such as {', '.join(map(str, shared.index[:5])) or 'none'}"
            )
        return neuron
    if shared.empty:
        raise TxrayError(f"no neuron is shared in the {comparison} comparison, so there is no distance to work out")
    short = shared[shared["union"].between(FEW, MANY)]
    if short.empty:
        return int(shared["union"].idxmin())
    released = compared_by(results, comparison, Definitions(probability="released")).set_index("neuron")["hellinger"]
    return int((released.loc[short.index] - short["hellinger"]).abs().idxmax())


def worked(results: Results, neuron: int, comparison: str = "supervised") -> pd.DataFrame:
    """A row for each feature of either side: count, sum and mean before and after, p under both formulas, the squared
    difference of roots. Columns end in _before or _after; "paper" and "released" hold the squared differences."""
    parts = {}
    for side, stage in zip(("before", "after"), stages_of(results, comparison), strict=True):
        own = results.preferences(stage)
        own = own[own["neuron"] == neuron]
        both = [distributions(own, probability=p).set_index("feature") for p in ("paper", "released")]
        parts[side] = pd.DataFrame(
            {
                "count": both[0]["count"],
                "sum": both[0]["mass"],
                "mean": both[0]["mass"] / both[0]["count"],
                "p": both[0]["p"],
                "released_p": both[1]["p"],
            }
        ).rename(index=str)
    frame = pd.concat([part.add_suffix(f"_{side}") for side, part in parts.items()], axis=1).fillna(0.0)
    frame.index.name = "feature"
    for name, p in (("paper", "p"), ("released", "released_p")):
        frame[name] = (frame[f"{p}_before"] ** 0.5 - frame[f"{p}_after"] ** 0.5) ** 2
    return frame.sort_values(["p_before", "p_after"], ascending=False, kind="stable").reset_index()


def worked_probabilities(frame: pd.DataFrame, most: int = 12) -> HTML:
    """Counts, means and both probabilities of the first `most` features, with the sums over all of them."""
    return _shown(
        frame,
        {
            "count": ("count", count),
            "mean activation": ("mean", "{:.3f}".format),
            "p, paper": ("p", "{:.3f}".format),
            "p, released (C2)": ("released_p", "{:.3f}".format),
        },
        ("count", "p", "released_p"),
        most,
        "Step 1: from counts and means to probabilities",
    )


def worked_distance(frame: pd.DataFrame) -> Markdown:
    """Steps 2 and 3: the squared differences summed, their root, and the root divided by the union."""
    union = len(frame)
    sums = {name: float(frame[name].sum()) for name in ("paper", "released")}
    h = {name: math.sqrt(total / 2) for name, total in sums.items()}
    missing = [1 - float(frame[f"released_p_{side}"].sum()) for side in ("before", "after")]
    return paragraph(
        f"**Step 2: differences of roots.** Squared and summed over {plural(union, 'feature')} they are {sums['paper']:.4f} with"
        f" the paper's probabilities and {sums['released']:.4f} with C2. **Step 3: half of it, and the root:**"
        f" √({sums['paper']:.4f} / 2) = **{h['paper']:.4f}** by the paper, √({sums['released']:.4f} / 2) = **{h['released']:.4f}**"
        f" with C2. There the probabilities miss {missing[0]:.3f} before and {missing[1]:.3f} after, and what is missing depends on"
        f" how often the features occurred, not on how strongly they excite the neuron. **Step 4: C1 divides by the union:**"
        f" {h['paper']:.4f} / {union} = **{h['paper'] / union:.4f}**. Features absent on one side count with a root of 0."
    )


def _shown(frame: pd.DataFrame, columns: dict, summed: tuple[str, ...], most: int, caption: str) -> HTML:
    first = frame.head(most)
    shown = {"feature": [(f,) for f in first["feature"]]}
    for title, (column, said) in columns.items():
        for side in ("before", "after"):
            shown[f"{title}, {side}"] = first[f"{column}_{side}"].map(said).tolist()
    table_of = pd.DataFrame(shown).astype(object)
    totals: list[object] = [(f"all {len(frame)}",)]
    for column, said in columns.values():
        totals += [said(frame[f"{column}_{side}"].sum()) if column in summed else "" for side in ("before", "after")]
    table_of.loc[len(table_of)] = totals
    return table(table_of, caption)
