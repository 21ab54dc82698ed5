"""Programs as users run them: the commands of this project, and TensorFlow without it."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support import forks

ALONE = """
import json, sys, numpy as np
for package in ("zoo", "applications", "tuning"):
    sys.modules[package] = None
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
asked = {name: tf.constant(value) for name, value in json.loads(sys.argv[2]).items()}
print(json.dumps({name: np.asarray(value).astype(str).tolist() for name, value in serve(**asked).items()}))
"""


def command(*arguments: object) -> CompletedProcess[str]:
    """What `zoo` with these arguments prints and ends with, run in this process.

    For the many: to start TensorFlow takes longer than most of them. The tests of the first job, of the README and of
    what is killed start processes, as users do.
    """
    from zoo.cli import main

    out, err = io.StringIO(), io.StringIO()
    given = ["zoo", *map(str, arguments)]
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            main()
    return CompletedProcess(given, ended.value.code or 0, out.getvalue(), err.getvalue())


def foreign(stderr: str) -> list[str]:
    """Lines of standard error that are not a command's own."""
    own = ("zoo: ", "Usage: ", "Try 'zoo", "Error: ")
    return [line for line in stderr.splitlines() if line.strip() and not line.startswith(own)]


def alone(folder: Path, **inputs: object) -> dict[str, list]:
    """What TensorFlow alone says of `inputs`."""
    return json.loads(forks.run(ALONE, str(folder), json.dumps(inputs)).splitlines()[-1])
