"""Tables of controls in the form a run writes, made from its other tables by rules that a test can follow."""

from __future__ import annotations

import numpy as np
import pandas as pd

CONTROLS = ("shuffled-1", "seed-1", "seed-2")
LEAST = 0.6
"""At a constant rate no distance is below this."""
ERROR = 0.005
WITHOUT = {"A": ("mass",), "C": ("variance", "mass")}
"""What of a set no random sets have."""


def control_tables(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """control_transfer, control_scores, control_epochs, control_training, probe, pruning_random, and pruning with sampling errors."""
    transfer, draws = tables["transfer"], random_sets_of(tables["pruning"])
    return {
        "control_transfer": control_transfer_of(transfer),
        "control_scores": control_scores(),
        "control_epochs": control_epochs_of(transfer),
        "control_training": control_training(),
        "probe": probe_table(tables["stages"]),
        "pruning_random": draws,
        "pruning": tables["pruning"].assign(sampling_error=tables["pruning"]["change"].where(lambda c: c.isna(), ERROR)),
    }


def control_transfer_of(transfer: pd.DataFrame, controls: tuple[str, ...] = CONTROLS) -> pd.DataFrame:
    """With shuffled labels distances halve and no neuron is avoided: it keeps its length. Seeds give the labels' rows."""
    real = transfer[transfer["question"] == "rq3"]
    parts = []
    for control in controls:
        after = real["after"] + f"/{control}"
        part = real.assign(
            after=after, comparison=real["before"] + ":" + after, control=control, union=real["length_after"]
        )
        if control.startswith("shuffled"):
            avoided = part["state"] == "avoided"
            part.loc[avoided, "state"] = "shared"
            for size in ("length", "tag_length", "count", "mass"):
                part.loc[avoided, f"{size}_after"] = part.loc[avoided, f"{size}_before"]
            part["hellinger"] = (part["hellinger"] / 2).mask(avoided, 0.0)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def control_epochs_of(transfer: pd.DataFrame) -> pd.DataFrame:
    """The steps of RQ1 at a constant rate: no distance falls below `LEAST`."""
    rows = transfer[transfer["question"] == "rq1"]
    before, after = (rows[side] + "/constant" for side in ("before", "after"))
    moved = rows["hellinger"].clip(lower=LEAST)
    names = {"before": before, "after": after, "comparison": before + ":" + after, "hellinger": moved}
    return rows.assign(**names, question="epochs", control="constant").reset_index(drop=True)


def control_scores() -> pd.DataFrame:
    rows = [
        ("test", texts, 200, f1, f1, f1, accuracy, updates, seed, control)
        for control, f1, accuracy, updates, seed in (
            ("real", 0.8, 0.81, 30, 1),
            ("shuffled-1", 0.66, 0.5, 30, 1),
            ("seed-1", 0.79, 0.8, 40, 1001),
            ("seed-2", 0.82, 0.82, 40, 2001),
        )
        for texts in ("kept", "removed")
    ]
    columns = "split shared_texts reviews f1 precision recall accuracy updates seed control"
    return pd.DataFrame(rows, columns=columns.split())


def control_training() -> pd.DataFrame:
    rows = [(e / 4, "valid_f1", 0.6, 1.0 * e, "finetuning", c) for c in CONTROLS for e in range(1, 9)]
    for measure, value in (("valid_perplexity", 50 / 1.0), ("learning_rate", 0.002)):
        rows += [(float(e), measure, value, 3.0 * e, "pretraining", "constant") for e in range(1, 7)]
    return pd.DataFrame(rows, columns=["epoch", "measure", "value", "seconds", "phase", "control"])


def probe_table(stages: pd.DataFrame) -> pd.DataFrame:
    """Untrained 60 %, early 90 %, last 95 % of the tags, the word alone 85 %, the most frequent tag 20 %, each ± 1 %."""
    names = dict(zip(stages["role"], stages["stage"], strict=True))
    told = [
        (names[role], role, "activations", share)
        for role, share in (("untrained", 0.6), ("early", 0.9), ("last", 0.95))
    ]
    told += [(None, None, "word alone", 0.85), (None, None, "nothing", 0.2)]
    frame = pd.DataFrame(told, columns=["stage", "role", "reads", "accuracy"])
    sides = {"low": frame["accuracy"] - 0.01, "high": frame["accuracy"] + 0.01}
    return frame.assign(**sides, tokens=1000, blocks=10, training_tokens=1000, unit="block", l2=1e-4, seed=1)


def random_sets_of(pruning: pd.DataFrame) -> pd.DataFrame:
    """As many draws as the interval was made of, evenly spread over it; none where `WITHOUT` says so."""
    rows = []
    for row in pruning[pruning["random_sets"] > 0].to_dict("records"):
        for match in ("size", "variance", "mass"):
            if match in WITHOUT.get(row["set"], ()):
                continue
            changes = np.linspace(row["random_low"], row["random_high"], row["random_sets"])
            rows += [
                (row["set"], row["neurons"], match, row["way"], draw, change, 0.1, row["split"])
                for draw, change in enumerate(changes)
            ]
    return pd.DataFrame(rows, columns=["set", "neurons", "match", "way", "draw", "change", "overlap", "split"])
