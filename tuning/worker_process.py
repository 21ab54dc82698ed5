"""What a worker process does."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tuning.study import Search


def work() -> None:
    """A worker process of this machine: what it does is in the file named by the first argument."""
    import tensorflow as tf

    threads = int(sys.argv[2])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    import zoo.builders.layers  # noqa: F401 - makes what data and models are made of known to Keras

    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    worked(**job, until=float(sys.argv[3]) if len(sys.argv) > 3 else None)


def _end_with(parent: int) -> None:
    """End this process when its parent is no more."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def worked(
    data: Any,
    model: Any,
    space: Any,
    method: str,
    trials: int | None,
    options: dict[str, Any],
    folder: Path,
    until: float | None,
) -> None:
    """What a worker process of this machine does, till `until` of `time.time`."""
    found = Search(data, model, space, method, trials, options)
    gc.collect()
    gc.freeze()
    found.work(folder, None if until is None else time.monotonic() + until - time.time())
