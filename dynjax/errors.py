"""The errors that users see. Each is one message that names the file or key and the remedy."""


class DynjaxError(Exception):
    """The run itself failed, for example on a full disk or a loss that is not finite. Everything saved is kept."""

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
    """Formats all problems as the lines of one message, so that a user can fix them in one round."""
    return "\n".join(f"  {problem}" for problem in problems)
