"""What the method cannot see, measured on our own runs: a table for each limit and one of them all.

May touch: corpora, truth (names), preferences, transfer, paper, results, audit, telling, overlaps, against, audited, nulls,
recovered.

 limits_table   every limit in one number for each run
 discarded_…    neurons that no token excites most (argmax keeps one activation of each token)
 ways_said      what other ways of collecting find on planted encoders
 reading_…      how many neurons come into use as more text is read
 context_table  over how many neurons the tokens of one word are spread
 ways_of_pruning_…  two ways of removing the same neurons
 seeds_table    what differs between runs that differ in the seed alone

What a distance is made of, and what a neuron's number is worth, is in the room `overlaps`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers import overlaps
from txray_lib.answers.against import vocabulary_share
from txray_lib.answers.audited import shown
from txray_lib.answers.nulls import beside_null, changed_beyond_chance
from txray_lib.answers.recovered import study_at_hand
from txray_lib.audit.verdicts import seeds, siblings
from txray_lib.corpora import UNKNOWN
from txray_lib.paper import claim
from txray_lib.preferences import neurons
from txray_lib.results import NEURON, Results
from txray_lib.telling import count, listed, paragraph, percent, plural, signed, table
from txray_lib.transfer import AVOIDED, GAINED
from txray_lib.truth import ALL_SIZES

PRETRAINED, TUNED = "last", "supervised"
INSIDE, OUTSIDE = "before the classifier", "out of the encoder"
FREQUENT = 100
"""A word with fewer tokens than this has had little chance to meet many neurons."""
TOP = 20
OVER_SEEDS = (
    ("N1", "late"),
    ("N7", "shared"),
    ("N11", "shared"),
    ("N12", "avoided"),
    ("N13", "gained"),
    ("T2-A", "test"),
)
"""Claims whose value in each seed is shown, as far as a run has them."""
NOT_KEPT = "not kept"


def limits_table(runs: Sequence[Results]) -> HTML:
    """A row for each limit, with a number that shows its size, a column for each run."""
    rows = [
        ("Argmax discards every other neuron", "neurons that no token excites most, after supervision", _unpreferred),
        (
            "A number names no neuron",
            "shared neurons nearest to themselves among the shared, before and after supervision",
            overlaps.found_again,
        ),
        (
            "A distance is an overlap of sets",
            "rank correlation of the two, before and after supervision",
            overlaps.agreement_shown,
        ),
        ("A word met once has full weight", "probability of such words in the median neuron, pretrained", _once_share),
        ("Short neurons are coarse", "shared neurons with less than ten features on a side, RQ3", _short_share),
        (
            "Use depends on the text read",
            "neurons in use that half the text would leave unused, supervised",
            _late_share,
        ),
        (
            "A word is not its context",
            f"neurons that take a word of {FREQUENT} tokens or more, median, pretrained",
            _spread,
        ),
        (
            "To prefer is not to matter",
            "pruned sets that change F1 more out of the encoder than before the classifier",
            _more_outside,
        ),
        ("One run is one run", "runs that differ in the seed alone", _number_of_runs),
        ("Another text is another vocabulary", "distance owed to words of one text alone, median, RQ2", _vocabulary),
    ]
    frame = pd.DataFrame(
        {
            "limit": [name for name, *_ in rows],
            "its size, here": [what for _, what, _ in rows],
            **{run.profile: [measure(run) for *_, measure in rows] for run in runs},
        }
    )
    return table(frame, "Ten limits, each in one number of our runs", words=["limit", "its size, here"])


def discarded(results: Results, role: str = TUNED) -> dict[str, float]:
    """What a stage's argmax leaves out: neurons, in_use, top (the share of tokens that the 20 with most tokens take)."""
    stage = results.stage(role)
    total = int(results.stages.set_index("stage").loc[stage, "neurons"])
    own = neurons(results.preferences(stage))["count"].sort_values(ascending=False)
    return {
        "neurons": total,
        "in_use": len(own),
        "top": float(own.head(TOP).sum() / own.sum()) if len(own) else math.nan,
    }


def discarded_table(runs: Sequence[Results]) -> HTML:
    """A row a run: activations kept of each token, neurons in use, and what cutting out those that prefer nothing does to F1."""
    rows = []
    for run in runs:
        its = discarded(run)
        change, chance, cut = _cut_unpreferred(run)
        rows.append(
            {
                "profile": run.profile,
                "activations kept of a token": f"1 of {count(its['neurons'])}",
                "neurons in use": f"{count(its['in_use'])} of {count(its['neurons'])}",
                f"tokens of the top {TOP}": percent(its["top"]),
                "unused neurons cut": cut,
                "F1 without them": change,
                "random sets": chance,
            }
        )
    caption = (
        "After supervision: what the strongest neuron of each token leaves out. The last three columns cut the neurons that prefer"
        " nothing out of the encoder (test reviews); beside it the range of random sets of as many"
    )
    return table(pd.DataFrame(rows), caption, words=["profile"])


def discarded_said(runs: Sequence[Results]) -> Markdown:
    """Whether neurons that prefer nothing can be done without, as far as cutting them out tells."""
    matters = [run.profile for run in runs if _matters(run)]
    if not any(len(_set_a(run)) for run in runs):
        return paragraph("No neurons that prefer nothing were cut out of an encoder here.")
    if not matters:
        asked = [run.profile for run in runs if len(_set_a(run))]
        return paragraph(
            f"In {listed(asked)} F1 without them was not seen to leave what sampling the reviews gives (two standard errors): this"
            " classifier can do without them as far as that tells, which does not say that they know nothing."
        )
    return paragraph(
        f"In {listed(matters)} F1 changes by more than sampling the reviews gives (two standard errors) when neurons are cut out of"
        " which the method has nothing to say: to prefer nothing is not to do nothing. Random sets of as many hold preferred neurons"
        " too, so they may well do more."
    )


def ways_said(study: str) -> Markdown:
    """What share of planted changes a null of the paper's distance finds by each way of collecting, with the most text."""
    results = study_at_hand(study)
    if results is None:
        return paragraph(
            f"The study {study} of planted encoders is not at hand, so other ways of collecting are not compared here."
        )
    rows = results.table("truth_detection")
    rows = rows[(rows["measure"] == "hellinger") & (rows["size"] == ALL_SIZES) & (rows["texts"] == "one")]
    rows = rows[rows["tokens"] == rows["tokens"].max()]
    power = rows.groupby(["noise", "way"], sort=False)["power"].mean()
    said = [
        f"with noise “{noise}” {listed(f'{percent(own[noise, way])} by {way}' for _, way in own.index)}"
        for noise, own in power.groupby("noise", sort=False)
    ]
    return paragraph(
        f"On planted encoders, with {plural(int(rows['tokens'].max()), 'token')}, the null of the paper's distance finds of the changed"
        f" neurons {'; '.join(said)}."
    )


def reading_on(
    results: Results, roles: Sequence[str] = (PRETRAINED, "zero-shot", TUNED), points: int = 25
) -> pd.DataFrame:
    """How many neurons are in use after part of the text, to be expected if its tokens came in any order.

    Columns: stage, role, tokens, neurons. A neuron with k of N tokens is met among m of them with a probability of
    1 − C(N − k, m) / C(N, m), for which stands 1 − (1 − m/N)^k. Blocks of one theme come together, so that a real text
    brings neurons into use later than that.
    """
    parts = []
    for role in roles:
        stage = results.stage(role)
        own = neurons(results.preferences(stage))["count"].to_numpy(np.float64)
        share = np.geomspace(0.001, 1.0, points)
        used = (1 - (1 - share[:, None]) ** own[None, :]).sum(axis=1)
        parts.append(pd.DataFrame({"stage": stage, "role": role, "tokens": share * own.sum(), "neurons": used}))
    return pd.concat(parts, ignore_index=True)


def reading_table(runs: Sequence[Results]) -> HTML:
    """A row a run: neurons that the last half of the text brings into use, changes of state between halves of one text under
    one encoder, and those of RQ3 beside what chance gives to each neuron."""
    rows = []
    for run in runs:
        halves = run.control(run.stage("zero-shot"))
        moved = int(halves["state"].isin([AVOIDED, GAINED]).sum())
        rq3 = run.transfer("rq3")
        changed = int(rq3["state"].isin([AVOIDED, GAINED]).sum())
        beyond = NOT_KEPT
        if run.has("nulls"):
            beyond = count(changed_beyond_chance(run, rq3["comparison"].iloc[0])[0])
        rows.append(
            {
                "profile": run.profile,
                "in use after half the text": _in_use_after_half(run),
                "avoided or gained between halves, same weights": count(moved) if len(halves) else "not compared",
                "avoided or gained by supervision": count(changed),
                "of these, beyond chance one by one": beyond,
            }
        )
    return table(
        pd.DataFrame(rows), "Neurons whose preference state hangs on the text that was read", words=["profile"]
    )


def spread_of_words(results: Results, role: str = PRETRAINED) -> pd.DataFrame:
    """Words of 100 tokens or more: [tokens, neurons, first], the neurons among which its tokens are divided and the share of
    the one that takes most; the most frequent first. Without `<unk>`, which is many words."""
    own = results.preferences(results.stage(role)).groupby(["feature", *NEURON], observed=True)["count"].sum()
    by = own.groupby(level="feature", observed=True)
    words = pd.DataFrame({"tokens": by.sum(), "neurons": by.size(), "first": by.max() / by.sum()})
    words = words[(words["tokens"] >= FREQUENT) & (words.index != UNKNOWN)]
    return words.sort_values("tokens", ascending=False, kind="stable")


def context_table(runs: Sequence[Results]) -> HTML:
    """A row a run: over how many neurons the tokens of a frequent word are spread."""
    rows = []
    for run in runs:
        words = spread_of_words(run)
        rows.append(
            {
                "profile": run.profile,
                f"words of {FREQUENT} tokens or more": count(len(words)),
                "neurons that take such a word": _middle(words["neurons"], "{:,.0f}"),
                "tokens that its first neuron takes": percent(words["first"].median()),
                "most frequent": (str(words.index[0]),) if len(words) else "none",
                "neurons that take it": count(words["neurons"].iloc[0]) if len(words) else "none",
            }
        )
    return table(
        pd.DataFrame(rows),
        "Among how many neurons the tokens of one word are divided (medians over words)",
        ["profile"],
    )


def both_ways(results: Results, split: str = "test") -> pd.DataFrame:
    """The change of F1 by removing a set of neurons in either way: [set, inside, outside, beyond], `beyond` the ways in which it
    is more than two standard errors of sampling the reviews ("neither", where the run kept them)."""
    rows = results.table("pruning")
    rows = rows[(rows["split"] == split) & rows["change"].notna()].set_index(["set", "way"])
    found = []
    for name in rows.index.unique("set"):
        if all((name, way) in rows.index for way in (INSIDE, OUTSIDE)):
            own = [rows.loc[(name, way)] for way in (INSIDE, OUTSIDE)]
            found.append((name, *(row["change"] for row in own), _beyond(own)))
    return pd.DataFrame(found, columns=["set", "inside", "outside", "beyond"])


def ways_of_pruning_table(runs: Sequence[Results]) -> HTML:
    """A row a run and set: what both ways of removing do to F1 on test reviews."""
    rows = pd.concat([both_ways(run).assign(profile=run.profile) for run in runs], ignore_index=True)
    frame = pd.DataFrame(
        {
            "profile": rows["profile"],
            "set": rows["set"],
            INSIDE: rows["inside"].map(signed),
            OUTSIDE: rows["outside"].map(signed),
            "more than two standard errors": rows["beyond"],
        }
    )
    caption = (
        "Change of F1 on test reviews by removing the same neurons in two ways, and in which of them it is more than sampling the"
        " reviews gives"
    )
    return table(frame, caption, words=["profile", "set", "more than two standard errors"])


def seeds_table(runs: Sequence[Results]) -> HTML | Markdown:
    """Counts over runs that differ in the seed alone; a sentence where no run has such others."""
    rows = []
    for run in runs:
        if not siblings(run):
            continue
        values = seeds(run)
        mine = values[values["profile"] == run.profile].set_index(["id", "part"])["value"]
        for name, part in OVER_SEEDS:
            own = values.loc[(values["id"] == name) & (values["part"] == part), "value"].dropna()
            if len(own) > 1 and part in claim(name).parts:
                unit = claim(name).unit
                rows.append(
                    {
                        "profile": run.profile,
                        "number": f"{name}: {claim(name).what} ({claim(name).parts[part].label})",
                        "seeds": len(own),
                        "this run": shown(float(mine.get((name, part), math.nan)), unit),
                        "least": shown(float(own.min()), unit),
                        "most": shown(float(own.max()), unit),
                    }
                )
    if not rows:
        return paragraph(
            "None of these runs has others at hand that differ from it in the seed alone, so nothing is said of seeds."
        )
    return table(
        pd.DataFrame(rows),
        "The same experiment from other seeds; counts as shares of all neurons",
        ["profile", "number"],
    )


def _unpreferred(results: Results) -> str:
    its = discarded(results)
    return percent(1 - its["in_use"] / its["neurons"])


def _once_share(results: Results) -> str:
    return percent(overlaps.met_once(results)[0])


def _short_share(results: Results) -> str:
    rows = results.transfer("rq3")
    shared = rows[rows["state"] == "shared"]
    return percent((shared[["length_before", "length_after"]].min(axis=1) < 10).mean() if len(shared) else math.nan)


def _late_share(results: Results) -> str:
    own = neurons(results.preferences(results.stage(TUNED)))["count"]
    return percent(float((0.5**own).mean()) if len(own) else math.nan)


def _in_use_after_half(results: Results) -> str:
    own = neurons(results.preferences(results.stage(TUNED)))["count"]
    return f"{(1 - 0.5**own).sum():,.0f} of {count(len(own))}"


def _spread(results: Results) -> str:
    return _middle(spread_of_words(results)["neurons"], "{:,.0f}")


def _more_outside(results: Results) -> str:
    rows = both_ways(results)
    return f"{int((rows['outside'].abs() > rows['inside'].abs()).sum())} of {len(rows)}" if len(rows) else NOT_KEPT


def _beyond(own: Sequence[pd.Series]) -> str:
    """In which of both ways a change leaves the sampling error."""
    if any("sampling_error" not in row for row in own):
        return NOT_KEPT
    ways = [
        way for way, row in zip((INSIDE, OUTSIDE), own, strict=True) if abs(row["change"]) > 2 * row["sampling_error"]
    ]
    return "both" if len(ways) == len(own) else ways[0] if ways else "neither"


def _number_of_runs(results: Results) -> str:
    return count(len(siblings(results)) + 1)


def _vocabulary(results: Results) -> str:
    found = beside_null(results, "rq2")
    shares = vocabulary_share(found) if len(found) else pd.Series(dtype=float)
    return percent(shares.median()) if len(shares) else NOT_KEPT


def _set_a(results: Results) -> pd.DataFrame:
    rows = results.table("pruning")
    return rows[(rows["set"] == "A") & (rows["way"] == OUTSIDE) & (rows["split"] == "test") & rows["change"].notna()]


def _matters(results: Results) -> bool:
    rows = _set_a(results)
    if rows.empty or "sampling_error" not in rows:
        return False
    return bool(abs(rows["change"].iloc[0]) > 2 * rows["sampling_error"].iloc[0])


def _cut_unpreferred(results: Results) -> tuple[str, str, str]:
    rows = _set_a(results)
    if rows.empty:
        return "not measured", "not measured", "none"
    row = rows.iloc[0]
    chance = "none" if math.isnan(row["random_low"]) else f"{signed(row['random_low'])} to {signed(row['random_high'])}"
    return signed(row["change"]), chance, count(row["neurons"])


def _middle(values: pd.Series, form: str) -> str:
    return form.format(values.median()) if len(values) else "none"
