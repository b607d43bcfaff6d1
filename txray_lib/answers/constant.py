"""Do distances still fall where the learning rate does not (RQ1)? May touch: epochs, results, telling."""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import Markdown

from txray_lib.answers.epochs import neighbours
from txray_lib.results import Results
from txray_lib.telling import distance, paragraph, percent

ABSENT = (
    "This run has no pretraining at a constant learning rate beside the schedule's, so it cannot be said how far distances fall"
    " because the rate does."
)


def has_constant(results: Results) -> bool:
    """Whether a run was pretrained at a constant rate too."""
    return results.has("control_epochs") and results.has("control_training")


def rate_curves(results: Results) -> pd.DataFrame:
    """[rate, epoch, measure, value] of pretraining under the "schedule" and at a "constant" rate."""
    controls = results.table("control_training")
    both = {"schedule": results.table("training"), "constant": controls[controls["control"] == "constant"]}
    parts = [rows[rows["phase"] == "pretraining"].assign(rate=rate) for rate, rows in both.items()]
    return pd.concat(parts, ignore_index=True)[["rate", "epoch", "measure", "value"]]


def rate_steps(results: Results, min_length: int = 1, untrained: bool = True) -> pd.DataFrame:
    """[rate, start, end, low, median, high, shared]: quartiles of the paper's distance over the steps that both pretrainings
    have; `min_length` and `untrained` as in `epochs.neighbours`."""
    stages = results.stages.set_index("stage")
    both = {
        "schedule": neighbours(results, None, min_length, untrained).rows,
        "constant": results.table("control_epochs"),
    }
    rows = []
    for rate, transfer in both.items():
        for _, part in transfer.groupby("comparison", sort=False):
            sides = [stages.loc[str(part[side].iloc[0]).split("/")[0]] for side in ("before", "after")]
            if sides[0]["role"] == "untrained" and not untrained:
                continue
            long = part[["length_before", "length_after"]].min(axis=1) >= max(min_length, 1)
            distances = part.loc[long, "hellinger"].dropna()
            ends = [int(side["epoch"]) for side in sides]
            rows.append((rate, *ends, *distances.quantile([0.25, 0.5, 0.75]), len(distances)))
    table = pd.DataFrame(rows, columns=["rate", "start", "end", "low", "median", "high", "shared"])
    table = table.dropna(subset=["median"])
    common = table.groupby(["start", "end"])["rate"].transform("nunique") == len(both)
    return table[common].sort_values(["rate", "end"], ascending=[False, True], ignore_index=True)


def constant_said(results: Results, min_length: int = 1) -> Markdown:
    """Whether distances fall without the learning rate's help, and what perplexity does meanwhile.

    The step from the untrained encoder is left out: it is the largest at any rate, and nothing falls beside it.
    """
    if not has_constant(results):
        return paragraph(ABSENT)
    steps = rate_steps(results, min_length)
    steps = steps[~steps["start"].isin(results.stages.query("role == 'untrained'")["epoch"])]
    first, last = (steps.groupby("rate").nth(i).set_index("rate") for i in (0, -1))
    if first.empty or (first["end"] == last["end"]).any():
        return paragraph(
            "After the step from the untrained encoder the two pretrainings have fewer than two steps in common, so no fall can be"
            " compared."
        )
    told = [
        f"{name} the median distance goes from {distance(first.loc[rate, 'median'])} (epochs {first.loc[rate, 'start']} →"
        f" {first.loc[rate, 'end']}) to {distance(last.loc[rate, 'median'])} ({last.loc[rate, 'start']} → {last.loc[rate, 'end']})"
        for rate, name in (("constant", "at a constant rate"), ("schedule", "under the schedule"))
    ]
    ends = [(first.loc[rate, "median"], last.loc[rate, "median"]) for rate in ("schedule", "constant")]
    return paragraph(
        f"After the step from the untrained encoder: {'; '.join(told)}.",
        _fell(*ends),
        _perplexity(results),
    )


def _fell(schedule: tuple[float, float], constant: tuple[float, float]) -> str:
    """What the first and the last median distance of both say about the schedule; a change of 0.5 % is no fall.

    Falls are compared as factors: as shares of the first distance two large ones look alike, whatever is left at the end.
    """
    if not min(*schedule, *constant) > 0:
        return "One of these distances is 0, so the two falls cannot be compared as factors."
    falls, by_itself = (math.log(first / last) for first, last in (schedule, constant))
    if not by_itself > 0.005:
        return (
            "They do not fall where the rate does not: what falls under the schedule is the optimiser coming to rest."
            if falls > 0.005
            else "They fall neither where the rate is constant nor under the schedule."
        )
    if not falls > 0.005:
        return "They fall where the rate is constant, and not under the schedule: it is not the schedule that makes them small."
    share, left = by_itself / falls, constant[1] / schedule[1]
    verdict = (
        "the schedule adds little here, and most of the fall is learning that slows by itself."
        if share >= 0.8 and left <= 1.25
        else "part of the fall is learning that slows by itself, and the rest is the schedule's."
        if share >= 0.2
        else "nearly all of the fall is the schedule's."
    )
    return (
        f"They still fall where the rate does not, by a factor of {_factor(math.exp(by_itself))} against {_factor(math.exp(falls))};"
        f" at the end they are {_factor(left)} times as large as under the schedule. On a log scale that is {percent(share)} of the"
        f" schedule's fall: {verdict}"
    )


def _factor(number: float) -> str:
    return f"{number:.3g}"


def _perplexity(results: Results) -> str:
    curves = rate_curves(results)
    rows = curves[curves["measure"] == "valid_perplexity"].sort_values("epoch")
    ends = rows.groupby("rate")["value"].last()
    if len(ends) < 2 or any(math.isnan(end) for end in ends):
        return ""
    if abs(math.log(ends["constant"] / ends["schedule"])) < 0.005:
        verdict = "the two encoders predict equally well"
    else:
        better = "better" if ends["constant"] < ends["schedule"] else "worse"
        verdict = f"the encoder trained at a constant rate predicts {better}"
    return (
        f"Validation perplexity ends at {ends['constant']:.1f} at a constant rate and at {ends['schedule']:.1f} under the schedule:"
        f" {verdict}."
    )
