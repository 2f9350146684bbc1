"""The errors that a user can cause. Each is one message that names the file or key and the remedy."""


class DynjaxError(Exception):
    """The run itself failed: a loss that is not finite, a full disk. Everything saved is kept."""

    exit_code = 1


class UsageError(DynjaxError):
    """A wrong option or config, or a workdir that is in use or belongs to another config."""

    exit_code = 2


class InputError(DynjaxError):
    """A named file, table or weights file that is missing or refused."""

    exit_code = 3


class Stopped(DynjaxError):
    """A signal ended the run after everything was saved: the same command continues it."""

    exit_code = 75


def listed(problems) -> str:
    """The problems as the lines of one message, all of them, so that one round of mending is enough."""
    return "\n".join(f"  {problem}" for problem in problems)
