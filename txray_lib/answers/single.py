"""What is said of single neurons: by which rule they are picked, what they keep, lose and take on (Fig. 5, 7, 9).

May touch: errors, preferences, results, telling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.errors import TxrayError
from txray_lib.preferences import distributions, grouped_by_tag
from txray_lib.results import Results, extremes
from txray_lib.telling import arrow, count, distance, paragraph, percent, plural, quoted, table

ASKED = "asked for"
SIDES = ["length_before", "length_after"]
WHY = {
    "most": "picked for its large distance",
    "least": "picked for its small distance",
    ASKED: "which was asked for",
}


@dataclass(frozen=True)
class _Other:
    """The tokens that the neurons of a stage prefer together: those of its text, if each token excited some neuron."""

    tokens: set[str]
    is_whole: bool


def singled_out(
    comparison: pd.DataFrame, min_length: int = 1, max_length: int | None = None, rank: int = 1, neuron: int = -1
) -> pd.DataFrame:
    """The rows of the neurons that a page shows, named "most" and "least"; or that of one neuron, "asked for".

    comparison   transfer rows of one comparison
    min_length, max_length  features that a neuron must and may have on both sides to be picked by the rule; None: any
    rank         1 for the most and the least changed, 2 for the next of each
    neuron       −1 for the rule

    Raises TxrayError for a neuron that is not there or prefers nothing on either side, and for lengths that exclude all.
    """
    if max_length is not None and max_length < min_length:
        raise TxrayError(f"no length lies from {min_length} to {max_length}: max_length must not be below min_length")
    if neuron == -1:
        return extremes(_short_enough(comparison, max_length), min_length, rank)
    own = comparison[comparison["neuron"] == neuron]
    sides = f"{comparison['before'].iloc[0]} and {comparison['after'].iloc[0]}"
    if own.empty:
        last = int(comparison["neuron"].max())
        raise TxrayError(f"there is no neuron {neuron} in {sides}: neurons are numbered from 0 to {last}")
    if not own[SIDES].to_numpy().any():
        some = ", ".join(map(str, comparison.loc[comparison["state"] == "shared", "neuron"].head(5)))
        raise TxrayError(
            f"neuron {neuron} prefers nothing in {sides}, so there is nothing to show: choose another"
            f"{f', such as {some},' if some else ''} or -1 for those that the page picks by its rule"
        )
    return own.iloc[:1].set_axis([ASKED], axis=0)


def chosen(
    results: Results,
    comparison: pd.DataFrame,
    min_length: int = 1,
    max_length: int | None = None,
    rank: int = 1,
    neuron: int = -1,
) -> Markdown:
    """The rule in words, and which neurons it picks; or that one was asked for."""
    picked = singled_out(comparison, min_length, max_length, rank, neuron)
    if ASKED in picked.index:
        return paragraph(f"Neuron {neuron} is shown because it was asked for, not by the rule.")
    lengths = f"at least {min_length}" if max_length is None else f"{min_length} to {max_length}"
    sides = f"{comparison['before'].iloc[0]} and in {comparison['after'].iloc[0]}"
    shared = comparison[comparison["state"] == "shared"]
    able = int((_short_enough(shared, max_length)[SIDES].min(axis=1) >= min_length).sum())
    rule = (
        f"**The rule.** Of the neurons that prefer {lengths} features both in {sides}, which are {count(able)} of"
        f" {plural(len(shared), 'shared neuron')}, those with the {_ordinal(rank)}largest and the {_ordinal(rank)}smallest"
        " distance are shown; of equals the one with the lowest number."
    )
    if picked.empty:
        return paragraph(
            rule,
            "No neuron fits, so none is drawn. Other lengths, or a smaller `rank`, would find one in",
            results.profile + ".",
        )
    only = "" if len(picked) > 1 else "Too few neurons fit for one at the other end, so only one is drawn."
    return paragraph(rule, only)


def introduced(comparison: pd.DataFrame, picked: pd.DataFrame, kind: str) -> Markdown:
    """The heading of one neuron: its number, its distance, and where that stands among all shared neurons."""
    row = picked.loc[kind]
    lead = f"**Neuron {int(row['neuron'])}, {WHY[kind]}.**"
    known = comparison["hellinger"].dropna()
    if pd.isna(row["hellinger"]):
        side = "before" if row["length_before"] else "after"
        return paragraph(
            lead, f"It is {row['state']}: only in {row[side]} does it prefer anything, so it has no distance."
        )
    if len(known) < 2:
        return paragraph(lead, f"Its distance is {distance(row['hellinger'])}, and no other neuron is shared.")
    farther, nearer = int((known > row["hellinger"]).sum()), int((known < row["hellinger"]).sum())
    equal = len(known) - farther - nearer - 1
    said = [f"{farther or 'none'} {_has(farther)} a larger one", f"{nearer or 'none'} {_has(nearer)} a smaller one"]
    said += [f"{equal} {_has(equal)} the same"] if equal else []
    return paragraph(
        lead,
        f"Its distance is {distance(row['hellinger'])}. Of the other {count(len(known) - 1)} shared neurons"
        f" {', '.join(said[:-1])} and {said[-1]}.",
    )


def exchanged(results: Results, stages: Sequence[str], neuron: int, named: int = 5) -> Markdown:
    """Stage by stage: the tokens that the neuron keeps, loses and takes on, and its strongest tag. By the paper's P."""
    own = {stage: _of(results.preferences(stage), neuron) for stage in stages}
    steps = [_step(results, own, before, after, named) for before, after in pairwise(stages)]
    return Markdown("\n".join(f"- {step}" for step in steps))


def singles_table(results: Results, comparisons: pd.DataFrame, picked: pd.DataFrame, halves: bool = True) -> HTML:
    """A row for each picked neuron and comparison: state, lengths, tokens in both, its distance, that of the median neuron,
    what chance gives it (where the run kept nulls), and its own between two halves of one text under one encoder's weights.

    halves  False leaves the last two out, where distances follow a definition that chance and the halves do not
    """
    rows = []
    for kind, neuron in picked["neuron"].items():
        for name, part in comparisons.groupby("comparison", sort=False):
            row = part[part["neuron"] == neuron].iloc[0]
            cells = {
                "neuron": f"{neuron} ({kind})",
                "comparison": arrow(str(name)),
                "state": row["state"],
                "length": f"{count(row['length_before'])} → {count(row['length_after'])}",
                "tokens in both": count(_in_both(results, row)),
                "distance": distance(row["hellinger"]),
                "median neuron": distance(part["hellinger"].median()),
            }
            if halves:
                cells |= _by_chance(results, row) | {"its halves": distance(_own_halves(results, row))}
            rows.append(cells)
    end = (
        "; “its halves” are two halves of the text of the stage before, under the weights of that stage"
        if halves
        else ""
    )
    if any("by chance (q)" in row for row in rows):
        end = f"; “by chance” is what rearranged blocks of the text give{end}"
    caption = f"Distances beside the median shared neuron's{end}"
    return table(pd.DataFrame(rows), caption, words=["neuron", "comparison", "state"])


def _step(results: Results, own: dict[str, pd.DataFrame], before: str, after: str, named: int) -> str:
    """One line: from a stage to the next."""
    sides = [distributions(own[stage]).astype({"feature": str}).set_index("feature")["p"] for stage in (before, after)]
    old, new = (side.sort_values(ascending=False, kind="stable") for side in sides)
    lead = f"From {before} to {after}:"
    if old.empty or new.empty:
        if old.empty and new.empty:
            return f"{lead} nothing is preferred at either."
        where, gone = (after, old) if new.empty else (before, new)
        return f"{lead} nothing is preferred in {where}; {plural(len(gone), 'token')} in the other{_examples(gone.index, named)}."
    kept = [token for token in new.index if token in old.index]
    lost, taken = old.index.difference(new.index, sort=False), new.index.difference(old.index, sort=False)
    other = _others(results, before, after)
    hold = (
        f", which {'holds' if len(kept) == 1 else 'hold'} {percent(old[kept].sum())} of P before and {percent(new[kept].sum())} after"
        if kept
        else ""
    )
    return (
        f"{lead} {len(kept) or 'none'} of {plural(len(old), 'token')} {'is' if len(kept) < 2 else 'are'} kept"
        f"{_examples(kept, named)}{hold};"
        f" {_moved(lost, 'lost', named, other.get(after))}; {_moved(taken, 'new', named, other.get(before))}."
        f" {_tags(own, before, after)}"
    )


def _moved(tokens: pd.Index, how: str, named: int, there: _Other | None) -> str:
    """How many tokens are lost or new, and how many of them the other text does not have."""
    if not len(tokens):
        return f"none is {how}"
    said = f"{count(len(tokens))} {'is' if len(tokens) == 1 else 'are'} {how}{_examples(tokens, named)}"
    if there is None:
        return said
    missing = sum(token not in there.tokens for token in tokens)
    some = "all" if missing == len(tokens) > 1 else f"{missing or 'none'}"
    lacks = f"the other text lacks {some}" if there.is_whole else f"on the other text no neuron has {some}"
    return f"{said}, and {lacks} of these"


def _others(results: Results, before: str, after: str) -> dict[str, _Other]:
    """The tokens of each stage, where the two read different corpora."""
    stages = results.stages.set_index("stage")
    if stages.loc[before, "corpus"] == stages.loc[after, "corpus"]:
        return {}
    return {
        stage: _Other(set(results.preferences(stage)["feature"].astype(str)), not stages.loc[stage, "nobody"])
        for stage in (before, after)
    }


def _tags(own: dict[str, pd.DataFrame], before: str, after: str) -> str:
    best = [grouped_by_tag(own[stage]).astype({"tag": str}).nlargest(1, "p").iloc[0] for stage in (before, after)]
    (old, p), (new, q) = ((f"“{row['tag']}”" if not row["tag"].isalpha() else row["tag"], row["p"]) for row in best)
    if old == new:
        return f"The strongest tag is {old} at both, with {percent(p)} and {percent(q)} of P."
    return f"The strongest tag is {old} before ({percent(p)} of P) and {new} after ({percent(q)})."


def _has(number: int) -> str:
    return "has" if number < 2 else "have"


def _examples(tokens: Sequence[str] | pd.Index, named: int) -> str:
    more = ", …" if len(tokens) > named else ""
    return f" ({quoted(tokens[:named])}{more})" if len(tokens) else ""


def _of(preferences: pd.DataFrame, neuron: int) -> pd.DataFrame:
    return preferences[preferences["neuron"] == neuron]


def _in_both(results: Results, row: pd.Series) -> int:
    sides = [
        set(_of(results.preferences(row[side]), row["neuron"])["feature"].astype(str)) for side in ("before", "after")
    ]
    return len(sides[0] & sides[1])


def _own_halves(results: Results, row: pd.Series) -> float:
    for side in ("before", "after"):
        rows = results.control(row[side])
        own = rows.loc[(rows["layer"] == row["layer"]) & (rows["neuron"] == row["neuron"]), "hellinger"].dropna()
        if len(own):
            return float(own.iloc[0])
    return float("nan")


def _by_chance(results: Results, row: pd.Series) -> dict[str, str]:
    """The distance that chance gives to one neuron, with its q; nothing where the run kept no nulls."""
    if not results.has("nulls"):
        return {}
    rows = results.table("nulls")
    own = rows[(rows["comparison"] == row["comparison"]) & (rows["layer"] == row["layer"])]
    own = own[(own["neuron"] == row["neuron"]) & own["q"].notna()]
    return {"by chance (q)": f"{distance(own['expected'].iloc[0])} ({own['q'].iloc[0]:.2g})" if len(own) else "none"}


def _short_enough(comparison: pd.DataFrame, max_length: int | None) -> pd.DataFrame:
    return comparison if max_length is None else comparison[comparison[SIDES].max(axis=1) <= max_length]


def _ordinal(rank: int) -> str:
    """ "" for 1, "2nd " for 2: before "largest"."""
    if rank == 1:
        return ""
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending} "
