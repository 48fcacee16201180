# SPDX-License-Identifier: Apache-2.0
"""The networks of the papers, references on the command line, and weights in files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from cygnet.errors import CygnetError
from cygnet.models import build, lenet5, load_weights, mlp, resnet20, save_weights, vgg16
from cygnet.models.weights import read_notes, read_weights
from cygnet.neurons import QCFS


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def products(model: nn.Module, image: torch.Tensor) -> int:
    """Multiply-adds of the convolutions and dense layers for one image."""
    total = 0

    def count(module: nn.Module, given: Any, result: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module, (nn.Conv2d, nn.Linear))
        total += module.weight[0].numel() * result[0].numel()

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    with torch.no_grad():
        assert model.eval()(image).shape == (1, 100 if image.shape[1] == 3 else 10)
    return total


@pytest.mark.parametrize(
    ("reference", "size", "activations", "weights", "multiply_adds"),
    [
        # 784-128-128-10: the sums are those of the widths.
        ("mlp", (1, 28, 28), 2, 784 * 128 + 128 * 128 + 128 * 10 + 128 + 128 + 10, 118016),
        # LeCun et al. (1998) with a full second layer: 61,706.
        ("lenet5", (1, 28, 28), 4, 61706, 416520),
        # "0.278 M parameters for 100 classes, 40.8 M multiply-adds, 19 spiking layers".
        ("resnet20(classes=100)", (3, 32, 32), 19, 278324, 40818944),
        ("resnet18(classes=100)", (3, 32, 32), 17, 11220132, 555468800),
        ("resnet34(classes=100)", (3, 32, 32), 33, 21328292, 1159448576),
        # "33.65 M parameters, 332 M multiply-adds" for 10 classes, and with biases under the batch
        # norms, of which there are 4,224.
        ("vgg16(classes=100)", (3, 32, 32), 15, 33646666 - 4224 + 90 * 4097, 332480512),
    ],
)
def test_sizes_are_the_published_ones(
    reference: str, size: tuple[int, ...], activations: int, weights: int, multiply_adds: int
) -> None:
    model = build(reference)
    assert sum(isinstance(module, QCFS) for module in model.modules()) == activations
    assert parameters(model) == weights + activations
    assert products(model, torch.rand(1, *size)) == multiply_adds


def test_activation_is_a_choice() -> None:
    relu = resnet20(activation="relu")
    assert sum(isinstance(module, nn.ReLU) for module in relu.modules()) == 19
    assert not any(isinstance(module, QCFS) for module in relu.modules())
    levels = {
        module.levels for module in build("mlp(levels=7)").modules() if hasattr(module, "levels")
    }
    assert levels == {7}
    starts = [
        module.threshold.item()
        for module in vgg16(width=0.1, hidden=8).modules()
        if isinstance(module, QCFS)
    ]
    assert starts == [8.0] * 15
    with pytest.raises(ValueError, match=r"^activation must be 'qcfs' or 'relu', not 'tanh'$"):
        mlp(activation="tanh")  # type: ignore[arg-type]


def test_sizes_that_do_not_fit_are_refused() -> None:
    assert lenet5(3, size=32)(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert vgg16(size=64, width=0.1, hidden=8)(torch.rand(2, 3, 64, 64)).shape == (2, 10)
    with pytest.raises(ValueError, match=r"^size must be a multiple of 4 from 16, not 30$"):
        lenet5(size=30)
    with pytest.raises(ValueError, match=r"^size must be a multiple of 32, not 28$"):
        vgg16(size=28)


def test_vgg_of_the_snm_authors() -> None:
    plain, narrow = (vgg16(width=0.25, hidden=8, third=kernel) for kernel in (3, 1))
    kernels = [m.kernel_size[0] for m in narrow.modules() if isinstance(m, nn.Conv2d)]
    assert kernels == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]
    assert parameters(plain) - parameters(narrow) == 8 * (64**2 + 128**2 + 128**2)
    assert narrow(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(ValueError, match=r"^third must be 1 or 3, not 5$"):
        vgg16(third=5)


def test_shortcuts_are_of_option_b() -> None:
    names = [
        name for name, module in resnet20().named_modules() if re.search(r"shortcut\.0$", name)
    ]
    assert names == ["stages.1.0.shortcut.0", "stages.2.0.shortcut.0"]


USER = """
from torch import nn
def small(width=3):
    return nn.Linear(width, 2)
def number():
    return 7
value = 3
"""


def test_a_users_factory_is_found_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users_own_model.py").write_text(USER)
    monkeypatch.chdir(tmp_path)
    model = build("users_own_model:small(width=5)")
    assert isinstance(model, nn.Linear)
    assert model.in_features == 5
    assert build("users_own_model:small").in_features == 3
    for reference, message in [
        ("users_own_model:large", "module users_own_model has no factory large"),
        ("users_own_model:value", "module users_own_model has no factory value"),
        ("users_own_model:number", "gives a int, not a torch.nn.Module"),
        ("users_own_model:small(depth=2)", "unexpected keyword argument 'depth'"),
        ("users_own_model:small(width=-1)", "negative dimension"),
        ("users_own_model:small(width=open('x'))", "arguments must be written as name=value"),
        ("users_own_model:small(3)", "arguments must be written as name=value"),
        ("users_own_model:small(**{})", "arguments must be written as name=value"),
        ("no_such_module_here:small", "there is no module no_such_module_here"),
        ("users own:small", "is not a model"),
        ("resnet21", "module cygnet.models has no factory resnet21"),
    ]:
        with pytest.raises(CygnetError, match=re.escape(message)) as caught:
            build(reference)
        assert str(caught.value).startswith(f"{reference}: ")
        assert "\n" not in str(caught.value)


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    model = lenet5()
    save_weights(tmp_path / "a.safetensors", model.state_dict(), {"seed": 3})
    torch.save(model.state_dict(), tmp_path / "b.pt")
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, tmp_path / "c.ckpt")
    half = {name: value.half() for name, value in model.state_dict().items()}
    save_weights(tmp_path / "d.safetensors", half)
    for name in ("a.safetensors", "b.pt", "c.ckpt"):
        other = lenet5()
        load_weights(other, tmp_path / name)
        for key, value in model.state_dict().items():
            assert torch.equal(other.state_dict()[key], value)
    other = lenet5()
    load_weights(other, tmp_path / "d.safetensors")
    for key, value in half.items():
        assert other.state_dict()[key].dtype == torch.float32
        assert torch.equal(other.state_dict()[key], value.float())
    assert read_notes(tmp_path / "a.safetensors") == {"seed": 3}
    assert read_notes(tmp_path / "b.pt") == {}


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def test_a_pickle_does_not_run(tmp_path: Path) -> None:
    torch.save({"weight": Hostile(tmp_path / "ran")}, tmp_path / "w.pt")
    with pytest.raises(CygnetError, match="holds a pickled model, and reading it would run code"):
        read_weights(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = nn.Linear(2, 3)
    path = tmp_path / "w.safetensors"
    good = {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}
    for state, message in [
        ({"weight": good["weight"]}, "lacks bias"),
        ({**good, "scale": torch.zeros(1)}, "has scale, which the model lacks"),
        ({**good, "bias": torch.zeros(2)}, "bias has shape (2,), the model's is (3,)"),
        ({**good, "bias": torch.full((3,), torch.nan)}, "bias holds a value that is not finite"),
    ]:
        safetensors.torch.save_file(state, path)
        with pytest.raises(CygnetError, match=re.escape(message)):
            load_weights(model, path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CygnetError, match="is neither safetensors nor a state dict"):
        load_weights(model, path)
    with pytest.raises(CygnetError, match="cannot be read: No such file"):
        load_weights(model, tmp_path / "none.safetensors")
    with pytest.raises(CygnetError, match="cannot be read: No such file"):
        load_weights(model, tmp_path / "none.pt")
