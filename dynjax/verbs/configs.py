"""`configs`: lists the configs that come with dynjax, and what each one is."""

import textwrap
from collections.abc import Iterator

from dynjax import config_file
from dynjax.config_names import base, config_files, summary_of
from dynjax.errors import UsageError
from dynjax.work.screen import screen_width

GUIDE = """
Variants stand after a colon, joined by commas: --config=NAME:quick,skull"""


def configs() -> None:
    """Prints the name, a sentence and the variants of each config, and what the variants are."""
    meaning: dict[str, str] = base().VARIANTS
    files = config_files()
    margin, width = max(map(len, files)) + 2, screen_width()
    for name, file in files.items():
        print(_paragraph(name.ljust(margin), summary_of(file), width))
        if variants := list(_variants(name, meaning)):
            print(_paragraph(" " * margin, f"variants: {', '.join(variants)}", width))
    print(GUIDE)
    for name, text in meaning.items():
        print(_paragraph(name.ljust(margin), text, width))


def _paragraph(name: str, text: str, width: int) -> str:
    return textwrap.fill(text, width, initial_indent=name, subsequent_indent=" " * len(name))


def _variants(name: str, known: dict[str, str]) -> Iterator[str]:
    """Yields the variants that the config can be made with, and that change it."""
    plain = config_file.load(name).to_dict()
    for variant in known:
        try:
            changed = config_file.load(f"{name}:{variant}").to_dict()
        except UsageError:  # a baseline has no attention to leave out
            continue
        if changed != plain:
            yield variant
