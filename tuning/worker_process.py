"""The program of a worker process: ``python -m tuning.worker_process JOB THREADS [UNTIL]``."""

from __future__ import annotations

import gc
import os
import pickle
import runpy
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

from tuning.study import Search
from zoo import startup


def main(job: str, threads: str, until: str | None = None) -> None:
    """Run the trials of a search on this machine.

    Args:
        job: file with the program that they are of, if there is one, and the pickled arguments of `work`.
        threads: number of threads for TensorFlow.
        until: of `time.time`, when a running trial ends; None for no end.
    """
    startup.skip_needless_imports()  # before Keras is imported
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    import zoo.builders.layers  # noqa: F401 - registers the layers of pickled data and models

    program, content = pickle.loads(Path(job).read_bytes())
    if program:  # it defines what the job names; run as by multiprocessing, so that its main part does not run
        sys.path.insert(0, str(Path(program).resolve().parent))
        module = types.ModuleType("__mp_main__")
        vars(module).update(runpy.run_path(program, run_name=module.__name__))
        sys.modules["__main__"] = sys.modules[module.__name__] = module
    work(**pickle.loads(content), until=None if until is None else float(until))


def _end_with(parent: int) -> None:
    """End this process when its parent process ends."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def work(
    data: Any,
    model: Any,
    space: Any,
    method: str,
    trials: int | None,
    options: dict[str, Any],
    folder: Path,
    until: float | None,
) -> None:
    """Run trials for the chief of a search until `until`, of `time.time`."""
    search = Search(data, model, space, method, trials, options)
    gc.collect()
    gc.freeze()
    search.work(folder, None if until is None else time.monotonic() + until - time.time())


if __name__ == "__main__":
    main(*sys.argv[1:])
