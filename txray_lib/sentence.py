"""One sentence, read as the stages read it and by three other methods: what the pages on one sentence are told from.

A room of the computing half; may touch: corpora, training, preferences, slots, probe, attribution. Only generated text comes
here, since the sentence is published.

 pick_sentence    a sentence of a review, by a rule
 sentence_tables  `sentence` (a row a token), `sentence_activations` (the largest ones), `sentence_facts` (numbers of a whole)

The sentence is read where it stands: the encoder has read its review from the start, and the classifier's logit is taken
after the sentence's last token, as if the review ended there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from txray_lib.attribution import STEPS, Output, integrated_gradients, occlusion
from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.encoders.encoded import padded
from txray_lib.encoders.lstm import Classifier, Encoder, State, exact_products
from txray_lib.preferences import NOBODY
from txray_lib.probe import by_word, fit, majority, random_tags, read_activations, split_by_block

SHORTEST, LONGEST = 8, 14
SPLIT = "test"
ELSEWHERE = 200
"""Other reviews in which a word is occluded, at most."""
LARGEST = 5
"""Activations of a token that are kept: enough to see the largest one being taken."""
QUANTILES = {"low": 0.05, "middle": 0.5, "high": 0.95}

BEFORE, AFTER = "before", "after"
"""Encoders in the columns of the tables: pretrained; fine-tuned on the labels."""


@dataclass(frozen=True)
class Sentence:
    """The tokens numbered from `start` to before `stop` of a document."""

    document: Document
    start: int
    stop: int

    @property
    def tokens(self) -> tuple[str, ...]:
        return self.document.tokens[self.start : self.stop]


def pick_sentence(
    corpus: Corpus, vocabulary: Vocabulary, sentiment: Mapping[str, int], max_tokens: int
) -> Sentence | None:
    """The first sentence of 8 to 14 tokens, of a test document, that holds an evaluative word and as few unknown words as
    any such sentence does. None where there is none.

    sentiment   of each lower-cased word, 1, −1 or 0
    max_tokens  of a document that the classifier reads: the sentence ends within them
    """
    found = [
        Sentence(document, start, stop)
        for document in corpus.split(SPLIT)
        for start, stop in zip(document.sentences, (*document.sentences[1:], len(document)), strict=True)
        if SHORTEST <= stop - start <= LONGEST
        and stop <= max_tokens
        and any(sentiment.get(token.lower()) for token in document.tokens[start:stop])
    ]
    return min(found, key=lambda s: int((vocabulary.encode(s.tokens) == vocabulary.unknown).sum()), default=None)


def sentence_tables(
    sentence: Sentence,
    corpus: Corpus,
    vocabulary: Vocabulary,
    words: pd.DataFrame,
    training: Corpus,
    models: Mapping[str, Encoder | Classifier],
    tokens: int,
    seed: int,
    max_tokens: int,
    device: str = "cpu",
) -> dict[str, pd.DataFrame]:
    """The three tables of a sentence.

    corpus      the tagged text of the target stages, on whose other blocks probes are fitted and shares are taken
    words       [word, sentiment] of the generated world
    training    the labelled documents that the classifier was fine-tuned on
    models      the encoder "before", the classifier "after" and, where there is one, the classifier "shuffled"; they are
                left on the CPU, in evaluation mode
    tokens      on which a probe is fitted; at most half of what the other blocks have
    max_tokens  of a review that the classifier reads

    The columns of the tables stand in `answers.one_sentence`.
    """
    exact_products()
    models = {name: model.cpu().eval() for name, model in models.items()}
    changed = [name for name in models if name != BEFORE]
    states = {name: _states(_encoder(model), sentence, vocabulary) for name, model in models.items()}
    table, facts = _text(sentence, vocabulary, words), _Facts()
    for name, rows in states.items():
        table = table.join(_winners(rows).add_suffix(f"_{name}"))
    for name, model in models.items():
        if isinstance(model, Classifier):
            table = table.join(_attributed(model, sentence, vocabulary, name, max_tokens, facts))
    for name in changed:
        table = table.join(_changed(states[BEFORE], states[name]).add_suffix(f"_{name}"))
    others = Corpus(corpus.name, tuple(d for d in corpus if d.block != sentence.document.block and len(d)))
    table = table.join(_labelled(table, training, vocabulary))
    if isinstance(tuned := models.get(AFTER), Classifier):
        table = table.join(_elsewhere(table, tuned, others, vocabulary, max_tokens))
    parts = split_by_block(others, min(tokens, others.token_count // 2), seed)
    read = {n: [read_activations(_encoder(m), p, vocabulary, device) for p in parts] for n, m in models.items()}
    table = table.join(_probed(read, states, parts, sentence, vocabulary, seed, facts))
    for name in changed:
        _usual(read[BEFORE][1], read[name][1], name, facts)
    largest = pd.concat([_largest(rows).assign(side=name) for name, rows in states.items()], ignore_index=True)
    return {"sentence": table, "sentence_activations": largest, "sentence_facts": facts.table()}


class _Facts:
    """Numbers of a whole, gathered on the way: [side, measure, value]."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, float]] = []

    def add(self, side: str, **values: float) -> None:
        self._rows += [(side, measure, float(value)) for measure, value in values.items()]

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self._rows, columns=["side", "measure", "value"])


def _encoder(model: Encoder | Classifier) -> Encoder:
    return model.encoder if isinstance(model, Classifier) else model


def _ids(sentence: Sentence, vocabulary: Vocabulary) -> Tensor:
    """Of the document up to the sentence's end, (stop,)."""
    return torch.from_numpy(vocabulary.encode(sentence.document.tokens[: sentence.stop]).astype(np.int64))


@torch.no_grad()
def _states(encoder: Encoder, sentence: Sentence, vocabulary: Vocabulary) -> Tensor:
    """Activations at the sentence's tokens, (tokens, units)."""
    return encoder(_ids(sentence, vocabulary).unsqueeze(0))[0][0, sentence.start :]


def _text(sentence: Sentence, vocabulary: Vocabulary, words: pd.DataFrame) -> pd.DataFrame:
    """What stands there: position, token, feature, tag, sentiment, and of which document."""
    document, where = sentence.document, slice(sentence.start, sentence.stop)
    features = [vocabulary.seen(token) for token in sentence.tokens]
    sentiment = words.set_index("word")["sentiment"].to_dict()
    return pd.DataFrame(
        {
            "position": np.arange(sentence.start, sentence.stop),
            "token": list(sentence.tokens),
            "feature": features,
            "tag": list((document.tags or document.gold or ())[where]),
            "sentiment": [int(sentiment.get(token.lower(), 0)) for token in sentence.tokens],
            "document": document.name,
            "block": document.block,
            "y": -1 if document.label is None else document.label,
        }
    )


def _winners(states: Tensor) -> pd.DataFrame:
    """The largest activation of each token with its neuron, the lowest of equal ones, and the second."""
    order = (-states).sort(dim=1, stable=True)
    neuron, value = order.indices[:, :2].numpy(), -order.values[:, :2].numpy()
    table = pd.DataFrame({"neuron": neuron[:, 0], "activation": value[:, 0], "second": neuron[:, 1]})
    table["second_activation"] = value[:, 1]
    table.loc[table["activation"] <= 0, "neuron"] = NOBODY
    return table


def _largest(states: Tensor) -> pd.DataFrame:
    """The largest activations of each token: token (from 0), rank (from 1), neuron, activation."""
    order = (-states).sort(dim=1, stable=True)
    kept = min(LARGEST, states.shape[1])
    return pd.DataFrame(
        {
            "token": np.repeat(np.arange(len(states)), kept),
            "rank": np.tile(np.arange(1, kept + 1), len(states)),
            "neuron": order.indices[:, :kept].numpy().ravel(),
            "activation": -order.values[:, :kept].numpy().ravel(),
        }
    )


def _attributed(
    classifier: Classifier, sentence: Sentence, vocabulary: Vocabulary, name: str, max_tokens: int, facts: _Facts
) -> pd.DataFrame:
    """What of the logit after the sentence each of its tokens accounts for, by two methods with the baseline `<unk>`, and by
    the first with a baseline of zeros."""
    classifier = copy.deepcopy(classifier).double().requires_grad_(False)
    ids = _ids(sentence, vocabulary)
    state, before = _read_to(classifier, ids[: sentence.start])
    embedding = classifier.encoder.embedding
    tokens, baseline = embedding(ids[sentence.start :]), embedding(torch.tensor(vocabulary.unknown))
    baselines = baseline.expand_as(tokens)
    output = _logit_after(classifier, state)
    gradients, occluded = integrated_gradients(output, tokens, baselines), occlusion(output, tokens, baselines)
    from_zero = integrated_gradients(output, tokens, torch.zeros_like(tokens))
    whole = vocabulary.encode(sentence.document.tokens[:max_tokens]).astype(np.int64)
    facts.add(
        name,
        logit=output(tokens.unsqueeze(0)),
        baseline_logit=output(baselines.unsqueeze(0)),
        logit_before=before,
        attributed=gradients.sum(),
        steps=STEPS,
        review_logit=_read_to(classifier, torch.from_numpy(whole))[1],
    )
    columns = {"integrated": gradients, "from_zero": from_zero, "occluded": occluded}
    return pd.DataFrame({f"{column}_{name}": values.numpy() for column, values in columns.items()})


def _read_to(classifier: Classifier, ids: Tensor) -> tuple[State | None, float]:
    """The state after some ids (tokens,), None before the first, and the logit there."""
    if not len(ids):
        zero = torch.zeros(1, classifier.encoder.units, dtype=classifier.output.weight.dtype)
        return None, float(classifier.logits(zero))
    activations, state = classifier.encoder(ids.unsqueeze(0))
    return state, float(classifier.logits(activations[:, -1]))


def _logit_after(classifier: Classifier, state: State | None) -> Output:
    """Vectors of the sentence's tokens, (batch, tokens, size), to the logit after the last one, (batch,)."""

    def output(vectors: Tensor) -> Tensor:
        start = None if state is None else tuple(part.expand(-1, len(vectors), -1).contiguous() for part in state)
        activations, _ = classifier.encoder.lstm(vectors, start)
        return classifier.logits(activations[:, -1])

    return output


def _labelled(table: pd.DataFrame, training: Corpus, vocabulary: Vocabulary) -> pd.DataFrame:
    """In how many training documents each evaluative word stands, and what share of these is positive; NaN for other words."""
    found = {word: np.zeros(2) for word in table.loc[table["sentiment"] != 0, "feature"]}
    for document in training:
        for word in found.keys() & {vocabulary.seen(token) for token in document.tokens}:
            found[word] += (1, document.label or 0)
    counts = np.array([found.get(word, (np.nan, np.nan)) for word in table["feature"]])
    share = np.divide(counts[:, 1], counts[:, 0], out=np.full(len(counts), np.nan), where=counts[:, 0] > 0)
    return pd.DataFrame({"labelled": counts[:, 0], "positive": share})


@torch.no_grad()
def _elsewhere(
    table: pd.DataFrame, classifier: Classifier, others: Corpus, vocabulary: Vocabulary, max_tokens: int
) -> pd.DataFrame:
    """The occlusion of each evaluative word in other reviews, of the logit after the whole review: its median, and in how many
    reviews; NaN for other words. Every place where the word stands in a review is replaced at once."""
    texts = [torch.from_numpy(vocabulary.encode(d.tokens[:max_tokens]).astype(np.int64)) for d in others]
    medians, counts = np.full(len(table), np.nan), np.full(len(table), np.nan)
    for at, (word, sentiment) in enumerate(zip(table["feature"], table["sentiment"], strict=True)):
        if not sentiment:
            continue
        own = int(vocabulary.encode([word])[0])
        held = [ids for ids in texts if own in ids][:ELSEWHERE]
        without = [torch.where(ids == own, vocabulary.unknown, ids) for ids in held]
        counts[at] = len(held)
        if held:
            logits = [_last_logits(classifier, part) for part in (held, without)]
            medians[at] = np.median((logits[0] - logits[1]).numpy())
    return pd.DataFrame({"elsewhere": medians, "elsewhere_reviews": counts})


def _last_logits(classifier: Classifier, texts: Sequence[Tensor]) -> Tensor:
    """The logits after texts of ids, (texts,)."""
    ids, lengths = padded([text.numpy() for text in texts])
    return classifier(ids, lengths)


def _changed(before: Tensor, after: Tensor) -> pd.DataFrame:
    """How far the hidden state of each token lies from what it was, and the neuron that differs most, by how much."""
    moved = after - before
    neuron = moved.abs().argmax(dim=1)
    by = moved.gather(1, neuron.unsqueeze(1)).squeeze(1)
    return pd.DataFrame({"change": moved.norm(dim=1).numpy(), "moved": neuron.numpy(), "moved_by": by.numpy()})


def _winner(states: Tensor) -> Tensor:
    """The neuron that each token goes to, (tokens,); nobody's where none is excited."""
    largest, neuron = states.max(dim=1)
    return neuron.where(largest > 0, NOBODY)


def _usual(before: Tensor, after: Tensor, name: str, facts: _Facts) -> None:
    """What is usual at the tokens of other reviews: (tokens, units) each."""
    distance = (after - before).norm(dim=1).numpy()
    facts.add(name, **{f"change_{at}": np.quantile(distance, q) for at, q in QUANTILES.items()})
    facts.add(name, other_winner=(_winner(before) != _winner(after)).double().mean())


def _probed(
    read: Mapping[str, list[Tensor]],
    states: Mapping[str, Tensor],
    parts: tuple[Corpus, Corpus],
    sentence: Sentence,
    vocabulary: Vocabulary,
    seed: int,
    facts: _Facts,
) -> pd.DataFrame:
    """The tag that a linear probe reads at each token before and after, and what the word alone tells."""
    tags = [np.array([t for d in part for t in d.tags or ()], dtype=object) for part in parts]
    words = [np.concatenate([vocabulary.encode(d.tokens) for d in part]) for part in parts]
    own = np.array((sentence.document.tags or ())[sentence.start : sentence.stop], dtype=object)
    here = vocabulary.encode(sentence.tokens)
    task = random_tags(np.concatenate(words), tags[0], seed)
    drawn = [np.array([task[int(w)] for w in each], dtype=object) for each in words]
    columns: dict[str, Any] = {"told_word": by_word(words[0], tags[0], here)}
    for name in (BEFORE, AFTER):
        fitted, control = fit(read[name][0], tags[0]), fit(read[name][0], drawn[0])
        facts.add(name, told=(fitted.tell(read[name][1]) == tags[1]).mean())
        facts.add(name, told_control=(control.tell(read[name][1]) == drawn[1]).mean())
        p = fitted.probabilities(states[name])
        columns |= {f"told_{name}": fitted.tell(states[name]), f"told_p_{name}": p.max(axis=1)}
        right = {tag: i for i, tag in enumerate(fitted.names)}
        columns[f"right_p_{name}"] = [row[right[tag]] if tag in right else 0.0 for row, tag in zip(p, own, strict=True)]
    facts.add("word", told=(by_word(words[0], tags[0], words[1]) == tags[1]).mean())
    facts.add("majority", told=(majority(tags[0], len(tags[1])) == tags[1]).mean())
    facts.add("rule", shortest=SHORTEST, longest=LONGEST)
    facts.add("probe", tokens=len(tags[0]), tested=len(tags[1]))
    return pd.DataFrame(columns)
