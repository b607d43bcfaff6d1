"""Calls Snakemake, which decides what is up to date and makes what is not (`workflow/Snakefile`).

May touch: errors, profiles, steps, places.

    plan      the steps of a profile: what each needs, and the settings that it is given
    run       a run: a profile, its steps, where their files lie
    tracking  the code that a result follows from
    jobs      a process for each job

One process at a time makes a run; of a small encoder it makes two steps at once.
"""

import contextlib
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from txray_lib import places
from txray_lib.engine import tracking
from txray_lib.engine.jobs import ERRORS, STOPPED, apart, end_jobs
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.profiles import load_profile
from txray_lib.steps import Task, perform, say

WORKFLOW = Path(__file__).parents[2] / "workflow"
LONGEST_TEMPORARY = 75
"""Characters of the path of a temporary folder: that of a unix socket, 107, less what `multiprocessing` appends to it."""
_WHY = ("mtime", "params", "input")


def make_run(run: Run, profile: str, until: Sequence[str] = (), show: str = "") -> bool:
    """Make what is missing or out of date of a run, up to some steps: whether anything was. See `call`.

    Where Snakemake, or the folder of its rules, is not there, what is missing is made in order.
    """
    require_device(run.device)
    for file in {run.profile.own_file(file) for name in run.needed(until) for file in run.step(name).own}:
        if not file.is_file():
            raise TxrayError(
                f"{file} cannot be read: the profile {run.profile.name} names it, and there is no such file"
            )
    lock, what = run.folder / ".lock", f"the run {run.profile.name!r}"
    for name in run.needed(until):
        if run.note(name).is_file() and not run.is_there(name):
            say(f"{name}: a file is missing")
            if not show:
                with _alone(lock, what):
                    run.note(name).unlink(missing_ok=True)
    if not _is_installed() or not WORKFLOW.is_dir():
        say("Snakemake is not at hand: what is there is taken as it is")
        with _alone(lock, what):
            return bool(run.make(*until))
    given = str(Path(profile).absolute()) if profile.endswith((".yaml", ".yml")) else profile
    config = {"profile": given, "device": run.device, "until": ",".join(until)}
    return call(config, lock, what, cores=min(2, os.cpu_count() or 1) if run.is_small else 1, show=show)


def train_run(profile: str) -> Run:
    """The run of a profile with its encoders and tagged text, made now where they are missing or out of date; no tables."""
    run = Run(load_profile(profile))
    make_run(run, profile, ("tags", "finetune"))
    return run


def open_run(profile: str) -> Run:
    """The run of a profile, for its vocabulary, texts and encoders. Raises TxrayError where it is not finished."""
    run = Run(load_profile(profile))
    if missing := [name for name in run.steps if not run.is_there(name)]:
        raise TxrayError(f"the run {run.profile.name!r} lacks {', '.join(missing)}: `txray run {profile}` makes them.")
    return run


def call(
    config: dict[str, str], lock: Path, what: str, cores: int, show: str = "", snakefile: str = "Snakefile"
) -> bool:
    """Have Snakemake make what the first rule wants: whether there was anything to do.

    show  "dry-run": say what would be made and why; "summary": the state of each file. Nothing is made then

    Raises TxrayError with the message of the job that failed, or where another process is at work on the same files.
    """
    if not _is_installed():
        raise TxrayError(
            "Snakemake is not installed in this environment: `make book` sets one up, or `pip install -e .[flow]`"
        )
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY:
        raise TxrayError(
            f"the path of the temporary folder {tempfile.gettempdir()} is too long for the sockets of processes, which have"
            f" room for {LONGEST_TEMPORARY} characters. Set TMPDIR to a shorter one, such as /tmp."
        )
    # Snakemake works in the root
    for variable in {places.DATA_VARIABLE, places.ROOT_VARIABLE, places.RESULTS_VARIABLE} & set(os.environ):
        os.environ[variable] = os.path.abspath(os.environ[variable])
    with contextlib.ExitStack() as stack:
        if not show:
            stack.enter_context(_alone(lock, what))
            stack.enter_context(_interruptible())
        # in a thread: that of a notebook, or of a browser's driver, has an event loop, and Snakemake wants its own
        pool = stack.enter_context(ThreadPoolExecutor(1))
        return pool.submit(_call_snakemake, snakefile, config, cores, show).result()


def _is_installed() -> bool:
    try:
        import snakemake  # noqa: F401
    except ImportError:
        return False
    return True


def _call_snakemake(snakefile: str, config: dict[str, str], cores: int, show: str) -> bool:
    from snakemake.api import SnakemakeApi
    from snakemake.scheduling.greedy import SchedulerSettings as Greedy
    from snakemake.settings import types
    from snakemake.settings.enums import Quietness

    quiet = {Quietness.RULES} if show else {Quietness.ALL}
    why = {types.RerunTrigger.parse_choice(each) for each in _WHY}
    made: list[str] = []
    ERRORS.clear()
    tracking.forget()
    with SnakemakeApi(types.OutputSettings(quiet=quiet, enable_file_logging=False)) as api:
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
            dag.execute_workflow(
                executor="dryrun" if show else "local",
                execution_settings=types.ExecutionSettings(use_threads=True, latency_wait=0, lock=False),
                scheduling_settings=types.SchedulingSettings(scheduler="greedy"),
                scheduler_settings=Greedy(),
                greedy_scheduler_settings=Greedy(),
                updated_files=made,
            )
        except Exception as error:
            raise (ERRORS[0] if ERRORS else TxrayError(f"Snakemake: {error}")) from None
    return bool(made)


class _Progress(logging.Handler):
    """Snakemake's own count of what is done; of its errors only those that no job told."""

    def emit(self, record: logging.LogRecord) -> None:
        if str(getattr(record, "event", "")).endswith("progress") and hasattr(record, "total"):
            say(f"    {record.done} of {record.total} done")
        elif record.levelno >= logging.ERROR and not ERRORS:
            say(record.getMessage())


def make_step(run: Run, name: str) -> None:
    """A job of the Snakefile: one step, in a process of its own. Where two run at once each has one thread."""
    apart(_perform, run.task(name), 1 if run.is_small else None)


def _perform(task: Task, threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    perform(task)


def require_device(device: str) -> None:
    """Raise TxrayError where torch cannot compute on `device`."""
    if device == "cpu":
        return
    import torch

    try:
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TxrayError(
            f"torch cannot compute on the device {device!r} ({reason}). Choose cpu, or cuda on a machine with a GPU."
        ) from None


@contextlib.contextmanager
def _alone(lock: Path, what: str) -> Iterator[None]:
    """Be the only process at work on something. The system frees the lock of a process that died."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise TxrayError(f"another process is making {what}. Wait for it, or stop it.") from None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """End the jobs at Ctrl-C and at a polite request to end: KeyboardInterrupt, whatever becomes of the work meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    STOPPED.clear()

    def stop(number: int, frame: Any) -> None:
        end_jobs()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if STOPPED.is_set():
            STOPPED.clear()
            raise KeyboardInterrupt
