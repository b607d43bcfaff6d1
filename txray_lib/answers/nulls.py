"""What of a comparison exceeds chance: distances and counts of states beside their nulls (§2.2; RQ1–RQ3 in §3.1–§3.3).

May touch: errors, definitions, results, telling.

 beside_null       the shared neurons of a question beside their nulls: what all else here and the charts are made of
 which_null        which null was drawn, and why it is the right one
 exceeding         how many distances lie above their null, and by how much
 excess_table      the same as a table, with the halves of one text
 states_by_chance  preference states beside what rearranging the text produces by itself

A run of an older version kept no nulls: `beside_null` is empty then, `which_null` says so, and the others say nothing.
"""

from __future__ import annotations

import math

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.definitions import PAPER, Definitions
from txray_lib.errors import TxrayError
from txray_lib.results import NEURON, Results
from txray_lib.telling import LEVEL, arrow, count, distance, paragraph, percent, plural, table

FINEST = 0.001
"""The finest level to ask for: for neurons that no arrangement has reached, more are drawn until their q is settled at this or
the cap of arrangements is met. A few such neurons among many can meet the cap with a q above it."""
OFTEN = 0.05
"""A neuron of which more arrangements than this empty a side is told of: `expected` leaves them out."""
PAPERS = Definitions()
_TWO_TEXTS = "split"
TESTED = ("avoided", "gained")
"""The preference states whose counts are set beside chance one by one."""
_UNITS = "A block is what is independent of others: an article, or all reviews of one film."


def checked_level(level: float) -> float:
    """The level, if it can be one. Raises TxrayError below 0.001, up to which arrangements are drawn, and from 1 on."""
    if not FINEST <= level < 1:
        raise TxrayError(
            f"the level is {level:g}, and a neuron is above its null where its q is at most that: choose from {FINEST:g},"
            f" the finest that is asked of the nulls, to less than 1; {LEVEL:g} is usual"
        )
    return level


def beside_null(
    results: Results, question: str, level: float = LEVEL, definitions: Definitions = PAPERS
) -> pd.DataFrame:
    """Shared neurons beside their nulls, comparison by comparison; empty where the run kept none.

    Columns: those of the table `nulls`, and before, after, length_before, length_after, above (q ≤ level). Nulls are of the
    paper's distance, so it is empty for the released code's distance or probability too. Raises TxrayError for a level that
    cannot be one.
    """
    checked_level(level)
    rows = _nulls(results, question, definitions)
    sides = ["before", "after", "length_before", "length_after"]
    transfer = results.transfer(question)[["comparison", *NEURON, "state", *sides]]
    both = transfer[transfer["state"] == "shared"].merge(rows, on=["comparison", *NEURON])
    return both[both["hellinger"].notna()].assign(above=lambda found: found["q"] <= level).reset_index(drop=True)


def has_nulls(results: Results, definitions: Definitions = PAPERS) -> bool:
    """Whether there are nulls of the distance that these definitions make."""
    return results.has("nulls") and _is_papers_distance(definitions)


def which_null(results: Results, question: str, level: float = LEVEL, definitions: Definitions = PAPERS) -> Markdown:
    """Which null stands beside the distances of a question and why; where there is none, a sentence that says so."""
    checked_level(level)
    if not results.has("nulls"):
        return paragraph(kept_none(results))
    if not _is_papers_distance(definitions):
        return paragraph(
            "The null that was drawn is one of the paper's distance, so none stands beside the distances of other definitions."
        )
    rows = _nulls(results, question, definitions)
    told = _split_told() if (rows["kind"] == _TWO_TEXTS).any() else _swap_told()
    return paragraph(
        *told,
        f"{_drawn(rows)} A neuron is above its null where its q (Benjamini-Hochberg over the shared neurons of a comparison)"
        f" is at most {level:g}.",
    )


def kept_none(results: Results) -> str:
    """The sentence for a run whose tables hold no nulls."""
    return (
        "The tables of this run are from before nulls were kept, so what of these numbers exceeds chance is not said here;"
        f" `txray run {results.profile}` computes it."
    )


def _swap_told() -> tuple[str, ...]:
    return (
        "**The null: no systematic change.** Both stages of a comparison read the same text. So block by block their records"
        " change sides with probability one half, and each side keeps every document once.",
        _UNITS,
        "This is the right null for two encoders on one text: the words are the same on either side, and what is left is whether"
        " the one encoder differs from the other throughout the text or only as its blocks happen to fall. Unchanged weights"
        " give 0 and are above nothing.",
    )


def _split_told() -> tuple[str, ...]:
    return (
        "**The null: which text it was does not matter.** One encoder read two texts, so no record has a partner to change sides"
        " with. The blocks of both texts are dealt anew to two sides as large as the texts.",
        _UNITS,
        "This is the right null for one encoder on two corpora, and it is false from the start, since their vocabularies differ:"
        " to be above it says that the texts differ for a neuron, not yet that the neuron does another thing.",
    )


def exceeding(results: Results, question: str, level: float = LEVEL) -> Markdown:
    """How many shared neurons are above their null, comparison by comparison, and observed beside expected medians; nothing
    where the run kept no nulls."""
    found = beside_null(results, question, level)
    if not has_nulls(results):
        return paragraph()
    names = results.transfer(question)["comparison"].unique()
    said = [_exceeding(name, found[found["comparison"] == name], level) for name in names]
    if not found["above"].any():
        return paragraph(*said)
    return paragraph(
        *said,
        f"Of those above, about {percent(level)} at most are to be expected there by chance, in each comparison by itself, if"
        " neurons were independent.",
    )


def _exceeding(name: str, own: pd.DataFrame, level: float) -> str:
    if own.empty:
        return f"In {arrow(name)} no neuron is shared, so there is no distance to test."
    verb = "lies above its null" if own["above"].sum() == 1 else "lie above their null"
    return (
        f"In {arrow(name)} {above_said(own)} {verb} (q ≤ {level:g}): the median distance is"
        f" {distance(own['hellinger'].median())} where chance gives {distance(own['expected'].median())}, and the median excess"
        f" is {difference(own['excess'].median())}.{_emptied(own)}"
    )


def _emptied(own: pd.DataFrame) -> str:
    """Whose distance by chance leaves out more than a few arrangements, and what is made of these."""
    often = own.loc[own["undefined"] > OFTEN, "undefined"]
    if often.empty:
        return ""
    return (
        f" For {plural(len(often), 'neuron')} more than {percent(OFTEN)} of the arrangements (at most {percent(often.max())}) empty"
        " a side: these have no distance and are left out of what chance gives, while p counts them as further apart."
    )


def above_said(found: pd.DataFrame) -> str:
    """ "12 of 172 shared neurons" """
    above = int(found["above"].sum())
    return f"{count(above) if above else 'none'} of {plural(len(found), 'shared neuron')}"


def excess_table(results: Results, found: pd.DataFrame, level: float = LEVEL) -> HTML:
    """A row per comparison: shared neurons, those above their null, observed and expected medians, the excess, and the
    distance between halves of the text after."""
    frame = pd.DataFrame(
        [_excess_row(results, name, own) for name, own in found.groupby("comparison", sort=False)],
        columns=list(_COLUMNS),
    ).rename(columns=_COLUMNS)
    caption = (
        f"Medians over shared neurons: the observed distance H, H by chance, and their difference; above its null is q ≤ {level:g};"
        " H by chance leaves out arrangements that empty a side;"
        " the last column is the median H between two halves of the text of the stage after, or before, under one set of weights"
    )
    return table(frame, caption, words=["comparison"])


_COLUMNS = {
    "comparison": "comparison",
    "shared": "shared",
    "above": "above their null",
    "observed": "H",
    "expected": "H by chance",
    "excess": "excess",
    "halves": "halves of one text",
}


def _excess_row(results: Results, name: str, own: pd.DataFrame) -> dict[str, str]:
    halves = next((h for side in ("after", "before") if len(h := halves_of(results, own[side].iloc[0]))), None)
    return {
        "comparison": arrow(name),
        "shared": count(len(own)),
        "above": f"{count(own['above'].sum())} ({percent(own['above'].mean())})",
        "observed": distance(own["hellinger"].median()),
        "expected": distance(own["expected"].median()),
        "excess": difference(own["excess"].median()),
        "halves": "not compared" if halves is None else distance(halves["hellinger"].median()),
    }


def halves_of(results: Results, stage: str) -> pd.DataFrame:
    """The neurons that both halves of a stage's text share, with their distance; no row where halves were not compared."""
    rows = results.control(stage)
    return rows[(rows["state"] == "shared") & rows["hellinger"].notna()]


def states_by_chance(results: Results, question: str) -> pd.DataFrame:
    """Preference states beside their null: the rows of `null_states` of a question, in the order of its comparisons; empty
    where the run kept none. Changed neurons that are each beyond chance are counted by `changed_beyond_chance`."""
    if not results.has("null_states"):
        return pd.DataFrame(columns=["comparison", "state", "observed", "expected", "null_05", "null_95", "tail", "p"])
    rows = results.table("null_states")
    order = {name: i for i, name in enumerate(results.transfer(question)["comparison"].unique())}
    rows = rows[(rows["question"] == question) & rows["comparison"].isin(list(order))]
    return rows.sort_values("comparison", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def states_by_chance_said(results: Results, question: str, level: float = LEVEL) -> Markdown:
    """Avoided and gained neurons beside what rearranging the text produces by itself (§2.2); nothing where it was not kept."""
    checked_level(level)
    rows = states_by_chance(results, question)
    said = [
        _changed_said(results, name, own.set_index("state"), level)
        for name, own in rows.groupby("comparison", sort=False)
    ]
    opening = "A neuron of few tokens is avoided or gained as soon as these few go to another, which takes no learning."
    return paragraph(opening, *said, _tests_said(rows, level)) if said else paragraph()


def _tests_said(rows: pd.DataFrame, level: float) -> str:
    """How many counts are tested without regard to each other, and how often p is small by that alone."""
    tested = rows[rows["state"].isin(TESTED)]
    small, tests = int((tested["p"] <= level).sum()), len(tested)
    return (
        f"The counts of avoided and of gained neurons make {plural(tests, 'test')}, of which, each by itself,"
        f" {count(small) if small else 'none'} {'has' if small == 1 else 'have'} p ≤ {level:g}; had nothing changed,"
        f" {tests * level:.2g} would on average, or fewer."
    )


def _changed_said(results: Results, name: str, own: pd.DataFrame, level: float) -> str:
    parts = [
        f"{count(own.loc[state, 'observed'])} {state} where chance gives {by_chance(own.loc[state])}"
        for state in TESTED
    ]
    changed, all_ = changed_beyond_chance(results, name, level)
    each = f"; {beyond(changed, all_)}" if all_ else ""
    return f"In {arrow(name)} {' and '.join(parts)}{each}."


def beyond(changed: int, all_: int) -> str:
    """ "of the 57 that changed state 40 did so beyond chance, each by itself" """
    if all_ == 1:
        return f"the one that changed state did {'' if changed else 'not do '}so beyond chance"
    who = "all" if changed == all_ else count(changed) if changed else "none"
    return f"of the {count(all_)} that changed state {who} did so beyond chance, each by itself"


def changed_beyond_chance(results: Results, comparison: str, level: float = LEVEL) -> tuple[int, int]:
    """How many avoided or gained neurons of a comparison are beyond chance each by itself (q_state ≤ level), and how many
    are avoided or gained at all."""
    rows = results.table("nulls")
    rows = rows[(rows["comparison"] == comparison) & rows["hellinger"].isna() & rows["p_state"].notna()]
    return int((rows["q_state"] <= level).sum()), len(rows)


def states_table(results: Results, question: str) -> HTML:
    """Preference states beside their null as a table, a row per comparison and state."""
    rows = states_by_chance(results, question)
    frame = pd.DataFrame(
        {
            "comparison": rows["comparison"].map(arrow),
            "state": rows["state"],
            "neurons": rows["observed"].map(count),
            "by chance": rows["expected"].map("{:,.1f}".format),
            "5–95 %": [span(row) for row in rows.itertuples()],
            "p": [f"{p_value(row.p)} ({row.tail})" for row in rows.itertuples()],
        }
    )
    return table(
        frame,
        "Neurons in each preference state beside what rearranging the blocks of the text gives by itself; p is"
        " (1 + arrangements with as few, or as many) / (1 + all arrangements)",
        words=["comparison", "state"],
    )


def by_chance(row: pd.Series) -> str:
    """ "3.9 (5–95 %: 2–7)" """
    return f"{row['expected']:,.1f} (5–95 %: {span(row)})"


def span(row: pd.Series) -> str:
    """ "2–7", or "172" where both ends are the same."""
    low, high = (f"{value:,.0f}" for value in (row.null_05, row.null_95))
    return low if low == high else f"{low}–{high}"


def p_value(p: float) -> str:
    """A p to two digits that count; "none" where there is none."""
    return "none" if math.isnan(p) else f"{p:.2g}"


def difference(number: float) -> str:
    """A signed difference of distances, "+0.24", "−0.003", "0"."""
    if math.isnan(number):
        return "none"
    if number == 0:
        return "0"
    return (f"{number:+.2f}" if abs(number) >= 0.095 else f"{number:+.1g}").replace("-", "−")


def _is_papers_distance(definitions: Definitions) -> bool:
    return definitions.distance == PAPER and definitions.probability == PAPER


def _nulls(results: Results, question: str, definitions: Definitions) -> pd.DataFrame:
    if not has_nulls(results, definitions):
        columns = [
            "comparison",
            *NEURON,
            "kind",
            "hellinger",
            "expected",
            "excess",
            "null_95",
            "undefined",
            "permutations",
            "p",
            "q",
        ]
        return pd.DataFrame(
            {name: pd.Series(dtype=object if name in ("comparison", "kind") else float) for name in columns}
        )
    rows = results.table("nulls")
    return rows[rows["question"] == question].drop(columns="question")


def _drawn(rows: pd.DataFrame) -> str:
    drawn = rows.loc[rows["permutations"] > 0, "permutations"]
    if drawn.empty:
        return "No neuron is preferred, so nothing was drawn."
    least, most = int(drawn.min()), int(drawn.max())
    more = f", up to {count(most)} for neurons that no arrangement had reached yet" if most > least else ""
    return f"There are {plural(least, 'arrangement')} for every neuron{more}."
