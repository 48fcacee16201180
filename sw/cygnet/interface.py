# SPDX-License-Identifier: Apache-2.0
"""The short interface: :class:`Network` with methods, and what :mod:`cygnet` shows of itself.

:class:`cygnet.network.Network` is the contract between the parts and knows none of them.
:class:`Network` here *is* one, and adds methods that call those parts, each imported when it is
called. Whatever takes the one takes the other; :func:`cygnet.convert` and :func:`cygnet.load` give
this one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cygnet import network, network_file
from cygnet.errors import CygnetError, MismatchError
from cygnet.hardware import HardwareConfig

if TYPE_CHECKING:
    from cygnet.cosim.verify import Verification
    from cygnet.golden.values import Result

__all__ = ["Network", "load"]


def load(path: str | os.PathLike[str]) -> Network:
    """Read a ``.cyg`` file.

    :raises CygnetError: there is no such file, or it is not a whole, valid one
    """
    return Network.of(network_file.load(path))


class Network(network.Network):
    """A spiking network in integers, and what can be done with it.

    Images are uint8[n, ...] as the network was made for them (``input.layout``; a numpy array or a
    torch tensor), or flat, uint8[n, values]. A network whose input is ``counts`` takes integers
    [n, T, height, width, channels].
    """

    @classmethod
    def of(cls, plain: network.Network) -> Network:
        """The same network with the methods of this class."""
        if isinstance(plain, cls):
            return plain
        return cls(plain.name, plain.input, plain.layers, plain.steps, plain.logit_scale)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ``.cyg`` file; it appears whole or not at all.

        :raises CygnetError: it cannot be written
        """
        network_file.save(self, path)

    def explain(self) -> str:
        """What it is made of, as the table of ``cygnet explain``."""
        from cygnet.command.explain import text

        return text(self)

    def run(
        self, x: Any, *, steps: int | None = None, record: bool = False, each_step: bool = False
    ) -> Result:
        """Compute it in the golden model: logits and labels, and on request what led to them.

        :param steps: T, 1..``self.steps``; the most where left out
        :param record: keep counts and membranes of every layer
        :param each_step: keep the logits after each time-step
        :returns: :class:`cygnet.golden.values.Result`
        :raises CygnetError: the images are not those of the network
        """
        from cygnet.golden.values import run

        wanted = self.steps if steps is None else self._steps(steps)
        return run(self, self.images(x), steps=wanted, record=record, each_step=each_step)

    def predict(self, x: Any, *, steps: int | None = None) -> NDArray[np.int64]:
        """int64[n]: the class of each image, see :meth:`run`."""
        return self.run(x, steps=steps).labels

    def evaluate(self, x: Any, y: Any) -> dict[int, float]:
        """The share of right classes for each number of time-steps, 1..``self.steps``.

        :param y: int[n], the class of each image
        :raises CygnetError: images or classes are not those of the network
        """
        classes = np.asarray(y)
        result = self.run(x, each_step=True)
        after = result.after
        assert after is not None
        if classes.shape != after.shape[1:2]:
            raise CygnetError(
                f"y has shape {classes.shape} for {after.shape[1]} images; give one class an image"
            )
        shares = (after.argmax(axis=2) == classes).mean(axis=1)
        return {step: float(share) for step, share in enumerate(shares, start=1)}

    def hardware(
        self, *, steps: int | None = None, lanes: int | Sequence[int] = 16, **options: Any
    ) -> HardwareConfig:
        """A configuration of the accelerator.

        :param steps: T that it runs; ``self.steps`` where left out
        :param lanes: outputs computed at once: for all layers (never more than a layer has), or
            one number for each
        :param options: of :meth:`cygnet.hardware.HardwareConfig.uniform`
        :raises CygnetError: it does not go with the network
        """
        from dataclasses import replace

        each = None if isinstance(lanes, int) else tuple(lanes)
        try:
            config = HardwareConfig.uniform(
                self,
                steps=self.steps if steps is None else steps,
                lanes=lanes if isinstance(lanes, int) else max(each or (1,)),
                **options,
            )
            if each is not None:
                if len(each) != len(self.layers):
                    raise ValueError(
                        f"lanes must be {len(self.layers)} numbers, one for each layer, "
                        f"not {len(each)}"
                    )
                layers = [
                    replace(layer, lanes=number)
                    for layer, number in zip(config.layers, each, strict=True)
                ]
                config = replace(config, layers=tuple(layers))
                config.check(self)
        except ValueError as error:
            raise CygnetError(f"{error}; mend the hardware options") from None
        return config

    def verilog(
        self,
        folder: str | os.PathLike[str],
        hardware: HardwareConfig | None = None,
        *,
        steps: int | None = None,
        lanes: int | Sequence[int] = 16,
    ) -> Path:
        """Write the accelerator's Verilog and the memory images that it reads.

        :param hardware: everything chosen; :meth:`hardware` of ``steps`` and ``lanes`` if None
        :returns: the Verilog file
        :raises CygnetError: the gateware does not build a layer, or the folder cannot be written
        """
        from cygnet.cosim.verify import write_accelerator
        from cygnet.gateware.verilog import top_name

        config = hardware or self.hardware(steps=steps, lanes=lanes)
        write_accelerator(self, config, Path(folder))
        return Path(folder) / f"{top_name(self)}.v"

    def simulate(
        self,
        x: Any,
        hardware: HardwareConfig | None = None,
        *,
        steps: int | None = None,
        lanes: int | Sequence[int] = 16,
        workers: int | None = None,
    ) -> Verification:
        """Run the Verilog on images under Verilator; all must equal the golden model.

        :param hardware: everything chosen; :meth:`hardware` of ``steps`` and ``lanes`` if None
        :param workers: processes; one for each core where left out
        :returns: :class:`cygnet.cosim.verify.Verification`: labels, latency and interval
        :raises MismatchError: a logit, a label or a cycle differs
        :raises CygnetError: the gateware does not build a layer, or a tool is missing
        """
        from cygnet.cosim.accelerator import predict
        from cygnet.cosim.simulator import VerilatorSimulator
        from cygnet.cosim.verify import verify, write_accelerator
        from cygnet.gateware.verilog import top_name

        config = hardware or self.hardware(steps=steps, lanes=lanes)
        images = self.images(x)
        with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
            text = write_accelerator(self, config, Path(scratch))
            compiled = VerilatorSimulator(
                text,
                top=top_name(self),
                images=Path(scratch),
                classes=self.classes,
                workers=workers or os.cpu_count() or 1,
            )
            found = verify(compiled, predict(self, config, images))
        if found.mismatches:
            raise MismatchError(
                f"RTL and golden model differ in {found.mismatches} of {len(images)} images, "
                f"first in the {found.first}"
            )
        return found

    def images(self, x: Any) -> NDArray[Any]:
        """Images as the golden model takes them: uint8[n, height, width, channels], raster order.

        :raises CygnetError: they are not those of the network
        """
        array = np.asarray(x)
        spec = self.input
        if spec.kind == "counts":
            return array
        height, width, channels = spec.shape
        wanted = " or ".join(f"[n, {', '.join(map(str, shape))}]" for shape in self._shapes_taken())
        if array.dtype != np.uint8 or array.shape[1:] not in self._shapes_taken():
            raise CygnetError(
                f"images must be uint8 {wanted} for network {self.name!r}, "
                f"not {array.dtype} of shape {array.shape}; give the pixels as they are stored"
            )
        if spec.layout == "nchw" and array.ndim == 4:
            return np.ascontiguousarray(array.transpose(0, 2, 3, 1))
        if spec.layout == "nchw" and array.ndim == 2 and height * width > 1:
            array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
            return np.ascontiguousarray(array)
        return array.reshape(-1, *spec.shape)

    def _shapes_taken(self) -> list[tuple[int, ...]]:
        """Shapes of one image."""
        height, width, channels = self.input.shape
        nchw = self.input.layout == "nchw"
        shapes: list[tuple[int, ...]] = [(channels, height, width) if nchw else self.input.shape]
        if channels == 1 and (height, width) != (1, 1):
            shapes.append((height, width))
        return [*shapes, (height * width * channels,)]

    def _steps(self, steps: int) -> int:
        if not isinstance(steps, int) or not 1 <= steps <= self.steps:
            raise CygnetError(
                f"steps must be in 1..{self.steps}, the most that network {self.name!r} is made "
                f"for, not {steps!r}; convert it again with more steps"
            )
        return steps
