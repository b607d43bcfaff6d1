"""One sentence, read as the stages read it and by three other methods: probing, attribution, the difference of two models.

May touch: corpora, encoders, preferences, probe. Only generated text comes here, since the sentence is published.

The sentence is read where it stands: the encoder has read its review from the start, and the classifier's logit is taken
after the sentence's last token, as if the review ended there.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.encoders.lstm import Classifier, Encoder, State, exact_products
from txray_lib.preferences import NOBODY
from txray_lib.probe import by_word, fit, majority, random_tags, read_activations, split_by_block

SHORTEST, LONGEST = 8, 14
SPLIT = "test"
LARGEST = 5
"""Activations of a token that are kept: enough to see the largest one being taken."""

BEFORE, AFTER = "before", "after"
"""Encoders in the columns of the tables: pretrained; fine-tuned on the labels."""

Output = Callable[[Tensor], Tensor]
"""From vectors of tokens, (batch, tokens, size), to a number of each text, (batch,)."""
Facts = list[tuple[str, str, float]]
"""Numbers of a whole, gathered on the way: (side, measure, value)."""


@dataclass(frozen=True)
class Sentence:
    """The tokens numbered from `start` to before `stop` of a document."""

    document: Document
    start: int
    stop: int

    @property
    def tokens(self) -> tuple[str, ...]:
        return self.document.tokens[self.start : self.stop]

    @property
    def tags(self) -> tuple[str, ...]:
        return (self.document.tags or self.document.gold or ())[self.start : self.stop]


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


def integrated_gradients(output: Output, tokens: Tensor, baseline: Tensor, steps: int = 256) -> Tensor:
    """The share of each token in output(tokens) − output(baseline), (tokens,), from the gradient summed along the straight
    path between them, at the middles of `steps` equal parts. The shares sum to that difference, up to an error that falls with
    the square of `steps`.

    tokens, baseline  vectors (tokens, size)
    """
    at = ((torch.arange(steps, dtype=tokens.dtype) + 0.5) / steps)[:, None, None]
    path = (baseline + at * (tokens - baseline)).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(output(path).sum(), path)
    return ((tokens - baseline) * gradient.mean(dim=0)).sum(dim=-1).detach()


@torch.no_grad()
def occlusion(output: Output, tokens: Tensor, baseline: Tensor) -> Tensor:
    """output(tokens) less the output with one token replaced by its baseline, for each token, (tokens,).

    tokens, baseline  vectors (tokens, size)
    """
    batch = tokens.repeat(len(tokens) + 1, 1, 1)
    each = torch.arange(len(tokens))
    batch[each, each] = baseline
    values = output(batch)
    return values[-1] - values[:-1]


def sentence_tables(
    sentence: Sentence,
    corpus: Corpus,
    vocabulary: Vocabulary,
    sentiment: Mapping[str, int],
    models: Mapping[str, Encoder | Classifier],
    tokens: int,
    seed: int,
    max_tokens: int,
    device: str = "cpu",
) -> dict[str, pd.DataFrame]:
    """The tables `sentence` (a row a token), `sentence_activations` (the largest ones), `sentence_facts` (of a whole).

    corpus      the tagged text of the target stages, on whose other blocks probes are fitted and shares are taken
    sentiment   of each lower-cased word, 1, −1 or 0
    models      the encoder "before", the classifier "after" and, where there is one, the classifier "shuffled"; they are
                left on the CPU, in evaluation mode
    tokens      on which a probe is fitted; at most half of what the other blocks have
    max_tokens  of a review that the classifier reads
    """
    exact_products()
    models = {name: model.cpu().eval() for name, model in models.items()}
    encoders = {name: getattr(model, "encoder", model) for name, model in models.items()}
    states = {name: _states(encoder, sentence, vocabulary) for name, encoder in encoders.items()}
    table, facts = _text(sentence, vocabulary, sentiment), Facts()
    for name, rows in states.items():
        table = table.join(_winners(rows).add_suffix(f"_{name}"))
    tuned = [name for name in models if name != BEFORE]
    for name in tuned:
        table = table.join(_attributed(models[name], sentence, vocabulary, name, max_tokens, facts))
        moved = states[name] - states[BEFORE]
        table[f"change_{name}"] = moved.norm(dim=1).numpy()
        table[f"moved_{name}"] = moved.abs().argmax(dim=1).numpy()
    others = Corpus(corpus.name, tuple(d for d in corpus if d.block != sentence.document.block and len(d)))
    parts = split_by_block(others, min(tokens, others.token_count // 2), seed)
    read = {name: [read_activations(e, p, vocabulary, device) for p in parts] for name, e in encoders.items()}
    table = table.join(_probed(read, states, parts, sentence, vocabulary, seed, facts))
    for name in tuned:
        old, new = read[BEFORE][1], read[name][1]
        facts.append((name, "change_middle", float(np.median((new - old).norm(dim=1).numpy()))))
        facts.append((name, "other_winner", float((_winners(old)["neuron"] != _winners(new)["neuron"]).mean())))
    return {
        "sentence": table,
        "sentence_activations": pd.concat([_largest(r, n) for n, r in states.items()], ignore_index=True),
        "sentence_facts": pd.DataFrame(facts, columns=["side", "measure", "value"]),
    }


def _ids(tokens: Sequence[str], vocabulary: Vocabulary) -> Tensor:
    return torch.from_numpy(vocabulary.encode(tokens).astype(np.int64))


@torch.no_grad()
def _states(encoder: Encoder, sentence: Sentence, vocabulary: Vocabulary) -> Tensor:
    """Activations at the sentence's tokens, (tokens, units)."""
    ids = _ids(sentence.document.tokens[: sentence.stop], vocabulary)
    return encoder(ids.unsqueeze(0))[0][0, sentence.start :]


def _text(sentence: Sentence, vocabulary: Vocabulary, sentiment: Mapping[str, int]) -> pd.DataFrame:
    """What stands there, and where: the document's name and label, the token's position in it."""
    return pd.DataFrame(
        {
            "document": sentence.document.name,
            "position": np.arange(sentence.start, sentence.stop),
            "token": list(sentence.tokens),
            "feature": [vocabulary.seen(token) for token in sentence.tokens],
            "tag": list(sentence.tags),
            "sentiment": [int(sentiment.get(token.lower(), 0)) for token in sentence.tokens],
            "y": -1 if sentence.document.label is None else sentence.document.label,
        }
    )


def _ranked(states: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Activations (tokens, units) and their neurons, the largest first and the lowest of equal ones before the others."""
    value, neuron = (-states).sort(dim=1, stable=True)
    return -value.numpy(), neuron.numpy()


def _winners(states: Tensor) -> pd.DataFrame:
    """The largest activation of each token with its neuron, nobody's where it is not positive, and the second."""
    value, neuron = _ranked(states)
    winner = np.where(value[:, 0] > 0, neuron[:, 0], NOBODY)
    columns = {"neuron": winner, "activation": value[:, 0], "second": neuron[:, 1], "second_activation": value[:, 1]}
    return pd.DataFrame(columns)


def _largest(states: Tensor, side: str) -> pd.DataFrame:
    """The largest activations of each token: token (from 0), rank (from 1), neuron, activation, side."""
    value, neuron = (part[:, :LARGEST] for part in _ranked(states))
    token, rank = (index.ravel() for index in np.indices(value.shape))
    columns = {"token": token, "rank": rank + 1, "neuron": neuron.ravel(), "activation": value.ravel()}
    return pd.DataFrame(columns).assign(side=side)


def _attributed(
    classifier: Classifier, sentence: Sentence, vocabulary: Vocabulary, name: str, max_tokens: int, facts: Facts
) -> pd.DataFrame:
    """What of the logit after the sentence each of its tokens accounts for, by two methods with the baseline `<unk>`, and by
    the first with a baseline of zeros."""
    classifier = copy.deepcopy(classifier).double().requires_grad_(False)
    encoder, document = classifier.encoder, sentence.document
    state: State | None = None
    if sentence.start:
        state = encoder(_ids(document.tokens[: sentence.start], vocabulary).unsqueeze(0))[1]

    def output(vectors: Tensor) -> Tensor:
        start = None if state is None else tuple(part.expand(-1, len(vectors), -1).contiguous() for part in state)
        return classifier.logits(encoder.lstm(vectors, start)[0][:, -1])

    tokens = encoder.embedding(_ids(sentence.tokens, vocabulary))
    baseline = encoder.embedding(torch.tensor(vocabulary.unknown)).expand_as(tokens)
    review = _ids(document.tokens[:max_tokens], vocabulary)
    facts += [
        (name, "logit", float(output(tokens.unsqueeze(0)))),
        (name, "baseline_logit", float(output(baseline.unsqueeze(0)))),
        (name, "review_logit", float(classifier.logits(encoder(review.unsqueeze(0))[0][:, -1]))),
    ]
    columns = {
        "integrated": integrated_gradients(output, tokens, baseline),
        "from_zero": integrated_gradients(output, tokens, torch.zeros_like(tokens)),
        "occluded": occlusion(output, tokens, baseline),
    }
    return pd.DataFrame({f"{column}_{name}": values.numpy() for column, values in columns.items()})


def _probed(
    read: Mapping[str, list[Tensor]],
    states: Mapping[str, Tensor],
    parts: tuple[Corpus, Corpus],
    sentence: Sentence,
    vocabulary: Vocabulary,
    seed: int,
    facts: Facts,
) -> pd.DataFrame:
    """The tag that the word alone tells at each token, and how probable a linear probe finds the right one before and after."""
    tags = [np.array([t for d in part for t in d.tags or ()], dtype=object) for part in parts]
    words = [np.concatenate([vocabulary.encode(d.tokens) for d in part]) for part in parts]
    task = random_tags(np.concatenate(words), tags[0], seed)
    drawn = [np.array([task[int(word)] for word in each], dtype=object) for each in words]
    columns = {"told_word": by_word(words[0], tags[0], vocabulary.encode(sentence.tokens))}
    for name in (BEFORE, AFTER):
        fitted, control = fit(read[name][0], tags[0]), fit(read[name][0], drawn[0])
        facts.append((name, "told", float((fitted.tell(read[name][1]) == tags[1]).mean())))
        facts.append((name, "told_control", float((control.tell(read[name][1]) == drawn[1]).mean())))
        probabilities = pd.DataFrame(fitted.probabilities(states[name]), columns=fitted.names)
        columns[f"right_p_{name}"] = [
            probabilities[tag][at] if tag in probabilities else 0.0 for at, tag in enumerate(sentence.tags)
        ]
    facts.append(("word", "told", float((by_word(words[0], tags[0], words[1]) == tags[1]).mean())))
    facts.append(("majority", "told", float((majority(tags[0], len(tags[1])) == tags[1]).mean())))
    facts.append(("probe", "tested", float(len(tags[1]))))
    return pd.DataFrame(columns)
