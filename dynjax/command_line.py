"""Turns the shell's flags into a verb's arguments, and every expected failure into one message and an exit code."""

import contextlib
import difflib
import importlib
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, FrozenConfigDict

from dynjax.errors import DynjaxError, Stopped, UsageError
from dynjax.run.keys import GONE

Verbs = Mapping[str, Callable[[list[str]], dict[str, Any]]]


def run(
    verbs: Verbs, needs: Mapping[str, str], around: Callable[[str], AbstractContextManager] = contextlib.nullcontext
) -> None:
    """Parses the flags, runs the verb, and exits with the code that `dynjax.errors` promises.

    Args:
      verbs: for each verb, a function from positional arguments to the keyword arguments of dynjax.verbs.<verb>.<verb>.
      needs: for each verb that takes positional arguments, which ones.
      around: gives the context manager in which a verb runs.
    """
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.default_int_handler)
    logging.set_verbosity(logging.ERROR)
    warnings.formatwarning = lambda message, *_args, **_kwargs: f"warning: {message}\n"
    try:
        app.run(lambda argv: _do(verbs, needs, around, argv[1:]), flags_parser=_parse)
    except DynjaxError as error:
        _exit(error)
    except KeyboardInterrupt:
        _exit(Stopped("stopped; everything finished so far is saved; the same command continues from there"))
    except OSError as error:  # such as a full disk or a folder without write permission
        _exit(DynjaxError(f"{error.filename or 'failed'}: {error.strerror or error}; everything saved before is kept"))


def config_of(flag) -> FrozenConfigDict:
    if flag.value is None:
        raise UsageError("--config=configs/NAME.py is needed; configs/README.md lists them")
    return FrozenConfigDict(flag.value)


def workdir_of(flag, default: Path | None = None):
    from dynjax.run.workdir import Workdir  # loads jax

    path = flag.value or default
    if not path:
        raise UsageError("--workdir=DIR is needed, the folder of a trained run")
    return Workdir(path)


def config_name(flag) -> str:
    """Names a run after its config: 'dyn_vgg11-quick' for configs/dyn_vgg11.py:quick."""
    file, _, variant = flag.config_filename.partition(":")
    return "-".join([Path(file).stem, *filter(None, variant.split(","))])


def _do(verbs: Verbs, needs: Mapping[str, str], around: Callable, arguments: list[str]) -> None:
    verb, *rest = arguments or ["train"]
    if verb not in verbs:
        raise UsageError(f"no verb is called {verb!r}; there are {', '.join(verbs)}")
    if rest and verb not in needs:
        raise UsageError(f"{verb} takes no further arguments: {' '.join(rest)}")
    if verb in needs and not rest:
        raise UsageError(f"{verb} needs {needs[verb]}")
    arguments_of_verb = verbs[verb](rest)
    with around(verb):
        getattr(importlib.import_module(f"dynjax.verbs.{verb}"), verb)(**arguments_of_verb)  # loads jax, so not before


def _exit(error: DynjaxError) -> None:
    print(error, file=sys.stderr, flush=True)
    if "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized():
        sys.stdout.flush()
        os._exit(error.exit_code)  # jax would wait for the other processes, which wait for this one
    sys.exit(error.exit_code)


def _parse(argv: list[str]) -> list[str]:
    try:
        if given := _config_argument(argv):
            _check_config_options(argv, given)
        return flags.FLAGS(argv)
    except flags.Error as error:
        raise UsageError(str(error)) from None


def _config_argument(argv: list[str]) -> str:
    for index, argument in enumerate(argv):
        if argument.lstrip("-").startswith("config="):
            return argument.partition("=")[2]
        if argument in ("--config", "-config") and index + 1 < len(argv):
            return argv[index + 1]
    return ""


def _check_config_options(argv: list[str], given: str) -> None:
    """Raises UsageError if the config file is missing, or for each unknown --config.KEY, with the nearest known one."""
    file = given.partition(":")[0]
    if not Path(file).is_file():
        raise UsageError(f"--config={given}: {file}: no such file; configs/README.md lists the configs")
    known = list(_keys(_load(given)))
    names = [argument.lstrip("-").partition("=")[0] for argument in argv if argument.startswith("-")]
    unknown = [name for name in names if name.startswith("config.") and name.removeprefix("config.") not in known]
    nearest = [difflib.get_close_matches(name.removeprefix("config."), known, n=1, cutoff=0.0)[0] for name in unknown]
    if unknown:
        raise UsageError("\n".join(map(_unknown_option, unknown, nearest)))


def _unknown_option(name: str, nearest: str) -> str:
    key = name.removeprefix("config.")
    return f"--{name}: {GONE[key][1]}" if key in GONE else f"--{name}: no such option; did you mean --config.{nearest}?"


def _load(given: str) -> ConfigDict:
    file, _, variant = given.partition(":")
    try:
        return runpy.run_path(file)["get_config"](variant)
    except DynjaxError:
        raise
    except Exception as error:  # a user's own config file can fail in any way
        raise UsageError(f"--config={given}: {type(error).__name__}: {error}") from error


def _keys(config: ConfigDict, prefix: str = ""):
    for key, value in config.items():
        yield prefix + key
        if isinstance(value, ConfigDict):
            yield from _keys(value, f"{prefix}{key}.")
