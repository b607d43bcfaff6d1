"""An example of files of one's own, written out of the generated worlds: a text, labelled reviews, a profile.

May touch: errors, places, corpora, worlds.
"""

import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import pandas as pd

from txray_lib import places
from txray_lib.corpora import Document
from txray_lib.errors import TxrayError
from txray_lib.worlds import encyclopedia, reviews

PROFILE = Path(__file__).with_name("example.yaml")
TOKENS, WORDS, NOISE, SEED = 120_000, 2_000, 0.15, 1
REVIEWS = {"train": 1_400, "valid": 2, "test": 600}
_SET_APART = re.compile(r" (?=[.,;:!?%)]|'[a-z])|(?<=\() ")
_MARKS = re.compile(r" @([-,.])@ ")


def write_example(folder: Path, tokens: int = TOKENS, counts: Mapping[str, int] = REVIEWS, words: int = WORDS) -> Path:
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
    articles = groupby(encyclopedia(tokens, words, SEED), key=lambda document: document.block)
    text = "\n\n".join("\n".join(map(_plain, paragraphs)) for _, paragraphs in articles)
    rows = [
        (_plain(d), "good" if d.label else "bad", d.block.replace("/", " "))
        for d in reviews(counts, words, NOISE, SEED)
    ]
    table = pd.DataFrame(rows, columns=["text", "label", "block"])
    profile = folder / f"{folder.name}.yaml"
    files = {
        folder / "text.txt": f"{text}\n",
        folder / "reviews.csv": table.to_csv(index=False, lineterminator="\n"),
        profile: PROFILE.read_text(encoding="utf-8"),
    }
    try:
        for file, content in files.items():
            places.write_text(content, file)
    except BaseException:
        for file in filter(Path.is_file, files):
            file.unlink()
        raise
    return profile


def _plain(document: Document) -> str:
    """A document as people write: without spaces before marks."""
    return _MARKS.sub(r"\1", _SET_APART.sub("", " ".join(document.tokens)))
