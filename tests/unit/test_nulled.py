"""The step nulls: killed at its worst moment nothing that takes long is computed again (law 8); few blocks are told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from txray_lib.profiles import load_profile
from txray_lib.steps import nulled
from txray_lib.tables import read_table


def a_task(folder: Path, said: list[str] | None = None) -> Any:
    """What the step is given, with no file to read."""
    (folder / "scratch").mkdir(exist_ok=True)
    return SimpleNamespace(
        profile=load_profile("tiny"),
        scratch=folder / "scratch",
        file=lambda step, name: None,
        say=lambda line: (said if said is not None else []).append(line),
    )


def test_parts_stay_until_every_table_is_written_and_only_the_papers_null_has_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = load_profile("tiny")
    measures = ("hellinger", *profile.nulls.measures)
    drawn: list[str] = []

    def null(*_: Any, measure: str, what: str) -> SimpleNamespace:
        drawn.append(what)
        columns = {
            "layer": [0],
            "neuron": [0],
            measure: [0.5],
            "expected": [0.4],
            "excess": [0.1],
            "p": [0.2],
            "q": [0.2],
        }
        states = pd.DataFrame({"state": ["shared"]})
        return SimpleNamespace(kind="swap", table=pd.DataFrame(columns), states=states, blocks=(6, 6))

    def killed(*_: Any) -> pd.DataFrame:
        raise KeyboardInterrupt

    monkeypatch.setattr("txray_lib.nulls.swap_null", null)
    monkeypatch.setattr("txray_lib.nulls.split_null", null)
    monkeypatch.setattr(
        nulled, "read_table", lambda path: read_table(path) if isinstance(path, Path) else pd.DataFrame()
    )
    monkeypatch.setattr(nulled, "_measures", killed)
    with pytest.raises(KeyboardInterrupt):
        nulled.nulls(a_task(tmp_path), tmp_path)
    scratch = tmp_path / "scratch"
    states = list(scratch.glob("part-*.states.parquet"))
    parts = set(scratch.glob("part-*.parquet")) - set(states)
    assert len(parts) == len(drawn) == len(states) * len(measures) > 0
    assert all(".hellinger." in path.name for path in states)

    monkeypatch.setattr(nulled, "_measures", lambda *_: pd.DataFrame({"neuron": [0]}))
    nulled.nulls(a_task(tmp_path), tmp_path)
    assert len(drawn) == len(parts)
    assert sorted(path.stem for path in tmp_path.glob("*.parquet")) == [
        "measure_nulls",
        "measures",
        "null_states",
        "nulls",
    ]
    assert len(read_table(tmp_path / "measure_nulls.parquet")) == len(parts)


@pytest.mark.parametrize(("blocks", "told"), [((6, 400), True), ((400, 19), True), ((20, 20), False)])
def test_a_text_of_few_blocks_is_told_once_where_blocks_are_dealt_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: tuple[int, int], told: bool
) -> None:
    def of(kind: str) -> Any:
        columns = {name: [0] for name in ("layer", "neuron", "expected", "excess", "p", "q")}
        return lambda *_, measure, what: SimpleNamespace(
            kind=kind,
            table=pd.DataFrame({**columns, measure: [0]}),
            states=pd.DataFrame({"state": ["x"]}),
            blocks=blocks,
        )

    said: list[str] = []
    monkeypatch.setattr("txray_lib.nulls.swap_null", of("swap"))
    monkeypatch.setattr("txray_lib.nulls.split_null", of("split"))
    monkeypatch.setattr(
        nulled, "read_table", lambda path: read_table(path) if isinstance(path, Path) else pd.DataFrame()
    )
    monkeypatch.setattr(nulled, "_measures", lambda *_: pd.DataFrame({"neuron": [0]}))
    nulled.nulls(a_task(tmp_path, said), tmp_path)
    warnings = [line for line in said if "warning" in line]
    assert len(warnings) == told
    assert all(f"{blocks[0]} and {blocks[1]} blocks" in line for line in warnings)
