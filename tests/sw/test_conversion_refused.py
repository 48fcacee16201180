# SPDX-License-Identifier: Apache-2.0
"""What has no spiking form: each refusal names the layer and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.conversion import fold
from cygnet.errors import ConversionError
from cygnet.network import InputSpec
from cygnet.neurons import QCFS

SHAPE = (2, 8, 8)


def around(*layers: nn.Module, channels: int = 4) -> nn.Module:
    """The layers between a convolution to 4 maps of 8x8 and a classifier."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        *layers,
        nn.Flatten(),
        nn.LazyLinear(3) if channels else nn.Identity(),
    )


class Calls(nn.Module):
    """A network whose middle is any function of (module, map)."""

    def __init__(self, middle: Callable[[Calls, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.other = nn.Conv2d(4, 4, 3, padding=1)
        self.third = nn.Conv2d(4, 4, 3, padding=1)
        self.point = nn.Conv2d(2, 4, 1)
        self.pool = nn.AvgPool2d(2)
        self.act = nn.ReLU()
        self.fc = nn.LazyLinear(3)
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        self.image = x
        return self.fc(self.middle(self, self.act(self.conv(x))).flatten(1))  # type: ignore[no-any-return]


class Published(nn.Module):
    """The activation of the QCFS authors' code, with a threshold that went negative."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.thresh = nn.Parameter(torch.tensor([value]))
        self.L = 4

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x)


def not_finite() -> QCFS:
    module = QCFS(4)
    nn.init.constant_(module.weight, float("nan"))
    return module


RETRAIN = "train the network with ReLU or QCFS instead"
CASES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "max_pool": (
        lambda: around(nn.MaxPool2d(2)),
        "layer '2' (MaxPool2d): max pooling has no exact spiking form; replace it by average "
        "pooling and train again",
    ),
    "max_pool_call": (
        lambda: Calls(lambda m, x: functional.max_pool2d(x, 2)),
        "layer 'max_pool2d' (max_pool2d): max pooling has no exact spiking form; replace it by "
        "average pooling and train again",
    ),
    "sigmoid": (
        lambda: around(nn.Sigmoid()),
        f"layer '2' (Sigmoid): this activation has no spiking form; {RETRAIN}",
    ),
    "leaky_relu": (
        lambda: around(nn.LeakyReLU()),
        f"layer '2' (LeakyReLU): this activation has no spiking form; {RETRAIN}",
    ),
    "gelu_call": (
        lambda: Calls(lambda m, x: functional.gelu(x)),
        f"layer 'gelu' (gelu): this activation has no spiking form; {RETRAIN}",
    ),
    "hardtanh": (
        lambda: around(nn.Hardtanh()),
        f"layer '2' (Hardtanh): its lower limit must be 0, not -1.0; {RETRAIN}",
    ),
    "layer_norm": (
        lambda: around(nn.LayerNorm([4, 8, 8])),
        "layer '2' (LayerNorm): a norm over the activations of one image cannot be folded into "
        "weights; use batch norm instead and train again",
    ),
    "group_norm": (
        lambda: around(nn.GroupNorm(2, 4)),
        "layer '2' (GroupNorm): a norm over the activations of one image cannot be folded into "
        "weights; use batch norm instead and train again",
    ),
    "softmax": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 3), nn.Softmax(1)),
        "layer '2' (Softmax): softmax has no spiking form; let the network return its logits; the "
        "class with the largest one is the same",
    ),
    "concatenation": (
        lambda: Calls(lambda m, x: torch.cat([x, m.act(m.other(x))], 1)),
        "layer 'cat' (cat): concatenation is not supported; add the branches instead, with a "
        "1x1 convolution where their channels differ",
    ),
    "upsample": (
        lambda: around(nn.Upsample(scale_factor=2)),
        "layer '2' (Upsample): upsampling is not supported; keep the map's size, or shrink it",
    ),
    "multiplication": (
        lambda: Calls(lambda m, x: x * 0.5),
        "layer 'mul' (mul): arithmetic other than an add is not supported; write it as a "
        "linear layer, a convolution or batch norm",
    ),
    "unknown": (
        lambda: around(nn.ChannelShuffle(2)),
        "layer '2' (ChannelShuffle): has no known spiking form; build the network from Linear, "
        "Conv2d, batch norm, ReLU or QCFS, average pooling, flatten and adds",
    ),
    "constant": (
        lambda: Calls(lambda m, x: x + 1),
        "layer 'add': a constant is added; put it into the bias of a layer",
    ),
    "add_alpha": (
        lambda: Calls(lambda m, x: m.act(torch.add(m.other(x), x, alpha=2))),
        "layer 'add': alpha must be 1, not 2; put the factor into the weights",
    ),
    "broadcast": (
        lambda: Calls(lambda m, x: m.act(m.other(x) + x.mean((2, 3), keepdim=True))),
        "layer 'add': values of different shapes are added; use a 1x1 convolution where "
        "shapes differ",
    ),
    "add_without_activation": (
        lambda: Calls(lambda m, x: m.other(x) + x),
        "layer 'add': is an add without an activation after it; put a ReLU or QCFS right "
        "after the add",
    ),
    "three_ways": (
        lambda: Calls(lambda m, x: m.act(m.other(x) + x + m.third(x))),
        "layer 'add_1': adds to an add; put an activation after each add",
    ),
    "two_identities": (
        lambda: Calls(lambda m, x: m.act(x + m.act(m.other(x)))),
        "layer 'add': adds two activations with no weights; put a convolution on one of the "
        "two ways",
    ),
    "two_convolutions": (
        lambda: Calls(lambda m, x: m.act(m.other(x) + m.third(x))),
        "layer 'add': one of the two ways must be an identity or a 1x1 convolution without "
        "padding or pooling, and must come from an activation, not from the input; change the "
        "shortcut",
    ),
    "input_shortcut": (
        lambda: Calls(lambda m, x: m.act(m.other(x) + m.point(m.image))),
        "layer 'add': one of the two ways must be an identity or a 1x1 convolution without "
        "padding or pooling, and must come from an activation, not from the input; change the "
        "shortcut",
    ),
    "pool_padding": (
        lambda: around(nn.AvgPool2d(3, 2, padding=1)),
        "layer '2' (average pooling): padding 1 makes windows of different weight, which have no "
        "single factor; use padding 0",
    ),
    "pool_partial": (
        lambda: around(nn.AvgPool2d(3)),
        "layer '2' (average pooling): windows of 3 with stride 3 leave a partial window on a map "
        "of 8; choose sizes that divide",
    ),
    "pool_ceil_mode": (
        lambda: around(nn.AvgPool2d(3, ceil_mode=True)),
        "layer '2' (average pooling): windows of 3 with stride 3 leave a partial window on a map "
        "of 8; choose sizes that divide",
    ),
    "pool_divisor": (
        lambda: around(nn.AvgPool2d(2, divisor_override=3)),
        "layer '2' (average pooling): divisor_override must be None, not 3; scale the weights "
        "after it instead",
    ),
    "adaptive_pool": (
        lambda: around(nn.AdaptiveAvgPool2d(3)),
        "layer '2' (adaptive average pooling): a map of 8 does not divide into 3 equal windows; "
        "choose sizes that divide",
    ),
    "overlapping_pools": (
        lambda: around(nn.AvgPool2d(2, 1), nn.AvgPool2d(3, 2)),
        "layer '3' (average pooling): follows pooling whose windows overlap; use a stride equal to "
        "the kernel, or one pooling layer",
    ),
    "pool_before_activation": (
        lambda: around(nn.AvgPool2d(2), QCFS(4)),
        "layer '2': there are no weights between it and the activation after it; put a linear "
        "layer or a convolution between them",
    ),
    "mean_of_channels": (
        lambda: Calls(lambda m, x: x.mean(1)),
        "layer 'mean': a mean over the dimensions (1,) is not supported; only that over height and "
        "width is",
    ),
    "reshape": (
        lambda: Calls(lambda m, x: m.act(x.reshape(-1, 2, 8, 16))),
        "layer 'reshape': changes the shape of a sample from (4, 8, 8) to (2, 8, 16); only "
        "flattening to a vector is supported",
    ),
    "linear_on_a_map": (
        lambda: around(nn.Linear(8, 8), nn.ReLU()),
        "layer '2' (Linear): reads a map of shape (4, 8, 8); flatten it first",
    ),
    "padding_mode": (
        lambda: around(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
        "layer '2' (Conv2d): padding mode must be 'zeros', not 'reflect'; train it with zeros",
    ),
    "padding": (
        lambda: around(nn.Conv2d(4, 4, 1, padding=1), nn.ReLU()),
        "layer '2' (Conv2d): padding 1 must be less than the kernel 1; shrink it",
    ),
    "same_padding": (
        lambda: around(nn.Conv2d(4, 4, 2, padding="same"), nn.ReLU()),
        "layer '2' (Conv2d): padding 'same' is uneven for a kernel of (2, 2); use an odd kernel",
    ),
    "no_activation": (
        lambda: around(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()),
        "layer '3': there is no activation between it and '2', and the two do not compose into "
        "one; put a ReLU or QCFS between them",
    ),
    "no_activation_flatten": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(144, 3)),
        "layer '2': there is no activation between it and '0'; put a ReLU or QCFS between them",
    ),
    "batch_norm_statistics": (
        lambda: around(nn.BatchNorm2d(4, track_running_stats=False)),
        "layer '2' (batch norm): has no running statistics to fold; train it with "
        "track_running_stats=True",
    ),
    "batch_norm_place": (
        lambda: around(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()),
        "layer '2' (batch norm): stands neither after nor before a linear map that it could be "
        "folded into; put it between a convolution and its activation",
    ),
    "negative_lambda": (
        lambda: nn.Sequential(nn.Conv2d(2, 2, 3), Published(-0.5), nn.Flatten(), nn.Linear(72, 2)),
        "layer '1': its threshold lambda is [-0.5], which must be > 0; train it again, with "
        "cygnet.neurons.QCFS it stays positive",
    ),
    "nan_lambda": (
        lambda: around(nn.Conv2d(4, 4, 3), not_finite()),
        "layer '3' (QCFS): its threshold is not finite; train it again",
    ),
    "last_activation": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 3), nn.ReLU()),
        "layer '2': is an activation after the last layer; let the network return the last layer's "
        "sums, its logits",
    ),
    "last_pool": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten()),
        "layer '2': the last layer must be a Linear or a Conv2d; put one at the end",
    ),
    "control_flow": (
        lambda: Calls(lambda m, x: x if x.sum() > 0 else -x),
        "the network cannot be traced by torch.fx: ",
    ),
    "input_shape": (
        lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2)),
        "the network does not take an input of shape (2, 8, 8): ",
    ),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("case", CASES)
def test_refusal(case: str) -> None:
    make, message = CASES[case]
    torch.manual_seed(0)
    model = make()
    if any(isinstance(module, nn.LazyLinear) for module in model.modules()):
        model(torch.randn(2, *SHAPE))
    whole = f"^{re.escape(message)}" + ("" if message.endswith((" ", ")")) else "$")
    with pytest.raises(ConversionError, match=whole):
        fold(model.eval(), SHAPE)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.fc(x), x


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Pair, "the network must return one tensor of logits, not a tuple"),
        (TwoInputs, "the network must have one input, not 2"),
    ],
)
def test_form_of_the_network(model: type[nn.Module], message: str) -> None:
    with pytest.raises(ConversionError, match=f"^{re.escape(message)}$"):
        fold(model(), (4,))


def test_a_layer_used_twice_cannot_take_two_batch_norms() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.one, self.two = nn.BatchNorm1d(4), nn.BatchNorm1d(4)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.one(self.fc(x)))
            return self.fc(torch.relu(self.two(self.fc(x))))  # type: ignore[no-any-return]

    with pytest.raises(
        ConversionError,
        match=r"^layer 'fc' is used 3 times; give each place a layer of its own$",
    ):
        fold(Shared().eval(), (4,))


def test_published_activation_becomes_qcfs() -> None:
    model = nn.Sequential(nn.Linear(4, 3), Published(0.75), nn.Linear(3, 2))
    activation = fold(model, InputSpec("pixels", (1, 1, 4))).stage(0).activation
    assert isinstance(activation, QCFS)
    assert (activation.levels, activation.threshold.item()) == (4, 0.75)
