"""Arithmetic with the numbers that the paper reports: where they cannot all hold (I1–I9), computed anew with every reading.

Nothing here needs a run: values come from `paper.yaml`, by id. May touch: errors, paper, telling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.errors import TxrayError
from txray_lib.paper import value
from txray_lib.telling import count, paragraph, percent, plural, signed, table

_MEANS = (
    ("epoch 1, shared in 1:48", "early", "early"),
    ("epoch 48, shared in 1:48", "early", "before_last"),
    ("epoch 48, shared in 48:49", "late", "before_last"),
    ("epoch 49, shared in 48:49", "late", "last"),
)
"""Each mean length of N2 with the neurons of N1 that it is about; for epoch 48 the paper does not say which."""
SETS = ("A", "B", "C", "D")


def lengths_needed(tokens: int) -> pd.DataFrame:
    """I1. [of, neurons, mean, features, over, allowed]: the sum of lengths that each mean of N2 stands for, its excess over
    the tokens read, and the largest mean that so many tokens allow."""
    rows = [(name, value("N1", neurons), value("N2", mean)) for name, neurons, mean in _MEANS]
    frame = pd.DataFrame(rows, columns=["of", "neurons", "mean"])
    features = frame["neurons"] * frame["mean"]
    return frame.assign(features=features, over=features - tokens, allowed=tokens / frame["neurons"])


def lengths_table(tokens: int) -> HTML:
    """I1 as a table."""
    frame = lengths_needed(tokens)
    shown = pd.DataFrame(
        {
            "mean length of": frame["of"],
            "neurons": frame["neurons"].map(count),
            "mean": frame["mean"].map("{:,.2f}".format),
            "sum of lengths": frame["features"].map(count),
            "tokens read": count(tokens),
            "too many": [count(over) if over > 0 else "fits" for over in frame["over"]],
            "largest possible mean": frame["allowed"].map("{:,.1f}".format),
        }
    )
    return table(shown, "I1: sums of lengths against the tokens there are", words=["mean length of"])


def lengths_said(tokens: int) -> Markdown:
    """I1 in a sentence: how many tokens it would take at least."""
    frame = lengths_needed(tokens)
    least, fits = frame["features"].max(), (frame["over"] <= 0).sum()
    return paragraph(
        f"With {count(tokens)} tokens, {fits} of {len(frame)} means can hold. All of them together need at least"
        f" {count(math.ceil(least))} tokens, even if no neuron ever saw the same token twice."
    )


def empty_neurons(units: int) -> dict[str, tuple[int, int]]:
    """I2. Smallest and largest numbers of neurons that N7, N11 and N13 allow among `units`.

    "empty": prefer nothing after supervision; "avoided": of these, preferred before it; "never": preferred at neither
    stage; "before": preferred before. The 1,323 of N7 are a part of those preferred before.
    """
    shared, gained = int(value("N11", "shared")), int(value("N13", "gained"))
    empty = units - shared - gained
    if empty < 0:
        raise TxrayError(f"{units} units cannot hold the paper's {shared} shared and {gained} gained neurons")
    least = min(max(int(value("N7", "shared")) - shared, 0), empty)
    return {
        "empty": (empty, empty),
        "avoided": (least, empty),
        "never": (0, empty - least),
        "before": (shared + least, shared + empty),
    }


def empty_said(units: int) -> Markdown:
    """I2 and I3: what the numbers say of the neurons pruned as avoided, and of which a share of mass can be a share."""
    found, pruned = empty_neurons(units), int(value("N14", "pruned"))
    (empty, _), (least, most), (_, never) = found["empty"], found["avoided"], found["never"]
    shared, gained = value("N11", "shared"), value("N13", "gained")
    agree = "just as many as were pruned" if empty == pruned else f"where {count(pruned)} were pruned"
    return paragraph(
        f"Of {count(units)} neurons, {count(shared)} are shared and {count(gained)} gained; so {count(empty)} prefer nothing after"
        f" supervision, {agree}. Between {count(least)} and {count(most)} of them preferred something before and are avoided; up to"
        f" {count(never)} were never preferred."
    )


def mass_said() -> Markdown:
    """I3: the neurons that hold all activation mass, and how the shares of mass of Tab. 2 add up."""
    shared, gained = value("N11", "shared"), value("N13", "gained")
    shares = {name: value(f"T2-{name}", "mass") for name in ("B", "C", "D")}
    listed = " + ".join(f"{100 * share:.3f}" for share in shares.values())
    return paragraph(
        f"After supervision {count(shared)} + {count(gained)} = {count(shared + gained)} neurons prefer anything, and all activation"
        f" mass is theirs. The shares of B, C and D are {listed} = {100 * sum(shares.values()):.3f} % of it if no neuron is in two"
        " sets, and less if one is."
    )


def drop_bounds(units: int) -> tuple[int, int]:
    """I4. How many neurons can be preferred on WikiText-2 and not on IMDB: the smallest and the largest number.

    The last snapshot prefers at least the 1,335 neurons of N1 and at most all of them, 1,323 of which stay (N7).
    """
    late, stay = int(value("N1", "late")), int(value("N7", "shared"))
    if units < max(late, stay):
        raise TxrayError(f"{units} units cannot hold the {max(late, stay)} shared neurons that the paper reports")
    return max(late - stay, 0), units - stay


def drop_said(units: int) -> Markdown:
    """I4 in sentences."""
    low, high = drop_bounds(units)
    return paragraph(
        f"{count(value('N1', 'late'))} − {count(value('N7', 'shared'))} = {count(value('N1', 'late') - value('N7', 'shared'))}."
        f" What the two numbers allow is more: between {count(low)} and {count(high)} neurons may have been left unused by the new text."
    )


def f1(true_positives: float, false_positives: float, false_negatives: float) -> float:
    """2 TP / (2 TP + FP + FN)."""
    return 2 * true_positives / (2 * true_positives + false_positives + false_negatives)


def f1_steps(reviews: int, score: float) -> dict[str, float]:
    """I5. Relative changes of F1 by one review's prediction, on half positive reviews with recall = precision = `score`."""
    tp, fp, fn = _confusion(reviews, score)
    base = f1(tp, fp, fn)
    after = {
        "a positive review is lost": f1(tp - 1, fp, fn + 1),
        "a positive review is found": f1(tp + 1, fp, fn - 1),
        "a negative review is taken for positive": f1(tp, fp + 1, fn),
        "a negative review is no longer taken for positive": f1(tp, fp - 1, fn),
    }
    return {name: changed / base - 1 for name, changed in after.items()}


def reviews_flipped(reviews: int, score: float, change: float) -> int:
    """I5. The fewest predictions that must change for F1 to fall by the share `change` < 0: lost positive reviews, each of
    which lowers F1 the most."""
    tp, fp, fn = _confusion(reviews, score)
    base = f1(tp, fp, fn)
    for flips in range(int(tp) + 1):
        if f1(tp - flips, fp, fn + flips) / base - 1 <= change:
            return flips
    raise TxrayError(f"F1 cannot fall by {percent(-change)}")


def no_net_change(flips: int) -> float:
    """The chance that an even number of flips, each up or down with a half, cancels exactly; odd numbers are rounded up."""
    pairs = (flips + 1) // 2
    return math.exp(math.lgamma(2 * pairs + 1) - 2 * math.lgamma(pairs + 1) - 2 * pairs * math.log(2))


def steps_table(reviews: int, score: float) -> HTML:
    """I5 as a table: what one review does to F1."""
    steps = f1_steps(reviews, score)
    said = [f"{100 * step:+.4f} %".replace("-", "−") for step in steps.values()]
    frame = pd.DataFrame({"one review": list(steps), "changes F1 by": said})
    return table(
        frame,
        f"I5: the smallest steps of F1 on {count(reviews)} reviews, half of them positive, at F1 {score:g}",
        ["one review"],
    )


def steps_said(reviews: int, score: float) -> Markdown:
    """I5 in sentences: how many reviews stand behind the change on train, and how few behind none on test."""
    train, test = value("T2-B", "train"), value("T2-B", "test")
    smallest = min(abs(step) for step in f1_steps(reviews, score).values())
    flips = reviews_flipped(reviews, score, train)
    return paragraph(
        f"A fall by {percent(-train)} on train means that the predictions of at least {count(flips)} reviews changed. A change printed as"
        f" {100 * test:.2f} % on test means, net, at most {plural(int(0.00005 / smallest), 'review')}: the smallest step is"
        f" {100 * smallest:.4f} %. If as many predictions changed on test, each up or down by the toss of a coin, they would cancel"
        f" exactly with a chance of about {percent(no_net_change(flips))}."
    )


def rest_needed(share: float) -> pd.DataFrame:
    """I7. [of, mean, rest]: the mean length that the other shared neurons must have if `share` of them have lengths from
    10 to 200 (N4), taking those as long as that allows."""
    if not 0 <= share < 1:
        raise TxrayError(f"a share of neurons lies from 0 to below 1; {share} does not")
    high = value("N4", "high")
    rows = [(name.split(",")[0], value("N2", mean)) for name, _, mean in _MEANS]
    frame = pd.DataFrame(rows, columns=["of", "mean"]).drop_duplicates(ignore_index=True)
    return frame.assign(rest=((frame["mean"] - share * high) / (1 - share)).clip(lower=high))


def rest_table(shares: Sequence[float]) -> HTML:
    """I7 as a table, a column for each share of concentrated neurons."""
    frame = rest_needed(0.0)[["of", "mean"]]
    shown = pd.DataFrame({"mean length of": frame["of"], "mean": frame["mean"].map("{:,.2f}".format)})
    for share in shares:
        shown[f"if {percent(share)} are in the range"] = rest_needed(share)["rest"].map(count).tolist()
    low, high = (count(value("N4", part)) for part in ("low", "high"))
    return table(
        shown, f"I7: mean length that the neurons outside {low} to {high} must have at least", ["mean length of"]
    )


def averages(before: Sequence[float], after: Sequence[float]) -> dict[str, float]:
    """I8. What "on average" can mean, as shares: each reading of a change of length. inf where a length grew from 0."""
    if len(before) != len(after) or not len(before):
        raise TxrayError(f"there are {len(before)} lengths before and {len(after)} after: each neuron needs both")
    pairs = list(zip(before, after, strict=True))
    ratios = [b / a if a else (math.inf if b else math.nan) for a, b in pairs]
    shared = [(a, b) for a, b in pairs if a and b]
    known = pd.Series(ratios).dropna()
    return {
        "ratio of means, all neurons": _ratio(pairs),
        "ratio of means, shared neurons": _ratio(shared),
        "mean of ratios, all neurons": float(known.mean()) - 1,
        "mean of ratios, shared neurons": sum(b / a for a, b in shared) / len(shared) - 1 if shared else math.nan,
        "median of ratios, shared neurons": float(pd.Series([b / a for a, b in shared], dtype=float).median()) - 1,
    }


def averages_table(before: Sequence[float], after: Sequence[float]) -> HTML:
    """I8 as a table."""
    said = ["infinite" if math.isinf(v) else signed(v) for v in averages(before, after).values()]
    frame = pd.DataFrame({"reading": list(averages(before, after)), "change of length": said})
    return table(frame, "I8: one set of lengths, five averages", ["reading"])


def footnote_readings(units: int) -> dict[str, tuple[float, float]]:
    """I8. The smallest and largest change over all `units` neurons (N18) that each reading of N17 leads to, as shares.

    The bounds come from how many neurons were avoided (I2), each of which lost all its length. As a ratio of means the
    avoided neurons' own lengths are free, so what is given is how long they must have been, as a share of the shared
    neurons' mean length, if what was gained is counted as nothing.
    """
    shared, tokens, all_ = value("N11", "shared"), value("N17", "tokens"), value("N18", "tokens")
    sums = {n: shared * tokens - n for n in empty_neurons(units)["avoided"]}
    over_preferred = [total / (shared + n) for n, total in sums.items()]
    over_units = [total / units for total in sums.values()]
    lost = shared * ((1 + tokens) / (1 + all_) - 1)
    needed = [lost / n for n in sums if n]
    return {
        "mean of ratios, neurons preferred before": (min(over_preferred), max(over_preferred)),
        "mean of ratios, all neurons, 0 where there is none": (min(over_units), max(over_units)),
        "length of an avoided neuron": (min(needed), max(needed)),
    }


def footnote_said(units: int) -> Markdown:
    """I8: which readings of N17 can give N18."""
    found, paper = footnote_readings(units), value("N18", "tokens")
    low, high = found.pop("length of an avoided neuron")
    ranges = "; ".join(
        f"as a {name} it would lie between {signed(a)} and {signed(b)}, which"
        f" {'allows' if a <= paper <= b else 'excludes'} the paper's {signed(paper)}"
        for name, (a, b) in found.items()
    )
    return paragraph(
        f"The footnote's change over all neurons tells readings apart: {ranges}. As a ratio of means it is possible if the avoided"
        f" neurons had between {low:.2f} and {high:.2f} times the mean length of the shared ones (more if gained neurons count)."
    )


def even_distance(share: float) -> float:
    """I9. The Hellinger distance of a neuron that loses the share of its probability given, the rest staying in proportion:
    √(1 − √(1 − share))."""
    if not 0 <= share <= 1:
        raise TxrayError(f"a share lies between 0 and 1; {share} does not")
    return math.sqrt(1 - math.sqrt(1 - share))


def fall_bounds() -> dict[str, float]:
    """I9. What N2 and N3 say of the step from epoch 48 to 49.

    "lost": mean features lost; "share": of the length; "even": the distance if each neuron loses that share of its
    probability; "allowed": the largest mean distance by N3, as no distance is above 1; "probability": the largest share of its
    probability that a neuron at the allowed distance has lost; "released": "even" divided by the mean length (C1)
    """
    before, lost = value("N2", "before_last"), value("N2", "before_last") - value("N2", "last")
    allowed, even = 1 - value("N3", "share"), even_distance(lost / before)
    return {
        "lost": lost,
        "share": lost / before,
        "even": even,
        "allowed": allowed,
        "probability": 1 - (1 - allowed**2) ** 2,
        "released": even / before,
    }


def fall_said() -> Markdown:
    """I9 in sentences."""
    its = fall_bounds()
    released = its["released"] / its["allowed"]
    lost = f"{its['lost']:.2f} of {value('N2', 'before_last')} features"
    return paragraph(
        f"The mean length falls by {lost}, {percent(its['share'])}. Spread evenly that is a distance of {its['even']:.3f}.",
        f"N3 allows {its['allowed']:.4f} at most, {its['even'] / its['allowed']:.0f} times less: at that distance a neuron has lost"
        f" {1e6 * its['probability']:.1f} millionths of its probability.",
        f"Divided by length (C1), the even loss is {its['released']:.5f}; N3 then asks for an early mean of at least {released:.2f},"
        f" which a neuron that changed wholly has only if both its stages together hold no more than {math.floor(1 / released)} features.",
    )


def _confusion(reviews: int, score: float) -> tuple[float, float, float]:
    if reviews < 4 or not 0 < score < 1:
        raise TxrayError(
            f"F1 {score} on {reviews} reviews leaves nothing to change: give at least 4 and an F1 between 0 and 1"
        )
    positive = reviews / 2
    return score * positive, (1 - score) * positive, (1 - score) * positive


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    before = sum(a for a, _ in pairs)
    return sum(b for _, b in pairs) / before - 1 if before else math.nan
