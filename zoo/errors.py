"""The two errors that reach a person as one line, and the warning that does.

The errors say what was expected, what was received and what to do.
"""


class InputError(ValueError):
    """Wrong use: a path, an option or data that can't be what is asked for. Commands exit with code 2."""


class JobError(RuntimeError):
    """A job that was right to start and failed: a full disk, a failed parity gate. Commands exit with code 1."""


class Notice(UserWarning):
    """The job goes on, in another way than usual, as where a cache is damaged. Commands show no other warning."""
