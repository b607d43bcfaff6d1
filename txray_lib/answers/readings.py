"""What reading the same text otherwise does at equal weights, beside what fine-tuning does (C9, C10, C13).

From a run's table `same_weights`. May touch: results, telling, transfer.
"""

from __future__ import annotations

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.definitions import not_kept
from txray_lib.results import Results, state_counts
from txray_lib.telling import count, distance, paragraph, percent, plural, table
from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED

READINGS = {
    "sentence": "hidden state reset at each sentence",
    "never": "hidden state never reset",
    "cased": "words in their own case",
    "marks": "end marks as features",
}
"""What `reading` in the table `same_weights` means."""


def readings(results: Results) -> pd.DataFrame:
    """The table `same_weights` with names for a chart, and the run's own comparison of RQ3 as its last row.

    Columns: label, kind ("same weights" or "fine-tuned"), code, stage, shared, avoided, gained, never, mean
    """
    if not results.has("same_weights"):
        return pd.DataFrame(columns=["label", "kind", "code", "stage", "shared", "avoided", "gained", "never", "mean"])
    rows = results.table("same_weights")
    rows = rows.assign(
        kind="same weights",
        label=[f"{code} {READINGS[reading]}" for code, reading in zip(rows["code"], rows["reading"], strict=True)],
    )
    rq3 = results.transfer("rq3")
    counts = state_counts(rq3).sum()
    tuned = {
        "label": "fine-tuned, read as the paper says",
        "kind": "fine-tuned",
        "code": "RQ3",
        "stage": results.stage("supervised"),
        "shared": int(counts[SHARED]),
        "avoided": int(counts[AVOIDED]),
        "gained": int(counts[GAINED]),
        "never": int(counts[NEVER]),
        "mean": rq3["hellinger"].mean(),
    }
    return pd.concat([rows, pd.DataFrame([tuned])], ignore_index=True)[list(tuned)]


def readings_said(results: Results) -> Markdown:
    """How much preprocessing alone does, beside what fine-tuning does."""
    rows = readings(results)
    if rows.empty:
        return not_kept(results)
    same, tuned = rows[rows["kind"] == "same weights"], rows.iloc[-1]
    worst = same.loc[(same["avoided"] + same["gained"]).idxmax()]
    far = same.loc[same["mean"].idxmax()]
    changed = int(tuned["avoided"] + tuned["gained"])
    quiet = int(((same["avoided"] + same["gained"]) == 0).sum())
    return paragraph(
        f"Of {plural(len(same), 'pair')} of readings by the same weights, {quiet or 'none'} {'leaves' if quiet == 1 else 'leave'}"
        " every preference state as it was.",
        f"The one that changes the most states is “{worst['label']}” on {worst['stage']}: {count(worst['avoided'])} avoided and"
        f" {count(worst['gained'])} gained, where fine-tuning gives {count(tuned['avoided'])} and {count(tuned['gained'])}"
        f" ({percent((worst['avoided'] + worst['gained']) / changed) if changed else 'no share'} of its changes)."
        if worst["avoided"] + worst["gained"]
        else "",
        f"The largest mean distance at equal weights is {distance(far['mean'])} (“{far['label']}” on {far['stage']}); fine-tuning"
        f" gives {distance(tuned['mean'])}.",
    )


def readings_table(results: Results) -> HTML | Markdown:
    """Counts of preference states and distances by reading, with the run's own RQ3 in the last row."""
    rows = readings(results)
    if rows.empty:
        return paragraph("")
    frame = pd.DataFrame(
        {
            "what differs": rows["label"],
            "stage": rows["stage"],
            **{name: rows[name].map(count) for name in ("shared", "avoided", "gained")},
            "never preferred": rows["never"].map(count),
            "mean distance": rows["mean"].map(distance),
        }
    )
    return table(
        frame,
        "One stage read in two ways by the same weights; last, the change by fine-tuning",
        ["what differs", "stage"],
    )
