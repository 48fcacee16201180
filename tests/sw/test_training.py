# SPDX-License-Identifier: Apache-2.0
"""The training loop: what it computes, and that an interruption changes nothing."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cygnet.data import Dataset, digits, input_spec, tensor
from cygnet.errors import CygnetError
from cygnet.models import mlp
from cygnet.training import Progress, Recipe, accuracy, logits, train
from cygnet.training.augment import augment

RNG = np.random.default_rng(11)
DATA = Dataset(
    RNG.integers(0, 256, (90, 4, 4, 1), dtype=np.uint8), RNG.integers(0, 3, 90, dtype=np.int64)
)
SPEC = input_spec(DATA)


def model(dropout: float = 0.3) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(16, 12),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(12, 3),
    )


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_one_epoch_is_gradient_descent_with_momentum_by_hand() -> None:
    """Full batches, so that the order of the images does not matter."""
    dense = nn.Linear(16, 3)
    weight = dense.weight.detach().double().numpy()
    bias = dense.bias.detach().double().numpy()
    trained = nn.Sequential(nn.Flatten(), dense)
    recipe = Recipe(epochs=3, batch=1000, learning_rate=0.2, weight_decay=0.01, validation=0.2)
    outcome = train(trained, DATA, SPEC, recipe)
    assert outcome.images == (72, 18)
    images, held = DATA.divide(18, 0)
    x = tensor(images, SPEC).flatten(1).double().numpy()
    one_hot = np.eye(3)[images.y]
    moved = [np.zeros_like(weight), np.zeros_like(bias)]
    kept = []
    for epoch in range(3):
        z = x @ weight.T + bias
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        slope = (p - one_hot) / len(x)
        assert outcome.history[epoch].loss == pytest.approx(
            -np.log(p[np.arange(72), images.y]).mean(), rel=1e-5
        )
        assert outcome.history[epoch].accuracy == (p.argmax(1) == images.y).mean()
        rate = 0.1 * (1 + math.cos(math.pi * epoch / 3))
        moved = [
            0.9 * moved[0] + slope.T @ x + 0.01 * weight,
            0.9 * moved[1] + slope.sum(0) + 0.01 * bias,
        ]
        weight, bias = weight - rate * moved[0], bias - rate * moved[1]
        kept.append(weight)
    np.testing.assert_allclose(
        dense.weight.detach().numpy(), kept[outcome.best_epoch - 1], atol=1e-5
    )
    assert outcome.validation == accuracy(trained, held, SPEC)
    assert outcome.validation == max(epoch.validation for epoch in outcome.history)


def test_seed_settles_the_run_and_leaves_the_callers_generator_alone() -> None:
    runs = []
    for seed in (3, 3, 4):
        runs.append(model())
        torch.manual_seed(77)
        recipe = Recipe(epochs=2, batch=16, seed=seed, augment=("shift", "flip", "cutout"))
        train(runs[-1], DATA, SPEC, recipe)
        assert torch.initial_seed() == 77
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


@pytest.mark.parametrize("stop_at", [1, 4, 5, 9])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path, stop_at: int) -> None:
    recipe = Recipe(epochs=3, batch=20, augment=("shift",), seed=5)
    whole = model()
    want = train(whole, DATA, SPEC, recipe)
    parts = model()
    path = tmp_path / "run.safetensors"
    count = 0

    def interrupt(progress: Progress) -> None:
        nonlocal count
        count += 1
        if count == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(parts, DATA, SPEC, recipe, checkpoint=path, progress=interrupt)
    torch.manual_seed(999)
    again = model(dropout=0.3)
    for parameter in again.parameters():
        nn.init.zeros_(parameter)
    steps: list[tuple[int, int]] = []
    got = train(
        again,
        DATA,
        SPEC,
        recipe,
        checkpoint=path,
        progress=lambda p: steps.append((p.epoch, p.step)),
    )
    assert len(steps) == 3 * 4 - stop_at
    assert same(whole, again)
    assert got == want
    finished = model()
    assert train(finished, DATA, SPEC, recipe, checkpoint=path) == want
    assert same(whole, finished)


KILLED = """
import sys
import numpy as np, torch
from cygnet.data import digits, input_spec
from cygnet.models import mlp, save_weights
from cygnet.training import Recipe, train
torch.set_num_threads(1)
torch.manual_seed(0)
model, data = mlp(64, (16,)), digits("train")
recipe = Recipe(epochs=3, batch=16, learning_rate=0.05)
def say(p):
    print(p.epoch, p.step, flush=True)
train(model, data, input_spec(data), recipe, checkpoint=sys.argv[1], interval=0.0, progress=say)
save_weights(sys.argv[2], model.state_dict())
"""


def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    def start(checkpoint: str, out: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / checkpoint), str(tmp_path / out)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    undisturbed = start("a", "whole")
    assert undisturbed.communicate()[0].count("\n") == 3 * 80
    assert undisturbed.returncode == 0
    killed = start("b", "resumed")
    assert killed.stdout is not None
    for line in killed.stdout:
        if line == "2 37\n":
            killed.send_signal(signal.SIGKILL)
            break
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "resumed").exists()
    resumed = start("b", "resumed")
    assert resumed.communicate()[0].count("\n") <= 3 * 80 - 80 - 36
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "resumed").read_bytes()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    recipe = Recipe(epochs=1, batch=16)
    train(model(), DATA, SPEC, recipe, checkpoint=path)
    shorter = DATA.take(slice(0, 80))
    wider = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    for arguments, name in [
        ((model(), DATA, SPEC, Recipe(epochs=2, batch=16)), "recipe"),
        ((model(), shorter, SPEC, recipe), "data"),
        ((model(), DATA, input_spec(DATA, scale=0.5), recipe), "input"),
        ((wider, DATA, SPEC, recipe), "model"),
    ]:
        with pytest.raises(CygnetError, match=f"is of a run with {name} "):
            train(*arguments, checkpoint=path)
    data = path.read_bytes()
    for broken in (
        b"",
        data[: len(data) // 2],
        data.replace(b'"cygnet_training"', b'"cygnet_weather_"'),
    ):
        path.write_bytes(broken)
        with pytest.raises(CygnetError, match="is not a checkpoint of this training"):
            train(model(), DATA, SPEC, recipe, checkpoint=path)


def test_a_loss_that_is_not_finite_is_refused() -> None:
    recipe = Recipe(epochs=30, batch=16, learning_rate=1e30)
    with pytest.raises(CygnetError, match=r"the loss is not finite in epoch \d+; lower"):
        train(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), DATA, SPEC, recipe)


def test_too_few_images() -> None:
    with pytest.raises(CygnetError, match="data: 3 images leave none"):
        train(model(), DATA.take(slice(0, 3)), SPEC, Recipe())


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("epochs", 0, ValueError, "epochs must be an integer >= 1, not 0"),
        ("batch", 1.5, TypeError, "batch must be an integer, not 1.5"),
        ("seed", -1, ValueError, "seed must be an integer >= 0, not -1"),
        ("learning_rate", 0.0, ValueError, "learning rate must be a number > 0, not 0.0"),
        ("weight_decay", -0.1, ValueError, "weight decay must be a number >= 0, not -0.1"),
        ("momentum", 1.0, ValueError, "momentum must be a number in 0 <= . < 1, not 1.0"),
        ("smoothing", -0.1, ValueError, "smoothing must be a number in 0 <= . < 1, not -0.1"),
        ("warmup", 120, ValueError, "warmup must be a number in 0 <= . < epochs, not 120"),
        ("validation", 1.0, ValueError, "validation must be a number in 0 < . < 1, not 1.0"),
        ("precision", "half", ValueError, "precision must be 'float32' or 'bfloat16', not 'half'"),
    ],
)
def test_recipe_refuses(field: str, value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        Recipe(**{field: value})  # type: ignore[arg-type]


def test_rate_rises_then_follows_half_a_cosine() -> None:
    recipe = Recipe(epochs=10, learning_rate=0.4, warmup=2)
    assert [recipe.rate(p) for p in (0, 1, 2)] == [0.0, 0.2, 0.4]
    assert recipe.rate(6) == pytest.approx(0.2)
    assert recipe.rate(10) == pytest.approx(0.0)


def windows(image: np.ndarray, padding: int, fill: np.ndarray) -> list[np.ndarray]:
    height, width, channels = image.shape
    padded = np.empty((height + 2 * padding, width + 2 * padding, channels), image.dtype)
    padded[:] = fill
    padded[padding : padding + height, padding : padding + width] = image
    return [
        padded[top : top + height, left : left + width]
        for top in range(2 * padding + 1)
        for left in range(2 * padding + 1)
    ]


@pytest.mark.parametrize(("name", "padding"), [("shift", 2), ("crop", 4)])
@pytest.mark.parametrize("flip", [False, True])
def test_windows_come_out_of_the_padded_image(name: str, padding: int, flip: bool) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)
    spec = input_spec(Dataset(pixels, np.zeros(40, np.int64)), mean=(0.2, 0.4, 0.6))
    names = (name, "flip") if flip else (name,)
    generator = torch.Generator().manual_seed(8)
    got = augment(torch.from_numpy(pixels), spec, names, generator)
    used, turned = set(), 0
    for image, result in zip(pixels, got, strict=True):
        candidates = windows(image, padding, np.array(spec.padding, np.uint8))
        if flip:
            candidates += windows(image[:, ::-1], padding, np.array(spec.padding, np.uint8))
        values = tensor(np.stack(candidates), spec)
        found = [k for k, value in enumerate(values) if torch.equal(value, result)]
        assert found
        used.add(found[0])
        turned += found[0] >= (2 * padding + 1) ** 2
    assert len(used) > 10
    assert (0 < turned < 40) == flip


def test_cutout_sets_one_square_to_the_mean() -> None:
    pixels = np.full((60, 8, 8, 2), 255, np.uint8)
    spec = input_spec(Dataset(pixels, np.zeros(60, np.int64)), mean=(0.5,))
    got = augment(torch.from_numpy(pixels), spec, ("cutout",), torch.Generator().manual_seed(2))
    sizes = set()
    for image in got:
        hole = (image == 0).numpy()
        assert (hole[0] == hole[1]).all()
        rows, columns = hole[0].any(1), hole[0].any(0)
        assert (hole[0] == rows[:, None] & columns[None, :]).all()
        assert np.flatnonzero(np.diff(rows.astype(int))).size <= 2
        sizes.add((int(rows.sum()), int(columns.sum())))
    assert max(sizes) == (4, 4)
    assert min(size[0] for size in sizes) == 2


def test_colour_keeps_pixels_in_range_and_changes_some_images() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (60, 5, 5, 3), dtype=np.uint8)
    spec = input_spec(Dataset(pixels, np.zeros(60, np.int64)), scale=1.0)
    got = augment(torch.from_numpy(pixels), spec, ("colour",), torch.Generator().manual_seed(2))
    assert torch.equal(got, got.round())
    assert 0 <= float(got.min()) <= float(got.max()) <= 255
    kept = sum(torch.equal(a, b) for a, b in zip(got, tensor(pixels, spec), strict=True))
    assert 3 <= kept <= 25


def test_logits_do_not_depend_on_the_batch_and_keep_the_mode() -> None:
    net = model()
    net.train()
    one = logits(net, DATA, SPEC, batch=90)
    assert torch.allclose(one, logits(net, DATA, SPEC, batch=7), atol=1e-6)
    assert net.training
    seen: list[tuple[int, int]] = []
    logits(net, DATA, SPEC, batch=40, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(40, 90), (80, 90), (90, 90)]


def test_digits_are_learned() -> None:
    torch.manual_seed(0)
    data = digits("train")
    spec = input_spec(data)
    net = mlp(64, (64, 64), levels=4, start=2.0)
    train(net, data, spec, Recipe(epochs=20, batch=32, learning_rate=0.05))
    assert accuracy(net, digits("test"), spec) >= 0.96
