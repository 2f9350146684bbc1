"""Small cohorts in every layout, each with the tables that it is read from, and folders that cannot be read."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LABELS = ("CN", "AD", "CN", "AD")  # of the subjects 1 to 4


class World(NamedTuple):
    """What `load_cohort` is given, and the table of it that a test looks at, with its separator."""

    source: Path
    table: Path
    separator: str = "\t"


def write(table: Path, rows: list[list[str]], separator: str = "\t") -> None:
    """Writes cells as they are, without quotes."""
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")


def rows_of(world: World) -> list[list[str]]:
    return [line.split(world.separator) for line in world.table.read_text(encoding="utf-8").splitlines()]


def plain(folder: Path) -> World:
    rows = [[f"s{n}", "bl", label, f"s{n}.nii", "x"] for n, label in enumerate(LABELS, 1)]
    for row in rows:
        (folder / row[3]).touch()
    write(folder / "scans.csv", [["subject", "session", "label", "path", "notes"], *rows], ",")
    return World(folder / "scans.csv", folder / "scans.csv", ",")


def collection(folder: Path) -> World:
    rows = [[f"I{n}", f"002_S_000{n}", label, f"1/{n}/2006", "MPR", "x"] for n, label in enumerate(LABELS, 1)]
    for image, subject, *_ in rows:
        path = folder / "ADNI" / subject / f"ADNI_{image}.nii"
        path.parent.mkdir(parents=True)
        path.touch()
    write(folder / "c.csv", [["Image Data ID", "Subject", "Group", "Acq Date", "Description", "notes"], *rows], ",")
    return World(folder / "c.csv", folder / "c.csv", ",")


def participants(folder: Path) -> World:
    for number in range(1, 5):
        scan(folder, f"sub-0{number}")
    rows = [[f"sub-0{n}", label, "x"] for n, label in enumerate(LABELS, 1)]
    write(folder / "participants.tsv", [["participant_id", "diagnosis", "notes"], *rows])
    return World(folder, folder / "participants.tsv")


def sessions(folder: Path) -> World:
    """One sessions.tsv for all, as CAPS folders have it."""
    for number in range(1, 5):
        scan(folder, f"sub-0{number}", "ses-M000")
    rows = [[f"sub-0{n}", "ses-M000", label, "x"] for n, label in enumerate(LABELS, 1)]
    write(folder / "sessions.tsv", [["participant_id", "session_id", "diagnosis", "notes"], *rows])
    return World(folder, folder / "sessions.tsv")


def own_sessions(folder: Path) -> World:
    """A sessions.tsv for each subject; the test looks at the second subject's."""
    for number, label in enumerate(LABELS, 1):
        subject = f"sub-0{number}"
        for session in ("ses-M000", "ses-M006"):
            scan(folder, subject, session)
        rows = [[session, label, "x"] for session in ("ses-M000", "ses-M006")]
        write(folder / subject / f"{subject}_sessions.tsv", [["session_id", "diagnosis", "notes"], *rows])
    return World(folder, folder / "sub-02" / "sub-02_sessions.tsv")


def scans(folder: Path) -> World:
    """A sub-*_scans.tsv with the date of the scan; the test looks at the second subject's."""
    participants(folder)
    for number in range(1, 5):
        table = folder / f"sub-0{number}" / f"sub-0{number}_scans.tsv"
        rows = [[f"anat/sub-0{number}_T1w.nii.gz", "2006-01-31T10:00:00", "x"]]
        write(table, [["filename", "acq_time", "notes"], *rows])
    return World(folder, folder / "sub-02" / "sub-02_scans.tsv")


WORLDS: dict[str, Callable[[Path], World]] = {
    "plain": plain,
    "collection": collection,
    "participants": participants,
    "sessions": sessions,
    "own sessions": own_sessions,
    "scans": scans,
}


def scan(folder: Path, subject: str, session: str = "", name: str = "") -> Path:
    """Makes an empty T1w scan; `name` has its entities after the session, such as 'run-1_'."""
    path = folder / subject / session / "anat" / f"{subject}_{session}{'_' * bool(session)}{name}T1w.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def quoted(path: Path, rows: list[list[str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def unreadable(monkeypatch, folder: Path) -> None:
    """Has the system refuse to list a folder, also to root, to whom permissions do not apply."""

    def refusing(call):
        def listed(path="."):
            if Path(path) == folder:
                raise PermissionError(13, "Permission denied", str(path))
            return call(path)

        return listed

    monkeypatch.setattr(os, "listdir", refusing(os.listdir))
    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
