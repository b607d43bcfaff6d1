"""One sentence by four methods: attribution by hand and as a law, the sentence as the stages read it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from txray_lib.collection import collect
from txray_lib.corpora import Corpus, Document
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.one_sentence import integrated_gradients, occlusion, pick_sentence, sentence_tables
from txray_lib.preferences import NOBODY

SENTIMENT = {"great": 1, "terrible": -1}
GREAT = "the river runs the great film runs ."


def test_attributions_of_a_linear_output_are_its_terms_and_a_product_is_halved_or_lost_twice():
    weights = torch.tensor([[2.0, -1.0], [0.5, 4.0]])
    tokens, baseline = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    def linear(vectors: torch.Tensor) -> torch.Tensor:
        return (vectors * weights).sum(dim=(1, 2)) + 7

    def product(vectors: torch.Tensor) -> torch.Tensor:
        return vectors[:, 0, 0] * vectors[:, 1, 0]

    wanted = [2 * (1 - 1) - 1 * (2 - 0), 0.5 * (3 - 0) + 4 * (0 - 1)]
    assert integrated_gradients(linear, tokens, baseline, steps=1).tolist() == pytest.approx(wanted)
    assert occlusion(linear, tokens, baseline).tolist() == pytest.approx(wanted)
    pair, zeros = torch.tensor([[3.0], [4.0]]), torch.zeros(2, 1)
    assert integrated_gradients(product, pair, zeros).tolist() == pytest.approx([6, 6])
    assert occlusion(product, pair, zeros).tolist() == pytest.approx([12, 12])


def other_classifier(seed: int) -> Classifier:
    torch.manual_seed(seed)
    made = Classifier(Encoder(8, 4, 7)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.9)
    return made


@settings(max_examples=10)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=9))
def test_shares_of_a_recurrent_classifier_sum_to_what_the_text_makes_of_it(ids: list[int]):
    classifier = other_classifier(1).double().requires_grad_(False)
    vectors = classifier.encoder.embedding(torch.tensor(ids))
    baseline = classifier.encoder.embedding(torch.tensor(7)).expand_as(vectors)

    def output(batch: torch.Tensor) -> torch.Tensor:
        return classifier.logits(classifier.encoder.lstm(batch)[0][:, -1])

    difference = float(output(vectors[None]) - output(baseline[None]))
    assert float(integrated_gradients(output, vectors, baseline, 512).sum()) == pytest.approx(difference, abs=2e-3)
    nothing = occlusion(output, vectors, baseline)[torch.tensor(ids) == 7]
    assert nothing.abs().sum() < 1e-12, "what is its own baseline accounts for nothing"


def document(name: str, *sentences: str, split: str = "test", block: str = "b") -> Document:
    tokens = [s.split() for s in sentences]
    starts = tuple(int(n) for n in np.cumsum([0, *map(len, tokens)])[:-1])
    flat = tuple(token for s in tokens for token in s)
    return Document(name, split, block, flat, starts, 1, tags=("NN",) * len(flat))


@pytest.mark.parametrize(
    ("documents", "found"),
    [
        ([document("a", GREAT)], ("a", 0)),
        ([document("a", "the river runs .", GREAT)], ("a", 4)),
        ([document("a", GREAT, split="train"), document("b", GREAT)], ("b", 0)),
        ([document("a", GREAT.replace("great", "runs")), document("b", GREAT)], ("b", 0)),
        ([document("a", "the great film ."), document("b", GREAT)], ("b", 0)),
        ([document("a", f"{GREAT} {GREAT}"), document("b", GREAT)], ("b", 0)),
        ([document("a", GREAT.replace("film", "xylophone")), document("b", GREAT)], ("b", 0)),
        ([document("a", GREAT.replace("film", "xylophone"))], ("a", 0)),
        ([document("a", "the river runs . " * 5, GREAT), document("b", GREAT)], ("b", 0)),
        ([document("a", "the great film .")], None),
    ],
)
def test_the_rule_takes_the_first_such_sentence(vocabulary, documents, found):
    picked = pick_sentence(Corpus("reviews", tuple(documents)), vocabulary, SENTIMENT, max_tokens=20)
    assert (picked and (picked.document.name, picked.start)) == found
    if picked:
        assert picked.tokens == picked.document.tokens[picked.start : picked.stop]
        assert picked.tokens[-1] == "."


@pytest.fixture
def reviews(corpus) -> Corpus:
    """The hand-made corpus with a test review whose second sentence follows the rule."""
    review = replace(document("mine", "the river runs .", GREAT, block="own"), label=0)
    return Corpus(corpus.name, (*corpus.documents, review))


@pytest.fixture
def made(reviews, vocabulary, encoder, classifier):
    """Makes the tables with the given encoders of each side."""
    found = pick_sentence(reviews, vocabulary, SENTIMENT, 400)

    def make(**models: Encoder | Classifier) -> dict[str, pd.DataFrame]:
        models = {"before": encoder, "after": classifier, **models}
        return sentence_tables(found, reviews, vocabulary, SENTIMENT, models, 60, seed=1, max_tokens=400)

    return make


def test_winners_are_those_of_the_records_and_logits_those_of_the_review(made, reviews, vocabulary):
    after = other_classifier(9)
    tables = made(after=after, shuffled=other_classifier(9))
    rows = tables["sentence"]
    records = collect(after, reviews, vocabulary).records
    own = records[records["document"] == len(reviews) - 1].iloc[4:].reset_index(drop=True)
    for column, there in (("feature", "feature"), ("tag", "tag"), ("neuron_after", "neuron"), ("y", "y")):
        assert rows[column].tolist() == own[there].tolist()
    assert rows["activation_after"].to_numpy() == pytest.approx(own["activation"].to_numpy(), abs=1e-6)
    facts = tables["sentence_facts"].set_index(["side", "measure"])["value"]
    ids = torch.from_numpy(vocabulary.encode(reviews.documents[-1].tokens).astype(np.int64))
    with torch.no_grad():
        logit = after(ids[None], torch.tensor([12])).item()
    assert facts["after"][["logit", "review_logit"]].tolist() == pytest.approx([logit] * 2, abs=1e-5)
    largest = tables["sentence_activations"].query("side == 'after'")
    first = largest.query("rank == 1").reset_index(drop=True)
    assert rows["neuron_after"].tolist() == first["neuron"].where(first["activation"] > 0, NOBODY).tolist()
    assert largest.query("rank == 2")["activation"].tolist() == rows["second_activation_after"].tolist()
    assert (largest.groupby("token")["activation"].diff().dropna() <= 0).all()
    for column in [c for c in rows if c.endswith("_after") and not c.startswith("right")]:
        assert rows[column].equals(rows[column.replace("_after", "_shuffled")]), "the same weights, the same columns"


def test_the_same_weights_change_nothing_and_other_weights_do(made):
    same, other = made(), made(after=other_classifier(9))
    rows, facts = same["sentence"], same["sentence_facts"].set_index(["side", "measure"])["value"]
    assert (rows["neuron_before"] == rows["neuron_after"]).all()
    assert (rows["change_after"] == 0).all()
    assert facts["after", "other_winner"] == 0
    assert facts["before", "told"] == facts["after", "told"]
    assert (other["sentence"]["change_after"] > 0).all()
    assert not any(column.endswith("_shuffled") for column in rows)
