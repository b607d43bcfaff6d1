"""How far a choice of definition moves the paper's numbers: tables and sentences for the page on definitions.

The three formulas are computed anew from a run's preferences; other choices need a run's own table `definitions`.
May touch: errors, definitions, preferences, results, transfer, audit, telling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.audit import COMPARISONS, FORMULAS, formula_switches
from txray_lib.definitions import RELEASED, Definitions
from txray_lib.errors import TxrayError, nearest
from txray_lib.results import Results
from txray_lib.telling import count, distance, paragraph, percent, plural, signed, table
from txray_lib.transfer import compare


@dataclass(frozen=True)
class Switch:
    """A choice between the paper and its released code: the code's id among the departures, a short and a long name."""

    code: str
    short: str
    about: str


SWITCHES = {
    "distance": Switch("C1", "distance", "the distance is divided by the size of the union of features"),
    "probability": Switch("C2", "probability", "each mean is divided by the sum of all activations"),
    "length": Switch("C3", "length", "a neuron's length is the union of both stages' features"),
    "pruning": Switch("C21", "pruning", "neurons are cut before the classifier, not out of the encoder"),
    "reset": Switch("C9", "reset", "zero-shot, the hidden state starts anew at each sentence"),
    "casing": Switch("C10", "casing", "only the supervised stage reads lower-cased text"),
    "marks": Switch("C13", "marks", "ends of sentences and of paragraphs count as features"),
}
LABELS = {
    ("N1", "early"): "N1 shared, early",
    ("N1", "late"): "N1 shared, late",
    ("N2", "early"): "N2 length, early",
    ("N2", "before_last"): "N2 length, before last",
    ("N2", "last"): "N2 length, last",
    ("N3", "share"): "N3 fall of distance",
    ("N7", "shared"): "N7 shared, zero-shot",
    ("N11", "shared"): "N11 shared, supervised",
    ("N12", "lost"): "N12 shared lost",
    ("N12", "avoided"): "N12 avoided, share",
    ("N13", "gained"): "N13 gained",
    ("N14", "empty"): "N14 empty after",
    ("N14", "avoided"): "N14 avoided",
    ("N17", "tokens"): "N17 length, tokens",
    ("N17", "tags"): "N17 length, tags",
    ("N18", "tokens"): "N18 length, all",
    **{(f"T2-{name}", split): f"T2-{name} F1, {split}" for name in ("A", "B", "C", "D") for split in ("train", "test")},
}
"""The quantities that the page shows, by id and part, in its order."""

_KINDS = {
    **dict.fromkeys(("N1", "N7", "N11", "N13"), "count"),
    "N2": "length",
    "N3": "share",
    "N12": "share",
    "N14": "count",
}
"""Of every id that is not a change."""
_BEFORE = dict(zip(COMPARISONS, ("early", "before-last", "last", "zero-shot"), strict=True))
_AFTER = dict(zip(COMPARISONS, ("before-last", "last", "zero-shot", "supervised"), strict=True))
"""The role of the stage on each side of a comparison."""


def formulas(results: Results) -> pd.DataFrame:
    """[switch, code, id, part, paper, switched] for the three formulas, computed anew from the run's preferences."""
    stages = {name: stages_of(results, name) for name in COMPARISONS}
    read = {stage: results.preferences(stage) for pair in stages.values() for stage in pair}
    pairs = {name: (read[before], read[after]) for name, (before, after) in stages.items()}
    return formula_switches(pairs, int(results.stages["neurons"].max()))


def every_switch(results: Results) -> pd.DataFrame:
    """`formulas`, and of the run's table `definitions` the other switches; without that table, of those the one of
    pruning, which follows from the table `pruning`."""
    if not results.has("definitions"):
        return pd.concat([formulas(results), _pruning(results)], ignore_index=True)
    kept = results.table("definitions")
    return pd.concat([formulas(results), kept[~kept["switch"].isin(list(FORMULAS))]], ignore_index=True)


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """The quantities of `LABELS` in their order, with what a switch does to each.

    kind     "count", "length", "share" or (a relative) "change"
    effect   a relative change of counts and lengths, a difference of shares and changes (0.01 is one point); NaN if not
             defined
    moved    whether the value is another one
    said, before, after  effect and both values in words
    """
    order = {key: place for place, key in enumerate(LABELS)}
    keys = list(zip(rows["id"], rows["part"], strict=True))
    rows = rows.assign(place=[order.get(key, -1) for key in keys], label=[LABELS.get(key, "") for key in keys])
    rows = rows.assign(column=rows["switch"].map(list(SWITCHES).index))
    rows = rows[rows["place"] >= 0].sort_values(["place", "column"], kind="stable").reset_index(drop=True)
    kind = rows["id"].map(_KINDS).astype(object).fillna("change")
    relative = kind.isin(["count", "length"])
    step = rows["switched"] - rows["paper"]
    effect = step.where(~relative, step / rows["paper"].abs().where(rows["paper"] != 0))
    effect = effect.mask(step == 0, 0.0)
    same = step.abs() <= 1e-9 * rows["paper"].abs().clip(lower=1)
    moved = ~same & ~(rows["paper"].isna() & rows["switched"].isna())
    said = [
        _effect(e, k, m, s, p)
        for e, k, m, s, p in zip(effect, kind, moved, rows["switched"], rows["paper"], strict=True)
    ]
    return rows.assign(
        kind=kind,
        effect=effect,
        moved=moved,
        said=said,
        before=[_value(v, k) for v, k in zip(rows["paper"], kind, strict=True)],
        after=[_value(v, k) for v, k in zip(rows["switched"], kind, strict=True)],
    )


def headings(rows: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Code and short name of each switch that `rows` hold, in the order of the page."""
    held = set(rows["switch"])
    return {name: (switch.code, switch.short) for name, switch in SWITCHES.items() if name in held}


def not_kept(results: Results) -> Markdown:
    """What the page cannot show of this run, or nothing."""
    if results.has("definitions") and results.has("same_weights"):
        return paragraph("")
    return paragraph(
        f"**Not kept.** The run of the profile {results.profile} was made before this compendium read the text again in other"
        " ways, so the switches C9, C10 and C13 and the comparison at equal weights are missing here. The formulas C1 to"
        " C3 and the pruning C21 follow from its tables and are shown."
    )


def which_move(rows: pd.DataFrame, *switches: str) -> Markdown:
    """For each switch, how many quantities it moved and which ones the most; by default for all."""
    frame = effects(rows)
    said = []
    for name in switches or [s for s in SWITCHES if s in set(rows["switch"])]:
        own = frame[frame["switch"] == name]
        moved = own[own["moved"]]
        most = moved.reindex(moved["effect"].abs().sort_values(ascending=False, kind="stable").index).head(3)
        listed = "; ".join(f"{row.label} from {row.before} to {row.after}" for row in most.itertuples())
        head = f"**{SWITCHES[name].code}** ({SWITCHES[name].about})"
        said.append(
            f"- {head} moves {len(moved)} of {plural(len(own), 'quantity', 'quantities')}"
            + (f", these the most: {listed}." if listed else ".")
        )
    return Markdown("\n".join(said))


def moved_table(rows: pd.DataFrame, switches: list[str] | None = None) -> HTML:
    """Every quantity that a switch moves, with its value under the paper's definition and under the switch."""
    frame = effects(rows)
    frame = frame[frame["moved"]]
    if switches is not None:
        frame = frame[frame["switch"].isin(switches)]
    shown = pd.DataFrame(
        {
            "choice": [f"{SWITCHES[s].code} {SWITCHES[s].short}" for s in frame["switch"]],
            "quantity": frame["label"],
            "the paper's definition": frame["before"],
            "the released code's": frame["after"],
            "change": frame["said"],
        }
    )
    caption = "Numbers that one choice alone moves; changes of shares are in percentage points (pp)"
    return table(shown, caption, words=["choice", "quantity"])


def ranking_said(rows: pd.DataFrame) -> Markdown:
    """Which switch changes the order of neurons by distance, and where the most."""
    ranks = ranking(rows)
    ranks = ranks[ranks["measure"] == "rho"].dropna(subset=["value"])
    if ranks.empty:
        return paragraph("Fewer than three neurons are shared in each comparison, so there is no ranking to compare.")
    said = []
    for name in [s for s in SWITCHES if s in set(ranks["switch"])]:
        own = ranks[ranks["switch"] == name]
        worst = own.loc[own["value"].idxmin()]
        if worst["value"] > 1 - 1e-9:
            said.append(f"{SWITCHES[name].code} leaves every order as it is.")
        else:
            said.append(
                f"{SWITCHES[name].code} ({SWITCHES[name].short}) agrees least in the {worst['comparison']} comparison:"
                f" a rank correlation of {worst['value']:.2f}."
            )
    return paragraph(*said)


def ranking(rows: pd.DataFrame) -> pd.DataFrame:
    """[switch, code, comparison, measure, value]: how alike both ways rank neurons; measure "rho" or "top"."""
    own = rows[rows["id"] == "ranking"].reset_index(drop=True)
    parts = own["part"].str.rsplit(" ", n=1, expand=True).reindex(columns=[0, 1])
    return own.assign(comparison=parts[0], measure=parts[1], value=own["switched"])[
        ["switch", "code", "comparison", "measure", "value"]
    ]


def most_distant(results: Results, top: int = 10, comparison: str = "supervised", **chosen: str) -> HTML:
    """The `top` neurons of a comparison that the chosen formulas find most changed, beside the paper's places for them."""
    paper, other = (_shared(results, comparison, d) for d in (Definitions(), Definitions(**chosen)))
    place = paper.rank(ascending=False, method="min")
    rows = compared_by(results, comparison, Definitions(**chosen)).set_index("neuron")
    first = other.sort_values(ascending=False, kind="stable").head(top).index
    frame = pd.DataFrame(
        {
            "place": range(1, len(first) + 1),
            "neuron": first,
            "distance": [f"{other[n]:.3g}" for n in first],
            "length before": [count(rows.loc[n, "length_before"]) for n in first],
            "length after": [count(rows.loc[n, "length_after"]) for n in first],
            "the paper's distance": [f"{paper[n]:.3g}" for n in first],
            "the paper's place": [f"{place[n]:.0f} of {len(paper)}" for n in first],
        }
    )
    return table(frame, f"The most changed neurons by {Definitions(**chosen)}, {comparison} comparison")


def most_distant_said(results: Results, top: int = 10, comparison: str = "supervised", **chosen: str) -> Markdown:
    """How long the neurons are that each definition finds most changed, and how many of them are the same."""
    frame = compared_by(results, comparison, Definitions(**chosen)).set_index("neuron")
    orders = [
        _shared(results, comparison, d).sort_values(ascending=False, kind="stable").index
        for d in (Definitions(), Definitions(**chosen))
    ]
    if len(orders[0]) <= top:
        return paragraph(
            f"Only {plural(len(orders[0]), 'neuron is', 'neurons are')} shared, so both lists hold all of them."
        )
    heads = [order[:top] for order in orders]
    paper, other = (frame.loc[head, "union"].median() for head in heads)
    return paragraph(
        f"Of the {top} neurons here, {len(set(heads[0]) & set(heads[1]))} are among the paper's {top}. Counting the features of"
        f" both stages together, the median of these {top} is {other:,.4g}, of the paper's {top} {paper:,.4g}, and of all"
        f" {plural(len(orders[0]), 'shared neuron')} {frame.loc[orders[0], 'union'].median():,.4g}."
    )


def recomputed(results: Results, comparison: str = "supervised", **chosen: str) -> HTML:
    """Distances of one comparison under the paper's formulas and under the chosen ones; where these are the paper's too,
    under each of the released code's alone and all together."""
    wanted = [Definitions(**chosen)]
    if wanted[0].is_papers:
        each = [Definitions(**{formula: RELEASED}) for formula in FORMULAS]
        wanted = [*each, Definitions(*[RELEASED] * len(FORMULAS))]
    rows = [_summary(compared_by(results, comparison, its), its) for its in (Definitions(), *wanted)]
    return table(pd.DataFrame(rows), f"The {comparison} comparison, computed anew", words=["formulas"])


def _summary(frame: pd.DataFrame, definitions: Definitions) -> dict[str, str]:
    shared = frame[frame["hellinger"].notna()]
    length = shared["union" if definitions.length == RELEASED else "length_before"]
    most = shared.loc[shared["hellinger"].idxmax()] if len(shared) else None
    return {
        "formulas": str(definitions),
        "shared neurons": count(len(shared)),
        "mean distance": distance(shared["hellinger"].mean()),
        "median distance": distance(shared["hellinger"].median()),
        "mean length before": f"{length.mean():,.1f}" if len(shared) else "none",
        "most changed neuron": "none" if most is None else str(int(most["neuron"])),
        "its features, both sides": "none" if most is None else count(most["union"]),
    }


def compared_by(results: Results, comparison: str, definitions: Definitions) -> pd.DataFrame:
    """One of the four comparisons, computed anew. Raises TxrayError for another name."""
    sides = (results.preferences(stage) for stage in stages_of(results, comparison))
    return compare(*sides, int(results.stages["neurons"].max()), definitions=definitions)


def stages_of(results: Results, comparison: str) -> tuple[str, str]:
    """The stages before and after in one of the four comparisons. Raises TxrayError for another name."""
    if comparison not in COMPARISONS:
        raise TxrayError(f"there is no comparison {comparison!r}. {nearest(comparison, COMPARISONS)}")
    return results.stage(_BEFORE[comparison]), results.stage(_AFTER[comparison])


def _pruning(results: Results) -> pd.DataFrame:
    """Tab. 2 out of the encoder (the paper) and before the classifier (its code, C21)."""
    ways = results.table("pruning").pivot_table(index=["set", "split"], columns="way", values="change", dropna=False)
    ways = ways.reindex(columns=["out of the encoder", "before the classifier"]).reset_index()
    return pd.DataFrame(
        {
            "switch": "pruning",
            "code": "C21",
            "id": "T2-" + ways["set"].astype(str),
            "part": ways["split"],
            "paper": ways["out of the encoder"],
            "switched": ways["before the classifier"],
        }
    )


def _shared(results: Results, comparison: str, definitions: Definitions) -> pd.Series:
    return compared_by(results, comparison, definitions).set_index("neuron")["hellinger"].dropna()


def _value(value: float, kind: str) -> str:
    if math.isnan(value):
        return "not defined"
    return {"count": count, "length": "{:,.1f}".format, "share": percent, "change": _change}[kind](value)


def _change(share: float) -> str:
    """A relative change with its sign; a small one to one digit, so that it does not look like none."""
    if share == 0:
        return "0 %"
    if 0.0005 <= abs(share) < 10:
        return signed(share)
    return f"{100 * share:+{',.0f' if abs(share) >= 10 else '.1g'}} %".replace("-", "−")


def _effect(effect: float, kind: str, moved: bool, switched: float, paper: float) -> str:
    """A change as a cell of the chart shows it; a count that was 0 has no relative change."""
    if math.isnan(switched) or math.isnan(paper):
        return "–"
    if not moved:
        return "0"
    if math.isnan(effect):
        return f"{switched - paper:+,.0f}".replace("-", "−")
    size = 100 * effect
    digits = 0 if abs(size) >= 10 else 1
    said = "≈0" if abs(size) < 0.05 else f"{size:+,.{digits}f}".replace("-", "−")
    return f"{said}{' %' if kind in ('count', 'length') else ' pp'}"
