"""Finding and opening tables: live before frozen, and an error that says what to do."""

import shutil
from pathlib import Path

import pytest
import yaml
from telling_tables import write_second_layer, write_study, write_tables

from txray_lib import places
from txray_lib.audit import VERDICTS
from txray_lib.errors import TxrayError
from txray_lib.profiles import load_profile
from txray_lib.results import check_parameters, list_results, open_results
from txray_lib.transfer import STATES


@pytest.fixture
def frozen(workplace: Path) -> Path:
    """The frozen tables of demo in a compendium of one's own."""
    return write_tables(workplace / "results" / "demo")


def test_live_results_come_before_frozen_ones_unless_a_run_was_stopped(frozen: Path, workplace: Path) -> None:
    assert open_results("demo").origin == "frozen"
    live = shutil.copytree(frozen, workplace / "build" / "results" / "demo")
    assert open_results("demo").origin == "live"
    assert list_results() == {"demo": "live"}
    (live / "transfer.parquet").unlink()
    assert open_results("demo").origin == "frozen"


def test_the_environment_names_another_folder(frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(frozen, tmp_path / "elsewhere" / "small")
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "elsewhere"))
    assert list_results() == {"small": "frozen"}
    with pytest.raises(TxrayError, match="TXRAY_RESULTS"):
        open_results("demo")
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    assert (open_results("small").origin, open_results("small").is_outdated) == ("frozen", False)


def test_the_tables_of_a_study_are_results_without_stages(workplace: Path) -> None:
    folder = write_study(workplace / "results" / "truth")
    assert list_results() == {"truth": "frozen"}
    assert open_results("truth").is_study
    with pytest.raises(TxrayError, match="study of planted encoders, which has no stages"):
        open_results("truth").table("stages")
    (folder / "truth_measures.parquet").unlink()
    with pytest.raises(TxrayError, match=r"the tables of 'truth' .* not complete: truth_measures.parquet missing"):
        open_results("truth")


def test_missing_tables_say_how_to_get_them(frozen: Path) -> None:
    with pytest.raises(TxrayError, match=r"txray run small.*TXRAY_RESULTS"):
        open_results("small")
    with pytest.raises(TxrayError, match="Did you mean 'demo'"):
        open_results("dmeo")
    (frozen / "stages.parquet").unlink()
    with pytest.raises(TxrayError, match=r"not complete: stages.parquet missing"):
        open_results("demo")


def test_a_profile_is_opened_by_its_file_as_by_its_name(frozen: Path, workplace: Path, tmp_path, monkeypatch) -> None:
    folder = shutil.copytree(frozen, workplace / "build" / "results" / "mine")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text("base: demo\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for given in ("own/mine.yaml", str(tmp_path / "own" / "mine.yaml"), "mine"):
        assert (open_results(given).profile, open_results(given).folder) == ("mine", folder)
    with pytest.raises(TxrayError, match=r"no profile 'own/mien.yaml'"):
        open_results("own/mien.yaml")


def test_what_a_run_does_not_have_is_told_with_the_nearest_name(frozen: Path) -> None:
    run = open_results("demo")
    with pytest.raises(TxrayError, match="Did you mean 'reviews-supervised'"):
        run.preferences("reviews-supervized")
    with pytest.raises(TxrayError, match="rq4"):
        run.transfer("rq4")
    with pytest.raises(TxrayError, match="supervized"):
        run.stage("supervized")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"neuron": 40}, "neuron is 40, and 'demo' has the neurons 0 to 39"),
        ({"neuron": -2}, "neuron is -2, and should be greater than or equal to -1"),
        ({"neuron": True}, "neuron is True"),
        ({"level": float("nan")}, "level is nan, and should be a finite number"),
        ({"level": float("inf")}, "level is inf"),
        ({"level": 1.01}, "level is 1.01, and should be less than or equal to 1"),
        ({"tokens": [1e9, float("inf")]}, r"tokens is \[1000000000.0, inf\], and should be a finite number"),
        ({"top_tokens": 0}, "top_tokens is 0, and should be greater than or equal to 1"),
        ({"top_tokens": 2.5}, "top_tokens is 2.5"),
        ({"min_length": "5"}, "min_length is '5'"),
        ({"by": "size"}, "by is 'size', and should be 'length' or 'tag_length'"),
        ({"level": 0.05, "rank": -1}, "rank is -1"),
        ({"min_length": 9, "max_length": 8}, "min_length is 9, above max_length, which is 8"),
        ({"shortest": 9, "longest": 8}, "shortest is 9, above longest"),
        ({"other": "smal"}, "other names the run 'smal'.* Did you mean 'small'"),
        ({"beside": "smal@3"}, "beside names the run 'smal'"),
        ({"study": None}, "study is None, and should be a valid string"),
        ({"one": 3}, "one is 3, and should be a valid string"),
        ({"seed": 2**32}, "seed is 4294967296, and should be less"),
    ],
)
def test_a_parameter_beyond_its_limits_is_told_by_name(frozen: Path, given: dict[str, object], told: str) -> None:
    with pytest.raises(TxrayError, match=f"the parameter {told}"):
        open_results("demo", **given)


def test_a_page_that_names_no_second_run_depends_on_its_own_alone(frozen: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(places.OPENED_VARIABLE, str(tmp_path / "note"))
    open_results("demo", level=0.05)
    assert {Path(line).parent.name for line in (tmp_path / "note").read_text().splitlines()} == {"demo"}


def test_pairs_are_of_one_length_and_a_run_is_no_study(frozen: Path) -> None:
    with pytest.raises(TxrayError, match="hold pairs"):
        check_parameters(lengths_before=[1, 2], lengths_after=[1])
    with pytest.raises(TxrayError, match="'demo' is a run, and a study"):
        open_results("demo", noise="some")
    check_parameters(beside="", other="demo", study="truth@3")


def test_parameters_within_their_limits_and_verdicts_and_states_are_those_of_their_rooms(frozen: Path) -> None:
    for neuron in (-1, 0, 39):
        open_results("demo", neuron=neuron, level=1, untrained=False)
    for name, words in (("verdict", VERDICTS), ("state", STATES)):
        for word in ("all", *words):
            check_parameters(**{name: word})


def test_results_of_another_profile_than_todays_are_outdated(frozen: Path) -> None:
    """A parameter that the profile of the run lacks had its default."""
    plain = load_profile("demo").model_dump()
    without = {name: value for name, value in plain["pretraining"].items() if name != "precision"}
    for changed, outdated in (
        ({}, False),
        ({"about": "else"}, False),
        ({"seed": 99}, True),
        ({"pretraining": without}, False),
        ({"pretraining": {**without, "precision": "bfloat16"}}, True),
        ({"pretraining": {"units": 3}}, True),
    ):
        (frozen / "profile.yaml").write_text(yaml.safe_dump({**plain, **changed}))
        assert open_results("demo").is_outdated == outdated


def test_a_layer_of_several_is_opened_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    folder = write_tables(tmp_path / "demo")
    write_second_layer(folder)
    whole, one = open_results("demo", every_layer=True), open_results("demo@2")
    assert (whole.layer, whole.layers, one.layers) == (None, [0, 2], [0, 2])
    assert open_results("demo") == one
    assert (one.profile, one.layer) == ("demo", 2)
    assert len(whole.transfer("rq2")) == 2 * len(one.transfer("rq2"))
    for rows in (one.transfer("rq2"), one.preferences(one.stage("last"))):
        assert set(rows["layer"]) == {2}
    assert len(one.stages) == len(whole.stages)
    with pytest.raises(TxrayError, match="'demo' has no layer 1"):
        open_results("demo@1")
