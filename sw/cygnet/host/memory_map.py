# SPDX-License-Identifier: Apache-2.0
"""An accelerator on the same chip, behind its AXI4-Lite registers.

Frames and answers go through registers (designs with ``--buffered``) or through a DMA engine. An
image is under way at a time: its answer counts only if the accelerator says that one frame came,
that one was answered and that nothing went wrong, and if it was not reset meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cygnet.closing import Closing
from cygnet.host.device import Answers, DeviceError, Identity, Progress, check_frames
from cygnet.host.parameters import Parameters
from cygnet.host.registers import MappedRegisters, Registers
from cygnet.registers import IDENTIFIER, MAJOR, register

__all__ = ["ATTEMPTS", "Dma", "MemoryMapDevice", "PynqDma"]

ATTEMPTS = 3
"""How often an image is sent before it is given up."""


class Dma(Protocol):
    """Moves one frame in and one answer out."""

    def exchange(
        self, frame: NDArray[np.uint8], logits: int, dtype: type[np.signedinteger], timeout: float
    ) -> NDArray[Any] | None:
        """The answer to a frame, ``dtype`` [logits]; None where it is not there in time."""

    def restart(self) -> None:
        """Forget what is under way."""


class MemoryMapDevice(Closing):
    """A :class:`~cygnet.host.device.Device` behind registers.

    :param registers: of the accelerator
    :param dma: of its streams; None to use registers
    :param parameters: folder of ``cygnet image --loadable``, for loadable designs; they are loaded
        unless they are already there
    :param timeout: seconds that an answer may take
    :param attempts: how often an image is sent before it is given up
    :param place: where the accelerator is, for messages
    :param clock: seconds, for tests
    :raises DeviceError: no accelerator answers there, of another version, without a way for
        frames, or with parameters missing or of another design
    """

    def __init__(
        self,
        registers: Registers,
        *,
        dma: Dma | None = None,
        parameters: Path | None = None,
        timeout: float = 1.0,
        attempts: int = ATTEMPTS,
        place: str = "registers",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registers = registers
        self._dma = dma
        self._timeout = timeout
        self._attempts = attempts
        self._place = place
        self._clock = clock
        self._check_identity()
        self._loadable = bool(self._read("FEATURES", "loadable"))
        if dma is None and not self._read("FEATURES", "buffered"):
            raise DeviceError(
                f"{place}: frames come by streams only; give a DMA, or generate the design with "
                "--buffered"
            )
        self._parameters = None if parameters is None else Parameters.read(parameters)
        self._control = _bits("CONTROL", enable=1, buffered=int(dma is None))
        network = f"{self._read('NETWORK_HIGH'):08x}{self._read('NETWORK_LOW'):08x}"
        if self._loadable:
            self._load()
            network = "" if self._parameters is None else self._parameters.network
        elif self._parameters is not None:
            raise DeviceError(
                f"{place}: its parameters are fixed; give none, or generate it with --loadable"
            )
        self._identity = Identity(
            network, self._read("VALUES"), self._read("CLASSES"), self._read("STEPS")
        )
        self._dtype = np.int32 if self._read("FEATURES", "logit") <= 32 else np.int64
        self._restart()

    @classmethod
    def open(cls, where: str, **options: Any) -> Self:
        """The accelerator at ``/dev/uio0`` or ``/dev/mem@0x43C00000``; else as the constructor."""
        registers = MappedRegisters.parse(where)
        try:
            return cls(registers, place=where, **options)
        except BaseException:
            registers.close()
            raise

    @property
    def identity(self) -> Identity:
        return self._identity

    def close(self) -> None:
        close = getattr(self._registers, "close", None)
        if close is not None:
            close()

    def classify(self, frames: NDArray[np.uint8], *, progress: Progress | None = None) -> Answers:
        check_frames(frames, self._identity)
        count = len(frames)
        logits = np.zeros((count, self._identity.classes), dtype=np.int64)
        labels = np.zeros(count, dtype=np.int64)
        cycles = np.zeros(count, dtype=np.int64)
        seconds = np.zeros(count)
        retries = 0
        for number, frame in enumerate(frames):
            began = self._clock()
            for attempt in range(self._attempts):
                found, fault = self._one(frame)
                if found is not None:
                    break
                retries += 1
                if attempt + 1 < self._attempts:
                    self._recover()
            else:
                raise DeviceError(
                    f"{self._place}: no intact answer to image {number + 1} of {count} in "
                    f"{self._attempts} attempts ({fault}); reset the design and run again"
                )
            logits[number], labels[number], cycles[number] = found
            seconds[number] = self._clock() - began
            if progress is not None:
                progress(number + 1, count)
        return Answers(logits, labels, cycles, seconds, retries)

    def _one(
        self, frame: NDArray[np.uint8]
    ) -> tuple[tuple[NDArray[np.int64], int, int] | None, str]:
        """(logits, label, clocks) of a frame, or None and why not."""
        self._write("ERRORS", 0xFFFFFFFF)
        self._write("CONTROL", self._control | _bits("CONTROL", clear=1))
        answer = self._by_registers(frame) if self._dma is None else self._by_dma(frame)
        errors = self._read("ERRORS")
        counted = (self._read("FRAMES_IN"), self._read("FRAMES_OUT"))
        label = self._read("OUT_LABEL") if self._dma is None else None
        low = self._read("CYCLES_LOW")
        clocks = low + (self._read("CYCLES_HIGH") << 32)
        # Last: what was read before a reset, or after it, is of no worth.
        control, running = self._read("CONTROL"), self._read("STATUS", "running")
        if control != self._control or not running:
            return None, "it was reset"
        if errors:
            fields = register("ERRORS").fields
            return None, ", ".join(f.name for f in fields if f.of(errors)).replace("_", " ")
        if answer is None:
            return None, f"nothing came in {self._timeout:g} s"
        if counted != (1, 1):
            return None, f"it counts {counted[0]} frames and {counted[1]} answers for one"
        logits = answer.astype(np.int64)
        winner = int(logits.argmax())
        if label not in (None, winner):
            return None, "logits and class do not agree"
        # Both the first and the last clock are counted; latency is between them.
        return (logits, winner, clocks - 1), ""

    def _by_registers(self, frame: NDArray[np.uint8]) -> NDArray[Any] | None:
        words = np.zeros(-(-len(frame) // 4) * 4, dtype=np.uint8)
        words[: len(frame)] = frame
        until = self._clock() + self._timeout
        room = 0
        for word in words.view("<u4").tolist():
            while room == 0:
                room = self._read("IN_SPACE")
                if self._clock() > until:
                    return None
            self._write("IN_DATA", word)
            room -= 1
        while self._read("OUT_COUNT") < self._identity.classes:
            if self._clock() > until:
                return None
        read = [self._read("OUT_DATA") for _ in range(self._identity.classes)]
        return np.array(read, dtype=np.uint32).view(np.int32)

    def _by_dma(self, frame: NDArray[np.uint8]) -> NDArray[Any] | None:
        assert self._dma is not None
        return self._dma.exchange(frame, self._identity.classes, self._dtype, self._timeout)

    def _check_identity(self) -> None:
        found = self._read("ID")
        if found != IDENTIFIER:
            raise DeviceError(
                f"{self._place}: no Cygnet accelerator answers there (0x{found:08X} instead of "
                f"0x{IDENTIFIER:08X}); check the address and that the bitstream is loaded"
            )
        major = self._read("VERSION", "major")
        if major != MAJOR:
            raise DeviceError(
                f"{self._place}: its registers are of version {major} and this host knows "
                f"{MAJOR}; generate the design again"
            )

    def _load(self) -> None:
        """See that the right parameters are there."""
        given = self._parameters
        loaded = bool(self._read("STATUS", "loaded"))
        if given is None:
            if not loaded:
                raise DeviceError(
                    f"{self._place}: no parameters are loaded; give the folder of cygnet image "
                    "--loadable"
                )
            return
        if loaded and self._read("LOAD_CHECKSUM") == given.checksum:
            return
        layout = self._read("LAYOUT")
        if given.layout != layout:
            raise DeviceError(
                f"{given.path}: is for layout {given.layout:08x} and {self._place} has "
                f"{layout:08x}; write it for the network of this design by cygnet image --onto"
            )
        for _ in range(self._attempts):
            self._write("CONTROL", self._control | _bits("CONTROL", load=1))
            for word in given.words.tolist():
                self._write("LOAD_DATA", word)
            if self._read("STATUS", "loaded") and self._read("LOAD_CHECKSUM") == given.checksum:
                return
        raise DeviceError(
            f"{self._place}: {given.path} does not arrive intact in {self._attempts} attempts; "
            "the design's timing may not be met"
        )

    def _recover(self) -> None:
        """After an answer that is not intact: who is there, its parameters, a clean start."""
        self._check_identity()
        if self._loadable:
            self._load()
        self._restart()

    def _restart(self) -> None:
        self._write("CONTROL", self._control | _bits("CONTROL", reset=1))
        if self._dma is not None:
            self._dma.restart()

    def _read(self, name: str, field: str | None = None) -> int:
        found = register(name)
        try:
            word = self._registers.read(found.offset)
        except OSError as error:
            raise DeviceError(f"{self._place}: the device is gone ({error}); load it") from None
        return word if field is None else found.field(field).of(word)

    def _write(self, name: str, word: int) -> None:
        try:
            self._registers.write(register(name).offset, word)
        except OSError as error:
            raise DeviceError(f"{self._place}: the device is gone ({error}); load it") from None


def _bits(name: str, **fields: int) -> int:
    found = register(name)
    return sum(value << found.field(field).low for field, value in fields.items())


class PynqDma:
    """PYNQ's ``DMA`` of an AXI DMA engine between memory and the streams.

    :param dma: ``overlay.axi_dma_0``, with both channels
    :param allocate: ``pynq.allocate``
    :param clock: seconds, for tests
    """

    def __init__(
        self,
        dma: Any,
        allocate: Callable[..., Any],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dma = dma
        self._allocate = allocate
        self._clock = clock
        self._frame: Any = None
        self._answer: Any = None

    def exchange(
        self, frame: NDArray[np.uint8], logits: int, dtype: type[np.signedinteger], timeout: float
    ) -> NDArray[Any] | None:
        if self._frame is None:
            self._frame = self._allocate(shape=frame.shape, dtype=np.uint8)
            self._answer = self._allocate(shape=(logits,), dtype=dtype)
        self._frame[:] = frame
        # The way out first, so that no logit waits.
        self._dma.recvchannel.transfer(self._answer)
        self._dma.sendchannel.transfer(self._frame)
        until = self._clock() + timeout
        for channel in (self._dma.sendchannel, self._dma.recvchannel):
            while not channel.idle:
                if self._clock() > until:
                    return None
            channel.wait()
        return np.array(self._answer)

    def restart(self) -> None:
        for channel in (self._dma.sendchannel, self._dma.recvchannel):
            channel.stop()
            channel.start()
