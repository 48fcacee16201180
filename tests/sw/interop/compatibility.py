# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/compatibility.md, out of what the readers do with a network for each row.

``python -m interop.compatibility`` in tests/sw writes them into the page.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import cygnet
from cygnet.errors import ConversionError
from cygnet.interop.exported_program import read_exported
from cygnet.interop.nir_read import from_nir
from cygnet.interop.onnx_model import read_onnx
from cygnet.network import InputSpec, Network
from cygnet.network_file import encode
from cygnet.neurons import QCFS

from .models import SPEC, PublishedQCFS, exported, onnx_file

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"
BLOCKS = ("layers", "nir", "spikingjelly", "snntorch")


class Function(nn.Module):
    """Convolution, a function, a dense layer."""

    def __init__(self, function: Callable[[Tensor], Tensor], features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.act = QCFS(4, 0.7)
        self.last = nn.Linear(features, 3)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        x = self.function(self.act(self.conv(x)))
        return self.last(x)  # type: ignore[no-any-return]


class Sum(nn.Module):
    """Two ways into one activation."""

    def __init__(self, shortcut: nn.Module, *, concatenate: bool = False) -> None:
        super().__init__()
        self.first, self.one = nn.Conv2d(2, 4, 3, padding=1), QCFS(4, 0.7)
        self.second, self.two = nn.Conv2d(4, 4, 3, padding=1), QCFS(4, 0.9)
        self.shortcut = shortcut
        self.last = nn.Linear(512 if concatenate else 256, 3)
        self.concatenate = concatenate

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(self.first(x))
        if self.concatenate:
            x = self.two(torch.cat([self.second(x), x], 1))
        else:
            x = self.two(self.second(x) + self.shortcut(x))
        return self.last(x.flatten(1))  # type: ignore[no-any-return]


def layers(*middle: nn.Module, features: int) -> nn.Sequential:
    """The layers of a row between the image and a classifier."""
    return nn.Sequential(*middle, nn.Flatten(), nn.Linear(features, 3))


def _trained(norm: nn.Module) -> nn.Module:
    nn.init.normal_(norm.running_mean, 0, 0.3)  # type: ignore[arg-type]
    nn.init.uniform_(norm.running_var, 0.5, 1.7)  # type: ignore[arg-type]
    return norm


def _conv(**options: Any) -> nn.Conv2d:
    return nn.Conv2d(2, 4, 3, **options)


ROWS: tuple[tuple[str, Callable[[], nn.Module]], ...] = (
    ("Linear", lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 9), QCFS(4, 0.7),
                                     nn.Linear(9, 3))),
    ("Conv2d, padding and stride", lambda: layers(_conv(stride=2, padding=1), QCFS(4, 0.7),
                                                  features=64)),
    ("Conv2d, groups", lambda: layers(_conv(groups=2), QCFS(4, 0.7), features=144)),
    ("Conv2d, dilation", lambda: layers(_conv(dilation=2), QCFS(4, 0.7), features=64)),
    ("BatchNorm2d", lambda: layers(_conv(), _trained(nn.BatchNorm2d(4)), QCFS(4, 0.7),
                                   features=144)),
    ("BatchNorm1d", lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 9),
                                          _trained(nn.BatchNorm1d(9)), QCFS(4, 0.7),
                                          nn.Linear(9, 3))),
    ("ReLU", lambda: layers(_conv(), nn.ReLU(), features=144)),
    ("ReLU6", lambda: layers(_conv(), nn.ReLU6(), features=144)),
    ("QCFS", lambda: layers(_conv(), QCFS(5, 0.7), features=144)),
    ("QCFS as its authors write it", lambda: layers(_conv(), PublishedQCFS(5, 0.7),
                                                    features=144)),
    ("AvgPool2d", lambda: layers(_conv(), QCFS(4, 0.7), nn.AvgPool2d(2), features=36)),
    ("AdaptiveAvgPool2d", lambda: layers(_conv(), QCFS(4, 0.7), nn.AdaptiveAvgPool2d(2),
                                         features=16)),
    ("mean over height and width", lambda: Function(lambda x: x.mean((2, 3)), 4)),
    ("view, reshape, flatten", lambda: Function(lambda x: x.view(x.shape[0], -1), 256)),
    ("Dropout", lambda: layers(_conv(), QCFS(4, 0.7), nn.Dropout(), features=144)),
    ("add, identity shortcut", lambda: Sum(nn.Identity())),
    ("add, 1x1 convolution", lambda: Sum(nn.Conv2d(4, 4, 1))),
    ("MaxPool2d", lambda: layers(_conv(), QCFS(4, 0.7), nn.MaxPool2d(2), features=36)),
    ("AvgPool2d, padding", lambda: layers(_conv(), QCFS(4, 0.7), nn.AvgPool2d(2, padding=1),
                                          features=64)),
    ("Sigmoid, Tanh, GELU, ...", lambda: layers(_conv(), nn.Sigmoid(), features=144)),
    ("LayerNorm, GroupNorm", lambda: layers(_conv(), nn.GroupNorm(2, 4), QCFS(4, 0.7),
                                            features=144)),
    ("concatenation", lambda: Sum(nn.Identity(), concatenate=True)),
    ("multiplication of two values", lambda: Function(
        lambda x: (x * functional.avg_pool2d(x, 1)).flatten(1), 256)),
    ("Softmax at the end", lambda: nn.Sequential(layers(_conv(), QCFS(4, 0.7), features=144),
                                                 nn.Softmax(1))),
)  # fmt: skip


def _integers(model: nn.Module) -> Network:
    images = np.random.default_rng(3).integers(0, 256, (20, *SPEC.shape), dtype=np.uint8)
    return cygnet.convert(model, images, input=SPEC, tau=4, steps=2)


def _attempt(read: Callable[[], nn.Module]) -> Network | None:
    try:
        return _integers(read())
    except ConversionError:
        return None


def _against(found: Network | None, wanted: Network | None, *, folded: bool = False) -> str:
    """
    :param folded: the exporter computes other weights: whether all bits agree is chance
    """
    if found is None or wanted is None:
        return "refused" if found is wanted else "**differs**"
    if encode(found) == encode(wanted) and not folded:
        return "same file"
    apart = max(
        int(np.abs(one.synapses.weight.astype(int) - two.synapses.weight).max())
        for one, two in zip(found.layers, wanted.layers, strict=True)
    )
    return "folded by the exporter: within one unit" if apart <= 1 else "**differs**"


def layer_rows() -> Iterator[tuple[str, ...]]:
    """Each layer by each road."""
    yield "layer", "`module:factory`", "`.pt2`", "`.onnx`"
    with tempfile.TemporaryDirectory() as folder:
        for name, make in ROWS:
            torch.manual_seed(7)
            model = make().eval()
            path = Path(folder) / "x.pt2"
            wanted = _attempt(lambda model=model: model)  # type: ignore[misc]
            pt2 = _attempt(lambda m=model, p=path: read_exported(exported(m, p))[0])  # type: ignore[misc]
            onnx = _attempt(
                lambda m=model, p=path: read_onnx(onnx_file(m, p, dynamo=False))[0]  # type: ignore[misc]
            )
            yield (
                name,
                "refused" if wanted is None else "yes",
                _against(pt2, wanted),
                _against(onnx, wanted, folded=name.startswith("BatchNorm")),
            )


def _graph(*nodes: nir.NIRNode) -> nir.NIRGraph:
    names = ["in", *(f"n{number}" for number in range(len(nodes))), "out"]
    ends = nir.Input(np.array([4])), nir.Output(np.array([4]))
    listed = dict(zip(names, (ends[0], *nodes, ends[1]), strict=True))
    return nir.NIRGraph(listed, list(zip(names, names[1:], strict=False)), type_check=False)  # noqa: RUF007


def nir_rows() -> Iterator[tuple[str, ...]]:
    """Each node of NIR, alone or before an IF."""
    one, four = np.ones(4), np.array([1, 2, 2])
    fire = nir.IF(r=one, v_threshold=one)
    pool = (np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    weight = np.eye(4)
    conv = nir.Conv2d((2, 2), np.ones((4, 1, 2, 2)), 1, 0, 1, 1, np.zeros(4))
    leak = {"r": one, "v_leak": 0 * one}
    nodes = {
        "IF": [nir.Linear(weight), fire],
        "IF, v_reset other than 0": [nir.Linear(weight),
                                     nir.IF(r=one, v_threshold=one, v_reset=-one)],
        "Linear": [nir.Linear(weight), fire],
        "Affine": [nir.Affine(weight, one), fire],
        "Scale": [nir.Scale(2 * one), nir.Linear(weight), fire],
        "Conv2d": [conv, nir.IF(r=np.ones((4, 1, 1)), v_threshold=np.ones((4, 1, 1)))],
        "SumPool2d": [nir.SumPool2d(*pool), nir.Flatten(four), nir.Linear(np.ones((4, 1))), fire],
        "AvgPool2d": [nir.AvgPool2d(*pool), nir.Flatten(four), nir.Linear(np.ones((4, 1))), fire],
        "Flatten": [nir.Flatten(four), nir.Linear(weight), fire],
        "Conv1d": [nir.Conv1d(4, np.ones((4, 1, 1)), 1, 0, 1, 1, one), fire],
        "LIF": [nir.Linear(weight), nir.LIF(tau=one, v_threshold=one, **leak)],
        "CubaLIF": [nir.Linear(weight), nir.CubaLIF(tau_mem=one, tau_syn=one, v_threshold=one,
                                                    **leak)],
        "LI": [nir.Linear(weight), nir.LI(tau=one, **leak)],
        "I": [nir.Linear(weight), nir.I(r=one)],
        "Delay": [nir.Delay(one), nir.Linear(weight), fire],
        "Threshold": [nir.Linear(weight), nir.Threshold(one)],
    }  # fmt: skip
    yield "node", "in"
    for name, chain in nodes.items():
        maps = name in ("Conv2d", "SumPool2d", "AvgPool2d", "Flatten")
        spec = InputSpec("counts", (2, 2, 1) if maps else (1, 1, 4))
        try:
            module = from_nir(_graph(*chain), reset="subtract")
            assert not isinstance(module, Network)
            cygnet.convert(module, input=spec)
        except ConversionError:
            yield f"`{name}`", "refused"
        else:
            yield f"`{name}`", "yes"


def _neuron_rows(neurons: dict[str, Callable[[], nn.Module]]) -> Iterator[tuple[str, ...]]:
    yield "neuron", "in"
    for name, make in neurons.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a combination that the package advises against
                model = nn.Sequential(nn.Linear(4, 3), make(), nn.Linear(3, 2))
            cygnet.convert(model, input=InputSpec("counts", (1, 1, 4)))
        except ConversionError:
            yield f"`{name}`", "refused"
        else:
            yield f"`{name}`", "yes"


def spikingjelly_rows() -> Iterator[tuple[str, ...]]:
    """Neurons of SpikingJelly."""
    from spikingjelly.activation_based import neuron

    return _neuron_rows(
        {
            "IFNode(v_reset=None)": lambda: neuron.IFNode(v_reset=None),
            "IFNode(v_reset=None, step_mode='m')": lambda: neuron.IFNode(
                v_reset=None, step_mode="m"
            ),
            "IFNode()": neuron.IFNode,
            "LIFNode(v_reset=None)": lambda: neuron.LIFNode(v_reset=None),
            "ParametricLIFNode(v_reset=None)": lambda: neuron.ParametricLIFNode(v_reset=None),
        }
    )


def snntorch_rows() -> Iterator[tuple[str, ...]]:
    """Neurons of snnTorch."""
    import snntorch as snn

    return _neuron_rows(
        {
            "Leaky(beta=1, init_hidden=True)": lambda: snn.Leaky(beta=1.0, init_hidden=True),
            "Leaky(beta=1)": lambda: snn.Leaky(beta=1.0),
            "Leaky(beta=0.9, init_hidden=True)": lambda: snn.Leaky(beta=0.9, init_hidden=True),
            "Leaky(beta=1, init_hidden=True, reset_mechanism='zero')": lambda: snn.Leaky(
                beta=1.0, init_hidden=True, reset_mechanism="zero"
            ),
            "Synaptic(alpha=0.9, beta=1, init_hidden=True)": lambda: snn.Synaptic(
                alpha=0.9, beta=1.0, init_hidden=True
            ),
        }
    )


MAKERS: dict[str, Callable[[], Iterator[tuple[str, ...]]]] = {
    "layers": layer_rows,
    "nir": nir_rows,
    "spikingjelly": spikingjelly_rows,
    "snntorch": snntorch_rows,
}


def table(block: str) -> str:
    """One table, as Markdown."""
    head, *rows = MAKERS[block]()
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def pattern(block: str) -> re.Pattern[str]:
    """Where a table stands in the page; the second group is the table."""
    return re.compile(rf"(<!-- table {block} -->\n\n)(.*?)(\n<!-- end -->)", re.DOTALL)


def main() -> None:
    """Write all tables into the page."""
    text = PAGE.read_text()
    for block in BLOCKS:
        made = table(block)
        text = pattern(block).sub(lambda match, made=made: match[1] + made + match[3], text)  # type: ignore[misc]
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
