"""Which part of "what supervision does" shuffled labels and other seeds do too (RQ3).

The control tables are laid out as the transfer table is; a run that has none says so. May touch: masses, results,
telling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import stats

from txray_lib.answers.masses import spread
from txray_lib.results import NEURON, Results
from txray_lib.telling import LEVEL, count, distance, listed, paragraph, percent, plural, signed, table

REAL = "real"
LABELS = (REAL, "seed")
"""Kinds of fine-tuning on the true labels."""
ABSENT = (
    "This run was not fine-tuned on shuffled labels or from other seeds, so it cannot be said which part of the change is the"
    " labels' doing and which any further training would bring."
)
NOT_SHUFFLED = "This run was fine-tuned on no shuffled labels, so it cannot be said which part is the labels' doing."
NONE_SHARED = "one side shares no neuron with the encoder before"
MEASURES = {
    "avoided": "avoided neurons",
    "gained": "gained neurons",
    "distance_median": "the median distance",
    "length_median": "the median change of length",
}
COUNTS = ("avoided", "gained")
LENGTHS = {
    "length_median": "the median change of length",
    "tag_length_median": "the median change of length in tags",
}


def has_controls(results: Results) -> bool:
    """Whether a run was fine-tuned on shuffled labels or from other seeds."""
    return results.has("control_transfer")


def control_transfer(results: Results) -> pd.DataFrame | None:
    """The transfer to each control, as rq3's is to the supervised encoder; None where a run has no controls."""
    return results.table("control_transfer") if has_controls(results) else None


def kind_of(name: str) -> str:
    """ "real", "shuffled" or "seed", from the name of a control."""
    return name.rsplit("-", 1)[0]


def shown_name(name: str) -> str:
    """The name of a fine-tuning for a row of a table or a chart."""
    kind, _, number = name.partition("-")
    words = {REAL: "the labels", "shuffled": "shuffled labels", "seed": "the labels, seed"}[kind]
    return words if kind == REAL else f"{words} {number}"


def said_names(names: Iterable[str]) -> dict[str, str]:
    """The name of each fine-tuning within a sentence; the only one of its kind needs no number."""
    words = {REAL: "the labels", "shuffled": "shuffled labels", "seed": "the labels from another seed"}
    kinds = Counter(map(kind_of, names := list(names)))
    return {
        name: words[kind_of(name)] + (f" ({name.rsplit('-', 1)[1]})" if kinds[kind_of(name)] > 1 else "")
        for name in names
    }


def control_rows(results: Results) -> pd.DataFrame:
    """A row per fine-tuning, the real one first: [control, kind, name, shared, avoided, gained, and low, median, high of distance,
    length and tag_length], the last two as relative changes; quartiles and median are over shared neurons."""
    parts = {REAL: results.transfer("rq3")}
    controls = control_transfer(results)
    if controls is not None:
        parts |= dict(iter(controls.groupby("control", sort=False)))
    rows = []
    for name, part in parts.items():
        counts, shared = part["state"].value_counts(), part[part["state"] == "shared"]
        row = {"control": name, "kind": kind_of(name), "name": shown_name(name)}
        row |= {state: int(counts.get(state, 0)) for state in ("shared", "avoided", "gained")}
        changes = {size: shared[f"{size}_after"] / shared[f"{size}_before"] - 1 for size in ("length", "tag_length")}
        for measure, values in {"distance": shared["hellinger"], **changes}.items():
            quartiles = values.quantile([0.25, 0.5, 0.75])
            row |= dict(zip([f"{measure}_{q}" for q in ("low", "median", "high")], quartiles, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def controls_said(results: Results) -> Markdown:
    """Which part of what supervision does shuffled labels do too, against what another seed changes."""
    if control_transfer(results) is None:
        return paragraph(ABSENT)
    rows = control_rows(results)
    real, shuffled = rows.iloc[0], rows[rows["kind"] == "shuffled"]
    if shuffled.empty:
        return paragraph(NOT_SHUFFLED, _over_seeds(rows))
    mean = shuffled[list(MEASURES)].mean()
    over = "" if len(shuffled) == 1 else f" (means over {len(shuffled)} shufflings)"
    return paragraph(
        f"**Beside shuffled labels.** With shuffled labels{over} the count of avoided neurons is {mean['avoided']:g} and of gained ones"
        f" {mean['gained']:g}; with the labels {count(real['avoided'])} and {count(real['gained'])}. The median distance of shared"
        f" neurons is {distance(mean['distance_median'])} with shuffled labels and {distance(real['distance_median'])} with the labels,"
        f" the median change of their length {signed(mean['length_median'])} and {signed(real['length_median'])}.",
        _part(rows),
        _over_seeds(rows),
        _told_apart(rows),
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
    said, names = [f"The labels gain {plural(len(real), 'neuron')}."], said_names(table_["control"].unique())
    for name, part in table_.groupby("control", sort=False):
        own, idle = _gained(part), int((part["length_before"] == 0).sum())
        among = f"a random choice among the {count(idle)} that prefer nothing before would give about"
        said.append(
            f"Fine-tuning on {names[str(name)]} gains {count(len(own))}, {count(len(real & own))} of them among those"
            + (f" ({among} {len(real) * len(own) / idle:.1f})." if idle else ".")
        )
    rows = control_rows(results)
    labels, shuffled = (_of(rows, kinds, "gained") for kinds in (LABELS, ["shuffled"]))
    if not len(shuffled):
        return paragraph(*said, NOT_SHUFFLED)
    if not labels.any():
        return paragraph(*said, "Where the labels gain no neuron there is nothing to ascribe to them.")
    verdict = _verdict(labels, shuffled, counts=True)
    much, over = shuffled.mean() / labels.mean(), f" on average over {len(labels)} seeds" if len(labels) > 1 else ""
    return paragraph(
        *said,
        f"Labels without meaning gain {percent(much)} as many as the labels do{over}: {verdict}.",
        "That neurons come into use is no sign by itself that they serve the task." if much >= 0.8 else "",
    )


def lengths_by_controls(results: Results) -> Markdown:
    """Whether lengths change with shuffled labels as they do with the labels (Fig. 10)."""
    if control_transfer(results) is None:
        return paragraph(ABSENT)
    rows = control_rows(results)
    real, said = rows.iloc[0], []
    if "shuffled" not in set(rows["kind"]):
        return paragraph(NOT_SHUFFLED, _over_seeds(rows, LENGTHS))
    for column, what in LENGTHS.items():
        labels, theirs = _of(rows, LABELS, column), _of(rows, ["shuffled"], column)
        if np.isnan(real[column]) or theirs.empty:
            said.append(f"{_capital(what)} cannot be compared: {NONE_SHARED}.")
            continue
        mean = f" ({signed(labels.mean())} on average over {len(labels)} seeds)" if len(labels) > 1 else ""
        much = f", {percent(theirs.mean() / labels.mean())} of that" if _same_sign([*labels, theirs.mean()]) else ""
        said.append(
            f"{_capital(what)} over shared neurons is {signed(real[column])} with the labels{mean} and {signed(theirs.mean())} with"
            f" shuffled ones{much}: {_verdict(labels, theirs)}."
        )
    return paragraph(
        "**Beside shuffled labels.**", *said, _over_seeds(rows, LENGTHS), _by_chance(len(_of(rows, LABELS, "avoided")))
    )


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
    names = said_names(stage.rsplit("/", 1)[-1] for stage in kinds)
    said = [
        f"after {name} the top {own[stage].first} hold {percent(own[stage].top)} and {plural(own[stage].used, 'neuron')}"
        f" {'has' if own[stage].used == 1 else 'have'} mass"
        for stage, name in zip(kinds, names.values(), strict=True)
    ]
    moved = own[after].top - own[before].top
    shuffled = [own[stage].top - own[before].top for stage, kind in kinds.items() if kind == "shuffled"]
    seeds = [moved, *(own[stage].top - own[before].top for stage, kind in kinds.items() if kind == "seed")]
    return paragraph(
        f"**Beside other fine-tunings.** {_capital('; '.join(said))}.",
        f"With the labels the share of the top {own[after].first} changes by {_points(moved)} points, with shuffled ones by"
        f" {_points(float(np.mean(shuffled)))}: {_verdict(pd.Series(seeds), pd.Series(shuffled))}."
        if shuffled
        else NOT_SHUFFLED,
        f"Over {len(seeds)} fine-tunings on the labels that differ in the seed alone, it changes by {_points(min(seeds))} to"
        f" {_points(max(seeds))}."
        if len(seeds) > 1
        else "",
        _by_chance(len(seeds)) if shuffled else "",
    )


def _of(rows: pd.DataFrame, kinds: Sequence[str], column: str) -> pd.Series:
    """What the fine-tunings of some kinds measure, those left out in which it is missing."""
    return rows.loc[rows["kind"].isin(kinds), column].dropna()


def _same_sign(values: Iterable[float]) -> bool:
    signs = set(np.sign(list(values)))
    return len(signs) == 1 and 0 not in signs


def _verdict(labels: pd.Series, shuffled: pd.Series, counts: bool = False) -> str:
    """What fine-tunings on shuffled labels say beside those on the labels: of a cause only outside the range of several seeds."""
    mean = float(shuffled.mean())
    if len(labels) < 2:
        differ = "do not differ" if mean == float(labels.iloc[0]) else "differ"
        return f"a single run on the labels cannot tell more than that the two {differ}"
    if labels.min() <= mean <= labels.max():
        return "within the range of the seeds, so shuffled labels are not told from the labels here"
    if counts and not _more_than_counting(labels, shuffled):
        return "outside the range of the seeds, but counts so small differ as much by chance"
    return f"outside the range of the seeds; {_cause(labels, mean)}"


def _more_than_counting(labels: pd.Series, shuffled: pd.Series) -> bool:
    """Whether counts differ by more than the chance of which kind of run a neuron falls to (binomial, two-sided)."""
    total = int(labels.sum() + shuffled.sum())
    share = len(shuffled) / (len(labels) + len(shuffled))
    return bool(total and stats.binomtest(int(shuffled.sum()), total, share).pvalue <= LEVEL)


def _cause(labels: pd.Series, shuffled: float) -> str:
    """What a change with shuffled labels says about the mean of such changes with the labels."""
    if not _same_sign(labels):
        return "with the labels there is no such change to explain, or one of either sign"
    share = shuffled / labels.mean()
    if share < 0.2:
        return (
            "shuffled labels hardly do this, a hint that it needs labels that mean something"
            if share > -0.2
            else "shuffled labels do the reverse, a hint that it is not what any further training does"
        )
    return (
        "shuffled labels do no less than 80 % of it, so what the labels mean explains little of it"
        if share >= 0.8
        else "part of it comes with any further training, and the rest may be the labels'"
    )


def _part(rows: pd.DataFrame) -> str:
    """Quantities by the share of them that shuffled labels bring about, and those that have none."""
    shares, lacking, of = [], [], len(_of(rows, LABELS, "avoided"))
    for column, name in MEASURES.items():
        labels, shuffled = _of(rows, LABELS, column), _of(rows, ["shuffled"], column)
        if labels.empty or shuffled.empty:
            lacking.append(name)
        elif labels.mean() and _same_sign(labels[labels != 0]):
            share = shuffled.mean() / labels.mean()
            shares.append(f"{name} {percent(share) if share >= 0 else 'the reverse'}")
    what = "what the labels do" if of < 2 else f"the mean over {of} fine-tunings on the labels"
    said = [f"As shares of {what}, shuffled ones bring: {', '.join(shares)}."] if shares else []
    said += [f"{_capital(listed(lacking))} cannot be compared: {NONE_SHARED}."] if lacking else []
    return " ".join(said)


def _over_seeds(rows: pd.DataFrame, measures: Mapping[str, str] = MEASURES) -> str:
    seeds = rows[rows["kind"].isin(LABELS)]
    if len(seeds) < 2:
        return "No other seed was fine-tuned from the same encoder, so it is not known how far these numbers move by chance."
    spans = ", ".join(
        f"{_span(seeds[column], column)} for {name}" for column, name in measures.items() if seeds[column].notna().any()
    )
    return f"Over {len(seeds)} fine-tunings on the labels that differ in the seed alone, the range is {spans}."


def _told_apart(rows: pd.DataFrame, measures: Mapping[str, str] = MEASURES) -> str:
    """What of the shuffled labels lies outside the range of the fine-tunings on the labels, and what that hints at."""
    verdicts: dict[str, list[str]] = {}
    for column, name in measures.items():
        labels, shuffled = _of(rows, LABELS, column), _of(rows, ["shuffled"], column)
        if not labels.empty and not shuffled.empty:
            verdicts.setdefault(_verdict(labels, shuffled, column in COUNTS), []).append(name)
    said = [f"{_capital(listed(names))} with shuffled labels: {verdict}." for verdict, names in verdicts.items()]
    return " ".join([*said, _by_chance(len(_of(rows, LABELS, "avoided")))]).rstrip()


def _by_chance(seeds: int) -> str:
    """How little it says to lie outside a range of a few fine-tunings."""
    if seeds < 2:
        return ""
    return f"A further seed of the labels would lie outside a range of {seeds} in {percent(2 / (seeds + 1))} of cases, so that is no test."


def _span(values: pd.Series, column: str) -> str:
    form = {"distance_median": distance, "length_median": signed, "tag_length_median": signed}.get(column, count)
    return f"{form(values.min())} to {form(values.max())}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def _gained(part: pd.DataFrame) -> set[int]:
    return set(part.loc[part["state"] == "gained", "neuron"].astype(int))
