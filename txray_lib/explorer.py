"""The neuron explorer: its chart, the frames that its page's script fills, and the tables behind it.

Which comparison the chart draws and which neuron has a ring are its parameters `comparison` and `chosen`: the page's script
sets them, and hears from `picked` and `picked_below` which point was clicked.

The tables are small scripts that a page loads one by one, from a disk too. A browser refuses to read a data file
beside a page that was opened from disk, but runs a script that lies there. So each file is one call of
`txrayShard(name, body)`:

    PROFILE/n3.js   the neurons 12 to 15: of every stage their tokens, tags, mass and nearest neighbours
    PROFILE/ta.js   the tokens that begin with a, and the neurons that win most of their occurrences

Preferences may be published; records may not, and none is read here. Of a text that may be quoted (`settings.QUOTABLE`) a few
words around a neuron's strongest tokens stand with the neuron. In all of it neurons are counted through the layers: a
neuron's number is its own, plus the neurons of all layers before it.
May touch: figures, places, preferences, results, settings.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from IPython.display import HTML
from scipy import sparse

from txray_lib.figures.plane import lengths_axis
from txray_lib.figures.theme import CHANCE, ROLES, STATES, TEXT
from txray_lib.places import write_text
from txray_lib.preferences import distributions, grouped_by_tag, tag_class
from txray_lib.results import NEURON, Results
from txray_lib.settings import QUOTABLE

PER_SHARD = 4
"""Neurons in a file: at most some 70 kB compressed in the runs of the book, and read in a few milliseconds."""
SIMILAR = 6
WINNERS = 8
"""Neurons named for a token in each stage."""
PARTS_OF_P = 1_000_000
"""Probabilities are whole numbers of this, three letters shorter than a fraction."""


WIDTH = 500
WITHOUT_DISTANCE = ("gained", "avoided")
"""The preference states that have no distance, a row below the points for each."""
NAMES = {
    "c": "comparison",
    "n": "number",
    "s": "state",
    "x": "length",
    "d": "hellinger",
    "lb": "length_before",
    "la": "length_after",
    "mb": "mass_before",
    "ma": "mass_after",
    "e": "expected",
    "q": "q",
    "o": "not_above_null",
}
"""What the short columns of the chart's data are, for whoever downloads them."""
IN_LAYER = {"layer:N": "layer", "neuron:N": "neuron"}
TOLD = {"n:N": "neuron", "s:N": "state", "d:Q": "distance", "e:Q": "distance by chance", "q:Q": "q"}
TOLD |= {"lb:Q": "length before", "la:Q": "length after", "mb:Q": "mass before", "ma:Q": "mass after"}


def explored(results: Results) -> pd.DataFrame:
    """A row per comparison that can be explored, in the order of the run: comparison, before, after, question."""
    rows = results.table("transfer")
    pairs = rows.loc[rows["question"] != "control", ["comparison", "before", "after", "question"]]
    return pairs.drop_duplicates("comparison").reset_index(drop=True)


def points(results: Results, level: float) -> pd.DataFrame:
    """A row per comparison and neuron that either of its stages prefers.

    Columns of the table `transfer`, and c, the number of the comparison in `explored`; number, the neuron's; expected, q and above
    (q ≤ level), missing where there is no null.
    """
    pairs = explored(results)
    numbers = pd.Series(pairs.index, index=pairs["comparison"])
    rows = pd.concat([results.beside_null(question, level) for question in pairs["question"].unique()])
    rows = rows[rows["comparison"].isin(numbers.index) & (rows["state"] != "never preferred")]
    rows = rows.drop_duplicates(["comparison", *NEURON]).reset_index(drop=True)  # a comparison of two questions
    above = rows["above"].astype("boolean").mask(rows["q"].isna())
    return rows.assign(c=rows["comparison"].map(numbers), above=above, number=_numbers(rows, units_of(results)))


def units_of(results: Results) -> int:
    """The neurons of a layer."""
    return int(results.stages["neurons"].max())


def _numbers(rows: pd.DataFrame, units: int) -> pd.Series:
    """The number of each row's neuron, counted through the layers."""
    return rows["layer"].astype(np.int64) * units + rows["neuron"]


def chart(points: pd.DataFrame, comparison: int, neuron: int, units: int = 0) -> alt.VConcatChart:
    """Every neuron of every comparison: distance against length, and below it those without a distance (Fig. 4, 6, 8 in one).

    points      of `points`
    comparison  the number of the one that is drawn first; neuron the number of the one that has the ring first, -1 for none
    units       the neurons of a layer, where there are several layers: the layer of the ring is drawn
    """
    rows = records(points)
    longest = max((row["x"] for row in rows if "x" in row), default=10.0)
    base = alt.Chart().transform_filter("datum.c === comparison")
    told = TOLD
    if units:
        told = IN_LAYER | {name: title for name, title in TOLD.items() if name != "n:N"}
        place = {"layer": f"floor(datum.n / {units})", "neuron": f"datum.n % {units}"}
        base = base.transform_calculate(**place).transform_filter("datum.layer === layer")
    states = ["shared", *WITHOUT_DISTANCE]
    scale = alt.Scale(domain=states, range=[STATES[state].light for state in states])
    base = base.encode(color=alt.Color("s:N", scale=scale, legend=None))
    data = alt.InlineData(values=rows)  # once, as Altair copies it with every part
    panels = alt.vconcat(_scatter(base, longest, told), _below(base, longest, told), spacing=6, data=data)
    drawn, chosen = alt.param(name="comparison", value=comparison), alt.param(name="chosen", value=neuron)
    panels = panels.properties(title="How far did each neuron move?").add_params(drawn, chosen)
    if units:
        panels = panels.add_params(alt.param(name="layer", value=max(neuron, 0) // units))
    return panels.resolve_scale(color="shared")


def records(points: pd.DataFrame) -> list[dict[str, Any]]:
    """The points with the short names of `NAMES`, to keep the page small: o is 1 where a distance is not above its null.
    What a point does not have is left out."""
    both = points[["length_before", "length_after"]].astype(float)
    shown = points.assign(
        length=both.where(both > 0).mean(axis=1),
        comparison=points["c"],
        q=points["q"].map("{:.2g}".format).astype(float),
        not_above_null=(~points["above"].astype("boolean")).astype("Int8"),
    )[list(NAMES.values())]
    shown = shown.round({"hellinger": 4, "expected": 4, "mass_before": 1, "mass_after": 1}).set_axis(
        list(NAMES), axis=1
    )
    rows = json.loads(shown.to_json(orient="records"))
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _scatter(base: alt.Chart, longest: float, told: dict[str, str]) -> alt.LayerChart:
    y = alt.Y("d:Q", title="Hellinger distance H", scale=alt.Scale(domain=[0, 1]))
    shared = base.transform_filter("isValid(datum.d)")
    shared = shared.encode(lengths_axis("x", longest, title="features preferred (log scale)"), y)
    filled, hollow = shared.transform_filter("datum.o !== 1"), shared.transform_filter("datum.o === 1")
    ring = shared.transform_filter("datum.n === chosen").encode(color=alt.value(TEXT.light))
    grey = alt.value(CHANCE["not above its null"].light)
    return alt.layer(
        filled.mark_point(filled=True, size=32, opacity=0.5),
        hollow.mark_point(filled=False, size=28, strokeWidth=1.1, opacity=0.7).encode(color=grey),
        ring.mark_point(size=210, strokeWidth=3, opacity=1),
        _target(shared, told, "picked"),
    ).properties(width=WIDTH, height=290)


def _below(base: alt.Chart, longest: float, told: dict[str, str]) -> alt.LayerChart:
    axis = alt.Axis(domain=False, ticks=False, grid=False)
    y = alt.Y("s:N", title=None, scale=alt.Scale(domain=list(WITHOUT_DISTANCE)), axis=axis)
    x = lengths_axis("x", longest, title=None, labels=False, ticks=False, domain=False)
    rest = base.transform_filter("!isValid(datum.d)").encode(x, y)
    ring = rest.transform_filter("datum.n === chosen").encode(color=alt.value(TEXT.light))
    return alt.layer(
        rest.mark_tick(thickness=1.5, height=14, opacity=0.6),
        ring.mark_tick(thickness=3, height=20, opacity=1),
        _target(
            rest, {name: title for name, title in told.items() if name not in ("d:Q", "e:Q", "q:Q")}, "picked_below"
        ),
    ).properties(width=WIDTH, height=alt.Step(22))


def _target(points: alt.Chart, told: dict[str, str], name: str) -> alt.Chart:
    """Points that cannot be seen, but told of on hovering and clicked."""
    # Vega-Lite reads a nominal field of the nearest point from the right place only where it has a format.
    tips = [alt.Tooltip(each, title=told[each], **({"format": ""} if each.endswith(":N") else {})) for each in told]
    click = alt.selection_point(name=name, fields=["n"], on="click", nearest=True, toggle=False, clear=False)
    return points.mark_point(filled=True, size=60, opacity=0).encode(tooltip=tips).add_params(click)


def frames(results: Results, level: float, c: int, neuron: int) -> tuple[HTML, HTML]:
    """Two frames for the page's script, one for each side of the chart: where its search and list go, with what it must
    know, and where it tells of a neuron, beginning with `neuron` in comparison `c`. Without scripts they hold a sentence."""
    body = json.dumps(_told(results, level), separators=(",", ":")).replace("<", "\\u003c")
    without = "In the built book, with JavaScript, a search field and a list of all neurons stand here."
    controls = f'<script type="application/json">{body}</script><p class="txray-plain">{without}</p>'
    first = f'data-comparison="{c}" data-neuron="{neuron}"'
    below = "Here stands what the chosen neuron prefers."
    return (
        HTML(f'<div class="txray-explorer" data-part="controls">{controls}</div>'),
        HTML(f'<div class="txray-explorer" data-part="detail" {first}><p class="txray-plain">{below}</p></div>'),
    )


def _told(results: Results, level: float) -> dict[str, Any]:
    stages, credits = list(results.roles), _credits(results)
    tags = {str(tag) for stage in stages for tag in results.preferences(stage)["tag"].unique()}
    return {
        "base": results.profile,
        "per": PER_SHARD,
        "level": level,
        "neurons": units_of(results),
        "layers": [int(layer) for layer in results.table("transfer")["layer"].unique()],
        "tags": {tag: tag_class(tag) for tag in sorted(tags)},
        "stages": [
            {
                "name": row.stage,
                "tokens": int(row.tokens),
                "ink": [ROLES[row.role].light, ROLES[row.role].dark],
                "credit": credits.get(row.stage),
            }
            for row in results.stages.itertuples()
        ],
        "comparisons": [
            {
                "name": row.comparison.replace(":", " → "),
                "before": stages.index(row.before),
                "after": stages.index(row.after),
            }
            for row in explored(results).itertuples()
        ],
    }


def _credits(results: Results) -> dict[str, dict[str, str] | None]:
    """By stage of which text is quoted, what must be said beside it; nothing of a world."""
    if not results.has("contexts"):
        return {}
    quoted = results.table("contexts").drop_duplicates("stage")
    found = {stage: QUOTABLE[source] for stage, source in zip(quoted["stage"], quoted["source"], strict=True)}
    return {stage: credit and credit._asdict() for stage, credit in found.items()}


def write_shards(results: Results, folder: Path) -> list[Path]:
    """Write the scripts of one profile into `folder`, anew and whole, and return their paths."""
    stages = list(results.roles)
    tables = {stage: results.preferences(stage) for stage in stages}
    tables = {stage: rows.assign(neuron=_numbers(rows, units_of(results))) for stage, rows in tables.items()}
    shutil.rmtree(folder, ignore_errors=True)
    bodies = {**_neuron_bodies(tables, _contexts(results)), **_token_bodies(tables)}
    for name, body in bodies.items():
        text = json.dumps(body, separators=(",", ":"))
        write_text(f'txrayShard("{folder.name}/{name}",{text})', folder / f"{name}.js")
    return [folder / f"{name}.js" for name in bodies]


def shard_of(neuron: int) -> str:
    """The name of the script that holds a neuron."""
    return f"n{neuron // PER_SHARD}"


def bucket_of(token: str) -> str:
    """The name of the script that holds a token: its first letter, if that is one of a to z."""
    first = token[:1].lower()
    return f"t{first}" if first.isascii() and first.isalpha() else "tother"


def _contexts(results: Results) -> dict[tuple[str, int], list[list[Any]]]:
    """By stage and neuron [before, token, after, activation] of its strongest tokens, where text is quoted."""
    if not results.has("contexts"):
        return {}
    rows = results.table("contexts")
    rows = rows.assign(number=_numbers(rows, units_of(results)), activation=rows["activation"].astype(float).round(2))
    groups = rows.groupby(["stage", "number"])[["before", "token", "after", "activation"]]
    return {key: own.to_numpy().tolist() for key, own in groups}


def _neuron_bodies(tables: dict[str, pd.DataFrame], contexts: dict[tuple[str, int], list[list[Any]]]) -> dict[str, Any]:
    """By script: by neuron `w`, its tokens in all stages, and `s`, by number of the stage what it prefers there, with the words
    around its strongest tokens, `x`, where text is quoted."""
    bodies: dict[str, dict[int, Any]] = {}
    for number, (stage, table) in enumerate(tables.items()):
        tags = _by_neuron(grouped_by_tag(table), "tag")
        near = {n: found for _, layer in table.groupby("layer") for n, found in similar(layer).items()}
        for neuron, own in _by_neuron(distributions(table), "feature").items():
            body = bodies.setdefault(shard_of(neuron), {}).setdefault(neuron, {"w": {}, "s": {}})
            words: dict[str, int] = body["w"]
            body["s"][number] = {
                "t": [words.setdefault(word, len(words)) for word in own["feature"]],
                "p": own["part"],
                "c": own["count"],
                "g": [pair for pair in zip(tags[neuron]["tag"], tags[neuron]["part"], strict=True) if pair[1]],
                "m": round(float(np.sum(own["mass"])), 2),
                "k": sum(own["count"]),
                "n": [[other, round(distance, 3)] for other, distance in near.get(neuron, [])],
            }
            if quoted := contexts.get((stage, neuron)):
                body["s"][number]["x"] = quoted
    for shard in bodies.values():
        for body in shard.values():
            body["w"] = list(body["w"])
    return bodies


def _by_neuron(rows: pd.DataFrame, name: str) -> dict[int, dict[str, list]]:
    """Of each neuron its rows column by column, the largest probability first, with `part`, it as a whole number."""
    rows = rows.astype({name: str}).astype({name: object})
    rows = rows.assign(part=(rows["p"] * PARTS_OF_P).round().astype(int))
    rows = rows.sort_values(["neuron", "p", name], ascending=[True, False, True], kind="stable")
    return rows.groupby("neuron")[list(rows.columns.drop(["layer", "neuron"]))].agg(list).to_dict("index")


def similar(preferences: pd.DataFrame) -> dict[int, list[tuple[int, float]]]:
    """For each neuron of a layer the `SIMILAR` nearest others: (neuron, Hellinger distance of their P), nearest first.

    Neurons with no token in common are left out: at a distance of 1 nobody is nearer than another.
    """
    table = distributions(preferences)
    if table.empty:
        return {}
    neurons, row = np.unique(table["neuron"].to_numpy(), return_inverse=True)
    column = pd.factorize(table["feature"])[0]
    roots = sparse.csr_array((np.sqrt(table["p"].to_numpy()), (row, column)))
    overlap = (roots @ roots.T).toarray()
    np.fill_diagonal(overlap, 0)
    found = {}
    for index, neuron in enumerate(neurons):
        nearest = np.argsort(-overlap[index], kind="stable")[:SIMILAR]
        found[int(neuron)] = [
            (int(neurons[i]), float(np.sqrt(max(0.0, 1 - overlap[index, i])))) for i in nearest if overlap[index, i] > 0
        ]
    return found


def _token_bodies(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """By script: pairs [token, by stage [all its wins, neuron, wins, neuron, wins, …]]; of the third layer of the first stage the
    key is "0.2". Pairs and not an object, so that a token may have any name."""
    winners: dict[str, dict[int | str, list[int]]] = {}
    for number, table in enumerate(tables.values()):
        for layer, rows in table.groupby("layer"):
            key = f"{number}.{layer}" if layer else number
            sums = rows.groupby(["feature", "neuron"], observed=True)["count"].sum().reset_index()
            for token, total in sums.groupby("feature", observed=True)["count"].sum().items():
                winners.setdefault(token, {})[key] = [total]
            sums = sums.sort_values(["feature", "count", "neuron"], ascending=[True, False, True], kind="stable")
            most = sums.groupby("feature", observed=True).head(WINNERS)
            for token, neuron, wins in most.itertuples(index=False):
                winners[token][key] += [neuron, wins]
    bodies: dict[str, list[Any]] = {}
    for token in sorted(winners):
        bodies.setdefault(bucket_of(token), []).append([token, winners[token]])
    return bodies
