"""What the run was given, beside what the paper says of its own (§3, §3.1). May touch: results, intervals."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from txray_lib.audit.intervals import Measured, missing
from txray_lib.audit.measures.run import Run

_GIVEN = "it is a setting"


def measures(run: Run) -> dict[str, dict[str, Measured]]:
    """S1–S3, S5, K45, K50."""
    stages = run.results.stages
    last = stages[stages["role"] == "last"]
    tagger = run.settings.get("tagger")
    unheard = 1 - stages["nobody"].sum() / stages["tokens"].sum() if "nobody" in stages else math.nan
    return {
        "S1": {"units": _given(run.units), "layers": _given(1)},
        "S2": {
            "epochs": _given(last["epoch"].max()),
            **{name: _given(_setting(run, name)) for name in ("embedding_size", "dropout", "learning_rate")},
            "perplexity": _perplexity(run),
            "seeds": _given(run.settings.get("seed")),
        },
        "S3": {"tokens": _given(stages["tokens"].max())},
        "S5": {"flair": _given(None if tagger is None else float(str(tagger).startswith("flair/")))},
        "K45": {"tokens": _given(unheard)},
        "K50": {"tokens": _given(_tokens(stages, "supervised") / _tokens(stages, "zero-shot"))},
    }


def _tokens(stages: pd.DataFrame, role: str) -> float:
    """Tokens read by the stage with a role; NaN where there is none."""
    return float(stages.loc[stages["role"] == role, "tokens"].sum()) or math.nan


def _given(value: Any) -> Measured:
    if value is None or math.isnan(float(value)):
        return missing("the profile of this run does not say")
    return Measured(float(value), why=_GIVEN)


def _setting(run: Run, name: str) -> Any:
    group = run.settings.get("pretraining")
    return group.get(name) if isinstance(group, dict) else None


def _perplexity(run: Run) -> Measured:
    if not run.results.has("training"):
        return missing("this run kept no training curves")
    rows = run.results.table("training")
    rows = rows[(rows["phase"] == "pretraining") & (rows["measure"] == "valid_perplexity")].sort_values("epoch")
    return (
        Measured(float(rows["value"].iloc[-1]), why="it is one number of one run")
        if len(rows)
        else missing("no perplexity")
    )
