"""What a linear probe reads of tags in the encoder, beside what the word alone tells (Fig. 3). May touch: results, telling."""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import Markdown

from txray_lib.results import Results
from txray_lib.telling import count, paragraph, percent, signed

ABSENT = "This run has no linear probe, so it cannot be said how much of the tags the encoder holds."
NO_INTERVAL = (
    "with fewer than two blocks to test on there is no interval, so it cannot be said whether it is more than chance"
)


def has_probe(results: Results) -> bool:
    """Whether a run has a linear probe."""
    return results.has("probe")


def probed(results: Results) -> pd.DataFrame | None:
    """The probe table of a run; None where no probe was made."""
    return results.table("probe") if has_probe(results) else None


def probe_said(results: Results) -> Markdown:
    """What the encoder holds of tags beyond the word, and what of that training brought."""
    table = probed(results)
    if table is None:
        return paragraph(ABSENT)
    own = table[table["reads"] == "activations"]
    last = _row(own, own["role"] == "last")
    untrained = _row(own, own["role"] == "untrained")
    word, nothing = (_row(table, table["reads"] == reads) for reads in ("word alone", "nothing"))
    if last is None or word is None:
        return paragraph(
            "This run's probe lacks the last snapshot or the word alone, so the two cannot be set side by side."
        )
    return paragraph(
        f"**What the encoder holds.** From the activations of {last['stage']} a linear probe tells the tag of"
        f" {_share(last)} of {count(last['tokens'])} tokens in blocks that it was not trained on.",
        f"The word alone, read as the tag it has most often, tells {_share(word)}"
        + (f", always the most frequent tag {percent(nothing['accuracy'])}." if nothing is not None else "."),
        _beyond(last, word),
        _trained(last, untrained, word) if untrained is not None else "",
        _early(_row(own, own["role"] == "early"), last, untrained),
    )


def _beyond(last: pd.Series, word: pd.Series) -> str:
    more, wrong = last["accuracy"] - word["accuracy"], 1 - word["accuracy"]
    if _without_interval(last, word):
        return f"The difference is {_points(more)}, and {NO_INTERVAL}."
    if not _apart(last, word):
        return (
            f"The difference is {_points(more)}, and the two intervals meet: nothing shows that the encoder holds more of the tags"
            " than the word does."
        )
    if more > 0:
        return (
            f"That is {_points(more)} more, net {percent(more / wrong)} of what the word gets wrong: the encoder holds something of"
            " tags beyond the word, from what stood before it or from likeness to other words, where the word alone answers with the"
            " most frequent tag for every word that its training part lacks."
        )
    return (
        f"That is {_points(more)} fewer: whatever shares of mass match the corpus, a linear reader finds less of the tags in the"
        " activations than in the word that was read."
    )


def _trained(last: pd.Series, untrained: pd.Series, word: pd.Series) -> str:
    more = last["accuracy"] - untrained["accuracy"]
    if _without_interval(last, untrained):
        return f"The untrained encoder gives {_share(untrained)}, and {NO_INTERVAL}."
    if not _apart(last, untrained):
        return f"The untrained encoder gives {_share(untrained)}, and the intervals meet: training brought nothing that this probe sees."
    sense = "below" if untrained["accuracy"] < word["accuracy"] else "not below"
    brought = "more" if more > 0 else "fewer"
    return f"The untrained encoder gives {_share(untrained)}, {sense} the word alone; training brought {_points(more)} {brought}."


def _early(early: pd.Series | None, last: pd.Series, untrained: pd.Series | None) -> str:
    """How much of what training brings is there after the first snapshot; the paper says nearly all."""
    if (
        early is None
        or untrained is None
        or not last["accuracy"] > untrained["accuracy"]
        or not _apart(last, untrained)
    ):
        return ""
    share = (early["accuracy"] - untrained["accuracy"]) / (last["accuracy"] - untrained["accuracy"])
    return f"In {early['stage']} it is {_share(early)}: {percent(share)} of what training brings is there by then."


def _without_interval(*rows: pd.Series) -> bool:
    return any(math.isnan(row[end]) for row in rows for end in ("low", "high"))


def _apart(one: pd.Series, other: pd.Series) -> bool:
    """Whether two intervals do not meet; False where one is missing. Both read the same tokens, so this asks for more than it need."""
    return not _without_interval(one, other) and (one["low"] > other["high"] or one["high"] < other["low"])


def _share(row: pd.Series) -> str:
    if math.isnan(row["low"]):
        return percent(row["accuracy"])
    return f"{percent(row['accuracy'])} (95 %: {percent(row['low'])} to {percent(row['high'])})"


def _points(share: float) -> str:
    return f"{signed(abs(share))[1:-2]} percentage points"


def _row(table: pd.DataFrame, which: pd.Series) -> pd.Series | None:
    rows = table[which]
    return rows.iloc[-1] if len(rows) else None
