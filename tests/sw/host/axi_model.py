# SPDX-License-Identifier: Apache-2.0
"""A device made of its registers' description: what software sees, without a clock."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cygnet.registers import IDENTIFIER, MAJOR, REGISTERS, register, registers_of

Compute = Callable[[NDArray[np.uint8]], NDArray[np.int64]]


class Model:
    """Registers of a loadable, buffered design.

    :param compute: logits of a frame
    :param faults: called before each access with the model, its count and the register's name
    """

    def __init__(
        self,
        compute: Compute,
        *,
        values: int,
        classes: int,
        digest: str,
        layout: int = 0,
        words: int = 0,
        loadable: bool = False,
        buffered: bool = True,
        faults: Callable[[Model, int, str], None] | None = None,
    ) -> None:
        self.compute = compute
        self.faults = faults
        self.accesses = 0
        self.names = {
            found.offset: found for found in registers_of(loadable=loadable, buffered=buffered)
        }
        self.loadable, self.words = loadable, words
        self.words_in_frame = -(-values // 4)
        features = {"loadable": loadable, "buffered": buffered, "beat": 4, "logit": 20}
        self.held = {found.name: 0 for found in REGISTERS}
        self.held |= {
            "ID": IDENTIFIER,
            "VERSION": MAJOR << 16,
            "NETWORK_HIGH": int(digest[:8], 16),
            "NETWORK_LOW": int(digest[8:16], 16),
            "FEATURES": sum(
                int(value) << register("FEATURES").field(name).low
                for name, value in features.items()
            ),
            "VALUES": values,
            "CLASSES": classes,
            "STEPS": 2,
            "LAYOUT": layout,
            "LOAD_WORDS": words,
        }
        self.spoil = 0
        self.mute = False
        self.reset()

    def reset(self) -> None:
        """As by aresetn."""
        self.held["CONTROL"] = register("CONTROL").field("enable").mask
        for name in ("ERRORS", "FRAMES_IN", "FRAMES_OUT", "CYCLES_LOW", "OUT_LABEL"):
            self.held[name] = 0
        self.loaded = not self.loadable
        self.load: list[int] = []
        self.empty()

    def empty(self) -> None:
        self.taken: list[int] = []
        self.logits: deque[int] = deque()

    def close(self) -> None:
        pass

    def set(self, name: str, field: str) -> None:
        self.held[name] |= register(name).field(field).mask

    def read(self, offset: int) -> int:
        name = self._access(offset)
        match name:
            case "STATUS":
                loaded = int(self.loadable and self.loaded)
                status = register("STATUS")
                running = status.field("running").mask * int(self.loaded)
                return running | loaded << status.field("loaded").low
            case "IN_SPACE":
                return 64
            case "OUT_COUNT":
                return len(self.logits)
            case "OUT_DATA":
                if not self.logits:
                    self.set("ERRORS", "buffer")
                    return 0
                return self.logits.popleft() & 0xFFFFFFFF
        return self.held[name]

    def write(self, offset: int, value: int) -> None:
        name = self._access(offset)
        assert self.names[offset].writable, name
        match name:
            case "CONTROL":
                control = register("CONTROL")
                if control.field("reset").of(value) or control.field("load").of(value):
                    self.empty()
                if control.field("load").of(value):
                    self.loaded, self.load = False, []
                if control.field("clear").of(value):
                    for counter in ("FRAMES_IN", "FRAMES_OUT", "CYCLES_LOW"):
                        self.held[counter] = 0
                kept = control.field("enable").mask | control.field("buffered").mask
                self.held["CONTROL"] = value & kept
            case "ERRORS":
                self.held["ERRORS"] &= ~value
            case "LOAD_DATA":
                self.load.append(value ^ self.spoil)
                self.spoil = 0
                if len(self.load) == self.words:
                    data = np.array(self.load, "<u4").tobytes()
                    checksum = zlib.crc32(data[:-4])
                    self.held["LOAD_CHECKSUM"] = checksum
                    self.loaded = checksum == self.load[-1]
                    if not self.loaded:
                        self.set("ERRORS", "load_checksum")
            case "IN_DATA":
                self.taken.append(value)
                if len(self.taken) == self.words_in_frame and self.loaded and not self.mute:
                    self._answer()

    def _answer(self) -> None:
        frame = np.array(self.taken, "<u4").view(np.uint8)[: self.held["VALUES"]]
        self.taken = []
        logits = self.compute(frame)
        self.logits.extend(int(logit) for logit in logits)
        self.held["OUT_LABEL"] = int(logits.argmax())
        self.held["FRAMES_IN"] += 1
        self.held["FRAMES_OUT"] += 1
        self.held["CYCLES_LOW"] += 71

    def _access(self, offset: int) -> str:
        name = self.names[offset].name
        self.accesses += 1
        if self.faults is not None:
            self.faults(self, self.accesses, name)
        return name
