"""Do distances still fall where the learning rate does not (RQ1)? May touch: epochs, results, telling."""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import Markdown

from txray_lib.answers.epochs import Neighbours
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


def rate_steps(results: Results, found: Neighbours) -> pd.DataFrame:
    """[rate, start, end, low, median, high, shared]: quartiles of distance over the steps that both pretrainings have."""
    epochs = results.stages.set_index("stage")["epoch"]
    both = {"schedule": found.rows, "constant": results.table("control_epochs")}
    rows = []
    for rate, transfer in both.items():
        for _, part in transfer.groupby("comparison", sort=False):
            start, end = (int(epochs[str(part[side].iloc[0]).split("/")[0]]) for side in ("before", "after"))
            distances = part.loc[part["state"] == "shared", "hellinger"]
            rows.append((rate, start, end, *distances.quantile([0.25, 0.5, 0.75]), int(distances.notna().sum())))
    table = pd.DataFrame(rows, columns=["rate", "start", "end", "low", "median", "high", "shared"])
    common = table.groupby(["start", "end"])["rate"].transform("nunique") == len(both)
    return table[common].sort_values(["rate", "end"], ascending=[False, True], ignore_index=True)


def constant_said(results: Results, found: Neighbours) -> Markdown:
    """Whether distances fall without the learning rate's help, and what perplexity does meanwhile."""
    if not has_constant(results):
        return paragraph(ABSENT)
    steps = rate_steps(results, found).dropna(subset=["median"])
    first, last = (steps.groupby("rate").nth(i).set_index("rate") for i in (0, -1))
    if len(first) < 2 or (first["end"] == last["end"]).any():
        return paragraph("The two pretrainings have fewer than two steps in common, so no fall can be compared.")
    fall = {rate: 1 - last.loc[rate, "median"] / first.loc[rate, "median"] for rate in ("schedule", "constant")}
    told = [
        f"{name} the median distance goes from {distance(first.loc[rate, 'median'])} (epochs {first.loc[rate, 'start']} →"
        f" {first.loc[rate, 'end']}) to {distance(last.loc[rate, 'median'])} ({last.loc[rate, 'start']} → {last.loc[rate, 'end']})"
        for rate, name in (("constant", "At a constant rate"), ("schedule", "under the schedule"))
    ]
    return paragraph(f"{'; '.join(told)}.", _fell(fall["schedule"], fall["constant"]), _perplexity(results))


def _fell(schedule: float, constant: float) -> str:
    if not constant > 0.005:
        return "They do not fall where the rate does not" + (
            ": the fall under the schedule is the optimiser coming to rest."
            if schedule > 0.005
            else ", nor under the schedule."
        )
    if not schedule > 0.005:
        return "They fall where the rate does not, and do not fall under the schedule: the schedule is not what makes them small."
    share = constant / schedule
    verdict = (
        "the schedule does little here, most of the fall is learning that slows by itself."
        if share >= 0.8
        else "part of the fall is learning that slows by itself, the rest is the schedule's."
        if share >= 0.2
        else "nearly all of the fall is the schedule's."
    )
    return f"They still fall where the rate does not, by {percent(constant)} against {percent(schedule)}: {verdict}"


def _perplexity(results: Results) -> str:
    curves = rate_curves(results)
    rows = curves[curves["measure"] == "valid_perplexity"].sort_values("epoch")
    ends = rows.groupby("rate")["value"].last()
    if len(ends) < 2 or any(math.isnan(end) for end in ends):
        return ""
    better = "better" if ends["constant"] < ends["schedule"] else "worse"
    return f"Validation perplexity ends at {ends['constant']:.1f} and {ends['schedule']:.1f}:" + (
        " the two encoders predict equally well."
        if abs(math.log(ends["constant"] / ends["schedule"])) < 0.005
        else f" at a constant rate the encoder predicts {better}."
    )
