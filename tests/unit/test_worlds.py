"""The generated worlds: what they promise about text, tags, labels, truth and seeds."""

from __future__ import annotations

import time
from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.errors import TxrayError
from txray_lib.worlds import WorldSize, encyclopedia, reviews, truth
from txray_lib.worlds.grammar import MARKS, Dice, Grammar, Sampler, Scene, finish, is_word, tag_tokens
from txray_lib.worlds.inflection import Inflection, article
from txray_lib.worlds.plan import (
    WORLDS,
    _flat_rules,
    _tagged,
    function_words,
    inflection,
    name_pools,
    plan,
    roots,
    verb_roles,
    word_file,
)

COUNTS = {"train": 300, "valid": 40, "test": 60}
SMALL = WorldSize(encyclopedia_tokens=20_000, reviews=COUNTS, words=2_000, noise=0.3)
LARGE = WorldSize(
    encyclopedia_tokens=150_000, reviews={"train": 3_000, "valid": 2, "test": 1_000}, words=4_000, noise=0.3
)
# fmt: off
PENN = {
    "CC", "CD", "DT", "EX", "IN", "JJ", "JJS", "MD", "NN", "NNP", "NNS", "POS", "PRP", "PRP$", "RB", "RBR", "TO", "VB",
    "VBD", "VBG", "VBN", "VBP", "VBZ", "WDT", "WP", "WP$", "WRB", ",", ".", "``", "''", "-LRB-", "-RRB-",
}
# fmt: on


@pytest.fixture(scope="module")
def worlds() -> dict[str, Corpus]:
    return {"encyclopedia": encyclopedia(SMALL, seed=7), "reviews": reviews(SMALL, seed=7)}


@pytest.fixture(scope="module")
def large() -> dict[str, Corpus]:
    return {"encyclopedia": encyclopedia(LARGE, seed=1), "reviews": reviews(LARGE, seed=1)}


def lowered_words(corpus: Corpus) -> Counter[str]:
    return Counter(token.lower() for document in corpus for token in document.tokens if is_word(token))


class TestDocuments:
    @pytest.mark.parametrize("world", WORLDS)
    def test_tags_align_and_sentences_partition(self, worlds, world):
        for document in worlds[world]:
            assert len(document.tokens) == len(document.gold) > 0
            assert all(document.tokens)
            assert not any(character.isspace() for token in document.tokens for character in token)
            assert set(document.gold) <= PENN
            assert tuple(chain.from_iterable(document.sentence_tokens())) == document.tokens
            assert document.sentences[0] == 0
            assert all(a < b for a, b in pairwise(document.sentences))

    @pytest.mark.parametrize("world", WORLDS)
    def test_sentences_are_finished(self, worlds, world):
        for document in worlds[world]:
            for sentence in document.sentence_tokens():
                assert sentence[-1] == "." or sentence[-2:] == (".", '"')
                first = next(token for token in sentence if token != '"')
                assert not first[0].islower()
                assert all(
                    b == "." or article(b) == a.lower() for a, b in pairwise(sentence) if a.lower() in ("a", "an")
                )
                assert sentence.count('"') % 2 == 0
                assert sentence.count("(") == sentence.count(")")

    @pytest.mark.parametrize("world", WORLDS)
    def test_tags_fit_what_stands_before(self, worlds, world):
        """What a tag's neighbours rule out: a participle is no subject's verb, a past form follows no auxiliary."""
        helpers = {"is", "are", "was", "were", "been", "has", "have", "had"}
        for document in worlds[world]:
            for start, end in zip(document.sentences, (*document.sentences[1:], len(document)), strict=True):
                pairs = [
                    (token.lower(), tag)
                    for token, tag in zip(document.tokens[start:end], document.gold[start:end], strict=True)
                    if tag != "RB"
                ]
                for (before, tag_before), (word, tag) in pairwise(pairs):
                    assert not (tag == "VBN" and tag_before in ("NNP", "PRP", "NNS")), (before, word)
                    assert not (tag in ("VBD", "VBZ", "VBP", "VB") and before in helpers), (before, word)
                    assert not (tag in ("VBZ", "VBP", "VBD", "NN") and tag_before in ("MD", "TO")), (before, word)
                    if tag == "VB":
                        assert tag_before in ("MD", "TO") or before in ("do", "does", "didn", "doesn"), (before, word)

    @pytest.mark.parametrize("world", WORLDS)
    def test_no_sentence_twice_in_a_row(self, worlds, world):
        for document in worlds[world]:
            assert all(a != b for a, b in pairwise(document.sentence_tokens()))

    @pytest.mark.parametrize("world", WORLDS)
    def test_names_are_unique_and_blocks_stay_in_a_split(self, worlds, world):
        corpus = worlds[world]
        assert len({document.name for document in corpus}) == len(corpus)
        assert len({(d.block, d.split) for d in corpus}) == len({d.block for d in corpus})
        assert {document.split for document in corpus} == set(COUNTS)

    def test_the_articles_are_split_by_ninety_five_five(self, large):
        blocks = Counter(split for _, split in {(d.block, d.split) for d in large["encyclopedia"]})
        shares = {split: n / blocks.total() for split, n in blocks.items()}
        assert shares == pytest.approx({"train": 0.9, "valid": 0.05, "test": 0.05}, abs=0.005)

    def test_the_encyclopedia_ends_with_the_paragraph_that_reaches_its_size(self, worlds):
        tokens = worlds["encyclopedia"].token_count
        assert SMALL.encyclopedia_tokens <= tokens < SMALL.encyclopedia_tokens + 250

    def test_the_smallest_encyclopedia_has_every_split(self):
        size = WorldSize(1_000, {"train": 2, "valid": 2, "test": 2}, 2_000, 0)
        for seed in range(5):
            assert {document.split for document in encyclopedia(size, seed)} == set(COUNTS)


class TestReviews:
    def test_counts_labels_and_lengths(self, worlds):
        for split, count in COUNTS.items():
            labels = Counter(document.label for document in worlds["reviews"].split(split))
            assert labels == {0: count // 2, 1: count // 2}
        assert all(25 <= len(document) <= 90 for document in worlds["reviews"])
        assert all(document.label is None for document in worlds["encyclopedia"])

    def test_labels_are_mixed_in_order_and_in_films(self, worlds):
        labels = [document.label for document in worlds["reviews"].split("train")]
        assert 0.35 < np.mean([a != b for a, b in pairwise(labels)]) < 0.65
        films: dict[str, set[int]] = {}
        for document in worlds["reviews"]:
            films.setdefault(document.block, set()).add(document.label)
        assert any(len(found) == 2 for found in films.values())

    def test_reviews_of_a_film_share_its_persons(self, large):
        films: dict[str, list[set[str]]] = {}
        for document in large["reviews"]:
            names = {t for t, tag in zip(document.tokens, document.gold, strict=True) if tag == "NNP"}
            films.setdefault(document.block, []).append(names)
        crowded = [names for names in films.values() if len(names) > 10]
        assert all(len(set.union(*names)) < 20 for names in crowded)
        assert len(crowded) > 50

    def test_hardly_a_review_twice(self, large):
        texts = Counter(document.tokens for document in large["reviews"])
        assert sum(n - 1 for n in texts.values()) <= 0.001 * len(large["reviews"])

    @pytest.mark.parametrize("noise", [0.0, 0.3, 0.5])
    def test_noise_is_the_share_of_contradicting_words(self, noise):
        size = WorldSize(1_000, {"train": 600, "valid": 2, "test": 2}, 2_000, noise)
        sentiment = truth(size, 3).set_index("word")["sentiment"].to_dict()
        agrees = [
            sentiment[token.lower()] == (1 if document.label else -1)
            for document in reviews(size, 3)
            for token in document.tokens
            if sentiment.get(token.lower())
        ]
        assert len(agrees) > 2_000
        assert 1 - np.mean(agrees) == pytest.approx(noise, abs=0.03)

    def test_a_bag_of_words_learns_the_labels_but_not_all(self, large):
        text = pytest.importorskip("sklearn.feature_extraction.text")
        linear = pytest.importorskip("sklearn.linear_model")
        metrics = pytest.importorskip("sklearn.metrics")
        bag = text.CountVectorizer(analyzer=lambda document: [token.lower() for token in document.tokens])
        train, test = large["reviews"].split("train"), large["reviews"].split("test")
        model = linear.LogisticRegression(max_iter=500).fit(bag.fit_transform(train), [d.label for d in train])
        found = model.predict(bag.transform(test))
        assert 0.82 < metrics.f1_score([d.label for d in test], found) < 0.94


class TestTruth:
    def test_every_word_has_the_tag_it_carries(self, worlds):
        table = truth(SMALL, seed=7).set_index("word")
        for world, corpus in worlds.items():
            tags = table[f"tag_{world}"].to_dict()
            for document in corpus:
                for token, tag in zip(document.tokens, document.gold, strict=True):
                    if is_word(token):
                        assert tags[token.lower()] == tag
                    else:
                        assert tag == ("CD" if token.isdigit() else MARKS.get(token, tag))

    def test_columns_agree_with_each_other(self):
        table = truth(SMALL, seed=7)
        assert list(table) == ["word", "kind", "sentiment", "tag_encyclopedia", "tag_reviews", "changes_tag"]
        assert table["word"].is_unique
        assert (table["word"] == table["word"].str.lower()).all()
        there = {world: table[f"tag_{world}"] != "" for world in WORLDS}
        assert ((table["kind"] == "common") == (there["encyclopedia"] & there["reviews"])).all()
        assert ((table["kind"] == "encyclopedia") == (there["encyclopedia"] & ~there["reviews"])).all()
        assert ((table["kind"] == "reviews") == (there["reviews"] & ~there["encyclopedia"])).all()
        assert (table["changes_tag"] <= (table["kind"] == "common")).all()
        changed = table[table["changes_tag"]]
        assert (changed["tag_encyclopedia"] != changed["tag_reviews"]).all()

    def test_worlds_differ_as_they_are_meant_to(self):
        table = truth(LARGE, seed=1).set_index("word")
        assert table["kind"].value_counts().min() > 500
        assert table.loc[["river", "frigate"], "kind"].eq("encyclopedia").all()
        assert table.loc[["film", "plot"], "kind"].eq("reviews").all()
        assert table.loc["play", ["tag_encyclopedia", "tag_reviews"]].tolist() == ["NN", "VB"]
        assert table.loc[["cast", "score", "shot", "act", "light", "set", "well"], "changes_tag"].all()
        assert table.loc[["superb", "dull"], "sentiment"].tolist() == [1, -1]
        assert table.loc[table["sentiment"] != 0, "tag_reviews"].str[:2].isin(["JJ", "VB", "RB"]).all()

    def test_function_words_are_common(self):
        table = truth(LARGE, seed=1).set_index("word")
        assert table.loc[["the", "of", "and", "i", "which", "not", "'t", "will", "my"], "kind"].eq("common").all()
        found = table[table.index.isin(function_words())]
        assert (found["kind"] == "common").mean() > 0.9

    @pytest.mark.parametrize("words", [1_600, 3_000, 6_000, 10_000])
    def test_there_are_about_as_many_content_words_as_asked_for(self, words):
        table = truth(WorldSize(1_000, COUNTS, words, 0.3), seed=2)
        assert (~table["word"].isin(function_words())).sum() == pytest.approx(words, rel=0.05)

    def test_frequencies_follow_zipf(self, large):
        for corpus in large.values():
            content = {w: n for w, n in lowered_words(corpus).items() if w not in function_words()}
            counts = np.sort(np.array(list(content.values()), dtype=float))[::-1][:1_000]
            slope = np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)[0]
            assert -1.4 < slope < -0.6

    def test_most_sentiment_in_reviews_is_known_to_the_encyclopedia(self, large):
        known = lowered_words(large["encyclopedia"])
        sentiment = truth(LARGE, 1).query("sentiment != 0")["word"]
        said = lowered_words(large["reviews"])
        assert sum(said[w] for w in sentiment if known[w] >= 3) > 0.6 * sum(said[w] for w in sentiment)


class TestTopics:
    def test_paragraphs_of_an_article_share_nouns(self, large):
        """Two paragraphs of one article have more nouns in common than two of different articles."""

        def nouns(document: Document) -> set[str]:
            return {t for t, tag in zip(document.tokens, document.gold, strict=True) if tag == "NN"}

        documents = large["encyclopedia"].documents
        pairs = {True: [], False: []}
        for a, b in chain(pairwise(documents), zip(documents, documents[50:], strict=False)):
            overlap = len(nouns(a) & nouns(b)) / len(nouns(a) | nouns(b))
            pairs[a.block == b.block].append(overlap)
        assert np.mean(pairs[True]) > 2 * np.mean(pairs[False])


class TestSeeds:
    def test_the_same_seed_gives_the_same_whichever_world_is_first(self):
        size = WorldSize(3_000, {"train": 20, "valid": 2, "test": 2}, 2_000, 0.3)
        film_first = reviews(size, 5), encyclopedia(size, 5)
        article_first = encyclopedia(size, 5), reviews(size, 5)
        assert film_first == article_first[::-1]

    def test_other_seeds_give_other_text_and_other_words(self):
        size = WorldSize(3_000, {"train": 20, "valid": 2, "test": 2}, 2_000, 0.3)
        assert encyclopedia(size, 5) != encyclopedia(size, 6)
        assert reviews(size, 5) != reviews(size, 6)
        assert not truth(size, 5).equals(truth(size, 6))

    def test_the_name_is_the_callers(self):
        size = WorldSize(1_000, {"train": 2, "valid": 2, "test": 2}, 2_000, 0)
        assert encyclopedia(size, 1, name="other").name == "other"
        assert reviews(size, 1).name == "reviews"

    @pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
    def test_an_impossible_seed_is_named(self, seed):
        with pytest.raises(TxrayError, match="seed"):
            encyclopedia(SMALL, seed)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("encyclopedia_tokens", 0, "encyclopedia_tokens = 0"),
        ("encyclopedia_tokens", 1e6, "encyclopedia_tokens"),
        ("encyclopedia_tokens", True, "encyclopedia_tokens"),
        ("reviews", {}, "'train'"),
        ("reviews", {"train": 2, "valid": 2, "tset": 2}, "Did you mean 'test'"),
        ("reviews", {"train": 3, "valid": 2, "test": 2}, r"reviews\['train'\] = 3"),
        ("reviews", {"train": 2, "valid": 0, "test": 2}, r"reviews\['valid'\] = 0"),
        ("reviews", 100, "reviews = 100"),
        ("words", 0, "words = 0"),
        ("noise", -0.1, "noise"),
        ("noise", 0.7, "noise"),
        ("noise", float("nan"), "noise"),
        ("noise", "0.3", "noise"),
    ],
)
def test_an_impossible_size_names_the_field(field, value, said):
    fields = {"encyclopedia_tokens": 1_000, "reviews": COUNTS, "words": 2_000, "noise": 0.3} | {field: value}
    with pytest.raises(TxrayError, match=said):
        WorldSize(**fields)


@pytest.mark.parametrize(("words", "bound"), [(100, "at least"), (1_000_000, "at most")])
def test_more_or_fewer_words_than_there_are_names_the_field(words, bound):
    with pytest.raises(TxrayError, match=rf"words = {words}\b.*{bound} \d+"):
        truth(WorldSize(1_000, COUNTS, words, 0.3), 1)


@pytest.mark.parametrize("words", range(800, 10_801, 500))
def test_every_number_of_words_in_between_can_be_had(words):
    assert len(truth(WorldSize(1_000, COUNTS, words, 0.3), 1)) > words


@settings(max_examples=8, deadline=None)
@given(st.integers(800, 10_000), st.floats(0, 0.5), st.integers(0, 2**40))
def test_any_size_and_seed_keep_the_promises(words, noise, seed):
    size = WorldSize(2_000, {"train": 20, "valid": 2, "test": 2}, words, noise)
    table = truth(size, seed).set_index("word")
    for world, make in (("encyclopedia", encyclopedia), ("reviews", reviews)):
        tags = table[f"tag_{world}"].to_dict()
        for document in make(size, seed):
            assert tuple(chain.from_iterable(document.sentence_tokens())) == document.tokens
            assert all(tags[t.lower()] == g for t, g in zip(document.tokens, document.gold, strict=True) if is_word(t))


def test_it_is_fast_enough():
    """The time of 400,000 tokens of encyclopedia is to stay under 15 s, of 4,000 reviews under 8 s."""
    start = time.process_time()
    encyclopedia(WorldSize(100_000, COUNTS, 4_000, 0.3), 11)
    middle = time.process_time()
    reviews(WorldSize(1_000, {"train": 996, "valid": 2, "test": 2}, 4_000, 0.3), 11)
    assert middle - start < 15 / 4
    assert time.process_time() - middle < 8 / 4


class TestInflection:
    @pytest.mark.parametrize(
        ("lemma", "tag", "form"),
        [
            ("city", "NNS", "cities"),
            ("church", "NNS", "churches"),
            ("knife", "NNS", "knives"),
            ("midshipman", "NNS", "midshipmen"),
            ("valley", "NNS", "valleys"),
            ("marry", "VBZ", "marries"),
            ("patrol", "VBD", "patrolled"),
            ("stop", "VBG", "stopping"),
            ("visit", "VBD", "visited"),
            ("tow", "VBD", "towed"),
            ("quit", "VBG", "quitting"),
            ("bury", "VBN", "buried"),
            ("free", "VBD", "freed"),
            ("flee", "VBG", "fleeing"),
            ("lie", "VBG", "lying"),
            ("write", "VBN", "written"),
            ("write", "VBG", "writing"),
            ("annoy", "VBD", "annoyed"),
            ("repair", "VB", "repair"),
        ],
    )
    def test_forms(self, lemma, tag, form):
        assert inflection().form(lemma, tag) == form

    def test_irregular_forms_come_from_outside(self):
        assert Inflection(verbs={"go": ("went", "gone")}).form("go", "VBD") == "went"

    @pytest.mark.parametrize(
        ("word", "expected"),
        [("ship", "a"), ("engine", "an"), ("heir", "an"), ("union", "a"), ("uncle", "an"), ("unfunny", "an"),
         ("unlucky", "an"), ("one", "a"), ("European", "a"), ("18", "an"), ("81", "an"), ("12", "a"), ("hotel", "a")],
    )  # fmt: skip
    def test_articles(self, word, expected):
        assert article(word) == expected


class TestGrammar:
    def test_a_template_is_filled_by_hand(self):
        grammar = Grammar({"s": ["$who saw a {thing.NN} <end>"], "end": ["1| ."]})
        scene = Scene({"thing.NN": Sampler.zipf(["owl"])}, {"who": [("Ann", "Lee")]}, Dice(np.random.default_rng(0)))
        tokens = finish(grammar.expand("s", scene))
        assert tokens == ["Ann", "Lee", "saw", "an", "owl", "."]
        tags = {"ann": "NNP", "lee": "NNP", "saw": "VBD", "an": "DT", "owl": "NN"}
        assert tag_tokens(tokens, tags) == ("NNP", "NNP", "VBD", "DT", "NN", ".")

    def test_quotes_open_and_close(self):
        assert tag_tokens(['"', "Go", '"', "(", "12", ")"], {"go": "VB"}) == ("``", "VB", "''", "-LRB-", "CD", "-RRB-")

    def test_weights_are_kept(self):
        dice = Dice(np.random.default_rng(0))
        drawn = Counter(Sampler(["x", "y"], [3, 1]).draw(dice) for _ in range(4_000))
        assert drawn["x"] / 4_000 == pytest.approx(0.75, abs=0.03)


class TestWordFiles:
    @pytest.mark.parametrize("world", WORLDS)
    def test_every_declared_word_is_used(self, world):
        data = word_file(world)
        grammar = Grammar(dict(_flat_rules(data["rules"])))
        items = [item for topic in data["topics"] for item in grammar.items(roots(data, topic))]
        used = {item.text.lower() for item in items if item.kind == "word"}
        used |= {word.lower() for options in data.get("bound", {}).values() for word in options.split()}
        assert set(_tagged(data["literals"])) <= used
        assert not set(_tagged(data["literals"])) & set(function_words())

    @pytest.mark.parametrize("world", WORLDS)
    def test_every_place_has_words(self, world):
        made = plan(world, len(word_file(world)["topics"]))
        assert {place for place, forms in made.candidates.items() if not forms} == set()

    def test_verbs_that_look_alike_have_one_role(self):
        roles = verb_roles()
        assert {past for past, _ in roles.values()} == {"VBD", "VBN"}
        assert {base for _, base in roles.values()} == {"VB", "VBP"}

    def test_names_are_many_and_single_tokens(self):
        pools = name_pools()
        assert sum(map(len, pools.values())) > 5_000
        assert all(name.isalpha() for names in pools.values() for name in names)
