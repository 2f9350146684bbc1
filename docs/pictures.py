"""Makes the pictures of README.md and of these pages, all of SYNTHETIC subjects: `make pictures`.

python -m docs.pictures [RUN]          RUN: a run of the recipe, made anew by default; some three minutes
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import nibabel
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage

import dynjax
from dynjax.cohort.phantom.anatomy import AFFINE
from dynjax.files import atomic_path
from dynjax.report.canvas import NEGATIVE, POSITIVE
from dynjax.report.map_picture import draw_plane, limit_of, mark_sides, plane

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "pictures"
RUN = ROOT / "runs" / "pictures"
SUBJECT = "007_S_0087"  # of the run: called AD with a probability of 0.99, and labelled so
AXIAL, CORONAL = 45, 53  # slices through the ventricles, and through the temporal horns
SMOOTHING = 1.0  # voxels; a map's single voxels are noise
RAW = (0, 1, 2)  # raw scans of both labels, which a cohort needs; the first is drawn
DOTS, COLOURS = 130, 128  # an inch; of a PNG's palette
UNLIKE = {  # what is done to a scan, each shown with the verdict of `predict`
    "as it is": lambda volume: volume,
    "turned by 10 degrees": lambda volume: ndimage.rotate(volume, 10, (1, 2), reshape=False, order=1),
    "upside down": lambda volume: volume[:, :, ::-1],
    "inverted": lambda volume: np.where(volume > 0, volume.max() - volume, 0),
    "half missing": lambda volume: np.where(np.arange(volume.shape[1])[:, None] < 55, volume, 0),
}


def main(run: Path) -> None:
    if not (run / "results.json").exists():
        command("train", "--config=configs/best.py", f"--workdir={run}")
    if not list((run / "explanation").glob(f"{SUBJECT}*")):
        command("explain", f"--workdir={run}", f"--subjects={SUBJECT}")
    answer_picture(run)
    verdicts_picture(run)
    prepared_picture()


def answer_picture(run: Path) -> None:
    """Draws a scan, its dynamic image, the answer to it among all others, and the map that explains it."""
    about = json.loads(next((run / "explanation").glob(f"{SUBJECT}*/attribution.json")).read_text())
    volume = dynjax.load_volume(scan_of(run, SUBJECT)).data
    values = nibabel.load(next((run / "explanation").glob(f"{SUBJECT}*/attribution.nii.gz"))).get_fdata()
    figure, (scan, image, answer, why) = row_of(4, (9.6, 3.1), "SYNTHETIC: this subject does not exist")
    show(scan, plane(volume, 2, AXIAL), 2, "a scan")
    show(image, dynjax.project(volume, "dynamic").T[::-1], 2, "its dynamic image")
    draw_answers(answer, run, about["probability"])
    smooth = ndimage.gaussian_filter(values, SMOOTHING)
    draw_plane(why, volume, smooth, 1, CORONAL, limit_of(smooth))
    why.set_title("for AD: red, against: blue", fontsize=10)
    save(figure, "answer")


def draw_answers(axes: Axes, run: Path, probability: float) -> None:
    """Draws the probabilities of all subjects by label, and the one."""
    for row, (label, colour) in enumerate({"CN": NEGATIVE, "AD": POSITIVE}.items()):
        of_label = [float(each["probability"]) for each in predictions_of(run) if each["label"] == label]
        axes.plot(of_label, np.full(len(of_label), row), "|", markersize=20, color=colour, alpha=0.6)
    axes.plot([probability], [1.42], "v", color="black", markersize=8)
    axes.text(probability, 1.6, f"this scan: AD, {probability:.2f}", ha="right", fontsize=10)
    axes.set(yticks=[0, 1], yticklabels=["CN", "AD"], ylim=(-0.6, 2.1), xlim=(-0.05, 1.05), xticks=[0, 0.5, 1])
    axes.set_xlabel("probability of AD", fontsize=9)
    axes.set_title("the answer, among 100", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_box_aspect(1)


def verdicts_picture(run: Path) -> None:
    """Draws a scan and what becomes of it, each with what `predict` says."""
    volume = dynjax.load_volume(scan_of(run, SUBJECT)).data
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{name.replace(' ', '_')}.nii.gz") for name in UNLIKE]
        for path, change in zip(paths, UNLIKE.values()):
            nibabel.save(nibabel.Nifti1Image(change(volume).astype(np.float32), AFFINE), path)
        command("predict", f"--workdir={run}", *paths, f"--out={folder}/answers.csv", codes=(0, 3))
        answers = read_table(Path(folder, "answers.csv"))
    figure, panes = row_of(len(UNLIKE), (9.6, 2.8), "SYNTHETIC")
    for pane, (name, change), answer in zip(panes, UNLIKE.items(), answers):
        number = f", {float(answer['probability']):.2f}" if answer["probability"] else ""
        show(pane, plane(change(volume), 0, 50), 0, f"{name}\n{answer['verdict']}{number}")
    save(figure, "verdicts")


def prepared_picture() -> None:
    """Draws a raw scan of a synthetic subject and what `prepare` makes of it."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.preparation import write_table
    from benchmarks.raw_scans import raw_scan

    scans = {f"p{number}": raw_scan(number) for number in RAW}
    raw = scans["p0"]
    with tempfile.TemporaryDirectory() as folder:
        table = write_table(Path(folder), scans)
        where = (f"--config.cohort.table={table}", f"--out={folder}/prepared")
        command("prepare", "--config=configs/dyn_vgg11.py", *where)
        done = nibabel.load(Path(folder, "prepared", "p0_bl_T1w.nii.gz")).get_fdata()
    figure, panes = row_of(4, (9.6, 2.7), "SYNTHETIC")
    before = nibabel.as_closest_canonical(raw.image)
    sides = before.header.get_zooms()
    for pane, axis in zip(panes, (1, 0)):
        height, width = _sides(sides, axis)
        show(pane, plane(before.get_fdata(), axis, before.shape[axis] // 2), axis, "the raw scan", height / width)
    for pane, axis in zip(panes[2:], (1, 0)):
        show(pane, plane(done, axis, done.shape[axis] // 2), axis, "prepared")
    save(figure, "prepared")


def _sides(sides: tuple[float, ...], axis: int) -> tuple[float, float]:
    """Returns the height and the width of a pixel of a plane, in mm."""
    width, height = (side for place, side in enumerate(sides) if place != axis)
    return height, width


def row_of(count: int, size: tuple[float, float], mark: str) -> tuple[Figure, list[Axes]]:
    """Makes a figure with a row of panes and the mark at its foot."""
    figure, panes = pyplot.subplots(1, count, figsize=size, dpi=DOTS, layout="constrained")
    figure.supxlabel(mark, fontsize=9, weight="bold")
    return figure, list(panes)


def show(axes: Axes, image: np.ndarray, axis: int, title: str, aspect: float = 1.0) -> None:
    """Draws an image [rows, columns] from the top left, in grey, with L and R unless it is seen along x, axis 0."""
    axes.imshow(image, "gray", aspect=aspect, vmax=np.percentile(image, 99.8))
    axes.set_title(title, fontsize=10)
    axes.set(xticks=[], yticks=[])
    if axis != 0:
        mark_sides(axes)


def save(figure: Figure, name: str) -> None:
    """Writes a figure as a PNG of few colours, which is small."""
    OUT.mkdir(exist_ok=True)
    for _ in range(2):  # the layout of panes of fixed shape settles at the second
        figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    with atomic_path(OUT / f"{name}.png") as temporary:
        pixels.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            temporary, format="PNG", optimize=True
        )
    pyplot.close(figure)


def predictions_of(run: Path) -> list[dict[str, str]]:
    return read_table(run / "predictions.csv")


def read_table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def scan_of(run: Path, subject: str) -> Path:
    """Returns a subject's scan that the run used."""
    from dynjax.run.data import find_cohort
    from dynjax.run.workdir import Workdir

    return next(scan.path for scan in find_cohort(Workdir(run).read_config()).scans if scan.subject == subject)


def command(*arguments: object, codes: tuple[int, ...] = (0,)) -> None:
    """Runs `dynjax ARGUMENTS`. codes: the exit codes that are expected."""
    done = subprocess.run([sys.executable, "main.py", *map(str, arguments)], cwd=ROOT)
    if done.returncode not in codes:
        raise SystemExit(f"{arguments[0]} ended with code {done.returncode}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else RUN)
