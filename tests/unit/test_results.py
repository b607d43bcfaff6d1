"""Finding and opening tables: live before frozen, and an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from telling_tables import write_study, write_tables

from txray_lib.errors import TxrayError
from txray_lib.results import check_neuron, extremes, list_results, open_results
from txray_lib.tables import write_table


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    (tmp_path / "profiles").mkdir()
    for name in ("demo", "small"):
        (tmp_path / "profiles" / f"{name}.yaml").write_text("about: a test\n", encoding="utf-8")
    return tmp_path


def test_live_results_come_before_frozen_ones(repository: Path) -> None:
    write_tables(repository / "results" / "demo")
    assert open_results("demo").origin == "frozen"
    write_tables(repository / "build" / "results" / "demo")
    assert open_results("demo").origin == "live"
    assert list_results() == {"demo": "live"}


def test_a_run_that_was_stopped_does_not_hide_frozen_results(repository: Path) -> None:
    write_tables(repository / "results" / "demo")
    live = write_tables(repository / "build" / "results" / "demo")
    (live / "transfer.parquet").unlink()
    assert open_results("demo").origin == "frozen"


def test_the_environment_names_another_folder(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tables(repository / "build" / "results" / "demo")
    write_tables(tmp_path / "elsewhere" / "small")
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "elsewhere"))
    assert list_results() == {"small": "frozen"}
    with pytest.raises(TxrayError, match="TXRAY_RESULTS"):
        open_results("demo")


def test_the_tables_of_a_study_are_results_without_stages(repository: Path) -> None:
    (repository / "profiles" / "truth.yaml").write_text("about: a test\n", encoding="utf-8")
    folder = write_study(repository / "results" / "truth")
    assert list_results() == {"truth": "frozen"}
    assert open_results("truth").is_study
    write_tables(repository / "results" / "demo")
    assert not open_results("demo").is_study
    (folder / "truth_measures.parquet").unlink()
    with pytest.raises(TxrayError, match=r"the tables of 'truth' .* not complete: truth_measures.parquet missing"):
        open_results("truth")


def test_missing_tables_say_how_to_get_them(repository: Path) -> None:
    with pytest.raises(TxrayError, match=r"txray run demo.*TXRAY_RESULTS"):
        open_results("demo")
    folder = write_tables(repository / "results" / "demo")
    (folder / "stages.parquet").unlink()
    with pytest.raises(TxrayError, match=r"not complete: stages.parquet missing"):
        open_results("demo")


def test_a_misspelt_profile_gets_the_nearest_name(repository: Path) -> None:
    with pytest.raises(TxrayError, match="Did you mean 'demo'"):
        open_results("dmeo")


def test_a_profile_is_opened_by_its_file_as_by_its_name(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tables(repository / "build" / "results" / "mine")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text("base: demo\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for given in ("own/mine.yaml", str(tmp_path / "own" / "mine.yaml"), "mine"):
        assert (open_results(given).profile, open_results(given).folder) == ("mine", folder)
    with pytest.raises(TxrayError, match=r"no profile 'own/mien.yaml'"):
        open_results("own/mien.yaml")


def test_the_blocks_of_a_question_are_those_of_the_texts_of_its_stages(repository: Path) -> None:
    folder = write_tables(repository / "results" / "demo")
    run = open_results("demo")
    corpora = run.table("corpora")
    of_reviews = (corpora["corpus"] == "reviews") & (corpora["measure"] == "stage_blocks")
    write_table(corpora.assign(value=corpora["value"].mask(of_reviews, 400)), folder / "corpora.parquet", {})
    assert run.blocks("rq2") == {"encyclopedia-6": 9, "reviews-zero-shot": 400}
    assert run.blocks("rq3") == {"reviews-zero-shot": 400, "reviews-supervised": 400}
    (folder / "corpora.parquet").unlink()
    assert run.blocks("rq2") == {}


@pytest.mark.parametrize("neuron", [-2, -5, 40, 10**9])
def test_a_number_that_no_neuron_has_is_an_error_with_the_range(repository: Path, neuron: int) -> None:
    write_tables(repository / "results" / "demo")
    run = open_results("demo")
    assert [check_neuron(run, known) for known in (-1, 0, 39)] == [-1, 0, 39]
    with pytest.raises(TxrayError, match=rf"neuron is {neuron}, and 'demo' has the neurons 0 to 39"):
        check_neuron(run, neuron)


def test_misspelt_stages_and_questions_get_the_nearest_name(repository: Path) -> None:
    write_tables(repository / "results" / "demo")
    results = open_results("demo")
    with pytest.raises(TxrayError, match="Did you mean 'reviews-supervised'"):
        results.preferences("reviews-supervized")
    with pytest.raises(TxrayError, match="rq4"):
        results.transfer("rq4")
    with pytest.raises(TxrayError, match="supervized"):
        results.stage("supervized")


def transfer(rows: list[tuple[int, float, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["neuron", "hellinger", "length_before", "length_after"])
    return frame.assign(layer=0, comparison="a:b", state="shared")


def test_extremes_take_long_neurons_and_of_equals_the_lowest_index() -> None:
    rows = transfer(
        [(9, 0.9, 10, 10), (4, 0.9, 10, 10), (3, 1.0, 10, 9), (2, 0.1, 10, 10), (1, 0.1, 50, 10), (0, 0.0, 2, 2)]
    )
    picked = extremes(rows, min_length=10)
    assert picked["neuron"].to_dict() == {"most": 4, "least": 1}


def test_extremes_of_one_neuron_and_of_none() -> None:
    rows = transfer([(5, 0.5, 10, 10), (6, float("nan"), 10, 0)])
    assert extremes(rows, 10)["neuron"].to_dict() == {"most": 5}
    assert extremes(rows, 11).empty


def test_extremes_of_a_rank_are_that_far_from_either_end() -> None:
    rows = transfer([(n, n / 10, 10, 10) for n in range(5)])
    assert extremes(rows, 10, rank=2)["neuron"].to_dict() == {"most": 3, "least": 1}
    assert extremes(rows, 10, rank=3)["neuron"].to_dict() == {"most": 2}, "the middle one is not both"
    assert extremes(rows, 10, rank=6).empty
    with pytest.raises(TxrayError, match="the rank is 0"):
        extremes(rows, 10, rank=0)
    equal = transfer([(n, 0.5, 10, 10) for n in range(4)])
    assert extremes(equal, 10, rank=2)["neuron"].to_dict() == {"most": 1, "least": 3}


def test_results_of_another_profile_than_todays_are_outdated(workplace: Path) -> None:
    from txray_lib.profiles import load_profile

    folder = write_tables(workplace / "build" / "results" / "tiny")
    plain = load_profile("tiny").model_dump()
    without = {name: value for name, value in plain["pretraining"].items() if name != "precision"}
    for changed, outdated in (
        ({}, False),
        ({"about": "else"}, False),
        ({"seed": 99}, True),
        ({"pretraining": without}, False),
        ({"pretraining": {**without, "precision": "bfloat16"}}, True),
        ({"pretraining": {"units": 3}}, True),
    ):
        (folder / "profile.yaml").write_text(yaml.safe_dump({**plain, **changed}))
        assert open_results("tiny").is_outdated == outdated


def test_without_a_repository_the_way_to_tables_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    with pytest.raises(TxrayError, match=r"without its repository.*TXRAY_RESULTS"):
        open_results("demo")
    write_tables(tmp_path / "elsewhere" / "small")
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "elsewhere"))
    results = open_results("small")
    assert (results.origin, results.is_outdated) == ("frozen", False)
