"""A real SLURM on this machine, one node on loopback: the collection of `tiny` in shards, each a job, is that of one machine.

Marked `slurm`, since it installs Debian packages and writes to /etc/slurm and /etc/munge: `make test ARGS="-m slurm tests/slurm"`.
The configuration stands in /etc, because the executor hands no SLURM_CONF on to its jobs.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from txray_lib import engine
from txray_lib.engine.run import Run
from txray_lib.profiles import load_profile
from txray_lib.tables import read_table

pytestmark = pytest.mark.slurm

HERE = Path(__file__).parent
WORKFLOW = HERE.parents[1] / "workflow"
STEP = "collect-reviews-supervised"
DAEMONS = ("slurmctld", "slurmd")


def called(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def install() -> str:
    """Install SLURM and munge: why it cannot be, or nothing."""
    if all(map(shutil.which, (*DAEMONS, "munged", "sbatch"))):
        return ""
    if os.geteuid() or not shutil.which("apt-get"):
        return "it is not there, and only root on Debian can install it here"
    for command in (("update", "-q"), ("install", "-yq", "--no-install-recommends", "slurm-wlm", "munge")):
        done = called("apt-get", *command)
    return "" if done.returncode == 0 else f"apt-get could not install it: {done.stderr[-300:]}"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster of one node; its daemons, and its configuration, are gone afterwards."""
    if why := install():
        pytest.skip(f"NO SLURM: {why}")
    if Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("NO SLURM OF ONE'S OWN: this machine has a configured one already, which a test leaves alone")
    state = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (state / name).mkdir()
    munge = munged()
    host = socket.gethostname().partition(".")[0]
    text = (HERE / "slurm.conf").read_text(encoding="utf-8").replace("HOST", host).replace("STATE/", f"{state}/")
    Path("/etc/slurm").mkdir(exist_ok=True)
    Path("/etc/slurm/slurm.conf").write_text(text, encoding="utf-8")
    try:
        for daemon in DAEMONS:
            assert called(daemon).returncode == 0, daemon
        wait_for(lambda: "idle" in called("sinfo", "--noheader", "--format=%T").stdout)
        yield
    finally:
        Path("/etc/slurm/slurm.conf").unlink()
        for pid in (*(state / f"{daemon}.pid" for daemon in DAEMONS), *munge):
            end(pid)


def munged() -> list[Path]:
    """Start munge where it does not run: what file holds its process id, if it was started here."""
    if called("munge", "--no-input").returncode == 0:
        return []
    if not Path("/etc/munge/munge.key").exists():
        called("mungekey", "--create")
    shutil.chown("/etc/munge/munge.key", "munge", "munge")
    for folder in ("/run/munge", "/var/lib/munge", "/var/log/munge"):
        called("install", "-d", "-o", "munge", "-g", "munge", folder)
    called("su", "-s", "/bin/sh", "munge", "-c", "munged")
    wait_for(lambda: called("munge", "--no-input").returncode == 0)
    return [Path("/run/munge/munged.pid")]


def wait_for(holds: Callable[[], bool], seconds: int = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def end(pid: Path) -> None:
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)


@pytest.fixture
def sharded(
    tmp_path: Path, new_workplace: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, pd.DataFrame]:
    """A run of `tiny` in shards as far as its classifier, and the records that one machine collects from there."""
    home = new_workplace(tmp_path / "home")
    monkeypatch.setenv("TXRAY_ROOT", str(home))
    profile = {"base": "tiny", "about": "Shards.", "collection": {"shards": 3}}
    (home / "profiles" / "sharded.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    run = Run(load_profile("sharded"))
    engine.make_run(run, "sharded", [STEP])
    records = read_table(run.file(STEP, "records.parquet"))
    for folder in run.folder.glob(f"{STEP}*"):
        shutil.rmtree(folder)
    return run, records


def test_shards_as_jobs_of_slurm_give_the_very_table_of_one_machine(
    slurm: None, sharded: tuple[Run, pd.DataFrame]
) -> None:
    run, records = sharded
    resources = ("mem_mb=2000", "runtime=10", "cpus_per_task=1", "slurm_partition=work", "slurm_account=none")
    command = [sys.executable, "-m", "snakemake", "-s", str(WORKFLOW / "Snakefile"), "-d", str(run.folder.parents[2])]
    command += ["--config", "profile=sharded", f"until={STEP}", "--executor", "slurm", "--jobs", "2"]
    command += ["--slurm-status-command", "squeue", "--seconds-between-status-checks", "5", "--latency-wait", "20"]
    command += ["--default-resources", *resources, "--rerun-triggers", "mtime", "params", "input"]
    done = called(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    submitted = [line for line in done.stderr.splitlines() if "SLURM jobid" in line and "submitted" in line]
    assert len(submitted) == run.profile.collection.shards + 1
    pd.testing.assert_frame_equal(read_table(run.file(STEP, "records.parquet")), records)
    assert not engine.make_run(run, "sharded", [STEP]), "one machine has nothing left to do"
