"""The two frames of the neuron explorer: where its controls go, and the neuron that it shows first.

The page's script (`static/txray-explorer.js`) fills both; without it the second holds the first neuron as a table.
May touch: errors, explorer, preferences, results, tags, telling, charts (colours).
"""

from __future__ import annotations

import html
import json

import pandas as pd
from IPython.display import HTML

from txray_lib.figures.theme import ROLES, STATES
from txray_lib.errors import TxrayError, nearest
from txray_lib.explorer import PER_SHARD, explored
from txray_lib.preferences import distributions
from txray_lib.results import Results
from txray_lib.tags import tag_class
from txray_lib.telling import count, distance, table

FIRST_TOKENS = 12


def explored_first(results: Results, role: str) -> str:
    """The comparison whose stage after has this role, as "supervised". Raises TxrayError for a role that none has."""
    pairs = explored(results)
    roles = pairs["after"].map(results.roles)
    if role not in set(roles):
        raise TxrayError(f"no comparison of {results.profile!r} ends at a stage {role!r}. {nearest(role, set(roles))}")
    return str(pairs.loc[roles == role, "comparison"].iloc[0])


def explored_neuron(points: pd.DataFrame, comparison: str, neuron: int = -1, min_length: int = 10) -> int:
    """The neuron itself, or for -1 the one of the comparison that lies furthest above what chance gives, of those with at
    least `min_length` features on both sides; where no null was kept or none is that long, the most distant one; -1 if the
    comparison has no neuron. Raises TxrayError for a neuron that neither stage prefers."""
    own = points[points["comparison"] == comparison]
    if neuron >= 0:
        if neuron not in set(own["neuron"]):
            raise TxrayError(
                f"neuron {neuron} prefers nothing in {comparison.replace(':', ' and ')}: choose one that does, such as"
                f" {', '.join(map(str, own['neuron'].head(5)))}, or -1 for the one that the page picks"
            )
        return neuron
    if own.empty:
        return -1
    long = own[own[["length_before", "length_after"]].min(axis=1) >= min_length]
    far = (long["hellinger"] - long["expected"]).dropna()
    far = far if len(far) else own["hellinger"].dropna()
    return int(own.loc[far.idxmax(), "neuron"]) if len(far) else int(own["neuron"].iloc[0])


def explorer_panel(results: Results, level: float) -> HTML:
    """Where the search field and the list go, with what the page's script must know."""
    stages = results.stages.set_index("stage")
    names = list(stages.index)
    told = {
        "base": results.profile,
        "per": PER_SHARD,
        "level": level,
        "neurons": int(stages["neurons"].max()),
        "tags": _tag_words(results),
        "states": {name: [ink.light, ink.dark] for name, ink in STATES.items()},
        "stages": [
            {"name": name, "tokens": int(stages.at[name, "tokens"]), "ink": _ink(results.roles[name])} for name in names
        ],
        "comparisons": [
            {
                "name": row.comparison.replace(":", " → "),
                "before": names.index(row.before),
                "after": names.index(row.after),
            }
            for row in explored(results).itertuples()
        ],
    }
    body = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    return HTML(
        f'<div class="txray-explorer" data-part="controls"><script type="application/json">{body}</script>'
        '<p class="txray-plain">In the built book, with JavaScript, this place holds a search field for neurons and words, and a'
        " list of all of them. Below are the picture of one comparison and one neuron as a table.</p></div>"
    )


def _tag_words(results: Results) -> dict[str, str]:
    """A word for each tag that occurs: its part of speech."""
    tags = {str(tag) for stage in results.roles for tag in results.preferences(stage)["tag"].unique()}
    return {tag: tag_class(tag) for tag in sorted(tags)}


def _ink(role: str) -> list[str]:
    return [ROLES[role].light, ROLES[role].dark]


def explorer_detail(results: Results, points: pd.DataFrame, comparison: str, neuron: int, level: float) -> HTML:
    """The neuron that is shown first: its strongest features before and after, as a table that the page's script replaces."""
    own = points[(points["comparison"] == comparison) & (points["neuron"] == neuron)]
    if own.empty:
        return HTML('<div class="txray-explorer" data-part="detail"><p>No neuron prefers anything here.</p></div>')
    row = own.iloc[0]
    first = f'data-comparison="{int(row["c"])}" data-neuron="{neuron}"'
    return HTML(
        f'<div class="txray-explorer" data-part="detail" {first}><p>{_summary(row, level)}</p>'
        f"{table(_tokens(results, row, neuron), f'Neuron {neuron}: its strongest features').data}</div>"
    )


def _summary(row: pd.Series, level: float) -> str:
    said = (
        f"Neuron {row['neuron']} is {row['state']} from {row['before']} to {row['after']}: it prefers"
        f" {count(row['length_before'])} features before and {count(row['length_after'])} after."
    )
    if not pd.isna(row["hellinger"]):
        said += f" Distance {distance(row['hellinger'])}"
        said += f"; chance gives it {distance(row['expected'])}" if not pd.isna(row["expected"]) else ""
        tested = not pd.isna(row["q"])
        said += f" (q {row['q']:.2g}, {'above' if row['q'] <= level else 'not above'} its null)." if tested else "."
    return html.escape(said)


def _tokens(results: Results, row: pd.Series, neuron: int) -> pd.DataFrame:
    columns: dict[str, list[object]] = {}
    for side in ("before", "after"):
        rows = results.preferences(row[side])
        best = distributions(rows[rows["neuron"] == neuron]).nlargest(FIRST_TOKENS, "p")
        missing = FIRST_TOKENS - len(best)
        columns[f"{side}: {row[side]}"] = [(str(word),) for word in best["feature"]] + [""] * missing
        columns[f"p {side}"] = [f"{p:.3f}" for p in best["p"]] + [""] * missing
    frame = pd.DataFrame(columns)
    return frame[(frame != "").any(axis=1)]
