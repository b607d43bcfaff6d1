"""Executes the notebooks that need it and builds the site. The last room: nothing imports it but the command line.

What an output depends on is hashed into a fingerprint that lies beside it; an equal fingerprint means nothing to do.
May touch: errors, places, results, explorer, notebooks, handouts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from txray_lib import explorer, notebooks, places
from txray_lib.errors import TxrayError
from txray_lib.figures.theme import PICTURES
from txray_lib.handouts import build_students
from txray_lib.places import write_text
from txray_lib.results import Results, list_results, open_results

CHAPTERS = "small"
"""The run that the chapters of the paper are shown on, where no other is asked for: the default of their notebooks."""
WORLD = "demo"
"""The profile that a book always shows live."""
PREFIX = "build/notebooks/"
SHARDS = "build/static/explorer"
"""Everything below build/static becomes a static file of the site."""
TRAINED = "trained"
"""A page with this parameter trains encoders for its reader. It is shown as it stands: the book is built from tables alone."""
_TOO_FEW = (
    "This page compares an early, the last but one and the last snapshot of pretraining. The profile {profile} was given fewer"
    " than three, so there is nothing to show here; its pages of RQ2 and RQ3 do not need them."
)


@dataclass(frozen=True)
class Page:
    """A notebook of the book: executed on a profile, or (without the parameter `profile`) once."""

    source: Path
    out: Path
    parameters: dict[str, Any]
    title: str = ""

    @property
    def profile(self) -> str:
        return self.parameters.get("profile", "")

    def __str__(self) -> str:
        return f"{self.source.stem} on {self.profile}" if self.profile else self.source.stem


def build_book(profile: str = CHAPTERS, strict: bool = True) -> Path:
    """Build the site with the paper's chapters on the run of a profile, and return its first page.

    strict  a warning of the build is an error

    Raises TxrayError if a table is missing, a cell fails or the build does; what was whole stays whole.
    """
    run = open_results(profile)
    if run.is_study:
        raise TxrayError(f"{run.profile} is a study, told on a page of every book: name a run, such as {CHAPTERS}")
    os.environ.setdefault(PICTURES, "no")  # the site draws every chart itself
    executed = _execute_all(pages(run.profile))
    shards = _write_shards(run)
    page = places.root() / "_build" / "html" / "index.html"
    stamp = page.parent.parent / "book.fingerprint"
    wanted = _book_fingerprint([*executed, shards, *build_students()], strict)
    if _is_current(page, stamp, wanted):
        print(f"The book is up to date, nothing to do: {page}")
        return page
    stamp.unlink(missing_ok=True)
    _build(strict)
    write_text(wanted, stamp)
    print(f"Built the book: {page}")
    return page


def pages(profile: str) -> list[Page]:
    """The notebooks that `_toc.yml` names, with the parameters that they are executed with.

    `demo-rq1` is the notebook rq1 on the profile demo; one whose default is `CHAPTERS` is executed on `profile`; another on
    its own default.
    """
    found = []
    for chapter in _chapters(yaml.safe_load((places.root() / "_toc.yml").read_text(encoding="utf-8"))):
        if not chapter["file"].startswith(PREFIX):
            continue
        on_profile, _, name = chapter["file"].removeprefix(PREFIX).rpartition("-")
        source = notebooks.find_notebook(name)
        default = notebooks.parameters_of(source).get("profile")
        on = on_profile or (profile if default == CHAPTERS else default)
        out = places.root() / f"{chapter['file']}.ipynb"
        found.append(Page(source, out, {"profile": on} if default else {}, chapter.get("title", "")))
    return found


def _chapters(entry: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Every page of a table of contents, in its order."""
    if "root" in entry:
        yield {"file": entry["root"]}
    elif "file" in entry:
        yield entry
    for below in (*entry.get("parts", ()), *entry.get("chapters", ()), *entry.get("sections", ())):
        yield from _chapters(below)


def _execute_all(wanted: list[Page]) -> list[Path]:
    """The executed notebooks; those whose fingerprint is unchanged are not run again. As many at once as there are cores."""
    folder, outputs = places.root() / PREFIX, {page.out for page in wanted}
    for old in folder.rglob("*.ipynb"):
        if old not in outputs:
            old.unlink()  # what is not shown must not be published by accident
    package, root = _package(), places.root()
    code = _hash_files(root / "requirements.lock", root / "book" / "references.bib", *sorted(package.rglob("*.py")))
    data = _hash_files(*sorted(package.glob("*.yaml")))
    tables = _hash_files(*(open_results(name).folder for name in sorted(list_results())))
    inputs = code + data + tables
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = [pool.submit(_execute_one, page, inputs) for page in wanted]
        try:
            return [future.result() for future in waiting]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _execute_one(page: Page, inputs: str) -> Path:
    stamp = page.out.with_suffix(".fingerprint")
    wanted = _hash_text(inputs, _hash_files(page.source), json.dumps(page.parameters), page.title)
    if _is_current(page.out, stamp, wanted):
        return page.out
    stamp.unlink(missing_ok=True)
    if TRAINED in notebooks.parameters_of(page.source):
        notebooks.write_unexecuted(page.source, page.out)
    elif _needs_snapshots(page):
        notebooks.write_empty(page.source, page.out, _TOO_FEW.format(profile=page.profile))
    else:
        print(f"Executing {page}", flush=True)
        notebooks.execute(page.source, page.out, page.parameters, cwd=places.root(), title=page.title)
    write_text(wanted, stamp)
    return page.out


def _needs_snapshots(page: Page) -> bool:
    """Whether a page compares snapshots of pretraining (it says so in its head), of which its run has too few."""
    if not notebooks.read_notebook(page.source).metadata.get("compares_snapshots"):
        return False
    return "early" not in open_results(page.profile).roles.values()


def _write_shards(results: Results) -> Path:
    """The explorer's scripts of the run, made anew when its tables or the code have changed; returns their fingerprint."""
    folder = places.root() / SHARDS
    for old in folder.glob("*/"):
        if old.name != results.profile:
            shutil.rmtree(old)
    stamp = folder / f"{results.profile}.fingerprint"
    names = ("explorer.py", "preferences.py", "results.py")
    wanted = _hash_text(_hash_files(results.folder), _hash_files(*(_package() / name for name in names)))
    if not _is_current(folder / results.profile, stamp, wanted):
        print(f"Writing the explorer's tables of {results.profile}", flush=True)
        stamp.unlink(missing_ok=True)
        explorer.write_shards(results, folder / results.profile)
        write_text(wanted, stamp)
    return stamp


def _build(strict: bool) -> None:
    root = places.root()
    print("Building the pages", flush=True)
    shutil.rmtree(root / "_build" / "html", ignore_errors=True)
    options = ["-W", "-n", "--keep-going"] if strict else []
    command = [_jupyter_book(), "build", ".", "--all", *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TxrayError(
            f"the book did not build (jupyter-book ended with {done.returncode}):\n{_problems(done.stdout + done.stderr)}"
        )


def _jupyter_book() -> str:
    beside = Path(sys.executable).with_name("jupyter-book")
    found = str(beside) if beside.exists() else shutil.which("jupyter-book")
    if not found:
        raise TxrayError(
            "jupyter-book is not installed in this environment; `make book` sets one up, or `pip install -e .[book]`"
        )
    return found


def _problems(output: str) -> str:
    """The lines that say what is wrong, or the last ones if none does."""
    lines = [line for line in output.splitlines() if line.strip()]
    signs = ("WARNING", "ERROR", "Exception", "Extension error")
    told = [line for line in lines if any(sign in line for sign in signs)]
    return "\n".join(f"  {line.strip()}" for line in (told or lines)[-20:])


def _book_fingerprint(offered: list[Path], strict: bool) -> str:
    root, package = places.root(), _package()
    own = [root / name for name in ("book", "_config.yml", "_toc.yml", "requirements.lock")]
    code = [package / name for name in ("book.py", "bookfiles.py", "figures/theme.py", "handouts.py", "static")]
    return _hash_text(_hash_files(*own, *offered, *code), str(strict))


def _package() -> Path:
    return Path(__file__).parent


def _is_current(output: Path, stamp: Path, wanted: str) -> bool:
    return output.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def _hash_files(*paths: Path) -> str:
    """A hash of names and contents of files, and of all files in folders; what does not exist counts as empty."""
    digest = hashlib.sha256()
    for path in paths:
        for file in _files(path):
            digest.update(f"{file.relative_to(path.parent).as_posix()}\0".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return sorted(
        f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts and not f.name.startswith(".")
    )


def _hash_text(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
