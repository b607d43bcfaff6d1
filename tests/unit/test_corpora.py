"""The real corpora: every form and every way it can be broken on small archives made here; the published facts on the
real ones, where TXRAY_DATA or ../shared/data holds them."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from txray_lib.corpora.sources import Form, digest_of_all, obtain

from txray_lib.corpora import Corpus, Document, imdb, wikitext
from txray_lib.corpora.documents import (
    content_hash,
    document_lengths,
    load_corpus_file,
    save_corpus,
    stream_corpus_file,
)
from txray_lib.corpora.published import load_imdb, load_wikitext
from txray_lib.corpora.sampling import label_balanced_sample, shared_texts, validation_part
from txray_lib.corpora.vocabulary import build_vocabulary
from txray_lib.errors import TxrayError

WIKI = {
    "train": " \n = Rivers = \n \n Rivers flow . They <unk> . \n = Played , W = \n Wins \n \n = = Uses = = \n"
    " \n Boats . \n \n = Hills = \n \n Hills stand . \n",
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
}
FILMS = {"train": ("pos", "tt0000001\ntt0000001"), "test": ("neg", "http://www.imdb.com/title/tt0000077/usercomments")}


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.delenv("TXRAY_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)


@pytest.fixture
def small(monkeypatch):
    """The published facts replaced by those of the small texts above."""
    facts = {s: wikitext.Check(len(t.encode()), hashlib.sha256(t.encode()).hexdigest()) for s, t in WIKI.items()}
    monkeypatch.setattr(wikitext, "CHECKS", facts)
    groups = {group: [t.encode() for n, t in REVIEWS.items() if n.startswith(group)] for group in imdb.CHECKS}
    facts = {g: imdb.Check(len(c), sum(map(len, c)), digest_of_all(c)) for g, c in groups.items()}
    monkeypatch.setattr(imdb, "CHECKS", facts)


def write_zip(path: Path, texts: dict[str, bytes | str] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped.txt", "never read")
        for split, text in (WIKI if texts is None else texts).items():
            archive.writestr(f"wikitext-2/wiki.{split}.tokens", text)
    return path


def write_tar(path: Path, reviews: dict[str, bytes | str] | None = None, extra: list[tarfile.TarInfo] | None = None):
    with tarfile.open(path, "w:gz") as archive:
        members = {f"aclImdb/{name}": text for name, text in (REVIEWS if reviews is None else reviews).items()}
        members |= {f"aclImdb/{split}/urls_{kind}.txt": lines for split, (kind, lines) in FILMS.items()}
        members |= {"aclImdb/train/unsup/0_0.txt": "unlabelled", "../../escaped.txt": "never read"}
        for name, text in members.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra or []:
            archive.addfile(member)
    return path


def unpack_wiki(folder: Path) -> None:
    (folder / "wikitext-2").mkdir(parents=True)
    for split, text in WIKI.items():
        (folder / "wikitext-2" / f"wiki.{split}.tokens").write_bytes(text.encode())


def wiki_table(split: str) -> pa.Table:
    return pa.table({"text": [line + "\n" if line.strip() else "" for line in WIKI[split].split("\n")[:-1]]})


def wiki_parquet(folder: Path) -> None:
    for split, own in (("train", "train"), ("validation", "valid"), ("test", "test")):
        pq.write_table(wiki_table(own), folder / f"wikitext-2-v1-{split}.parquet")


def wiki_shards(folder: Path) -> None:
    (folder / "wikitext-2-v1").mkdir()
    for split, own in (("train", "train"), ("validation", "valid"), ("test", "test")):
        table = wiki_table(own)
        for i, shard in enumerate((table.slice(0, 3), table.slice(3))):
            pq.write_table(shard, folder / "wikitext-2-v1" / f"{split}-{i:05d}-of-00002.parquet")


WIKI_FORMS = [lambda folder: write_zip(folder / "wikitext-2-v1.zip"), unpack_wiki, wiki_parquet, wiki_shards]


@pytest.mark.parametrize("form", WIKI_FORMS, ids=["zip", "folder", "files", "shards"])
def test_every_form_of_wikitext_gives_the_same_corpus(small, tmp_path, form):
    form(tmp_path)
    corpus = load_wikitext(data=tmp_path)
    assert [(d.name, d.block, " ".join(d.tokens), d.sentences) for d in corpus.split("train")] == [
        ("train/line-00002", "train/article-001", "= Rivers =", (0,)),
        ("train/line-00004", "train/article-001", "Rivers flow . They <unk> .", (0, 3)),
        ("train/line-00005", "train/article-001", "= Played , W =", (0,)),
        ("train/line-00006", "train/article-001", "Wins", (0,)),
        ("train/line-00008", "train/article-001", "= = Uses = =", (0,)),
        ("train/line-00010", "train/article-001", "Boats .", (0,)),
        ("train/line-00012", "train/article-002", "= Hills =", (0,)),
        ("train/line-00014", "train/article-002", "Hills stand .", (0,)),
    ]
    assert [d.name[-2:] for d in corpus.split("train") if wikitext.is_heading(d)] == ["02", "05", "08", "12"]
    assert corpus.token_count == sum(len(text.split()) for text in WIKI.values())
    assert {d.split for d in corpus} == {"train", "valid", "test"}
    assert {d.label for d in corpus} == {None}


def unpack_imdb(folder: Path) -> None:
    with tarfile.open(write_tar(folder / "packed.tar.gz")) as archive:
        for member in archive:
            if member.name.startswith("aclImdb/"):
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())


@pytest.mark.parametrize("form", [lambda folder: write_tar(folder / "aclImdb_v1.tar.gz"), unpack_imdb])
def test_imdb_from_the_official_layout(small, tmp_path, form):
    form(tmp_path)
    corpus = load_imdb(data=tmp_path)
    assert [(d.name, d.split, d.label, d.block) for d in corpus] == [
        ("train/pos/0_9.txt", "train", 1, "tt0000001"),
        ("train/pos/1_10.txt", "train", 1, "tt0000001"),
        ("train/neg/0_2.txt", "train", 0, "train/neg/0_2.txt"),
        ("train/neg/2_1.txt", "train", 0, "train/neg/2_1.txt"),
        ("train/neg/10_1.txt", "train", 0, "train/neg/10_1.txt"),
        ("test/pos/0_8.txt", "test", 1, "test/pos/0_8.txt"),
        ("test/neg/0_3.txt", "test", 0, "tt0000077"),
    ]
    assert corpus.documents[0].tokens == ("I", "didn", "'t", "hate", "it", "Good")
    assert corpus.documents[0].sentences == (0, 5)
    assert corpus.documents[1].tokens == ("A", "well", "@-@", "made", "film", ".", "I", "cried", "!")
    assert corpus.documents[1].sentences == (0, 6)
    assert not (tmp_path.parent / "escaped.txt").exists()


@pytest.mark.parametrize("pattern", ["imdb-{}.parquet", "imdb/{}-00000-of-00001.parquet"])
def test_imdb_from_parquet(small, tmp_path, pattern):
    (tmp_path / "imdb").mkdir()
    for split in ("train", "test"):
        rows = [(t, int("/pos/" in n)) for n, t in sorted(REVIEWS.items()) if n.startswith(split)]
        table = pa.table({"text": [t for t, _ in rows], "label": [label for _, label in rows]})
        pq.write_table(table, tmp_path / pattern.format(split))
    corpus = load_imdb(data=tmp_path)
    assert Counter((d.split, d.label) for d in corpus) == Counter(
        {("train", 1): 2, ("train", 0): 3, ("test", 1): 1, ("test", 0): 1}
    )
    assert corpus.documents[0].name == corpus.documents[0].block == "train/pos/row-00003"
    assert corpus.documents[0].tokens == ("I", "didn", "'t", "hate", "it", "Good")


def test_the_folder_comes_from_the_environment_relative_to_the_current_one(small, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    write_zip(tmp_path / "data" / "wikitext-2-v1.zip")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TXRAY_DATA", "data")
    assert load_wikitext("encyclopedia").name == "encyclopedia"


def broken(archive: Path, how: str) -> None:
    content = archive.read_bytes()
    archive.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "text": b"<html>"}[how])


@pytest.mark.parametrize("how", ["truncated", "empty", "text"])
@pytest.mark.parametrize(("write", "load", "name"), [
    (write_zip, load_wikitext, "wikitext-2-v1.zip"),
    (write_tar, load_imdb, "aclImdb_v1.tar.gz"),
])  # fmt: skip
def test_a_broken_archive_is_named(small, tmp_path, how, write, load, name):
    broken(write(tmp_path / name), how)
    with pytest.raises(TxrayError, match=rf"{name} is truncated or altered"):
        load(data=tmp_path)
    assert (tmp_path / name).exists()


def test_altered_wikitext_is_told_by_size_and_by_hash(small, tmp_path):
    write_zip(tmp_path / "wikitext-2-v1.zip", WIKI | {"valid": WIKI["valid"] + "more"})
    with pytest.raises(
        TxrayError, match=r"wiki.valid.tokens is truncated or altered: it has \d+ bytes, .* valid split has"
    ):
        load_wikitext(data=tmp_path)
    write_zip(tmp_path / "wikitext-2-v1.zip", WIKI | {"train": WIKI["train"].replace("flow", "flew")})
    with pytest.raises(TxrayError, match=r"wiki.train.tokens is truncated or altered: its sha256"):
        load_wikitext(data=tmp_path)
    write_zip(tmp_path / "wikitext-2-v1.zip", {"train": WIKI["train"]})
    with pytest.raises(TxrayError, match=r"does not hold wikitext-2/wiki.test.tokens, wikitext-2/wiki.valid.tokens"):
        load_wikitext(data=tmp_path)


def test_altered_imdb_is_told_by_count_and_by_content(small, tmp_path):
    archive = tmp_path / "aclImdb_v1.tar.gz"
    write_tar(archive, {n: t for n, t in REVIEWS.items() if n != "train/neg/2_1.txt"})
    with pytest.raises(TxrayError, match=r"train/neg has 2 reviews of \d+ bytes, the published corpus 3 of"):
        load_imdb(data=tmp_path)
    write_tar(archive, REVIEWS | {"train/neg/2_1.txt": "Full."})
    with pytest.raises(TxrayError, match="the texts of train/neg are not those of the published corpus"):
        load_imdb(data=tmp_path)


def test_bytes_that_are_not_utf8_are_told_with_file_and_place(small, tmp_path):
    write_tar(tmp_path / "aclImdb_v1.tar.gz", REVIEWS | {"train/neg/2_1.txt": b"caf\xe9!"})
    with pytest.raises(TxrayError, match=r"train/neg/2_1.txt: byte 3 \(0xe9\) is not UTF-8"):
        load_imdb(data=tmp_path)
    write_zip(tmp_path / "wikitext-2-v1.zip", WIKI | {"test": b"\xff"})
    with pytest.raises(TxrayError, match=r"wiki.test.tokens: byte 0 \(0xff\) is not UTF-8"):
        load_wikitext(data=tmp_path)


def test_a_link_with_a_review_s_name_is_refused(small, tmp_path):
    link = tarfile.TarInfo("aclImdb/train/pos/7_9.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    write_tar(tmp_path / "aclImdb_v1.tar.gz", extra=[link])
    with pytest.raises(TxrayError, match=r"member aclImdb/train/pos/7_9.txt is not a plain file"):
        load_imdb(data=tmp_path)


def test_a_member_beyond_the_limit_is_refused(small, tmp_path, monkeypatch):
    monkeypatch.setattr(imdb, "MEMBER_LIMIT", 30)
    write_tar(tmp_path / "aclImdb_v1.tar.gz")
    with pytest.raises(TxrayError, match=r"train/pos/0_9\.txt .* it has more than 30 bytes"):
        load_imdb(data=tmp_path)
    monkeypatch.setattr(wikitext, "FILE_LIMIT", 20)
    write_zip(tmp_path / "wikitext-2-v1.zip")
    with pytest.raises(TxrayError, match="it has more than 20 bytes"):
        load_wikitext(data=tmp_path)


def test_parquet_of_another_kind_is_told(small, tmp_path):
    wiki_parquet(tmp_path)
    (tmp_path / "wikitext-2-v1-test.parquet").write_bytes(b"PAR1 not quite")
    with pytest.raises(
        TxrayError, match=r"wikitext-2-v1-test.parquet is truncated or altered: it cannot be read as Parquet"
    ):
        load_wikitext(data=tmp_path)
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "wikitext-2-v1-test.parquet")
    with pytest.raises(TxrayError, match="it has no column text, only words"):
        load_wikitext(data=tmp_path)
    for split in ("train", "test"):
        pq.write_table(pa.table({"text": ["a"], "label": [-1]}), tmp_path / f"imdb-{split}.parquet")
    with pytest.raises(TxrayError, match="a label is neither 0 nor 1"):
        load_imdb(data=tmp_path)


@pytest.mark.parametrize("text", ["", "  \n", "<br /><br />"])
def test_an_empty_review_is_an_error_not_a_silent_loss(text):
    review = imdb.Review("train/pos", 3, "train/pos/3_9.txt", "tt0000001", text.encode())
    with pytest.raises(TxrayError, match=r"the review train/pos/3_9.txt is empty"):
        imdb._document(review)


def test_a_token_of_ten_thousand_characters_is_kept_and_seen_as_unknown():
    review = imdb.Review("train/pos", 3, "train/pos/3_9.txt", "tt0000001", b"so " + b"o" * 10_000)
    assert imdb._document(review).tokens == ("so", "o" * 10_000)


def test_a_folder_without_the_corpus_says_what_it_accepts(tmp_path):
    with pytest.raises(TxrayError, match=r"nowhere .*does not exist"):
        load_wikitext(data=tmp_path / "nowhere")
    with pytest.raises(TxrayError, match=r"does not hold WikiText-2.*wikitext-2-v1\.zip.*parquet.*unset TXRAY_DATA"):
        load_wikitext(data=tmp_path)
    unpack_wiki(tmp_path)
    (tmp_path / "wikitext-2" / "wiki.test.tokens").unlink()
    with pytest.raises(TxrayError, match=r"It holds a part only: wikitext-2/wiki.test.tokens is missing"):
        load_wikitext(data=tmp_path)
    with pytest.raises(TxrayError, match=r"aclImdb_v1\.tar\.gz; or aclImdb; or imdb/train-\*\.parquet"):
        load_imdb(data=tmp_path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder served on this machine, and its address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "public"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def plain_form(name: str, address: str) -> Form[str]:
    def read(found):
        text = found[0][0].read_text()
        if text != "good":
            raise TxrayError(f"{found[0][0].name} is truncated or altered")
        return text

    return Form((name,), read, (address,))


def test_the_next_source_is_tried_and_the_cache_is_used_after(server, tmp_path):
    folder, address = server
    (folder / "b.txt").write_text("good")
    forms = [plain_form("a.txt", f"{address}/absent.txt"), plain_form("b.txt", f"{address}/b.txt")]
    assert obtain("a text", forms) == "good"
    (folder / "b.txt").unlink()
    assert obtain("a text", forms) == "good"
    assert [p.name for p in (tmp_path / "cache" / "txray").iterdir()] == ["b.txt"]


def test_a_damaged_download_does_not_stay(server, tmp_path):
    folder, address = server
    (folder / "a.txt").write_text("bad")
    forms = [plain_form("a.txt", f"{address}/a.txt")]
    with pytest.raises(TxrayError, match=r"a\.txt is truncated or altered"):
        obtain("a text", forms)
    assert list((tmp_path / "cache" / "txray").iterdir()) == []
    (folder / "a.txt").write_text("good")
    assert obtain("a text", forms) == "good"


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path):
    folder, address = server
    cached = tmp_path / "cache" / "txray" / "a.txt"
    cached.parent.mkdir(parents=True)
    cached.write_text("go")
    (folder / "a.txt").write_text("good")
    assert obtain("a text", [plain_form("a.txt", f"{address}/a.txt")]) == "good"
    assert cached.read_text() == "good"


def test_a_refusing_network_is_told_with_every_address_and_the_way_by_hand(server):
    _, address = server
    closed = "http://127.0.0.1:9"
    forms = [plain_form("a.zip", f"{closed}/a.zip"), plain_form("b.txt", f"{address}/b.txt"), Form(("a/",), str)]
    with pytest.raises(TxrayError) as error:
        obtain("WikiText-2", forms)
    for part in (
        f"{closed}/a.zip",
        "refused",
        f"{address}/b.txt",
        "404",
        "a.zip\n    from http",
        "TXRAY_DATA=",
        "a.zip; or b.txt; or a/",
    ):
        assert part in str(error.value)


def labelled(count: int, films: int = 1) -> Corpus:
    """`count` documents a label in two splits, `films` consecutive ones of a label in a block, positive first."""
    return Corpus(
        "toy",
        tuple(
            Document(f"{split}/{label}/{i}", split, f"{split}/{label}/{i // films}", ("x", str(i), "."), label=label)
            for split in ("train", "test")
            for label in (1, 0)
            for i in range(count)
        ),
    )


def test_a_validation_part_is_balanced_seeded_and_of_whole_blocks():
    corpus = labelled(60, films=3)
    parted = validation_part(corpus, 0.25, seed=1)
    part = parted.split("valid")
    assert Counter(d.label for d in part) == {1: 15, 0: 15}
    assert not {d.block for d in part} & {d.block for d in parted.split("train")}
    assert [d.name for d in parted] == [d.name for d in corpus]
    assert parted.split("test") == corpus.split("test")
    assert parted == validation_part(corpus, 30, seed=1) != validation_part(corpus, 30, seed=2)


def test_impossible_validation_parts_are_refused():
    for size in (0, 1, 120, 0.0, 1.0):
        with pytest.raises(TxrayError, match="validation part"):
            validation_part(labelled(60), size, seed=1)
    with pytest.raises(TxrayError, match="whole blocks"):
        validation_part(labelled(60, films=30), 20, seed=1)
    with pytest.raises(TxrayError, match="two are needed"):
        validation_part(Corpus("wiki", (Document("a", "train", "a", ("x",)),)), 0.5, seed=1)


def test_a_sample_alternates_labels_and_is_exact():
    corpus = labelled(50).split("train")
    sample = label_balanced_sample(corpus, 100, seed=4)
    assert sample.token_count == 100
    assert [d.label for d in sample] == [1, 0] * 17
    assert len({d.name for d in sample}) == 34
    assert len(sample.documents[-1]) == 1
    assert sample == label_balanced_sample(corpus, 100, seed=4) != label_balanced_sample(corpus, 100, seed=5)
    assert sample == label_balanced_sample(Corpus("toy", corpus.documents[::-1]), 100, seed=4)


def test_a_sample_larger_than_the_corpus_is_refused():
    corpus = labelled(5).split("train")
    assert label_balanced_sample(corpus, 30, seed=1).token_count == 30
    with pytest.raises(TxrayError, match="only 30"):
        label_balanced_sample(corpus, 31, seed=1)
    with pytest.raises(TxrayError, match="two are needed"):
        label_balanced_sample(Corpus("toy", tuple(d for d in corpus if d.label)), 3, seed=1)


def test_shared_texts_stand_on_both_sides_of_the_test_split():
    documents = [("a", "train", "x y"), ("b", "valid", "z"), ("c", "test", "x y"), ("d", "train", "x y")]
    documents += [
        ("e", "train", "z"),
        ("f", "test", "X y"),
        ("g", "test", "z"),
        ("h", "test", "only"),
        ("i", "test", "only"),
    ]
    corpus = Corpus("toy", tuple(Document(n, s, n, tuple(t.split())) for n, s, t in documents))
    assert shared_texts(corpus) == [frozenset("acd"), frozenset("beg")]


def test_the_content_hash_sees_names_splits_labels_and_tokens():
    def one(name="a", split="train", label=1, tokens=("x", "y")):
        return content_hash(Corpus("toy", (Document(name, split, "block", tokens, label=label),)))

    changed = {one(), one(name="b"), one(split="test"), one(label=0), one(label=None), one(tokens=("x y",))}
    assert len(changed) == 6
    assert one() == hashlib.sha256(b'["a", "train", 1, ["x", "y"]]\n').hexdigest()
    halves = [Document("a", "train", "b", ("x",)), Document("c", "train", "b", ("y",))]
    assert content_hash(Corpus("toy", tuple(halves))) != content_hash(Corpus("toy", tuple(halves[::-1])))


def test_a_corpus_file_holds_everything_and_is_whole_or_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("txray_lib.corpora.documents._ROWS_AT_ONCE", 2)
    tagged = Document("a", "train", "b", ("x", "."), (0, 1), 1, ("NN", "."), ("NN", "."))
    corpus = Corpus("toy", (tagged, Document("c", "test", "c", ("大",)), Document("d", "valid", "c", ("x",))))
    path = tmp_path / "toy.parquet"
    save_corpus(corpus, path)
    assert load_corpus_file(path) == corpus
    assert [*stream_corpus_file(path, 1)] == [*corpus.documents[1:]]
    assert [*stream_corpus_file(path, 0, 2)] == [*corpus.documents[:2]]
    assert document_lengths(path).tolist() == [2, 1, 1]
    save_corpus(Corpus("none", ()), tmp_path / "none.parquet")
    assert document_lengths(tmp_path / "none.parquet").tolist() == []
    assert load_corpus_file(tmp_path / "none.parquet") == Corpus("none", ())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TxrayError, match="not a whole corpus file"):
        load_corpus_file(path)
    with pytest.raises(TxrayError, match="not a whole corpus file"):
        next(stream_corpus_file(path))
    with pytest.raises(TxrayError, match="there is no corpus file"):
        load_corpus_file(tmp_path / "absent.parquet")
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(TxrayError, match="not a whole corpus file"):
        load_corpus_file(path)


DATA = Path(os.environ.get("TXRAY_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data")
needs_wikitext = pytest.mark.skipif(
    not any(DATA.glob("wikitext-2*")),
    reason=f"NO REAL WIKITEXT-2: {DATA} has none; set TXRAY_DATA to check the real text",
)
needs_imdb = pytest.mark.skipif(
    not any(DATA.glob("aclImdb*")),
    reason=f"NO REAL IMDB: {DATA} has no aclImdb*; set TXRAY_DATA to check the real text",
)


@pytest.fixture(scope="session")
def wiki() -> Corpus:
    return load_wikitext(data=DATA)


@pytest.fixture(scope="session")
def reviews() -> list[imdb.Review]:
    return obtain("IMDB", imdb._forms(), DATA)


@needs_wikitext
def test_the_real_wikitext(wiki):
    lines = {"train": 36_718, "valid": 3_760, "test": 4_358}
    tokens = {"train": 2_088_628, "valid": 217_646, "test": 245_569}
    assert {s: wiki.split(s).token_count + lines[s] for s in lines} == tokens
    assert {s: len({d.block for d in wiki.split(s)}) for s in lines} == {"train": 600, "valid": 60, "test": 60}
    assert sum(d.tokens.count("<unk>") for d in wiki.split("train")) == 54_625
    stage = wiki.split("train").head(400_000)
    assert (len(stage), sum(map(wikitext.is_heading, stage))) == (4_736, 1_238)
    types = {token for d in wiki.split("train") for token in d.tokens} | {"<eos>"}
    assert len(types) == 33_278
    assert {token for d in wiki for token in d.tokens} < types


@needs_imdb
def test_the_real_reviews(reviews):
    texts = {s: [r.content for r in reviews if r.group.startswith(s)] for s in ("train", "test")}
    assert {s: len(t) for s, t in texts.items()} == {"train": 25_000, "test": 25_000}
    assert {s: sum(map(len, t)) for s, t in texts.items()} == {"train": 33_132_823, "test": 32_350_685}
    assert {s: len(set(t)) for s, t in texts.items()} == {"train": 24_904, "test": 24_801}
    assert len(set(texts["train"]) & set(texts["test"])) == 123


@needs_imdb
@needs_wikitext
def test_a_tenth_of_the_real_reviews_as_documents(reviews, wiki):
    both = set.intersection(*({r.content for r in reviews if r.group.startswith(s)} for s in ("train", "test")))
    chosen = [r for i, r in enumerate(reviews) if i % 10 == 0 or r.content in both]
    corpus = Corpus("imdb", tuple(map(imdb._document, chosen)))
    shared = shared_texts(corpus)
    assert len(shared) == 123
    labels = {d.name: d.label for d in corpus}
    assert all(len({labels[name] for name in names}) == 1 for names in shared)
    assert all(d.block.startswith("tt") for d in corpus)
    assert 0.08 < build_vocabulary(wiki.split("train"), 10_000).unknown_share(corpus) < 0.0975


def test_the_headings_of_a_stage_are_counted_by_the_step(workplace, monkeypatch):
    from txray_lib.engine.run import Run
    from txray_lib.profiles import load_profile
    from txray_lib.steps import texts
    from txray_lib.tables import read_table

    def line(number: int) -> Document:
        words = ("= Title =", "= = Part = =", "A line of = ten tokens in all , it is .")[number % 3].split()
        return Document(f"train/line-{number}", "train", f"article-{number // 3}", tuple(words))

    (workplace / "profiles" / "mine.yaml").write_text(
        "base: tiny\ncorpora: {pretraining: {name: wiki, source: wikitext-2}}\ncollection: {tokens: 43}\ncontrols: {probe_tokens: 9}\n"
    )
    monkeypatch.setattr(texts, "load_wikitext", lambda name: Corpus(name, tuple(map(line, range(30)))))
    run = Run(load_profile("mine"))
    run.make("corpora")
    measures = read_table(run.file("corpora", "measures.parquet")).set_index(["corpus", "measure"])["value"]
    assert (measures["wiki", "stage_documents"], measures["wiki", "stage_headings"]) == (7, 5)
    assert ("reviews", "stage_headings") not in measures
