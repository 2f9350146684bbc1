"""Turns the shell's flags into a verb's arguments, and every expected failure into one message and an exit code."""

import contextlib
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from absl import app, logging
from ml_collections import FrozenConfigDict

from dynjax.errors import DynjaxError, Stopped, UsageError
from dynjax.files import expanded
from dynjax.help_text import help_for
from dynjax.parsing import Verbs, further_arguments, parse, verb_of

READER_GONE = 128 + signal.SIGPIPE  # what a shell gives for a command that printed into a pipe which nobody reads
STOPPED = "stopped; everything finished so far is saved; the same command continues from there"


def run(verbs: Verbs, around: Callable[[str], AbstractContextManager] = contextlib.nullcontext) -> None:
    """Prints the help that is asked for, or runs the verb; exits with the code that `dynjax.errors` promises.

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
        if text := help_for(verbs, sys.argv[1:]):
            print(text, flush=True)
        else:
            app.run(lambda argv: _do(verbs, around, argv[1:]), flags_parser=lambda argv: parse(verbs, argv))
    except DynjaxError as error:
        _exit(error)
    except KeyboardInterrupt:
        _exit(Stopped(STOPPED))
    except MemoryError as error:
        _exit(_out_of_memory(error))
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):  # a jax.errors.JaxRuntimeError of a device's memory
            raise
        _exit(_out_of_memory(error))
    except BrokenPipeError as error:
        if error.filename is None:
            _end(READER_GONE)
        _exit(_failed(error))
    except OSError as error:  # such as a full disk or a folder without write permission
        _exit(_failed(error))


def config_of(flag) -> FrozenConfigDict:
    if flag.value is None:
        raise UsageError("--config=NAME is needed; `dynjax configs` lists the names")
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
    name, rest = verb_of(verbs, arguments)
    if rest and not (verbs[name].needs or verbs[name].takes):
        raise UsageError(further_arguments(verbs, name, rest))
    if verbs[name].needs and not rest:
        raise UsageError(f"{name} needs {verbs[name].needs}")
    arguments_of_verb = verbs[name].arguments(rest)
    importlib.import_module("dynjax.work.compiling").end_when_asked(_end_at_once)  # loads rich, which help needs not
    with around(name):
        getattr(importlib.import_module(f"dynjax.verbs.{name}"), name)(**arguments_of_verb)  # loads jax, so not before
    sys.stdout.flush()  # here a full disk is an error that is caught


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


def _failed(error: OSError) -> DynjaxError:
    """Names the file of an error; one without a file comes from printing."""
    file = os.fsdecode(error.filename) if error.filename else "standard output"
    return DynjaxError(f"{file}: {error.strerror or error}; everything saved before is kept")


def _exit(error: DynjaxError) -> NoReturn:
    with contextlib.suppress(BrokenPipeError):
        print(error, file=sys.stderr, flush=True)
    _end(error.exit_code)


def _end(code: int) -> NoReturn:
    """Ends the command; what its outputs do not take, on a full disk or once their reader is gone, is dropped."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # Python would complain of it once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized():
        os._exit(code)  # jax would wait for the other processes, which wait for this one
    sys.exit(code)


def _end_at_once() -> NoReturn:
    """Ends the process without waiting for the main thread, which is compiling."""
    with contextlib.suppress(BrokenPipeError):
        print(STOPPED, file=sys.stderr, flush=True)
    os._exit(Stopped.exit_code)
