"""The corpora of §3.1: WikiText-2 (Merity et al. 2017) to pretrain on, the Large Movie Review Dataset (Maas et al. 2011) to
transfer to and to learn labels from.

Each is one published archive, trusted by its hash before it is opened, and read member by member: nothing is unpacked to disk.
May touch: errors, places, documents, tokenise.
"""

import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from txray_lib.corpora.documents import SPLITS, Corpus, Document
from txray_lib.corpora.tokenise import cut_passages, sentence_starts
from txray_lib.errors import TxrayError
from txray_lib.places import DATA_VARIABLE, require_fetched


@dataclass(frozen=True)
class Archive:
    """A published archive: the hash of its file, that of the same texts packed anew, and where the file is, to be tried in turn."""

    corpus: str
    name: str
    published: str
    repacked: str
    addresses: tuple[str, ...]


WIKITEXT = Archive(
    "WikiText-2",
    "wikitext-2-v1.zip",
    "sha256:92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c",
    "sha256:0bf0aaeff0a8f6c25dbb5a8ec3394656db772a73de2bf1860a8706847a410769",
    (
        "https://wikitext.smerity.com/wikitext-2-v1.zip",
        "https://web.archive.org/web/2020id_/https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-2-v1.zip",
    ),
)
IMDB = Archive(
    "IMDB (Large Movie Review Dataset)",
    "aclImdb_v1.tar.gz",
    "md5:7c2ac02c03563afcf9b574c7e56c153a",
    "sha256:5fd9223c5d0e1c58f087759a194dcb17b56947116d09c8d9b32b05399080e607",
    (
        "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        "https://dataset.bj.bcebos.com/imdb%2FaclImdb_v1.tar.gz",
    ),
)

_TITLE = re.compile(r" = [^=].* = ")
_MEMBER = re.compile(r"aclImdb/((?:train|test)/(?:(?:pos|neg)/\d+_\d+|urls_(?:pos|neg))\.txt)")
_FILM = re.compile(r"\btt\d{5,10}\b")


def fetch_archive(archive: Archive) -> Path:
    """Where the archive lies: in the folder TXRAY_DATA, else in the cache, into which it is downloaded if need be.

    What a user's folder holds is never changed; a damaged file in the cache is fetched again. Raises TxrayError where the
    folder lacks the archive, its hash is not known, or no address gives it.
    """
    import pooch

    remedy = f"Fetch it from {' or '.join(archive.addresses)} into a folder, and set {DATA_VARIABLE} to that folder."
    if folder := os.environ.get(DATA_VARIABLE):
        path = Path(folder).absolute() / archive.name
        if not path.is_file():
            raise TxrayError(f"there is no file {path} with {archive.corpus}. {remedy} Or unset it to download.")
        require_fetched(path)
        if not any(pooch.hashes.hash_matches(path, known) for known in (archive.published, archive.repacked)):
            raise TxrayError(f"{path} is truncated, altered, or not {archive.corpus}: its hash is not known. {remedy}")
        return path
    pooch.get_logger().setLevel("ERROR")
    fetch, cache = pooch.HTTPDownloader(progressbar=True, timeout=15), pooch.os_cache("txray")
    tried = []
    for address in archive.addresses:
        try:
            return Path(pooch.retrieve(address, archive.published, archive.name, cache, downloader=fetch))
        except (OSError, ValueError) as error:
            tried.append(f"\n  {address}: {error}")
    raise TxrayError(f"{archive.corpus} could not be downloaded:{''.join(tried)}\n{remedy}")


def load_wikitext(name: str = "wiki") -> Corpus:
    """WikiText-2 as documents: every line that is not blank, headings included, in the order train, valid, test.

    The block of a document is its article: a level-1 heading (` = Title = `) between blank lines starts one; lines like
    ` = Played , W = ` inside a paragraph do not. Names are the split and the line (`valid/line-00004`). Tokens are the
    file's own, `<unk>` among them.
    """
    with zipfile.ZipFile(fetch_archive(WIKITEXT)) as archive:
        texts = {s: archive.read(f"wikitext-2/wiki.{s}.tokens").decode() for s in SPLITS}
    return Corpus(name, tuple(document for split, text in texts.items() for document in _read_lines(text, split)))


def _read_lines(text: str, split: str) -> Iterator[Document]:
    """The documents of a split, each with the article it stands in (article-000 before the first heading)."""
    lines, article = ["", *text.split("\n"), ""], 0
    for number, line in enumerate(lines):
        tokens = tuple(map(sys.intern, line.split()))
        if tokens:
            alone = not lines[number - 1].strip() and not lines[number + 1].strip()
            article += alone and _TITLE.fullmatch(line) is not None
            block = f"{split}/article-{article:03d}"
            yield Document(f"{split}/line-{number:05d}", split, block, tokens, sentence_starts(tokens))


def is_heading(document: Document) -> bool:
    """Whether a document of WikiText-2 is set as a heading, ` = Title = ` or ` = = Section = = `: a document of its own, before
    which the encoder's state is reset. So is the odd legend of a table, ` = Goals ; A = `."""
    return len(document) > 2 and document.tokens[0] == document.tokens[-1] == "="


def load_imdb(name: str = "imdb") -> Corpus:
    """All 50,000 labelled reviews as documents, by split, class (positive first: sample before you cut) and number.

    Tokenised like WikiText-2; a line break in a review ends a sentence. The block of a document is its film (`tt0453418`,
    from `urls_{pos,neg}.txt`, a line a review).
    """
    texts = {}
    with tarfile.open(fetch_archive(IMDB)) as archive:
        for member in archive:
            if match := _MEMBER.fullmatch(member.name):
                texts[match[1]] = archive.extractfile(member).read().decode()
    groups = [(split, kind) for split in ("train", "test") for kind in ("pos", "neg")]
    return Corpus(name, tuple(document for group in groups for document in _read_reviews(texts, *group)))


def _read_reviews(texts: Mapping[str, str], split: str, kind: str) -> Iterator[Document]:
    """The reviews of a split and class by number; `texts` are those of all members by name."""
    films = texts[f"{split}/urls_{kind}.txt"].splitlines()
    numbers = {name: int(name.split("/")[2].split("_")[0]) for name in texts if name.startswith(f"{split}/{kind}/")}
    for name, number in sorted(numbers.items(), key=lambda item: item[1]):
        tokens, sentences = cut_passages([texts[name]])
        film = _FILM.search(films[number])[0]
        yield Document(name, split, film, tokens, sentences, label=int(kind == "pos"))
