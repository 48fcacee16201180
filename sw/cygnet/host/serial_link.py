# SPDX-License-Identifier: Apache-2.0
"""A board on a serial line.

The host keeps as many requests under way as the board has slots, under consecutive numbers. A
request whose answer does not come is sent again under its number: an image has one answer, so an
answer that comes twice does no harm, and as the line keeps order, an old answer cannot be taken for
that of a later image under the same number.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import serial
from numpy.typing import NDArray

from cygnet.closing import Closing
from cygnet.host import protocol
from cygnet.host.device import Answers, DeviceError, Identity, Progress, check_frames
from cygnet.host.protocol import Frame, Greeting, Parser

__all__ = ["ATTEMPTS", "BAUDS", "SerialDevice"]

BAUDS = (3_000_000, 1_000_000, 115_200)
"""Tried in turn where none is given."""
ATTEMPTS = 10
"""How often a request is sent before it is given up."""
NONSENSE = 4
"""Times the timeout that a line may talk without saying anything."""
NUMBERS = 256
"""Of requests, of which far fewer are under way."""


@dataclass
class _Request:
    """A request that is under way.

    :param image: its place among the images
    :param line: its bytes
    :param since: when it was first sent
    :param sent: how often it was
    """

    image: int
    line: bytes
    since: float
    sent: int = 1


class SerialDevice(Closing):
    """A :class:`~cygnet.host.device.Device` behind a serial port.

    :param port: such as ``/dev/ttyUSB0`` or ``COM3``
    :param baud: bits a second; None to try :data:`BAUDS`
    :param timeout: seconds without an answer after which requests are sent again
    :param attempts: how often a request is sent before it is given up
    :raises DeviceError: there is no such port, it is busy, or no board answers that is understood
    """

    def __init__(
        self,
        port: str,
        *,
        baud: int | None = None,
        timeout: float = 0.5,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._name = port
        self._timeout = timeout
        self._attempts = attempts
        self._number = int(time.monotonic_ns() // 1000) % NUMBERS
        bauds: Sequence[int] = BAUDS if baud is None else (baud,)
        self._port = _open(port, bauds[0], timeout)
        try:
            greeting = self._greet(bauds)
        except BaseException:
            self._port.close()
            raise
        self._greeting = greeting
        longest = max(len(greeting.pack()), protocol.answer_length(greeting.identity.classes))
        self._parser = Parser(longest)

    @property
    def identity(self) -> Identity:
        return self._greeting.identity

    @property
    def baud(self) -> int:
        """Bits a second of the line."""
        return int(self._port.baudrate)

    def close(self) -> None:
        self._port.close()

    def classify(self, frames: NDArray[np.uint8], *, progress: Progress | None = None) -> Answers:
        check_frames(frames, self.identity)
        total, classes = len(frames), self.identity.classes
        logits = np.zeros((total, classes), np.int64)
        labels, cycles = np.zeros(total, np.int64), np.zeros(total, np.int64)
        seconds = np.zeros(total)
        under_way: dict[int, _Request] = {}
        first, done, retries = 0, 0, 0
        while done < total:
            while first < total and len(under_way) < self._greeting.window:
                number = self._next()
                frame = Frame(protocol.CLASSIFY, number, frames[first].tobytes())
                under_way[number] = _Request(first, protocol.encode(frame), time.monotonic())
                self._write(under_way[number].line)
                first += 1
            answers = self._read()
            for frame in answers:
                request = under_way.get(frame.sequence)
                if request is None:
                    continue
                if frame.kind == protocol.ANSWER:
                    cycle, label, found = protocol.unpack_answer(frame.payload)
                    if len(found) != classes or not 0 <= label < classes:
                        raise DeviceError(f"{self._name}: {_NOT_OURS}")
                    at = request.image
                    logits[at], labels[at], cycles[at] = found, label, cycle
                    seconds[at] = time.monotonic() - request.since
                    del under_way[frame.sequence]
                    done += 1
                elif frame.kind == protocol.REJECTED:
                    self._again(request, total)
                    retries += 1
                elif frame.kind == protocol.FAULT:
                    raise DeviceError(
                        f"{self._name}: the accelerator lost count of its images and answers no "
                        "more; reset the board"
                    )
            if not answers:
                # It may have been reset, and may even hold another network now.
                self._same_board(f"image {done + 1} of {total}")
                for request in under_way.values():
                    self._again(request, total)
                retries += len(under_way)
            if progress is not None:
                progress(done, total)
        if retries:
            self._same_board(f"the last of {total} images")
        return Answers(logits, labels, cycles, seconds, retries)

    def _next(self) -> int:
        self._number = (self._number + 1) % NUMBERS
        return self._number

    def _again(self, request: _Request, total: int) -> None:
        if request.sent >= self._attempts:
            raise DeviceError(
                f"{self._name}: no intact answer to image {request.image + 1} of {total} in "
                f"{self._attempts} attempts; check the cable, or build for a lower --baud"
            )
        request.sent += 1
        self._write(request.line)

    def _same_board(self, where: str) -> None:
        """Ask again who is there (DeviceError where nobody or somebody else is)."""
        for _ in range(self._attempts):
            found = self._ask()
            if found is None:
                continue
            if found != self._greeting:
                raise DeviceError(
                    f"{self._name}: the board became another one at {where} (network "
                    f"{found.identity.network[:12]}); its answers since then are not used"
                )
            return
        raise DeviceError(
            f"{self._name}: the board stopped answering at {where}; reset it, check its power and "
            "cable, and run again"
        )

    def _ask(self) -> Greeting | None:
        """What the board says of itself; the answers that come before it are dropped."""
        number = self._next()
        self._write(protocol.encode(Frame(protocol.IDENTIFY, number)))
        while frames := self._read():
            for frame in frames:
                if (frame.kind, frame.sequence) == (protocol.IDENTITY, number):
                    return Greeting.unpack(frame.payload)
        return None

    def _greet(self, bauds: Sequence[int]) -> Greeting:
        heard = 0
        for baud in bauds:
            self._port.baudrate = baud
            for _ in range(2 if len(bauds) > 1 else self._attempts):
                # Until it is known what comes, anything up to a classification of 4096 may.
                self._parser = Parser(protocol.answer_length(4096))
                found = self._ask()
                if found is None:
                    heard += self._parser.dropped
                    continue
                if found.version != protocol.VERSION:
                    raise DeviceError(
                        f"{self._name}: the board speaks version {found.version} of the protocol "
                        f"and this host version {protocol.VERSION}; build the bitstream again"
                    )
                return found
        rates = " or ".join(map(str, bauds))
        what = f"{heard} bytes came that are no answer" if heard else "nothing came back"
        raise DeviceError(
            f"{self._name}: no Cygnet board answers at {rates} baud ({what}); check the port, "
            "--baud and that the bitstream is loaded"
        )

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            raise DeviceError(
                f"{self._name}: nothing takes what is sent; check the cable and the board"
            ) from None
        except OSError as error:
            raise DeviceError(f"{self._name}: the port is gone ({error}); plug it in") from None

    def _read(self) -> list[Frame]:
        """The next frames; none where the line was quiet so long, or talked nonsense longer."""
        until = time.monotonic() + NONSENSE * self._timeout
        try:
            while True:
                data = self._port.read(1)
                if not data or time.monotonic() > until:
                    return list(self._parser.flush())
                frames = list(self._parser.feed(data + self._port.read(self._port.in_waiting)))
                if frames:
                    return frames
        except OSError as error:
            raise DeviceError(f"{self._name}: the port is gone ({error}); plug it in") from None


_NOT_OURS = "an answer does not have the classes of this board; build the bitstream again"


def _open(name: str, baud: int, timeout: float) -> serial.Serial:
    try:
        return serial.Serial(name, baud, timeout=timeout, write_timeout=10, exclusive=True)
    except (OSError, ValueError) as error:
        text = str(error)
        if "lock" in text or "busy" in text.lower():
            raise DeviceError(
                f"{name}: the port is busy; close the program that has it open"
            ) from None
        if "FileNotFoundError" in text or "No such file" in text or "could not open" not in text:
            raise DeviceError(f"{name}: there is no such serial port; {_known()}") from None
        raise DeviceError(f"{name}: cannot be opened ({text}); check its permissions") from None


def _known() -> str:
    from serial.tools.list_ports import comports

    found = ", ".join(sorted(port.device for port in comports()))
    return f"there is {found}" if found else "there is none at all, so plug the board in"
