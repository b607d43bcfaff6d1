"""The rows of a labelled file, and what is wrong with the lines of a file. May touch: errors, sources."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from txray_lib.corpora.sources import utf8
from txray_lib.errors import TxrayError

SPLITS = ("train", "valid", "test")
COLUMNS = ("text", "label", "split", "block")

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_FIELD_LIMIT = 1 << 26
_SHOWN = 10
"""How many lines of a fault an error names, and how many faults."""


class Faults:
    """What is wrong with the lines of a file, by kind, so that one error names them all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[str, list[str]] = defaultdict(list)

    def add(self, line: int, what: str, shown: str = "") -> None:
        """Note that a line "has" this fault, and what is to be shown of it behind its number."""
        self.lines[what].append(f"{line} {shown}".rstrip())

    def raise_any(self) -> None:
        """Raise TxrayError with the first lines of each fault and the number of all; do nothing where there is none."""
        told = [f"{_having(lines)} {what}" for what, lines in self.lines.items()]
        if len(told) == 1:
            raise TxrayError(f"{self.path}, {told[0]}")
        if told:
            more = [f"and {len(told) - _SHOWN:,} other faults"] if len(told) > _SHOWN else []
            raise TxrayError("\n  ".join([f"{self.path}:", *told[:_SHOWN], *more]))


def _having(lines: list[str]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]} has"
    more = f" and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
    return f"{len(lines):,} lines ({', '.join(lines[:_SHOWN])}{more}) have"


@dataclass(frozen=True)
class Row:
    """One row of a labelled file: its line, and its columns, "" where one is empty; the split is None where there is no such column."""

    line: int
    text: str
    label: str
    split: str | None
    block: str
    unread: frozenset[str]


def text_of(path: Path) -> str:
    """A text file without a byte order mark. Raises TxrayError for one that is missing, empty or not UTF-8."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TxrayError(
            f"{path} cannot be read ({error.strerror}). A path in a profile is relative to the folder of the profile's file, "
            "or to TXRAY_DATA: put the file there, or mend the path."
        ) from None
    text = utf8(content, path).removeprefix("\ufeff")
    if not text.strip():
        raise TxrayError(f"{path} is empty. Put your text there.")
    return text


def column_names(columns: Mapping[str, str]) -> dict[str, str]:
    """What each of COLUMNS is called in the file: as `columns` says, else by its own name where no other has that."""
    return {c: columns.get(c, c) for c in COLUMNS if c in columns or c not in columns.values()}


def rows_of(path: Path, names: Mapping[str, str], delimiter: str | None, faults: Faults) -> Iterator[Row]:
    """The rows of a labelled file; those that are none are added to `faults`, as are rows without a text or a label."""
    kind = path.suffix.lower()
    if kind not in (*_DELIMITERS, ".jsonl"):
        raise TxrayError(f"{path} is no table of labelled texts: its name must end in .csv, .tsv or .jsonl.")
    text = text_of(path)
    mark = delimiter or _DELIMITERS.get(kind, "")
    table = _json_rows(text, names, faults) if kind == ".jsonl" else _csv_rows(text, names, mark, faults)
    for line, fields in table:
        yield _row(line, fields, names, faults)


def _csv_rows(text: str, names: Mapping[str, str], delimiter: str, faults: Faults) -> list[tuple[int, dict[str, Any]]]:
    rows: list[tuple[int, dict[str, Any]]] = []
    limit = csv.field_size_limit(_FIELD_LIMIT)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = [column.strip() for column in next(reader)]
        if problem := _columns_problem(header, names):
            raise TxrayError(
                f"{faults.path} has the header {delimiter.join(header)!r}: {problem} If another mark than {delimiter!r} stands between"
                " the columns, set delimiter in the profile's corpora.target."
            )
        for fields in filter(None, reader):
            if len(fields) == len(header):
                rows.append((reader.line_num, dict(zip(header, fields, strict=True))))
                continue
            faults.add(
                reader.line_num,
                f"{len(fields)} columns, the header {len(header)}. Put a text that holds the separator or a line break between"
                ' quotes ("), and write a quote inside it twice.',
            )
        return rows
    except csv.Error as error:
        raise TxrayError(
            f"{faults.path}, line {reader.line_num}: {error}. Put a text that holds quotes, the separator or a line break between"
            ' quotes ("), and write a quote inside it twice; or give the rows as .jsonl.'
        ) from None
    finally:
        csv.field_size_limit(limit)


def _json_rows(text: str, names: Mapping[str, str], faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    none = f'no JSON object. Write one a line: {{"{names.get("text")}": …, "{names.get("label")}": …}}.'
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            faults.add(number, none, f"({error})")
            continue
        if not isinstance(row, dict):
            faults.add(number, none)
        elif problem := _columns_problem(list(row), names):
            faults.add(number, f"keys that do not fit: {problem}", f"({', '.join(row)})")
        elif not _is_utf8(row):
            faults.add(number, "half a character (a lone surrogate), which is no UTF-8: write it whole.")
        else:
            yield number, row


def _is_utf8(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _columns_problem(columns: list[str], names: Mapping[str, str]) -> str:
    """What is wrong with the columns of a file, or with the keys of a row; empty if nothing is."""
    problems = []
    needed = [names.get(c, c) for c in COLUMNS if c in ("text", "label") or names.get(c, c) != c]
    if missing := [column for column in needed if column not in columns]:
        problems.append(
            f"{' and '.join(missing)} missing. Name the columns text and label, or say in the profile's corpora.target what they are"
            " called, as columns: {text: review, label: sentiment}."
        )
    for column in sorted(set(columns) - set(names.values())):
        if meant := get_close_matches(column.lower(), [c for c in ("split", "block") if names.get(c) == c], 1, 0.7):
            problems.append(f"{column!r} is not read. Did you mean {meant[0]!r}? Name it so, or otherwise.")
    if len(set(columns)) < len(columns):
        problems.append("one is there twice.")
    return " ".join(problems)


def _row(line: int, fields: dict[str, Any], names: Mapping[str, str], faults: Faults) -> Row:
    text, label, block = (fields.get(names.get(column, "")) for column in ("text", "label", "block"))
    split = _plain(fields[names["split"]]) if names.get("split") in fields else None
    if not isinstance(text, str) or not text.strip():
        faults.add(line, "no text. Remove the row, or give it its text.")
        text = ""
    if not isinstance(label, str | int) or not str(label).strip():
        faults.add(line, "no label that is a word or a whole number. Give every row one of two labels.")
    if split and split not in SPLITS:
        faults.add(line, f"a split that is not known. Known: {', '.join(SPLITS)}.", repr(split))
    return Row(line, text, _plain(label), split, _plain(block), frozenset(fields) - frozenset(names.values()))


def _plain(value: Any) -> str:
    return "" if value is None else str(value).strip()
