# SPDX-License-Identifier: Apache-2.0
"""How a layer stores what it reads: sizes of its buffers, and what each window reads of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cygnet.network import INPUT, Bounds, SumPool
from cygnet.product_plan import product_latency

__all__ = ["BufferPlan", "SkipPlan", "WindowColumn", "WindowRow"]


@dataclass(frozen=True)
class WindowRow:
    """The lines that a row of windows reads.

    :param top: first line of the map in the windows
    :param count: lines of the map in the windows
    :param tap: row of the kernel that meets the first line
    :param advance: lines that no later window of the frame reads, released with this row
    """

    top: int
    count: int
    tap: int
    advance: int

    @property
    def waits(self) -> bool:
        """Whether the last window of the row must wait until all lines that it releases are
        complete; otherwise they have long been."""
        return self.advance >= self.count


@dataclass(frozen=True)
class WindowColumn:
    """The pixels of a line that a column of windows reads.

    :param first: first pixel of the line in the windows
    :param last: last pixel of the line in the windows
    :param shift: place of the kernel's first column, negative in the padding
    """

    first: int
    last: int
    shift: int


@dataclass(frozen=True)
class BufferPlan:
    """How a layer stores the map that it reads.

    :param source: number of the layer that writes it, or INPUT
    :param height: lines of a frame; 1 for a dense layer
    :param width: pixels of a line; 1 for a dense layer, whose pixel is the whole map
    :param words: rows of R values that make one pixel
    :param row: R, values side by side in one row: what the source gives in one clock
    :param columns: values of an input side by side: T for spikes, 1 for pixels (the same at every
        step) and for the last layer (which reads counts summed over the steps)
    :param value: range of one value
    :param kernel: (vertical, horizontal)
    :param stride: (vertical, horizontal)
    :param padding: (vertical, horizontal)
    :param pool: sum pooling between the source and this buffer, or None
    :param least_lines: lines that it must have for other reasons than its own windows
    """

    source: int
    height: int
    width: int
    words: int
    row: int
    columns: int
    value: Bounds
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: SumPool | None = None
    least_lines: int = 0

    @cached_property
    def window_rows(self) -> tuple[WindowRow, ...]:
        """One for each row of windows."""
        kernel, stride, padding = self.kernel[0], self.stride[0], self.padding[0]
        count = (self.height + 2 * padding - kernel) // stride + 1
        tops = [max(0, y * stride - padding) for y in range(count)] + [self.height]
        return tuple(
            WindowRow(
                top=tops[y],
                count=min(self.height, y * stride - padding + kernel) - tops[y],
                tap=tops[y] - (y * stride - padding),
                advance=tops[y + 1] - tops[y],
            )
            for y in range(count)
        )

    @cached_property
    def window_columns(self) -> tuple[WindowColumn, ...]:
        """One for each column of windows."""
        kernel, stride, padding = self.kernel[1], self.stride[1], self.padding[1]
        count = (self.width + 2 * padding - kernel) // stride + 1
        return tuple(
            WindowColumn(
                first=max(0, x * stride - padding),
                last=min(self.width, x * stride - padding + kernel) - 1,
                shift=x * stride - padding,
            )
            for x in range(count)
        )

    @cached_property
    def needed(self) -> tuple[int, ...]:
        """For each window, in raster order, the last pixel that it waits for."""
        columns = self.window_columns
        return tuple(
            (row.top + row.advance) * self.width - 1
            if row.waits and x == len(columns) - 1
            else (row.top + row.count - 1) * self.width + column.last
            for row in self.window_rows
            for x, column in enumerate(columns)
        )

    @property
    def lines(self) -> int:
        """Lines of the buffer: what a row of windows reads, and what comes in meanwhile; where few
        rows of windows make a frame, the start of the next frame too."""
        read = max(row.count for row in self.window_rows)
        meanwhile = max(min(self.stride[0], self.height), self.window_rows[0].advance)
        short = self.source != INPUT and len(self.window_rows) <= 4 * read
        return max(read + meanwhile + (read - 1 if short else 0), self.least_lines)

    @property
    def line_rows(self) -> int:
        """Rows that a line takes at most."""
        return self.width * self.words

    @property
    def capacity(self) -> int:
        """Pixels that the buffer holds."""
        return self.lines * self.width

    @property
    def place_bits(self) -> int:
        """Bits that number the values of a row."""
        return (self.row - 1).bit_length()

    @property
    def pixel_positions(self) -> int:
        """Rows of weights for one pixel: one for each value, each row of values filled up to a
        power of two."""
        return self.words << self.place_bits

    @property
    def positions(self) -> int:
        """Rows of weights for one round: one for each input of a full window."""
        return self.kernel[0] * self.kernel[1] * self.pixel_positions


@dataclass(frozen=True)
class SkipPlan:
    """The buffer of an identity shortcut: the counts of all channels of a few pixels.

    :param source: number of the layer that writes it
    :param slots: pixels that it holds
    :param words: rows of R counts that make one pixel
    :param row: R, the neuron cores of the layer that writes and of the one that reads
    :param columns: T
    :param value: range of one count
    :param weight_bits: of one shortcut weight
    """

    source: int
    slots: int
    words: int
    row: int
    columns: int
    value: Bounds
    weight_bits: int

    @property
    def capacity(self) -> int:
        """Pixels that the buffer holds."""
        return self.slots

    @property
    def product_latency(self) -> int:
        return product_latency(self.value)
