"""WikiText-2 (Merity et al. 2017), tokenised version: the corpus to pretrain on (§3.1 of the paper).

May touch: errors, documents, sources.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from txray_lib.corpora.documents import Corpus, Document, sentence_starts
from txray_lib.corpora.sources import Form, Found, damaged, obtain, parquet_columns, read_file, utf8, zip_members


class Check(NamedTuple):
    """What the file of a split must be."""

    bytes: int
    sha256: str


CHECKS = {
    "train": Check(10_797_148, "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"),
    "valid": Check(1_121_681, "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"),
    "test": Check(1_256_449, "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"),
}
SPLITS = ("train", "valid", "test")
FILE_LIMIT = 64 << 20

_MEMBERS = tuple(f"wikitext-2/wiki.{split}.tokens" for split in SPLITS)
_SHARD_SPLITS = ("train", "validation", "test")
_HUB = "https://huggingface.co/datasets/Salesforce/wikitext/resolve/main/wikitext-2-v1/{}-00000-of-00001.parquet"
_TITLE = re.compile(r" = [^=].* = ")


def load_wikitext(name: str = "wiki", data: Path | None = None) -> Corpus:
    """WikiText-2 as documents: every line that is not blank, headings included, in the order of the files.

    The block of a document is its article: a level-1 heading (` = Title = `) between blank lines starts one; lines like
    ` = Played , W = ` inside a paragraph do not. Names are the split and the line (`valid/line-00004`). Tokens are the
    file's own, `<unk>` among them.

    `data` (default: TXRAY_DATA) is a folder with `wikitext-2-v1.zip`, or `wikitext-2/wiki.{train,valid,test}.tokens`,
    or the hub's Parquet files (column `text`, a row a line) as `wikitext-2-v1/{train,validation,test}-*.parquet` or
    `wikitext-2-v1-{train,validation,test}.parquet`. Without a folder the corpus is downloaded. Every form gives the
    same corpus. Raises TxrayError where it cannot be had or its content differs from the published one.
    """
    texts = obtain("WikiText-2", _forms(), data)
    return Corpus(name, tuple(document for split in SPLITS for document in _documents(texts[split], split)))


def is_heading(document: Document) -> bool:
    """Whether a document of WikiText-2 is set as a heading, ` = Title = ` or ` = = Section = = `: a document of its own, before
    which the encoder's state is reset. So is the odd legend of a table, ` = Goals ; A = `."""
    return len(document) > 2 and document.tokens[0] == document.tokens[-1] == "="


def _forms() -> tuple[Form[dict[str, str]], ...]:
    files = tuple(f"wikitext-2-v1-{split}.parquet" for split in _SHARD_SPLITS)
    return (
        Form(("wikitext-2-v1.zip",), _read_zip, ("https://wikitext.smerity.com/wikitext-2-v1.zip",)),
        Form(_MEMBERS, _read_folder),
        Form(tuple(f"wikitext-2-v1/{split}-*.parquet" for split in _SHARD_SPLITS), _read_parquet),
        Form(files, _read_parquet, tuple(map(_HUB.format, _SHARD_SPLITS))),
    )


def _read_zip(found: Found) -> dict[str, str]:
    archive = found[0][0]
    members = zip_members(archive, _MEMBERS, FILE_LIMIT)
    return {split: _checked(members[m], f"{archive}:{m}", split) for split, m in zip(SPLITS, _MEMBERS, strict=True)}


def _read_folder(found: Found) -> dict[str, str]:
    paths = [shards[0] for shards in found]
    return {
        split: _checked(read_file(path, FILE_LIMIT), path, split) for split, path in zip(SPLITS, paths, strict=True)
    }


def _read_parquet(found: Found) -> dict[str, str]:
    return {split: _rows_of(shards, split) for split, shards in zip(SPLITS, found, strict=True)}


def _rows_of(shards: list[Path], split: str) -> str:
    """The text of a split from its rows. The hub leaves a blank line empty where the file has a space."""
    rows = parquet_columns(shards, ["text"])[0]
    content = "".join(f"{(row or '').rstrip(chr(10)) or ' '}\n" for row in rows).encode()
    return _checked(content, shards[0], split)


def _checked(content: bytes, source: object, split: str) -> str:
    text = utf8(content, source)
    expected = CHECKS[split]
    if len(content) != expected.bytes:
        raise damaged(source, f"it has {len(content):,} bytes, WikiText-2's {split} split has {expected.bytes:,}")
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise damaged(source, f"its sha256 is not that of WikiText-2's {split} split")
    return text


def _documents(text: str, split: str) -> Iterator[Document]:
    """The documents of a split, each with the article it stands in (article-000 before the first heading)."""
    lines = text.split("\n")
    article = 0
    for i, line in enumerate(lines):
        tokens = tuple(map(sys.intern, line.split()))
        if not tokens:
            continue
        article += _is_title(lines, i)
        yield Document(
            name=f"{split}/line-{i + 1:05d}",
            split=split,
            block=f"{split}/article-{article:03d}",
            tokens=tokens,
            sentences=sentence_starts(tokens),
        )


def _is_title(lines: list[str], i: int) -> bool:
    blank_before = i == 0 or not lines[i - 1].strip()
    blank_after = i + 1 == len(lines) or not lines[i + 1].strip()
    return blank_before and blank_after and _TITLE.fullmatch(lines[i]) is not None
