"""Where the paper's pruned sets lie among random sets (Tab. 2): of equal size, of equal variance, of equal mass.

May touch: charts (what random sets are matched by), results, tables, telling.
"""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.tables import as_by_chance, at_edge_by_chance, is_edge, pruning_rows
from txray_lib.figures.pruned import PLACES
from txray_lib.results import Results
from txray_lib.telling import LEVEL, count, paragraph, percent, plural, signed, table

MATCHES = {
    "size": "as many neurons",
    "variance": "as many neurons with the same variance of the last hidden state",
    "mass": "as many neurons with the same activation mass",
}
ABSENT = (
    "This run's random sets match the number of neurons alone, and it kept no place of the sets among them: what is said of the"
    " interval above is all that can be said."
)


def has_places(results: Results) -> bool:
    """Whether a run kept where each set lies among random ones."""
    return set(PLACES.values()) <= set(results.table("pruning").columns)


def random_draws(results: Results, way: str = "both") -> pd.DataFrame | None:
    """What each random set does; None where a run kept the interval alone."""
    if not results.has("pruning_random"):
        return None
    rows = results.table("pruning_random")
    return rows if way == "both" else rows[rows["way"] == way].reset_index(drop=True)


def places_table(results: Results, way: str = "both") -> HTML | Markdown:
    """A row for each set, way and split: the change with its sampling error, and its percentile among each kind of random set."""
    if not has_places(results):
        return paragraph(ABSENT)
    rows = pruning_rows(results, way)
    drawn = draws_beside(results, way)
    frame = pd.DataFrame(
        {
            "set": rows["set"],
            "removed": rows["way"],
            "reviews": rows["split"],
            "change, %": [_with_error(*pair) for pair in zip(rows["change"], rows["sampling_error"], strict=True)],
            **{
                f"among equal {match}": [
                    _place(place, int(drawn.get((row.set, row.way, row.split, match), 0)))
                    for place, row in zip(rows[column], rows.itertuples(), strict=True)
                ]
                for match, column in PLACES.items()
            },
        }
    )
    caption = (
        "Change of F1 ± its sampling error over reviews, and the percentile of that change among random sets: 0 is below all of them, 50 in"
        " the middle, 100 above all; in brackets how many sets were drawn. “None”: no such sets were found"
    )
    return table(frame, caption, words=["set", "removed", "reviews"])


def draws_beside(results: Results, way: str = "both") -> pd.Series:
    """How many random sets stand beside each (set, way, split, match)."""
    draws = random_draws(results, way)
    keys = ["set", "way", "split", "match"]
    if draws is not None:
        return draws.groupby(keys).size()
    rows = pruning_rows(results, way)
    long = pd.concat([rows[rows[column].notna()].assign(match=match) for match, column in PLACES.items()])
    return long.set_index(keys)["random_sets"]


def places_said(results: Results, way: str = "both") -> Markdown:
    """Which sets lie at the edge of random ones, of which kind, and how many would by chance."""
    if not has_places(results):
        return paragraph(ABSENT)
    rows = pruning_rows(results, way).dropna(subset=["change"])
    drawn = draws_beside(results, way)
    said = [_edges(rows, drawn, match) for match in PLACES]
    return paragraph(*said, _everywhere(rows, drawn), _none(rows), _errors(rows))


def _chances(rows: pd.DataFrame, drawn: pd.Series, match: str) -> pd.Series:
    """The chance of each row to lie at an edge of its random sets; missing where it has none."""
    draws = [int(drawn.get((row.set, row.way, row.split, match), 0)) for row in rows.itertuples()]
    return pd.Series([at_edge_by_chance(number) for number in draws], rows.index, dtype=float)


def _edges(rows: pd.DataFrame, drawn: pd.Series, match: str) -> str:
    placed = rows.dropna(subset=[PLACES[match]])
    if placed.empty:
        return f"No set has random ones of {MATCHES[match]} beside it."
    edge = placed[is_edge(placed[PLACES[match]])]
    chance = float(_chances(placed, drawn, match).sum())
    named = "; ".join(
        f"{r.set} {r.way} on {r.split} ({signed(r.change)}, percentile {p:g})"
        for r, p in zip(edge.itertuples(), edge[PLACES[match]], strict=True)
    )
    return (
        f"**Among random sets of {MATCHES[match]}**, {count(len(edge))} of {plural(len(placed), 'change')}"
        f" {'lies' if len(edge) == 1 else 'lie'} at an edge, below the 2.5 or above the 97.5 percentile"
        f"{': ' + named if named else ''}; chance alone would put about {chance:.1f} there."
    )


def _everywhere(rows: pd.DataFrame, drawn: pd.Series) -> str:
    """What the effects at the edge of sets of equal size are, by whether sets alike in more exist and what those do.

    Said only of rows with so many draws that chance puts no more than `LEVEL` at an edge, and only where more are there.
    """
    edge = pd.DataFrame({match: is_edge(rows[column]) for match, column in PLACES.items()})
    known = pd.DataFrame({match: rows[column].notna() for match, column in PLACES.items()})
    chances = pd.DataFrame({match: _chances(rows, drawn, match) for match in PLACES})
    enough = known & (chances <= LEVEL)
    clear, coarse = rows[edge["size"] & enough["size"]], rows[edge["size"] & ~enough["size"]]
    expected = float(chances.loc[enough["size"], "size"].sum())
    said = (
        [_alike(clear, known & ~edge, enough)]
        if not as_by_chance(len(clear), expected)
        else [
            f"Of the changes with enough random sets of equal size, {count(len(clear))} at an edge"
            f" {'is' if len(clear) == 1 else 'are'} no more than chance may well put there, about {expected:.1f} on average: nothing"
            " here says that it matters which neurons they are."
        ]
        if len(clear)
        else []
    )
    if len(coarse):
        share = chances.loc[coarse.index, "size"].max()
        said.append(
            f"At the edge of so few sets of equal size that chance puts up to {percent(share)} of changes there: {_named(coarse)}. That"
            " does not tell which neurons they are from how many."
        )
    return " ".join(said)


def _alike(clear: pd.DataFrame, inside: pd.DataFrame, enough: pd.DataFrame) -> str:
    """What rows at the edge of sets of equal size do among sets that are alike in more."""
    inside, enough = (each.loc[clear.index] for each in (inside, enough))
    within = inside[["variance", "mass"]].any(axis=1)
    cases = {
        "At the edge of every kind of random set that exists: {}. There it matters which neurons they are, and not only how many or"
        " how active.": ~within & enough["mass"],
        "At the edge of sets of equal size and of those that vary as much, without enough that hold as much: {}. There it matters which"
        " neurons they are, and not only how many or how much they vary; how active they are is not ruled out.": ~within
        & enough["variance"]
        & ~enough["mass"],
        "At the edge of sets of equal size, and inside sets that vary as much or hold as much: {}. There the effect is no more than"
        " that of other such neurons.": within,
        "At the edge of sets of equal size, without enough others beside it that vary or hold as much: {}. Whether it matters which"
        " neurons they are, or only how active, cannot be told.": ~within & ~enough[["variance", "mass"]].any(axis=1),
    }
    return " ".join(said.format(_named(clear[which])) for said, which in cases.items() if which.any())


def _none(rows: pd.DataFrame) -> str:
    """Why some sets have no random ones of equal mass or variance."""
    absent = rows[rows["why"].fillna("").astype(str) != ""].drop_duplicates(["set", "why"])
    return " ".join(
        f"{row.set} holds {percent(row.mass_share) if row.mass_share else 'none'} of the activation mass in"
        f" {plural(row.neurons, 'neuron')}: {row.why}."
        for row in absent.itertuples()
    )


def _errors(rows: pd.DataFrame) -> str:
    known = rows.dropna(subset=["sampling_error"])
    moved = known[known["change"] != 0]
    small = moved[moved["change"].abs() <= 2 * moved["sampling_error"]]
    still = len(known) - len(moved)
    zero = f"{plural(still, 'change is', 'changes are')} exactly 0 and left out here." if still else ""
    if moved.empty:
        return zero
    said = (
        f"Of {plural(len(moved), 'change')}, {count(len(small))} ({percent(len(small) / len(moved))})"
        f" {'is' if len(small) == 1 else 'are'} within two sampling errors of 0: with other reviews the sign could be another."
    )
    return f"{said} {zero}".rstrip()


def _named(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row.set} {row.way} on {row.split}" for row in rows.itertuples())


def _with_error(change: float, error: float) -> str:
    if math.isnan(change):
        return "not defined"
    told = f"{100 * change:+.2f}" + ("" if math.isnan(error) else f" ± {100 * error:.2f}")
    return told.replace("-", "−")


def _place(place: float, draws: int) -> str:
    return "none" if math.isnan(place) else f"{place:g} ({count(draws)})"
