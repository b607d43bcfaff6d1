"""Finished steps of a run in one archive, to go on with them on another machine. May touch: errors, places, flow.

An archive may hold the text of a corpus and never belongs in git. What travels is a step's folder; a step of which only
some files are read later may leave the others out. It is unpacked whole or not at all, and only where this code and this
profile would have made the same.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from txray_lib import places
from txray_lib.errors import TxrayError
from txray_lib.flow import Run

TEXT = ("corpora", "tags", "vocabulary")
"""The steps that need no trained weights: what a machine with a GPU is given."""

LEFT_OUT = {"corpora": ("pretraining.parquet", "target.parquet", "stage-*.parquet")}
"""Files that only steps of `TEXT` read."""
READ_LATER = {"sentence": "target.parquet"}
"""Files of these that a later step reads, where a run has that step: it counts words of reviews of a generated world."""


def pack(run: Run, steps: Sequence[str], archive: Path) -> int:
    """Write finished steps into `archive`; gives its bytes. Raises TxrayError for a step that is unknown or not done."""
    if waiting := [name for name in steps if not run.is_done(run.step(name).name)]:
        raise TxrayError(
            f"{', '.join(waiting)} of {run.profile.name!r} cannot be packed: not done, or out of date. "
            f"`txray run {run.profile.name} --until {waiting[0]}` makes it."
        )
    with places.whole_file(archive) as partial, tarfile.open(partial, "w:gz", compresslevel=6) as tar:
        for name in steps:
            _add(tar, run, name, _left_out(run, name) if set(TEXT) <= set(steps) else ())
    return archive.stat().st_size


def unpack(run: Run, archive: Path) -> list[str]:
    """Put the steps of an archive in their place; gives their names. What is done already stays.

    Raises TxrayError for a damaged archive, for one that holds anything but steps of this profile, and for steps that
    another profile or other code made; nothing is changed then.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=run.folder) as name:
        folder = Path(name)
        try:
            with places.full_disk_told(run.folder), tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        except FileNotFoundError:
            raise TxrayError(f"there is no archive {archive}. `txray pack` writes one.") from None
        except (tarfile.TarError, EOFError, ValueError, OSError) as error:
            raise TxrayError(f"{archive} is not a whole archive of `txray pack` ({error})") from None
        steps = sorted((p.name for p in folder.iterdir()), key=lambda step: [*run.steps, step].index(step))
        for step in steps:
            _check(run, step, folder, archive)
        for step in steps:
            place = run.place(step)
            if not run.is_done(step):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(place, ignore_errors=True)
                (folder / step).replace(place)
    return steps


def _left_out(run: Run, name: str) -> list[str]:
    later = {file for step, file in READ_LATER.items() if step in run.steps}
    return [pattern for pattern in LEFT_OUT.get(name, ()) if pattern not in later]


def _add(tar: tarfile.TarFile, run: Run, name: str, left_out: Sequence[str]) -> None:
    done = json.loads(run.file(name, "step.json").read_text(encoding="utf-8"))
    done["files"] = {
        f: size for f, size in done["files"].items() if not any(fnmatch(f, pattern) for pattern in left_out)
    }
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "step.json"
        told.write_text(json.dumps(done, indent=1), encoding="utf-8")
        tar.add(told, f"{name}/step.json", filter=_anonymous)
    for file in done["files"]:
        tar.add(run.file(name, file), f"{name}/{PurePosixPath(file)}", filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _check(run: Run, step: str, folder: Path, archive: Path) -> None:
    if step not in run.steps or not (folder / step).is_dir():
        raise TxrayError(f"{archive} holds {step!r}, which is no step of the profile {run.profile.name!r}")
    try:
        done = json.loads((folder / step / "step.json").read_text(encoding="utf-8"))
        files, fingerprint = dict(done["files"]), done["fingerprint"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TxrayError(f"the step {step!r} in {archive} is not whole ({error})") from None
    there = {str(p.relative_to(folder / step)): p.stat().st_size for p in (folder / step).rglob("*") if p.is_file()}
    if {**files, "step.json": there.get("step.json")} != there:
        raise TxrayError(f"the step {step!r} in {archive} is not whole: its files are not those that it names")
    if fingerprint != run.fingerprint(step):
        raise TxrayError(
            f"the step {step!r} in {archive} was made with another profile or other code than {run.profile.name!r} here: pack "
            "and unpack with the same commit, the same profile and, where it names files of your own, the same files"
        )
