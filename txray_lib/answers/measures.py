"""Better measures beside the paper's distance, on the same neurons: where they agree, what each finds, what each costs (§2.2).

May touch: errors, audit, charts (the names of measures), results, telling, nulls, recovered.

 measured       the shared neurons of every comparison by every measure
 agreement      how alike two measures rank them
 found_by       how many neurons each measure finds above its own null
 noise_floors   what each measure gives between two halves of one text
 separation     which measure parts planted change from none best, where a study is at hand

A run of an older version kept no measures, or no null of each: tables are empty then, and one sentence says so.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.nulls import checked_level, difference
from txray_lib.answers.recovered import study_at_hand
from txray_lib.audit.intervals import rank_correlation
from txray_lib.figures.recovery import MEASURES
from txray_lib.results import NEURON, Results
from txray_lib.telling import LEVEL, arrow, compared, count, distance, listed, paragraph, plural, provenance, table

PAPERS = "hellinger"
RAREFIED = "rarefied"
DISTANCES = tuple(name for name in MEASURES if name != RAREFIED)
FEW = 10
"""Fewer neurons than this carry no rank correlation worth a number."""
ALIKE = 0.9
"""A rank correlation from here on is called nearly the same order."""


def measured(results: Results) -> pd.DataFrame:
    """Shared neurons of RQ1–RQ3 by every measure, comparisons in the order of the run; empty where the run kept none.

    Columns: comparison, question, layer, neuron, the four distances, rarefied (|log(length after / before)| of lengths
    rarefied to as many tokens), rarefied_before, rarefied_after, length_before, length_after.
    """
    if not results.has("measures"):
        return pd.DataFrame(columns=["comparison", "question", *NEURON, *MEASURES])
    rows = results.table("measures").drop(columns=PAPERS)
    parts = []
    for question in ("rq1", "rq2", "rq3"):
        transfer = results.transfer(question)
        shared = transfer[transfer["state"] == "shared"]
        lengths = shared[["comparison", "question", *NEURON, "length_before", "length_after", PAPERS]]
        parts.append(lengths.merge(rows.drop(columns="question"), on=["comparison", *NEURON]))
    both = pd.concat(parts, ignore_index=True)
    return both.assign(rarefied=np.abs(np.log(both["rarefied_after"] / both["rarefied_before"])))


def kept_no_measures(results: Results) -> tuple[Markdown, ...]:
    """One sentence to display for a run whose tables hold no measures, or a null of no other than the paper's; none where they
    hold both."""
    kept = {"measures": "other measures were kept", "measure_nulls": "a null of each measure was kept"}
    for name, what in kept.items():
        if not results.has(name):
            said = f"The tables of this run are from before {what}, so less is said here; `txray run {results.profile}` computes it."
            return (paragraph(said),)
    if results.table("measure_nulls")["measure"].nunique() < 2:
        return (
            paragraph(
                "This run drew a null of the paper's distance alone, so what the others find beyond chance is not said here; a"
                f" profile that names them in `nulls.measures` has them drawn, and `txray run {results.profile}` computes them."
            ),
        )
    return ()


def agreement(rows: pd.DataFrame) -> pd.DataFrame:
    """[comparison, first, second, neurons, rho]: Spearman's rank correlation of each pair of measures over shared neurons;
    no rho for fewer than ten neurons or without spread."""
    found = []
    for name, own in rows.groupby("comparison", sort=False):
        for first, second in combinations(MEASURES, 2):
            both = own[[first, second]].dropna()
            enough = len(both) >= FEW and both[first].nunique() > 1 and both[second].nunique() > 1
            rho = float(rank_correlation(both[first], both[second])) if enough else math.nan
            found.append((name, first, second, len(both), rho))
    return pd.DataFrame(found, columns=["comparison", "first", "second", "neurons", "rho"])


def agreement_said(pairs: pd.DataFrame) -> Markdown:
    """How alike each measure ranks neurons to the paper's distance: the lowest and the highest over comparisons."""
    known = pairs[(pairs["first"] == PAPERS) & pairs["rho"].notna()]
    if known.empty:
        return paragraph(f"No comparison has {FEW} shared neurons of different distance, so no ranks can be compared.")
    said = [f"{MEASURES[name]} {_range(own['rho'])}" for name, own in known.groupby("second", sort=False)]
    few = pairs.groupby("comparison", sort=False)["rho"].agg(lambda rho: rho.isna().all())
    left = int(few.sum())
    return paragraph(
        f"Rank correlation with the paper's distance, from the lowest comparison to the highest: {'; '.join(said)}.",
        "A high one says that a measure names the same neurons as most changed, not that either is right.",
        _overlap_alone(known.loc[known["second"] == "ochiai", "rho"]),
        f"{plural(left, 'comparison')} {'has' if left == 1 else 'have'} too few shared neurons for it, or none of different distance."
        if left
        else "",
    )


def _overlap_alone(rho: pd.Series) -> str:
    if rho.empty or rho.min() < ALIKE:
        return ""
    return (
        "Ochiai sees which features are on both sides and no activation, and orders neurons nearly as the paper's distance does: the"
        " activations add little to it."
    )


def found_by(results: Results, level: float = LEVEL) -> pd.DataFrame:
    """What each measure finds above its own null: a row per comparison and measure.

    Columns: comparison, question, measure, shared (neurons with a distance), above (q ≤ level), with_papers (of those, how many
    the paper's distance finds too), observed, expected, excess (medians). Empty where the run kept no null of each measure.
    Raises TxrayError for a level that cannot be one.
    """
    checked_level(level)
    columns = ["comparison", "question", "measure", "shared", "above", "with_papers", "observed", "expected", "excess"]
    if not results.has("measure_nulls"):
        return pd.DataFrame(columns=columns)
    rows = results.table("measure_nulls")
    rows = rows[rows["observed"].notna()].assign(above=rows["q"] <= level)
    papers = rows.loc[(rows["measure"] == PAPERS) & rows["above"], ["comparison", *NEURON]].assign(papers=True)
    rows = rows.merge(papers, on=["comparison", *NEURON], how="left")
    both = rows["above"] & rows["papers"].eq(True)
    grouped = rows.assign(both=both).groupby(["comparison", "question", "measure"], sort=False)
    return grouped.agg(
        shared=("above", "size"),
        above=("above", "sum"),
        with_papers=("both", "sum"),
        observed=("observed", "median"),
        expected=("expected", "median"),
        excess=("excess", "median"),
    ).reset_index()[columns]


def found_said(found: pd.DataFrame, level: float = LEVEL) -> Markdown:
    """Which measure finds most and which least, comparison by comparison."""
    if found.empty:
        return paragraph("No neuron has a distance to test.")
    if found["measure"].nunique() == 1:
        return _found_by_one(found, level)
    said = []
    for name, own in found.groupby("comparison", sort=False):
        most, least = own["above"].max(), own["above"].min()
        shared = plural(int(own["shared"].max()), "shared neuron")
        if most == least:
            said.append(f"In {arrow(name)} every measure finds {count(most) if most else 'none'} of {shared}.")
            continue
        best, worst = (
            listed(MEASURES[each] for each in own.loc[own["above"] == number, "measure"]) for number in (most, least)
        )
        said.append(
            f"In {arrow(name)} {best} {_finds(best)} most ({count(most)} of {shared}), {worst} least"
            f" ({count(least) if least else 'none'})."
        )
    return paragraph(f"Above its own null at q ≤ {level:g}:", *said)


def _found_by_one(found: pd.DataFrame, level: float) -> Markdown:
    said = [
        f"in {arrow(row.comparison)} {count(row.above) if row.above else 'none'} of {plural(int(row.shared), 'shared neuron')}"
        for row in found.itertuples()
    ]
    who = MEASURES[found["measure"].iloc[0]]
    return paragraph(f"Above its null at q ≤ {level:g} by {who}, the only measure that was tested: {'; '.join(said)}.")


def found_table(found: pd.DataFrame) -> HTML:
    """A row per comparison and measure: neurons above their null, how many of them the paper's distance finds too, medians."""
    too = found["with_papers"].map(count).where(found["measure"] != PAPERS, "–")
    frame = pd.DataFrame(
        {
            "comparison": found["comparison"].map(arrow),
            "measure": found["measure"].map(MEASURES),
            "above its null": [f"{count(row.above)} of {count(row.shared)}" for row in found.itertuples()],
            "of these, by the paper's too": too,
            "observed": found["observed"].map(distance),
            "by chance": found["expected"].map(distance),
            "excess": found["excess"].map(difference),
        }
    )
    return table(
        frame,
        "What each measure finds above its own null; the last three columns are medians over shared neurons",
        words=["comparison", "measure"],
    )


def noise_floors(results: Results) -> pd.DataFrame:
    """[stage, measure, neurons, median]: each distance between two halves of one text under the same weights; empty where the
    run kept no measures or compared no halves."""
    columns = ["stage", "measure", "neurons", "median"]
    if not results.has("measures"):
        return pd.DataFrame(columns=columns)
    rows = results.table("measures")
    rows = rows[rows["question"] == "control"]
    found = []
    for name, own in rows.groupby("comparison", sort=False):
        for measure in DISTANCES:
            known = own[measure].dropna()
            found.append((name.partition("/")[0], measure, len(known), float(known.median())))
    return pd.DataFrame(found, columns=columns)


def noise_floors_said(floors: pd.DataFrame) -> Markdown:
    """How far apart the halves of one text lie by each measure, where nothing changed."""
    known = floors.dropna(subset=["median"])
    if known.empty:
        return paragraph("Halves of one text were not compared, so no measure is shown where nothing changed.")
    said = [f"{MEASURES[name]} {_range(own['median'])}" for name, own in known.groupby("measure", sort=False)]
    lowest = known.groupby("measure", sort=False)["median"].mean().idxmin()
    return paragraph(
        "Between two halves of one text under the same weights, where nothing changed but the words that were drawn, the median"
        f" distance of a stage is: {'; '.join(said)}. {MEASURES[lowest]} is the nearest to zero.",
        "A low floor is worth nothing by itself, as a measure that is always low has one too; above the floor must be the change.",
    )


def rarefied_said(rows: pd.DataFrame) -> Markdown:
    """How much of a change of length is an amount of text, comparison by comparison."""
    said = []
    for name, own in rows.dropna(subset=["rarefied"]).groupby("comparison", sort=False):
        plain, fair = (
            compared(own[f"{kind}_before"].median(), own[f"{kind}_after"].median()) for kind in ("length", "rarefied")
        )
        said.append(f"in {arrow(name)} {plain} by the median length, and {fair} once both sides have as many tokens")
    if not said:
        return paragraph("No neuron is shared, so there are no lengths to speak of.")
    return paragraph(f"After stands to before: {'; '.join(said)}.")


def separation(study: str) -> pd.DataFrame:
    """How well each measure parts planted change from none: [measure, noise, auc, changed, unchanged, neurons] means over
    texts and seeds of the paper's way of collecting; empty where the study is not at hand.

    auc is the chance that a changed neuron's distance exceeds that of an unchanged one: 0.5 is guessing, 1 is perfect.
    study  a profile of planted encoders. Raises TxrayError for a misspelt one, and for one that is a run
    """
    columns = ["measure", "noise", "auc", "changed", "unchanged", "neurons"]
    results = study_at_hand(study)
    if results is None:
        return pd.DataFrame(columns=columns)
    rows = results.table("truth_measures")
    rows = rows[(rows["way"] == "argmax") & (rows["texts"] == "one")]
    return rows.groupby(["measure", "noise"], sort=False)[columns[2:]].mean().reset_index()


def separation_source(study: str) -> HTML | Markdown:
    """Where the numbers of the study come from; nothing where it is not at hand."""
    results = study_at_hand(study)
    return paragraph() if results is None else provenance(results)


def separation_said(rows: pd.DataFrame, study: str) -> Markdown:
    """Which measure parts planted change from none best; a sentence that says so where the study is not at hand."""
    if rows.empty:
        return paragraph(
            f"The tables of the study {study} on planted encoders are not at hand, so which measure is right is not said here; `txray run"
            f" {study}` makes them."
        )
    known = rows.dropna(subset=["auc"])
    said = [_best_said(noise, own) for noise, own in known.groupby("noise", sort=False)]
    return paragraph(
        "On planted encoders, where it is known which neurons changed, the chance that a changed neuron lies further apart than an"
        f" unchanged one (0.5 is guessing, 1 perfect) tells the measures apart: {'; '.join(said) or 'it could not be measured'}."
    )


def _best_said(noise: str, own: pd.DataFrame) -> str:
    auc = own.set_index("measure")["auc"].round(2)
    best = list(auc.index[auc == auc.max()])
    if len(best) == len(auc) > 1:
        return f"with noise “{noise}” every measure parts them alike, with {auc.max():.2f}"
    papers = f", the paper's distance with {auc[PAPERS]:.2f}" if PAPERS in auc.index and PAPERS not in best else ""
    names = listed(MEASURES[name] for name in best)
    return (
        f"with noise “{noise}” {names} {'part' if len(best) > 1 else 'parts'} them best, with {auc.max():.2f}{papers}"
    )


def separation_table(rows: pd.DataFrame) -> HTML:
    """A row per measure, a column per noise of the study: how well it parts changed from unchanged neurons."""
    wide = rows.pivot(index="measure", columns="noise", values="auc").reindex(
        index=[name for name in MEASURES if name in set(rows["measure"])], columns=list(dict.fromkeys(rows["noise"]))
    )
    frame = pd.DataFrame(
        {"measure": [MEASURES[name] for name in wide.index]}
        | {f"noise: {noise}": ["none" if math.isnan(v) else f"{v:.3f}" for v in wide[noise]] for noise in wide}
    )
    return table(
        frame,
        "The chance that a changed neuron lies further apart than an unchanged one, on planted encoders (means over texts and seeds)",
        words=["measure"],
    )


def _range(values: pd.Series) -> str:
    low, high = (f"{value:.2f}".replace("-", "−") for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _finds(names: str) -> str:
    return "find" if " and " in names else "finds"
