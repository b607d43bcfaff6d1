"""How long neurons are at a stage and how that changes (Fig. 2, Fig. 10; §3.1, §3.3.3).

The table that this room makes is what `charts.lengths` and `charts.masses` draw: a row for each stage, layer and neuron, with
length, tag_length (features and tags that the neuron prefers, 0 for none), count and mass.
May touch: errors, paper, preferences, results, telling, transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.errors import TxrayError, nearest
from txray_lib.paper import value
from txray_lib.preferences import neurons
from txray_lib.results import NEURON, Results
from txray_lib.telling import count, paragraph, percent, plural, signed, table
from txray_lib.transfer import SHARED, preference_states

COLUMNS = {"token": "length", "tag": "tag_length"}
"""What `by` may be, and the column that holds that length."""
SIZES = ["length", "tag_length", "count", "mass"]


def neuron_table(results: Results, stages: Sequence[str]) -> pd.DataFrame:
    """Every neuron of the encoder at every stage, those that prefer nothing too, with lengths and mass of 0."""
    units = results.stages.set_index("stage")["neurons"]
    parts = []
    for stage in stages:
        sizes = neurons(results.preferences(stage))
        layers = sorted({0, *sizes["layer"].astype(int)})
        every = pd.MultiIndex.from_product([layers, range(int(units[stage]))], names=NEURON)
        parts.append(sizes.set_index(NEURON)[SIZES].reindex(every, fill_value=0).reset_index().assign(stage=stage))
    return pd.concat(parts, ignore_index=True)[["stage", *NEURON, *SIZES]]


def side_by_side(lengths: pd.DataFrame, before: str, after: str, by: str = "token") -> pd.DataFrame:
    """[before, after, state] by (layer, neuron): one neuron's length at two stages and its preference state."""
    if by not in COLUMNS:
        raise TxrayError(f"lengths are counted by token or by tag, not by {by!r}. {nearest(by, COLUMNS)}")
    sides = [
        lengths[lengths["stage"] == stage].set_index(NEURON)[COLUMNS[by]].rename(name)
        for stage, name in ((before, "before"), (after, "after"))
    ]
    both = pd.concat(sides, axis=1).fillna(0).astype(int)
    return both.assign(state=preference_states(both["before"].to_numpy(), both["after"].to_numpy()))


def length_table(lengths: pd.DataFrame, stages: Sequence[str]) -> HTML:
    """Mean, median and quartiles of length at each stage: over the shared neurons of each step, and over all neurons."""
    rows = []
    for before, after in pairwise(stages):
        shared = _shared(lengths, before, after)
        for stage in (before, after):
            rows.append(_row(stage, f"shared in {before} → {after}", _of(lengths, stage).loc[shared]))
    for stage in stages:
        own = _of(lengths, stage)
        rows.append(_row(stage, "preferring anything", own[own["length"] > 0]))
        rows.append(_row(stage, "all, 0 for none", own))
    return table(pd.DataFrame(rows), "Lengths at each stage", words=["stage", "neurons counted"])


def length_shifts(lengths: pd.DataFrame, stages: Sequence[str], by: str = "token") -> Markdown:
    """How many neurons become longer and shorter in each step, and whether most follow the paper's description of Fig. 2."""
    said, moved = [], []
    for before, after in pairwise(stages):
        both = side_by_side(lengths, before, after, by)
        used = both[both[["before", "after"]].max(axis=1) > 0]
        change = np.sign(used["after"] - used["before"])
        longer, shorter, same = (int((change == sign).sum()) for sign in (1, -1, 0))
        new, gone = int((used["before"] == 0).sum()), int((used["after"] == 0).sum())
        said.append(
            f"{before} → {after}: of {plural(len(used), 'neuron')} in use {count(longer)} {_grow(longer)} longer"
            f" ({count(new)} of them from nothing), {count(shorter)} shorter ({count(gone)} of them to nothing),"
            f" {count(same)} {'stays' if same == 1 else 'stay'} as long; length + 1 of the median neuron changes by {_factor(used)}."
        )
        moved.append((longer > shorter, _typical(used)))
    settling = ""
    if len(moved) > 1:
        first, last = moved[0][1], moved[-1][1]
        settling = (
            "The last step changes lengths less than the first: variety settles."
            if last < first
            else "The last step does not change lengths less than the first: variety does not settle here."
        )
    return paragraph(*said, settling)


def concentration(lengths: pd.DataFrame, stages: Sequence[str], shortest: int, longest: int) -> Markdown:
    """Which share of the neurons in use has a length in a range, and how far the mean lies from the median (I7)."""
    if not 0 < shortest <= longest:
        raise TxrayError(f"a range of lengths goes from 1 upwards, not from {shortest} to {longest}")
    said = []
    for stage in stages:
        own = _of(lengths, stage)["length"]
        own = own[own > 0]
        if own.empty:
            said.append(f"{stage}: no neuron prefers anything.")
            continue
        inside = own.between(shortest, longest).mean()
        half = int((own.sort_values(ascending=False).cumsum() < own.sum() / 2).sum()) + 1
        said.append(
            f"{stage}: {percent(inside)} of the neurons in use lie there; the mean is {own.mean():,.1f}, the median"
            f" {own.median():,.1f}, {percent((own > own.mean()).mean())} are longer than the mean, and the"
            f" {plural(half, 'longest neuron holds', 'longest neurons hold')} half of all features."
        )
    return paragraph(f"Lengths from {count(shortest)} to {count(longest)}.", *said)


def lengths_bounded(results: Results, lengths: pd.DataFrame, stages: Sequence[str]) -> Markdown:
    """Every token is given to one neuron, so lengths sum to no more than the tokens read: ours, and the paper's (I1)."""
    tokens = results.stages.set_index("stage")["tokens"]
    ours = "; ".join(
        f"{stage} {count(_of(lengths, stage)['length'].sum())} of {count(tokens[stage])} tokens" for stage in stages
    )
    shared, mean = value("N1", "early"), value("N2", "early")
    late, later_mean = value("N1", "late"), value("N2", "before_last")
    return paragraph(
        "Every token is given to one neuron, so the lengths of all neurons sum to no more than the tokens that were read.",
        f"Here: {ours}.",
        f"In the paper the shared neurons alone give {count(shared)} × {mean:,.2f} = {count(shared * mean)} features"
        f" for the early snapshot and {count(late)} × {later_mean:,.2f} = {count(late * later_mean)} for the one before the last.",
    )


def length_changes(results: Results, lengths: pd.DataFrame, before: str, after: str) -> HTML:
    """The change of length from one stage to another under each reading that "on average" allows (I8), for tokens and tags,
    with the same for two halves of one text under one encoder, where nothing was learned."""
    rows = [
        _changes(f"{before} → {after}", *(side_by_side(lengths, before, after, by) for by in COLUMNS)),
        *(_halves(results, stage) for stage in (before, after)),
    ]
    frame = pd.concat(rows, ignore_index=True)
    return table(frame, "Change of length by each reading of “on average”", words=["between", "change of"])


def length_verdict(lengths: pd.DataFrame, before: str, after: str) -> Markdown:
    """Whether tokens and tags of shared neurons change as §3.3.3 says, and whether the reading of "on average" matters."""
    said = []
    for by, word, part in (("token", "Token", "tokens"), ("tag", "POS", "tags")):
        both = side_by_side(lengths, before, after, by)
        shared = both[both["state"] == SHARED]
        if shared.empty:
            return paragraph(f"No neuron is shared between {before} and {after}, so no length can be compared.")
        means, ratios, median = _ratio_of_means(shared), _mean_of_ratios(shared), _median_of_ratios(shared)
        paper = value("N17", part)
        same = np.sign([means, ratios, median, paper])
        agree = (
            "all readings share the paper's sign"
            if len(set(same)) == 1
            else "no reading has the paper's sign"
            if paper and not any(same[:3] == same[3])
            else "the sign depends on the reading"
        )
        said.append(
            f"{word} lengths of {plural(len(shared), 'shared neuron')} change by {signed(means)} as a ratio of means, by"
            f" {signed(ratios)} as a mean of ratios, by {signed(median)} in the median neuron (the paper:"
            f" {signed(paper)}): {agree}."
        )
    every = side_by_side(lengths, before, after)
    return paragraph(
        *said, f"Over all neurons, with 0 for none, the mean token length changes by {signed(_ratio_of_means(every))}."
    )


def _of(lengths: pd.DataFrame, stage: str) -> pd.DataFrame:
    return lengths[lengths["stage"] == stage].set_index(NEURON)


def _shared(lengths: pd.DataFrame, before: str, after: str) -> pd.Index:
    both = side_by_side(lengths, before, after)
    return both.index[both["state"] == SHARED]


def _row(stage: str, who: str, rows: pd.DataFrame) -> dict[str, str]:
    low, middle, high = (rows["length"].quantile(share) for share in (0.25, 0.5, 0.75))
    return {
        "stage": stage,
        "neurons counted": who,
        "neurons": count(len(rows)),
        "mean": _number(rows["length"].mean()),
        "median": _number(middle),
        "quartiles": "none" if rows.empty else f"{low:,.0f}–{high:,.0f}",
        "longest": _number(rows["length"].max()),
        "mean, tags": _number(rows["tag_length"].mean()),
        "median, tags": _number(rows["tag_length"].median()),
    }


def _number(number: float) -> str:
    return "none" if np.isnan(number) else f"{number:,.1f}"


def _grow(number: int) -> str:
    return "becomes" if number == 1 else "become"


def _typical(used: pd.DataFrame) -> float:
    """Median size of the change, as the logarithm of (after + 1) / (before + 1), so that 0 has a place."""
    return float(np.abs(np.log((used["after"] + 1) / (used["before"] + 1))).median()) if len(used) else float("nan")


def _factor(used: pd.DataFrame) -> str:
    typical = _typical(used)
    return "nothing" if np.isnan(typical) or typical == 0 else f"a factor of {np.exp(typical):.2f} up or down"


def _ratio_of_means(both: pd.DataFrame) -> float:
    return both["after"].sum() / both["before"].sum() - 1 if both["before"].sum() else float("nan")


def _mean_of_ratios(both: pd.DataFrame) -> float:
    return float((both["after"] / both["before"]).mean() - 1) if len(both) else float("nan")


def _median_of_ratios(both: pd.DataFrame) -> float:
    return float((both["after"] / both["before"]).median() - 1) if len(both) else float("nan")


def _changes(name: str, tokens: pd.DataFrame, tags: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for kind, both in (("tokens", tokens), ("tags", tags)):
        shared = both[both["state"] == SHARED]
        rows.append(
            {
                "between": name,
                "change of": kind,
                "shared": count(len(shared)),
                "ratio of means, shared": signed(_ratio_of_means(shared)),
                "mean of ratios, shared": signed(_mean_of_ratios(shared)),
                "median of ratios, shared": signed(_median_of_ratios(shared)),
                "ratio of means, all": signed(_ratio_of_means(both)),
            }
        )
    return pd.DataFrame(rows)


def _halves(results: Results, stage: str) -> pd.DataFrame:
    """The same changes between the two halves of a stage's text; nothing where they were not compared."""
    rows = results.control(stage).set_index(NEURON)
    if rows.empty:
        return pd.DataFrame()
    sides = [
        rows[[f"{column}_before", f"{column}_after", "state"]].set_axis(["before", "after", "state"], axis=1)
        for column in COLUMNS.values()
    ]
    return _changes(f"control: halves of {stage}", *sides)
