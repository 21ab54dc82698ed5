"""The two errors that reach a person as one line.

Both say what was expected, what was received and what to do.
"""


class InputError(ValueError):
    """Wrong use: a path, an option or data that can't be what is asked for. Commands exit with code 2."""


class JobError(RuntimeError):
    """A job that was right to start and failed: a full disk, a failed parity gate. Commands exit with code 1."""
