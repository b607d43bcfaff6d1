"""How activation mass is spread over neurons (Fig. 11, §3.3.3): its head, its tail, and whether supervision changes them.

Reads the table of `lengths.neuron_table`. May touch: errors, results, telling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.errors import TxrayError
from txray_lib.telling import count, paragraph, percent, plural, signed, table


@dataclass(frozen=True)
class Spread:
    """How one stage's mass is spread.

    total    sum of activations; `used` neurons have any of `neurons`
    top      share of the total that the `first` strongest neurons hold
    half     how many of the strongest neurons it takes to hold half of the total
    gini     0: all neurons of the encoder have the same mass; towards 1: one has it all
    """

    total: float
    neurons: int
    used: int
    first: int
    top: float
    half: int
    gini: float


def spread(masses: Sequence[float], top: int = 20) -> Spread:
    """The spread of the masses of all neurons of an encoder, 0 for those that prefer nothing."""
    if top < 1:
        raise TxrayError(f"the share of {top} neurons was asked for: at least 1 is needed")
    ordered = np.sort(np.asarray(masses, dtype=np.float64))[::-1]
    total, n = float(ordered.sum()), len(ordered)
    if not total > 0:
        return Spread(0.0, n, 0, min(top, n), float("nan"), 0, float("nan"))
    held = np.cumsum(ordered) / total
    half = int(np.searchsorted(held, 0.5 - 1e-12)) + 1
    gini = float((2 * held.sum() - n - 1) / n)
    return Spread(total, n, int((ordered > 0).sum()), min(top, n), float(held[min(top, n) - 1]), half, gini)


def mass_table(masses: pd.DataFrame, stages: Sequence[str], top: int = 20) -> HTML:
    """A row per stage: total mass, neurons in use, share of the strongest, neurons that hold half, Gini coefficient."""
    rows = []
    for stage, own in _spreads(masses, stages, top).items():
        rows.append(
            {
                "stage": stage,
                "mass": count(own.total),
                "neurons in use": f"{count(own.used)} of {count(own.neurons)}",
                f"held by the top {own.first}": percent(own.top),
                "neurons that hold half": count(own.half),
                "Gini": "not defined" if np.isnan(own.gini) else f"{own.gini:.3f}",
            }
        )
    return table(pd.DataFrame(rows), "Activation mass at each stage", words=["stage"])


def mass_verdict(masses: pd.DataFrame, pretrained: str, zero_shot: str, supervised: str, top: int = 20) -> Markdown:
    """Does supervision make the head peak and the tail shorten, and is the pretrained mass the largest (§3.3.3)?"""
    stages = [pretrained, zero_shot, supervised]
    own = _spreads(masses, stages, top)
    before, after = own[zero_shot], own[supervised]
    if not (before.total and after.total):
        return paragraph("One of the two stages has no activation mass at all, so nothing can be compared.")
    by_total = sorted(stages, key=lambda stage: -own[stage].total)
    signs = {_sign(after.top - before.top), _sign(after.gini - before.gini), _sign(before.half - after.half)} - {0}
    peak = {
        (1,): "The head peaks, as the paper reports.",
        (-1,): "Mass spreads over more neurons, where the paper's head peaks.",
        (): "The head stays as it was, where the paper's peaks.",
    }.get(tuple(signs), "These measures do not agree on whether the head peaks, as the paper reports.")
    lost = after.used - before.used
    return paragraph(
        f"**The head.** From {zero_shot} to {supervised} the share of the top {after.first} goes from {percent(before.top)} to"
        f" {percent(after.top)}, the Gini coefficient from {before.gini:.3f} to {after.gini:.3f}, the number of neurons that"
        f" hold half from {count(before.half)} to {count(after.half)}. {peak}",
        f"The {after.first} are {percent(after.first / after.neurons)} of this encoder's {plural(after.neurons, 'neuron')}.",
        f"**The tail.** {count(before.used)} neurons have any mass before and {count(after.used)} after: "
        + (
            "the tail shortens, as the paper reports."
            if lost < 0
            else "the tail keeps its length, where the paper's shortens."
            if lost == 0
            else "the tail grows, where the paper's shortens."
        ),
        f"**The sums.** Total mass changes by {signed(after.total / before.total - 1)} with supervision. From the largest to"
        f" the smallest: {', '.join(f'{stage} ({count(own[stage].total)})' for stage in by_total)};"
        + (
            " that is the order in the caption of Fig. 11."
            if by_total == stages
            else " the caption of Fig. 11 has the pretrained encoder largest and the supervised one smallest."
        ),
    )


def _sign(change: float) -> int:
    return 0 if abs(change) < 1e-4 else 1 if change > 0 else -1


def _spreads(masses: pd.DataFrame, stages: Sequence[str], top: int) -> dict[str, Spread]:
    return {stage: spread(masses.loc[masses["stage"] == stage, "mass"].to_numpy(), top) for stage in stages}
