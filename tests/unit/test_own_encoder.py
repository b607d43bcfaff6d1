"""An encoder of the user's own in a profile: its words, and the roles of its snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from txray_lib.corpora import UNKNOWN
from txray_lib.corpora.own import load_words
from txray_lib.corpora.vocabulary import END
from txray_lib.errors import TxrayError
from txray_lib.profiles import load_profile
from txray_lib.stages import comparisons, stages

WORDS = ["the", END, "river", UNKNOWN, "runs"]


def write_words(path: Path, words: list[str] | None = None) -> Path:
    path.write_text("\n".join(WORDS if words is None else words) + "\n", encoding="utf-8")
    return path


def test_words_keep_their_rows_and_the_end_comes_last(tmp_path):
    vocabulary, rows = load_words(write_words(tmp_path / "words.txt"), lowercase=False)
    assert vocabulary.words == ("the", "river", UNKNOWN, "runs", END)
    assert rows == [0, 2, 3, 4, 1]
    assert not vocabulary.lowercase
    (tmp_path / "dos.txt").write_bytes("\r\n".join(["\ufeffthe", *WORDS[1:]]).encode())
    assert load_words(tmp_path / "dos.txt", lowercase=False) == (vocabulary, rows)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", "", UNKNOWN, END], "line 2"),
        (["a", UNKNOWN, "a", END], "line 3"),
        (["a", END], f"has no line {UNKNOWN}"),
        (["a", UNKNOWN], f"has no line {END}"),
        ([], "is empty"),
    ],
)
def test_what_is_wrong_with_words_is_told(tmp_path, words, told):
    with pytest.raises(TxrayError) as error:
        load_words(write_words(tmp_path / "words.txt", words), lowercase=True)
    assert told in str(error.value)
    assert "words.txt" in str(error.value)


def test_given_snapshots_have_the_roles_of_a_pretraining(workplace):
    text = "base: tiny\nencoder: {files: {2: a.safetensors, 5: b.safetensors, 9: c.safetensors, 30: d.safetensors}, vocabulary: w.txt}\n"
    (workplace / "profiles" / "mine.yaml").write_text(text, encoding="utf-8")
    profile = load_profile("mine")
    assert profile.pretraining.snapshots == [0, 2, 5, 9, 30]
    roles = {stage.snapshot: stage.role for stage in stages(profile)[:-2]}
    assert list(roles.values()) == ["untrained", "early", "between", "before-last", "last"]
    asked = [c.name for c in comparisons(profile) if c.question == "rq1"]
    assert asked == ["encyclopedia-0:encyclopedia-2", "encyclopedia-2:encyclopedia-9", "encyclopedia-9:encyclopedia-30"]
