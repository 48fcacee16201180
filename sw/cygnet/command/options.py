# SPDX-License-Identifier: Apache-2.0
"""The options that choose an accelerator: the same in every command that builds one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import typer

from cygnet.command.common import offered, one_of, whole_numbers
from cygnet.errors import CygnetError
from cygnet.hardware import BLOCK, HardwareConfig, LayerHardware
from cygnet.network import Network
from cygnet.product_plan import ARITHMETIC

__all__ = ["USUAL", "Beat", "HardwareOptions", "Lanes", "Loadable", "Steps"]

NEURON_CORES = ("fast", "small")

Steps = Annotated[int, typer.Option(help="Time-steps that the hardware runs.")]
Lanes = Annotated[
    str,
    typer.Option(help="Outputs computed at once: one number, or one for each layer (16,16,10)."),
]
Beat = Annotated[
    int | None,
    typer.Option(
        help="Values that arrive in one clock; 8, or those of a pixel where a convolution reads "
        "the input.",
        show_default=False,
    ),
]
Arithmetic = Annotated[
    str | None,
    typer.Option(
        help="Products in tables of four or six inputs or in multiplier blocks: lut, lut6 or dsp, "
        "one, or one for each layer (dsp,lut,lut); lut where left out.",
        show_default=False,
        autocompletion=offered(ARITHMETIC),
    ),
]
Cores = Annotated[
    str, typer.Option(help="Neuron cores of a layer: one number, or one for each layer (4,2,1).")
]
Loadable = Annotated[
    bool,
    typer.Option(
        "--loadable", help="Weights and thresholds come at run time, not from images (AXI only)."
    ),
]
NeuronCore = Annotated[
    str, typer.Option(help="fast or small.", autocompletion=offered(NEURON_CORES))
]
Block = Annotated[
    str,
    typer.Option(
        help="Time-steps computed at once; of more, inputs are walked again for every so many: one "
        "number, or one for each layer (8,4,1)."
    ),
]


@dataclass(frozen=True)
class HardwareOptions:
    """A command that has a parameter of this kind has each field as an option
    (:func:`cygnet.command.family.member`)."""

    lanes: Lanes = "16"
    beat: Beat = None
    neuron_core: NeuronCore = "fast"
    cores: Cores = "1"
    arithmetic: Arithmetic = None
    block: Block = str(BLOCK)

    def config(self, network: Network, steps: int) -> HardwareConfig:
        """What they choose for a network.

        :raises CygnetError: they do not go with it; names the option
        """
        core: Literal["fast", "small"] = "small" if self.neuron_core == "small" else "fast"
        one_of(self.neuron_core, "--neuron-core", NEURON_CORES)
        count = len(network.layers)
        by_option = {"--lanes": self.lanes, "--cores": self.cores, "--block": self.block}
        numbers = {option: whole_numbers(text, option) for option, text in by_option.items()}
        for option, found in numbers.items():
            if len(found) not in (1, count):
                raise CygnetError(
                    f"{option}: {by_option[option]!r} must be one number, or one for each of the "
                    f"{count} layers"
                )
        arithmetic = self.arithmetic or "lut"
        named = [one_of(text, "--arithmetic", ARITHMETIC) for text in arithmetic.split(",")]
        kinds = [kind for text in named for kind in ARITHMETIC if kind == text]
        if len(kinds) not in (1, count):
            raise CygnetError(
                f"--arithmetic: {arithmetic!r} must be one of {', '.join(ARITHMETIC)}, or one for "
                f"each of the {count} layers"
            )
        try:
            config = HardwareConfig.uniform(
                network,
                steps=steps,
                lanes=numbers["--lanes"][0],
                beat=self.beat,
                neuron=core,
                cores=numbers["--cores"][0],
            )
            layers = list(config.layers)
            if len(numbers["--lanes"]) > 1:
                layers = [LayerHardware(number, core) for number in numbers["--lanes"]]
            if len(numbers["--cores"]) > 1:
                each = zip(layers, numbers["--cores"], strict=True)
                layers = [replace(layer, cores=number) for layer, number in each]
            blocks = numbers["--block"]
            layers = [
                replace(
                    layer,
                    arithmetic=kinds[number % len(kinds)],
                    block=blocks[number % len(blocks)],
                )
                for number, layer in enumerate(layers)
            ]
            config = replace(config, layers=tuple(layers))
            config.check(network)
        except (TypeError, ValueError) as error:
            raise CygnetError(
                f"{error}; mend --steps, --lanes, --cores, --block or --beat"
            ) from None
        return config


USUAL = HardwareOptions()
"""What is chosen where nothing is said."""
