"""A sentence of a review in the form a run writes, made from chosen words and numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

WORDS = (("The", "DT", 0), ("plot", "NN", 0), ("was", "VBD", 0), ("dull", "JJ", -1), (",", ",", 0), ("but", "CC", 0))
WORDS += (("the", "DT", 0), ("ending", "NN", 0), ("superb", "JJ", 1), (".", ".", 0))
SIDES = ("before", "after", "shuffled")
FACTS = {
    "before": {"told": 0.9, "told_control": 0.7},
    "after": {
        **{"logit": -0.5, "baseline_logit": -1.0, "review_logit": -2.0, "told": 0.88, "told_control": 0.75},
        **{"change_middle": 2.0, "other_winner": 0.9},
    },
    "shuffled": {"change_middle": 1.0, "other_winner": 0.6},
    "word": {"told": 0.8},
    "majority": {"told": 0.15},
    "probe": {"tested": 15_000},
}


def sentence_tables(hostile: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """A sentence of ten words and two hostile tokens, won by neurons 0, 1, 3, 4, … before and the next ones after."""
    words = [*WORDS, *((token, "NN", 0) for token in hostile[:2])]
    table = pd.DataFrame(words, columns=["token", "tag", "sentiment"])
    at = np.arange(len(table))
    table = table.assign(position=7 + at, feature=table["token"].str.lower(), document="test/film-0001/2", y=0)
    for shift, side in enumerate(SIDES):
        table[f"neuron_{side}"] = at % 5 + (0 if side == "shuffled" else shift)
        table[f"activation_{side}"] = 0.9 - 0.01 * at
        table[f"second_{side}"] = 30
        table[f"second_activation_{side}"] = table[f"activation_{side}"] - 0.002 * (at + 1)
    for side, scale in (("after", 1.0), ("shuffled", 0.1)):
        table[f"integrated_{side}"] = scale * (at - 4.5) / 10
        table[f"from_zero_{side}"] = scale * (4.5 - at) / 10
        table[f"occluded_{side}"] = scale * (at - 3.5) / 10
        table[f"change_{side}"] = 2 * scale + 0.1 * at
        table[f"moved_{side}"] = at % 3
    for side, right in (("before", 0.9), ("after", 0.8)):
        table[f"right_p_{side}"] = right - 0.01 * at * (side == "after")
    table["told_word"] = table["tag"]
    ranks = pd.DataFrame([(side, token, rank) for side in SIDES for token in at for rank in range(1, 6)])
    largest = ranks.set_axis(["side", "token", "rank"], axis=1)
    winners = [table[f"neuron_{side}"][token] for side, token in zip(largest["side"], largest["token"], strict=True)]
    largest["neuron"] = winners + 5 * (largest["rank"] - 1)
    largest["activation"] = 0.9 - 0.01 * largest["token"] - 0.02 * (largest["rank"] - 1)
    facts = [(side, measure, float(value)) for side, values in FACTS.items() for measure, value in values.items()]
    return {
        "sentence": table,
        "sentence_activations": largest,
        "sentence_facts": pd.DataFrame(facts, columns=["side", "measure", "value"]),
    }


def sentence_records(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Records that sum to the preferences of two stages, spread over six films."""
    parts = []
    for side, rows in (("before", before), ("after", after)):
        each = rows.loc[rows.index.repeat(rows["count"]), ["feature", "tag", "neuron"]].reset_index(drop=True)
        mean = (rows["activation_sum"] / rows["count"]).repeat(rows["count"]).to_numpy()
        block = [f"test/film-{number % 6:04}" for number in range(len(each))]
        parts.append(each.astype({"feature": str, "tag": str}).assign(activation=mean, block=block, side=side))
    return pd.concat(parts, ignore_index=True)
