"""Where the paper's pruned sets lie among random sets (Tab. 2): of equal size, of equal variance, of equal mass.

May touch: results, tables, telling.
"""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.tables import pruning_rows
from txray_lib.results import Results
from txray_lib.telling import count, paragraph, percent, plural, signed, table

COLUMNS = {"size": "percentile", "variance": "percentile_variance", "mass": "percentile_mass"}
"""What random sets have in common with a set, and the column that says where it lies among them."""
MATCHES = {
    "size": "as many neurons",
    "variance": "as many neurons with the same variance of the last hidden state",
    "mass": "as many neurons with the same activation mass",
}
EDGE = 2.5
ABSENT = (
    "This run's random sets match the number of neurons alone, and it kept no place of the sets among them: what is said of the"
    " interval above is all that can be said."
)


def has_places(results: Results) -> bool:
    """Whether a run kept where each set lies among random ones."""
    return set(COLUMNS.values()) <= set(results.table("pruning").columns)


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
                for match, column in COLUMNS.items()
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
    long = pd.concat([rows[rows[column].notna()].assign(match=match) for match, column in COLUMNS.items()])
    return long.set_index(keys)["random_sets"]


def places_said(results: Results, way: str = "both") -> Markdown:
    """Which sets lie at the edge of random ones, of which kind, and how many would by chance."""
    if not has_places(results):
        return paragraph(ABSENT)
    rows = pruning_rows(results, way).dropna(subset=["change"])
    drawn = draws_beside(results, way)
    said = [_edges(rows, drawn, match) for match in COLUMNS]
    return paragraph(*said, _everywhere(rows), _none(rows), _errors(rows))


def at_edge_by_chance(draws: int) -> float:
    """The chance that a further draw lies below the 2.5 or above the 97.5 percentile among `draws` earlier ones.

    It has one of draws + 1 ranks, each as likely; at an edge are those with fewer than 2.5 % of the draws on one side.
    """
    return min(1.0, 2 * math.ceil(EDGE / 100 * draws) / (draws + 1)) if draws else math.nan


def _edges(rows: pd.DataFrame, drawn: pd.Series, match: str) -> str:
    placed = rows.dropna(subset=[COLUMNS[match]])
    if placed.empty:
        return f"No set has random ones of {MATCHES[match]} beside it."
    edge = placed[_is_edge(placed[COLUMNS[match]])]
    chance = sum(at_edge_by_chance(int(drawn[(r.set, r.way, r.split, match)])) for r in placed.itertuples())
    named = "; ".join(
        f"{r.set} {r.way} on {r.split} ({signed(r.change)}, percentile {p:g})"
        for r, p in zip(edge.itertuples(), edge[COLUMNS[match]], strict=True)
    )
    return (
        f"**Among random sets of {MATCHES[match]}**, {count(len(edge))} of {plural(len(placed), 'change')}"
        f" {'lies' if len(edge) == 1 else 'lie'} at an edge, below the 2.5 or above the 97.5 percentile"
        f"{': ' + named if named else ''}; chance alone would put about {chance:.1f} there."
    )


def _everywhere(rows: pd.DataFrame) -> str:
    """What the effects at the edge of sets of equal size are, by whether sets alike in more exist and what those do."""
    edge = pd.DataFrame({match: _is_edge(rows[column]) for match, column in COLUMNS.items()})
    known = pd.DataFrame({match: rows[column].notna() for match, column in COLUMNS.items()})
    alike, inside = known[["variance", "mass"]], (known & ~edge)[["variance", "mass"]]
    cases = {
        "At the edge of every kind of random set that exists: {}. There it matters which neurons they are, and not only how many or"
        " how active.": alike.any(axis=1) & ~inside.any(axis=1),
        "At the edge of sets of equal size, and inside sets that vary as much or hold as much: {}. There the effect is no more than"
        " that of other such neurons.": inside.any(axis=1),
        "At the edge of sets of equal size, without any others beside it that vary or hold as much: {}. Whether it matters which neurons"
        " they are, or only how active, cannot be told.": ~alike.any(axis=1),
    }
    found = {said: rows[edge["size"] & which] for said, which in cases.items()}
    return " ".join(said.format(_named(its)) for said, its in found.items() if len(its))


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
    small = known[known["change"].abs() <= 2 * known["sampling_error"]]
    if known.empty:
        return ""
    return (
        f"Of {plural(len(known), 'change')}, {count(len(small))} ({percent(len(small) / len(known))})"
        f" {'is' if len(small) == 1 else 'are'} within two sampling errors of 0: with other reviews the sign could be another."
    )


def _is_edge(places: pd.Series) -> pd.Series:
    return (places < EDGE) | (places > 100 - EDGE)


def _named(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row.set} {row.way} on {row.split}" for row in rows.itertuples())


def _with_error(change: float, error: float) -> str:
    if math.isnan(change):
        return "not defined"
    told = f"{100 * change:+.2f}" + ("" if math.isnan(error) else f" ± {100 * error:.2f}")
    return told.replace("-", "−")


def _place(place: float, draws: int) -> str:
    return "none" if math.isnan(place) else f"{place:g} ({count(draws)})"
