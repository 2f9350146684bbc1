"""Finds the weights that a run starts from: a converted file, one converted now, or none."""

from pathlib import Path

from dynjax.errors import InputError
from dynjax.files import cache_folder
from dynjax.pretrained.official import check_digest, fetch_official, official_name
from dynjax.pretrained.state_dict import read_state_dict
from dynjax.pretrained.weights import Weights, read_weights, write_weights
from dynjax.work.progress import console

MODES = ("auto", "required", "none")


def weights_folder() -> Path:
    """Returns weights/ beside main.py in a checkout, or a folder of the cache for an installed package."""
    beside_main = Path(__file__).resolve().parents[2] / "weights"
    return beside_main if beside_main.is_dir() else cache_folder() / "weights"


def convert_checkpoint(model: str, checkpoint: Path | None, out: Path) -> None:
    """Converts a state dict and writes the weights to `out`; by default it converts torchvision's official file.

    A copy of an official file is recognised by its sha256, and the weights record the official name as their source.
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
    """Returns the converted weights of `model`, after converting the official ones if there are none yet.

    Args: mode, one of MODES.
    Returns: None in mode 'none', and in mode 'auto' if there are no weights and none can be fetched.
    Raises: InputError for a file that is refused and, in mode 'required', if no weights can be fetched.
    """
    if mode == "none":
        return None
    path = weights_folder() / f"{model}.npz"
    if not path.exists():
        console.print(f"{path} does not exist yet: converting torchvision's official weights")
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
        f"{model} starts from RANDOM weights; its results will be far below those with ImageNet weights.\n"
        f"Reason: {reason}\nresults.json will say so. To insist on the weights: --config.model.pretrained=required",
        markup=False,
    )
    console.rule(style="bold red")
