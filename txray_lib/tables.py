"""Tables on disk, each with its provenance inside: where its numbers come from. Below every room; may touch: errors, places."""

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from txray_lib import __version__, places
from txray_lib.errors import TxrayError
from txray_lib.places import whole_file

# Arrow's own pool keeps what it freed, and grows with the text that is collected.
pa.set_memory_pool(pa.system_memory_pool())

_KEY = b"txray"
_PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "flair")


class _Shared(dict[str, Any]):
    """What a table carries, which every table that is made of it carries too: pandas copies it at each operation."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Shared":
        return self


def write_table(table: pd.DataFrame, path: Path, source: dict[str, Any] | None = None) -> None:
    """Write a table as Parquet that carries its provenance."""
    write_tables([table], path, source)


def write_tables(tables: Iterable[pd.DataFrame], path: Path, source: dict[str, Any] | None = None) -> None:
    """Write tables of equal columns, one at least, one under the other, each as a row group; their categories may differ.

    Fractions lie apart by byte, which packs them a quarter smaller.
    """
    arrows = (_with_wide_codes(pa.Table.from_pandas(table, preserve_index=False)) for table in tables)
    first = next(arrows)
    schema = first.schema.with_metadata({**(first.schema.metadata or {}), _KEY: json.dumps(source or {}).encode()})
    fractions = [field.name for field in schema if pa.types.is_floating(field.type)]
    others = [name for name in schema.names if name not in fractions]
    how = {"compression": "zstd", "compression_level": 9, "write_page_checksum": True}
    with (
        whole_file(path) as partial,
        pq.ParquetWriter(partial, schema, use_dictionary=others, use_byte_stream_split=fractions, **how) as writer,
    ):
        for arrow in chain([first], arrows):
            writer.write_table(arrow.replace_schema_metadata(schema.metadata), max(len(arrow), 1))


def read_table(path: Path) -> pd.DataFrame:
    """A table with its provenance in `.attrs["provenance"]`. Raises TxrayError for a missing or damaged file."""
    if not path.is_file():
        raise TxrayError(f"the table {path} does not exist. Make it with `txray run`.")
    with _damage_told(path):
        arrow = pq.read_table(path, page_checksum_verification=True)
        table = arrow.to_pandas()
        table.attrs["provenance"] = _Shared(json.loads((arrow.schema.metadata or {}).get(_KEY, b"{}")))
    return table


def read_groups(path: Path, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """The row groups of a table in turn, for one that need not fit in memory; some of its columns, or all."""
    with _damage_told(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns).to_pandas()


def commit() -> str:
    """The checkout's commit, with `+changes` where its code or profiles differ; 'unknown' outside git."""
    try:
        changes = "+changes" if _git("status", "--porcelain", "--", "txray_lib", "profiles") else ""
        return _git("rev-parse", "HEAD") + changes
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of the packages that a number depends on."""
    found = {"txray_lib": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _git(*arguments: str) -> str:
    made = subprocess.run(["git", *arguments], cwd=places.root(), capture_output=True, text=True, check=True)
    return made.stdout.strip()


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        places.require_fetched(path)
        raise TxrayError(f"the table {path} cannot be read ({error}). Delete it and make it again.") from None


def _with_wide_codes(table: pa.Table) -> pa.Table:
    """Categories numbered by 32 bits, however few they are: as many as the next table may need."""
    wide = pa.dictionary(pa.int32(), pa.string())
    fields = [field.with_type(wide) if pa.types.is_dictionary(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))
