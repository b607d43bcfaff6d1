"""The generated worlds: what they promise about text, tags, labels, truth and seeds."""

import re
from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txray_lib.corpora.documents import Corpus, Document, content_hash
from txray_lib.errors import TxrayError
from txray_lib.preferences import tag_class
from txray_lib.worlds import MARKS, encyclopedia, make_document, reviews, truth
from txray_lib.worlds.grammar import Dice, Grammar, Sampler, article, finish, inflect, is_word, word_file
from txray_lib.worlds.vocabulary import WORLDS, function_words, plan_world, read_tags

COUNTS = {"train": 300, "valid": 40, "test": 60}
FEW = {"train": 20, "valid": 2, "test": 2}
TOKENS, WORDS = 20_000, 2_000


@pytest.fixture(scope="module")
def worlds() -> dict[str, Corpus]:
    return {"encyclopedia": encyclopedia(TOKENS, WORDS, 7), "reviews": reviews(COUNTS, WORDS, 0.3, 7)}


@pytest.fixture(scope="module")
def large() -> dict[str, Corpus]:
    counts = {"train": 2_000, "valid": 2, "test": 600}
    return {"encyclopedia": encyclopedia(100_000, 4_000, 1), "reviews": reviews(counts, 4_000, 0.3, 1)}


@pytest.fixture(scope="module")
def known():
    return truth(4_000, seed=1).set_index("word")


def lowered_words(corpus: Corpus) -> Counter[str]:
    return Counter(token.lower() for document in corpus for token in document.tokens if is_word(token))


def test_the_text_of_a_seed_stays_the_same(worlds):
    """Frozen tables stand on it: whoever changes a word list or the order of draws changes every result on the worlds."""
    assert content_hash(worlds["encyclopedia"])[:16] == "acf44abbc206de0a"
    assert content_hash(worlds["reviews"])[:16] == "9046ad71afb13c22"


class TestDocuments:
    @pytest.mark.parametrize("world", WORLDS)
    def test_tags_align_sentences_partition_and_blocks_stay_in_a_split(self, worlds, world):
        corpus = worlds[world]
        assert len({document.name for document in corpus}) == len(corpus)
        assert len({(d.block, d.split) for d in corpus}) == len({d.block for d in corpus})
        assert {document.split for document in corpus} == set(COUNTS)
        for document in corpus:
            assert len(document.tokens) == len(document.gold) > 0
            assert all(token and not re.search(r"\s", token) for token in document.tokens)
            assert all(tag_class(tag) != "other" for tag in document.gold)
            assert all(a < b for a, b in pairwise(document.sentences))

    @pytest.mark.parametrize("world", WORLDS)
    def test_sentences_are_finished_and_none_stands_twice_in_a_row(self, worlds, world):
        for document in worlds[world]:
            assert all(a != b for a, b in pairwise(document.sentence_tokens()))
            for sentence in document.sentence_tokens():
                assert sentence[-1] == "." or sentence[-2:] == (".", '"')
                assert not next(token for token in sentence if token != '"')[0].islower()
                for a, b in pairwise(sentence):
                    assert a.lower() not in ("a", "an") or b == "." or article(b) == a.lower()
                assert sentence.count('"') % 2 == 0
                assert sentence.count("(") == sentence.count(")")

    @pytest.mark.parametrize("world", WORLDS)
    def test_tags_fit_what_stands_before(self, worlds, world):
        """What a tag's neighbours rule out: a participle is no subject's verb, a past form follows no auxiliary."""
        helpers = {"is", "are", "was", "were", "been", "has", "have", "had"}
        for document in worlds[world]:
            for start, end in zip(document.sentences, (*document.sentences[1:], len(document)), strict=True):
                tagged = zip(document.tokens[start:end], document.gold[start:end], strict=True)
                pairs = [(token.lower(), tag) for token, tag in tagged if tag != "RB"]
                for (before, tag_before), (word, tag) in pairwise(pairs):
                    assert not (tag == "VBN" and tag_before in ("NNP", "PRP", "NNS")), (before, word)
                    assert not (tag in ("VBD", "VBZ", "VBP", "VB") and before in helpers), (before, word)
                    assert not (tag in ("VBZ", "VBP", "VBD", "NN") and tag_before in ("MD", "TO")), (before, word)
                    if tag == "VB":
                        assert tag_before in ("MD", "TO") or before in ("do", "does", "didn", "doesn"), (before, word)

    def test_the_encyclopedia_has_its_size_and_is_split_by_ninety_five_five(self, worlds, large):
        blocks = Counter(split for _, split in {(d.block, d.split) for d in large["encyclopedia"]})
        shares = {split: n / blocks.total() for split, n in blocks.items()}
        assert shares == pytest.approx({"train": 0.9, "valid": 0.05, "test": 0.05}, abs=0.005)
        tokens = worlds["encyclopedia"].token_count
        assert TOKENS <= tokens < TOKENS + 250
        smallest = encyclopedia(1_000, 2_000, 1)
        assert {document.split for document in smallest} == set(COUNTS)

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


class TestReviews:
    def test_counts_and_lengths_and_labels_mixed_in_order_and_in_films(self, worlds):
        for split, count in COUNTS.items():
            labels = Counter(document.label for document in worlds["reviews"].split(split))
            assert labels == {0: count // 2, 1: count // 2}
        assert all(25 <= len(document) <= 90 for document in worlds["reviews"])
        labels = [document.label for document in worlds["reviews"].split("train")]
        assert 0.35 < np.mean([a != b for a, b in pairwise(labels)]) < 0.65
        films: dict[str, set[int]] = {}
        for document in worlds["reviews"]:
            films.setdefault(document.block, set()).add(document.label)
        assert any(len(found) == 2 for found in films.values())

    def test_reviews_of_a_film_share_its_persons_and_hardly_one_stands_twice(self, large):
        films: dict[str, list[set[str]]] = {}
        for document in large["reviews"]:
            names = {t for t, tag in zip(document.tokens, document.gold, strict=True) if tag == "NNP"}
            films.setdefault(document.block, []).append(names)
        crowded = [names for names in films.values() if len(names) > 10]
        assert all(len(set.union(*names)) < 20 for names in crowded)
        assert len(crowded) > 30
        texts = Counter(document.tokens for document in large["reviews"])
        assert sum(n - 1 for n in texts.values()) <= 0.001 * len(large["reviews"])

    @pytest.mark.parametrize("noise", [0.0, 0.3, 0.5])
    def test_noise_is_the_share_of_contradicting_words(self, noise):
        counts = {"train": 600, "valid": 2, "test": 2}
        sentiment = truth(2_000, 3).set_index("word")["sentiment"].to_dict()
        agrees = []
        for document in reviews(counts, 2_000, noise, 3):
            found = filter(None, (sentiment.get(token.lower()) for token in document.tokens))
            agrees += [word == (1 if document.label else -1) for word in found]
        assert len(agrees) > 2_000
        assert 1 - np.mean(agrees) == pytest.approx(noise, abs=0.03)

    def test_counting_evaluative_words_tells_the_labels_but_not_all(self, large, known):
        sentiment = known["sentiment"].to_dict()
        sums = [sum(sentiment.get(token.lower(), 0) for token in document.tokens) for document in large["reviews"]]
        said = [(total > 0) == document.label for total, document in zip(sums, large["reviews"], strict=True) if total]
        assert len(said) > 0.7 * len(sums)
        assert 0.8 < np.mean(said) < 0.97


class TestTruth:
    def test_columns_agree_with_each_other(self):
        table = truth(WORDS, seed=7)
        assert list(table) == ["word", "kind", "sentiment", "tag_encyclopedia", "tag_reviews", "changes_tag"]
        assert table["word"].is_unique
        assert (table["word"] == table["word"].str.lower()).all()
        first, second = (table[f"tag_{world}"] for world in WORLDS)
        assert ((table["kind"] == "common") == ((first != "") & (second != ""))).all()
        assert ((table["kind"] == "encyclopedia") == (second == "")).all()
        assert ((table["kind"] == "reviews") == (first == "")).all()
        assert (table["changes_tag"] == ((table["kind"] == "common") & (first != second))).all()

    def test_worlds_differ_as_they_are_meant_to(self, known):
        assert known["kind"].value_counts().min() > 500
        assert known.loc[["river", "frigate"], "kind"].eq("encyclopedia").all()
        assert known.loc[["film", "plot"], "kind"].eq("reviews").all()
        assert known.loc["play", ["tag_encyclopedia", "tag_reviews"]].tolist() == ["NN", "VB"]
        assert known.loc[["cast", "score", "shot", "act", "light", "set", "well"], "changes_tag"].all()
        assert known.loc[["superb", "dull"], "sentiment"].tolist() == [1, -1]
        assert known.loc[known["sentiment"] != 0, "tag_reviews"].str[:2].isin(["JJ", "VB", "RB"]).all()
        assert known.loc[["the", "of", "and", "i", "which", "not", "'t", "will", "my"], "kind"].eq("common").all()
        assert (known[known.index.isin(function_words())]["kind"] == "common").mean() > 0.9

    @pytest.mark.parametrize("words", [1_600, 10_000])
    def test_there_are_about_as_many_content_words_as_asked_for(self, words):
        table = truth(words, seed=2)
        assert (~table["word"].isin(function_words())).sum() == pytest.approx(words, rel=0.05)

    @pytest.mark.parametrize("words", [100, 1_000_000])
    def test_more_or_fewer_words_than_there_are_is_an_error_that_says_how_many(self, words):
        with pytest.raises(TxrayError, match=rf"{words} words: choose words from \d+ to \d+"):
            truth(words, 1)

    def test_frequencies_follow_zipf(self, large):
        for corpus in large.values():
            content = {w: n for w, n in lowered_words(corpus).items() if w not in function_words()}
            counts = np.sort(np.array(list(content.values()), dtype=float))[::-1][:1_000]
            slope = np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)[0]
            assert -1.4 < slope < -0.6

    def test_most_sentiment_in_reviews_is_known_to_the_encyclopedia(self, large, known):
        there, said = lowered_words(large["encyclopedia"]), lowered_words(large["reviews"])
        sentiment = known.query("sentiment != 0").index
        assert sum(said[w] for w in sentiment if there[w] >= 3) > 0.6 * sum(said[w] for w in sentiment)

    def test_a_seed_gives_the_same_whichever_world_is_first_and_another_seed_other_text_and_words(self):
        film_first = reviews(FEW, 2_000, 0.3, 5), encyclopedia(3_000, 2_000, 5)
        article_first = encyclopedia(3_000, 2_000, 5), reviews(FEW, 2_000, 0.3, 5)
        assert film_first == article_first[::-1]
        assert article_first[0] != encyclopedia(3_000, 2_000, 6)
        assert article_first[1] != reviews(FEW, 2_000, 0.3, 6)
        assert not truth(2_000, 5).equals(truth(2_000, 6))

    @settings(max_examples=6, deadline=None)
    @given(st.integers(800, 10_000), st.floats(0, 0.5), st.integers(0, 2**40))
    def test_whatever_the_size_and_seed_every_word_has_the_tag_it_carries(self, words, noise, seed):
        table = truth(words, seed).set_index("word")
        assert len(table) > words
        made = {"encyclopedia": encyclopedia(2_000, words, seed), "reviews": reviews(FEW, words, noise, seed)}
        for world, corpus in made.items():
            tags = table[f"tag_{world}"].to_dict()
            for document in corpus:
                assert tuple(chain.from_iterable(document.sentence_tokens())) == document.tokens
                for token, gold in zip(document.tokens, document.gold, strict=True):
                    mark = "CD" if token.isdigit() else MARKS.get(token, gold)
                    assert gold == (tags[token.lower()] if is_word(token) else mark)


class TestGrammar:
    def test_forms_and_articles(self):
        plurals = "city cities church churches knife knives midshipman midshipmen valley valleys"
        thirds, bases = "marry marries", "repair repair"
        pasts = "patrol patrolled visit visited tow towed free freed annoy annoyed"
        participles = "bury buried write written"
        continuous = "stop stopping quit quitting flee fleeing lie lying write writing"
        cases = {"NNS": plurals, "VBZ": thirds, "VB": bases, "VBD": pasts, "VBN": participles, "VBG": continuous}
        for tag, words in cases.items():
            lemmas, forms = words.split()[::2], words.split()[1::2]
            assert [inflect(lemma, tag) for lemma in lemmas] == forms
        assert {article(word) for word in ("ship", "union", "one", "European", "12", "hotel")} == {"a"}
        assert {article(word) for word in ("engine", "heir", "uncle", "unfunny", "unlucky", "18", "81")} == {"an"}

    def test_a_template_is_filled_by_hand(self):
        grammar = Grammar({"s": ["$who saw a {thing.NN} <end>"], "end": ["1| ."]})
        sentence = finish(grammar.expand("s", {"thing.NN": Sampler(["owl"])}, {"who": ["Ann Lee"]}, Dice(0, "words")))
        assert sentence == ["Ann", "Lee", "saw", "an", "owl", "."]
        tags = {"ann": "NNP", "lee": "NNP", "saw": "VBD", "an": "DT", "owl": "NN", "go": "VB"}
        document = make_document("test/b", 3, [sentence, ['"', "Go", '"', "(", "12", ")"]], tags, label=1)
        assert (document.name, document.split, document.label, document.sentences) == ("test/b/3", "test", 1, (0, 6))
        assert " ".join(document.gold) == "NNP NNP VBD DT NN . `` VB '' -LRB- CD -RRB-"

    @pytest.mark.parametrize("world", WORLDS)
    def test_every_declared_word_is_used_and_every_place_has_words(self, world):
        literals = read_tags(word_file(world)["literals"])
        made = plan_world(world, len(word_file(world)["topics"]))
        assert set(literals) <= set(made.fixed)
        assert not set(literals) & set(function_words())
        assert {place for place, forms in made.candidates.items() if not forms} == set()
