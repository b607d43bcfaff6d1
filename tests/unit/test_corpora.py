"""The published corpora: on small archives made here, and the published facts on the real ones, where TXRAY_DATA or
../shared/data holds them. Files and parts of a corpus; what the encoder sees of a token."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.corpora import Corpus, Document, Vocabulary, documents, published
from txray_lib.corpora.published import Archive, fetch_archive, load_imdb, load_wikitext
from txray_lib.corpora.tokenise import tokenise_like_wikitext
from txray_lib.corpora.vocabulary import build_vocabulary
from txray_lib.errors import TxrayError

WIKI = {
    "train": " \n = Rivers = \n \n Rivers <unk> . So \n = Played , W = \n Wins \n \n = = Uses = = \n \n = Hills = \n \n Hills . \n",
    "valid": " \n = Lakes = \n \n Lakes lie 漢 . \n",
    "test": " \n = Seas = \n \n Seas roll . \n",
}
REVIEWS = {
    "train/pos/0_9.txt": "I didn't hate it<br /><br />Good",
    "train/pos/1_10.txt": "A well-made film. I cried!",
    "train/neg/0_2.txt": "Bad.",
    "train/neg/10_1.txt": "Worse é.",
    "train/neg/2_1.txt": "Dull.",
    "test/pos/0_8.txt": "Good again.",
    "test/neg/0_3.txt": "Bad.",
    "train/unsup/0_0.txt": "unlabelled",
    "train/urls_pos.txt": "tt0000001\ntt0000001",
    "train/urls_neg.txt": "\n".join(f"http://imdb.com/title/tt00000{number}/comments" for number in range(10, 21)),
    "test/urls_pos.txt": "tt0000077",
    "test/urls_neg.txt": "tt0000077",
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TXRAY_DATA", str(tmp_path))
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)


def write_wikitext(folder: Path) -> Archive:
    """The small WikiText-2 in a folder, with a member that would be unpacked elsewhere."""
    path = folder / "wikitext-2-v1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped.txt", "never read")
        for split, text in WIKI.items():
            archive.writestr(f"wikitext-2/wiki.{split}.tokens", text)
    return Archive("WikiText-2", path.name, f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", "sha256:0", ())


def write_imdb(folder: Path) -> Archive:
    """The small IMDB in a folder; its hash is among those of the texts packed anew."""
    path = folder / "aclImdb_v1.tar.gz"
    members = {f"aclImdb/{name}": text for name, text in REVIEWS.items()} | {"../../escaped.txt": "never read"}
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return Archive("IMDB", path.name, "md5:0", f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", ())


def test_wikitext_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "WIKITEXT", write_wikitext(tmp_path))
    corpus = load_wikitext()
    assert [(d.name, d.block, " ".join(d.tokens), d.sentences) for d in corpus.split("train")] == [
        ("train/line-00002", "train/article-001", "= Rivers =", (0,)),
        ("train/line-00004", "train/article-001", "Rivers <unk> . So", (0, 3)),
        ("train/line-00005", "train/article-001", "= Played , W =", (0,)),
        ("train/line-00006", "train/article-001", "Wins", (0,)),
        ("train/line-00008", "train/article-001", "= = Uses = =", (0,)),
        ("train/line-00010", "train/article-002", "= Hills =", (0,)),
        ("train/line-00012", "train/article-002", "Hills .", (0,)),
    ]
    assert [d.name[-2:] for d in corpus.split("train") if published.is_heading(d)] == ["02", "05", "08", "10"]
    assert corpus.token_count == sum(len(text.split()) for text in WIKI.values())
    assert ({d.split for d in corpus}, {d.label for d in corpus}) == ({"train", "valid", "test"}, {None})
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("TXRAY_DATA", tmp_path.name)
    assert load_wikitext("wiki") == corpus, "the environment's folder is relative to the current one"


def test_imdb_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "IMDB", write_imdb(tmp_path))
    corpus = load_imdb()
    assert [(d.name, d.split, d.label, d.block) for d in corpus] == [
        ("train/pos/0_9.txt", "train", 1, "tt0000001"),
        ("train/pos/1_10.txt", "train", 1, "tt0000001"),
        ("train/neg/0_2.txt", "train", 0, "tt0000010"),
        ("train/neg/2_1.txt", "train", 0, "tt0000012"),
        ("train/neg/10_1.txt", "train", 0, "tt0000020"),
        ("test/pos/0_8.txt", "test", 1, "tt0000077"),
        ("test/neg/0_3.txt", "test", 0, "tt0000077"),
    ]
    first, second = corpus.documents[:2]
    assert (" ".join(first.tokens), first.sentences) == ("I didn 't hate it Good", (0, 5))
    assert (" ".join(second.tokens), second.sentences) == ("A well @-@ made film . I cried !", (0, 6))
    assert not (tmp_path.parent / "escaped.txt").exists()


@pytest.mark.parametrize("write", [write_wikitext, write_imdb])
def test_an_archive_whose_hash_is_not_known_is_never_opened(tmp_path, write, monkeypatch):
    archive = write(tmp_path)
    path = tmp_path / archive.name
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], b"", b"<html>", content + b"x"):
        path.write_bytes(broken)
        with pytest.raises(TxrayError, match=rf"{archive.name} is truncated, altered, or not .*TXRAY_DATA"):
            fetch_archive(archive)
        assert path.read_bytes() == broken
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")
    with pytest.raises(TxrayError, match=rf"{archive.name} is a Git LFS pointer"):
        fetch_archive(archive)
    monkeypatch.setenv("TXRAY_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(TxrayError, match=rf"there is no file .*nowhere.*{archive.name} with .*TXRAY_DATA"):
        fetch_archive(archive)


def test_addresses_are_tried_in_turn_with_the_hash_and_a_refusing_network_is_told(tmp_path, monkeypatch):
    def retrieve(address: str, known_hash: str, name: str, path: Path, downloader: object) -> str:
        asked.append((address, known_hash, name))
        if "good" in address:
            return str(path / name)
        raise {"refused": ConnectionError, "altered": ValueError}[address](f"it was {address}")

    asked: list[tuple[str, str, str]] = []
    monkeypatch.delenv("TXRAY_DATA")
    monkeypatch.setattr("pooch.retrieve", retrieve)
    found = fetch_archive(Archive("a text", "a.txt", "md5:1", "md5:2", ("refused", "altered", "good", "good too")))
    assert found == tmp_path / "cache" / "txray" / "a.txt"
    assert asked == [(address, "md5:1", "a.txt") for address in ("refused", "altered", "good")]
    with pytest.raises(TxrayError) as error:
        fetch_archive(Archive("a text", "a.txt", "md5:1", "md5:2", ("refused", "altered")))
    for part in ("a text could not be downloaded", "refused: it was refused", "altered: it was altered", "TXRAY_DATA"):
        assert part in str(error.value)


def labelled(count: int, films: int = 1) -> Corpus:
    """`count` documents a label in two splits, `films` consecutive ones of a label in a block, positive first."""
    made = []
    for split, y, i in product(("train", "test"), (1, 0), range(count)):
        block = f"{split}/{y}/{i // films}"
        made.append(Document(f"{split}/{y}/{i}", split, block, ("x", str(i), "."), label=y))
    return Corpus("toy", tuple(made))


@pytest.mark.parametrize(
    ("size", "at_least", "each"), [(31, False, 15), (32, False, 15), (32, True, 18), (2, False, 0)]
)
def test_whole_blocks_are_dealt_by_the_seed_half_of_each_label(size, at_least, each):
    corpus = labelled(60, films=3)
    dealt, again, other = (documents.deal_blocks(corpus, {"valid": size}, seed, at_least) for seed in (1, 1, 2))
    part = dealt.split("valid")
    assert Counter(d.label for d in part) == {y: each for y in (0, 1) if each}
    assert not {d.block for d in part} & {d.block for d in dealt.split("train")}
    assert [d.name for d in dealt] == [d.name for d in corpus]
    assert dealt.split("test") == corpus.split("test")
    assert (dealt == again, dealt != other) == (True, each > 0)


def test_a_sample_alternates_labels_and_is_exact():
    corpus, draw = labelled(50).split("train"), documents.label_balanced_sample
    sample = draw(corpus, 100, seed=4)
    assert [d.label for d in sample] == [1, 0] * 17
    assert (sample.token_count, len({d.name for d in sample}), len(sample.documents[-1])) == (100, 34, 1)
    assert sample == draw(Corpus("toy", corpus.documents[::-1]), 100, seed=4) != draw(corpus, 100, seed=5)
    assert draw(corpus, 300, seed=1).token_count == 300
    with pytest.raises(TxrayError, match="only 300"):
        draw(corpus, 301, seed=1)
    with pytest.raises(TxrayError, match="only 0"):
        draw(Corpus("toy", tuple(d for d in corpus if d.label)), 3, seed=1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tokens": "the cat"}, "the tokens of the document 'd' are no words"),
        ({"tokens": ("the", None)}, "the tokens of the document 'd' are no words"),
        ({"tokens": (1, 2)}, "are no words. Give them as text"),
        ({"tokens": [b"the"]}, "are no words"),
        ({"tokens": None}, "are no words"),
        ({"sentences": (1,)}, "the sentences of the document 'd' do not start at 0 and rise within its tokens"),
        ({"sentences": (0, 0)}, "do not start at 0 and rise"),
        ({"sentences": (0, 9)}, "do not start at 0 and rise"),
        ({"sentences": ()}, "do not start at 0 and rise"),
        ({"label": "pos"}, "the document 'd' has the split 'train' and the label 'pos'"),
        ({"label": float("nan")}, "the label nan"),
        ({"label": True}, "the label True"),
        ({"label": np.bool_(True)}, "the label"),
        ({"label": pd.NA}, "the label <NA>"),
        ({"split": pd.NA}, "the split <NA>"),
        ({"label": 2}, "the label 2: a split is one of train, valid, test, a label 1, 0 or None"),
        ({"split": "dev"}, "the document 'd' has the split 'dev'"),
    ],
)
def test_a_document_of_other_things_than_words_is_refused(given, told):
    with pytest.raises(TxrayError, match=told):
        Document(**{"name": "d", "split": "train", "block": "b", "tokens": ("the",)} | given)


class Word(str):
    """A word that knows more than its letters, such as a tagger's."""


def test_words_by_hand_are_those_of_a_tuple_in_one_spelling():
    for words in (
        [Word("caf\u00e9"), Word("x")],
        ["caf\u00e9", "x"],
        ("cafe\u0301", "x"),
        np.array(["cafe\u0301", "x"]),
        iter(["cafe\u0301", "x"]),
    ):
        assert Document("d", "train", "b", words) == Document("d", "train", "b", ("caf\u00e9", "x"))


def test_what_splits_share_is_counted():
    texts = "a train x y|b valid z|c test x y|d train x y|e train z|f test X y|g test z|h test only|i test only"
    rows = [text.split() for text in texts.split("|")]
    corpus = Corpus("toy", tuple(Document(name, split, name, tuple(tokens)) for name, split, *tokens in rows))
    assert documents.shared_texts(corpus) == [frozenset("acd"), frozenset("beg")], "on both sides of the test split"
    assert documents.shared_blocks(corpus) == 0
    assert documents.shared_blocks(Corpus("toy", tuple(replace(d, block="a") for d in corpus))) == 1


def test_the_content_hash_sees_names_splits_labels_tokens_and_order():
    one = Document("a", "train", "b", ("x", "y"), label=1)
    changes = ({"name": "b"}, {"split": "test"}, {"label": 0}, {"label": None}, {"tokens": ("x y",)})
    others = [replace(one, **change) for change in changes]
    made = [(one,), *((other,) for other in others), (one, others[0]), (others[0], one)]
    hashes = [documents.content_hash(Corpus("toy", each)) for each in made]
    assert len(set(hashes)) == len(made)
    assert hashes[0] == hashlib.sha256(b'["a", "train", 1, ["x", "y"]]\n').hexdigest()


def test_a_corpus_file_holds_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(documents, "_READ_AT_ONCE", 1)
    tagged = Document("a", "train", "b", ("x", "."), (0, 1), 1, ("NN", "."), ("NN", "."))
    corpus = Corpus("toy", (tagged, Document("c", "test", "c", ("大",)), Document("d", "valid", "c", ("x",))))
    path = tmp_path / "toy.parquet"
    for written in (Corpus("none", ()), corpus):
        documents.save_corpus(written, path)
        assert documents.load_corpus_file(path) == written
        assert documents.document_lengths(path).tolist() == [len(d) for d in written]
    assert [*documents.stream_corpus_file(path, 1)] == [*corpus.documents[1:]]
    assert [*documents.stream_corpus_file(path, 0, 2)] == [*corpus.documents[:2]]


def corpus_of(*texts: str) -> Corpus:
    return Corpus("toy", tuple(Document(f"d{i}", "train", f"b{i}", tuple(t.split())) for i, t in enumerate(texts)))


def test_words_stand_by_frequency_ties_by_alphabet_and_end_last():
    vocabulary = build_vocabulary(corpus_of("b The the <unk> <unk> <unk>", "a a the b c"), size=5)
    assert vocabulary.words == ("<unk>", "the", "a", "b", "c", "<eos>")
    assert (len(vocabulary), vocabulary.unknown, vocabulary.end) == (6, 0, 5)
    assert build_vocabulary(corpus_of("a a a b b <unk>"), size=2).words == ("a", "<unk>", "<eos>")
    vocabulary = build_vocabulary(corpus_of("<eos> <eos> <EOS> a"), size=5)
    assert vocabulary.words == ("a", "<unk>", "<eos>"), "the end in a text is no feature"


def test_casing_is_a_property_of_the_vocabulary():
    corpus = corpus_of("The the the")
    assert build_vocabulary(corpus, 3, lowercase=True).words == ("the", "<unk>", "<eos>")
    cased = build_vocabulary(corpus, 3, lowercase=False)
    assert cased.words == ("the", "The", "<unk>", "<eos>")
    assert (cased.seen("The"), cased.seen("THE")) == ("The", "<unk>")
    assert cased.unknown_share(corpus_of("The film", "THE the")) == 0.5


def test_what_makes_no_vocabulary_is_refused():
    for words in (
        ("a", "<eos>"),
        ("a", "<unk>"),
        ("a", "a", "<unk>", "<eos>"),
        (),
        ("caf\u00e9", "cafe\u0301", "<unk>", "<eos>"),
    ):
        with pytest.raises(TxrayError, match="distinct words"):
            Vocabulary(words)
    with pytest.raises(TxrayError, match="at least"):
        build_vocabulary(corpus_of("a"), size=1)
    with pytest.raises(TxrayError, match="has no token"):
        build_vocabulary(corpus_of(""), size=10)


TOKENS = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=40)


@given(TOKENS, TOKENS, st.integers(2, 20), st.booleans())
def test_any_token_is_encoded_as_the_word_it_is_seen_as(train, other, size, lowercase):
    corpus = Corpus("toy", (Document("d", "train", "b", tuple(train)),))
    vocabulary, other = build_vocabulary(corpus, size, lowercase), [*other, *train, "<eos>"]
    ids = vocabulary.encode(other)
    assert (ids.dtype, ids.shape) == (np.int32, (len(other),))
    assert len(vocabulary) <= size + 1
    assert [vocabulary.words[i] for i in ids] == [vocabulary.seen(token) for token in other]
    assert vocabulary.end not in ids


def test_saved_and_loaded_it_is_the_same(tmp_path):
    vocabulary = build_vocabulary(corpus_of('naïve "大" the film \u2028'), size=9, lowercase=False)
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary


DATA = Path(os.environ.get("TXRAY_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data")


@pytest.mark.skipif(
    not ((DATA / "wikitext-2-v1.zip").exists() and (DATA / "aclImdb_v1.tar.gz").exists()),
    reason=f"NO REAL CORPORA: {DATA} lacks wikitext-2-v1.zip or aclImdb_v1.tar.gz; set TXRAY_DATA to check the real text",
)
def test_the_real_corpora(monkeypatch):
    monkeypatch.setenv("TXRAY_DATA", str(DATA))
    wiki = load_wikitext()
    lines = {"train": 36_718, "valid": 3_760, "test": 4_358}
    tokens = {"train": 2_088_628, "valid": 217_646, "test": 245_569}
    assert {s: wiki.split(s).token_count + lines[s] for s in lines} == tokens
    assert {s: len({d.block for d in wiki.split(s)}) for s in lines} == {"train": 600, "valid": 60, "test": 60}
    assert sum(d.tokens.count("<unk>") for d in wiki.split("train")) == 54_625
    stage = wiki.split("train").head(400_000)
    assert (len(stage), sum(map(published.is_heading, stage))) == (4_736, 1_238)
    types = {token for d in wiki.split("train") for token in d.tokens}
    assert len(types) == 33_278 - 1, "the published count has <eos>"
    assert {token for d in wiki for token in d.tokens} == types

    monkeypatch.setattr(published, "cut_passages", lambda passages: (("<br />".join(passages),), (0,)))
    reviews = load_imdb()
    assert Counter((d.split, d.label) for d in reviews) == {(s, y): 12_500 for s in ("train", "test") for y in (0, 1)}
    assert len({d.tokens for d in reviews.split("train")}) == 24_904
    assert len(documents.shared_texts(reviews)) == 123
    assert all(d.block.startswith("tt") for d in reviews)
    some = (tuple(tokenise_like_wikitext(d.tokens[0])) for d in reviews.documents[::100])
    sample = Corpus("imdb", tuple(Document(str(i), "train", "b", tokens) for i, tokens in enumerate(some)))
    assert 0.08 < build_vocabulary(wiki.split("train"), 10_000).unknown_share(sample) < 0.0975
