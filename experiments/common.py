# SPDX-License-Identifier: Apache-2.0
"""What the experiments share: options, a network with its data, results with their origin."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import cygnet
from cygnet.conversion import FoldedNetwork, fold
from cygnet.data import Dataset, input_spec, load, numbers
from cygnet.files import write_text
from cygnet.models import build, load_weights
from cygnet.network import InputSpec

__all__ = ["Setup", "options", "prepare", "report", "whole_numbers"]


@dataclass
class Setup:
    """A trained network and what it is judged on.

    :param images: test images, the first ``--limit`` of them
    :param calibration: uint8 training images, drawn with ``--seed``
    """

    arguments: argparse.Namespace
    model: nn.Module
    folded: FoldedNetwork
    spec: InputSpec
    images: Dataset
    calibration: NDArray[np.uint8]
    device: torch.device


def options(description: str | None) -> argparse.ArgumentParser:
    """The options of every experiment."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", help="module:factory, or a network of the zoo")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--train", action="append", required=True, help=".npz to calibrate on")
    parser.add_argument("--test", required=True, help=".npz to judge on")
    parser.add_argument("--mean", default="0")
    parser.add_argument("--std", default="1")
    parser.add_argument("--calibrate", type=int, default=1000, help="training images")
    parser.add_argument("--limit", type=int, default=None, help="test images")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of training images")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float64", choices=["float64", "float32"])
    parser.add_argument("--commit", default=None, help="where git is not at hand")
    parser.add_argument("--out", required=True, help="JSON to write")
    return parser


def whole_numbers(text: str) -> list[int]:
    return [int(item) for item in text.split(",")]


def prepare(arguments: argparse.Namespace) -> Setup:
    """Load what the options name."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    images = load(arguments.test, prefer="test")
    if arguments.limit is not None:
        images = images.take(slice(0, arguments.limit))
    training = load(arguments.train, prefer="train")
    _, chosen = training.divide(arguments.calibrate, arguments.seed)
    mean, std = numbers(arguments.mean, "--mean"), numbers(arguments.std, "--std")
    spec = input_spec(images, mean=mean, std=std)
    model = build(arguments.model)
    load_weights(model, arguments.weights)
    model.eval()
    folded = fold(model, spec)
    device = torch.device(arguments.device)
    return Setup(arguments, model, folded, spec, images, chosen.x, device)


def report(setup: Setup, began: float, results: dict[str, Any]) -> None:
    """Write results together with what they came from."""
    arguments = setup.arguments
    names = ("model", "calibrate", "seed", "dtype", "device")
    origin = {
        "command": shlex.join(["python", *_shortened(sys.argv)]),
        "commit": arguments.commit or _commit(),
        "cygnet": cygnet.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "test_images": len(setup.images),
        "seconds": round(time.monotonic() - began, 1),
        **{name: getattr(arguments, name) for name in names},
    }
    text = json.dumps({"origin": origin, **results}, indent=1)
    write_text(arguments.out, text + "\n")


def _shortened(arguments: Sequence[str]) -> list[str]:
    """Absolute paths by their last part (weights by their last two): the rest is local."""
    return [
        "/".join(Path(item).parts[-2 if item.endswith(".safetensors") else -1 :])
        if item.startswith("/")
        else item
        for item in arguments
    ]


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
