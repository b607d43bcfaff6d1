"""The page "A chapter of your own" is true: its commands, files and code, at the size of a test."""

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from running import run_cells

from txray_lib import engine
from txray_lib.book import building
from txray_lib.engine import open_run
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.example import PROFILE, write_example
from txray_lib.profiles import load_profile
from txray_lib.results import open_results
from txray_lib.steps import Task
from txray_lib.tables import read_table

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "book" / "own.md").read_text(encoding="utf-8")
SIZE = {"tokens": 20_000, "counts": {"train": 200, "valid": 2, "test": 100}, "words": 1_000}
QUICK = {
    "base": "mine",
    "about": "The example at the size of a test.",
    "vocabulary": {"size": 600},
    "collection": {"tokens": 3_000, "batch_size": 16},
    "pretraining": {"embedding_size": 16, "units": 24, "batch_size": 8, "window": 20},
    "finetuning": {"reviews": {"train": 120, "valid": 40, "test": 60}, "epochs": 2},
    "pruning": {"set_size": 3, "reviews": 40, "random_sets": 5, "recurrent_random_sets": 1},
    "controls": {"probe_tokens": 1_000},
    "nulls": {"permutations": 20, "measures": []},
}

pytestmark = pytest.mark.skipif(not find_spec("flair"), reason="Flair tags: pip install 'txray-lib[tag]'")


def blocks(language: str) -> list[str]:
    """The page's blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, new_workplace: Callable[[Path], Path]) -> Iterator[Path]:
    """The folder of the page, beside a compendium of its own in TXRAY_ROOT."""
    base = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXRAY_ROOT", str(new_workplace(base / "compendium")))
        patch.delenv("TXRAY_RESULTS", raising=False)
        patch.delenv("TXRAY_DATA", raising=False)
        patch.setattr(sys, "argv", ["txray", "run", "mine/quick.yaml"])
        write_example(base / "mine", **SIZE)
        (base / "mine" / "quick.yaml").write_text(yaml.safe_dump(QUICK), encoding="utf-8")
        yield base / "mine"


@pytest.fixture(scope="module")
def quick(mine: Path) -> Run:
    """A finished run on the files of one's own."""
    run = Run(load_profile(str(mine / "quick.yaml")))
    assert run.make() == list(run.steps)
    return run


def said(name: str, profile: str) -> str:
    """What a notebook says on a profile."""
    return run_cells(REPOSITORY / "notebooks" / f"{name}.md", {"profile": profile}).text


def test_the_page_shows_the_profile_that_the_example_writes_which_has_texts_enough(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Task, "say", lambda task, line: said.append(line))
    example = write_example(tmp_path / "mine")
    assert blocks("yaml")[0] == PROFILE.read_text(encoding="utf-8") == example.read_text(encoding="utf-8")
    run = Run(load_profile(str(example)))
    run.make("corpora")
    measures = read_table(run.file("corpora", "measures.parquet")).set_index(["corpus", "measure"])["value"]
    assert [measures["films", f"finetuning_{s}_reviews"] for s in ("train", "valid", "test")] == [1000, 200, 400]
    assert "reviews.csv: the label 'bad' is 0, 'good' is 1, the class whose F1 is told" in said


def test_text_and_labels_become_the_chapters_of_a_book(quick: Run) -> None:
    for name in ("rq1", "rq2", "rq3", "fig08", "audit"):
        assert "quick: computed in this checkout" in said(name, "quick")
    source = open_results("quick").provenance
    assert source["labels"] == {"films": ["bad", "good"]}
    assert set(source["corpora"]) == {"articles", "films"}
    assert not any(map(open_results("quick").has, ("truth", "contexts")))
    root = quick.folder.parents[2]
    for name in ("_toc.yml", "notebooks"):
        (root / name).symlink_to(REPOSITORY / name)
    on = {page.out.stem: page.parameters.get("profile") for page in building.list_pages("quick")}
    assert (on["rq3"], on["demo-rq3"], on["method"]) == ("quick", "demo", "demo")
    assert str(root) not in (quick.place("tables") / "profile.yaml").read_text(encoding="utf-8")


def test_the_code_of_the_readme_runs_on_a_finished_run(quick: Run, mine: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(code.replace("tx.compare", "changed = tx.compare").replace('"demo"', repr(str(mine / "quick.yaml"))), names)
    transfer = open_results("quick").transfer("rq3")
    assert names["changed"]["hellinger"].to_numpy() == pytest.approx(transfer["hellinger"].to_numpy(), nan_ok=True)


def test_a_changed_file_is_read_again(
    quick: Run, mine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def planned() -> bool:
        capfd.readouterr()
        engine.make_run(Run(load_profile(str(twin / "quick.yaml"))), str(twin / "quick.yaml"), ["corpora"], "dry-run")
        return "corpora  " in "".join(capfd.readouterr())

    twin = tmp_path / "mine"
    shutil.copytree(mine, twin)
    name = str(twin / "quick.yaml")
    run = Run(load_profile(name))
    shutil.rmtree(run.place("corpora"))
    assert engine.make_run(run, name, ["corpora"])
    assert not planned()
    text = twin / "text.txt"
    text.write_text(text.read_text(encoding="utf-8") + "One more line.\n", encoding="utf-8")
    assert planned()
    text.unlink()
    with pytest.raises(TxrayError, match=r"text\.txt cannot be read"):
        engine.make_run(run, name, ["corpora"])
    assert run.is_there("corpora")


class TheirModel(torch.nn.Module):
    """A language model as the page means it: other names, rows in an order of its own."""

    def __init__(self, words: int, size: int, units: int) -> None:
        super().__init__()
        self.encoder, self.rnn = torch.nn.Embedding(words, size), torch.nn.LSTM(size, units)
        self.decoder = torch.nn.Linear(units, words)


@pytest.fixture(scope="module")
def encoder(quick: Run, mine: Path) -> Run:
    """A finished run on the snapshots of `quick`, written as the page says by a model with other names and another order."""
    settings = yaml.safe_load(blocks("yaml")[1])
    model_of = quick.profile.pretraining
    settings |= {"base": "quick", "vocabulary": {"size": 600}}
    settings["pretraining"] = {"embedding_size": model_of.embedding_size, "units": model_of.units}
    (mine / "encoder.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    finished = open_run(str(mine / "quick.yaml"))
    order = np.random.default_rng(1).permutation(len(finished.vocabulary))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(mine.parent)
        for epoch in (1, 2, 3):
            own = finished.model(f"articles-{epoch}")
            model = TheirModel(len(order), model_of.embedding_size, model_of.units)
            model.encoder.weight.data = own.embedding.weight.data[order]
            model.rnn.load_state_dict(own.lstm.state_dict())
            words = [finished.vocabulary.words[i] for i in order]
            exec(blocks("python")[0].replace("epoch-3", f"epoch-{epoch}"), {"model": model, "words": words})
    run = Run(load_profile(str(mine / "encoder.yaml")))
    assert run.make() == list(quick.steps)
    return run


def test_snapshots_of_ones_own_become_the_chapters_of_a_book(quick: Run, encoder: Run, mine: Path) -> None:
    """They are those of `quick`, so each stage must prefer what it preferred there."""
    for stage in ("articles-1", "articles-2", "articles-3", "films-zero-shot", "films-supervised"):
        theirs, ours = (read_table(r.file("preferences", f"{stage}.parquet")) for r in (encoder, quick))
        pd.testing.assert_frame_equal(theirs, ours)
    digest = hashlib.sha256((mine / "epoch-2.safetensors").read_bytes()).hexdigest()
    assert digest in str(open_results("encoder").provenance)
    assert "encoder: computed in this checkout" in said("rq1", "encoder")


def test_one_snapshot_alone_answers_what_needs_no_other(encoder: Run, mine: Path) -> None:
    """RQ2 and RQ3 as with all snapshots; what compares snapshots has no value, and says why."""
    files = {"files": {3: "epoch-3.safetensors"}, "vocabulary": "words.txt", "embedding": "encoder", "lstm": "rnn"}
    settings = yaml.safe_load((mine / "encoder.yaml").read_text(encoding="utf-8")) | {"encoder": files}
    (mine / "alone.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    run = Run(load_profile(str(mine / "alone.yaml")))
    assert set(encoder.steps) - set(run.make()) == {"collect-articles-1", "collect-articles-2"}
    both = open_results("encoder").table("measured").merge(open_results("alone").table("measured"), on="id")
    known, missing = both[both["value_y"].notna()], both[both["value_x"].notna() & both["value_y"].isna()]
    assert known["value_x"].equals(known["value_y"].rename("value_x"))
    assert {"N7", "N11", "N13"} <= set(known["id"])
    assert {"N1", "N3", "N8", "K5"} <= set(missing["id"])
    assert missing["why_y"].str.len().min() > 0
    asked = open_results("alone").table("transfer")["question"].unique()
    assert set(asked) == {"rq2", "rq3", "epochs", "control"}
    for name in ("rq2", "rq3", "limits", "audit"):
        assert "alone: computed in this checkout" in said(name, "alone")


def test_the_code_for_other_encoders_runs(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    names: dict[str, object] = {}
    _, encoder, comparison, arrays, ways, _ = blocks("python")
    exec(encoder, names)
    exec(comparison, names)
    changed, tagged = names["changed"], names["tagged"]
    assert list(changed["neuron"]) == list(range(20))
    assert changed["count_before"].sum() == changed["count_after"].sum() == tagged.token_count
    gru, words = names["before"], names["words"]
    batch = lambda tokens: torch.from_numpy(words.encode(tokens)).long()[None]  # noqa: E731
    names["my_activations"] = lambda tokens: gru(batch(tokens), [None])[0][0].detach()
    exec(arrays, names)
    assert names["preferences"]["count"].sum() == tagged.token_count
    exec(ways, names)
    assert len(names["records"]) == 3 * tagged.token_count
    assert names["several"]["count"].sum() == (names["records"]["neuron"] >= 0).sum() > tagged.token_count
