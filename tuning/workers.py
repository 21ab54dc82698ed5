"""Many workers for one search, by Keras Tuner's own service between a chief and them. Importing this imports Keras."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras_tuner

from zoo.errors import InputError, JobError

RESTARTS = 3  # of a worker that ended before its first trial did


class Crew:
    """Worker processes of this machine; one that dies is started again.

    Args:
        job: what `work` does, to be pickled.
        count: how many.
        run: folder for what they need and print.
        threads: of each; the machine's cores shared out where None.

    Attributes:
        until: of `time.time`, when a trial in flight ends; None for no end.
    """

    def __init__(self, job: dict[str, Any], count: int, run: Path, threads: int | None = None) -> None:
        self.count, self.run, self.file = count, run, run / "job.pickle"
        self.threads = threads or max(1, (os.cpu_count() or 1) // count)
        try:
            self.file.write_bytes(pickle.dumps(job))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                f"workers can't be given this: {error}; name data by path, and a space as FILE.py:function"
            ) from error
        self.until: float | None = None
        self.processes: dict[str, subprocess.Popen] = {}
        self.ends: dict[str, int] = {}

    def start(self, host: str, port: int) -> None:
        """Start them all."""
        self.address = host, port
        for number in range(self.count):
            self._start(f"worker-{number}")

    def _start(self, name: str) -> None:
        given = {"KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": self.address[0]}
        given |= {"KERASTUNER_ORACLE_PORT": str(self.address[1]), "OMP_NUM_THREADS": str(self.threads)}
        code = "import zoo.startup; zoo.startup.skip_needless_imports(); from tuning.worker_process import work; work()"
        command = [sys.executable, "-c", code, str(self.file), str(self.threads)]
        command += [] if self.until is None else [str(self.until)]
        with (self.run / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=os.environ | given, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def gone(self) -> bool:
        """Whether all ended well."""
        return all(each.poll() == 0 for each in self.processes.values())

    def look(self, oracle: keras_tuner.Oracle) -> None:
        """Start again those that died.

        Raises:
            JobError: one died too often without a trial between.
        """
        for name, process in list(self.processes.items()):
            if process.poll() not in (None, 0):
                oracle.lose(name)
                done = len(oracle.end_order)
                self.ends[name] = self.ends.get(name, 0) + 1 if self.ends.get(f"{name} at") == done else 1
                self.ends[f"{name} at"] = done
                if self.ends[name] > RESTARTS:
                    raise JobError(f"{name} ends at once: {self._last_words(name)}; see {self.run / name}.log")
                self._start(name)

    def _last_words(self, name: str) -> str:
        log = (self.run / f"{name}.log").read_text(errors="replace").splitlines()
        told = [line.strip() for line in log if line.strip() and not re.match(r"WARNING: All log|[IWE]\d{4} ", line)]
        return told[-1][:200] if told else f"code {self.processes[name].returncode}"

    def stop(self) -> None:
        """End those that still run."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        self.file.unlink(missing_ok=True)
