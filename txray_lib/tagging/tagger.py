"""Which tagger, and the care around every call of it. A corner of tagging; may touch: errors, corpora."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from txray_lib.corpora.documents import UNKNOWN
from txray_lib.errors import TxrayError, nearest
from txray_lib.tagging.engine import import_flair, one_thread

if TYPE_CHECKING:
    from flair.models import SequenceTagger

OWN = "own"
OWN_FILE = Path(__file__).with_name("tagger.int8.npz")
OWN_SHA256 = "4d8df9f8eaab060b21b6780052c53fc511612b61907aef26a0317fa35c1b97c4"
HUB_TAGGERS = ("flair/pos-english", "flair/pos-english-fast")
_SPACES_OF_SENTENCEPIECE = "\u2581\ufffd"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


class Execution(Protocol):
    """A way to run a model: tags of non-empty sentences within two limits."""

    longest_sentence: int
    longest_token: int

    def __call__(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]: ...


@dataclass(frozen=True)
class Tagger:
    """A part-of-speech tagger.

    name         what `load_tagger` was asked for
    fingerprint  sha256 of the model's file, for provenance
    tag_set      every tag it can give
    """

    name: str
    fingerprint: str
    tag_set: tuple[str, ...]
    _execution: Execution = field(repr=False, compare=False)

    def tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """One tag a token, sentence by sentence. Give whole sentences in their original case.

        A sentence's tags do not depend on the other sentences, up to the rounding of float32. An empty sentence has no
        tags. To bound memory, a sentence is read in pieces of 10,000 tokens and a token up to its 1,000th character
        (500 and 100 where Flair's own predict() runs); a token without a visible character is read as `<unk>`.
        """
        readable = _readable(sentences, self._execution.longest_token)
        longest = self._execution.longest_sentence
        pieces = [s[start : start + longest] for s in readable for start in range(0, len(s), longest)]
        with one_thread():
            tagged = iter(self._execution(pieces) if pieces else ())
        return [[tag for _ in range(0, len(s), longest) for tag in next(tagged)] for s in readable]


def load_tagger(which: str = OWN) -> Tagger:
    """The tagger of a name.

    which  "own": the tagger in this package, its content checked. "flair/pos-english" or "flair/pos-english-fast" (the
           paper's): Flair's models on the hub. Otherwise the path of a file written by Flair or by `store.save_npz`.

    Raises TxrayError where Flair is not installed, the hub cannot be reached, or the file is missing or damaged.
    """
    if which == OWN:
        return _load_file(OWN, OWN_FILE, OWN_SHA256)
    path = Path(which).expanduser()
    if path.is_file():
        return _load_file(which, path)
    if path.exists() or path.suffix in (".npz", ".pt", ".bin") or not _HUB_NAME.fullmatch(which):
        raise TxrayError(
            f"the tagger {which!r} is neither a file nor a model's name on the hub. "
            f"{nearest(which, (OWN, *HUB_TAGGERS))}"
        )
    import_flair()
    from txray_lib.tagging.hub import hub_file

    return _load_file(which, hub_file(which))


def _load_file(name: str, path: Path, expected: str | None = None) -> Tagger:
    if not path.is_file():
        raise TxrayError(f"the tagger's file {path} is missing. Restore it from git, or install the library again.")
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    if expected not in (None, fingerprint):
        raise TxrayError(
            f"the tagger's file {path} has changed: its sha256 is {fingerprint}, not {expected}. "
            "Restore it from git, or install the library again."
        )
    import_flair()
    from txray_lib.tagging.fast import FastExecution, can_run_fast
    from txray_lib.tagging.plain import PlainExecution

    model = _read_model(path)
    if model.predict_spans:
        raise TxrayError(
            f"the tagger {name!r} marks spans, not parts of speech. Known to work: {OWN}, {HUB_TAGGERS[0]}."
        )
    execution = FastExecution(model) if can_run_fast(model) else PlainExecution(model)
    return Tagger(name, fingerprint, tuple(model.label_dictionary.get_items()), execution)


def _read_model(path: Path) -> SequenceTagger:
    if path.suffix == ".npz":
        from txray_lib.tagging.store import load_npz

        return load_npz(path)
    from txray_lib.tagging.hub import load_flair_file

    return load_flair_file(path)


def _readable(sentences: Iterable[Sequence[str]], longest: int) -> list[list[str]]:
    """The sentences with the few tokens replaced that Flair could not read or could not afford."""
    listed = []
    for sentence in sentences:
        if isinstance(sentence, str):
            raise TxrayError(
                f"a sentence is a list of tokens, not text: {sentence[:50]!r}. Split it into tokens first."
            )
        listed.append(list(sentence))
    replaced = {}
    for token in {token for sentence in listed for token in sentence}:
        text = token[:longest].encode("utf-8", "replace").decode("utf-8")
        text = text if _is_visible(text) else UNKNOWN
        if text != token:
            replaced[token] = text
    return [[replaced.get(token, token) for token in sentence] for sentence in listed] if replaced else listed


def _is_visible(text: str) -> bool:
    """Whether any character is printable, not a space, and not one that SentencePiece takes for a space."""
    return any(c.isprintable() and not c.isspace() and c not in _SPACES_OF_SENTENCEPIECE for c in text)
