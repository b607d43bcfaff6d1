"""What the tables say to the three questions, in sentences that are true for any profile and any numbers.

May touch: errors, preferences, paper, results, telling, charts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib import figures as charts
from txray_lib.errors import TxrayError, nearest
from txray_lib.paper import value
from txray_lib.results import Results, state_counts
from txray_lib.telling import (
    arrow,
    compared,
    count,
    distance,
    escape,
    paragraph,
    percent,
    plural,
    quoted,
    signed,
    table,
)

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Control:
    """The distance between two halves of one text under the same weights: what a distance is without any change."""

    stage: str
    mean: float
    mean_tag: float
    shared: int

    @property
    def said(self) -> str:
        return f"Two halves of the text of {self.stage}, read with the same weights, are {distance(self.mean)} apart on average"


def control(results: Results, *roles: str) -> Control | None:
    """The first of the roles' stages for which the halves were compared; None if none was."""
    for role in roles:
        stage = results.stage(role)
        shared = _shared(results.control(stage))
        if len(shared):
            return Control(stage, shared["hellinger"].mean(), shared["hellinger_tag"].mean(), len(shared))
    return None


def claim(results: Results, question: str) -> Markdown:
    """What the paper claims to answer a question, in our words and with its numbers (§3.1–§3.3)."""
    if question not in _CLAIMS:
        raise TxrayError(f"the paper has no question {question!r}. {nearest(question, _CLAIMS)}")
    return paragraph(f"**The paper's claim.** {_CLAIMS[question]()}")


def _claim_rq1() -> str:
    return (
        f"An LSTM of {count(value('N7', 'units'))} units is pretrained on WikiText-2. Between the snapshots of epochs 1 and 48,"
        f" {count(value('N1', 'early'))} neurons are shared; between 48 and 49, {count(value('N1', 'late'))}. Their mean length"
        f" goes from {value('N2', 'early')} over {value('N2', 'before_last')} to {value('N2', 'last')} features, and distances are"
        f" {100 * value('N3', 'share'):.2f} % smaller in the late comparison: Hellinger distance and length settle as loss and"
        " perplexity do (§3.1, Fig. 2 and 4)."
    )


def _claim_rq2() -> str:
    shared, units = value("N7", "shared"), value("N7", "units")
    return (
        f"When the encoder pretrained on WikiText-2 reads IMDB reviews, {count(shared)} of {count(units)} neurons"
        f" ({percent(shared / units)}) are shared between the two texts. Broad transfer, the paper concludes; neurons with a"
        " large distance transfer little, those with a small one transfer well (§3.2, Fig. 6 and 7)."
    )


def _claim_rq3() -> str:
    shared, after = value("N7", "shared"), value("N11", "shared")
    return (
        f"Fine-tuned on IMDB labels, nearly half of the neurons become avoided (from {count(shared)} shared to {count(after)},"
        f" {percent(1 - after / shared)} fewer) and {count(value('N13', 'gained'))} are gained. Pruning the"
        f" {count(value('N14', 'pruned'))} neurons that are empty afterwards changes F1 by {signed(value('T2-A', 'train'))} on train"
        f" and {signed(value('T2-A', 'test'))} on test reviews; pruning the gained ones by {signed(value('T2-D', 'train'))} and"
        f" {signed(value('T2-D', 'test'))} (§3.3, Fig. 8, Tab. 1 and 2)."
    )


_CLAIMS = {"rq1": _claim_rq1, "rq2": _claim_rq2, "rq3": _claim_rq3}


def setting(results: Results) -> Markdown:
    """What was run, in one paragraph."""
    stages = results.stages
    texts = stages.groupby("corpus", sort=False)["tokens"].max()
    read = " or ".join(f"{plural(int(tokens), 'token')} of {corpus}" for corpus, tokens in texts.items())
    kind = (
        "computed in this checkout" if results.origin == "live" else "frozen: computed earlier and kept with the book"
    )
    nobody = int(stages["nobody"].sum())
    return paragraph(
        f"This page shows the profile **{results.profile}**, whose results are {kind}.",
        f"The encoder has {plural(int(stages['neurons'].max()), 'neuron')}; a stage reads {read}.",
        f"Over all stages {plural(nobody, 'token')} excited no neuron and {'belongs' if nobody == 1 else 'belong'} to nobody."
        if nobody
        else "Every token excited some neuron.",
        _weights_told(results),
        *_labels_told(results),
        f"**The profile {results.profile} has been changed since these results were computed**; `txray run {results.profile}` renews them."
        if results.is_outdated
        else "",
    )


def _weights_told(results: Results) -> str:
    """From which files the snapshots are, where the run did not pretrain them."""
    files = results.provenance.get("files", {})
    given = [f"{escape(name)} ({digest[:12]})" for name, digest in files.items() if name.endswith(".safetensors")]
    return f"Its snapshots were given to this run and not trained by it: {', '.join(given)}." if given else ""


def _labels_told(results: Results) -> list[str]:
    """What the two classes are called in a file of the user's own."""
    return [
        f"The texts of {corpus} have two labels: {quoted([labels[0]])} is 0, {quoted([labels[1]])} is 1, the class whose F1 is told."
        for corpus, labels in results.provenance.get("labels", {}).items()
    ]


def preferred(results: Results) -> Markdown:
    """How many neurons prefer anything, stage by stage (rq1)."""
    last = results.stage("last")
    corpus = results.stages.set_index("stage").loc[last, "corpus"]
    stages = results.stages[results.stages["corpus"] == corpus]
    listed = ", ".join(f"{count(row.preferred)} in {row.stage}" for row in stages.itertuples())
    shared = [_shared(results.transfer("rq1"), c) for c in _main_comparisons(results)]
    grows = compared(len(shared[0]), len(shared[1]))
    return paragraph(
        f"Of {plural(int(stages['neurons'].max()), 'neuron')}, {listed} prefer anything.",
        f"The early comparison has {count(len(shared[0]))} shared neurons, the late one {count(len(shared[1]))}:"
        f" {grows} (in the paper {compared(value('N1', 'early'), value('N1', 'late'))}).",
    )


def distances(results: Results, question: str) -> HTML:
    """A row per comparison of a question, and one for every control: distances and lengths over shared neurons."""
    rows = results.transfer(question)
    parts = [(c, _shared(rows, c)) for c in rows["comparison"].unique()]
    involved = dict.fromkeys([*rows["before"], *rows["after"]])
    parts += [
        (f"control: halves of {stage}", shared) for stage in involved if len(shared := _shared(results.control(stage)))
    ]
    frame = pd.DataFrame(
        [
            {
                "comparison": arrow(name) if not name.startswith("control") else name,
                "shared": count(len(shared)),
                "mean H": distance(shared["hellinger"].mean()),
                "median H": distance(shared["hellinger"].median()),
                "mean H, tags as features": distance(shared["hellinger_tag"].mean()),
                **{
                    f"length {side}, mean (median)": f"{_length(lengths.mean())} ({_length(lengths.median())})"
                    for side in ("before", "after")
                    for lengths in [shared[f"length_{side}"]]
                },
            }
            for name, shared in parts
        ]
    )
    return table(frame, "Hellinger distance H and length over shared neurons", words=["comparison"])


def absorbed(results: Results) -> Markdown:
    """How the mean distance of the late comparison stands to that of the early one, and to the control (rq1)."""
    early, late = _main_comparisons(results)
    rows = results.transfer("rq1")
    first, second = _shared(rows, early)["hellinger"].mean(), _shared(rows, late)["hellinger"].mean()
    halves = control(results, "last")
    return paragraph(
        f"The mean distance is {distance(first)} in {arrow(early)} and {distance(second)} in {arrow(late)}: {compared(first, second)}."
        f" The paper reports {100 * value('N3', 'share'):.2f} % less.",
        f"{halves.said}; here both stages read the same text, so unchanged weights would give 0." if halves else "",
    )


def perplexity(results: Results) -> Markdown:
    """Whether distance and perplexity tell the same story (rq1)."""
    curve = _validation(results).groupby("epoch")["value"].last()
    if curve.empty:
        return paragraph(
            "The snapshots of this run were given to it, and no perplexity with them: how well each predicts text is not known here."
        )
    early, late = _main_comparisons(results)
    epochs = results.stages.set_index("stage")["epoch"]
    fall = [_fall(curve, epochs[c.split(":")[0]], epochs[c.split(":")[1]]) for c in (early, late)]
    mean = [_shared(results.transfer("rq1"), c)["hellinger"].mean() for c in (early, late)]
    start, end = (f"{curve.iloc[i]:.1f} after epoch {curve.index[i]:g}" for i in (0, -1))
    opening = f"Validation perplexity goes from {start} to {end}."
    if any(math.isnan(number) for number in (*fall, *mean)):
        return paragraph(opening, "It was not measured at every stage, so it cannot be set beside the distances.")
    perplexity_step, distance_step = (abs(a) - abs(b) for a, b in (fall, mean))
    agree = perplexity_step * distance_step > 0
    return paragraph(
        opening,
        f"Over {arrow(early)} it changes by {percent(-fall[0])}, over {arrow(late)} by {percent(-fall[1])};"
        f" the mean distances are {distance(mean[0])} and {distance(mean[1])}.",
        "The two measures agree on which step is the larger."
        if agree
        else "The two measures do not agree on which step is the larger.",
    )


def learning_curve(results: Results, stages: pd.DataFrame) -> list[alt.LayerChart]:
    """The chart of validation perplexity over pretraining with these stages marked; none where the run did not pretrain."""
    return (
        [charts.training(rows, "pretraining", "valid_perplexity", stages)] if len(rows := _validation(results)) else []
    )


def _validation(results: Results) -> pd.DataFrame:
    rows = results.table("training")
    return rows[(rows["phase"] == "pretraining") & (rows["measure"] == "valid_perplexity")]


def zero_shot(results: Results) -> Markdown:
    """How much of what was preferred is preferred on the new domain too, and how far apart (rq2)."""
    rows = results.transfer("rq2")
    shared = _shared(rows)
    neurons = len(rows)
    halves = control(results, "last", "zero-shot")
    mean = shared["hellinger"].mean()
    sentences = [
        f"{count(len(shared))} of {plural(neurons, 'neuron')} ({percent(len(shared) / neurons)}) are shared between the two texts;"
        f" in the paper {percent(value('N7', 'shared') / value('N7', 'units'))} are.",
        f"Their mean distance is {distance(mean)}.",
    ]
    if halves and not math.isnan(mean):
        way = "more" if mean > halves.mean else "less"
        sentences.append(
            f"{halves.said}; between the domains it is {distance(abs(mean - halves.mean))} {way} than that."
        )
    else:
        sentences.append("No control was computed for it, so it cannot be said how much of that is the new domain.")
    unknown = _unknown_shares(results)
    return paragraph(*sentences, unknown)


def supervised(results: Results) -> Markdown:
    """How many neurons supervision made avoided or gained, and how their lengths change (rq3)."""
    rows = results.transfer("rq3")
    counts = rows["state"].value_counts()
    shared, avoided, gained = (int(counts.get(state, 0)) for state in ("shared", "avoided", "gained"))
    before = shared + avoided
    both = _shared(rows)
    lost = avoided / before if before else math.nan
    return paragraph(
        f"Of {count(before)} neurons that were preferred before supervision {count(avoided)} ({percent(lost)})"
        f" are avoided after it, in the paper {percent(1 - value('N11', 'shared') / value('N7', 'shared'))};"
        f" {count(gained)} {'is' if gained == 1 else 'are'} gained, in the paper {count(value('N13', 'gained'))}"
        f" of {count(value('N7', 'units'))}.",
        f"Over the {count(shared)} shared ones the mean distance is {distance(both['hellinger'].mean())}.",
        f"Their mean length is {_length(both['length_before'].mean())} features before and {_length(both['length_after'].mean())} after:"
        f" {compared(both['length_before'].mean(), both['length_after'].mean())} (in the paper {compared(1, 1 + value('N17', 'tokens'))});"
        f" in tags {compared(both['tag_length_before'].mean(), both['tag_length_after'].mean())}"
        f" (in the paper {compared(1, 1 + value('N17', 'tags'))}).",
    )


def scores(results: Results) -> HTML:
    """The classifier's scores, with and without the reviews that stand in both splits."""
    rows = results.table("scores")
    frame = pd.DataFrame(
        {
            "split": rows["split"],
            "texts in both splits": rows["shared_texts"],
            "reviews": rows["reviews"].map(count),
            **{name: rows[name].map("{:.3f}".format) for name in ("f1", "precision", "recall", "accuracy")},
        }
    ).rename(columns={"f1": "F1"})
    measures = results.table("corpora")
    shared = int(measures.loc[measures["measure"] == "shared_texts", "value"].sum())
    caption = (
        "Scores of the fine-tuned classifier, of the positive class at threshold 0.5; "
        f"{plural(shared, 'text')} {'stands' if shared == 1 else 'stand'} both in the test split and in another"
    )
    return table(frame, caption, words=["split"])


def states_said(results: Results, question: str) -> Markdown:
    """The counts of preference states, comparison by comparison."""
    counts = state_counts(results.transfer(question))
    lines = [
        f"{arrow(name)}: " + ", ".join(f"{count(number)} {state}" for state, number in row.items())
        for name, row in counts.iterrows()
    ]
    return paragraph("; ".join(lines) + ".")


def _main_comparisons(results: Results) -> tuple[str, str]:
    """Early to before-last, and before-last to last: the paper's 1:48 and 48:49."""
    middle = results.stage("before-last")
    return f"{results.stage('early')}:{middle}", f"{middle}:{results.stage('last')}"


def _shared(rows: pd.DataFrame, comparison: str | None = None) -> pd.DataFrame:
    chosen_rows = rows if comparison is None else rows[rows["comparison"] == comparison]
    return chosen_rows[chosen_rows["state"] == "shared"]


def _length(number: float) -> str:
    return "none" if math.isnan(number) else f"{number:,.1f}"


def _fall(curve: pd.Series, start: float, end: float) -> float:
    """The share by which a measure falls between two epochs."""
    values = curve.reindex([float(start), float(end)])
    return float(1 - values.iloc[1] / values.iloc[0])


def _unknown_shares(results: Results) -> str:
    if not results.has("corpora"):
        return ""
    rows = results.table("corpora")
    rows = rows[rows["measure"] == "unknown_share"]
    said = " and ".join(f"{percent(row.value)} of {row.corpus}" for row in rows.itertuples())
    return f"Words outside the encoder's vocabulary make up {said}." if said else ""
