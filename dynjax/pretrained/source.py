"""Which weights a run starts from: a converted file, one made on the spot, or none."""

from pathlib import Path

from dynjax.errors import InputError
from dynjax.files import cache_folder
from dynjax.pretrained.official import check_digest, fetch_official, official_name
from dynjax.pretrained.state_dict import read_state_dict
from dynjax.pretrained.weights import Weights, read_weights, write_weights
from dynjax.work.progress import console

MODES = ("auto", "required", "none")


def weights_folder() -> Path:
    """weights/ beside main.py in a checkout; without one (an installed package), a folder in the cache."""
    beside_main = Path(__file__).resolve().parents[2] / "weights"
    return beside_main if beside_main.is_dir() else cache_folder() / "weights"


def convert_checkpoint(model: str, checkpoint: Path | None, out: Path) -> None:
    """Writes the converted weights of a state dict, of torchvision's official one where `checkpoint` is None, to `out`.

    A copy of an official file is known by its sha256 and carries the official name as its source.
    Raises: InputError for a file that is refused or cannot be fetched.
    """
    checkpoint = checkpoint or fetch_official(model)
    state = read_state_dict(checkpoint)
    digest = check_digest(checkpoint)
    try:
        write_weights(out, model, state, official_name(digest) or checkpoint.name, digest)
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from None


def find_weights(model: str, mode: str) -> Weights | None:
    """The converted weights of `model`, made first if need be; None for 'none', or for 'auto' where none can be had.

    Raises: InputError for a file that is refused and, in mode 'required', where none can be had.
    """
    if mode == "none":
        return None
    path = weights_folder() / f"{model}.npz"
    if not path.exists():
        console.print(f"{path} is not here yet: converting torchvision's official weights")
        try:
            convert_checkpoint(model, None, path)
        except InputError as error:
            if mode == "required":
                raise
            _warn_of_random_weights(model, error)
            return None
    return read_weights(path, model)


def _warn_of_random_weights(model: str, reason: InputError) -> None:
    console.rule("[bold red]NO PRETRAINED WEIGHTS", style="bold red")
    console.print(
        f"{model} starts from RANDOM weights, and its results will be far below those from ImageNet's.\n"
        f"Why: {reason}\nresults.json will say so. To insist on them: --config.model.pretrained=required",
        markup=False,
    )
    console.rule(style="bold red")
