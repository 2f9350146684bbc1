"""A page as values, and as one HTML file that needs nothing else: no script, no font, no request."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dynjax.csv_table import to_csv
from dynjax.files import write_text
from dynjax.report.canvas import INK

NARROW = 5  # columns
Rows = Sequence[Sequence[Any]]


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Items(NamedTuple):
    """A list of sentences."""

    items: Sequence[str]


class Numbers(NamedTuple):
    """The few that matter: (name, value, interval)."""

    numbers: Sequence[tuple[str, str, str]]


class Figure(NamedTuple):
    """An SVG of `report.canvas`; alt: the same in words, for who cannot see it."""

    name: str
    svg: str
    caption: str
    alt: str

    @property
    def inline(self) -> Markup:
        return _inline(self.svg, self.name, self.alt)


class Table(NamedTuple):
    """Cells are texts; numbers: head and rows of the CSV, where these are not the same."""

    name: str
    caption: str
    head: Sequence[str]
    rows: Rows
    numbers: tuple[Sequence[str], Rows] | None = None

    @property
    def narrow(self) -> bool:
        """Whether it can stand beside a figure."""
        return len(self.head) <= NARROW

    @property
    def csv(self) -> str:
        head, rows = self.numbers or (self.head, self.rows)
        return to_csv(head, rows)


Block = Text | Items | Numbers | Figure | Table


class Section(NamedTuple):
    title: str
    blocks: Sequence[Block]


class Page(NamedTuple):
    """notices: what has to be known before any number is read; they stand at the top."""

    title: str
    notices: Sequence[str]
    sections: Sequence[Section]
    footer: str

    def blocks(self) -> Iterator[Block]:
        for section in self.sections:
            yield from section.blocks


def render(page: Page) -> str:
    loader = PackageLoader("dynjax", "report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("page.html.j2").render(page=page)


def save_parts(page: Page, folder: Path, names: Sequence[str]) -> None:
    """Each figure as .svg and each table as .csv, for papers and slides.

    Of the parts called by `names`, those that an earlier page had and this one has not go.
    """
    parts = {f"{block.name}.svg": block.svg for block in page.blocks() if isinstance(block, Figure)}
    parts |= {f"{block.name}.csv": block.csv for block in page.blocks() if isinstance(block, Table)}
    for gone in {f"{name}.{suffix}" for name in names for suffix in ("svg", "csv")} - set(parts):
        (folder / gone).unlink(missing_ok=True)
    for name, text in parts.items():
        write_text(folder / name, text)


def _inline(svg: str, name: str, alt: str) -> Markup:
    """The element alone, in the page's colour, its names apart from those of other figures."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg).replace(INK, "currentColor")
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1))
