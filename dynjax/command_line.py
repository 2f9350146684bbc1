"""Turns the shell's flags into a verb's arguments, and every expected failure into one message and an exit code."""

import contextlib
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from absl import app, flags, logging
from ml_collections import FrozenConfigDict

from dynjax import config_file
from dynjax.errors import DynjaxError, Stopped, UsageError
from dynjax.files import expanded


class Verb(NamedTuple):
    """Holds what the command line knows of a verb.

    flags: the names of the flags that it takes.
    arguments: turns positional arguments into the keyword arguments of dynjax.verbs.<verb>.<verb>.
    needs: which positional arguments it takes, in words; takes: the same, for a verb that can do without.
    """

    flags: tuple[str, ...]
    arguments: Callable[[list[str]], dict[str, Any]]
    needs: str = ""
    takes: str = ""


Verbs = Mapping[str, Verb]


def run(verbs: Verbs, around: Callable[[str], AbstractContextManager] = contextlib.nullcontext) -> None:
    """Parses the flags, runs the verb, and exits with the code that `dynjax.errors` promises.

    Args:
      verbs: the verbs, by their names; the first is the default.
      around: gives the context manager in which a verb runs.
    """
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.default_int_handler)
    logging.set_verbosity(logging.ERROR)
    warnings.formatwarning = lambda message, *_args, **_kwargs: f"warning: {message}\n"
    _print_anything()
    try:
        app.run(lambda argv: _do(verbs, around, argv[1:]), flags_parser=lambda argv: _parse(verbs, argv))
    except DynjaxError as error:
        _exit(error)
    except KeyboardInterrupt:
        _exit(Stopped("stopped; everything finished so far is saved; the same command continues from there"))
    except MemoryError as error:
        _exit(_out_of_memory(error))
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):  # a jax.errors.JaxRuntimeError of a device's memory
            raise
        _exit(_out_of_memory(error))
    except OSError as error:  # such as a full disk or a folder without write permission
        _exit(DynjaxError(f"{_named_file(error)}: {error.strerror or error}; everything saved before is kept"))


def config_of(flag) -> FrozenConfigDict:
    if flag.value is None:
        raise UsageError("--config=configs/NAME.py is needed; configs/README.md lists them")
    return FrozenConfigDict(flag.value)


def workdir_of(flag, default: Path | None = None):
    """Returns the workdir that the flag names; without a `default`, it must hold a run."""
    from dynjax.run.workdir import Workdir  # loads jax

    path = flag.value or default
    if not path:
        raise UsageError("--workdir=DIR is needed, the folder of a trained run")
    workdir = Workdir(path)
    if default is None:
        workdir.check_is_run()
    return workdir


def path_of(flag) -> Path | None:
    return expanded(flag.value) if flag.value else None


def config_name(flag) -> str:
    """Names a run after its config: 'dyn_vgg11-quick' for configs/dyn_vgg11.py:quick."""
    file, _, variant = flag.config_filename.partition(":")
    return "-".join([Path(file).stem, *filter(None, variant.split(","))])


def _do(verbs: Verbs, around: Callable, arguments: list[str]) -> None:
    name, rest = _verb_of(verbs, arguments)
    if rest and not (verbs[name].needs or verbs[name].takes):
        raise UsageError(f"{name} takes no further arguments: {' '.join(rest)}")
    if verbs[name].needs and not rest:
        raise UsageError(f"{name} needs {verbs[name].needs}")
    arguments_of_verb = verbs[name].arguments(rest)
    with around(name):
        getattr(importlib.import_module(f"dynjax.verbs.{name}"), name)(**arguments_of_verb)  # loads jax, so not before
    sys.stdout.flush()  # here a full disk is an error that is caught


def _verb_of(verbs: Verbs, arguments: list[str]) -> tuple[str, list[str]]:
    name, *rest = arguments or [next(iter(verbs))]
    if name not in verbs:
        raise UsageError(f"no verb is called {name!r}; there are {', '.join(verbs)}")
    return name, rest


def _print_anything() -> None:
    """Lets any text be printed: what the terminal's encoding lacks is escaped, and a closed output takes everything."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, for it stays open
        else:
            stream.reconfigure(errors="backslashreplace")


def _out_of_memory(error: Exception) -> DynjaxError:
    said = (str(error) or "nothing more can be had").splitlines()[0]
    return DynjaxError(f"not enough memory ({said}): choose a smaller batch or grid; everything saved is kept")


def _named_file(error: OSError) -> str:
    """Returns the file of an error; one without a file comes from printing."""
    return os.fsdecode(error.filename) if error.filename else "standard output"


def _exit(error: DynjaxError) -> None:
    print(error, file=sys.stderr, flush=True)
    try:
        sys.stdout.flush()
    except OSError:  # a full disk or a reader that is gone: Python would complain of it once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized():
        os._exit(error.exit_code)  # jax would wait for the other processes, which wait for this one
    sys.exit(error.exit_code)


def _parse(verbs: Verbs, argv: list[str]) -> list[str]:
    try:
        argv = flags.FLAGS.read_flags_from_files(argv, force_gnu=False)
        others, options = config_file.split_options(argv)
        words = flags.FLAGS(others, known_only=True)[1:]
        if not any(word.startswith("-") for word in words):  # flags that are unknown, which are refused below
            _check_flags(verbs, _verb_of(verbs, words)[0], options)
        return flags.FLAGS(config_file.check_options(argv))
    except flags.Error as error:
        raise UsageError(str(error)) from None


def _check_flags(verbs: Verbs, name: str, options: Mapping[str, str]) -> None:
    """Raises UsageError for flags that the verb does not take, and for those that are given without a value."""
    known = sorted({flag for verb in verbs.values() for flag in verb.flags} - {"config"})
    given = [flag for flag in known if flags.FLAGS[flag].present]
    empty = [f"--{flag}=: nothing is given" for flag in given if flags.FLAGS[flag].value in ("", [])]
    if problems := _not_taken(verbs, name, [*options, *given]) + empty:
        raise UsageError("\n".join(problems))


def _not_taken(verbs: Verbs, name: str, given: list[str]) -> list[str]:
    """Says of each flag that the verb does not take which verbs do."""
    problems = []
    for flag in given:
        own = flag.partition(".")[0]  # config for config.seed
        takers = [other for other, verb in verbs.items() if own in verb.flags]
        if name not in takers:
            problems.append(f"--{flag}: is for {', '.join(takers)}, not for {name}")
    return problems
