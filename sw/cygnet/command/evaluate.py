# SPDX-License-Identifier: Apache-2.0
"""``cygnet eval``: accuracy of an integer network, in the golden model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cygnet.command.common import (
    AsJson,
    Data,
    Limit,
    Split,
    accuracy,
    bar,
    images,
    percent,
    print_json,
    show,
    step_list,
)
from cygnet.golden.values import run
from cygnet.network_file import load

__all__ = ["evaluate"]


def evaluate(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    data: Data,
    split: Split = None,
    steps: Annotated[
        str | None, typer.Option(help="Time-steps, such as 1,2,4; all that the file allows.")
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy of a .cyg file for each number of time-steps, in the golden model.

    Example: cygnet eval mnist.cyg --data mnist.npz --steps 1,2,4
    """
    loaded = load(network)
    wanted = step_list(steps, loaded, network)
    x, y = images(data, split, limit, loaded, network)
    began = time.perf_counter()
    with bar("golden model", quiet=as_json) as progress:
        result = run(
            loaded,
            x,
            steps=wanted[-1],
            each_step=True,
            progress=lambda done: progress(done, len(x)),
        )
    seconds = time.perf_counter() - began
    assert result.after is not None
    found = {t: accuracy(result.after[t - 1].argmax(axis=1), y) for t in wanted}
    if as_json:
        print_json(
            {
                "network": loaded.digest,
                "images": len(x),
                "accuracy": {str(t): share for t, share in found.items()},
                "seconds": seconds,
            }
        )
        return
    show(
        f"{network}: {len(x)} images",
        ["T", "accuracy", "right"],
        [[t, percent(share), round(share * len(x))] for t, share in found.items()],
    )
