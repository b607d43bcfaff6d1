"""A kernel that begins as a copy of the process that asks for it, with all that this has imported. May touch: nothing.

To start Python and to import pandas and Altair takes two seconds of each page; a copy takes a tenth of one. For processes
that have computed nothing yet: threads, as those of OpenMP, are not copied.
"""

import contextlib
import multiprocessing
import os
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

from jupyter_client import AsyncKernelManager


class CopiedKernel(AsyncKernelManager):
    """Starts a kernel as `jupyter_client` does, but for how its process begins."""

    def __init__(self, **given: Any) -> None:
        told, self._tell = multiprocessing.Pipe(duplex=False)
        self._copy = _Copy(target=_serve, args=(told, self._tell))  # made before there are sockets and an event loop
        self._copy.start()
        super().__init__(**given)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **given: Any) -> None:
        arguments = kernel_cmd[kernel_cmd.index("-f") :]
        self._tell.send((arguments, given["env"], given.get("cwd") or os.getcwd()))
        self.provisioner.process = self._copy


class _Copy(ForkProcess):
    """A process with the names of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _serve(told: Connection, tell: Connection) -> None:
    """Wait for what to start; it never comes where the manager is gone before it started a kernel."""
    tell.close()
    with contextlib.suppress(EOFError):
        _start(*told.recv())


def _start(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    from ipykernel.kernelapp import IPKernelApp

    os.environ.clear()
    os.environ.update(environment, JPY_PARENT_PID=str(os.getppid()))  # the kernel ends where its parent does
    os.chdir(folder)
    IPKernelApp.launch_instance(arguments)
