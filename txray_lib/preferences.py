"""The records of a stage summed (§2.1): one table from which figures, tables and verdicts follow. May touch: errors, tables.

A record is a row of the paper's matrix M. Columns of a table of records, a row a token:
    document int32, block, layer int8, feature, tag (categories), neuron int32 (-1: nobody's), activation float32,
    prediction float32 (ŷ; NaN without a classifier), y int8 (-1 without labels)
Columns of preferences, a row for each (layer, neuron, feature, tag, y), in the order of these, words by alphabet:
    count int64, activation_sum float64, prediction_sum float64 (NaN without a classifier)
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError, require_choice, require_number
from txray_lib.tables import write_tables

KEYS = ["layer", "neuron", "feature", "tag", "y"]
SUMS = ["count", "activation_sum", "prediction_sum"]
WORDS = ["feature", "tag"]
PREFERENCES = (*KEYS, *SUMS)
RECORDS = ("block", "layer", "feature", "tag", "neuron", "activation")
NOBODY = -1
ROWS_IN_MEMORY = 2_000_000
"""Of preferences, some 100 bytes each while they are summed. Where a sum has more, DuckDB makes it."""

_DUCKDB = {"memory_limit": "1GB", "threads": 2, "preserve_insertion_order": False}

PAPER, RELEASED = CHOICES = ("paper", "released")
"""Whose formula: that of the paper, or that of its released code, which differs in places."""

_TAGS_OF_CLASS = {
    "noun": "NN NNS NNP NNPS",
    "verb": "VB VBD VBG VBN VBP VBZ MD",
    "adjective": "JJ JJR JJS",
    "adverb": "RB RBR RBS WRB",
    "pronoun": "PRP PRP$ WP WP$ EX",
    "determiner": "DT PDT WDT",
    "preposition": "IN",  # the subordinating conjunctions too: the tag set does not tell them apart
    "conjunction": "CC",
    "particle": "RP TO POS",  # TO is the preposition and the infinitive's "to"
    "number": "CD",
    "interjection": "UH",
    "punctuation": ". , : `` '' -LRB- -RRB- HYPH NFP",
    "symbol": "$ # SYM",
    "other": "ADD AFX FW GW LS XX",
}
_CLASSES = {tag: name for name, tags in _TAGS_OF_CLASS.items() for tag in tags.split()}
"""What kind of word a part-of-speech tag stands for, for readers who do not know the tag set by heart."""


def aggregate(records: pd.DataFrame) -> pd.DataFrame:
    """Sum records into preferences. Records that are nobody's (no positive activation) belong to no neuron."""
    require_rows(records, "to sum", (*KEYS, "activation", "prediction"))
    somebodys = records[records["neuron"] != NOBODY]
    sums = somebodys.assign(
        count=np.int64(1),
        activation_sum=somebodys["activation"].astype(np.float64),
        prediction_sum=somebodys["prediction"].astype(np.float64),
    )
    return _summed(sums)


def with_features(records: pd.DataFrame, of: str = "tokens", n: int = 1) -> pd.DataFrame:
    """Records whose feature is an n-gram of "tokens" or "tags", with a space between them: no token holds one.

    An n-gram is the feature of its last token's record and crosses no document, so that the first n − 1 tokens of each
    have no row. The records of a document in a layer stand together, in the order of the text.
    """
    require_number(n, "n")
    words = records["tag" if of == "tags" else "feature"].astype(object)
    documents, feature = words.groupby([records["layer"], records["document"]], sort=False), words
    for back in range(1, n):
        feature = documents.shift(back) + " " + feature
    kept = feature.notna()
    return records.assign(feature=feature.astype("category"))[kept].reset_index(drop=True)


def require_rows(table: object, name: str, columns: Iterable[str], units: int | None = None) -> None:
    """Raises TxrayError where a table that somebody gives lacks columns of records or preferences, or has rows without a
    layer, block, feature or tag, or of neurons that an encoder of so many units lacks."""
    kind, lowest = ("records", NOBODY) if "activation" in columns else ("preferences", 0)
    if missing := set(columns) - set(getattr(table, "columns", ())):
        raise TxrayError(
            f"the {kind} {name} are a {type(table).__name__} without {', '.join(sorted(missing))}: a stage's {kind} are wanted,"
            f" such as `tx.collect(…).{kind}`"
        )
    for column in ["block", *WORDS]:
        if column in columns and (lacking := int(table[column].isna().sum())):
            raise TxrayError(f"{lacking} rows of the {kind} {name} have no {column}: give them one, or leave them out")
    require_layers(table["layer"].unique().tolist())
    if units is not None:
        wrong = table["neuron"][~table["neuron"].isin(range(lowest, units))]
        if len(wrong):
            raise TxrayError(f"the {kind} {name} name neuron {wrong.iloc[0]}, but the encoder has {units} neurons")


def require_layers(layers: Iterable[object]) -> None:
    """Raises TxrayError for what is no number of a layer: the tables have room for 128."""
    for layer in layers:
        if layer not in range(128):
            raise TxrayError(f"there is no layer {layer!r}: number the layers of an encoder from 0, up to 127")


def check_sides(before: pd.DataFrame, after: pd.DataFrame, columns: Iterable[str], units: int) -> None:
    """Raises TxrayError as `require_rows`, of `RECORDS` or `PREFERENCES` of so many units."""
    require_number(units, "units")
    require_rows(before, "before", columns, units)
    require_rows(after, "after", columns, units)


def pair_layers(before: pd.DataFrame, after: pd.DataFrame) -> list[tuple[int, pd.DataFrame, pd.DataFrame]]:
    """Each layer in turn with the rows of both sides; layer 0 of empty sides.

    Raises TxrayError where one side has a layer that the other lacks: it would be compared with nothing.
    """
    layers = [sorted(map(int, side["layer"].unique())) for side in (before, after)]
    if all(layers) and layers[0] != layers[1]:
        first, second = (", ".join(map(str, own)) for own in layers)
        raise TxrayError(
            f"before are the layers {first}, after the layers {second}: a neuron is compared with itself, so give the same layers"
            " of both"
        )
    both = layers[0] or layers[1] or [0]
    if len(both) == 1:
        return [(both[0], before, after)]
    return [(layer, before[before["layer"] == layer], after[after["layer"] == layer]) for layer in both]


def add(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Preferences of shards added to those of the whole: exactly in the counts. Raises TxrayError for anything else."""
    tables = list(tables) if isinstance(tables, Iterable) else []
    if not tables:
        raise TxrayError("there are no preferences to add: give those of one shard or more")
    for number, table in enumerate(tables):
        require_rows(table, f"numbered {number}", PREFERENCES)
    return _summed(pd.concat([t.astype({"feature": object, "tag": object}) for t in tables], ignore_index=True))


def in_second_half(blocks: Iterable[pd.Series]) -> list[str]:
    """Every second block, in the order in which they first appear; `blocks` are those of records, part by part.

    The same weights read both halves, so the distance between them shows what another text alone does to a preference.
    """
    return list(dict.fromkeys(block for part in blocks for block in part.unique()))[1::2]


def write_sum(tables: Iterable[pd.DataFrame], path: Path, rows: int = ROWS_IN_MEMORY) -> None:
    """`add` for tables that need not fit in memory, and write what they add to.

    At most some `rows` are held at a time; where the sum has more it is made in a folder beside `path`, which is gone
    afterwards. Raises TxrayError for a row without feature or tag and where there is no room; `path` then stays as it was.
    """
    held, rest = list[pd.DataFrame](), iter(tables)
    for table in rest:
        held.append(table)
        if sum(map(len, held)) > rows:
            held = [add(held)]
            if len(held[0]) > rows // 2:
                return write_tables(_sums_on_disk(chain(held, rest), path.parent), path, {})
    return write_tables([add(held)], path, {})


def distributions(preferences: pd.DataFrame, by: str = "feature", probability: str = PAPER) -> pd.DataFrame:
    """The distribution P_n of every neuron (§2.1, step 2): mean activation per feature, normalised to sum to 1.

    `by` is "feature" or "tag". Columns: layer, neuron, the feature or tag, p, count, mass (its activation sum).
    A neuron that nothing excites most has no row. `probability` "released" divides each mean by the neuron's mass, as
    the released code does (C2): such a p sums to 1 only where every feature occurred once. Raises TxrayError for another word.
    """
    require_choice(by, "feature", ("feature", "tag"))
    require_choice(probability, "probability", CHOICES)
    keys = ["layer", "neuron", by]
    sums = preferences.groupby(keys, observed=True, sort=True)[["count", "activation_sum"]].sum().reset_index()
    mean = sums["activation_sum"] / sums["count"]
    divided = mean if probability == PAPER else sums["activation_sum"]
    total = divided.groupby([sums["layer"], sums["neuron"]]).transform("sum")
    return sums.assign(p=mean / total).rename(columns={"activation_sum": "mass"})[[*keys, "p", "count", "mass"]]


def strongest(before: pd.DataFrame, after: pd.DataFrame, top: int, probability: str = PAPER) -> pd.DataFrame:
    """The `top` most probable features of every neuron in either stage: [layer, neuron, feature, before, after], probabilities,
    0 where a side does not prefer the feature; the strongest of either side first. Raises TxrayError for sides of other layers."""
    require_rows(before, "before", PREFERENCES)
    require_rows(after, "after", PREFERENCES)
    pair_layers(before, after)
    keys, sides = ["layer", "neuron", "feature"], []
    for rows in (before, after):
        sides.append(distributions(rows, probability=probability).astype({"feature": str})[[*keys, "p"]])
    heads = [side.sort_values("p", ascending=False, kind="stable").groupby(keys[:2]).head(top) for side in sides]
    table = pd.concat(heads)[keys].drop_duplicates()
    for name, side in zip(("before", "after"), sides, strict=True):
        table = table.merge(side.rename(columns={"p": name}), on=keys, how="left")
    table = table.fillna({"before": 0.0, "after": 0.0})
    most = table[["before", "after"]].max(axis=1)
    order = table.assign(most=most).sort_values([*keys[:2], "most", "feature"], ascending=[True, True, False, True])
    return order.drop(columns="most").reset_index(drop=True)


def grouped_by_tag(preferences: pd.DataFrame) -> pd.DataFrame:
    """P_n over features summed by part of speech: "grouped by word function", as the paper reads it (§3.1).

    Columns: layer, neuron, tag, p. A feature that occurred under several tags divides its p by their counts. This is not
    `distributions(by="tag")`, where a tag is itself the feature: there every tag that occurred has about the same p,
    because means of maximal activations differ little.
    """
    neuron = ["layer", "neuron"]
    counts = preferences.groupby([*neuron, "feature", "tag"], observed=True)["count"].sum().reset_index()
    both = counts.merge(distributions(preferences), on=[*neuron, "feature"], suffixes=("", "_feature"))
    both = both.assign(p=both["p"] * both["count"] / both["count_feature"])
    return both.groupby([*neuron, "tag"], observed=True)["p"].sum().reset_index()


def tag_class(tag: str) -> str:
    """The class of a Penn Treebank tag, or of one that English EWT and OntoNotes add; "other" for any other tag."""
    return _CLASSES.get(tag, "other")


def neurons(preferences: pd.DataFrame) -> pd.DataFrame:
    """A row for each preferred neuron: layer, neuron, length (§2.2), tag_length, count, mass."""
    by_neuron = preferences.groupby(["layer", "neuron"], observed=True, sort=True)
    return by_neuron.agg(
        length=("feature", "nunique"),
        tag_length=("tag", "nunique"),
        count=("count", "sum"),
        mass=("activation_sum", "sum"),
    ).reset_index()


def _sums_on_disk(tables: Iterable[pd.DataFrame], folder: Path) -> Iterator[pd.DataFrame]:
    """The sum of tables, some rows at a time, in its order. The categories of each part are the words of the whole."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".sum-", dir=folder) as scratch:
        try:
            with duckdb.connect(f"{scratch}/rows.duckdb", config={**_DUCKDB, "temp_directory": scratch}) as database:
                database.execute(
                    "CREATE TABLE rows (layer TINYINT, neuron INTEGER, feature VARCHAR NOT NULL, tag VARCHAR NOT NULL,"
                    " y TINYINT, count BIGINT, activation_sum DOUBLE, prediction_sum DOUBLE)"
                )
                for table in tables:
                    database.register("part", table[[*KEYS, *SUMS]])
                    database.execute("INSERT INTO rows FROM part")
                for word in WORDS:
                    database.execute(f"CREATE TYPE {word}s AS ENUM (SELECT DISTINCT {word} FROM rows ORDER BY {word})")
                sums = database.execute(
                    "SELECT layer, neuron, feature::features AS feature, tag::tags AS tag, y, sum(count)::BIGINT AS count,"
                    " fsum(activation_sum) AS activation_sum, fsum(prediction_sum) AS prediction_sum"
                    " FROM rows GROUP BY ALL ORDER BY layer, neuron, feature, tag, y"
                )
                while len(part := sums.fetch_df_chunk(500)):
                    yield part
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            raise TxrayError(
                f"the preferences cannot be summed in {folder}: {what}. Free some space there and run the same command again."
            ) from error


def _numbered(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Codes of a column's values and the values in rising order; the order of a column's categories plays no part."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.set_categories(sorted(column.cat.categories))
    codes, values = pd.factorize(column, sort=True)
    return codes, np.asarray(values)


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum rows of equal keys by one integer key: sorting five columns at once would cost ten times as much."""
    numbered = {key: _numbered(rows[key]) for key in KEYS}
    shape = [max(len(values), 1) for _, values in numbered.values()]
    flat = np.ravel_multi_index([codes for codes, _ in numbered.values()], shape)
    present, inverse = np.unique(flat, return_inverse=True)
    table = {}
    for (key, (_, values)), codes in zip(numbered.items(), np.unravel_index(present, shape), strict=True):
        if key in WORDS:
            table[key] = pd.Categorical.from_codes(codes, categories=pd.Index(values, dtype=object))
        else:
            table[key] = values[codes].astype(rows[key].dtype)
    for name in SUMS:
        sums = np.bincount(inverse, weights=rows[name], minlength=len(present))
        table[name] = sums.astype(np.int64 if name == "count" else np.float64)
    return pd.DataFrame(table)
