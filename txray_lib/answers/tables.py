"""What the pages of the paper's two tables say: the neurons that supervision gained (Tab. 1), and pruning (Tab. 2).

May touch: errors, paper, preferences, results, telling.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import stats

from txray_lib.errors import TxrayError, nearest
from txray_lib.paper import value
from txray_lib.preferences import distributions
from txray_lib.results import Results
from txray_lib.telling import LEVEL, count, paragraph, percent, plural, signed, table

_LUCENE = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to "
    "was will with"
)
_CLITICS = "'s 're 've 'd 'll 'm n't ’s ’re ’ve ’d ’ll ’m n’t"
STOP_WORDS = frozenset(f"{_LUCENE} {_CLITICS}".split())
"""Those of Lucene's StandardAnalyzer, and what a tokeniser cuts off a word. Longer lists hold "more", "most", "some" and
"few", which the paper's Tab. 1 keeps."""

ORDERS = {"mass": "mass", "probability": "p"}
WAYS = ("before the classifier", "out of the encoder")
NEIGHBOURS = 10


def gained(
    results: Results, rows: int = 3, top_tokens: int = 12, stop_words: bool = True, order: str = "mass"
) -> HTML | Markdown:
    """The gained neurons with the most and the least mass, and what they prefer (Tab. 1).

    rows        neurons from each end
    top_tokens  features shown of each
    stop_words  True leaves out stop words, clitics, what holds no letter or digit, and spelling duplicates, as the paper does
    order       of features: falling "mass" (the paper's) or "probability"
    """
    if rows < 1 or top_tokens < 1:
        raise TxrayError(f"{rows} rows of {top_tokens} features were asked for: at least 1 of each is needed")
    if order not in ORDERS:
        raise TxrayError(f"features cannot be in order of {order!r}. {nearest(order, ORDERS)}")
    found = _gained(results).sort_values(["mass_after", "neuron"], ascending=[False, True])
    if found.empty:
        return paragraph("Supervision gained no neuron here, so there is no table of them.")
    shown = found if len(found) <= 2 * rows else pd.concat([found.head(rows), found.tail(rows)])
    features = _features(results, shown["neuron"].tolist(), order, stop_words)
    frame = pd.DataFrame(
        {
            "neuron": shown["neuron"],
            "activation sum": shown["mass_after"].map(_mass),
            "length": shown["length_after"].map(count),
            f"features, by falling {order}": [
                features.get(int(n), ())[:top_tokens] or "only stop words" for n in shown["neuron"]
            ],
        }
    )
    left_out = ", without stop words and spelling duplicates" if stop_words else ""
    return table(frame, f"{len(shown)} of {plural(len(found), 'gained neuron')}, the most active first{left_out}")


def _gained(results: Results) -> pd.DataFrame:
    return results.transfer("rq3").query("state == 'gained'")


def _mass(number: float) -> str:
    """Two digits after the point, and more where two would say nothing."""
    return f"{number:,.2f}" if number >= 0.01 or number == 0 else f"{number:.1g}"


def _features(results: Results, neurons: list[int], order: str, stop_words: bool) -> dict[int, tuple[str, ...]]:
    """The features of some neurons after supervision, the largest first; of equals in the order of the alphabet."""
    preferences = results.preferences(results.stage("supervised"))
    rows = distributions(preferences[preferences["neuron"].isin(neurons)])
    rows = rows.assign(feature=rows["feature"].astype(str))
    rows = rows.sort_values(["neuron", ORDERS[order], "feature"], ascending=[True, False, True])
    if stop_words:
        spelling = rows["feature"].map(_spelling)
        rows = rows[spelling != ""].assign(spelling=spelling).drop_duplicates(["neuron", "spelling"])
    return rows.groupby("neuron")["feature"].agg(tuple).to_dict()


def _spelling(token: str) -> str:
    """What makes two tokens one word: lower case, letters and digits only; "" for a stop word or a sign."""
    lower = token.casefold()
    return "" if lower in STOP_WORDS else "".join(sign for sign in lower if sign.isalnum())


def specialised(results: Results) -> Markdown:
    """Are gained neurons of little mass specialised, that is shorter, as §3.3.1 says, and more so than any other neuron?"""
    preferred = results.transfer("rq3").query("length_after > 0")
    its = preferred["state"] == "gained"
    if not its.any():
        return paragraph("There is no gained neuron here whose length could be looked at.")
    said = [f"Over the {plural(int(its.sum()), 'gained neuron')} {_correlation(preferred[its])}."]
    said += [f"Over the {plural(int((~its).sum()), 'other preferred neuron')} {_correlation(preferred[~its])}."]
    if (beside := shorter_than_neighbours(preferred)) is not None:
        short, all_ = beside
        said.append(
            f"Beside the {NEIGHBOURS} other preferred neurons of the most similar mass, {count(short)} of {count(all_)}"
            f" are shorter than these are in the median; chance alone would give about {all_ / 2:.0f}."
        )
    said.append(
        "A neuron that few tokens excite most has little mass and can prefer only few features: mass and length go together"
        " for any neuron, so the first number says something about *supervision* only where it leaves the second."
    )
    return paragraph(*said)


def _correlation(rows: pd.DataFrame) -> str:
    """Spearman's ρ of mass and length with its 95 % interval (Bonett and Wright 2000), in words."""
    n = len(rows)
    if n < 4 or rows["mass_after"].nunique() < 2 or rows["length_after"].nunique() < 2:
        return "mass and length cannot be correlated: too few neurons, or all alike"
    rho = float(stats.spearmanr(rows["mass_after"], rows["length_after"]).statistic)
    low, high = rank_interval(rho, n)
    return f"the rank correlation of mass and length is {rho:.2f} (95 %: {low:.2f} to {high:.2f})".replace("-", "−")


def rank_interval(rho: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a rank correlation over n ≥ 4 neurons, by Fisher's z with Bonett and Wright's variance."""
    if abs(rho) >= 1:
        return rho, rho
    z, half = math.atanh(rho), 1.96 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(z - half), math.tanh(z + half)


def shorter_than_neighbours(preferred: pd.DataFrame) -> tuple[float, int] | None:
    """How many gained neurons are shorter than the median of their neighbours in mass (an equal length counts half).

    Neighbours are the ten neurons that are preferred and not gained whose logarithm of mass is nearest; None if there
    are fewer.
    """
    sized = preferred[preferred["mass_after"] > 0]
    ours, others = sized[sized["state"] == "gained"], sized[sized["state"] != "gained"]
    if len(others) < NEIGHBOURS or ours.empty:
        return None
    gap = np.abs(np.log(ours["mass_after"].to_numpy())[:, None] - np.log(others["mass_after"].to_numpy())[None, :])
    near = np.argsort(gap, axis=1, kind="stable")[:, :NEIGHBOURS]
    median = np.median(others["length_after"].to_numpy()[near], axis=1)
    length = ours["length_after"].to_numpy()
    return float((length < median).sum() + 0.5 * (length == median).sum()), len(ours)


def pruning_rows(results: Results, way: str = "both") -> pd.DataFrame:
    """The pruning table of a run, all of it ("both") or one way of removing neurons."""
    if way not in ("both", *WAYS):
        raise TxrayError(f"neurons are not removed {way!r}. {nearest(way, ('both', *WAYS))}")
    rows = results.table("pruning")
    return rows if way == "both" else rows[rows["way"] == way].reset_index(drop=True)


def pruned(results: Results, way: str = "both") -> HTML:
    """Tab. 2, the paper's columns beside ours: a row for each set and way, changes of F1 in per cent."""
    rows = pruning_rows(results, way)
    told = rows.assign(effect=rows.apply(_effect, axis=1), mass=rows["mass_share"].map(_share))
    columns = ["set", "way", "neurons", "mass", "overlap_with_gained"]
    wide = told.pivot_table(
        index=columns, columns="split", values="effect", aggfunc="first", sort=False, fill_value="not measured"
    ).reset_index()
    frame = pd.DataFrame(
        {
            "set": wide["set"],
            "removed": wide["way"],
            "neurons": wide["neurons"].map(count),
            "of them gained": wide["overlap_with_gained"].map(count),
            "mass, %": wide["mass"],
            **{f"{split}, %": wide[split] for split in ("train", "test") if split in wide},
            "paper: neurons": wide["set"].map(lambda s: _papers(s, "neurons")),
            "paper: mass, %": wide["set"].map(lambda s: _papers(s, "mass")),
            "paper: train, %": wide["set"].map(lambda s: _papers(s, "train")),
            "paper: test, %": wide["set"].map(lambda s: _papers(s, "test")),
        }
    )
    draws = ", ".join(f"{count(r['random_sets'].max())} {name}" for name, r in rows.groupby("way", sort=False))
    bases = ", ".join(
        f"{row.f1_base:.3f} on {count(row.reviews)} {row.split} reviews"
        for row in rows.drop_duplicates(["split", "reviews"]).itertuples()
    )
    caption = (
        "Relative change of F1 after pruning, in per cent; in brackets 95 % of random sets of the same size "
        f"({draws}). F1 before: {bases}. Mass: share of the activation mass of all preferred neurons."
    )
    return table(frame, caption, words=["set", "removed"])


def _effect(row: pd.Series) -> str:
    change = "not defined" if math.isnan(row["change"]) else f"{100 * row['change']:+.2f}"
    known = not math.isnan(row["random_low"])
    chance = f" [{100 * row['random_low']:+.1f}, {100 * row['random_high']:+.1f}]" if known else ""
    return (change + chance).replace("-", "−")


def _share(share: float) -> str:
    return f"{100 * share:.3f}"


def _papers(name: str, what: str) -> str:
    """A cell of the paper's Tab. 2; A-strict is a set of ours."""
    if name == "A-strict" or (name == "A" and what == "mass"):
        return "–"
    if what == "neurons":
        return count({"A": value("N14", "pruned"), "D": value("N13", "gained")}.get(name) or value("N15", "of"))
    number = value(f"T2-{name}", what)
    return _share(number) if what == "mass" else f"{100 * number:+.2f}".replace("-", "−")


def meanings(results: Results) -> Markdown:
    """Which neurons each pruned set holds."""
    rows = results.table("pruning").drop_duplicates("set")
    return paragraph("The sets.", *(f"**{row.set}**: {row.meaning.rstrip('.')}." for row in rows.itertuples()))


def pruning_verdict(results: Results, way: str = "both") -> Markdown:
    """How many of the effects leave the interval that random sets of the same size give."""
    rows = pruning_rows(results, way)
    measured = rows.dropna(subset=["random_low", "random_high", "change"])
    ranked = "percentile" in rows and bool(measured["percentile"].notna().all())
    if measured.empty:
        return paragraph("No random sets were measured in this run, so none of these changes can be told from chance.")
    beyond = (measured["change"] < measured["random_low"]) | (measured["change"] > measured["random_high"])
    outside = measured[is_edge(measured["percentile"]) if ranked else beyond]
    named = "; ".join(f"{r.set} {r.way} on {r.split} ({signed(r.change)})" for r in outside.itertuples())
    by_chance = float(
        measured["random_sets"].map(at_edge_by_chance).sum()
        if ranked
        else outside_by_chance(measured["random_sets"]).sum()
    )
    why = "as few draws leave few ranks" if ranked else "since few draws make a narrow interval"
    where = "below the 2.5 or above the 97.5 percentile" if ranked else "outside the interval that holds 95 %"
    verdict = (
        "Chance may well put as many there: nothing here tells these sets from random ones."
        if as_by_chance(len(outside), by_chance)
        else "That is more than chance gives; which of them would stay with other seeds and more random sets is open."
    )
    return paragraph(
        f"Of {plural(len(measured), 'change')} that can be compared with random sets of the same size,"
        f" {len(outside)} {'lies' if len(outside) == 1 else 'lie'} {where} of those drawn"
        f"{': ' + named if named else ''}.",
        f"Of as many further random sets about {by_chance:.1f} would, {why}. {verdict}",
        f"{plural(len(rows) - len(measured), 'change')} had no random sets beside them."
        if len(rows) > len(measured)
        else "",
    )


EDGE = 2.5


def as_by_chance(edges: int, expected: float) -> bool:
    """Whether chance, which puts `expected` at an edge on average, puts as many or more there in over 5 % of cases (Poisson)."""
    return bool(stats.poisson.sf(edges - 1, expected) > LEVEL)


def is_edge(places: pd.Series) -> pd.Series:
    """Whether percentiles lie below the 2.5 or above the 97.5."""
    return (places < EDGE) | (places > 100 - EDGE)


def at_edge_by_chance(draws: int) -> float:
    """The chance that a further draw lies below the 2.5 or above the 97.5 percentile among `draws` earlier ones.

    It has one of draws + 1 ranks, each as likely; at an edge are those with fewer than 2.5 % of the draws on one side.
    """
    return min(1.0, 2 * math.ceil(EDGE / 100 * draws) / (draws + 1)) if draws else math.nan


def outside_by_chance(draws: pd.Series) -> pd.Series:
    """The share of further draws that fall outside the 2.5 and 97.5 % points of `draws` earlier ones, whatever they measure.

    A point between the k-th and the next of n draws has about k / (n + 1) of all below it.
    """
    return 2 * (1 + 0.025 * (draws - 1)) / (draws + 1)


def pruned_sets_checked(results: Results) -> Markdown:
    """I2, I3 and I5: what the paper's numbers allow, worked out, and what our sets hold."""
    units, shared, more = value("N7", "units"), value("N11", "shared"), value("N13", "gained")
    before = value("N7", "shared")
    empty = units - shared - more
    rows = results.table("pruning").drop_duplicates("set").set_index("set")
    sizes = {name: int(rows.loc[name, "neurons"]) for name in rows.index}
    overlap = {name: int(rows.loc[name, "overlap_with_gained"]) for name in rows.index}
    return Markdown(
        "\n".join(
            [
                f"- **I2, which neurons are in A.** {count(units)} units − {count(shared)} shared − {count(more)} gained ="
                f" {count(empty)} that are empty after supervision, the paper's A. Preferred *before* it, as its definition of"
                f" avoided asks, are {count(before)} − {count(shared)} = {count(before - shared)} if {count(before)} counts the"
                f" neurons preferred before, so that {count(empty - (before - shared))} of A were never preferred. Here A holds"
                f" {count(sizes['A'])} neurons and A-strict, the avoided alone, {count(sizes['A-strict'])} of them.",
                f"- **I3, the share of mass.** The {count(more)} gained neurons are no part of the {count(shared)} shared, so a"
                f" share “of {count(shared)}” cannot hold them; {count(shared + more)} neurons are preferred afterwards. We"
                f" divide by the mass of all preferred neurons. Of our B {count(overlap['B'])} of {count(sizes['B'])} are gained"
                f" neurons, of C {count(overlap['C'])} of {count(sizes['C'])}: the sets overlap, and effects of B or C"
                " are in part effects of D.",
                f"- **I5, an exact zero.** {_exact_zero(results)}",
            ]
        )
    )


def _exact_zero(results: Results) -> str:
    """How little a change of 0.00 % leaves, for our own test reviews."""
    rows = results.table("pruning")
    rows = rows[(rows["set"] == "B") & (rows["split"] == "test")].sort_values("reviews")
    train, test = (100 * value("T2-B", split) for split in ("train", "test"))
    said = f"The paper's B changes F1 by {train:+.2f} % on train and by {test:.2f} % on test reviews."
    if rows.empty:
        return said.replace("-", "−")
    row = rows.iloc[-1]
    reviews = 0.00005 * row["f1_base"] * row["reviews"]
    room = f"about {reviews:.0f}" if reviews >= 1 else "less than one"
    ours = f"{100 * row['change']:+.2f} %" if not math.isnan(row["change"]) else "not defined"
    return (
        f"{said} With our F1 of {row['f1_base']:.2f} on {count(row['reviews'])} test reviews, a change that rounds to 0.00 %"
        f" leaves room for {room} of them to be judged otherwise. Our B, {row['way']}, changes test F1 by {ours}."
    ).replace("-", "−")


def least_preferred(results: Results) -> Markdown:
    """The lengths of the neurons in B: does each prefer a single feature (N15)?"""
    size = int(results.table("pruning").query("set == 'B'")["neurons"].iloc[0])
    after = results.transfer("rq3").query("length_after > 0").sort_values(["mass_after", "neuron"], kind="stable")
    lengths = after["length_after"].head(size)
    if lengths.empty:
        return paragraph("No neuron is preferred after supervision, so B is empty.")
    ones = int((lengths == 1).sum())
    return paragraph(
        f"Of the {plural(size, 'neuron')} of B, {count(ones)} {'prefers' if ones == 1 else 'prefer'} a single feature"
        f" (in the paper {count(value('N15', 'neurons'))} of {count(value('N15', 'of'))}); their lengths lie between"
        f" {count(lengths.min())} and {count(lengths.max())}, with a median of {lengths.median():g}."
        f" They hold {percent(after['mass_after'].head(size).sum() / after['mass_after'].sum())} of the activation mass."
    )
