"""Lays out the help of the command and of each verb, as wide as the terminal is."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from absl import flags

from dynjax import __version__
from dynjax.help_pages import CODES, PAGES, Page
from dynjax.parsing import Verbs, verb_of
from dynjax.work.screen import screen_width

HELP = ("-h", "-help", "--help", "--helpshort", "--helpfull", "-?")
VERSION = ("--version", "-version")
VALUES = {  # what stands after a flag; others have the last part of their name
    "workdir": "DIR",
    "table": "FILE.csv",
    "subgroups": "COLUMN,...",
    "beside": "DIR,...",
    "subjects": "ID,...",
    "description": "PATTERN",
    "atlas": "FILE.nii.gz",
    "atlas-names": "FILE.tsv",
    "scheduler": "ADDRESS",
}
KEYS = ("--config.KEY=VALUE", "another value of a key of the config; `dynjax show` prints them")
OVERVIEW = """\
dynjax classifies 3D brain MRI from 2D dynamic images.

usage: dynjax VERB [--FLAG=VALUE ...]
       dynjax VERB --help        a verb's flags, examples and exit codes
       dynjax --version

verbs, in the order in which a study needs them:
{verbs}

without scans of your own, a few minutes on SYNTHETIC phantoms:
  dynjax train --config=dyn_mobilenet_v2:quick
  dynjax report --workdir=runs/dyn_mobilenet_v2-quick

exit codes:
{codes}

Without a verb, dynjax --config=CONFIG trains. In a checkout, `python main.py`
is the same program."""


def help_for(verbs: Verbs, arguments: Sequence[str]) -> str:
    """Returns the text that the arguments ask for, or '' if they ask for none. Raises: UsageError for an unknown verb.

    Without any arguments it is the list of verbs.
    """
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if words and words[0] != "help" and not {*HELP, *VERSION} & set(words):
        return ""
    if set(words) & set(VERSION):
        return f"dynjax {__version__}"
    named = [word for word in words if word not in ("help", *HELP)]
    if named and not named[0].startswith("-"):
        return _verb_help(verbs, verb_of(verbs, named)[0])
    name = next((word for word in named if word in verbs), "")
    return _verb_help(verbs, name) if name else _overview()


def _overview() -> str:
    return OVERVIEW.format(
        verbs=_listed({name: page.summary for name, page in PAGES.items()}),
        codes=_listed({str(code): text for code, text in CODES.items()}),
    )


def _verb_help(verbs: Verbs, name: str) -> str:
    page = PAGES[name]
    usage = _paragraph(f"usage: dynjax {name} {page.usage}".rstrip(), " " * len(f"usage: dynjax {name} "))
    parts = [usage, _paragraph(f"{page.summary} {page.more}".rstrip())]
    if rows := dict(_flags(verbs[name].flags, page)):
        parts.append(f"flags:\n{_listed(rows)}")
    parts.append("examples:\n" + "\n".join(f"  dynjax {example}" for example in page.examples))
    parts += filter(None, [page.sample])
    parts.append("exit codes:\n" + _listed({str(code): text for code, text in page.codes.items()}))
    return "\n\n".join(parts)


def _flags(names: Sequence[str], page: Page) -> Iterator[tuple[str, str]]:
    """Yields each flag with its value, and what it does."""
    for name in names:
        value, text = page.flags.get(name, (VALUES.get(name, name.rpartition("-")[2].upper()), flags.FLAGS[name].help))
        yield f"--{name}" if flags.FLAGS[name].boolean else f"--{name}={value}", text
        if name == "config":
            yield KEYS


def _listed(rows: Mapping[str, str]) -> str:
    """Sets names and texts side by side; a name is never parted from its text."""
    margin = max(map(len, rows)) + 4
    return "\n".join(_paragraph(f"  {name}".ljust(margin) + text, " " * margin) for name, text in rows.items())


def _paragraph(text: str, indent: str = "") -> str:
    return textwrap.fill(text, screen_width(), subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
