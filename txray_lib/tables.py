"""Tables on disk, each with its provenance inside. Below every room; may touch: errors, places."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from txray_lib.errors import TxrayError
from txray_lib.places import whole_file

_KEY = b"txray"


def write_table(table: pd.DataFrame, path: Path, source: dict[str, Any]) -> None:
    """Write a table as Parquet that carries its provenance."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {**(arrow.schema.metadata or {}), _KEY: json.dumps(source).encode()}
    with whole_file(path) as partial:
        pq.write_table(arrow.replace_schema_metadata(metadata), partial, compression="zstd", write_page_checksum=True)


def write_tables(tables: Iterable[pd.DataFrame], path: Path, source: dict[str, Any]) -> None:
    """Write tables of equal columns one under the other, each as a row group; their categories may differ.

    Raises ValueError for no table at all.
    """
    with whole_file(path) as partial, ExitStack() as stack:
        writer = None
        for table in tables:
            arrow = _with_wide_codes(pa.Table.from_pandas(table, preserve_index=False))
            if writer is None:
                metadata = {**(arrow.schema.metadata or {}), _KEY: json.dumps(source).encode()}
                schema = arrow.schema.with_metadata(metadata)
                writer = stack.enter_context(
                    pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True)
                )
            writer.write_table(arrow.replace_schema_metadata(schema.metadata))
        if writer is None:
            raise ValueError(f"there is no table to write into {path.name}")


def read_table(path: Path) -> pd.DataFrame:
    """A table with its provenance in `.attrs["provenance"]`. Raises TxrayError for a missing or damaged file."""
    if not path.is_file():
        raise TxrayError(
            f"the table {path} does not exist. Make it with `txray run`, or point TXRAY_RESULTS at a folder that has it."
        )
    with _damage_told(path):
        arrow = pq.read_table(path, page_checksum_verification=True)
        table = arrow.to_pandas()
        table.attrs["provenance"] = json.loads((arrow.schema.metadata or {}).get(_KEY, b"{}"))
    return table


def read_groups(path: Path, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """The row groups of a table in turn, for one that need not fit in memory; some of its columns, or all."""
    with _damage_told(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns).to_pandas()


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise TxrayError(
            f"the table {path} cannot be read ({error}). Delete it and run the command that made it again."
        ) from None


def _with_wide_codes(table: pa.Table) -> pa.Table:
    """Categories numbered by 32 bits, however few they are: as many as the next table may need."""
    wide = pa.dictionary(pa.int32(), pa.string())
    fields = [field.with_type(wide) if pa.types.is_dictionary(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))
