"""A null for every distance (law 6). May touch: errors, progress, preferences, transfer, measures.

 swap_null   two encoders on one text (RQ1, RQ3): "no systematic change"
 split_null  one encoder on two texts (RQ2, and the halves of one text): "which text it was does not matter"

In here: `blocks` sums records by neuron, feature and block, and draws arrangements of blocks on two sides; `permuting` counts
how many of them are as far apart as the stages are; `vocabulary` says what words of one text alone make of a distance.

The units are blocks: a Wikipedia article, the reviews of a film. Tokens and documents of one block are not independent.
A p is (1 + arrangements as far apart as observed) / (1 + arrangements drawn). Ties count as "as far", and so does an
arrangement that leaves a neuron with an empty side, where its distance is undefined: **an empty side is further than
any distance**. Both can only raise a p.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.measures import named
from txray_lib.nulls.blocks import Cells, Splits, Swaps, read_one_text, read_two_texts
from txray_lib.nulls.permuting import Plan, permute
from txray_lib.nulls.vocabulary import vocabulary_shift

SEED = 20200712
PERMUTATIONS = 1000
CAP = 50_000


@dataclass(frozen=True)
class NullResult:
    """What chance makes of a comparison.

    table   a row a neuron: layer, neuron, the observed distance (under the measure's name, missing where a side is empty),
            expected (mean null distance), null_05, null_95 (its quantiles), excess (observed − expected), permutations (drawn
            for this neuron), reached (how many of them were as far apart), p, q (Benjamini-Hochberg over neurons with a
            distance), p_state, q_state (of being avoided or gained: how often an arrangement leaves a side empty; 1 for
            shared ones; over all preferred neurons)
    states  a row for each of shared, avoided, gained, avoided or gained: observed (neurons), expected, null_05, null_95,
            tail ("as few" for shared, else "as many"), p
    kind    "swap" or "split"
    blocks  of the text before and of the text after
    """

    table: pd.DataFrame
    states: pd.DataFrame
    kind: str
    blocks: tuple[int, int]


def swap_null(
    before: pd.DataFrame,
    after: pd.DataFrame,
    units: int,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
    measure: str = "hellinger",
    cap: int = CAP,
    what: str = "",
) -> NullResult:
    """Two stages on one text against "no systematic change" (RQ1, RQ3).

    Each block's records before and after change sides with probability 1/2, so each side keeps every document once. The
    same weights on both sides give distance 0 and p = 1.

    before, after  records (columns in `preferences`) of one text: as many tokens in every block
    permutations   for every neuron; those that no arrangement reaches get more, up to `cap` (see `permuting`)
    what           names the progress bar; none without it
    Raises TxrayError for records of two texts, an unknown measure, or fewer than one permutation.
    """
    plan = Plan(measure, permutations, seed, cap, what)
    return _result("swap", *read_one_text(before, after, units), plan, units)


def split_null(
    before: pd.DataFrame,
    after: pd.DataFrame,
    units: int,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
    measure: str = "hellinger",
    cap: int = CAP,
    what: str = "",
) -> NullResult:
    """One encoder on two texts against "which text it was does not matter" (RQ2, and the halves of one text).

    The blocks of both are dealt anew to two sides in random order; the first side gets blocks until it has as many tokens
    as the text before, within half a block. Between two corpora this null is false from the start, since their vocabularies
    differ; so the table has two more columns, `vocabulary_shift`'s: <measure>_common and <measure>_vocabulary.

    Exact where the texts were sampled that way: blocks in random order until there are so many tokens. Where one text has a
    handful of blocks, longer than those of the other, it is liberal: arrangements mix long and short blocks, and the texts do
    not. Parameters and errors are those of `swap_null`, except that the texts differ.
    """
    plan = Plan(measure, permutations, seed, cap, what)
    result = _result("split", *read_two_texts(before, after, units), plan, units)
    shift = vocabulary_shift(before, after, units, measure)
    return NullResult(result.table.merge(shift, on=["layer", "neuron"]), result.states, result.kind, result.blocks)


def _result(kind: str, cells: Cells, deals: Swaps | Splits, plan: Plan, units: int) -> NullResult:
    named(plan.measure)
    if plan.permutations < 1:
        raise TxrayError(f"permutations is {plan.permutations}: a null needs at least 1")
    return NullResult(*permute(cells, deals, plan, units), kind, deals.sides)
