"""Many workers for one search, by Keras Tuner's own service between a chief and them. Importing this imports Keras."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from zoo.errors import InputError, JobError

LOOK = 0.2  # seconds between two looks at the workers
RESTARTS = 3  # of a worker that ended before its first trial did
CONNECT = 60.0  # seconds that a worker waits for the chief to be there
RETURN = 600.0  # and for one that was there to come back


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(oracle: keras_tuner.Oracle, host: str, port: int, crew: Crew | None, tick: Callable[[], None]) -> None:
    """Give out trials until the search ends.

    Args:
        oracle: one out of `tuning.oracles`.
        host: address of this machine that workers reach it by.
        port: to listen on.
        crew: workers of this machine; None where they are elsewhere.
        tick: called now and then.

    Raises:
        InputError: the port is in use. JobError: the workers of this machine end at once.
    """
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise InputError(f"{host}:{port} can't be listened on: is the port in use? Name another one") from error
    if not bound:
        raise InputError(f"{host}:{port} can't be listened on: is the port in use? Name another one")
    server.start()
    try:
        if crew is not None:
            crew.start(host, port)
        with contextlib.redirect_stdout(None):  # Keras Tuner prints values as it sends them
            while not _over(oracle, crew):
                time.sleep(LOOK)
                tick()
                if crew is not None:
                    crew.look(oracle)
    finally:
        if crew is not None:
            crew.stop()
        server.stop(grace=2).wait()


def _over(oracle: keras_tuner.Oracle, crew: Crew | None) -> bool:
    if crew is not None:
        return crew.gone
    now = time.monotonic()
    late = oracle.deadline is not None and now > oracle.deadline + 60
    return bool(oracle.ended or late) and not oracle.ongoing_trials and not oracle.untold


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
        code = "import zoo.startup; zoo.startup.quicken(); from tuning.workers import work; work()"
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


def work() -> None:
    """A worker process of this machine: what it does is in the file named by the first argument."""
    import tensorflow as tf

    threads = int(sys.argv[2])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    import zoo.builders.layers  # what data and models are made of is known to Keras once it is imported
    import zoo.data.preprocessing  # noqa: F401
    from tuning.study import worked

    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    worked(**job, until=float(sys.argv[3]) if len(sys.argv) > 3 else None)


def _end_with(parent: int) -> None:
    """End this process when its parent is no more."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def join(host: str, port: int) -> None:
    """Make this process a worker of the chief at that address.

    Raises:
        InputError: nobody answers there.
    """
    ends = time.monotonic() + CONNECT
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
            break
        except OSError as error:
            if time.monotonic() > ends:
                raise InputError(
                    f"no chief answers at {host}:{port} ({error}); start it with the same command and --role chief"
                ) from error
            time.sleep(1)
    os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"] = host, str(port)
    os.environ["KERASTUNER_TUNER_ID"] = f"worker-{socket.gethostname()}-{os.getpid()}"


class Patient:
    """A worker's way to the chief, which waits for one that is away: each question may be asked twice.

    Args:
        stub: of Keras Tuner's service.
    """

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = getattr(self._stub, name)

        def asked(request: Any, **options: Any) -> Any:
            ends = time.monotonic() + RETURN
            while True:
                try:
                    return ask(request, **options | {"timeout": RETURN})
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > ends:
                        raise
                    time.sleep(1)

        return asked
