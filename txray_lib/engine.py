"""Calls Snakemake, which decides what is up to date and makes what is not (`workflow/Snakefile`). May touch: apart, flow, steps, places.

Each job runs in a process of its own (`apart`). One process at a time makes a run.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from txray_lib import places, tracking
from txray_lib.apart import CHILDREN, ERRORS, apart
from txray_lib.errors import TxrayError
from txray_lib.flow import Run
from txray_lib.steps.task import perform

WORKFLOW = Path(__file__).parents[1] / "workflow"
_WHY = {"mtime", "params", "input"}


def compute(run: Run, profile: str, until: Sequence[str] = (), show: str = "") -> bool:
    """`make_run`; where Snakemake, or the folder of its rules, is not there, what is missing is made in order."""
    if _is_installed() and WORKFLOW.is_dir():
        return make_run(run, profile, until, show)
    run.say("Snakemake is not at hand: what is there is taken as it is")
    return bool(run.make(*until))


def _is_installed() -> bool:
    try:
        import snakemake  # noqa: F401
    except ImportError:
        return False
    return True


def make_run(run: Run, profile: str, until: Sequence[str] = (), show: str = "") -> bool:
    """Make what is missing or out of date of a run, up to some steps: whether anything was. See `call`."""
    for name in run.needed(until):
        for file in run.step(name).own:
            if not run.profile.own_file(file).is_file():
                raise TxrayError(
                    f"{run.profile.own_file(file)} cannot be read: the profile {run.profile.name} names it, and there is no such file"
                )
    given = str(Path(profile).absolute()) if Path(profile).is_file() else profile
    config = {"profile": given, "device": run.device, "until": ",".join(until)}
    return call(config, run.folder / ".lock", f"the run {run.profile.name!r}", cores=1, show=show)


def call(
    config: dict[str, str], lock: Path, what: str, cores: int, show: str = "", snakefile: str = "Snakefile"
) -> bool:
    """Have Snakemake make what the first rule wants: whether there was anything to do.

    show  "dry-run": say what would be made and why; "summary": the state of each file. Nothing is made then

    Raises TxrayError with the message of the job that failed, or where another process is at work on the same files.
    """
    if show:
        return _snakemake(snakefile, config, cores, show)
    with _alone(lock, what) as was_killed, _interruptible():
        return _snakemake(snakefile, config, cores, unlock=was_killed)


def _snakemake(snakefile: str, config: dict[str, str], cores: int, show: str = "", unlock: bool = False) -> bool:
    if not _is_installed():
        raise TxrayError(
            "Snakemake is not installed in this environment: `make book` sets one up, or `pip install -e .[flow]`"
        )
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import LockException
    from snakemake.scheduling.greedy import SchedulerSettings as Greedy
    from snakemake.settings import types
    from snakemake.settings.enums import Quietness

    quiet = {Quietness.RULES} if show else {Quietness.ALL}
    output = types.OutputSettings(quiet=quiet, enable_file_logging=False)
    why = {types.RerunTrigger.parse_choice(each) for each in _WHY}
    made: list[str] = []
    ERRORS.clear()
    tracking.forget()
    with SnakemakeApi(output) as api:
        if not show:
            api.logger_manager.logger.handlers[:] = [_Progress()]
        workflow = api.workflow(
            resource_settings=types.ResourceSettings(cores=cores),
            config_settings=types.ConfigSettings(config=config),
            snakefile=WORKFLOW / snakefile,
            workdir=places.root(),
        )
        try:
            dag = workflow.dag(types.DAGSettings(force_incomplete=True, rerun_triggers=why))
            if show == "summary":
                dag.summary()
                return False
            if unlock:
                dag.unlock()
            dag.execute_workflow(
                executor="dryrun" if show else "local",
                execution_settings=types.ExecutionSettings(use_threads=True, latency_wait=0),
                scheduling_settings=types.SchedulingSettings(scheduler="greedy"),
                scheduler_settings=Greedy(),
                greedy_scheduler_settings=Greedy(),
                updated_files=made,
            )
        except LockException:
            raise TxrayError(
                "another Snakemake is at work on these files, or was killed: wait for it, or `snakemake --unlock`"
            ) from None
        except Exception as error:
            raise (ERRORS[0] if ERRORS else TxrayError(f"Snakemake: {error}")) from None
    return bool(made)


class _Progress(logging.Handler):
    """Snakemake's own count of what is done; of its errors only those that no job told."""

    def emit(self, record: logging.LogRecord) -> None:
        if str(getattr(record, "event", "")).endswith("progress") and hasattr(record, "total"):
            say(f"    {record.done} of {record.total} done")


def make_step(run: Run, name: str) -> None:
    """A job of the Snakefile: one step, in a process of its own."""
    say(f"{name}: {run.step(name).about}")
    say(f"    {apart(perform, run.task(name)):.1f} s")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _alone(lock: Path, what: str) -> Iterator[bool]:
    """Be the only process at work on something: whether the last one was killed. The system frees the lock of a dead process."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    mark = lock.with_suffix(".busy")
    try:
        with FileLock(lock, timeout=0):
            was_killed = mark.exists()
            mark.touch()
            try:
                yield was_killed
            finally:
                mark.unlink(missing_ok=True)
    except Timeout:
        raise TxrayError(f"another process is making {what}. Wait for it, or stop it.") from None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """End the jobs at Ctrl-C, and at a polite request to end."""

    def stop(number: int, frame: Any) -> None:
        ERRORS.insert(0, KeyboardInterrupt())
        for child in list(CHILDREN):
            child.kill()
        raise ERRORS[0]

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
