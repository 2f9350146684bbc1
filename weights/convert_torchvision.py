"""Converts torchvision's weights: python weights/convert_torchvision.py MODEL [--checkpoint=FILE] [--out=FILE]."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dynjax.errors import DynjaxError
from dynjax.models.trunks import TRUNKS
from dynjax.pretrained.source import convert_checkpoint, weights_folder


def main() -> int:
    parser = argparse.ArgumentParser(description="Convert pretrained weights to weights/MODEL.npz.")
    parser.add_argument("model", choices=sorted(TRUNKS))
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="a .pth, .safetensors or .npz file; without it the official file is downloaded",
    )
    parser.add_argument("--out", type=Path, help="where to write (default: weights/MODEL.npz)")
    args = parser.parse_args()
    out = args.out or weights_folder() / f"{args.model}.npz"
    try:
        convert_checkpoint(args.model, args.checkpoint, out)
    except DynjaxError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
