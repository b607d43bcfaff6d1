"""Where the real corpora come from: found in a data folder or downloaded, read safely, checked by content.

Knows nothing of tokens: `wikitext` and `imdb` say which forms they accept and what their content must be. Archives are
read in memory, member by member: nothing is unpacked to disk, no link in them is followed, no size is trusted.
May touch: errors, places.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from txray_lib.errors import TxrayError
from txray_lib.places import DATA_VARIABLE

SECONDS_PER_SOURCE = 15
MEMBERS_AT_MOST = 400_000

_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    pa.ArrowException,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)

Texts = TypeVar("Texts")
Found = list[list[Path]]


@dataclass(frozen=True)
class Form(Generic[Texts]):
    """One form in which a corpus is at hand.

    patterns   the files or folders it needs, relative to the data folder; "*" stands for the numbers of shards
    read       takes the paths found for each pattern and returns the checked texts, or raises TxrayError
    addresses  where each pattern's file is public, one a pattern; empty where the form is not published
    """

    patterns: tuple[str, ...]
    read: Callable[[Found], Texts]
    addresses: tuple[str, ...] = ()

    def find(self, folder: Path) -> Found:
        """The paths of each pattern, sorted; an empty list where a pattern is not met."""
        return [sorted(folder.glob(pattern)) for pattern in self.patterns]

    def __str__(self) -> str:
        return " + ".join(self.patterns)


def obtain(corpus: str, forms: Sequence[Form[Texts]], data: Path | None = None) -> Texts:
    """The checked texts of a corpus: from the folder `data` or TXRAY_DATA, else from the cache, else downloaded.

    The first form at hand is taken. What a user's folder holds is never changed; a damaged file in the cache is removed
    and fetched again. Raises TxrayError: nothing found, content that differs, or no source that can be reached.
    """
    folder = data if data is not None else os.environ.get(DATA_VARIABLE) or None
    return _from_folder(corpus, forms, Path(folder)) if folder is not None else _from_public(corpus, forms)


def _from_folder(corpus: str, forms: Sequence[Form[Texts]], folder: Path) -> Texts:
    if not folder.is_dir():
        raise TxrayError(
            f"the data folder {folder} (from {DATA_VARIABLE}, relative to {Path.cwd()}) does not exist. "
            f"Name an existing folder, or unset {DATA_VARIABLE} to download {corpus}."
        )
    lacking = []
    for form in forms:
        found = form.find(folder)
        if all(found):
            return form.read(found)
        if any(found):
            missing = [p for p, paths in zip(form.patterns, found, strict=True) if not paths]
            lacking.append(f" It holds a part only: {', '.join(missing)} is missing.")
    raise TxrayError(
        f"the data folder {folder} does not hold {corpus}.{''.join(lacking)} Put there one of: {_accepted(forms)}; "
        f"or unset {DATA_VARIABLE} to download it."
    )


def _accepted(forms: Sequence[Form[Texts]]) -> str:
    return "; or ".join(map(str, forms))


def _from_public(corpus: str, forms: Sequence[Form[Texts]]) -> Texts:
    import pooch

    cache = Path(pooch.os_cache("txray"))
    published = [form for form in forms if form.addresses]
    for form in published:
        found = form.find(cache)
        if all(found):
            try:
                return form.read(found)
            except TxrayError:
                _remove(form, cache)
    tried: list[str] = []
    for form in published:
        try:
            _download(form, cache)
            return form.read(form.find(cache))
        except TxrayError as error:
            _remove(form, cache)
            tried.append(f"\n  {form}: {error}")
    public = "".join(f"\n  {form}\n    from {' '.join(form.addresses)}" for form in published)
    raise TxrayError(
        f"{corpus} is not at hand and could not be downloaded. Tried:{''.join(tried)}\n"
        f"By hand: fetch one of these with a browser, keep it in a folder under this name:{public}\n"
        f"and run again with {DATA_VARIABLE}=that-folder. Accepted there: {_accepted(forms)}."
    )


def _download(form: Form[Texts], cache: Path) -> None:
    """Fetch the files of a form into the cache, each whole or not at all."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    for name, address in zip(form.patterns, form.addresses, strict=True):
        fetch = pooch.HTTPDownloader(timeout=SECONDS_PER_SOURCE, chunk_size=1 << 18, progressbar=True)
        try:
            pooch.retrieve(address, known_hash=None, fname=name, path=cache, downloader=fetch)
        except requests.RequestException as error:
            raise TxrayError(f"{address}: {_briefly(error)}") from error
        except OSError as error:
            raise TxrayError(f"{address} could not be kept in {cache}: {_briefly(error)}") from error


def _briefly(error: BaseException) -> str:
    """The last cause of an error, in one line of at most 200 characters."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return f"{type(error).__name__}: {error}"[:200]


def _remove(form: Form[Texts], cache: Path) -> None:
    for paths in form.find(cache):
        for path in paths:
            path.unlink(missing_ok=True)


def damaged(path: Path | str, what: object) -> TxrayError:
    """The error of a file whose content is not what it must be."""
    return TxrayError(f"{path} is truncated or altered: {what}. Fetch it again.")


def read_file(path: Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes."""
    try:
        with path.open("rb") as file:
            return _read_limited(file, str(path), limit)
    except OSError as error:
        raise TxrayError(f"{path} cannot be read: {_briefly(error)}. Put the file itself there, readable.") from error


def zip_members(path: Path, wanted: Sequence[str], limit: int) -> dict[str, bytes]:
    """The wanted members of a zip archive, at most `limit` bytes each; every other member is left alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            absent = sorted(set(wanted) - set(archive.namelist()))
            if absent:
                raise damaged(path, f"it does not hold {', '.join(absent)}")
            return {name: _read_limited(archive.open(name), f"{path}:{name}", limit) for name in wanted}
    except _DAMAGED as error:
        raise damaged(path, f"it cannot be read as a zip archive ({_briefly(error)})") from error


def tar_members(path: Path, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each wanted member of a tar archive (gzip or plain), in the archive's order.

    A link or device that bears a wanted name is refused; every other member is passed over unread.
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            for number, member in enumerate(archive):
                if number >= MEMBERS_AT_MOST:
                    raise damaged(path, f"it has more than {MEMBERS_AT_MOST:,} members")
                name = member.name.removeprefix("./")
                if wanted(name):
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is None:
                        raise damaged(path, f"its member {name} is not a plain file")
                    yield name, _read_limited(content, f"{path}:{name}", limit)
                archive.members = []
    except _DAMAGED as error:
        raise damaged(path, f"it cannot be read as a tar archive ({_briefly(error)})") from error


def _read_limited(stream: IO[bytes], name: str, limit: int) -> bytes:
    with stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise damaged(name, f"it has more than {limit:,} bytes")
    return content


def parquet_columns(paths: Sequence[Path], columns: Sequence[str]) -> list[list]:
    """The named columns of a Parquet file in shards, each as one list of values."""
    values: list[list] = [[] for _ in columns]
    for path in paths:
        try:
            table = pq.read_table(path)
        except _DAMAGED as error:
            raise damaged(path, f"it cannot be read as Parquet ({_briefly(error)})") from error
        absent = sorted(set(columns) - set(table.column_names))
        if absent:
            raise damaged(path, f"it has no column {', '.join(absent)}, only {', '.join(table.column_names)}")
        for column, name in zip(values, columns, strict=True):
            column.extend(table.column(name).to_pylist())
    return values


def utf8(content: bytes, name: object) -> str:
    """The text of a file, or an error that names the file and the first byte that is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise TxrayError(
            f"{name}: byte {error.start:,} (0x{byte:02x}) is not UTF-8. Fetch the file again, or save it as UTF-8."
        ) from error


def digest_of_all(contents: Sequence[bytes]) -> str:
    """One sha256 of many texts, the same in whatever order they come."""
    return hashlib.sha256(b"".join(sorted(hashlib.sha256(content).digest() for content in contents))).hexdigest()
