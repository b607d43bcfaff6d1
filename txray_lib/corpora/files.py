"""What stands in a user's files: their text, and the rows of tables in the dialects that people save them in.

May touch: errors, places, tokenise. An error names the file, what is wrong, and all lines that have the fault.
"""

import csv
import io
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten
from typing import Any

from txray_lib.corpora.tokenise import UNSEEN, compose
from txray_lib.errors import TxrayError
from txray_lib.places import require_fetched

Say = Callable[[str], None]
Row = tuple[int, dict[str, Any]]
"""The number of its line, the last of several, and its fields by column."""

_NO_TEXT = [
    (rb"PK\x03\x04", "a zip archive, as .xlsx and .docx files are. Save its text as UTF-8, a table as CSV"),
    (rb"\xd0\xcf\x11\xe0", "an old Office file, as .xls and .doc are. Save its text as UTF-8, a table as CSV"),
    (rb"PAR1\x15", "a Parquet file. Save it as CSV"),
    (rb"SQLite format 3\x00", "a database. Save its table as CSV"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", "compressed. Unpack it"),
    (rb"%PDF-", "a PDF. Save its text as UTF-8"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16. Save it as UTF-8"),
    (
        rb"(?i)(?:\xef\xbb\xbf)*\s*<(?:!doctype html|html|\?xml)\b[^<>]*>\s*<[a-z!?]",
        "a web page or XML, which servers also send in place of a file. Save its text as UTF-8",
    ),
]
"""How files begin that are no text, what they are, and what to do. A page has a second tag after its first, a text about tags
has words."""
_CONTROLS = bytes([*range(9), *range(14, 27)])
_MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DIALECTS: dict[str, dict[str, Any]] = {
    "quotes around a text are none of its own": {},
    "quotes around a text are none of its own, and those inside follow a backslash": {"escapechar": "\\"},
    "every quote is one of the text": {"quoting": csv.QUOTE_NONE},
}
_QUOTING = 'Put a text with quotes, the separator or a line break between quotes ("), and write a quote in it twice.'
_SHOWN = 10
"""How many lines of a fault, and kinds of marks, are named."""


class Faults(defaultdict[str, list[str]]):
    """The lines of a file that are wrong, by what is wrong with them, so that one error names them all."""

    def raise_any(self, path: Path) -> None:
        """Raise TxrayError with the first lines of each fault and the number of all; do nothing where there is none."""
        told = []
        for what, lines in self.items():
            more = f" and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
            told.append(f"{'lines' if len(lines) > 1 else 'line'} {', '.join(lines[:_SHOWN])}{more}: {what}")
        if told:
            raise TxrayError("\n  ".join([f"{path}:", *told]))


class Unseen(Counter[str]):
    """The marks that nobody sees, and how many of each were taken out."""

    def clean(self, text: str) -> str:
        """The text without them, in one spelling (Unicode NFC)."""
        if text.isascii() and text.isprintable():
            return text
        self.update(UNSEEN.findall(text))
        return compose(UNSEEN.sub("", text))

    def tell(self, path: Path, say: Say) -> None:
        if self:
            kinds = [f"U+{ord(m):04X} {unicodedata.name(m, '')}".strip() for m, _ in self.most_common(_SHOWN)]
            say(f"{path.name}: marks that nobody sees are left out: {self.total():,} ({', '.join(kinds)})")


def read_text(path: Path, say: Say) -> str:
    """A text file without byte order marks, its line ends as "\\n", none after the last line.

    Raises TxrayError for one that is missing, empty, not UTF-8, or of a kind that is no text.
    """
    require_fetched(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "Paths in a profile are relative to the folder of its file, or to TXRAY_DATA."
        raise TxrayError(f"{path} cannot be read ({error.strerror}). {remedy}") from None
    for start, what in _NO_TEXT:
        if re.match(start, content):
            raise TxrayError(f"{path} is {what}.")
    if len(content.translate(None, _CONTROLS)) < 0.9 * len(content):
        raise TxrayError(f"{path} is full of control characters: binary, or UTF-16. Save its text as UTF-8.")
    try:
        text = content.decode("utf-8").lstrip("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TxrayError(f"{path}: line {line:,} is not UTF-8. Save the file as UTF-8; it may be in cp1252.") from None
    if not text.strip():
        raise TxrayError(f"{path} is empty. Put your text there.")
    if count := text.count("\ufffd"):
        say(f"{path.name}: characters that were lost when the file was made (U+FFFD): {count:,}")
    if count := text.count("\r"):
        say(f"{path.name}: line ends as on an old Mac (CR) are read as line ends: {count:,}")
    return text.replace("\r", "\n").removesuffix("\n")


def clean_name(name: str) -> str:
    """The name of a column as it is looked for: in one spelling, without white space around it or marks that nobody sees."""
    return compose(UNSEEN.sub("", name)).strip()


def read_table(path: Path, names: Mapping[str, str], delimiter: str | None, faults: Faults, say: Say) -> list[Row]:
    """The rows of a .csv, .tsv or .jsonl file; lines that are none are added to `faults`. How it was read is said.

    names      of text, label, and whatever else is asked for: what it is called in the file
    delimiter  what stands between columns; without it, the mark that sets the header's names apart

    Raises TxrayError for another kind of file, one that is not UTF-8, and a column that is missing or misspelt.
    """
    kind = path.suffix.lower()
    if kind == ".jsonl":
        return _read_json(path, names, faults, say)
    if kind in (".csv", ".tsv"):
        return _read_csv(path, names, delimiter, faults, say)
    raise TxrayError(f"{path} is no table of labelled texts: its name must end in .csv, .tsv or .jsonl.")


@dataclass
class _Reading:
    """A table read in one dialect: its header, its rows, how many lines were empty, and the lines that fit no header."""

    header: list[str]
    rows: list[Row]
    empty: int
    faults: Faults

    def fit(self, label: str) -> tuple[bool, int]:
        """Whether every line fits the header and has one of two labels, and how many rows do: least in a wrong dialect."""
        labels = Counter(fields.get(label, "") for _, fields in self.rows)
        del labels[""]
        fitting = sum(count for _, count in labels.most_common(2))
        return fitting == len(self.rows) and not self.faults, fitting


def _read_csv(path: Path, names: Mapping[str, str], delimiter: str | None, faults: Faults, say: Say) -> list[Row]:
    csv.field_size_limit(2**31 - 1)
    text = read_text(path, say)
    mark = delimiter or _find_delimiter(text, names)
    readings = {how: _read_dialect(text, mark, dialect) for how, dialect in _DIALECTS.items()}
    how, reading = max(readings.items(), key=lambda item: item[1].fit(names["label"]))
    _check_columns(reading.header, names, path)
    faults.update(reading.faults)
    lines, rows, empty = text.count("\n") + 1, len(reading.rows), reading.empty
    others = {"empty": empty, "inside quotes": 0 if faults else lines - 1 - rows - empty}
    told = "".join(f", {count:,} {what}" for what, count in others.items() if count)
    apart = f"columns apart by {_MARKS.get(mark, mark)}" + (f"; {how}" if '"' in text else "")
    say(f"{path.name}: {rows:,} rows in {lines:,} lines (the header{told}), {apart}")
    return reading.rows


def _find_delimiter(text: str, names: Mapping[str, str]) -> str:
    """The mark that sets apart most names of the columns that are asked for; of equal ones that of most columns.

    Sniffers look at the texts too, and take their commas for the mark of a table with semicolons.
    """
    header = text.lstrip().partition("\n")[0]
    asked = {names["text"], names["label"]}

    def fit(mark: str) -> tuple[int, int]:
        columns = set(map(clean_name, next(csv.reader([header], delimiter=mark))))
        return len(asked & columns), len(columns)

    return max(_MARKS, key=fit)


def _read_dialect(text: str, mark: str, dialect: Mapping[str, Any]) -> _Reading:
    """Spreadsheets end all lines, or some, with the marks of empty columns: these are no fault."""
    reader = csv.reader(
        io.StringIO(f"{text}\n", newline=""), delimiter=mark, strict=True, skipinitialspace=True, **dialect
    )
    reading, header = _Reading([], [], 0, Faults(list)), list[str]()
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return reading
        except csv.Error:  # the reader goes on after a row that breaks the dialect
            reading.faults[f"a quote that is not at both ends of a text. {_QUOTING}"].append(f"{reader.line_num}")
            continue
        width, line = len(reading.header), reader.line_num
        while len(fields) > width > 0 and not fields[-1].strip():
            fields.pop()
        if not any(map(str.strip, fields)):
            reading.empty += 1
        elif not width:
            header, reading.header = list(map(str.strip, fields)), list(map(clean_name, fields))
        elif len(fields) > width:
            reading.faults[f"not {width} columns, as the header. {_QUOTING}"].append(f"{line} ({len(fields)})")
        elif [field.lstrip("\ufeff").strip() for field in fields] == header:
            reading.faults["the header once more, as where files were joined. Remove it."].append(f"{line}")
        else:
            padded = [*fields, *[""] * (width - len(fields))]
            reading.rows.append((line, dict(zip(reading.header, padded, strict=True))))


def _read_json(path: Path, names: Mapping[str, str], faults: Faults, say: Say) -> list[Row]:
    rows, lines = list[Row](), read_text(path, say).split("\n")
    decode = json.JSONDecoder(object_pairs_hook=_read_object).decode
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = decode(line.lstrip("\ufeff"))
            if not isinstance(row, dict):
                raise ValueError
            json.dumps(row, ensure_ascii=False).encode()
            pairs = [(clean_name(key), "" if value is None else value) for key, value in row.items()]
            rows.append((number, _read_object(pairs)))
        except KeyError:
            faults["a key that is there twice. Give each once."].append(f"{number}")
        except (ValueError, RecursionError) as error:
            where = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            faults["no JSON object in whole characters. Write one a line."].append(f"{number}{where}")
    if rows:
        _check_columns(list({column: None for _, row in rows for column in row}), names, path)
    say(f"{path.name}: {len(rows):,} rows in {len(lines):,} lines")
    return rows


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises KeyError where two values have one key, of which `json` keeps the last in silence."""
    if len(row := dict(pairs)) < len(pairs):
        raise KeyError
    return row


def _check_columns(columns: Sequence[str], names: Mapping[str, str], path: Path) -> None:
    """Raise TxrayError where a column that is asked for is missing, misspelt, or there twice."""
    needed = [name for column, name in names.items() if column in ("text", "label") or name != column]
    problems = [f"there is no {name!r}" for name in needed if name not in columns]
    problems += [f"{name!r} is there twice" for name in names.values() if columns.count(name) > 1]
    for column in sorted(set(columns) - set(names.values())):
        if meant := get_close_matches(column.lower(), [c for c in ("split", "block") if names.get(c) == c], 1, 0.7):
            problems.append(f"{column!r} is not read: is {meant[0]!r} meant?")
    if problems:
        there = shorten(", ".join(filter(None, columns)), 200)
        raise TxrayError(
            f"{path} has the columns {there}: {'; '.join(problems)}. Name them text, label, split and block, or give the profile's"
            " corpora.target their names, as columns: {text: review, label: sentiment}, and the mark between them, as delimiter: ;"
        )
