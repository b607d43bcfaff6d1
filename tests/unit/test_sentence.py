"""Attribution by hand and as a law, and one sentence read as the stages read it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from txray_lib import probe
from txray_lib.one_sentence import integrated_gradients, occlusion
from txray_lib.collection import collect
from txray_lib.corpora import Corpus, Document
from txray_lib.encoders import Classifier, Encoder
from txray_lib.preferences import NOBODY
from txray_lib.profiles import load_profile
from txray_lib.one_sentence import Sentence, pick_sentence, sentence_tables
from txray_lib.steps.plan import declare

SENTIMENT = {"great": 1, "terrible": -1}
WORDS = pd.DataFrame({"word": ["great", "terrible", "river"], "sentiment": [1, -1, 0]})


def test_both_attributions_of_a_linear_output_are_its_terms():
    weights = torch.tensor([[2.0, -1.0], [0.5, 4.0]])
    tokens, baseline = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    def output(vectors: torch.Tensor) -> torch.Tensor:
        return (vectors * weights).sum(dim=(1, 2)) + 7

    wanted = [2 * (1 - 1) - 1 * (2 - 0), 0.5 * (3 - 0) + 4 * (0 - 1)]
    assert integrated_gradients(output, tokens, baseline, steps=1).tolist() == pytest.approx(wanted)
    assert occlusion(output, tokens, baseline).tolist() == pytest.approx(wanted)


def test_a_product_is_halved_by_gradients_and_lost_twice_by_occlusion():
    tokens, baseline = torch.tensor([[3.0], [4.0]]), torch.zeros(2, 1)

    def output(vectors: torch.Tensor) -> torch.Tensor:
        return vectors[:, 0, 0] * vectors[:, 1, 0]

    assert integrated_gradients(output, tokens, baseline).tolist() == pytest.approx([6, 6])
    assert occlusion(output, tokens, baseline).tolist() == pytest.approx([12, 12])


@given(st.lists(st.integers(0, 7), min_size=1, max_size=9))
def test_shares_of_a_recurrent_classifier_sum_to_what_the_text_makes_of_it(ids: list[int]):
    torch.manual_seed(1)
    classifier = Classifier(Encoder(8, 4, 6)).double().requires_grad_(False)
    for parameter in classifier.parameters():
        parameter.normal_(0, 0.9)
    vectors = classifier.encoder.embedding(torch.tensor(ids))
    baseline = classifier.encoder.embedding(torch.tensor(7)).expand_as(vectors)

    def output(batch: torch.Tensor) -> torch.Tensor:
        return classifier.logits(classifier.encoder.lstm(batch)[0][:, -1])

    shares = integrated_gradients(output, vectors, baseline, 512)
    difference = output(vectors[None]) - output(baseline[None])
    assert float(shares.sum()) == pytest.approx(float(difference), abs=2e-3)
    nothing = [
        share for share, number in zip(occlusion(output, vectors, baseline).tolist(), ids, strict=True) if number == 7
    ]
    assert nothing == pytest.approx([0] * len(nothing), abs=1e-12), "what is its own baseline accounts for nothing"


def test_a_kept_probe_tells_what_the_probe_tells_and_its_probabilities_sum_to_one():
    random = torch.Generator().manual_seed(1)
    rows = torch.randn(300, 5, generator=random)
    tags = np.where(rows[:, 0] + 0.3 * rows[:, 1] > 0, "NN", "VB").astype(object)
    fitted = probe.fit(rows[:200], tags[:200])
    p = fitted.probabilities(rows[200:])
    assert p.sum(axis=1) == pytest.approx(np.ones(100))
    told = fitted.tell(rows[200:])
    assert (told == fitted.names[p.argmax(axis=1)]).all()
    assert (told == probe.probe(rows[:200], tags[:200], rows[200:])).all()
    assert (told == tags[200:]).mean() > 0.9


def test_a_control_task_gives_each_word_one_tag_of_those_that_occur():
    words, tags = np.arange(2000) % 500, np.array(["NN"] * 1500 + ["VB"] * 500, dtype=object)
    task = probe.random_tags(words, tags, 1)
    assert sorted(task) == list(range(500))
    assert set(task.values()) == {"NN", "VB"}
    assert sum(tag == "NN" for tag in task.values()) / 500 == pytest.approx(0.75, abs=0.06)
    assert task == probe.random_tags(words, tags, 1)
    assert task != probe.random_tags(words, tags, 2)


def document(name: str, *sentences: str, split: str = "test", block: str = "b") -> Document:
    tokens = [s.split() for s in sentences]
    starts = tuple(int(n) for n in np.cumsum([0, *map(len, tokens)])[:-1])
    flat = tuple(token for s in tokens for token in s)
    return Document(name, split, block, flat, starts, 1, tags=("NN",) * len(flat))


GREAT = "the river runs the great film runs ."


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
        ([document("a", GREAT), document("b", GREAT)], ("a", 0)),
        ([document("a", "the river runs . " * 5, GREAT), document("b", GREAT)], ("b", 0)),
        ([document("a", "the great film .")], None),
    ],
)
def test_the_rule_takes_the_first_such_sentence(vocabulary, documents, found):
    picked = pick_sentence(Corpus("reviews", tuple(documents)), vocabulary, SENTIMENT, max_tokens=20)
    assert (picked and (picked.document.name, picked.start)) == found
    if picked:
        assert " ".join(picked.tokens) == " ".join(picked.document.tokens[picked.start : picked.stop])
        assert picked.tokens[-1] == "."


@pytest.fixture
def reviews(corpus) -> Corpus:
    """The hand-made corpus with a test review whose second sentence follows the rule."""
    review = replace(document("mine", "the river runs .", GREAT, block="own"), label=0)
    return Corpus(corpus.name, (*corpus.documents, review))


@pytest.fixture
def made(reviews, vocabulary, encoder, classifier) -> Any:
    """Makes the tables with the given encoders of each side."""
    found = pick_sentence(reviews, vocabulary, SENTIMENT, 400)

    def make(**models: Encoder | Classifier) -> dict[str, pd.DataFrame]:
        models = {"before": encoder, "after": classifier, **models}
        return sentence_tables(found, reviews, vocabulary, WORDS, reviews, models, 60, seed=1, max_tokens=400)

    return make


def other_classifier(seed: int) -> Classifier:
    torch.manual_seed(seed)
    made = Classifier(Encoder(8, 4, 7)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.9)
    return made


def test_winners_are_those_of_the_records_and_logits_those_of_the_review(made, reviews, vocabulary):
    after = other_classifier(9)
    tables = made(after=after)
    rows = tables["sentence"]
    records = collect(after, reviews, vocabulary).records
    own = records[records["document"] == len(reviews) - 1].iloc[4:].reset_index(drop=True)
    for column, there in (("feature", "feature"), ("tag", "tag"), ("neuron_after", "neuron"), ("y", "y")):
        assert rows[column].tolist() == own[there].tolist()
    assert rows["activation_after"].to_numpy() == pytest.approx(own["activation"].to_numpy(), abs=1e-6)
    facts = tables["sentence_facts"].set_index(["side", "measure"])["value"]
    ids = torch.from_numpy(vocabulary.encode(reviews.documents[-1].tokens).astype(np.int64))
    for measure, stop in (("logit", 12), ("logit_before", 4), ("review_logit", 12)):
        with torch.no_grad():
            assert facts["after", measure] == pytest.approx(
                after(ids[None, :stop], torch.tensor([stop])).item(), abs=1e-5
            )
    largest = tables["sentence_activations"].query("side == 'after'")
    first = largest.query("rank == 1").reset_index(drop=True)
    assert rows["neuron_after"].tolist() == first["neuron"].where(first["activation"] > 0, NOBODY).tolist()
    assert largest.query("rank == 2")["activation"].tolist() == rows["second_activation_after"].tolist()
    assert (largest.groupby("token")["activation"].diff().dropna() <= 0).all()


def test_the_same_weights_change_nothing_and_other_weights_do(made):
    same, other = made(), made(after=other_classifier(9))
    rows, facts = same["sentence"], same["sentence_facts"].set_index(["side", "measure"])["value"]
    assert (rows["neuron_before"] == rows["neuron_after"]).all()
    assert (rows["change_after"] == 0).all()
    assert facts["after", "other_winner"] == 0
    assert facts["before", "told"] == facts["after", "told"]
    assert (other["sentence"]["change_after"] > 0).all()
    assert not any(column.endswith("_shuffled") for column in rows)


def test_a_classifier_on_shuffled_labels_gets_the_same_columns(made):
    rows = made(shuffled=other_classifier(9))["sentence"]
    for column in [c for c in rows if c.endswith("_after") and not c.startswith(("told", "right"))]:
        assert column.replace("_after", "_shuffled") in rows
    assert not rows.isna().drop(columns=["labelled", "positive", "elsewhere", "elsewhere_reviews"]).any(axis=None)


def test_what_the_labels_say_of_a_word_and_what_it_does_elsewhere(made, reviews, vocabulary, classifier):
    rows = made()["sentence"].set_index("feature")
    assert rows.index[rows["labelled"].notna()].tolist() == ["great"]
    held = [d for d in reviews if "great" in [t.lower() for t in d.tokens]]
    great = rows.loc["great"]
    assert (great["labelled"], great["positive"]) == (len(held), np.mean([d.label for d in held]))
    others = [d for d in held if d.block != "own"]
    effects = []
    for each in others:
        ids = torch.from_numpy(vocabulary.encode(each.tokens).astype(np.int64))
        without = torch.where(ids == vocabulary.encode(["great"])[0], vocabulary.unknown, ids)
        with torch.no_grad():
            logits = [classifier(x[None], torch.tensor([len(x)])).item() for x in (ids, without)]
        effects.append(logits[0] - logits[1])
    assert great["elsewhere_reviews"] == len(others) == 2
    assert great["elsewhere"] == pytest.approx(np.median(effects), abs=1e-5)


def test_only_a_run_on_generated_text_publishes_a_sentence():
    steps = {name: {s.name: s for s in declare(load_profile(name))} for name in ("demo", "small", "paper", "truth")}
    assert "sentence" in steps["demo"]["tables"].needs
    assert "finetune-shuffled-1" in steps["demo"]["sentence"].needs
    assert not any("sentence" in steps[name] for name in ("small", "paper", "truth"))
    demo = load_profile("demo")
    plain = demo.model_copy(update={"controls": demo.controls.model_copy(update={"shuffled_labels": 0})})
    needs = next(s for s in declare(plain) if s.name == "sentence").needs
    assert not any("shuffled" in need for need in needs)


def test_a_sentence_holds_the_tokens_between_its_ends():
    assert Sentence(document("a", "one two", "three"), 1, 3).tokens == ("two", "three")
