"""The step nulls: killed, it goes on with the next null (law 8); a text of few blocks is told."""

from types import SimpleNamespace

import pandas as pd
import pytest

from txray_lib.profiles import load_profile
from txray_lib.steps import permute
from txray_lib.tables import read_table


@pytest.fixture
def task(tmp_path, monkeypatch):
    """What the step is given, with no file to read; nulls are made up, and noted in `drawn`."""
    drawn: list[str] = []
    task = SimpleNamespace(profile=load_profile("tiny"), scratch=tmp_path, drawn=drawn, said=[], blocks=(20, 20))
    task.say = task.said.append

    def draw(*_, measure: str, what: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        drawn.append(what)
        table = pd.DataFrame({name: [0] for name in ("layer", "neuron", "expected", "excess", "p", "q", measure)})
        return table, pd.DataFrame({"state": ["shared"]})

    def read(_, stage: str) -> pd.DataFrame:
        return pd.DataFrame({"block": range(task.blocks["-zero-shot" in stage])})

    monkeypatch.setattr(permute, "draw_null", draw)
    monkeypatch.setattr(permute, "vocabulary_shift", lambda *_: pd.DataFrame({"layer": [0], "neuron": [0]}))
    monkeypatch.setattr(permute, "read_counted", read)
    monkeypatch.setattr(permute, "_measure", lambda *_: pd.DataFrame({"neuron": [0]}))
    return task


def test_nulls_that_were_made_are_kept_until_every_table_is_written(task, tmp_path, monkeypatch):
    def die(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(permute, "_measure", die)
        with pytest.raises(KeyboardInterrupt):
            permute.permute_stages(task, tmp_path / "out")
    drawn = len(task.drawn)
    permute.permute_stages(task, tmp_path / "out")
    assert len(task.drawn) == drawn == 5 * (1 + len(task.profile.nulls.measures))
    rows = {path.stem: len(read_table(path)) for path in (tmp_path / "out").glob("*.parquet")}
    assert rows == {"nulls": 5, "null_states": 5, "measure_nulls": drawn, "measures": 9}


@pytest.mark.parametrize(("blocks", "told"), [((6, 400), 1), ((400, 19), 1), ((20, 20), 0)])
def test_a_text_of_few_blocks_is_told_once_where_blocks_are_dealt_anew(task, tmp_path, blocks, told):
    task.blocks = blocks
    permute.permute_stages(task, tmp_path / "out")
    assert len(task.said) == told
    assert all(f"{blocks[0]} and {blocks[1]} blocks" in line for line in task.said)
