"""The profile of a study of what is known: its steps, a kill between seeds, what is gathered and frozen."""

from datetime import datetime

import pandas as pd
import pytest
import yaml

from txray_lib import places
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.profiles import load_profile
from txray_lib.results import list_results, open_results
from txray_lib.tables import read_table

TINY = """base: truth
about: A study of a test.
seed: 3
truth:
  tokens: [1_500]
  seeds: {seeds}
  ways: [argmax]
  texts: [one]
  plan: {{units: 40}}
  permutations: 20
  cap: 20
  population: 12_000
  words: 1_000
"""
TABLES = ("truth_states", "truth_measures", "truth_detection")


def a_study(workplace, seeds: int = 2) -> Run:
    (workplace / "profiles" / "mine.yaml").write_text(TINY.format(seeds=seeds), encoding="utf-8")
    return Run(load_profile("mine"))


def test_a_study_has_a_step_a_seed_and_only_a_run_on_a_world_keeps_a_sentence(workplace) -> None:
    assert list(a_study(workplace).steps) == ["truth-seed-3", "truth-seed-4", "tables"]
    asked = {name: "sentence" in Run(load_profile(name)).steps for name in ("demo", "small", "truth")}
    assert asked == {"demo": True, "small": False, "truth": False}


def test_a_study_is_made_gathered_frozen_and_read(workplace, monkeypatch) -> None:
    from txray_lib import cli

    monkeypatch.setattr("sys.argv", ["/some/where/bin/txray", "run", "my profile.yaml"])
    run = a_study(workplace)
    assert run.make("truth-seed-3") == ["truth-seed-3"]
    assert run.make() == ["truth-seed-4", "tables"], "a study that was stopped goes on with the next seed"
    assert run.make() == []
    assert list_results() == {"mine": "live"}
    results = open_results("mine")
    assert results.is_study
    assert not results.is_outdated
    source = results.provenance
    assert (source["profile"], source["seed"]) == ("mine", [3, 4])
    assert set(source["corpora"]) == {"encyclopedia-3", "encyclopedia-4"}
    assert len(set(source["corpora"].values())) == 2
    assert set(source["steps"]) == {"truth-seed-3", "truth-seed-4"}
    assert source["command"] == "txray run 'my profile.yaml'", "no path of this machine"
    assert {"txray_lib", "python", "torch", "numpy", "pandas", "pyarrow", "scipy"} <= set(source["versions"])
    assert datetime.fromisoformat(source["created"]).tzinfo is not None
    made_with = yaml.safe_load((results.folder / "profile.yaml").read_text(encoding="utf-8"))
    assert set(made_with) == {"name", "about", "seed", "truth"}
    for name in TABLES:
        table = results.table(name)
        assert set(table["seed"]) == {3, 4}
        assert set(table["noise"]) == {"none", "some", "much"}
        assert table.attrs["provenance"]["seed"] == [3, 4]
        first = read_table(run.file("truth-seed-3", f"{name}.parquet"))
        pd.testing.assert_frame_equal(table[table["seed"] == 3].reset_index(drop=True), first)

    demo = workplace / "profiles" / "demo.yaml"
    demo.write_text(demo.read_text(encoding="utf-8").replace("dropout: 0.1", "dropout: 0.2"), encoding="utf-8")
    assert not open_results("mine").is_outdated, "what a study does not read"
    for command in (["freeze", "mine"], ["results"], ["profiles"]):
        cli.app(command, standalone_mode=False)
    with pytest.raises(TxrayError, match="a study of planted encoders, which has no stages: name a run"):
        open_results("mine").stage("last")
    frozen = {path.name for path in places.frozen_results("mine").iterdir()}
    assert frozen == {*(f"{name}.parquet" for name in TABLES), "provenance.json", "profile.yaml"}

    more = a_study(workplace, seeds=3)
    assert open_results("mine").is_outdated
    (more.place("tables") / "step.json").unlink()
    assert more.make() == ["truth-seed-5", "tables"], "a seed more computes that one alone"
