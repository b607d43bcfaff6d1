"""How activation mass is shared among tags, beside how often the tags occur (Fig. 3, §3.1).

May touch: errors, results, telling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.telling import compared, paragraph, percent, table

CORPUS = "corpus"
"""The series that holds the corpus's own frequencies; every other series is a stage."""


def tag_shares(results: Results, stages: Sequence[str]) -> pd.DataFrame:
    """[series, tag, share]: the corpus's tag frequencies, then each stage's activation mass by tag; each sums to 1."""
    parts = [_shares(corpus_tags(results, stages), CORPUS)]
    for stage in stages:
        rows = results.preferences(stage)
        parts.append(_shares(_by_tag(rows, "activation_sum"), stage))
    wide = pd.concat(parts, axis=1).fillna(0.0)
    long = wide.rename_axis("tag").reset_index().melt("tag", var_name="series", value_name="share")
    return long[["series", "tag", "share"]]


def corpus_tags(results: Results, stages: Sequence[str]) -> pd.Series:
    """Tokens of each tag in the text that the stages read: as the run counted them, else summed over preferences."""
    rows = results.stages.set_index("stage").loc[list(stages)]
    if rows["corpus"].nunique() != 1:
        raise TxrayError(f"{', '.join(stages)} read different corpora: tag frequencies are those of one text")
    if results.has("tag_counts"):
        counts = results.table("tag_counts")
        own = counts[counts["corpus"] == rows["corpus"].iloc[0]]
        return own.set_index(own["tag"].astype(str))["tokens"].astype(float)
    return _by_tag(results.preferences(stages[-1]), "count")


def corpus_source(results: Results, stages: Sequence[str]) -> Markdown:
    """Where the corpus's tag frequencies come from."""
    if results.has("tag_counts"):
        return paragraph("The corpus's tag frequencies are counted over every token that the stages read.")
    row = results.stages.set_index("stage").loc[stages[-1]]
    left = int(row["tokens"]) - int(results.preferences(stages[-1])["count"].sum())
    return paragraph(
        f"This run kept no counts of tags, so they are summed over the preferences of {stages[-1]}, where each token counts once:",
        "every token is some neuron's, so nothing is missing."
        if left == 0
        else f"{left:,} of its {int(row['tokens']):,} tokens belong to no neuron and are missing.",
    )


def tag_distances(shares: pd.DataFrame) -> pd.DataFrame:
    """Of each stage from the corpus: total variation (half the sum of absolute differences, in [0, 1]), correlation over
    tags, and the tag whose share differs most, with the difference. Index: stage."""
    wide = shares.pivot(index="tag", columns="series", values="share")
    rows = {}
    for stage in [name for name in shares["series"].unique() if name != CORPUS]:
        difference = wide[stage] - wide[CORPUS]
        worst = difference.abs().idxmax()
        rows[stage] = {
            "distance": float(difference.abs().sum() / 2),
            "correlation": float(np.corrcoef(wide[stage], wide[CORPUS])[0, 1]) if len(wide) > 1 else float("nan"),
            "tag": worst,
            "difference": float(difference[worst]),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def tag_table(shares: pd.DataFrame) -> HTML:
    """`tag_distances` for a page."""
    frame = tag_distances(shares)
    return table(
        pd.DataFrame(
            {
                "stage": frame.index,
                "total variation from the corpus": frame["distance"].map("{:.4f}".format),
                "correlation over tags": frame["correlation"].map("{:.4f}".format),
                "differs most in": frame["tag"],
                "by, points": (100 * frame["difference"]).map("{:+.2f}".format).str.replace("-", "−", regex=False),
            }
        ),
        "How far each stage's activation mass by tag lies from the tags' frequencies",
        words=["stage", "differs most in"],
    )


def tag_verdict(shares: pd.DataFrame, untrained: str, early: str, last: str) -> Markdown:
    """Whether training brings mass nearer to the corpus than an untrained encoder has it already."""
    found = tag_distances(shares)["distance"]
    start, first, end = (float(found[stage]) for stage in (untrained, early, last))
    matched = sum(found[stage] <= 0.05 for stage in (early, last))
    claim = (
        "Both trained snapshots match the corpus within 5 % of the mass, as the paper reports."
        if matched == 2
        else "One of the two trained snapshots matches the corpus within 5 % of the mass."
        if matched
        else "Neither trained snapshot matches the corpus within 5 % of the mass."
    )
    if end < start and first < start:
        beyond = "Training brings mass nearer to the corpus than the untrained encoder has it, and the difference is what was learned."
    elif end < start or first < start:
        nearer, farther = (last, early) if end < start else (early, last)
        beyond = f"Only {nearer} is nearer to the corpus than the untrained encoder; {farther} is farther away."
    else:
        beyond = (
            "Neither trained snapshot is nearer to the corpus than the untrained encoder, so the match of Fig. 3 is no sign of"
            " learning: it holds before any."
        )
    return paragraph(
        f"{_moved(early, first)}; {_moved(last, end)}; {_moved(untrained, start)}, before any training. {claim} {beyond}",
        f"From {early} to {last} the distance becomes {compared(first, end)}.",
    )


def _moved(stage: str, distance: float) -> str:
    return f"{percent(distance)} of the mass of {stage} would have to move to other tags to match the corpus"


def _by_tag(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.groupby(rows["tag"].astype(str))[column].sum().astype(float)


def _shares(sums: pd.Series, name: str) -> pd.Series:
    total = sums.sum()
    if not total > 0:
        raise TxrayError(f"{name} has no tags with any mass: there is nothing to compare")
    return (sums / total).rename(name)
