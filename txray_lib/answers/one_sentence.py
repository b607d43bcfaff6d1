"""One sentence of a generated review: what it is, its largest activations, its records (§2.1).

 open_sentence  the tables of a run's sentence; None where it has none, which `no_sentence` says

Tables, made by `txray_lib.sentence`:
 sentence              a row a token: position (in its review), token, feature, tag, sentiment, document, block, y; for each side
                       neuron, activation, second, second_activation; told_, told_p_, right_p_ of a probe; for the classifiers
                       integrated_, from_zero_, occluded_, change_, moved_, moved_by_;
                       of evaluative words labelled (training reviews that hold it), positive (share of these), elsewhere (median
                       occlusion in other reviews), elsewhere_reviews
 sentence_activations  side, token, rank, neuron, activation
 sentence_facts        side, measure, value
Sides: before (zero-shot), after (supervised), shuffled (fine-tuned on shuffled labels; not in every run).

May touch: errors, preferences, results, telling, charts (names).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.figures.sentence import SIDES
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY
from txray_lib.results import Results, list_results, open_results
from txray_lib.telling import count, escape, listed, paragraph, percent, plural, quoted, table

BEFORE, AFTER, SHUFFLED = "before", "after", "shuffled"
_ORDINALS = ("largest", "second", "third", "fourth", "fifth")
_SIGNS = {1: "positive", -1: "negative", 0: ""}
_LABELS = {1: "positive", 0: "negative", -1: "unlabelled"}


@dataclass(frozen=True)
class Sentence:
    """A run's sentence: its tokens, their largest activations, and numbers of the whole."""

    results: Results
    tokens: pd.DataFrame
    activations: pd.DataFrame

    @cached_property
    def _facts(self) -> dict[tuple[str, str], float]:
        rows = self.results.table("sentence_facts")
        return {(row.side, row.measure): float(row.value) for row in rows.itertuples()}

    def fact(self, side: str, measure: str) -> float:
        """A number of the whole; NaN where the run has none."""
        return self._facts.get((side, measure), math.nan)

    @property
    def sides(self) -> list[str]:
        """before, after and, where there is that control, shuffled."""
        return [side for side in SIDES if f"neuron_{side}" in self.tokens]

    @property
    def has_control(self) -> bool:
        """Whether a classifier fine-tuned on shuffled labels read it too."""
        return SHUFFLED in self.sides

    def names(self, rows: pd.DataFrame) -> str:
        """Tokens of some rows in quotation marks, escaped."""
        return quoted(rows["token"])


def open_sentence(data: str) -> Sentence | None:
    """The sentence of a profile's tables; None where there are no such tables, or none with a sentence."""
    if data not in list_results():
        return None
    results = open_results(data)
    if not results.has("sentence") or results.table("sentence").empty:
        return None
    return Sentence(results, results.table("sentence"), results.table("sentence_activations"))


def no_sentence(data: str) -> Markdown:
    """That there is no sentence to show, and what would make one."""
    return paragraph(
        f"The tables of the profile {escape(data)} hold no sentence, so this page has no numbers: a run on generated worlds such"
        " as demo keeps one (`txray run demo`), a run on real text does not, since its text must not be published."
    )


def sentence_chosen(sentence: Sentence) -> Markdown:
    """The sentence, the rule that took it, and where it stands."""
    rows, fact = sentence.tokens, sentence.fact
    first = rows.iloc[0]
    unknown = int((rows["feature"] == "<unk>").sum())
    feeling = [f"“{escape(row.token)}” is {_SIGNS[row.sentiment]}" for row in rows.itertuples() if row.sentiment]
    said = " ".join(escape(token) for token in rows["token"])
    return paragraph(
        f"**{said}**\n\nNobody chose this sentence for what it shows. It is the first one, in the text that the stages read, that"
        f" stands in a test review, has {fact('rule', 'shortest'):.0f} to {fact('rule', 'longest'):.0f} tokens, holds a word that"
        " carries sentiment in the grammar of the world, and has as few words unknown to the encoder as any of these"
        f" ({unknown or 'none'} here). It has {plural(len(rows), 'token')} and stands after {plural(int(first['position']), 'token')}"
        f" of the {_LABELS[int(first['y'])]} review {escape(first['document'])}, which the encoder has read when it comes to it.",
        f"By the grammar, {listed(feeling)}.",
    )


def activations_table(sentence: Sentence, side: str, most: int = 5) -> HTML:
    """The largest activations of each token, neuron and value, largest first."""
    if not 1 <= most <= len(_ORDINALS):
        raise TxrayError(
            f"{most} activations were asked for: a run keeps the {len(_ORDINALS)} largest, so choose 1 to 5"
        )
    rows = sentence.activations[sentence.activations["side"] == side]
    shown = pd.DataFrame({"": range(1, len(sentence.tokens) + 1), "token": [(t,) for t in sentence.tokens["token"]]})
    for rank, name in enumerate(_ORDINALS[: min(most, int(rows["rank"].max()))], 1):
        own = rows[rows["rank"] == rank].sort_values("token")
        shown[name] = [f"{row.neuron}: {row.activation:.3f}" for row in own.itertuples()]
    units = int(sentence.results.stages["neurons"].max())
    return table(shown, f"{SIDES[side].capitalize()}: neuron and activation, of {count(units)} neurons at each token")


def margins_said(sentence: Sentence, side: str = BEFORE) -> Markdown:
    """By how much the winners win."""
    rows = sentence.tokens
    margin = rows[f"activation_{side}"] - rows[f"second_activation_{side}"]
    least = rows.loc[margin.idxmin()]
    return paragraph(
        f"The largest activation is kept and all others are dropped, by whatever margin it won: here by {margin.median():.3f} in"
        f" the median, and at “{escape(least['token'])}” by {_small(margin.min())}. There, neuron {least[f'second_{side}']} was"
        f" excited almost as much as neuron {least[f'neuron_{side}']}, and the method gives it nothing."
    )


def records_table(sentence: Sentence, side: str) -> HTML:
    """The sentence's rows of the paper's matrix M at a stage (§2.1, step 1)."""
    rows = sentence.tokens
    shown = pd.DataFrame(
        {
            "layer": 0,
            "feature": [(f,) for f in rows["feature"]],
            "tag": rows["tag"],
            "neuron": [_neuron(n) for n in rows[f"neuron_{side}"]],
            "max activation": rows[f"activation_{side}"].map("{:.3f}".format),
            "ŷ": f"{review_prediction(sentence, side):.3f}" if side != BEFORE else "",
            "y": rows["y"].map(lambda y: "" if y < 0 else y),
        }
    )
    where = f"{rows['document'].iloc[0]}, block {rows['block'].iloc[0]}"
    return table(shown, f"Records of the sentence, {SIDES[side]}; document {where}", words=["tag"])


def records_said(sentence: Sentence) -> Markdown:
    """How many records, of how many neurons, and whose ŷ they carry."""
    rows = sentence.tokens
    sizes = [rows.loc[rows[f"neuron_{side}"] != NOBODY, f"neuron_{side}"].nunique() for side in (BEFORE, AFTER)]
    here, whole = sigmoid(sentence.fact(AFTER, "logit")), review_prediction(sentence, AFTER)
    return paragraph(
        f"{plural(len(rows), 'token')}, {plural(len(rows), 'record')} at either stage: {plural(sizes[0], 'neuron')} before,"
        f" {plural(sizes[1], 'neuron')} after. ŷ is that of the whole review, {whole:.3f}, and is the same in all its records; if the"
        f" review ended with this sentence it would be {here:.3f}. The pretrained encoder has no classifier and no ŷ."
    )


def winners_said(sentence: Sentence) -> Markdown:
    """How many tokens another neuron wins after supervision, beside other reviews and beside shuffled labels."""
    rows, fact = sentence.tokens, sentence.fact
    changed = changed_winner(rows, AFTER)
    usual = (
        f"In {plural(int(fact('probe', 'tested')), 'token')} of other reviews supervision gives"
        f" {percent(fact(AFTER, 'other_winner'))} to another neuron"
    )
    control = (
        f"; fine-tuning on shuffled labels, from which nothing about sentiment can be learned, gives"
        f" {percent(fact(SHUFFLED, 'other_winner'))}, and in the sentence"
        f" {int(changed_winner(rows, SHUFFLED).sum())} of {len(rows)}"
        if sentence.has_control
        else ", and this run has no fine-tuning on shuffled labels to hold beside it"
    )
    return paragraph(
        f"After supervision {_of(int(changed.sum()), len(rows))} another winner. {usual}{control}.",
        "That a token changed its neuron is therefore no finding by itself."
        if sentence.has_control and fact(SHUFFLED, "other_winner") > 0.5 * fact(AFTER, "other_winner")
        else "",
    )


def changed_winner(rows: pd.DataFrame, side: str) -> pd.Series:
    """Whether another neuron wins each token than before."""
    return rows[f"neuron_{BEFORE}"] != rows[f"neuron_{side}"]


def review_prediction(sentence: Sentence, side: str) -> float:
    """ŷ of the whole review."""
    return sigmoid(sentence.fact(side, "review_logit"))


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _of(some: int, every: int) -> str:
    return (
        f"all {every} tokens have"
        if some == every
        else f"{some or 'none'} of {every} tokens {'has' if some < 2 else 'have'}"
    )


def _neuron(number: int) -> str:
    return "nobody" if number == NOBODY else str(number)


def _small(number: float) -> str:
    return f"{number:.3f}" if number >= 0.0005 else "less than 0.001"
