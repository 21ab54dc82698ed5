"""The two errors and the warning that users see, each as one line.

An error says what was expected, what was received and what to do.
"""


class InputError(ValueError):
    """Wrong use: a path, an option or data that does not fit. Commands exit with code 2."""


class JobError(RuntimeError):
    """A failure of a valid job: a full disk, a failed parity gate. Commands exit with code 1."""


class Notice(UserWarning):
    """The job goes on in another way than usual, as after a damaged cache. Commands show no other warning."""
