"""What the first page of the book says: one neuron to begin with, and each question answered in a line.

May touch: paper, preferences, results, telling, answers.nulls, answers.questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.nulls import beside_null
from txray_lib.answers.questions import control
from txray_lib.paper import value
from txray_lib.preferences import grouped_by_tag
from txray_lib.results import Results
from txray_lib.telling import LEVEL, arrow, compared, count, distance, paragraph, percent, quoted, table, top_tokens

ADJECTIVES = "JJ"
SIDES = ["length_before", "length_after"]


@dataclass(frozen=True)
class Shown:
    """The neuron of the first figure, -1 for none, and by which rule it was taken."""

    neuron: int
    why: str


def largest(runs: Sequence[Results]) -> Results:
    """The run of most neurons among those that have something to show, if any has; of equals the one that read most."""

    def rank(run: Results) -> tuple[bool, int, int]:
        has = bool((run.transfer("rq3")["state"] == "shared").any())
        return has, int(run.stages["neurons"].max()), int(run.stages["tokens"].max())

    return max(runs, key=rank)


def front_neuron(results: Results, min_length: int = 10, level: float = LEVEL) -> Shown:
    """The shared neuron in whose P the share of adjectives rises most under supervision, of those above their null with at
    least `min_length` features on both sides; where none is, the one of the largest distance; -1 if no neuron is shared."""
    rows = results.transfer("rq3")
    shared = rows[rows["state"] == "shared"].set_index("neuron")
    if shared.empty:
        return Shown(-1, "")
    tested = beside_null(results, "rq3", level)
    above = set(tested.loc[tested["above"], "neuron"]) if len(tested) else set(shared.index)
    fit = shared[(shared[SIDES].min(axis=1) >= min_length) & shared.index.isin(above)]
    if fit.empty:
        return Shown(int(shared["hellinger"].idxmax()), "it moved furthest of all")
    before, after = (
        _adjectives(results, rows[side].iloc[0]).reindex(fit.index).fillna(0) for side in ("before", "after")
    )
    among = "among those that moved further than chance, " if len(tested) else "among those of some length, "
    return Shown(int((after - before).idxmax()), f"{among}it turned most towards adjectives")


def _adjectives(results: Results, stage: str) -> pd.Series:
    rows = grouped_by_tag(results.preferences(stage))
    return rows[rows["tag"].astype(str).str.startswith(ADJECTIVES)].groupby("neuron")["p"].sum()


def front_said(results: Results, shown: Shown) -> Markdown:
    """The neuron that the figure shows first, in two sentences; one sentence where there is none."""
    neuron = shown.neuron
    if neuron < 0:
        return paragraph(
            f"In profile {results.profile} no neuron is in use both before and after supervision: no distance to show."
        )
    row = results.transfer("rq3").set_index("neuron").loc[neuron]
    words = top_tokens(results, [row["before"], row["after"]], 4)
    before, after = (words[row[side]].get((0, neuron), ()) for side in ("before", "after"))
    return paragraph(
        f"Each point is a neuron in use both before and after the encoder was trained on labels, on the same text. Neuron {neuron}"
        f" was picked because it tells a story: {shown.why}. Most others tell none."
        f" Before, it preferred {quoted(before)}; after, {quoted(after)}. **Touch another.**"
    )


def front_answers(results: Results) -> HTML:
    """A row for each question: what the paper says, what this run gives, and what stands beside it."""
    rows = [_pretraining(results), _zero_shot(results), _supervision(results)]
    frame = pd.DataFrame(rows, columns=["question", "the paper", "here", "beside it"])
    return table(frame, f"Three questions, answered in profile {results.profile}", words=list(frame.columns))


def _shared(results: Results, question: str, comparison: str | None = None) -> pd.DataFrame:
    rows = results.transfer(question)
    rows = rows[rows["comparison"] == comparison] if comparison else rows
    return rows[rows["state"] == "shared"]


def _pretraining(results: Results) -> tuple[str, ...]:
    question = "RQ1: does what neurons prefer settle while the encoder is pretrained?"
    papers = f"distances fall by {percent(value('N3', 'share'))} between early and late epochs"
    if "early" not in results.roles.values():
        return question, papers, "not asked: fewer than three snapshots were given", ""
    middle = results.stage("before-last")
    pairs = f"{results.stage('early')}:{middle}", f"{middle}:{results.stage('last')}"
    early, late = (_shared(results, "rq1", pair)["hellinger"].mean() for pair in pairs)
    return (
        question,
        papers,
        f"they are {compared(early, late)}: {distance(early)} on average in {arrow(pairs[0])}, {distance(late)} in {arrow(pairs[1])}",
        _halves(results, "last"),
    )


def _zero_shot(results: Results) -> tuple[str, ...]:
    shared, all_rows = _shared(results, "rq2"), results.transfer("rq2")
    papers = value("N7", "shared") / value("N7", "units")
    return (
        "RQ2: what carries over to another domain without training?",
        f"{percent(papers)} of the neurons are shared between the texts",
        f"{percent(len(shared) / len(all_rows))} are, at mean distance {distance(shared['hellinger'].mean())}",
        _halves(results, "last", "zero-shot"),
    )


def _supervision(results: Results) -> tuple[str, ...]:
    rows, papers = results.transfer("rq3"), value("N13", "gained")
    counts = rows["state"].value_counts()
    shared, avoided, gained = (int(counts.get(state, 0)) for state in ("shared", "avoided", "gained"))
    before = shared + avoided
    tested = beside_null(results, "rq3")
    return (
        "RQ3: what do labels write into the encoder?",
        f"{percent(1 - value('N11', 'shared') / value('N7', 'shared'))} of the neurons become avoided,"
        f" {count(papers)} of {count(value('N7', 'units'))} are gained",
        f"{percent(avoided / before) if before else 'none'} become avoided, {count(gained)} of {count(len(rows))} are gained"
        + (" (as many, by coincidence as far as one run can tell)" if gained == papers else ""),
        f"{count(tested['above'].sum())} of {count(len(tested))} shared neurons moved further than chance would have moved them"
        if len(tested)
        else "no null was drawn",
    )


def _halves(results: Results, *roles: str) -> str:
    halves = control(results, *roles)
    return f"two halves of one text, same weights: {distance(halves.mean)}" if halves else "no control was computed"
