"""Tables on disk, each with its provenance inside. Below every room; may touch: errors, places."""

from __future__ import annotations

import json
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
        pq.write_table(arrow.replace_schema_metadata(metadata), partial, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """A table with its provenance in `.attrs["provenance"]`. Raises TxrayError for a missing or damaged file."""
    if not path.is_file():
        raise TxrayError(
            f"the table {path} does not exist. Make it with `txray run`, or point TXRAY_RESULTS at a folder that has it."
        )
    try:
        arrow = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise TxrayError(
            f"the table {path} cannot be read ({error}). Delete it and run the command that made it again."
        ) from None
    table = arrow.to_pandas()
    table.attrs["provenance"] = json.loads((arrow.schema.metadata or {}).get(_KEY, b"{}"))
    return table
