"""What the overviews of distance against length say (Fig. 4, 6, 8; §2.2, §3.1), for any definition of distance and length.

May touch: audit, definitions, paper, results, telling.
"""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.questions import Control
from txray_lib.audit.intervals import Measured, bootstrap, missing, rank_correlation
from txray_lib.definitions import PAPER, RELEASED, Definitions
from txray_lib.paper import value
from txray_lib.results import NEURON, Results
from txray_lib.telling import arrow, compared, count, distance, paragraph, percent, plural, table

CONCENTRATION = value("N4", "low"), value("N4", "high")
"""Lengths between which the paper says that neurons concentrate (N4)."""
PAPERS = Definitions()
FEW = 10
"""Fewer neurons than this carry no rank correlation worth a sentence."""


def lengths(rows: pd.DataFrame, length: str = PAPER) -> pd.Series:
    """A shared neuron's place on the x-axis: the mean of its two lengths; "released" the size of their union (C3)."""
    return rows["union"].astype(float) if length == RELEASED else rows[["length_before", "length_after"]].mean(axis=1)


def correlation(rows: pd.DataFrame, length: str = PAPER) -> Measured:
    """Spearman's correlation of distance with length over shared neurons; no value for fewer than ten or without spread."""
    shared = rows[(rows["state"] == "shared") & rows["hellinger"].notna()]
    if len(shared) < FEW:
        return missing("there are too few neurons to measure it")
    return bootstrap(rank_correlation, lengths(shared, length), shared["hellinger"])


def concentration_share(rows: pd.DataFrame, length: str = PAPER, span: tuple[float, float] = CONCENTRATION) -> float:
    """The share of shared neurons whose length lies in `span`, both ends included; NaN without a shared neuron."""
    shared = rows[rows["state"] == "shared"]
    return float(lengths(shared, length).between(*span).mean()) if len(shared) else math.nan


def spread(results: Results, transfer: pd.DataFrame, definitions: Definitions = PAPERS) -> HTML:
    """A row per comparison, and one per control where the paper's definitions are used: shared neurons, distances with
    their quartiles, lengths, and how the two go together."""
    length = definitions.length
    parts = [(name, rows) for name, rows in transfer.groupby("comparison", sort=False)]
    if definitions.is_papers:
        for stage in dict.fromkeys([*transfer["before"], *transfer["after"]]):
            if len(rows := results.control(stage)):
                parts.append((f"control: halves of {stage}", rows))
    frame = pd.DataFrame([_row(name, rows, length) for name, rows in parts])
    low, high = CONCENTRATION
    caption = (
        f"Distance H and length over shared neurons; the last columns say which share of them has a length from {low} to"
        f" {high} and how H and length correlate by rank"
    )
    return table(frame, caption, words=["comparison"])


def _row(name: str, rows: pd.DataFrame, length: str) -> dict[str, str]:
    shared = rows[rows["state"] == "shared"]
    low, median, high = shared["hellinger"].quantile([0.25, 0.5, 0.75])
    x = lengths(shared, length)
    rho = correlation(rows, length).value
    return {
        "comparison": name if name.startswith("control") else arrow(name),
        "shared": f"{count(len(shared))} ({percent(len(shared) / len(rows))})",
        "mean H": _far(shared["hellinger"].mean()),
        "median H (quartiles)": f"{_far(median)} ({_far(low)}–{_far(high)})" if len(shared) else "none",
        "median length": "none" if x.empty else f"{x.median():,.1f}",
        "in the paper's range": percent(concentration_share(rows, length)),
        "rank correlation": "too few" if math.isnan(rho) else _rho(rho),
    }


def fell(results: Results, transfer: pd.DataFrame) -> Markdown:
    """By how much distances fall from the early to the late comparison, as means and as medians (N3)."""
    middle = results.stage("before-last")
    names = f"{results.stage('early')}:{middle}", f"{middle}:{results.stage('last')}"
    early, late = (
        transfer.loc[(transfer["comparison"] == name) & (transfer["state"] == "shared"), "hellinger"] for name in names
    )
    paper = f"the paper reports {100 * value('N3', 'share'):.2f} % less"
    if early.empty or late.empty:
        return paragraph(f"One of the two comparisons has no shared neuron, so no fall can be given; {paper}.")
    ratio = late.median() / early.median() if early.median() else math.nan
    times = "" if math.isnan(ratio) else f" The ratio of the medians is {ratio:.3f}."
    return paragraph(
        f"The mean distance goes from {_far(early.mean())} ({arrow(names[0])}) to {_far(late.mean())}"
        f" ({arrow(names[1])}), {compared(early.mean(), late.mean())}; the median from {_far(early.median())} to"
        f" {_far(late.median())}, {compared(early.median(), late.median())}; {paper}, as a mean.{times}"
    )


def short_neurons(
    results: Results, transfer: pd.DataFrame, halves: Control | None, definitions: Definitions = PAPERS
) -> Markdown:
    """Whether short neurons have higher distances (§3.1), beside the same correlation where nothing was learned."""
    length = definitions.length
    found = {name: correlation(rows, length) for name, rows in transfer.groupby("comparison", sort=False)}
    known = {name: rho for name, rho in found.items() if not math.isnan(rho.value)}
    claim = "The paper says of pretraining that short neurons seem to have higher distances than long ones (§3.1)."
    if not known:
        return paragraph(claim, f"With fewer than {FEW} shared neurons, or no spread, that cannot be told here.")
    said = " and ".join(f"{_with_interval(rho)} in {arrow(name)}" for name, rho in known.items())
    if all(rho.high < 0 for rho in known.values()):
        verdict = "So it is here"
    elif all(rho.value < 0 for rho in known.values()):
        verdict = "Here the sign is that, but not clearly"
    else:
        verdict = "Here that does not hold throughout"
    divided = (
        "But this distance is divided by the size of the union, which by itself makes short neurons look changed."
        if definitions.distance == RELEASED
        else ""
    )
    return paragraph(
        claim,
        f"{verdict}: the rank correlation of distance with length is {said}"
        f" (in brackets, {'intervals' if len(known) > 1 else 'the interval'} of 95 % over neurons).",
        divided,
        _null(results, halves, definitions),
    )


def _null(results: Results, halves: Control | None, definitions: Definitions) -> str:
    """The same correlation between halves of one text under the same weights."""
    if not definitions.is_papers:
        return "Halves of one text were compared by the paper's definitions alone, so none stand beside this."
    rho = correlation(results.control(halves.stage)) if halves else missing("")
    if math.isnan(rho.value):
        return "No halves of one text with enough shared neurons were compared to set beside it."
    opening = (
        f"Between two halves of the text of {halves.stage}, read with the same weights, it is {_with_interval(rho)}"
    )
    if rho.high < 0:
        return (
            f"{opening}: a correlation of this sign takes no learning, since few occurrences alone make a distribution"
            " differ from one reading to the next."
        )
    return f"{opening}: no sign that few occurrences alone bring it about."


def concentrated(transfer: pd.DataFrame, definitions: Definitions = PAPERS) -> Markdown:
    """Whether lengths concentrate where the paper says (N4)."""
    length = definitions.length
    low, high = CONCENTRATION
    shares = {name: concentration_share(rows, length) for name, rows in transfer.groupby("comparison", sort=False)}
    said = " and ".join(f"{percent(share)} in {arrow(name)}" for name, share in shares.items() if not math.isnan(share))
    shared = transfer[transfer["state"] == "shared"]
    if not said:
        return paragraph("No neuron is shared, so there are no lengths to speak of.")
    x = lengths(shared, length)
    return paragraph(
        f"Of the shared neurons {said} have a length from {low} to {high}, the range in which the paper sees them concentrate;"
        f" the mean length of all points is {x.mean():,.1f}, their median {x.median():,.1f}.",
        "A mean that far above its median describes few neurons (I7)." if x.mean() > 1.5 * x.median() else "",
    )


def without_distance(transfer: pd.DataFrame) -> Markdown:
    """How many neurons have no point because one side is empty."""
    parts = []
    for name, rows in transfer.groupby("comparison", sort=False):
        counts = rows["state"].value_counts()
        parts.append(
            f"in {arrow(name)} {count(counts.get('avoided', 0))} avoided and {plural(int(counts.get('gained', 0)), 'gained neuron')}"
        )
    return paragraph(
        f"A neuron that only one of the stages prefers has no distance (“ill-defined”, §2.2) and no point: {'; '.join(parts)}."
        " The ticks below the points show their lengths."
    )


def in_use(transfer: pd.DataFrame) -> Markdown:
    """How many neurons prefer anything before and after, and how many of them are shared, which no intersection says (I4)."""
    said = []
    for name, rows in transfer.groupby("comparison", sort=False):
        before, after = (int((rows[f"length_{side}"] > 0).sum()) for side in ("before", "after"))
        shared = int((rows["state"] == "shared").sum())
        share = percent(shared / before if before else math.nan)
        said.append(
            f"In {arrow(name)} {plural(before, 'neuron')} of {count(len(rows))} prefer{'s' if before == 1 else ''} anything"
            f" before and {count(after)} after; {count(shared)} are shared, {share} of those before."
        )
    return paragraph(*said)


def beside_control(
    results: Results, transfer: pd.DataFrame, halves: Control | None, definitions: Definitions = PAPERS
) -> Markdown:
    """The distance between halves of one text, and how many neurons moved further than their own halves lie apart."""
    if not definitions.is_papers:
        return paragraph(
            "Halves of one text were compared by the paper's definitions alone, so no such distance is drawn here."
        )
    if halves is None:
        return paragraph(
            "Halves of one text were not compared, so it cannot be said how large a distance is without any learning."
        )
    own = results.control(halves.stage)
    own = own.loc[own["state"] == "shared", [*NEURON, "hellinger"]]
    said = []
    for name, part in transfer[transfer["state"] == "shared"].groupby("comparison", sort=False):
        both = part.merge(own, on=NEURON, suffixes=("", "_halves"))
        if len(both):
            further = float((both["hellinger"] > both["hellinger_halves"]).mean())
            said.append(f"{percent(further)} of {count(len(both))} in {arrow(name)}")
    compared_with = (
        f"Of the neurons that have both distances, these lie further apart than their own halves: {', '.join(said)}."
        if said
        else "No neuron has both distances."
    )
    return paragraph(f"{halves.said} (the dashed line).", compared_with)


def _far(number: float) -> str:
    """A distance; a small one, as the released code's are, to two digits that count."""
    return f"{number:.2g}" if 0 < number < 0.095 else distance(number)


def _with_interval(rho: Measured) -> str:
    return _rho(rho.value) + (f" [{_rho(rho.low)}, {_rho(rho.high)}]" if rho.has_interval else "")


def _rho(rho: float) -> str:
    return f"{rho:+.2f}".replace("-", "−")
