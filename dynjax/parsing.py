"""Parses the command line: which verb, and its flags; what cannot be meant is refused with the nearest that can."""

import difflib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from absl import flags

from dynjax import config_file
from dynjax.config_names import base_offered, config_files
from dynjax.errors import InputError, UsageError
from dynjax.run.keys import KEYS

FOR_ALL = ("help", "version")  # flags that are no verb's own
FLAGFILE, UNDEFOK = "flagfile", "undefok"  # absl's, which it lists nowhere: a file of further flags; flags to ignore


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


def parse(verbs: Verbs, argv: list[str]) -> list[str]:
    """Sets all flags; returns the program's name and the positional arguments.

    Raises: UsageError for flags that the verb does not take, and for values that cannot be.
    """
    words = argv[1:]
    try:
        argv = flags.FLAGS.read_flags_from_files(argv, force_gnu=False)
        others, options = config_file.split_options(argv)
        _check_own(verbs, others[1:])
        words = flags.FLAGS(others, known_only=True)[1:]
        if not any(word.startswith("-") for word in words):  # flags that are unknown, which are refused below
            _check_flags(verbs, verb_of(verbs, words)[0], options)
        argv = config_file.check_options(argv)
        with base_offered():  # ml_collections loads the config once more
            return flags.FLAGS(argv)
    except flags.UnrecognizedFlagError as error:
        raise UsageError(_unknown_flag(verbs, words, error.flagname)) from None
    except flags.IllegalFlagValueError as error:
        raise UsageError(_illegal_value(str(error))) from None
    except flags.CantOpenFlagFileError as error:
        raise InputError(_unread_flagfile(error)) from None
    except flags.Error as error:
        raise UsageError(str(error)) from None


def _check_own(verbs: Verbs, words: Sequence[str]) -> None:
    """Raises UsageError for a flag that absl has and dynjax has not, such as --helpxml or -v."""
    own = {FLAGFILE, *FOR_ALL, *(flag for verb in verbs.values() for flag in verb.flags)}
    for word in itertools.takewhile(lambda word: word != "--", words):
        name = word.lstrip("-").partition("=")[0]
        for flag in (name, name.removeprefix("no")):
            if word.startswith("-") and (flag in flags.FLAGS or flag == UNDEFOK) and flag not in own:
                raise UsageError(_unknown_flag(verbs, [*words], name))


def verb_of(verbs: Verbs, arguments: list[str]) -> tuple[str, list[str]]:
    """Splits positional arguments into the verb, by default the first of all, and the rest. Raises: UsageError."""
    name, *rest = arguments or [next(iter(verbs))]
    if name in verbs:
        return name, rest
    if name.partition(":")[0] in config_files():
        raise UsageError(f"no verb is called {name}; did you mean --config={name}?")
    raise UsageError(f"no verb is called {name}; " + _nearest(name, verbs, "did you mean {}?", "`dynjax help` has all"))


def further_arguments(verbs: Verbs, name: str, words: list[str]) -> str:
    """Says that a verb takes no positional arguments, and which flag they may stand for."""
    said, (first, equals, value) = f"{name} takes no further arguments: {' '.join(words)}", words[0].partition("=")
    if "config" in verbs[name].flags and first.partition(":")[0] in config_files():
        return f"{said}; did you mean --config={first}?"
    if "workdir" in verbs[name].flags and os.path.isdir(words[0]):
        return f"{said}; did you mean --workdir={words[0]}?"
    return f"{said}; did you mean --{first}={value}?" if equals and first in verbs[name].flags else said


def _nearest(name: str, known: Iterable[str], found: str, none: str) -> str:
    """Advises the nearest of the known names, or says where to look."""
    nearest = difflib.get_close_matches(name, known, n=1)
    return found.format(nearest[0]) if nearest else none


def _unknown_flag(verbs: Verbs, words: list[str], flag: str) -> str:
    """Says which of the verb's own flags may be meant."""
    name = next((word for word in words if word in verbs), next(iter(verbs)))
    advice = _nearest(flag, (*verbs[name].flags, *FOR_ALL), "did you mean --{}?", f"`dynjax {name} --help` lists all")
    return f"--{flag}: there is no such flag; {advice}"


def _unread_flagfile(error: flags.CantOpenFlagFileError) -> str:
    reason = error.__context__
    assert isinstance(reason, OSError)
    return f"--flagfile={reason.filename}: cannot be read ({reason.strerror}); name a file with a flag on each line"


def _illegal_value(said: str) -> str:
    """Says what a flag's value must be, given what absl says of it: 'flag --NAME=VALUE: REASON'."""
    found = re.fullmatch(r"flag --(?P<name>[\w.-]+)=(?P<value>.*?): (?P<reason>.*)", said, re.DOTALL)
    if found is None:
        return f"{said}; --help shows what it takes"
    name, reason = found["name"], found["reason"]
    key = KEYS.get(name.removeprefix("config."))
    if key is not None and name.startswith("config."):
        reason = key.must()
    elif "must be" not in reason:  # what a validator says
        reason = f"must be {'true or false' if flags.FLAGS[name].boolean else flags.FLAGS[name].parser.syntactic_help}"
    return f"--{name}={found['value']}: {reason}"


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
