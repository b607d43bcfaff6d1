"""A null for every distance (law 6; `paper-numbers.md`, last section, 1). May touch: errors, progress, definitions,
preferences, transfer, measures.

 swap_null         two encoders on one text (RQ1, RQ3): "no systematic change"
 split_null        one encoder on two texts (RQ2, and the halves of one text): "which text it was does not matter"
 vocabulary        the distance over the common vocabulary, and what words of one text alone make of it

In here: `cells` sums records by neuron, feature and block; `dealing` draws arrangements of blocks on two sides;
`permuting` counts how many of them are as far apart as the stages are, and asks for more where that is rare.

The units are blocks: a Wikipedia article, the reviews of a film. Tokens and documents of one block are not independent.
A p is (1 + arrangements as far apart as observed) / (1 + arrangements drawn). Ties count as "as far", and so does an
arrangement that leaves a neuron with an empty side, where its distance is undefined: **an empty side is further than
any distance**. Both can only raise a p.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from txray_lib.measures import named
from txray_lib.nulls.cells import Cells, of_one_text, of_two_texts
from txray_lib.nulls.dealing import Splits, Swaps
from txray_lib.nulls.permuting import CAP, CHUNK, Plan, permuted
from txray_lib.nulls.vocabulary import over_common_vocabulary, vocabulary_shift

__all__ = ["NullResult", "over_common_vocabulary", "split_null", "swap_null", "vocabulary_shift"]

SEED = 20200712
PERMUTATIONS = 1000


@dataclass(frozen=True)
class NullResult:
    """What chance makes of a comparison.

    table   a row a neuron: layer, neuron, the observed distance (under the measure's name, missing where a side is empty),
            expected (mean null distance), null_05, null_50, null_95 (its quantiles), excess (observed − expected),
            undefined (share of the arrangements that leave a side empty), permutations (drawn for this neuron),
            reached (how many of them were as far apart), refined, p, q (Benjamini-Hochberg over neurons with a distance),
            p_state, q_state (of being avoided or gained: how often an arrangement leaves a side empty; 1 for shared ones;
            over all preferred neurons)
    states  a row for each of shared, avoided, gained, avoided or gained: observed (neurons), expected, null_05, null_95,
            tail ("as few" for shared, else "as many"), p
    blocks  of the text before and of the text after
    """

    table: pd.DataFrame
    states: pd.DataFrame
    kind: str
    measure: str
    permutations: int
    seed: int
    blocks: tuple[int, int]


def swap_null(
    before: pd.DataFrame,
    after: pd.DataFrame,
    units: int,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
    measure: str = "hellinger",
    cap: int = CAP,
    chunk: int = CHUNK,
    what: str = "",
) -> NullResult:
    """Two stages on one text against "no systematic change" (RQ1, RQ3).

    Each block's records before and after change sides with probability 1/2, so each side keeps every document once. The
    same weights on both sides give distance 0 and p = 1.

    before, after  records (columns in `preferences`) of one text: as many tokens in every block
    permutations   for every neuron; those that no arrangement reaches get more, up to `cap` (see `permuting`)
    chunk          arrangements side by side, which costs memory and changes no result
    what           names the progress bar; none without it
    Raises TxrayError for records of two texts, an unknown measure, or numbers that cannot be.
    """
    plan = Plan(measure, permutations, seed, cap, chunk, what)
    cells = of_one_text(before, after, units)
    return _result("swap", cells, Swaps(cells.blocks), plan, units)


def split_null(
    before: pd.DataFrame,
    after: pd.DataFrame,
    units: int,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
    measure: str = "hellinger",
    cap: int = CAP,
    chunk: int = CHUNK,
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
    plan = Plan(measure, permutations, seed, cap, chunk, what)
    cells, tokens, is_before = of_two_texts(before, after, units)
    result = _result("split", cells, Splits(tokens, is_before), plan, units)
    shift = vocabulary_shift(before, after, units, measure)
    return NullResult(result.table.merge(shift, on=["layer", "neuron"]), **_rest(result))


def _result(kind: str, cells: Cells, deals: Swaps | Splits, plan: Plan, units: int) -> NullResult:
    named(plan.measure)
    table, states = permuted(cells, deals, plan, units)
    return NullResult(table, states, kind, plan.measure, plan.permutations, plan.seed, deals.sides)


def _rest(result: NullResult) -> dict:
    return {name: value for name, value in vars(result).items() if name != "table"}
