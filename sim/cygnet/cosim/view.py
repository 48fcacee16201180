# SPDX-License-Identifier: Apache-2.0
"""A top module around an accelerator that gives its inner streams names for people.

For each layer it says which neuron of which image sends how much in which time-step, as signals
for waveforms; and prints each of these spikes where the macro ``CYGNET_SPIKES`` is defined, for
:mod:`cygnet.cosim.explain`.
"""

from __future__ import annotations

from cygnet.gateware.credits import Reader, path_name, readers_of
from cygnet.gateware.verilog import top_name
from cygnet.hardware import HardwareConfig
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import Network, unsigned_width

__all__ = ["SPIKES", "TOP", "signals", "view"]

TOP = "cygnet_view"
SPIKES = "CYGNET_SPIKES"

_COUNTER = 32


def signals(network: Network, hardware: HardwareConfig) -> dict[str, dict[str, int]]:
    """The view's signals and their widths, by scope, in the order in which to show them."""
    plans = plan_layers(network, hardware)
    common = {"valid": 1, "ready": 1, "image": _COUNTER}
    shown = {"pixels": {**common, "beat": _COUNTER, "data": 8 * hardware.beat}}
    for plan in plans:
        if plan.core is not None:
            shown[plan.name] = {
                **common,
                "step": _COUNTER,
                "neuron": _COUNTER,
                "count": plan.core.count_width,
            }
    shown["logits"] = {
        **common,
        "class_number": _COUNTER,
        "logit": plans[-1].current_width,
        "label": unsigned_width(plans[-1].outputs - 1),
    }
    return shown


def view(network: Network, hardware: HardwareConfig) -> str:
    """Verilog of the module ``cygnet_view``, with the ports of the accelerator that it contains."""
    plans = plan_layers(network, hardware)
    data = 8 * hardware.beat
    logit = plans[-1].current_width
    label = unsigned_width(plans[-1].outputs - 1)
    parts = [
        f"""\
module {TOP} (
    input clk, input rst,
    input in_valid, output in_ready, input [{data - 1}:0] in_data, input in_last, output in_error,
    output out_valid, input out_ready, output signed [{logit - 1}:0] out_logit,
    output [{label - 1}:0] out_label, output out_last
);
    reg [63:0] cycle = 0;
    always @(posedge clk) cycle <= rst ? 64'd0 : cycle + 64'd1;
    {top_name(network)} dut (
        .clk(clk), .rst(rst),
        .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data), .in_last(in_last),
        .in_error(in_error),
        .out_valid(out_valid), .out_ready(out_ready), .out_logit(out_logit),
        .out_label(out_label), .out_last(out_last)
    );
    generate
    if (1) begin : pixels
        wire valid = in_valid;
        wire ready = in_ready;
        wire [{data - 1}:0] data = in_data;
        reg [{_COUNTER - 1}:0] image = 0;
        reg [{_COUNTER - 1}:0] beat = 0;
        always @(posedge clk)
            if (rst) begin image <= 0; beat <= 0; end
            else if (valid && ready) begin
                image <= image + {{31'd0, in_last}};
                beat <= in_last ? 0 : beat + 1;
            end
    end
    if (1) begin : logits
        wire valid = out_valid;
        wire ready = out_ready;
        wire signed [{logit - 1}:0] logit = out_logit;
        wire [{label - 1}:0] label = out_label;
        reg [{_COUNTER - 1}:0] image = 0;
        reg [{_COUNTER - 1}:0] class_number = 0;
        always @(posedge clk)
            if (rst) begin image <= 0; class_number <= 0; end
            else if (valid && ready) begin
                image <= image + {{31'd0, out_last}};
                class_number <= out_last ? 0 : class_number + 1;
            end
    end
"""
    ]
    parts += [
        _layer(plan, readers_of(plans, plan.number)[0]) for plan in plans if plan.core is not None
    ]
    parts.append("    endgenerate\nendmodule\n")
    return "".join(parts)


def _layer(plan: LayerPlan, reader: Reader) -> str:
    """Pixel after pixel, in each rounds of P neurons; in a round step after step, in a step lane
    after lane, as many at once as there are cores."""
    assert plan.core is not None
    return "".join(_core(plan, reader, number) for number in range(plan.cores))


def _core(plan: LayerPlan, reader: Reader, number: int) -> str:
    assert plan.core is not None
    sign = "signed " if plan.core.kind == "snm" else ""
    width = plan.core.count_width
    low = plan.core.index_width + number * width
    scope = plan.name if plan.cores == 1 else f"{plan.name}_core{number}"
    port = f"dut.{path_name(plan, reader)}.encoder.i__"
    return f"""\
    if (1) begin : {scope}
        wire valid = {port}valid;
        wire ready = {port}ready;
        wire {sign}[{width - 1}:0] count = {port}payload[{low + width - 1}:{low}];
        reg [{_COUNTER - 1}:0] image = 0;
        reg [{_COUNTER - 1}:0] pixel = 0;
        reg [{_COUNTER - 1}:0] first = 0;
        reg [{_COUNTER - 1}:0] step = 0;
        reg [{_COUNTER - 1}:0] lane = 0;
        wire [{_COUNTER - 1}:0] channel = first + lane + {number};
        wire [{_COUNTER - 1}:0] neuron = pixel * {plan.outputs} + channel;
        wire last_round = first == {(plan.rounds - 1) * plan.lanes};
        wire last_lane =
            lane == (last_round ? {(plan.tail_beats - 1) * plan.cores} : {plan.lanes - plan.cores});
        wire last_step = step == {plan.steps - 1};
        wire last_pixel = pixel == {plan.pixels - 1};
        always @(posedge clk)
            if (rst) begin image <= 0; pixel <= 0; first <= 0; step <= 0; lane <= 0; end
            else if (valid && ready) begin
                lane <= last_lane ? 0 : lane + {plan.cores};
                if (last_lane) step <= last_step ? 0 : step + 1;
                if (last_lane && last_step) first <= last_round ? 0 : first + {plan.lanes};
                if (last_lane && last_step && last_round) begin
                    pixel <= last_pixel ? 0 : pixel + 1;
                    if (last_pixel) image <= image + 1;
                end
`ifdef {SPIKES}
                if (channel < {plan.outputs})
                    $display("spike {plan.number} %0d %0d %0d %0d %0d",
                             cycle, image, step, neuron, count);
`endif
            end
    end
"""
