"""A page as values, rendered as one self-contained HTML file: no scripts, fonts or requests."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dynjax.csv_table import to_csv
from dynjax.files import atomic_path, write_text
from dynjax.report.canvas import INK, MARK
from dynjax.report.glossary import Term, glossary
from dynjax.report.table_width import COMPACT, LEAST, is_long, least_width, whole_ends

NARROW = 5  # columns, at most, of a table that fits beside a figure
Rows = Sequence[Sequence[Any]]


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Items(NamedTuple):
    """A list of sentences."""

    items: Sequence[str]


class Points(NamedTuple):
    """Holds what a reader who is no engineer wants to know first: pairs of what it is about, and paragraphs."""

    points: Sequence[tuple[str, Sequence[str]]]


class Numbers(NamedTuple):
    """The key results: (name, value, interval)."""

    numbers: Sequence[tuple[str, str, str]]


class Figure(NamedTuple):
    """An SVG from `report.canvas`. alt: a description for readers who cannot see it."""

    name: str
    svg: str
    caption: str
    alt: str

    @property
    def inline(self) -> Markup:
        """Returns the SVG element to put into the page."""
        return _inline(self.svg, self.name, self.alt)


class Picture(NamedTuple):
    """A PNG. alt: a description for readers who cannot see it."""

    name: str
    png: bytes
    caption: str
    alt: str

    @property
    def address(self) -> str:
        """Returns the address that carries the picture itself."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


class Glossary(NamedTuple):
    """The words that a page explains at its end; headings of its tables are links to them."""

    terms: Sequence[Term]


class Links(NamedTuple):
    """Links to files beside the page: (text, address relative to it)."""

    links: Sequence[tuple[str, str]]


class Table(NamedTuple):
    """A table of texts. numbers: the head and rows of its CSV, where they differ.

    Where it has less room than it needs, each row becomes a block, so that no table runs off the side.
    """

    name: str
    caption: str
    head: Sequence[str]
    rows: Rows
    numbers: tuple[Sequence[str], Rows] | None = None

    @property
    def narrow(self) -> bool:
        """Returns whether the table fits beside a figure."""
        return len(self.head) <= NARROW

    @property
    def folds(self) -> bool:
        """Returns whether the table can fold; a name and a value stand side by side on any screen."""
        return len(self.head) > 2

    @property
    def needs(self) -> int:
        """Returns how many digits wide the table is at least, in steps; it folds where there is less room."""
        return least_width(self.head, self.rows)

    @property
    def compact(self) -> bool:
        """Returns whether all cells are short, so that folded rows can have several in a line."""
        return all(len(cell) <= COMPACT for row in self.rows for cell in row[1:])

    @property
    def csv(self) -> str:
        """Returns the table as CSV."""
        head, rows = self.numbers or (self.head, self.rows)
        return to_csv(head, rows)


Block = Text | Items | Points | Numbers | Figure | Picture | Links | Table | Glossary


class Section(NamedTuple):
    """A section with its heading."""

    title: str
    blocks: Sequence[Block]


class Page(NamedTuple):
    """A whole page. notices: the warnings at its top, before any number. subtitle: the run's own name."""

    title: str
    notices: Sequence[str]
    sections: Sequence[Section]
    footer: str
    subtitle: str = ""

    @property
    def needs(self) -> list[int]:
        """Returns the widths, in digits, at which a table of the page folds."""
        return sorted({block.needs for block in self.blocks() if isinstance(block, Table) and block.folds})

    def heads(self) -> set[str]:
        """Returns the headings of all tables' columns."""
        return {head for block in self.blocks() if isinstance(block, Table) for head in block.head}

    def blocks(self) -> Iterator[Block]:
        """Yields the blocks of all sections."""
        for section in self.sections:
            yield from section.blocks

    @property
    def terms(self) -> dict[str, str]:
        """Returns where the glossary explains each word, spelling -> anchor; {} for a page without one."""
        found: dict[str, str] = {}
        for block in self.blocks():
            for term in block.terms if isinstance(block, Glossary) else ():
                for spelling in (term.title, *term.also):
                    found.setdefault(spelling, f"term-{term.anchor}")
        return found


def with_glossary(page: Page, results: Mapping[str, Any], classes: tuple[str, str]) -> Page:
    """Adds a last section that explains the page's words."""
    terms = list(glossary(results, classes, page.heads()))
    return page._replace(sections=[*page.sections, Section("Glossary", [Glossary(terms)])])


def render(page: Page) -> str:
    """Renders a page as HTML; texts are escaped."""
    loader = PackageLoader("dynjax", "report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"kind": lambda block: type(block).__name__, "is_long": is_long, "whole_ends": whole_ends}
    return environment.get_template("page.html.j2").render(page=page, terms=page.terms, least=LEAST)


def save_parts(page: Page, folder: Path, names: Sequence[str]) -> None:
    """Writes each figure as .svg, each picture as .png and each table as .csv, for papers and slides.

    Deletes files that an earlier page left: those of the parts `names` that this page does not have.
    """
    parts = {f"{block.name}.svg": block.svg for block in page.blocks() if isinstance(block, Figure)}
    parts |= {f"{block.name}.csv": block.csv for block in page.blocks() if isinstance(block, Table)}
    pictures = {f"{block.name}.png": block.png for block in page.blocks() if isinstance(block, Picture)}
    for name in names:
        for file in (f"{name}.svg", f"{name}.csv", f"{name}.png"):
            if file not in parts and file not in pictures:
                (folder / file).unlink(missing_ok=True)
    for name, text in parts.items():
        write_text(folder / name, text)
    for name, png in pictures.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(png)


def _inline(svg: str, name: str, alt: str) -> Markup:
    """Returns the SVG element without metadata and size, in the page's colour, with ids unique within the page.

    It is described by its mark, if it has one, which those who cannot see the figure would miss otherwise.
    """
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # Ids that something refers to get the figure's name as a prefix; all others are dropped.
    used = {*re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg), MARK}
    described = f' aria-describedby="{name}-{MARK}"' if f'id="{MARK}"' in svg else ""
    svg = re.sub(r' id="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg).replace(INK, "currentColor")
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"{described}', 1))
