"""Ours for the claims of §3.1 and §3.2 and those of §3.3 that prune nothing. May touch: paper, results, transfer, intervals.

Units that are not in the tables are not drawn again: blocks of text, whose shares of mass and of tokens have no interval in one
run, and epochs. Every stage reads as many tokens: activation is judged per token (K32), and masses as shares.
"""

import math
from functools import cache, cached_property, partial

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import (
    DRAWS,
    SEED,
    Measured,
    Statistic,
    beside,
    head,
    mean,
    median,
    plain,
    rank_correlation,
    ratio,
    sample,
    scattered,
)
from txray_lib.paper import value as paper
from txray_lib.preferences import neurons
from txray_lib.results import Results, read_parameters
from txray_lib.transfer import AVOIDED, GAINED, SHARED

PAIRS = {
    "early": ("early", "before-last"),
    "late": ("before-last", "last"),
    "zero-shot": ("last", "zero-shot"),
    "supervised": ("zero-shot", "supervised"),
}
"""The roles before and after of each of the four comparisons."""
SIDES = ("before", "after")
TOP = 10
"""The paper picks its neurons from "the top 10" by distance (§3.1, §3.2)."""
FEWEST_STEPS = 3


class Run:
    """A run's tables, each read once. A method raises TxrayError for a stage or a table that the run does not have."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.table = cache(results.table)
        self.pair = cache(self._pair)

    @cached_property
    def units(self) -> int:
        return int(self.results.stages["neurons"].max())

    @cached_property
    def other_encoder(self) -> str:
        """What the encoder is where it has a neuron of each number in every layer; "" for the paper's LSTM."""
        own = read_parameters(self.results.folder).get("encoder") or {}
        return "a Transformer" if "transformer" in own else "read in layers" if "layers" in own else ""

    def name_of(self, pair: str) -> str:
        """The comparison of two stages that PAIRS names by their roles, as it stands in the run's tables."""
        return ":".join(map(self.results.stage, PAIRS[pair]))

    def column(self, pair: str, column: str) -> np.ndarray:
        """A column of a comparison, (units,), NaN where a neuron is not shared."""
        rows = self.pair(pair)
        return rows[column].where(rows["state"] == SHARED).to_numpy(dtype=np.float64)

    def shared(self, pair: str) -> tuple[pd.DataFrame, pd.Series]:
        """The shared neurons of a comparison that have a distance by chance (all shared ones where none has), and their
        mean lengths."""
        rows = self.pair(pair)
        rows = rows[rows["state"] == SHARED]
        rows = rows[rows["expected"].notna()] if rows["expected"].notna().any() else rows
        return rows, (rows["length_before"] + rows["length_after"]) / 2

    def has_state(self, pair: str, state: str) -> np.ndarray:
        """Whether each neuron has this preference state, (units,), 0 or 1."""
        return (self.pair(pair)["state"] == state).to_numpy(dtype=np.float64)

    def expected(self, pair: str, state: str) -> np.ndarray:
        """The share of all neurons that has this state among rearranged blocks, a sample; NaN where that was not counted."""
        rows = self.table("null_states") if self.results.has("null_states") else pd.DataFrame({"comparison": []})
        rows = rows[rows["comparison"] == self.name_of(pair)]
        if rows.empty:
            return np.full(1 + DRAWS, np.nan)
        row = rows[rows["state"] == state].iloc[0]
        draws = scattered(row["expected"], _spread(row), (DRAWS,), list(PAIRS).index(pair))
        return np.array([row["expected"], *draws]) / self.units

    def shuffled(self) -> list[pd.DataFrame]:
        """The comparison of zero-shot with each fine-tuning on shuffled labels, in the order of its neurons."""
        if not self.results.has("control_transfer"):
            return []
        rows = self.table("control_transfer")
        rows = rows[rows["control"].str.startswith("shuffled")]
        return [part.sort_values("neuron") for _, part in rows.groupby("control", sort=False, observed=True)]

    def untrained(self) -> pd.DataFrame:
        """[length, mass …] of every neuron in use in the untrained encoder; without a row where the run kept none."""
        if "untrained" not in self.results.roles.values():
            return neurons(self.preferences("last").iloc[:0])
        return neurons(self.preferences("untrained"))

    def preferences(self, role: str) -> pd.DataFrame:
        return self.table(f"preferences/{self.results.stage(role)}")

    def _pair(self, pair: str) -> pd.DataFrame:
        """The transfer rows of a comparison in the order of its neurons, with what rearranged blocks make of the distance:
        `expected`, its mean, and `spread`, its standard deviation (NaN where there is none)."""
        name, every = self.name_of(pair), self.table("transfer")
        rows = every[(every["comparison"] == name) & every["question"].isin(["rq1", "rq2", "rq3"])]
        rows = rows.sort_values("neuron").reset_index(drop=True)
        if not self.results.has("nulls"):
            return rows.assign(expected=math.nan, spread=math.nan)
        nulls = self.table("nulls").query("comparison == @name").assign(spread=_spread)
        return rows.merge(nulls[["neuron", "expected", "spread"]], on="neuron", how="left")


def _spread(null: pd.DataFrame | pd.Series) -> pd.Series | float:
    """The standard deviation of a null, whose middle 90 % the tables hold."""
    return (null["null_95"] - null["null_05"]) / (2 * 1.645)


def end_perplexity(run: Run) -> Measured:
    """S2: perplexity on validation text after the last epoch."""
    perplexity = _perplexity(run)
    if perplexity.empty:
        return Measured(why="this run kept no perplexity of pretraining")
    return plain(perplexity.iloc[-1], math.nan, "it is one number of one run")


def fall_of_distance(run: Run) -> Measured:
    """N3: 1 − mean late distance / mean early distance; by chance the same of the distances of rearranged blocks."""

    def by_chance(pair: str, stream: int) -> np.ndarray:
        columns = run.column(pair, "expected"), run.column(pair, "spread")
        return sample(lambda *drawn: mean(_among_rearranged(*drawn, stream)), *columns)

    ours = _change(run.column("early", "hellinger"), run.column("late", "hellinger"))
    return beside(-ours, 1 - ratio(by_chance("late", 1), by_chance("early", 0)))


def share_in_range(run: Run) -> Measured:
    """N4: shared neurons whose mean length of the last two epochs is 10 to 200 features."""

    ends = paper("N4", "low"), paper("N4", "high")
    sizes = pd.Series(np.mean(_sides(run, "late", "length"), axis=0)), run.untrained()["length"]
    return beside(*(sample(mean, size.between(*ends).astype(float).where(size.notna())) for size in sizes))


def tags_followed(run: Run) -> Measured:
    """F3: correlation over tags of shares of mass and of tokens, last epoch; by chance that of the untrained encoder."""
    found = {}
    for role in ("untrained", "last"):
        rows, counts = run.preferences(role), run.table("tag_counts")
        counts = counts[counts["corpus"] == run.results.stages.set_index("role")["corpus"][role]]
        mass = rows.groupby(rows["tag"].astype(str))["activation_sum"].sum()
        tokens = counts.groupby(counts["tag"].astype(str))["tokens"].sum()
        wide = pd.DataFrame({"mass": mass, "tokens": tokens}).fillna(0.0)
        found[role] = wide["mass"].corr(wide["tokens"])
    return plain(found["last"], found["untrained"], "the tables hold no blocks of text to draw again")


def distance_and_length(run: Run) -> Measured:
    """K1: rank correlation over shared neurons; by chance that of the distances that rearranged blocks give."""
    rows, sizes = run.shared("late")
    return beside(sample(rank_correlation, rows["hellinger"], sizes), _by_rearranging(rank_correlation, rows, sizes))


def share_longer(run: Run) -> Measured:
    """K5: longer neurons among those whose length changes."""
    rows = run.pair("early")
    moved = np.sign(rows["length_after"] - rows["length_before"]).to_numpy()
    return beside(sample(mean, np.where(moved == 0, np.nan, moved > 0)), 0.5)


def settling_of_length(run: Run) -> Measured:
    """K6: late less early median change of length."""
    late, early = (sample(_median_change, *_sides(run, pair, "length")) for pair in ("late", "early"))
    return beside(late - early, 0.0)


def convergence(run: Run) -> Measured:
    """K15: over neighbouring epochs, rank correlation of the median distance and the fall of log perplexity; by chance 1,
    that of two series that only fall."""
    perplexity, rows = _perplexity(run), run.results.transfer("epochs")
    epochs = run.results.stages.set_index("stage")["epoch"]
    steps = []
    for (before, after), part in rows[rows["state"] == SHARED].groupby(["before", "after"], sort=False, observed=True):
        ends = perplexity.reindex([float(epochs[stage]) for stage in (before, after)]).to_numpy()
        steps.append((-np.diff(np.log(ends))[0], part["hellinger"].median()))
    found = np.array(steps)
    if len(found) < FEWEST_STEPS or not np.isfinite(found).all():
        return Measured(why="fewer than three steps between epochs can be compared")
    return plain(float(rank_correlation(*found.T)), 1.0, "a few epochs of one run are no sample of epochs")


def share_with(run: Run, pair: str, state: str = SHARED, less: str = "") -> Measured:
    """N1, N7, N8, N11, N13: neurons with a preference state, less those that have it in another comparison, as a share of all."""
    ours, chance = run.has_state(pair, state), run.expected(pair, state)
    if less:
        ours, chance = ours - run.has_state(less, state), chance - run.expected(less, state)
    return beside(sample(mean, ours), chance)


def share_avoided(run: Run) -> Measured:
    """N12: neurons that become avoided, as a share of those in use before (§2.2)."""
    used = run.pair("supervised")["length_before"].to_numpy() > 0
    avoided = np.where(used, run.has_state("supervised", AVOIDED), np.nan)
    return beside(sample(mean, avoided), run.expected("supervised", AVOIDED) * (run.units / max(used.sum(), 1)))


def mean_of_ratios(run: Run) -> Measured:
    """N17: mean change of a shared neuron's token length. By chance: before and after exchanged at random."""

    def exchanged(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        if before.ndim == 1:
            return (mean(after / before) + mean(before / after)) / 2 - 1
        swaps = np.random.default_rng(SEED).random(before.shape) < 0.5
        return mean(np.where(swaps, before / after, after / before)) - 1

    sides = _sides(run, "supervised", "length")
    return beside(sample(lambda before, after: mean(after / before) - 1, *sides), sample(exchanged, *sides))


def change_of_lengths(
    run: Run, size: str = "length", first: str = "supervised", last: str = "supervised", of_all: bool = False
) -> Measured:
    """K8, N17, N18: change of the mean length, in tokens or in tags, of shared neurons, or of all with the empty ones."""
    read = (lambda pair, column: run.pair(pair)[column]) if of_all else run.column
    return beside(_change(read(first, f"{size}_before"), read(last, f"{size}_after")), 0.0)


def peak_of_masses(run: Run) -> Measured:
    """F11: growth of the share of mass that the strongest hold, by supervision; by chance that by shuffled labels."""
    before, after = (sample(head, run.pair("supervised")[f"mass_{side}"]) for side in SIDES)
    shuffled = [sample(head, part["mass_after"]) for part in run.shuffled()]
    return beside(after - before, np.mean(shuffled, axis=0) - before if shuffled else math.nan)


def length_of_most_distant(run: Run) -> Measured:
    """K18: median length of the ten most distant neurons less that of the other shared ones.

    By chance: the ten whose distance is largest among blocks dealt anew.
    """

    def gap(distances: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        ordered = np.take_along_axis(sizes, np.argsort(-distances, axis=-1, kind="stable"), axis=-1)
        return median(ordered[..., :TOP]) - median(ordered[..., TOP:])

    rows, sizes = run.shared("zero-shot")
    if len(rows) < 2 * TOP:
        return Measured(why="fewer than twenty neurons are shared")
    return beside(sample(gap, rows["hellinger"], sizes), _by_rearranging(gap, rows, sizes))


def scatter_of_tag_distances(run: Run) -> Measured:
    """K22: standard deviation of tag distances after supervision less that in zero-shot transfer."""
    distances = [run.column(pair, "hellinger_tag") for pair in ("supervised", "zero-shot")]
    after, before = (sample(partial(np.nanstd, axis=-1), column) for column in distances)
    return beside(after - before, 0.0)


def gained_by_labels(run: Run) -> Measured:
    """K23: neurons gained, as a share of all; by chance those that shuffled labels gain."""
    shuffled = [[part["state"] == GAINED] for part in run.shuffled()]
    return _beside_shuffled(mean, [run.has_state("supervised", GAINED)], shuffled)


def mass_and_length(run: Run) -> Measured:
    """K24: rank correlation over gained neurons; by chance that over the neurons of the untrained encoder."""
    rows, untrained = run.pair("supervised"), run.untrained()
    rows = rows[rows["state"] == GAINED]
    chance = sample(rank_correlation, untrained["mass"], untrained["length"])
    return beside(sample(rank_correlation, rows["mass_after"], rows["length_after"]), chance)


def activation_per_token(run: Run) -> Measured:
    """K32: mean maximal activation of a token on the new domain by that on the pretraining text.

    By chance: the same of two halves of the pretraining text.
    """

    def growth(rows: pd.DataFrame) -> np.ndarray:
        mass, count = ([sample(mean, rows[f"{size}_{side}"]) for side in SIDES] for size in ("mass", "count"))
        return ratio(ratio(mass[1], count[1]), ratio(mass[0], count[0]))

    halves = run.results.control(run.results.stage("last")).sort_values("neuron")
    return beside(growth(run.pair("zero-shot")), growth(halves))


def change_by_labels(run: Run) -> Measured:
    """K42: median change of a shared neuron's length, in either direction; by chance that by shuffled labels."""
    lengths = ["length_before", "length_after"]
    shuffled = [part[lengths].where(part["state"] == SHARED).to_numpy(dtype=np.float64).T for part in run.shuffled()]
    return _beside_shuffled(_median_change, _sides(run, "supervised", "length"), shuffled)


def growth_of_head(run: Run) -> Measured:
    """K56: share of mass that the strongest hold after supervision less that on the pretraining text."""
    pretrained, after = run.pair("zero-shot")["mass_before"], run.pair("supervised")["mass_after"]
    return beside(sample(head, after) - sample(head, pretrained), 0.0)


def _sides(run: Run, pair: str, size: str) -> list[np.ndarray]:
    """A size of the shared neurons before and after."""
    return [run.column(pair, f"{size}_{side}") for side in SIDES]


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The change of a mean over neurons, as a share of the mean before."""
    return ratio(sample(mean, after), sample(mean, before)) - 1


def _median_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The median of by what share each length changes, in either direction: the longer by the shorter − 1."""
    return median(np.expm1(np.abs(np.log(after / before))))


def _among_rearranged(expected: np.ndarray, spread: np.ndarray, stream: int = 0) -> np.ndarray:
    """Distances by chance: their means, and in draws of neurons one of their distribution each."""
    return expected if expected.ndim == 1 else scattered(expected, spread, expected.shape, stream)


def _by_rearranging(statistic: Statistic, shared: pd.DataFrame, sizes: pd.Series) -> np.ndarray | float:
    """A statistic of distances and lengths, of the distances that rearranged blocks give; NaN where there are none."""
    if shared["expected"].isna().any():
        return math.nan
    columns = shared["expected"], shared["spread"], sizes
    return sample(lambda expected, spread, its: statistic(_among_rearranged(expected, spread), its), *columns)


def _beside_shuffled(statistic: Statistic, ours: list[np.ndarray], shuffled: list[list[np.ndarray]]) -> Measured:
    """Ours beside the mean over fine-tunings on shuffled labels: drawn together, of the same neurons."""
    if not shuffled:
        return Measured(why="this run was not fine-tuned on shuffled labels")
    return beside(sample(statistic, *ours), np.mean([sample(statistic, *columns) for columns in shuffled], axis=0))


def _perplexity(run: Run) -> pd.Series:
    """Validation perplexity of pretraining by epoch."""
    rows = run.table("training")
    rows = rows.query("phase == 'pretraining' and measure == 'valid_perplexity'")
    return rows.drop_duplicates("epoch", keep="last").set_index("epoch")["value"].sort_index()


MEASURES = {
    "S2": end_perplexity,
    "N1": partial(share_with, pair="late", less="early"),
    "N2": lambda run: beside(sample(mean, run.column("early", "length_before")), math.nan),
    "N3": fall_of_distance,
    "N4": share_in_range,
    "N7": partial(share_with, pair="zero-shot"),
    "N8": partial(share_with, pair="late", less="zero-shot"),
    "N11": partial(share_with, pair="supervised", less="zero-shot"),
    "N12": share_avoided,
    "N13": partial(share_with, pair="supervised", state=GAINED),
    "N17 tokens": change_of_lengths,
    "N17 ratios": mean_of_ratios,
    "N17 POS": partial(change_of_lengths, size="tag_length"),
    "N18": partial(change_of_lengths, of_all=True),
    "F3": tags_followed,
    "F11": peak_of_masses,
    "K1": distance_and_length,
    "K5": share_longer,
    "K6": settling_of_length,
    "K8": partial(change_of_lengths, first="early", last="late"),
    "K15": convergence,
    "K18": length_of_most_distant,
    "K22": scatter_of_tag_distances,
    "K23": gained_by_labels,
    "K24": mass_and_length,
    "K32": activation_per_token,
    "K42": change_by_labels,
    "K56": growth_of_head,
}
