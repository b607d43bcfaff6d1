"""TX-Ray beside attribution, probing and model diffing on one sentence: what each says, and where they agree.

 attributed_said, probed_said, moved_said  what each of the three says, beside a control
 agreement_table, agreement_said  rank correlations over the sentence's tokens
 ways_table  what each asks, needs and costs

May touch: results, telling, `one_sentence`.
"""

from __future__ import annotations

import math
from itertools import combinations

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.one_sentence import AFTER, BEFORE, SHUFFLED, Sentence, changed_winner, sigmoid
from txray_lib.telling import count, escape, listed, paragraph, percent, plural, table

TWO_SIDED = 1.96
"""Standard deviations within which chance stays in 19 of 20 cases."""


def usual_change(sentence: Sentence) -> dict[str, float]:
    """Of the tokens of other reviews: how far supervision moves a hidden state, "low", "middle" and "high" (5, 50, 95 %)."""
    return {at: sentence.fact(AFTER, f"change_{at}") for at in ("low", "middle", "high")}


def attributed_said(sentence: Sentence) -> Markdown:
    """What of the logit the tokens account for: completeness, the strongest, evaluative words, baselines, shuffled labels."""
    rows, fact = sentence.tokens, sentence.fact
    logit, base, attributed = (fact(AFTER, name) for name in ("logit", "baseline_logit", "attributed"))
    return paragraph(
        f"After the sentence the logit is {_number(logit)} (ŷ = {sigmoid(logit):.3f}); with every token of it replaced by `<unk>` it"
        f" would be {_number(base)}. Integrated gradients divide the difference, {_number(logit - base)}, among the tokens: their"
        f" shares sum to {_number(attributed)}. Occlusions need not sum to it, and give {_number(rows['occluded_after'].sum())}.",
        f"The largest share is that of {_strongest(rows, 'integrated_after')} by gradients and that of"
        f" {_strongest(rows, 'occluded_after')} by occlusion.",
        _feelings(rows),
        _baselines(rows),
        _shuffled_attribution(sentence),
    )


def _feelings(rows: pd.DataFrame) -> str:
    """Whether the evaluative words push as the grammar means them."""
    own = rows[rows["sentiment"] != 0]
    said = [
        f"“{escape(row.token)}”, which is {'positive' if row.sentiment > 0 else 'negative'}, gets {_number(row.integrated_after)}"
        f" and {_number(row.occluded_after)}"
        for row in own.itertuples()
    ]
    against = own[(own["integrated_after"] * own["sentiment"] < 0) & (own["occluded_after"] * own["sentiment"] < 0)]
    return " ".join([f"Of the evaluative words {listed(said)}.", *(_against(row) for _, row in against.iterrows())])


def _against(row: pd.Series) -> str:
    """A word that both methods say pushes against its meaning: what it does in other reviews, and what its labels were."""
    name = f"“{escape(row['token'])}”"
    said = f"Both methods say that here {name} pushes against its meaning in the grammar."
    if not row["elsewhere_reviews"] > 0:
        return f"{said} No other review of this text holds the word, so whether it does so elsewhere is not known."
    where = plural(int(row["elsewhere_reviews"]), "other review")
    elsewhere = row["elsewhere"] * row["sentiment"]
    learned = (
        f"; of the {plural(int(row['labelled']), 'training review')} that hold it {percent(row['positive'])} are positive"
        if row["labelled"] > 0
        else ""
    )
    if elsewhere > 0:
        return (
            f"{said} In {where}, read as far as the classifier reads, its occlusion is {_number(row['elsewhere'])} in the median, as it is"
            f" meant{learned}. So the classifier did not learn the word the wrong way round: it is this text that turns it. An attribution"
            " tells of one text and not of a word."
        )
    return (
        f"{said} So it does in {where}, read as far as the classifier reads, where its occlusion is {_number(row['elsewhere'])} in the"
        f" median{learned}: the attribution tells what this classifier does with the word, which is not what the word means."
    )


def _baselines(rows: pd.DataFrame) -> str:
    """Integrated gradients from another baseline."""
    rho = _rho(rows["integrated_after"], rows["from_zero_after"])
    other = int((rows["integrated_after"] * rows["from_zero_after"] < 0).sum())
    return (
        f"Another baseline is another question: from vectors of zeros instead of `<unk>` {_tokens(other, len(rows))} another sign, and"
        f" the rank correlation of the two is {_number(rho)}."
    )


def _shuffled_attribution(sentence: Sentence) -> str:
    if not sentence.has_control:
        return "This run has no classifier trained on shuffled labels, beside which the shares could be held."
    real, chance = (sentence.tokens[f"integrated_{side}"].abs().sum() for side in (AFTER, SHUFFLED))
    return (
        f"In absolute value the shares come to {real:.2f}; in a classifier fine-tuned on shuffled labels, which has nothing to tell, to"
        f" {chance:.2f}."
    )


def probed_said(sentence: Sentence) -> Markdown:
    """Which tags a probe tells, here and in other reviews, beside the word alone, a control task and the most frequent tag."""
    rows, fact = sentence.tokens, sentence.fact
    told = {side: int((rows[f"told_{side}"] == rows["tag"]).sum()) for side in (BEFORE, AFTER, "word")}
    before, after = ((fact(side, "told"), fact(side, "told_control")) for side in (BEFORE, AFTER))
    return paragraph(
        f"Of the {len(rows)} tags the probe tells {told[BEFORE]} from the hidden states before supervision and {told[AFTER]} after it; the"
        f" word alone, read as the tag that it has most often, tells {told['word']}.",
        f"In {plural(int(fact('probe', 'tested')), 'token')} of other reviews it is {percent(before[0])} before and {percent(after[0])}"
        f" after, against {percent(fact('word', 'told'))} by the word alone and {percent(fact('majority', 'told'))} by always naming"
        " the most frequent tag.",
        f"A probe of the same size, fitted on a control task in which every word was given a tag at random, tells {percent(before[1])}"
        f" and {percent(after[1])} of those: what the probe tells beyond what it could learn word by word, its selectivity, is"
        f" {_points(before)} before and {_points(after)} after.",
        _weakest(rows),
    )


def _weakest(rows: pd.DataFrame) -> str:
    """Where supervision cost the tag most."""
    fall = rows["right_p_before"] - rows["right_p_after"]
    row = rows.loc[fall.idxmax()]
    if fall.max() <= 0:
        return "At no token did supervision cost the tag any probability."
    return (
        f"Supervision cost the tag most at “{escape(row['token'])}”: its probability went from {row['right_p_before']:.3f} to"
        f" {row['right_p_after']:.3f}."
    )


def moved_said(sentence: Sentence) -> Markdown:
    """How far the hidden states moved, beside other reviews and shuffled labels, and whether the moved neurons win."""
    rows, usual = sentence.tokens, usual_change(sentence)
    most = rows.loc[rows["change_after"].idxmax()]
    beyond = int((rows["change_after"] > usual["high"]).sum())
    control = (
        f" Fine-tuning on shuffled labels moves them by {rows['change_shuffled'].median():.2f} in the median, so"
        f" {percent(rows['change_shuffled'].median() / rows['change_after'].median())} of the move needs no sentiment."
        if sentence.has_control
        else " This run has no fine-tuning on shuffled labels to hold beside it."
    )
    winner = (rows["moved_after"] == rows["neuron_before"]) | (rows["moved_after"] == rows["neuron_after"])
    often = rows["moved_after"].value_counts()
    return paragraph(
        f"The hidden states of the sentence moved by {rows['change_after'].median():.2f} in the median and furthest at"
        f" “{escape(most['token'])}”, by {most['change_after']:.2f}; at the tokens of other reviews the middle is {usual['middle']:.2f},"
        f" and one of twenty moves further than {usual['high']:.2f}, here {beyond or 'none'} of {len(rows)}.{control}",
        f"The neuron that moved most is number {often.index[0]} at {plural(int(often.iloc[0]), 'token')};"
        f" at {int(winner.sum()) or 'none'} of {len(rows)} it is one that TX-Ray saw, the winner before or after."
        " TX-Ray sees a neuron only where it wins: what moves below the largest activation it does not see.",
    )


SCORES = {
    "TX-Ray": "distance H of the neuron that wins before",
    "gradients": "integrated gradients, absolute",
    "occlusion": "occlusion, absolute",
    "probing": "tag probability, change",
    "diffing": "distance of the hidden states",
}


def token_scores(sentence: Sentence) -> pd.DataFrame:
    """A row a token, a column a method: how much each finds at the token; NaN where it has nothing to say."""
    rows = sentence.tokens
    distances = sentence.results.transfer("rq3").set_index("neuron")["hellinger"]
    return pd.DataFrame(
        {
            "TX-Ray": rows["neuron_before"].map(distances),
            "gradients": rows["integrated_after"].abs(),
            "occlusion": rows["occluded_after"].abs(),
            "probing": (rows["right_p_after"] - rows["right_p_before"]).abs(),
            "diffing": rows["change_after"],
        }
    ).astype(float)


def correlations(sentence: Sentence) -> pd.DataFrame:
    """[one, other, tokens, rho, bound] for each pair of methods: Spearman's rank correlation over the tokens that both score, and
    within what chance keeps it in 19 of 20 cases, 1.96 / √(tokens − 1)."""
    scores = token_scores(sentence)
    made = []
    for one, other in combinations(scores.columns, 2):
        both = scores[[one, other]].dropna()
        bound = TWO_SIDED / math.sqrt(len(both) - 1) if len(both) > 1 else math.nan
        made.append((one, other, len(both), _rho(both[one], both[other]), min(bound, 1.0)))
    return pd.DataFrame(made, columns=["one", "other", "tokens", "rho", "bound"])


def agreement_table(sentence: Sentence) -> HTML:
    """The rank correlations of `correlations`."""
    rows = correlations(sentence)
    shown = pd.DataFrame(
        {
            "method": rows["one"],
            "and": rows["other"],
            "tokens": rows["tokens"],
            "rank correlation": rows["rho"].map(_number),
            "by chance": [f"±{_plain(bound)}" for bound in rows["bound"]],
        }
    )
    scores = "; ".join(f"{name}: {what}" for name, what in SCORES.items())
    return table(shown, f"Do two methods find the same tokens important? {scores}", words=["method", "and"])


def agreement_said(sentence: Sentence) -> Markdown:
    """Which pairs agree beyond chance, and what so few tokens can show."""
    rows = correlations(sentence)
    clear = rows[rows["rho"].abs() > rows["bound"]]
    named = listed(f"{row.one} and {row.other} ({_number(row.rho)})" for row in clear.itertuples())
    changed = int(changed_winner(sentence.tokens, AFTER).sum())
    return paragraph(
        f"Of {plural(len(rows), 'pair')} {f'{len(clear)} lie' if len(clear) > 1 else 'one lies' if len(clear) else 'none lies'} outside"
        f" what chance gives{f': {named}' if len(clear) else ''}. With {len(rows)} looks, {len(rows) / 20:.1f} would on average, had no"
        " method anything to do with another; and tokens of one sentence are no independent cases.",
        f"TX-Ray's own answer at a token, whether its neuron changed, ranks nothing here: it is yes at {changed} of"
        f" {len(sentence.tokens)}.",
    )


def ways_table(sentence: Sentence) -> HTML:
    """What each method asks, needs, and reads for this sentence."""
    fact, tokens = sentence.fact, len(sentence.tokens)
    read = int(sentence.results.stages.set_index("role").loc["supervised", "tokens"])
    steps, fitted = int(fact(AFTER, "steps")), int(fact("probe", "tokens"))
    both = "two encoders with one start"
    frame = pd.DataFrame(
        [
            (
                "TX-Ray",
                "Which features does each neuron prefer, and did that change?",
                "a text; to say what changed, two stages; no labels, no gradients",
                f"{count(2 * read)} tokens once, for all neurons and sentences",
                "a neuron, over a corpus",
            ),
            (
                "Integrated gradients",
                "What in this text made the output what it is?",
                "an output, its gradients, a baseline; no second model",
                f"{plural(steps, 'reading')} of {tokens} tokens, forwards and backwards",
                "a token, in its text",
            ),
            (
                "Occlusion",
                "What would the output be without this token?",
                "an output, a replacement; no gradients",
                f"{plural(tokens + 1, 'reading')} of {tokens} tokens",
                "a token, in its text",
            ),
            (
                "Probing",
                "What can be read off the hidden states?",
                "labels of what is asked for; a control task",
                f"{count(2 * fitted)} tokens once, and a classifier fitted for each encoder",
                "a property, over a corpus",
            ),
            (
                "Model diffing",
                "Where do two models differ inside?",
                f"{both}, or a map between their units; no labels",
                f"two readings of {tokens} tokens",
                "a hidden state, at a token",
            ),
        ],
        columns=["method", "question", "needs", "reads", "speaks of"],
    )
    return table(frame, "The methods of this page", words=list(frame.columns))


def _rho(one: pd.Series, other: pd.Series) -> float:
    """Spearman's rank correlation; NaN where one side does not vary."""
    ranks = [series.rank() for series in (one, other)]
    if len(one) < 2 or any(r.nunique() < 2 for r in ranks):
        return math.nan
    return float(ranks[0].corr(ranks[1]))


def _strongest(rows: pd.DataFrame, column: str) -> str:
    row = rows.loc[rows[column].abs().idxmax()]
    return f"“{escape(row['token'])}” ({_number(row[column])})"


def _tokens(some: int, every: int) -> str:
    return f"{some or 'none'} of {every} tokens {'gets' if some < 2 else 'get'}"


def _points(told: tuple[float, float]) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * (told[0] - told[1]):.1f} percentage points".replace("-", "−")


def _number(value: float) -> str:
    """A signed number to two digits."""
    return "not defined" if math.isnan(value) else f"{value:+.2f}".replace("-", "−")


def _plain(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.2f}"
