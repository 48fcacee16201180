# SPDX-License-Identifier: Apache-2.0
"""A neuron core alone, dressed as an accelerator, so that the compiled harness can run it.

A beat is one neuron-step, a frame is T steps of every neuron of the core, and a logit is one spike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.payload import Payload
from cygnet.gateware.neuron import neuron_core, spike_layout, step_layout
from cygnet.gateware.verilog import convert
from cygnet.golden.neurons import fire, initial
from cygnet.network import Neurons
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["CoreFrames", "core_frames"]

TOP = "cygnet_core"
CORE = "core"


@dataclass(frozen=True, eq=False)
class CoreFrames:
    """Verilog of the dressed core and what it must answer.

    :param frames: uint8[n, beats * bytes of a beat]
    :param logits: int64[n, beats], the word of each spike
    :param latency: clocks from the first beat of a frame to its last logit
    :param options: of the harness, with which it predicts the clock of every handshake
    """

    verilog: str
    frames: NDArray[np.uint8]
    logits: NDArray[np.int64]
    latency: int
    options: tuple[str, str]

    def clocks(self, back_to_back: bool) -> NDArray[np.int64]:
        """Cycle of each frame's last logit, from the first beat of the first frame or its own."""
        count, beats = self.logits.shape
        return self.latency + (beats * np.arange(count) if back_to_back else np.zeros(count, int))


def core_frames(
    config: NeuronCoreConfig, neurons: Neurons, *, steps: int, count: int, seed: int
) -> CoreFrames:
    """Random currents, some at a threshold, for all neurons of the core; those of a frame
    are in a new order each time.

    :param neurons: one channel for each slot and each row of the core
    """
    channels = config.channels
    if config.depth != channels or neurons.channels != channels:
        raise ValueError(f"slots, rows and neurons must be {channels} each")
    rng = np.random.default_rng(seed)
    shape = (1, 1, channels)
    high = (1 << (config.current_width - 1)) - 1
    v, m = initial(neurons, shape, count)
    channel = np.array([rng.permutation(channels) for _ in range(count)])
    slot = np.array([rng.permutation(channels) for _ in range(count)])
    take, give = Payload.of(step_layout(config)), Payload.of(spike_layout(config))
    width = -(-take.width // 8)
    frames = np.zeros((count, steps, channels, width), np.uint8)
    logits = np.zeros((count, steps, channels), np.int64)
    for step in range(steps):
        u = _currents(rng, neurons, v, high)
        c, v, m = fire(neurons, shape, v, m, u)
        value = c.astype(np.int64)
        if neurons.enabled is not None:
            value = value * neurons.enabled
        if neurons.amplitude is not None:
            value = value * neurons.amplitude
        common = {"first": int(step == 0), "last": int(step == steps - 1)}
        for image in range(count):
            for beat in range(channels):
                neuron, index = int(channel[image, beat]), int(slot[image, beat])
                word = take.pack(
                    {
                        "index": index,
                        "channel": neuron,
                        "current": int(u[image, 0, 0, neuron]),
                        **common,
                    }
                )
                frames[image, step, beat] = np.frombuffer(word.to_bytes(width, "little"), np.uint8)
                logits[image, step, beat] = give.pack(
                    {"index": index, "count": int(value[image, 0, 0, neuron]), **common}
                )
    beats = steps * channels
    return CoreFrames(
        _verilog(config, neurons, take, give, beats),
        frames.reshape(count, -1),
        logits.reshape(count, beats),
        beats - 1 + config.latency,
        (f"core={config.latency}", f"core_register={int(config.variant == 'fast')}"),
    )


def _currents(
    rng: np.random.Generator, neurons: Neurons, v: NDArray[np.int64], high: int
) -> NDArray[np.int64]:
    """Two in five at a threshold; the others anywhere, small, or at full pace away from 0."""
    group = rng.integers(1, neurons.tau + 1, v.shape)
    edge = neurons.fire + (group - 1) * neurons.reset.astype(np.int64)
    # Half of those right at it, half a power of two away, where but one bit of the distance is set.
    away = rng.choice([-1, 1], v.shape) << rng.integers(0, high.bit_length(), v.shape)
    away = np.where(rng.random(v.shape) < 0.5, rng.integers(-1, 2, v.shape), away)
    edge = edge * rng.choice([-1, 1], v.shape) - v + away
    kind = rng.choice(4, v.shape, p=(0.2, 0.2, 0.2, 0.4))
    u = np.where(kind == 0, rng.integers(-high - 1, high + 1, v.shape), edge)
    u = np.where(kind == 1, rng.integers(-40, 41, v.shape), u)
    u = np.where(kind == 2, np.where(v < 0, -high - 1, high), u)
    return np.clip(u, -high - 1, high)


def _verilog(
    config: NeuronCoreConfig, neurons: Neurons, take: Payload, give: Payload, beats: int
) -> str:
    rows = config.rows(neurons, (1, 1, config.channels))
    core = convert(neuron_core(config, rows or None), CORE, images={}, header="a neuron core")
    bits = 8 * -(-take.width // 8)
    return f"""{core}
module {TOP} (
    input clk, input rst,
    input in_valid, output in_ready, input [{bits - 1}:0] in_data, input in_last,
    output out_valid, input out_ready, output [{give.width}:0] out_logit, output out_label,
    output out_last
);
    reg [31:0] beat = 0;
    assign out_logit[{give.width}] = 1'b0;
    assign out_label = 1'b0;
    assign out_last = beat == {beats - 1};
    always @(posedge clk)
        if (rst) beat <= 0;
        else if (out_valid && out_ready) beat <= out_last ? 0 : beat + 1;
    {CORE} dut (
        .clk(clk), .rst(rst),
        .i__valid(in_valid), .i__ready(in_ready), .i__payload(in_data[{take.width - 1}:0]),
        .o__valid(out_valid), .o__ready(out_ready), .o__payload(out_logit[{give.width - 1}:0])
    );
endmodule
"""
