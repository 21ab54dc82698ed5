"""Processes with TensorFlow alone, forked from one that has loaded it.

Each is as clean as one that loads it itself, which takes longer than most of what is asked of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from support.places import ROOT
from zoo.artifacts.gate import Gate

OWN = Gate.__init__  # with a process that loads TensorFlow itself
PARITY = (ROOT / "zoo" / "artifacts" / "parity_process.py").read_text(encoding="utf-8")


class _Server(NamedTuple):
    """A server, which ends with this process."""

    process: subprocess.Popen[str]
    path: str


@cache
def _server() -> _Server:
    path = os.path.join(tempfile.mkdtemp(prefix="forks"), "socket")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    script = Path(__file__).with_name("fork_server.py")
    process = subprocess.Popen([sys.executable, "-I", str(script), path], text=True, **pipes)
    assert process.stdout.readline() == "ready\n"
    return _Server(process, path)


class Forked:
    """A process, with what `zoo.artifacts.gate.Gate` asks of a `subprocess.Popen`.

    Args:
        code: of Python.
        arguments: `sys.argv` after the first.
    """

    def __init__(self, code: str, *arguments: str) -> None:
        self.returncode: int | None = None
        self._client = socket.socket(socket.AF_UNIX)
        self._client.connect(_server().path)
        (stdin, given), (taken, stderr) = os.pipe(), os.pipe()
        self._stdout = tempfile.TemporaryFile("w+")  # noqa: SIM115
        socket.send_fds(self._client, [b"."], [stdin, self._stdout.fileno(), stderr])
        os.close(stdin)
        os.close(stderr)
        request = json.dumps([code, arguments, os.getcwd(), dict(os.environ)])
        self._client.sendall(f"{request}\n".encode())
        self.stdin, self._stderr = open(given, "w"), open(taken)  # noqa: SIM115
        self._answers = self._client.makefile()
        self._pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        if self.returncode is None and select.select([self._client], [], [], 0)[0]:
            self.returncode = int(self._answers.readline())
        return self.returncode

    def kill(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def communicate(self) -> tuple[str, str]:
        """Wait for its end, and give what it said."""
        if self._stderr.closed:
            return "", ""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        errors = self._stderr.read()
        if self.returncode is None:
            self.returncode = int(self._answers.readline())
        self._stdout.seek(0)
        said = self._stdout.read()
        for each in (self._stdout, self._stderr, self._answers, self._client):
            each.close()
        return said, errors


def gate(started: Gate) -> None:
    """Instead of `Gate.__init__`."""
    started.process = Forked(PARITY)


def run(code: str, *arguments: str) -> str:
    """What Python code says that runs with TensorFlow alone, as `python -I -c` with these arguments."""
    process = Forked(code, *arguments)
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    return said
