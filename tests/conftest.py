"""What tests share: a hand-made tagged corpus with its vocabulary, encoders whose weights are known, a workplace.

Torch is imported only by the fixtures that need it, so that the telling half is tested without it.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from txray_lib.corpora import UNKNOWN, Corpus, Document, Vocabulary
from txray_lib.corpora.vocabulary import END

if TYPE_CHECKING:
    from txray_lib.encoders.lstm import Classifier, Encoder

os.environ["TXRAY_QUIET"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

UNCHECKED = [HealthCheck.function_scoped_fixture]
settings.register_profile("txray", deadline=None, max_examples=30, suppress_health_check=UNCHECKED)
settings.load_profile("txray")

REPOSITORY = Path(__file__).resolve().parents[1]
WORDS = ("the", "river", "film", "great", "runs", ".")
TAGS = {"the": "DT", "river": "NN", "film": "NN", "great": "JJ", "runs": "VBZ", ".": "."}


def pytest_collection_finish() -> None:
    """What is imported by now lives on: no collection of garbage looks at it again."""
    gc.collect()
    gc.freeze()


def document(name: str, text: str, block: str = "b", label: int | None = None, split: str = "train") -> Document:
    """A document of space-separated tokens, tagged by their lower-cased form; words the vocabulary lacks are nouns."""
    tokens = tuple(text.split())
    tags = tuple(TAGS.get(token.lower(), "NN") for token in tokens)
    return Document(name, split, block, tokens, label=label, tags=tags, gold=tags)


@pytest.fixture
def vocabulary() -> Vocabulary:
    """The six words, `<unk>` and `<eos>`: eight ids."""
    return Vocabulary((*WORDS, UNKNOWN, END))


@pytest.fixture
def corpus() -> Corpus:
    """Five documents in three blocks: mixed case, unknown words, a single token, no token, and one of 302 tokens."""
    return Corpus(
        "reviews",
        (
            document("one", "The river runs .", "hill", 1),
            document("two", "film", "lake", 0),
            document("none", "", "lake", 1),
            document("long", "the Great FILM of a river runs . " * 37 + "great film . the river runs", "hill", 0),
            document("last", "Nobody runs the film great .", "sea", 1),
        ),
    )


@pytest.fixture
def encoder(vocabulary: Vocabulary) -> Encoder:
    """Seven units whose weights follow from a seed, wide enough for every gate to matter."""
    import torch

    from txray_lib.encoders.lstm import Encoder

    torch.manual_seed(3)
    made = Encoder(len(vocabulary), 4, 7)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.9)
    return made.eval()


@pytest.fixture
def classifier(encoder: Encoder) -> Classifier:
    """A classifier on `encoder`."""
    import torch

    from txray_lib.encoders.lstm import Classifier

    torch.manual_seed(4)
    return Classifier(encoder).eval()


@pytest.fixture
def planted() -> Callable[[Vocabulary, int, Mapping[str, Mapping[int, float]]], Encoder]:
    """Makes an encoder whose activations are planted: `planted(vocabulary, units, {word: {neuron: a}})`.

    Its gates are open and it forgets at once, so that the activation of a neuron at a word is tanh(tanh(a)), and
    tanh(tanh(-1)) where no `a` is given: whatever came before, and never the largest beside a greater `a`.
    """
    import torch

    from txray_lib.encoders.lstm import Encoder

    def make(vocabulary: Vocabulary, units: int, strengths: Mapping[str, Mapping[int, float]]) -> Encoder:
        made = Encoder(len(vocabulary), units, units).eval()
        with torch.no_grad():
            for parameter in made.lstm.parameters():
                parameter.zero_()
            bias = made.lstm.bias_ih_l0.view(4, units)
            bias[0], bias[1], bias[3] = 200, -200, 200
            made.lstm.weight_ih_l0.view(4, units, units)[2] = torch.eye(units)
            made.embedding.weight.fill_(-1)
            for word, by_neuron in strengths.items():
                for neuron, strength in by_neuron.items():
                    made.embedding.weight[vocabulary.words.index(word), neuron] = strength
        return made

    return make


@pytest.fixture(scope="session")
def new_workplace() -> Callable[[Path], Path]:
    """Makes a folder that can stand for the compendium in TXRAY_ROOT: the profiles, and nothing computed yet."""

    def make(folder: Path) -> Path:
        shutil.copytree(REPOSITORY / "profiles", folder / "profiles")
        return folder

    return make


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_workplace: Callable[[Path], Path]) -> Path:
    """A compendium of one's own in TXRAY_ROOT, so that a test touches nothing of the checkout."""
    folder = new_workplace(tmp_path / "compendium")
    monkeypatch.setenv("TXRAY_ROOT", str(folder))
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    return folder


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[..., Path]:
    """`make_once(name, make)`: the folder of that name, made by the first of all processes that run tests to ask for it.

    Where `make` failed it is not called again, and every test that asks fails with its reason.
    """
    temporary = tmp_path_factory.getbasetemp()
    shared = temporary if worker_id == "master" else temporary.parent

    def get(name: str, make: Callable[[Path], object]) -> Path:
        folder, ended = shared / name, shared / f"{name}.ended"
        with FileLock(shared / f"{name}.lock"):
            if not ended.exists():
                folder.mkdir()
                try:
                    make(folder)
                    ended.touch()
                except Exception:
                    ended.write_text(traceback.format_exc(), encoding="utf-8")
        if why := ended.read_text(encoding="utf-8"):
            pytest.fail(f"{name} could not be made:\n{why}", pytrace=False)
        return folder

    return get


@pytest.fixture(scope="session")
def tiny_home(make_once: Callable[..., Path], new_workplace: Callable[[Path], Path]) -> Path:
    """A compendium in which Snakemake made the run `tiny`, for tests to read: one that changes it copies it.

    `loaded/STEP.json` names the files of the library that each step loaded in its process.
    """
    pytest.importorskip("snakemake", reason="pip install 'txray-lib[flow]'")
    require_flair()

    def make(folder: Path) -> None:
        from watching import perform_watched

        from txray_lib import engine
        from txray_lib.engine.run import Run
        from txray_lib.profiles import load_profile

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TXRAY_ROOT", str(new_workplace(folder)))
            patch.delenv("TXRAY_RESULTS", raising=False)
            patch.setattr(sys, "argv", ["/some/where/txray", "run", "tiny"])
            patch.setattr(engine, "_perform", perform_watched)
            assert engine.make_run(Run(load_profile("tiny")), "tiny")

    return make_once("tiny", make)


def require_flair() -> None:
    """Skip where Flair is not installed, without the seconds that its import takes."""
    if find_spec("flair") is None:
        pytest.skip("a run is tagged with Flair: pip install 'txray-lib[tag]'")
