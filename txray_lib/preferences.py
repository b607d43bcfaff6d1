"""The records of a stage summed (§2.1): one table from which figures, tables and verdicts follow. May touch: nothing.

A record is a row of the paper's matrix M. Columns of a table of records, a row a token:
    document int32, block, layer int8, feature, tag (categories), neuron int32 (-1: nobody's), activation float32,
    prediction float32 (ŷ; NaN without a classifier), y int8 (-1 without labels)
Columns of preferences, a row for each (layer, neuron, feature, tag, y), in the order of these, words by alphabet:
    count int64, activation_sum float64, prediction_sum float64 (NaN without a classifier)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

KEYS = ["layer", "neuron", "feature", "tag", "y"]
SUMS = ["count", "activation_sum", "prediction_sum"]
NOBODY = -1
PAPER, RELEASED = CHOICES = ("paper", "released")
"""Whose formula: that of the paper, or that of its released code, which differs in places."""


def aggregate(records: pd.DataFrame) -> pd.DataFrame:
    """Sum records into preferences. Records that are nobody's (no positive activation) belong to no neuron."""
    somebodys = records[records["neuron"] != NOBODY]
    sums = somebodys.assign(
        count=np.int64(1),
        activation_sum=somebodys["activation"].astype(np.float64),
        prediction_sum=somebodys["prediction"].astype(np.float64),
    )
    return _summed(sums)


def add(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Preferences of shards added to those of the whole: exactly in the counts."""
    return _summed(pd.concat([t.astype({"feature": object, "tag": object}) for t in tables], ignore_index=True))


def without_features(preferences: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Preferences that leave some features out, such as `<unk>`."""
    return preferences[~preferences["feature"].isin(list(features))].reset_index(drop=True)


def distributions(preferences: pd.DataFrame, by: str = "feature", probability: str = PAPER) -> pd.DataFrame:
    """The distribution P_n of every neuron (§2.1, step 2): mean activation per feature, normalised to sum to 1.

    `by` is "feature" or "tag". Columns: layer, neuron, the feature or tag, p, count, mass (its activation sum).
    A neuron that nothing excites most has no row. `probability` "released" divides each mean by the neuron's mass, as
    the released code does (C2): such a p sums to 1 only where every feature occurred once.
    """
    keys = ["layer", "neuron", by]
    sums = preferences.groupby(keys, observed=True, sort=True)[["count", "activation_sum"]].sum().reset_index()
    mean = sums["activation_sum"] / sums["count"]
    divided = mean if probability == PAPER else sums["activation_sum"]
    total = divided.groupby([sums["layer"], sums["neuron"]]).transform("sum")
    return sums.assign(p=mean / total).rename(columns={"activation_sum": "mass"})[[*keys, "p", "count", "mass"]]


def strongest(before: pd.DataFrame, after: pd.DataFrame, top: int, probability: str = PAPER) -> pd.DataFrame:
    """The `top` most probable features of every neuron in either stage: [neuron, feature, before, after], probabilities, 0
    where a side does not prefer the feature; the strongest of either side first."""
    keys, sides = ["neuron", "feature"], []
    for rows in (before, after):
        sides.append(distributions(rows, probability=probability).astype({"feature": str})[[*keys, "p"]])
    heads = [side.sort_values("p", ascending=False, kind="stable").groupby("neuron").head(top) for side in sides]
    table = pd.concat(heads)[keys].drop_duplicates()
    for name, side in zip(("before", "after"), sides, strict=True):
        table = table.merge(side.rename(columns={"p": name}), on=keys, how="left")
    table = table.fillna({"before": 0.0, "after": 0.0})
    most = table[["before", "after"]].max(axis=1)
    order = table.assign(most=most).sort_values(["neuron", "most", "feature"], ascending=[True, False, True])
    return order.drop(columns="most").reset_index(drop=True)


def grouped_by_tag(preferences: pd.DataFrame) -> pd.DataFrame:
    """P_n over features summed by part of speech: "grouped by word function", as the paper reads it (§3.1).

    Columns: layer, neuron, tag, p. A feature that occurred under several tags divides its p by their counts. This is not
    `distributions(by="tag")`, where a tag is itself the feature: there every tag that occurred has about the same p,
    because means of maximal activations differ little.
    """
    neuron = ["layer", "neuron"]
    counts = preferences.groupby([*neuron, "feature", "tag"], observed=True)["count"].sum().reset_index()
    both = counts.merge(distributions(preferences), on=[*neuron, "feature"], suffixes=("", "_feature"))
    both = both.assign(p=both["p"] * both["count"] / both["count_feature"])
    return both.groupby([*neuron, "tag"], observed=True)["p"].sum().reset_index()


def neurons(preferences: pd.DataFrame) -> pd.DataFrame:
    """A row for each preferred neuron: layer, neuron, length (§2.2), tag_length, count, mass."""
    by_neuron = preferences.groupby(["layer", "neuron"], observed=True, sort=True)
    return by_neuron.agg(
        length=("feature", "nunique"),
        tag_length=("tag", "nunique"),
        count=("count", "sum"),
        mass=("activation_sum", "sum"),
    ).reset_index()


def _numbered(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Codes of a column's values and the values in rising order; the order of a column's categories plays no part."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return pd.factorize(column, sort=True)
    present, code = np.unique(column.cat.codes.to_numpy(), return_inverse=True)
    words = column.cat.categories.to_numpy(dtype=object)[present]
    order = np.argsort(words, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[code], words[order]


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum rows of equal keys by one integer key: sorting five columns at once would cost ten times as much."""
    codes, levels = [], []
    for key in KEYS:
        code, level = _numbered(rows[key])
        codes.append(code.astype(np.int64))
        levels.append(level)
    shape = tuple(max(len(level), 1) for level in levels)
    flat = np.ravel_multi_index(codes, shape) if len(rows) else np.empty(0, np.int64)
    present, inverse = np.unique(flat, return_inverse=True)
    table = {}
    for key, code, level in zip(KEYS, np.unravel_index(present, shape), levels, strict=True):
        if key in ("feature", "tag"):
            table[key] = pd.Categorical.from_codes(code.astype(np.int32), categories=pd.Index(level, dtype=object))
        else:
            table[key] = (
                np.asarray(level)[code].astype(rows[key].dtype) if len(present) else np.empty(0, rows[key].dtype)
            )
    table["count"] = np.bincount(inverse, weights=rows["count"], minlength=len(present)).astype(np.int64)
    for name in SUMS[1:]:
        table[name] = np.bincount(inverse, weights=rows[name], minlength=len(present)).astype(np.float64)
    return pd.DataFrame(table)
