"""An example of files of one's own, written out of the generated worlds: a text, labelled reviews, a profile.

May touch: errors, places, corpora, worlds.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from txray_lib import places
from txray_lib.corpora import Document
from txray_lib.errors import TxrayError
from txray_lib.worlds import WorldSize, encyclopedia, reviews

PROFILE = Path(__file__).with_name("example.yaml")
TEXT, TABLE = "text.txt", "reviews.csv"
LABELS = ("bad", "good")
SIZE = WorldSize(
    encyclopedia_tokens=120_000, reviews={"train": 1_400, "valid": 2, "test": 600}, words=2_000, noise=0.15
)

_SET_APART = re.compile(r" (?=[.,;:!?%)]|'[a-z])|(?<=\() ")
_MARKS = re.compile(r" @([-,.])@ ")


def write_example(folder: Path, seed: int = 1, size: WorldSize = SIZE) -> Path:
    """Write `text.txt`, `reviews.csv` and `NAME.yaml` into a new folder NAME, and return the profile's path.

    The text has a line for each paragraph and a blank line between articles; the table has the columns text, label and
    block, the film. Raises TxrayError where the folder holds anything, or where its name cannot be that of a profile.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", folder.name):
        raise TxrayError(f"{folder.name!r} cannot name a profile: choose a folder of letters, digits, - and _")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TxrayError(f"{folder} is there already, and nothing in it is overwritten: choose another folder")
    if (places.profiles_folder() / f"{folder.name}.yaml").exists():
        raise TxrayError(f"there is a profile {folder.name!r} already in profiles/: choose another folder")
    profile = folder / f"{folder.name}.yaml"
    places.write_text(_articles(size, seed), folder / TEXT)
    places.write_text(_table(size, seed), folder / TABLE)
    places.write_text(PROFILE.read_text(encoding="utf-8"), profile)
    return profile


def _articles(size: WorldSize, seed: int) -> str:
    lines, block = list[str](), ""
    for document in encyclopedia(size, seed):
        if block and document.block != block:
            lines.append("")
        block = document.block
        lines.append(_plain(document))
    return "\n".join(lines) + "\n"


def _table(size: WorldSize, seed: int) -> str:
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(["text", "label", "block"])
    for document in reviews(size, seed):
        rows.writerow([_plain(document), LABELS[document.label or 0], document.block.replace("/", " ")])
    return written.getvalue()


def _plain(document: Document) -> str:
    """A document as people write: without spaces before marks."""
    return _MARKS.sub(r"\1", _SET_APART.sub("", " ".join(document.tokens)))
