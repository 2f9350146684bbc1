"""Loads the config file that the command line names, which may be a user's own, and checks the options of its keys."""

import difflib
import inspect
import re
import runpy
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from ml_collections import ConfigDict, FrozenConfigDict

from dynjax.config_names import PACKAGE, base_offered, configs_folder, find_config
from dynjax.errors import DynjaxError, UsageError
from dynjax.run.keys import GONE, KEYS

OPTION = re.compile(r"--?(?P<no>no)?(?P<name>config(\.[^=]*)?)(=(?P<value>.*))?", re.DOTALL)

NO_PYTHON = (".json", ".yaml", ".yml", ".toml", ".csv", ".tsv")  # what is mistaken for a config
SHOWN = "`dynjax help configs` shows one"


def split_options(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    """Returns the arguments without --config and --config.KEY, and the value of each of these."""
    others, options, words = [], {}, iter(argv)
    for word in words:
        if found := OPTION.fullmatch(word):
            options[found["name"]] = found["value"] or ("" if _is_switch(found) else next(words, ""))
        else:
            others.append(word)
    return others, options


def _is_switch(option: re.Match) -> bool:
    """Whether the option has its value in the same word, or is one that needs none, such as --config.train.stream."""
    key = KEYS.get(option["name"].removeprefix("config."))
    return option["value"] is not None or bool(option["no"]) or (key is not None and isinstance(key.default, bool))


def check_options(argv: list[str]) -> list[str]:
    """Loads the config file and compares the options with its keys; returns the arguments as ml_collections takes them.

    Raises: UsageError if the file is missing or makes no config, or for each unknown key, with the nearest known one.
    """
    _, options = split_options(argv)
    first = next(iter(options), "config")
    given = options.pop("config", None)
    if given is None and options:
        raise UsageError(f"--{next(iter(options))}: --config=NAME is needed, whose key it is")
    if given is None:
        return argv
    with base_offered():
        get_config = _find(given)
        known = list(_keys(_make(given, get_config)))
    if first != "config":
        raise UsageError(f"--{first}: must stand after --config={given}, whose key it is")
    if unknown := [name for name in options if name.removeprefix("config.") not in known]:
        raise UsageError("\n".join(_unknown_option(name, known) for name in unknown))
    file, colon, variant = given.partition(":")
    colon = ":" if _needs_variant(get_config) else colon
    return list(_with_config(argv, f"{find_config(file)}{colon}{variant}"))


def load(given: str) -> FrozenConfigDict:
    """Loads the config that `--config=GIVEN` names, without checking it. Raises: UsageError as `check_options`."""
    with base_offered():
        return _make(given, _find(given))


def _find(given: str) -> Callable[..., ConfigDict]:
    """Runs the config file and returns its get_config. Raises: UsageError."""
    file = find_config(given.partition(":")[0])
    if file.suffix.lower() in NO_PYTHON:
        raise UsageError(f"--config={given}: a config is a name or a file FILE.py, and no {file.suffix} file; {SHOWN}")
    with _ErrorsOf(given, file):
        get_config = runpy.run_path(str(file)).get("get_config")
    if not callable(get_config):
        raise UsageError(f"--config={given}: has no function get_config(); {SHOWN}")
    return get_config


def _with_config(argv: list[str], file: str) -> Iterator[str]:
    """Yields the arguments with another value of --config."""
    words = iter(argv)
    for word in words:
        found = OPTION.fullmatch(word)
        if found is None or found["name"] != "config":
            yield word
        else:
            yield f"--config={file}"
            if found["value"] is None:
                next(words, None)


def _make(given: str, get_config: Callable[..., ConfigDict]) -> FrozenConfigDict:
    """Calls get_config as ml_collections does, but with an empty variant where it needs one. Raises: UsageError."""
    _, colon, variant = given.partition(":")
    with _ErrorsOf(given, find_config(given.partition(":")[0])):
        config = get_config(variant) if colon or _needs_variant(get_config) else get_config()
        if isinstance(config, ConfigDict):
            return FrozenConfigDict(config)
    returned = "None; it must end with `return config`" if config is None else f"a {type(config).__name__}"
    raise UsageError(f"--config={given}: get_config() must return a ConfigDict, but returns {returned}")


def _needs_variant(get_config: Callable) -> bool:
    parameters = inspect.signature(get_config).parameters.values()
    return any(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters)


class _ErrorsOf:
    """Turns whatever a user's config file raises into a UsageError; an error of this package keeps its traceback."""

    def __init__(self, given: str, file: Path):
        self.given, self.file = given, str(file)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> None:
        if not isinstance(error, Exception | SystemExit) or isinstance(error, DynjaxError):
            return
        frames = [frame for frame in traceback.extract_tb(trace) if frame.filename != __file__]
        if any(_is_ours(Path(frame.filename)) for frame in frames):
            return
        lines = [f"line {frame.lineno}: " for frame in frames if frame.filename == self.file]
        said = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
        raise UsageError(f"--config={self.given}: {lines[-1] if lines else ''}{said}") from None


def _is_ours(path: Path) -> bool:
    """Tells whether a file is this package's; the configs that it may hold count as a user's, who copies them."""
    return path.is_relative_to(PACKAGE) and not path.is_relative_to(configs_folder())


def _unknown_option(name: str, known: list[str]) -> str:
    key = name.removeprefix("config.")
    if key in GONE:
        return f"--{name}: {GONE[key][1]}"
    if any(each.startswith(f"{key}.") for each in known):
        return f"--{name}: is a section of the config; give a key of it, --{name}.KEY=VALUE"
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"--{name}: no such option" + (f"; did you mean --config.{nearest[0]}?" if nearest else "")


def _keys(config: ConfigDict, prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key
