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
from txray_lib.handouts import build_students
from txray_lib.places import write_text
from txray_lib.results import Results, benchmarks_file, list_results, open_results

PREFIX = "build/notebooks/"
SHARDS = "build/static/explorer"
"""Everything below build/static becomes a static file of the site."""
TELLING = (
    "answers",
    "audit",
    "charts",
    "course",
    "definitions.py",
    "explorer.py",
    "departures.yaml",
    "lessons.yaml",
    "notebooks.py",
    "paper.py",
    "paper.yaml",
    "preferences.py",
    "published.yaml",
    "results.py",
    "tables.py",
    "tags.py",
    "telling.py",
    "transfer.py",
)
STUDYING = ("corpora", "measures.py", "nulls", "planted.py", "truth.py", "ways.py", "worlds")
"""What a page with the parameter `study` computes with, besides what every page tells with."""
TRAINED = "trained"
"""A page with this parameter trains encoders for its reader. It is shown as it stands: the book is built from tables alone."""
OF_SNAPSHOTS = ("rq1", "fig01", "fig02", "fig03", "fig04", "fig05", "definitions", "measures")
"""Pages that compare snapshots of pretraining, and have nothing to show of a run with fewer than three."""
_TOO_FEW = (
    "This page compares an early, the last but one and the last snapshot of pretraining. The profile {profile} was given fewer"
    " than three, so there is nothing to show here; its pages of RQ2 and RQ3 do not need them."
)
_NO_DATA = (
    "This page works on the tables of the profile {profile}, which were not at hand when the book was built:"
    " `txray run {profile}` computes them."
)
BUILDING = ("book.py", "bookbuild.py", "bookfiles.py", "figures/theme.py", "handouts.py", "static")


def build_book(profiles: list[str] | None = None, strict: bool = True) -> Path:
    """Build the site for some profiles, and return its first page.

    profiles  whose pages to show; by default those of `_toc.yml` whose tables are at hand. A study of what is known has a page
              in every book, and no pages of its own
    strict    a warning of the build is an error

    Raises TxrayError if a table is missing, a cell fails or the build does; what was whole stays whole.
    """
    opened = [open_results(profile) for profile in (profiles or default_profiles())]
    studies = [results.profile for results in opened if results.is_study]
    opened = [results for results in opened if not results.is_study]
    if not opened:
        raise TxrayError(
            f"a study has no pages of its own, and {' and '.join(studies)} {'is one' if len(studies) == 1 else 'are studies'}: name"
            " a run too, such as demo. A study is told on pages of every book."
        )
    executed = _execute_all(opened)
    shards = _write_all_shards(opened)
    toc = _write_toc([results.profile for results in opened])
    page = places.root() / "_build" / "html" / "index.html"
    stamp = page.parent.parent / "book.fingerprint"
    wanted = _book_fingerprint([*executed, *shards, *build_students()], toc, strict)
    if _is_current(page, stamp, wanted):
        print(f"The book is up to date, nothing to do: {page}")
        return page
    stamp.unlink(missing_ok=True)
    _build(toc, strict)
    write_text(wanted, stamp)
    print(f"Built the book: {page}")
    return page


def default_profiles() -> list[str]:
    """The profiles of `_toc.yml` whose tables are at hand."""
    listed = dict.fromkeys(filter(None, (_profile_of(c) for part in _read_toc()["parts"] for c in part["chapters"])))
    at_hand = list_results()
    found = [profile for profile in listed if profile in at_hand]
    if not found:
        raise TxrayError(
            f"no profile of the book has tables: {', '.join(listed)}. Compute them with `txray run {next(iter(listed))}`."
        )
    return found


@dataclass(frozen=True)
class _Task:
    """One notebook to be executed: on one profile, or (without `results`) once for all that the book shows."""

    source: Path
    out: Path
    parameters: dict[str, Any]
    results: Results | None

    @property
    def is_empty(self) -> bool:
        """Whether the page compares snapshots of pretraining, of which the run has too few."""
        asked = self.results is not None and "early" not in self.results.roles.values()
        return asked and self.source.stem in OF_SNAPSHOTS

    def __str__(self) -> str:
        on = f" on {self.results.profile} ({self.results.origin})" if self.results else ""
        return f"{self.source.stem}{on}"


def _execute_all(opened: list[Results]) -> list[Path]:
    """The executed notebooks; those whose fingerprint is unchanged are not run again. As many at once as there are cores."""
    tasks = [task for source in notebooks.list_notebooks().values() for task in _tasks(source, opened)]
    for old in (places.root() / PREFIX).glob("*/"):
        if old.name not in {results.profile for results in opened}:
            shutil.rmtree(old)  # what is not shown must not be published by accident
    measured = [benchmarks_file()] if benchmarks_file().is_file() else []
    code = _hash_files(places.root() / "requirements.lock", *measured, *(_package() / name for name in TELLING))
    shown = {results.profile: _hash_files(results.folder) for results in opened}
    seeds = _hash_files(*(f for r in opened for f in sorted(r.folder.parent.glob("*/measured.parquet"))))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = [
            pool.submit(
                _execute_one, task, code + seeds + (shown[task.results.profile] if task.results else str(shown))
            )
            for task in tasks
        ]
        try:
            return [future.result() for future in waiting]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _tasks(source: Path, opened: list[Results]) -> list[_Task]:
    """A notebook with the parameter `profile` is a page of every profile; another one is a single page of the book."""
    folder, parameters = places.root() / PREFIX, notebooks.parameters_of(source)
    if "profile" in parameters:
        return [_Task(source, folder / r.profile / f"{source.stem}.ipynb", {"profile": r.profile}, r) for r in opened]
    names = {"profiles": ",".join(r.profile for r in opened)} if "profiles" in parameters else {}
    return [_Task(source, folder / f"{source.stem}.ipynb", names, None)]


def _execute_one(task: _Task, inputs: str) -> Path:
    stamp = task.out.with_suffix(".fingerprint")
    origin = task.results.origin if task.results else ""
    wanted = _hash_text(
        inputs, origin, _hash_files(task.source), json.dumps(task.parameters), _read_besides(task.source)
    )
    if _is_current(task.out, stamp, wanted):
        return task.out
    stamp.unlink(missing_ok=True)
    if task.is_empty:
        profile = task.results.profile if task.results else ""
        notebooks.write_empty(task.source, task.out, _TOO_FEW.format(profile=profile))
    elif missing := _missing_data(task.source):
        notebooks.write_empty(task.source, task.out, _NO_DATA.format(profile=missing))
    elif TRAINED in notebooks.parameters_of(task.source):
        notebooks.write_unexecuted(task.source, task.out)
    else:
        print(f"Executing {task}", flush=True)
        notebooks.execute(task.source, task.out, task.parameters, cwd=places.root())
    write_text(wanted, stamp)
    return task.out


def _missing_data(source: Path) -> str:
    """The profile whose tables a page works on, if they are not at hand; else ""."""
    name = notebooks.parameters_of(source).get("data", "")
    return name if name and name not in list_results() else ""


def _write_all_shards(opened: list[Results]) -> list[Path]:
    """The explorer's scripts of the profiles that are shown, and of no other."""
    folder, shown = places.root() / SHARDS, {results.profile for results in opened}
    for old in folder.glob("*"):
        if old.name.removesuffix(".fingerprint") not in shown:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return [_write_shards(results) for results in opened]


def _write_shards(results: Results) -> Path:
    """The explorer's scripts of one profile, made anew when its tables or the code have changed; returns their fingerprint."""
    folder = places.root() / SHARDS / results.profile
    stamp = folder.with_name(f"{folder.name}.fingerprint")
    names = ("explorer.py", "preferences.py", "results.py")
    wanted = _hash_text(_hash_files(results.folder), _hash_files(*(_package() / name for name in names)))
    if not _is_current(folder, stamp, wanted):
        print(f"Writing the explorer's tables of {results.profile}", flush=True)
        stamp.unlink(missing_ok=True)
        explorer.write_shards(results, folder)
        write_text(wanted, stamp)
    return stamp


def _read_besides(source: Path) -> str:
    """A hash of what a page reads besides the profiles that the book shows; the same for all pages that read nothing more.

    With a parameter `study` it shows that study and computes one of its own, with `data` it works on that profile's tables.
    """
    known = notebooks.parameters_of(source)
    named = [known[parameter] for parameter in ("study", "data") if parameter in known]
    read = [open_results(name).folder for name in named if name in list_results()]
    read += [_package() / room for room in STUDYING] if "study" in known else []
    return _hash_files(*read) if read else ""


def _read_toc() -> dict[str, Any]:
    return yaml.safe_load((places.root() / "_toc.yml").read_text(encoding="utf-8"))


def _profile_of(chapter: dict[str, Any]) -> str | None:
    """The profile whose executed notebook a chapter is; None for a page that stands once."""
    folder, slash, _ = chapter["file"].removeprefix(PREFIX).partition("/")
    return folder if chapter["file"].startswith(PREFIX) and slash else None


def _write_toc(profiles: list[str]) -> Path:
    """`_toc.yml` with the chapters of these profiles: those of others left out, a part added for a profile it lacks."""
    toc = _read_toc()
    listed = {_profile_of(chapter): part["chapters"] for part in toc["parts"] for chapter in part["chapters"]}
    parts = []
    for part in toc["parts"]:
        kept = [chapter for chapter in part["chapters"] if _profile_of(chapter) in (None, *profiles)]
        parts += [{**part, "chapters": kept}] if kept else []
    model = next((profile for profile in listed if profile), "")
    for profile in profiles:
        if profile not in listed:
            chapters = [_of_profile(chapter, model, profile) for chapter in listed.get(model, [])]
            parts.insert(-1, {"caption": f"Profile {profile}", "chapters": chapters})
    path = places.root() / "build" / "_toc.yml"
    text = yaml.safe_dump({**toc, "parts": parts}, sort_keys=False)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(text, path)
    return path


def _of_profile(chapter: dict[str, Any], model: str, profile: str) -> dict[str, Any]:
    """A chapter of one profile, with the sections below it, turned into that of another."""
    swap = {f"{PREFIX}{model}/": f"{PREFIX}{profile}/", f"({model})": f"({profile})"}

    def swapped(text: str) -> str:
        for old, new in swap.items():
            text = text.replace(old, new)
        return text

    return {
        key: [_of_profile(section, model, profile) for section in value] if key == "sections" else swapped(value)
        for key, value in chapter.items()
    }


def _build(toc: Path, strict: bool) -> None:
    root = places.root()
    print("Building the pages", flush=True)
    shutil.rmtree(root / "_build" / "html", ignore_errors=True)
    options = ["-W", "-n", "--keep-going"] if strict else []
    command = [_jupyter_book(), "build", ".", "--all", "--toc", str(toc), *options]
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
    told = [
        line
        for line in lines
        if "WARNING" in line or "ERROR" in line or line.startswith(("Exception", "Extension error"))
    ]
    return "\n".join(f"  {line.strip()}" for line in (told or lines)[-20:])


def _book_fingerprint(offered: list[Path], toc: Path, strict: bool) -> str:
    root = places.root()
    pages = _hash_files(root / "book", root / "_config.yml", root / "requirements.lock", toc, *offered)
    return _hash_text(pages, _hash_files(*(_package() / name for name in BUILDING)), str(strict))


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
