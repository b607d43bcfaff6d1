"""Where things lie on disk, and how files get there: whole or not at all. Below every room; may touch: errors."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from txray_lib.errors import TxrayError

DATA_VARIABLE = "TXRAY_DATA"
"""The environment variable that names a folder of corpora."""
ROOT_VARIABLE = "TXRAY_ROOT"
"""The environment variable that names the compendium's folder."""
RESULTS_VARIABLE = "TXRAY_RESULTS"
"""The environment variable that names a folder with the tables of runs, in place of live and frozen ones."""
OPENED_VARIABLE = "TXRAY_OPENED"
"""The environment variable that names the file in which a page that is executed notes what it opens."""
_HOME = Path(__file__).resolve().parents[1]


def root() -> Path:
    """The compendium's folder: `TXRAY_ROOT`, else the checkout that this package stands in, else the one we work in (it holds
    profiles and notebooks), else the package's parent, in which nothing will be found."""
    if given := os.environ.get(ROOT_VARIABLE):
        return Path(given)
    for folder in (_HOME, *_HOME.parents, Path.cwd(), *Path.cwd().parents):
        if (folder / "profiles").is_dir() and (folder / "notebooks").is_dir():
            return folder
    return _HOME


def profiles_folder() -> Path:
    return root() / "profiles"


def run_folder(profile: str) -> Path:
    """What a run computes step by step: its cache, git-ignored, holding corpus text and weights."""
    return root() / "build" / "runs" / profile


def live_results(profile: str = "") -> Path:
    """The tables that a run on this machine made, git-ignored; without a profile, the folder of all."""
    return root() / "build" / "results" / profile


def frozen_results(profile: str = "") -> Path:
    """The tables of a run that is kept in the repository; without a profile, the folder of all."""
    return root() / "results" / profile


def note_opened(*patterns: Path) -> None:
    """Note files that are read, or would be if they were there, by their patterns: what is executed follows from them."""
    if note := os.environ.get(OPENED_VARIABLE):
        with open(note, "a", encoding="utf-8") as file:
            file.writelines(f"{pattern}\n" for pattern in patterns)


def require_fetched(path: Path) -> None:
    """Raise TxrayError where a file is a pointer of Git LFS or git-annex, whatever its name says."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        start = file.read(60)
        if start.startswith((b"version https://git-lfs", b"version https://hawser")):
            raise TxrayError(f"{path} is a Git LFS pointer: its file was not fetched. Run: git lfs pull.")
        if start.startswith(b"/annex/objects/"):
            raise TxrayError(f"{path} is a git-annex pointer: its file was not fetched. Run: git annex get.")


@contextlib.contextmanager
def full_disk_told(where: Path) -> Iterator[None]:
    """Turn a full disk, or a full quota, into an error that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            told = f"no space left on the disk while writing {where}. Free some and run the same command again."
            raise TxrayError(told) from error
        raise


def require_place(file: Path) -> None:
    """Raise TxrayError where no file can be written: in place of a folder or a device, below a file, in a folder that is not
    ours."""
    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if file.exists() and not file.is_file():
            raise OSError(errno.EEXIST, "It is a device or a pipe, which a file would take the place of")
        with tempfile.TemporaryFile(dir=next(folder for folder in file.absolute().parents if folder.exists())):
            pass
    except OSError as error:
        raise TxrayError(f"{file} cannot be written: {error.strerror}. Give another place, or mend this one.") from None


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place once the block ends well; otherwise nothing changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with full_disk_told(path):
            yield partial
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def file_hash(path: Path) -> str:
    """The sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
