"""Which part of "what supervision does" shuffled labels and other seeds do too (RQ3).

The control tables are laid out as the transfer table is; a run that has none says so. May touch: lengths, masses, paper,
results, telling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.masses import spread
from txray_lib.results import NEURON, Results
from txray_lib.telling import count, distance, paragraph, percent, plural, signed, table

REAL = "real"
ABSENT = (
    "This run was not fine-tuned on shuffled labels or from other seeds, so it cannot be said which part of the change is the"
    " labels' doing and which any further training would bring."
)
MEASURES = {
    "avoided": "avoided neurons",
    "gained": "gained neurons",
    "distance_median": "the median distance",
    "length_median": "the median change of length",
}


def control_transfer(results: Results) -> pd.DataFrame | None:
    """The transfer to each control, as rq3's is to the supervised encoder; None where a run has no controls."""
    return results.table("control_transfer") if results.has("control_transfer") else None


def kind_of(name: str) -> str:
    """ "real", "shuffled" or "seed", from the name of a control."""
    return name.rsplit("-", 1)[0]


def shown_name(name: str, alone: bool = False) -> str:
    """The name of a fine-tuning for a page; `alone` where there is one of its kind."""
    kind, _, number = name.partition("-")
    words = {REAL: "the labels", "shuffled": "shuffled labels", "seed": "labels, seed"}[kind]
    return words if kind == REAL or (alone and kind == "shuffled") else f"{words} {number}"


def control_rows(results: Results) -> pd.DataFrame:
    """A row per fine-tuning, the real one first: [control, kind, name, shared, avoided, gained, and low, median, high of distance,
    length and tag_length], the last two as relative changes; quartiles and median are over shared neurons."""
    parts = {REAL: results.transfer("rq3")}
    controls = control_transfer(results)
    if controls is not None:
        parts |= dict(iter(controls.groupby("control", sort=False)))
    kinds = pd.Series([kind_of(name) for name in parts])
    rows = []
    for name, part in parts.items():
        counts, shared = part["state"].value_counts(), part[part["state"] == "shared"]
        row = {"control": name, "kind": kind_of(name), "name": shown_name(name, (kinds == kind_of(name)).sum() == 1)}
        row |= {state: int(counts.get(state, 0)) for state in ("shared", "avoided", "gained")}
        changes = {size: shared[f"{size}_after"] / shared[f"{size}_before"] - 1 for size in ("length", "tag_length")}
        for measure, values in {"distance": shared["hellinger"], **changes}.items():
            quartiles = values.quantile([0.25, 0.5, 0.75])
            row |= dict(zip([f"{measure}_{q}" for q in ("low", "median", "high")], quartiles, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def controls(results: Results) -> Markdown:
    """Which part of what supervision does shuffled labels do too, against what another seed changes."""
    if control_transfer(results) is None:
        return paragraph(ABSENT)
    rows = control_rows(results)
    real, shuffled = rows.iloc[0], rows[rows["kind"] == "shuffled"]
    if shuffled.empty:
        return paragraph(
            "This run was fine-tuned on no shuffled labels, so it cannot be said which part is the labels' doing.",
            _over_seeds(rows),
        )
    counts = {state: f"{shuffled[state].mean():g}" for state in ("avoided", "gained", "shared")}
    over = "" if len(shuffled) == 1 else f" (means over {len(shuffled)})"
    return paragraph(
        f"**Shuffled labels**{over} make {counts['avoided']} neurons avoided and {counts['gained']} gained, where the labels make"
        f" {count(real['avoided'])} avoided and {count(real['gained'])} gained. The shared neurons lie"
        f" {distance(shuffled['distance_median'].mean())} from where they were in the median, with the labels"
        f" {distance(real['distance_median'])}; their median length changes by {signed(shuffled['length_median'].mean())} and by"
        f" {signed(real['length_median'])}.",
        _part(real, shuffled),
        _over_seeds(rows),
        _beyond_seeds(rows),
    )


def control_scores(results: Results) -> HTML | Markdown:
    """F1 on the true test labels after each fine-tuning, and the updates that led to it."""
    if not results.has("control_scores"):
        return paragraph(ABSENT)
    rows = results.table("control_scores")
    kept = rows[rows["shared_texts"] == rows["shared_texts"].iloc[0]]
    frame = pd.DataFrame(
        {
            "fine-tuned on": [shown_name(name) for name in kept["control"]],
            "updates": kept["updates"].map(count),
            "F1": kept["f1"].map("{:.3f}".format),
            "accuracy": kept["accuracy"].map("{:.3f}".format),
        }
    )
    return table(
        frame,
        f"Scores against the true labels of the same {count(kept['reviews'].iloc[0])} test reviews; with shuffled labels as many"
        " updates were made as with the labels",
        words=["fine-tuned on"],
    )


def gained_by_controls(results: Results) -> Markdown:
    """How many neurons shuffled labels gain, and how many of them are the very ones that the labels gain (Tab. 1)."""
    table_ = control_transfer(results)
    if table_ is None:
        return paragraph(ABSENT)
    real = _gained(results.transfer("rq3"))
    said = [f"The labels gain {plural(len(real), 'neuron')}."]
    for name, part in table_.groupby("control", sort=False):
        own = _gained(part)
        again = len(real & own)
        expected = len(real) * len(own) / len(part)
        said.append(
            f"Fine-tuning on {shown_name(str(name))} gains {count(len(own))}, {count(again)} of them the same"
            f" (chance would give about {expected:.1f})."
        )
    shuffled = [len(_gained(p)) for n, p in table_.groupby("control", sort=False) if kind_of(str(n)) == "shuffled"]
    if not shuffled:
        return paragraph(*said)
    if not real:
        return paragraph(*said, "Without a neuron gained there is nothing to ascribe to labels.")
    much = np.mean(shuffled) / len(real)
    return paragraph(
        *said,
        f"Labels without meaning gain {percent(much)} as many: "
        + (
            "that neurons come into use is no sign that they serve the task."
            if much >= 0.5
            else "most of the gain needs labels that mean something."
        ),
    )


def lengths_by_controls(results: Results) -> Markdown:
    """Whether lengths change with shuffled labels as they do with the labels (Fig. 10)."""
    if control_transfer(results) is None:
        return paragraph(ABSENT)
    rows = control_rows(results)
    real, shuffled = rows.iloc[0], rows[rows["kind"] == "shuffled"]
    said = []
    for column, what in (("length_median", "token length"), ("tag_length_median", "length in tags")):
        ours, theirs = real[column], shuffled[column].mean()
        if np.isnan(ours) or np.isnan(theirs):
            continue
        same = np.sign(ours) == np.sign(theirs)
        much = "" if ours == 0 or not same else f", {percent(theirs / ours)} of that"
        said.append(
            f"The median {what} of shared neurons changes by {signed(ours)} with the labels and by {signed(theirs)} with shuffled"
            f" ones{much}: {_cause(ours, theirs)}."
        )
    return paragraph(*said, _over_seeds(rows)) if said else paragraph("No shuffled labels were fine-tuned on here.")


def with_controls(results: Results, masses: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """`masses` with the neurons of each control as further stages, and the kind of each of those stages (Fig. 11)."""
    table_ = control_transfer(results)
    if table_ is None:
        return masses, {}
    sizes = {f"{size}_after": size for size in ("length", "tag_length", "count", "mass")}
    added = table_.rename(columns={"after": "stage", **sizes})[["stage", *NEURON, *sizes.values()]]
    kinds = {str(stage): kind_of(str(part["control"].iloc[0])) for stage, part in table_.groupby("after", sort=False)}
    return pd.concat([masses, added], ignore_index=True), kinds


def masses_by_controls(masses: pd.DataFrame, kinds: dict[str, str], before: str, after: str, top: int = 20) -> Markdown:
    """Whether mass becomes as peaked with shuffled labels as with the labels (Fig. 11)."""
    if not kinds:
        return paragraph(ABSENT)
    own = {s: spread(masses.loc[masses["stage"] == s, "mass"].to_numpy(), top) for s in (before, after, *kinds)}
    said = [
        f"{stage}: {percent(own[stage].top)} in the top {own[stage].first}, {count(own[stage].used)} neurons with mass"
        for stage in kinds
    ]
    shuffled = [own[stage].top - own[before].top for stage, kind in kinds.items() if kind == "shuffled"]
    moved = own[after].top - own[before].top
    return paragraph(
        f"**Beside other fine-tunings.** {'; '.join(said)}.",
        f"With the labels the share of the top {own[after].first} changes by {100 * moved:+.1f} points, with shuffled ones by"
        f" {100 * float(np.mean(shuffled)):+.1f}: {_cause(moved, float(np.mean(shuffled)))}.".replace("-", "−")
        if shuffled
        else "",
    )


def _cause(real: float, shuffled: float) -> str:
    """What a change with shuffled labels says about the same change with the labels."""
    if real == 0:
        return "the labels change nothing here"
    share = shuffled / real
    if share < 0.2:
        return (
            "shuffled labels do not do this, so it needs labels that mean something"
            if share > -0.2
            else ("shuffled labels do the reverse, so it needs labels that mean something")
        )
    return (
        "shuffled labels do most of it, so it is no effect of what the labels mean"
        if share >= 0.8
        else "part of it comes with any further training, and what is left is the labels' at most"
    )


def _part(real: pd.Series, shuffled: pd.DataFrame) -> str:
    """Quantities by the share of them that shuffled labels bring about."""
    shares = {
        name: shuffled[column].mean() / real[column]
        for column, name in MEASURES.items()
        if real[column] and not np.isnan(real[column] * shuffled[column].mean())
    }
    if not shares:
        return ""
    listed = ", ".join(f"{_signed_share(share)} of {name}" for name, share in shares.items())
    most = [name for name, share in shares.items() if share >= 0.8]
    verdict = (
        "None of it is mostly there without meaning in the labels."
        if not most
        else f"What is there without any meaning in the labels, {_and(most)}, cannot be credited to supervision."
    )
    return f"So labels that mean nothing bring {listed}. {verdict}"


def _over_seeds(rows: pd.DataFrame) -> str:
    seeds = rows[rows["kind"].isin([REAL, "seed"])]
    if len(seeds) < 2:
        return "No other seed was fine-tuned from the same encoder, so it is not known how far these numbers move by chance."
    spans = ", ".join(f"{_span(seeds[column], column)} for {name}" for column, name in MEASURES.items())
    return f"Over {len(seeds)} fine-tunings on the labels that differ in the seed alone, the range is {spans}."


def _beyond_seeds(rows: pd.DataFrame) -> str:
    """What of the shuffled labels lies outside the range of the fine-tunings on the labels."""
    seeds, shuffled = rows[rows["kind"].isin([REAL, "seed"])], rows[rows["kind"] == "shuffled"]
    if len(seeds) < 2:
        return ""
    outside = [
        name
        for column, name in MEASURES.items()
        if shuffled[column].mean() < seeds[column].min() or shuffled[column].mean() > seeds[column].max()
    ]
    if not outside:
        return "Shuffled labels stay within that range in everything: nothing here tells the labels from no labels."
    rest = [name for name in MEASURES.values() if name not in outside]
    return (
        f"Shuffled labels lie outside it in {_and(outside)}"
        + (f", within it in {_and(rest)}" if rest else "")
        + f". A range of {len(seeds)} is narrow, so that is a hint and no test."
    )


def _span(values: pd.Series, column: str) -> str:
    form = {"distance_median": distance, "length_median": signed}.get(column, count)
    return f"{form(values.min())} to {form(values.max())}"


def _signed_share(share: float) -> str:
    return percent(share) if share >= 0 else "the reverse"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _gained(part: pd.DataFrame) -> set[int]:
    return set(part.loc[part["state"] == "gained", "neuron"].astype(int))
