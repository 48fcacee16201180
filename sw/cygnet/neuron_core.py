# SPDX-License-Identifier: Apache-2.0
"""The neuron core's parameters: widths, memories, pipeline schedule, and what follows from them.

One object for everybody: the gateware is built from it, the golden model takes its cycles from it
and the image writer its rows. No Amaranth in here.

Words. A *step* is one time-step of one neuron. A step is *transferred* in the clock at whose end
valid and ready of ``i`` are both high. A core keeps the membranes of ``depth`` neurons at a time;
``index`` names the slot of a step, ``channel`` the row of its parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cygnet import checks
from cygnet.hardware import HardwareConfig
from cygnet.network import MAX_TAU, MAX_WIDTH, Network, Neurons, Shape, signed_width, unsigned_width

__all__ = ["NeuronCoreConfig", "RowField", "Schedule"]

LOAD_ROOM = 1
"""Bits that a loadable design has beyond those that its network needs, so that others fit: in sums,
biases, currents, thresholds and membranes."""
MAX_DEPTH = 4096
MAX_CHANNELS = 2**20


@dataclass(frozen=True)
class RowField:
    """One field of a row of the parameter memory; fields follow each other from bit 0 upwards."""

    name: str
    width: int
    signed: bool = False


@dataclass(frozen=True)
class Schedule:
    """The pipeline stage in which each operation is computed.

    Stage n is the n-th clock after the one of the transfer, stalls not counted. An operation in
    the same stage as the one that it needs is chained to it combinationally; between stages there
    are registers.

    :param row: the parameters are there
    :param state: v and m leave the state memory
    :param add: p = v + u
    :param clamp: saturation of p
    :param multiples: multiples of K and what follows from them
    :param compare: p against the thresholds; in a search, one stage for each of its subtractions
    :param encode: comparisons to a count
    :param product: count times K
    :param reset: v = p - c K
    :param store: v and m are written, at the end of this stage
    :param output: the spike is offered on ``o``
    """

    row: int
    state: int
    add: int
    clamp: int
    multiples: int
    compare: tuple[int, ...]
    encode: int
    product: int
    reset: int
    store: int
    output: int


SEARCHABLE = (1, 2, 3, 4, 7, 8, 15, 16)


def _small(algorithm: str, digits: int, block: bool) -> Schedule:
    """Two additions in a row in each stage; the last, with the way into the memory, has its own."""
    state = 1 if block else 2
    if algorithm == "shift":
        return Schedule(2, 1, 1 + block, 1 + block, 1, (2 + block,), *(2 + block,) * 5)
    if algorithm == "search":
        compare = tuple(3 + digit // 2 for digit in range(digits))
        reset = 3 + (digits + 1) // 2
        output = compare[-1] + 1
        return Schedule(2, state, 2, 2, 2, compare, output, reset, reset, reset, output)
    encode = 4 if algorithm == "signed" else 3
    return Schedule(2, state, 2, 2, 2, (3,), encode, 4, 4, 4, 4)


def _fast(algorithm: str, digits: int, clamp: bool) -> Schedule:
    """One addition, or two levels of gates, in each stage."""
    if algorithm == "shift":
        at = 3 + clamp
        return Schedule(2, 1, 2, at - 1, 2, (at,), at, at, at + 1, at + 2, at + 1)
    at = 4 + clamp
    if algorithm == "search":
        compare = tuple(range(at, at + digits))
        end = at + digits
        return Schedule(2, 2, 3, at - 1, 3, compare, end, end, end, end + 1, end + 1)
    if algorithm == "signed":
        return Schedule(2, 2, 3, at - 1, 3, (at,), at + 2, at + 2, at + 3, at + 4, at + 3)
    return Schedule(2, 2, 3, at - 1, 3, (5,), 6, 7, 8, 9, 8)


def _choice(value: object, name: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class NeuronCoreConfig:
    """A neuron core that does one step a clock.

    :param kind: ``"gn"``, ``"if"`` (the same core with tau = 1) or ``"snm"``
    :param tau: members of a group, 1..16; 1 unless kind is ``"gn"``
    :param membrane_width: bits of p and v, signed
    :param current_width: bits of u, signed
    :param threshold_width: bits of K and F, unsigned
    :param depth: slots of the state memory, the neurons in flight; at least :attr:`interleave`
    :param channels: rows of the parameter memory
    :param threshold: where K, F and v0 are: ``"memory"``, in each row; ``"constant"``, in
        ``reset``, ``fire`` and ``initial``; ``"pow2"``, constant with F = K a power of two
    :param fire_level: in a memory, F is ``"reset"``, equal to K, or ``"memory"``
    :param initial_level: in a memory, v0 is ``"half"``, K >> 1, ``"zero"`` or ``"memory"``
        (as wide as the membrane)
    :param reset: the constant K
    :param fire: the constant F
    :param initial: the constant v0
    :param enables: rows have a bit that lets the neuron spike
    :param amplitude_width: bits of the amplitude in each row (SNM only), 0 for none
    :param memory_width: bits of m, the count of spikes that an SNM remembers; 0 for others
    :param saturate: p = sat(v + u) instead of a width that cannot overflow
    :param variant: ``"fast"``, more stages, or ``"small"``, fewer registers and gates
    :param state_memory: ``"lut"`` for a memory read in the clock of its use, ``"block"`` for one
        that is addressed the clock before, as block RAM must be

    :raises TypeError: a value of the wrong kind
    :raises ValueError: a value out of its range, or a combination that is none
    """

    kind: Literal["gn", "if", "snm"]
    tau: int = 1
    membrane_width: int
    current_width: int
    threshold_width: int
    depth: int
    channels: int
    threshold: Literal["memory", "constant", "pow2"] = "memory"
    fire_level: Literal["reset", "memory"] = "reset"
    initial_level: Literal["half", "zero", "memory"] = "half"
    reset: int = 1
    fire: int = 1
    initial: int = 0
    enables: bool = False
    amplitude_width: int = 0
    memory_width: int = 0
    saturate: bool = False
    variant: Literal["fast", "small"] = "fast"
    state_memory: Literal["lut", "block"] = "lut"

    def __post_init__(self) -> None:
        _choice(self.kind, "neuron kind", ("gn", "if", "snm"))
        checks.integer(self.tau, "tau", 1, MAX_TAU)
        if self.kind != "gn" and self.tau != 1:
            raise ValueError(f"tau of kind {self.kind!r} must be 1, not {self.tau!r}")
        _choice(self.threshold, "threshold", ("memory", "constant", "pow2"))
        _choice(self.fire_level, "fire level", ("reset", "memory"))
        _choice(self.initial_level, "initial level", ("half", "zero", "memory"))
        _choice(self.variant, "variant", ("fast", "small"))
        _choice(self.state_memory, "state memory", ("lut", "block"))
        for name in ("enables", "saturate"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a boolean, not {getattr(self, name)!r}")
        checks.integer(self.membrane_width, "membrane width", 2, MAX_WIDTH)
        checks.integer(self.current_width, "current width", 1, MAX_WIDTH)
        if not self.saturate and self.current_width > self.membrane_width:
            raise ValueError(
                f"current width must be at most the membrane's {self.membrane_width} bits "
                f"where it does not saturate, not {self.current_width!r}"
            )
        checks.integer(self.threshold_width, "threshold width", 1, self.membrane_width - 1)
        checks.integer(self.channels, "channels", 1, MAX_CHANNELS)
        checks.integer(self.amplitude_width, "amplitude width", 0, 8)
        checks.integer(self.memory_width, "memory width", 0, 16)
        if self.kind == "snm" and not self.memory_width:
            raise ValueError("memory width must be at least 1 for kind 'snm', not 0")
        for name in ("amplitude_width", "memory_width"):
            if self.kind != "snm" and getattr(self, name):
                raise ValueError(
                    f"{name.replace('_', ' ')} must be 0 for kind {self.kind!r}, "
                    f"not {getattr(self, name)!r}"
                )
        if self.threshold != "memory":
            high = 2**self.threshold_width - 1
            checks.integer(self.reset, "reset", 1, high)
            checks.integer(self.fire, "fire", 1, high)
            half = 1 << (self.membrane_width - 1)
            checks.integer(self.initial, "initial", -half, half - 1)
        if self.threshold == "pow2":
            if self.reset & (self.reset - 1):
                raise ValueError(f"reset must be a power of two for pow2, not {self.reset!r}")
            if self.fire != self.reset:
                raise ValueError(f"fire must be the reset {self.reset} for pow2, not {self.fire!r}")
        checks.integer(self.depth, "depth", 1, MAX_DEPTH)
        if self.depth < self.interleave:
            raise ValueError(
                f"depth must be at least the interleave of {self.interleave}, not {self.depth!r}"
            )

    @classmethod
    def for_layer(cls, network: Network, number: int, hardware: HardwareConfig) -> NeuronCoreConfig:
        """The core of one layer: widths from the network's bounds, a slot for each lane. Where
        parameters are loaded, no threshold is a constant, and widths have :data:`LOAD_ROOM`.

        :raises ValueError: the layer has no neurons
        """
        layer = network.layers[number]
        neurons = layer.neurons
        if neurons is None:
            raise ValueError(f"layer {layer.name!r} accumulates; it has no neuron core")
        shape = network.shape(number)
        current, potential = network.current(number), network.potential(number)
        levels = [neurons.per_neuron(name, shape) for name in ("reset", "fire", "initial")]
        reset, fire, initial = levels
        constant = not hardware.loadable and all(
            int(level.min()) == int(level.max()) for level in levels
        )
        equal = bool((fire == reset).all())
        power = constant and equal and not bool((reset & (reset - 1)).any())
        room = LOAD_ROOM if hardware.loadable else 0
        threshold_width = max(int(reset.max()), int(fire.max())).bit_length() + room
        current_width = signed_width(current.low, current.high) + room
        if neurons.membrane_width is None:
            # v0 can move the range of p into fewer bits than those of u.
            membrane = max(signed_width(potential.low, potential.high) + room, current_width)
        else:
            # Where it saturates is part of what is computed.
            membrane = neurons.membrane_width
            threshold_width = min(threshold_width, max(1, membrane - 1))
        if (initial == reset >> 1).all():
            initial_level: Literal["half", "zero", "memory"] = "half"
        else:
            initial_level = "memory" if initial.any() else "zero"
        core = cls(
            kind=neurons.kind,
            tau=neurons.tau,
            membrane_width=max(membrane, threshold_width + 1),
            current_width=current_width,
            threshold_width=threshold_width,
            depth=MAX_DEPTH,
            channels=rows_of(neurons, shape),
            threshold="pow2" if power else "constant" if constant else "memory",
            fire_level="reset" if equal or constant else "memory",
            initial_level=initial_level,
            reset=int(reset.flat[0]) if constant else 1,
            fire=int(fire.flat[0]) if constant else 1,
            initial=int(initial.flat[0]) if constant else 0,
            enables=neurons.enabled is not None,
            amplitude_width=0
            if neurons.amplitude is None
            else int(neurons.amplitude.max()).bit_length(),
            memory_width=unsigned_width(network.steps) if neurons.kind == "snm" else 0,
            saturate=neurons.membrane_width is not None,
            variant=hardware.layers[number].neuron,
        )
        return core.with_depth(hardware.layers[number].lanes)

    def with_depth(self, depth: int) -> NeuronCoreConfig:
        """The same core with ``depth`` slots, or with as many as its interleave needs."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return NeuronCoreConfig(**values | {"depth": max(depth, self.interleave)})

    @property
    def algorithm(self) -> Literal["search", "shift", "parallel", "signed"]:
        """How a step finds its count.

        ``search``: a binary search over the thresholds, where these are K, 2 K, 3 K, ... and tau
        is a power of two or one less; ``shift``: the threshold is a constant power of two;
        ``parallel``: a comparator for each threshold; ``signed``: that of an SNM.
        """
        if self.kind == "snm":
            return "signed"
        if self.threshold == "pow2":
            return "shift"
        if self.threshold == "memory" and self.fire_level == "reset" and self.tau in SEARCHABLE:
            return "search"
        return "parallel"

    @property
    def schedule(self) -> Schedule:
        """The stage of each operation: the latency table of the cores."""
        digits = max(1, (self.tau + 1).bit_length() - 1)
        if self.variant == "small":
            return _small(self.algorithm, digits, self.state_memory == "block")
        return _fast(self.algorithm, digits, self.saturate)

    @property
    def latency(self) -> int:
        """Clocks from a step's transfer on ``i`` to the first clock of ``o.valid``, sink free.

        A step transferred in clock n is offered in clock n + latency.
        """
        return self.schedule.output

    @property
    def interleave(self) -> int:
        """Least distance, in clocks in which ``i`` is ready, of two steps of one neuron.

        A step that is not ``first``, transferred in clock n, needs the step before it in its slot
        to have been transferred in clock n - interleave or before; clocks in which ``i`` is not
        ready do not count. A ``first`` step reads no state and may follow at once.
        """
        schedule = self.schedule
        return schedule.store - schedule.state + (2 if self.state_memory == "block" else 1)

    @property
    def count_width(self) -> int:
        """Bits of ``o``'s count; signed for an SNM, unsigned otherwise."""
        if self.kind == "snm":
            return max(2, self.amplitude_width + 1)
        return self.tau.bit_length()

    @property
    def index_width(self) -> int:
        """Bits of a slot's number, at least 1."""
        return max(1, (self.depth - 1).bit_length())

    @property
    def channel_width(self) -> int:
        """Bits of a row's number, at least 1."""
        return max(1, (self.channels - 1).bit_length())

    @property
    def row_fields(self) -> tuple[RowField, ...]:
        """The fields of a row of the parameter memory, low bits first; none if all is constant."""
        fields = []
        if self.threshold == "memory":
            fields.append(RowField("reset", self.threshold_width))
            if self.fire_level == "memory":
                fields.append(RowField("fire", self.threshold_width))
            if self.initial_level == "memory":
                fields.append(RowField("initial", self.membrane_width, signed=True))
        if self.enables:
            fields.append(RowField("enabled", 1))
        if self.amplitude_width:
            fields.append(RowField("amplitude", self.amplitude_width))
        return tuple(fields)

    @property
    def row_width(self) -> int:
        """Bits of a row; 0 where there is no parameter memory."""
        return sum(field.width for field in self.row_fields)

    def rows(self, neurons: Neurons, shape: Shape) -> list[int]:
        """The words of the parameter memory, unsigned, in the order of channel numbers.

        One row a channel, or one a neuron in raster order where any array is per neuron. Empty
        where there is no parameter memory.

        :raises ValueError: the neurons do not go with this core
        """
        if not self.row_fields:
            return []
        if rows_of(neurons, shape) != self.channels:
            raise ValueError(
                f"channels must be {rows_of(neurons, shape)} as in the neurons, "
                f"not {self.channels!r}"
            )
        if self.channels == shape[2]:
            shape = (1, 1, shape[2])
        columns = {
            field: neurons.per_neuron(field.name, shape).reshape(-1) for field in self.row_fields
        }
        words = [0] * self.channels
        at = 0
        for field, column in columns.items():
            self._check_column(field, column)
            for row, value in enumerate(column.tolist()):
                words[row] |= (int(value) & (1 << field.width) - 1) << at
            at += field.width
        return words

    @staticmethod
    def _check_column(field: RowField, column: NDArray) -> None:
        low, high = int(column.min()), int(column.max())
        width = signed_width(low, high) if field.signed else high.bit_length()
        if width > field.width:
            raise ValueError(f"{field.name} must fit into {field.width} bits, not reach {high}")

    def check_steps(
        self, steps: Iterable[tuple[int, int, bool]], *, clocks: Iterable[int] | None = None
    ) -> None:
        """Refuse a stream of steps that this core would not compute right.

        :param steps: (index, current, first) of each step in order
        :param clocks: the clock of each transfer, for a source that pauses; 0, 1, 2, ... without
        :raises ValueError: an index or a current out of range, a slot that was never started, or
            two steps of one neuron closer than :attr:`interleave`
        """
        half = 1 << (self.current_width - 1)
        seen: dict[int, int] = {}
        steps = list(steps)
        moments = list(range(len(steps)) if clocks is None else clocks)
        for (index, current, first), clock in zip(steps, moments, strict=True):
            checks.integer(index, "index", 0, self.depth - 1)
            if not -half <= current < half:
                raise ValueError(
                    f"current must fit into {self.current_width} bits, not be {current!r}"
                )
            if not first:
                if index not in seen:
                    raise ValueError(f"index must have had a first step, not be {index!r}")
                if clock - seen[index] < self.interleave:
                    raise ValueError(
                        f"steps of index {index} must be at least {self.interleave} clocks apart, "
                        f"not {clock - seen[index]}"
                    )
            seen[index] = clock


def rows_of(neurons: Neurons, shape: Shape) -> int:
    """Rows of a layer's parameter memory: its channels, or its neurons where any array is per
    neuron."""
    arrays = [array for name, array in neurons.arrays() if name != "step"]
    if any(array.ndim == 3 for array in arrays):
        return int(np.prod(shape))
    return shape[2]
