"""Worker processes for one search, which get trials from its chief. Importing this imports Keras."""

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

RESTARTS = 3  # of a worker that dies before its first trial ends


class WorkerPool:
    """Worker processes of this machine; one that dies is started again.

    Args:
        job: arguments of `tuning.worker_process.work`, to be pickled.
        count: number of workers.
        run: folder for the job and the logs.
        threads: of each worker; an equal share of the machine's cores if None.

    Attributes:
        until: of `time.time`, when running trials end; None for no end.
    """

    def __init__(self, job: dict[str, Any], count: int, run: Path, threads: int | None = None) -> None:
        self.count, self.run, self.file = count, run, run / "job.pickle"
        self.threads = threads or max(1, (os.cpu_count() or 1) // count)
        try:
            content = pickle.dumps(job)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                f"workers can't be given this: {error}; name data by path, and a space as FILE.py:function"
            ) from error
        program = getattr(sys.modules["__main__"], "__file__", None) if b"__main__" in content else ""
        if program is None:
            raise InputError(
                "workers load what they are given: expected its class or function in a file, not a notebook"
            )
        self.file.write_bytes(pickle.dumps((program, content)))
        self.until: float | None = None
        self.processes: dict[str, subprocess.Popen] = {}
        self.deaths: dict[str, int] = {}

    def start(self, host: str, port: int) -> None:
        """Start all workers."""
        self.address = host, port
        for number in range(self.count):
            self._start(f"worker-{number}")

    def _start(self, name: str) -> None:
        env = {"KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": self.address[0]}
        env |= {"KERASTUNER_ORACLE_PORT": str(self.address[1]), "OMP_NUM_THREADS": str(self.threads)}
        command = [sys.executable, "-m", "tuning.worker_process", str(self.file), str(self.threads)]
        command += [] if self.until is None else [str(self.until)]
        with (self.run / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=os.environ | env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def finished(self) -> bool:
        """Whether all workers ended well."""
        return all(each.poll() == 0 for each in self.processes.values())

    def restart_dead(self, oracle: keras_tuner.Oracle) -> None:
        """Start workers again that died.

        Raises:
            JobError: a worker died too often with no trial ended in between.
        """
        for name, process in list(self.processes.items()):
            if process.poll() not in (None, 0):
                oracle.release(name)
                done = len(oracle.end_order)
                self.deaths[name] = self.deaths.get(name, 0) + 1 if self.deaths.get(f"{name} at") == done else 1
                self.deaths[f"{name} at"] = done
                if self.deaths[name] > RESTARTS:
                    raise JobError(f"{name} ends at once: {self._last_line(name)}; see {self.run / name}.log")
                self._start(name)

    def _last_line(self, name: str) -> str:
        log = (self.run / f"{name}.log").read_text(errors="replace").splitlines()
        lines = [line.strip() for line in log if line.strip() and not re.match(r"WARNING: All log|[IWE]\d{4} ", line)]
        return lines[-1][:200] if lines else f"code {self.processes[name].returncode}"

    def stop(self) -> None:
        """End the workers that still run."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        self.file.unlink(missing_ok=True)
