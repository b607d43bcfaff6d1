"""The paper's claims against the nulls: what is claimed, and what of it exceeds chance here (§3.1–§3.3).

Two voices: what words of one text alone make of a distance between two texts (RQ2), and a verdict for each question.
May touch: errors, paper, results, telling, nulls.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from IPython.display import Markdown

from txray_lib.answers.nulls import (
    above_said,
    beside_null,
    beyond,
    by_chance,
    changed_beyond_chance,
    checked_level,
    difference,
    halves_of,
    kept_none,
    p_value,
    states_by_chance,
)
from txray_lib.errors import TxrayError, nearest
from txray_lib.paper import value
from txray_lib.results import NEURON, Results
from txray_lib.telling import LEVEL, arrow, compared, count, distance, paragraph, percent, plural


def distance_parts(results: Results, level: float = LEVEL) -> pd.DataFrame:
    """What a distance between two texts is made of (RQ2): [part, neuron, distance], a row per part and neuron that has it.

    Parts: "as the paper measures it", "over words of both texts", "by words of one text alone", "by chance, blocks dealt
    anew" (all words), "halves of one text" (of the stage before). Empty where the run kept no nulls.
    """
    found = beside_null(results, "rq2", level)
    if found.empty:
        return pd.DataFrame({"part": pd.Series(dtype=object), "neuron": [], "distance": []})
    halves = halves_of(results, found["before"].iloc[0])
    parts = {
        "as the paper measures it": found[["neuron", "hellinger"]],
        "over words of both texts": found[["neuron", "hellinger_common"]],
        "by words of one text alone": found[["neuron", "hellinger_vocabulary"]],
        "by chance, blocks dealt anew": found[["neuron", "expected"]],
        "halves of one text": halves[["neuron", "hellinger"]],
    }
    rows = [part.set_axis(["neuron", "distance"], axis=1).assign(part=name) for name, part in parts.items()]
    return pd.concat(rows, ignore_index=True).dropna(subset=["distance"])[["part", "neuron", "distance"]]


def vocabulary_said(results: Results, level: float = LEVEL) -> Markdown:
    """What words of one text alone make of a distance between two texts, and what is left over the words of both (RQ2).

    Two samples of one corpus have such words too, so what dealing the blocks anew gives stands beside it.
    """
    found = beside_null(results, "rq2", level)
    if found.empty:
        return paragraph()
    common = found["hellinger_common"].dropna()
    opening = (
        f"The median distance is {distance(found['hellinger'].median())}. Had every neuron preferred the words of both texts in"
        " unchanged proportions, words that one of the two texts alone holds, whether by domain or by sampling, would still make"
        f" it {distance(found['hellinger_vocabulary'].median())}. Two samples of one text have such words too: where the blocks"
        f" are dealt anew, the whole distance is {distance(found['expected'].median())} in the median."
    )
    without = len(found) - len(common)
    none = (
        f"{plural(without, 'shared neuron')} {'has' if without == 1 else 'have'} a side without any word of both texts."
        if without
        else ""
    )
    if common.empty:
        return paragraph(opening, none, "So nothing is left to compare.")
    return paragraph(
        opening,
        f"Over the words that occur in both texts it is {distance(common.median())}, the median of"
        f" {plural(len(common), 'neuron')}.",
        none,
        _share_of_vocabulary(found),
        _beyond_halves(results, found),
    )


def vocabulary_share(found: pd.DataFrame) -> pd.Series:
    """The part of each distance that words of one text alone make, by domain or by sampling, in [0, 1]: affinities 1 − H²
    multiply, so their logarithms add. Neurons whose distance is 0 or 1 have none."""
    known = found[(found["hellinger"] > 0) & (found["hellinger"] < 1) & found["hellinger_common"].notna()]
    whole = np.log1p(-(known["hellinger"] ** 2))
    return (np.log1p(-(known["hellinger_vocabulary"] ** 2)) / whole)[whole < 0].clip(0, 1)


def _share_of_vocabulary(found: pd.DataFrame) -> str:
    shares = vocabulary_share(found)
    if shares.empty:
        return ""
    return (
        "Both parts together make the whole: 1 − H² is the product of theirs, so the logarithms add, and the median neuron"
        f" owes {percent(shares.median())} of its own to words of one text alone."
    )


def _beyond_halves(results: Results, found: pd.DataFrame) -> str:
    stage = found["before"].iloc[0]
    own = halves_of(results, stage)[[*NEURON, "hellinger"]]
    both = found.dropna(subset=["hellinger_common"]).merge(own, on=NEURON, suffixes=("", "_halves"))
    if both.empty:
        return ""
    further = int((both["hellinger_common"] > both["hellinger_halves"]).sum())
    return (
        f"Over the {plural(len(both), 'neuron')} that both comparisons share, two halves of the text of {stage} are"
        f" {distance(both['hellinger_halves'].median())} apart in the median, and"
        f" {count(further) if further else 'none'} of them {'lies' if further == 1 else 'lie'} further apart"
        " over the words of both texts than over these halves. About half would by chance if nothing differed and both had as"
        " many tokens."
    )


def against_null(results: Results, question: str, level: float = LEVEL) -> Markdown:
    """What the paper claims to a question and what of it exceeds chance here, or that the run kept no nulls.

    Raises TxrayError for a question that the paper does not have, and for a level that cannot be one.
    """
    if question not in _AGAINST:
        raise TxrayError(f"the paper has no question {question!r}. {nearest(question, _AGAINST)}")
    checked_level(level)
    if not results.has("nulls") or not results.has("null_states"):
        return paragraph(kept_none(results))
    told = _AGAINST[question](results, beside_null(results, question, level), level)
    return paragraph(f"**Against the null** ({_NAMED[question]}).", *told)


def _pretraining(results: Results, found: pd.DataFrame, level: float) -> list[str]:
    middle = results.stage("before-last")
    names = f"{results.stage('early')}:{middle}", f"{middle}:{results.stage('last')}"
    early, late = (found[found["comparison"] == name] for name in names)
    claimed = f"The paper claims that distances fall by {100 * value('N3', 'share'):.2f} % from the early comparison to the late one."
    if early.empty or late.empty:
        return [claimed, "One of the two has no shared neuron here, so no fall can be set against it."]
    first, last = early["excess"].median(), late["excess"].median()
    fall = f", {compared(first, last)}" if first > 0 and last >= 0 else ", of which no share can be given"
    medians = [own["hellinger"].median() for own in (early, late)]
    return [
        claimed,
        f"Against the null we find that the median excess over chance goes from {difference(first)} ({arrow(names[0])}) to"
        f" {difference(last)} ({arrow(names[1])}){fall}; the median distance goes from {distance(medians[0])} to"
        f" {distance(medians[1])}, {compared(*medians)}; chance makes up part of both.",
        f"Above their null are {above_said(early)} of the early comparison and {above_said(late)} of the late one (q ≤ {level:g}).",
    ]


def _zero_shot(results: Results, found: pd.DataFrame, level: float) -> list[str]:
    share = value("N7", "shared") / value("N7", "units")
    states = states_by_chance(results, "rq2").set_index("state")
    shared, changed = states.loc["shared"], states.loc["avoided or gained"]
    in_use = int(shared["observed"] + changed["observed"])
    sentences = [
        f"The paper takes {percent(share)} of neurons that two texts share for broad transfer.",
        f"Against the null we find that of {plural(in_use, 'neuron')} in use {count(shared['observed'])}"
        f" {'is' if shared['observed'] == 1 else 'are'} shared where dealing the blocks of both texts anew leaves"
        f" {by_chance(shared)}, p = {p_value(shared['p'])} of as few. {_missing(shared, level)}",
    ]
    if len(found):
        sentences.append(
            f"Above their null are the distances of {above_said(found)} (q ≤ {level:g}), which says that the two texts differ for"
            " them; how much of that is made by words of one text alone is a matter of its own."
        )
    return sentences


def _missing(shared: pd.Series, level: float) -> str:
    if not shared["p"] <= level:
        return "That is within what dealing the blocks anew gives."
    missing = shared["expected"] - shared["observed"]
    return (
        "To share neurons is what chance gives, and what calls for an explanation is only that"
        f" {missing:,.1f} fewer are shared."
    )


def _supervision(results: Results, found: pd.DataFrame, level: float) -> list[str]:
    lost = 1 - value("N11", "shared") / value("N7", "shared")
    states = states_by_chance(results, "rq3").set_index("state")
    avoided, gained = states.loc["avoided"], states.loc["gained"]
    changed, all_ = changed_beyond_chance(results, states["comparison"].iloc[0], level)
    before = int(states.loc["shared", "observed"] + avoided["observed"])
    beyond_it = avoided["observed"] - avoided["expected"]
    share = (
        f" Beyond chance are {beyond_it:,.1f} avoided ones, {percent(beyond_it / before)} of those in use before."
        if avoided["p"] <= level
        else " So many avoided ones are within what chance gives."
    )
    return [
        f"The paper claims that supervision makes nearly half of the neurons ({percent(lost)}) avoided and"
        f" {count(value('N13', 'gained'))} gained.",
        f"Against the null we find {count(avoided['observed'])} avoided where records that change sides give {by_chance(avoided)},"
        f" p = {p_value(avoided['p'])}, and {count(gained['observed'])} gained where they give {by_chance(gained)},"
        f" p = {p_value(gained['p'])}.{share}",
        f"Tested one by one, {beyond(changed, all_)} (q ≤ {level:g})." if all_ else "",
        f"Above their null are the distances of {above_said(found)}." if len(found) else "No neuron is shared.",
        "The null tells one encoder from another; whether labels made the difference it does not know.",
    ]


_SWAPPED = "no systematic change: the two stages' records swapped block by block"
_NAMED = {"rq1": _SWAPPED, "rq2": "which text it was does not matter: blocks of both texts dealt anew", "rq3": _SWAPPED}
_AGAINST = {"rq1": _pretraining, "rq2": _zero_shot, "rq3": _supervision}
