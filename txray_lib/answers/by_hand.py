"""From records to a distribution to a distance with numbers that a pocket calculator can follow (§2.1, §2.2).

 pick_neuron  which neuron is worked out
 work_out     every number on its way, each made from the rounded ones before it

May touch: preferences, results, telling, `nulls`, `one_sentence`, `worked`.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.nulls import difference, kept_none, p_value
from txray_lib.answers.one_sentence import AFTER, BEFORE, Sentence
from txray_lib.answers.worked import neuron_by_hand, worked
from txray_lib.preferences import NOBODY
from txray_lib.results import Results
from txray_lib.telling import LEVEL, count, distance, escape, listed, paragraph, plural, shorten, table

COMPARISON = "supervised"
FEWEST = 3
MOST = 12
"""Features that a table shows; those of a longer neuron are summed in one row."""
NEAR = 0.03
"""Two distances that differ by less are told as nearly the same."""
_DIGITS = {"sum": 3, "mean": 3, "p": 4, "root": 4, "squared": 4}


def pick_neuron(sentence: Sentence, neuron: int = -1) -> int:
    """The neuron itself, or for -1, of the neurons that win a token of the sentence and are shared, the one with the fewest
    features on both sides together, but at least 3; of equals the lowest. Where there is none such, the one that
    `neuron_by_hand` takes. Raises TxrayError for a neuron that is not shared."""
    if neuron >= 0:
        return neuron_by_hand(sentence.results, COMPARISON, neuron)
    rows = _transfer(sentence.results)
    own = rows[rows["neuron"].isin(_winners(sentence)) & rows["hellinger"].notna()]
    own = own.assign(union=[_union(sentence.results, int(n)) for n in own["neuron"]])
    own = own[own["union"] >= FEWEST]
    if own.empty:
        return neuron_by_hand(sentence.results, COMPARISON)
    return int(own.sort_values(["union", "neuron"])["neuron"].iloc[0])


def neuron_said(sentence: Sentence, neuron: int) -> Markdown:
    """Which neuron it is, and which tokens of the sentence are its."""
    rows = sentence.tokens
    said = []
    for side, when in ((BEFORE, "before supervision"), (AFTER, "after it")):
        own = rows[rows[f"neuron_{side}"] == neuron]
        said.append(f"{sentence.names(own)} {when}" if len(own) else f"nothing {when}")
    if all(each.startswith("nothing") for each in said):
        return paragraph(
            f"The neuron is number **{neuron}**. Of this sentence it was given nothing, before supervision or after it; its"
            " distribution is made from its records of the whole stage."
        )
    return paragraph(
        f"The neuron is number **{neuron}**. Of this sentence it was given {said[0]} and {said[1]}.",
        "But a sentence is only where it was met: its distribution is made from all its records of the stage.",
    )


def work_out(results: Results, neuron: int) -> pd.DataFrame:
    """A row for each feature of either side, with columns that end in _before or _after:

    count; sum of activations; mean = sum / count; p = mean / sum of all means; root = √p; and squared, the squared difference of
    the two roots. Each number is rounded as a page shows it, and what follows is made from the rounded one.
    """
    frame = worked(results, neuron, COMPARISON)
    steps = pd.DataFrame({"feature": frame["feature"]})
    for side in (BEFORE, AFTER):
        number = frame[f"count_{side}"].astype(int)
        total = frame[f"sum_{side}"].round(_DIGITS["sum"])
        mean = (total / number.clip(lower=1)).round(_DIGITS["mean"])
        p = (mean / mean.sum()).round(_DIGITS["p"])
        parts = {"count": number, "sum": total, "mean": mean, "p": p, "root": p.pow(0.5).round(_DIGITS["root"])}
        steps = steps.assign(**{f"{name}_{side}": column for name, column in parts.items()})
    squared = (steps[f"root_{BEFORE}"] - steps[f"root_{AFTER}"]) ** 2
    return steps.assign(squared=squared.round(_DIGITS["squared"]))


def distribution(steps: pd.DataFrame, side: str) -> HTML:
    """Step 2 of §2.1 on one side: from counts and sums to means and shares."""
    own = steps[steps[f"count_{side}"] > 0].sort_values(f"p_{side}", ascending=False, kind="stable")
    columns = {"times": "count", "sum of activations": "sum", "mean": "mean", "P": "p"}
    return _table(own, {name: f"{column}_{side}" for name, column in columns.items()}, _CAPTIONS[side])


_CAPTIONS = {
    BEFORE: "Before: mean = sum / times; P = mean / sum of the means",
    AFTER: "After: mean = sum / times; P = mean / sum of the means",
}


def distribution_said(steps: pd.DataFrame, side: str) -> Markdown:
    """The arithmetic of one row, and length and mass."""
    own = steps[steps[f"count_{side}"] > 0].sort_values(f"p_{side}", ascending=False, kind="stable")
    most = own.loc[own[f"count_{side}"].idxmax()]
    total, mean, p = (own[f"{name}_{side}"] for name in ("sum", "mean", "p"))
    often = (
        f"“{_token(most)}” occurred {plural(int(most[f'count_{side}']), 'time')}, with {most[f'sum_{side}']:.3f} in all:"
        f" {most[f'sum_{side}']:.3f} / {int(most[f'count_{side}'])} = {most[f'mean_{side}']:.3f}, and"
        f" {most[f'mean_{side}']:.3f} / {mean.sum():.3f} = {most[f'p_{side}']:.4f}."
    )
    even = (
        f" All {len(own)} shares lie between {p.min():.4f} and {p.max():.4f}, near 1/{len(own)} = {1 / len(own):.4f}: the largest"
        " activations differ little, and how often a feature occurs plays no part."
        if len(own) > 1 and p.max() < 2 * p.min()
        else ""
    )
    return paragraph(
        f"{often}{even} The neuron's length is {len(own)}, the number of its features; its mass is {total.sum():.3f}, the sum of the"
        " sums."
    )


def distance_table(steps: pd.DataFrame) -> HTML:
    """The squared difference of roots for each feature of either side, and their sum."""
    columns = {"P before": "p_before", "P after": "p_after", "√P before": "root_before", "√P after": "root_after"}
    return _table(steps, {**columns, "(difference)²": "squared"}, "The distance, feature by feature", ("squared",))


def rounded_distance(steps: pd.DataFrame) -> float:
    """H from the rounded numbers."""
    return math.sqrt(float(steps["squared"].sum()) / 2)


def distance_said(steps: pd.DataFrame, results: Results, neuron: int) -> Markdown:
    """The last step, what the run computed without rounding, and what counts of features alone give."""
    total, exact = float(steps["squared"].sum()), _row(results, neuron)["hellinger"]
    return paragraph(
        f"The squares sum to {total:.4f}; half of that is {total / 2:.4f}, and its root is **H = {rounded_distance(steps):.3f}**. The run,"
        f" which rounds nowhere, has {exact:.3f} in its table.",
        _by_counts(steps, exact),
    )


def _by_counts(steps: pd.DataFrame, exact: float) -> str:
    """What the distance would be if each side gave equal shares to its features: √(1 − k / √(m n))."""
    there = {side: steps[f"count_{side}"] > 0 for side in (BEFORE, AFTER)}
    m, n, k = int(there[BEFORE].sum()), int(there[AFTER].sum()), int((there[BEFORE] & there[AFTER]).sum())
    equal = math.sqrt(max(1 - k / math.sqrt(m * n), 0))
    near = (
        " Whoever knows which features the neuron has before and after knows its distance almost to the end: it measures above all"
        " which words came and went."
        if abs(equal - exact) < NEAR and k < max(m, n)
        else ""
        if k == m == n
        else " The rest is how unequally the shares are spread."
    )
    return (
        f"A check that needs no activation: {plural(m, 'feature')} before, {count(n)} after, {count(k)} in both. Were all shares of a side"
        f" equal, H would be √(1 − {k} / √({m} × {n})) = {equal:.3f}.{near}"
    )


def state_said(sentence: Sentence, neuron: int) -> Markdown:
    """The neuron's preference state, and those of the other neurons that won a token."""
    row = _row(sentence.results, neuron)
    states = _transfer(sentence.results).set_index("neuron").loc[_winners(sentence), "state"].value_counts()
    kinds = listed(f"{n} {'is' if n == 1 else 'are'} {state}" for state, n in states.items())
    return paragraph(
        f"It preferred {plural(int(row['length_before']), 'feature')} before and {count(row['length_after'])} after, so its preference"
        f" state is **{row['state']}**. Of the {plural(int(states.sum()), 'neuron')} that win a token of the sentence at either stage,"
        f" {kinds}."
    )


def chance_said(results: Results, neuron: int) -> Markdown:
    """The neuron's distance beside what chance gives to it."""
    row = _null(results, neuron)
    if not results.has("nulls"):
        return paragraph(kept_none(results))
    if row is None:
        return paragraph(f"No null was drawn for neuron {neuron}, so its distance stands alone and says little.")
    more = row["q"] <= LEVEL
    return paragraph(
        f"In {plural(int(row['permutations']), 'arrangement')} of the text's blocks, each of which changes sides or stays as a coin"
        f" says, the same neuron had a distance of {distance(row['expected'])} on average, and of more than"
        f" {distance(row['null_95'])} in one of twenty. Observed is {distance(row['hellinger'])}, which differs from that average by"
        f" {difference(row['excess'])}; p is {p_value(row['p'])}, and among all shared neurons q is {p_value(row['q'])}.",
        f"At q ≤ {LEVEL:g} this neuron {'did' if more else 'did not'} change by more than chance"
        + (
            ", and that is the finding: not the distance itself, most of which chance gives too."
            if more and row["expected"] > row["excess"]
            else "."
            if more
            else ", however large its distance looks."
        ),
    )


def winners_table(sentence: Sentence) -> HTML:
    """A row for each neuron that wins a token at either stage: its tokens here, state, lengths, distance beside chance."""
    results, tokens = sentence.results, sentence.tokens
    rows = []
    for neuron in _winners(sentence):
        row, null = _row(results, neuron), _null(results, neuron)
        rows.append(
            {
                "neuron": neuron,
                "wins before": _named(tokens.loc[tokens["neuron_before"] == neuron, "token"]),
                "wins after": _named(tokens.loc[tokens["neuron_after"] == neuron, "token"]),
                "length": f"{count(row['length_before'])} → {count(row['length_after'])}",
                "H": distance(row["hellinger"]),
                "H by chance": "none" if null is None else distance(null["expected"]),
                "q": "none" if null is None else p_value(null["q"]),
            }
        )
    caption = "Neurons that win a token of the sentence, with what all their records say"
    return table(pd.DataFrame(rows), caption, words=["wins before", "wins after"])


def _named(tokens: pd.Series) -> str:
    """Tokens in quotation marks, which take less room in a table than boxes; the table escapes them."""
    return " ".join(f"“{shorten(token)}”" for token in tokens)


def _winners(sentence: Sentence) -> list[int]:
    """The neurons that win a token before or after, in the order of the sentence."""
    columns = [sentence.tokens[f"neuron_{side}"] for side in (BEFORE, AFTER)]
    return [int(n) for n in dict.fromkeys(pd.concat(columns)) if n != NOBODY]


def _transfer(results: Results) -> pd.DataFrame:
    return results.transfer("rq3")


def _row(results: Results, neuron: int) -> pd.Series:
    rows = _transfer(results)
    return rows[rows["neuron"] == neuron].iloc[0]


def _null(results: Results, neuron: int) -> pd.Series | None:
    """The null of a neuron's distance; None where it has none."""
    if not results.has("nulls"):
        return None
    rows = results.table("nulls")
    own = rows[(rows["question"] == "rq3") & (rows["neuron"] == neuron) & rows["q"].notna()]
    return own.iloc[0] if len(own) else None


def _union(results: Results, neuron: int) -> int:
    sides = [results.preferences(results.stage(role)) for role in ("zero-shot", "supervised")]
    return len({str(f) for rows in sides for f in rows.loc[rows["neuron"] == neuron, "feature"]})


def _token(row: pd.Series) -> str:
    return escape(str(row["feature"]))


def _table(own: pd.DataFrame, columns: dict[str, str], caption: str, summed: tuple[str, ...] = ()) -> HTML:
    """The first features one by one, the others in one row, and the sums."""
    first, rest = own.head(MOST), own.iloc[MOST:]
    shown = [[(f,) for f in first["feature"]]] + [
        [_said(column, v) for v in first[column]] for column in columns.values()
    ]
    frame = pd.DataFrame(dict(zip(["feature", *columns], shown, strict=True)), dtype=object)

    def sums(rows: pd.DataFrame) -> list[str]:
        return [
            _said(column, rows[column].sum()) if not summed or column in summed or column.startswith("p_") else ""
            for column in columns.values()
        ]

    if len(rest):
        frame.loc[len(frame)] = [f"the other {len(rest)}", *sums(rest)]
    frame.loc[len(frame)] = ["sum", *sums(own)]
    return table(frame, caption)


def _said(column: str, number: float) -> str:
    """A number with the digits that its kind is rounded to."""
    kind = column.partition("_")[0]
    return f"{int(np.rint(number))}" if kind == "count" else f"{number:.{_DIGITS[kind]}f}"
