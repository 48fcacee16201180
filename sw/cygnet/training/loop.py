# SPDX-License-Identifier: Apache-2.0
"""The training loop: stopped at any moment and started again, it ends with the same weights."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.data.dataset import Dataset
from cygnet.errors import CygnetError
from cygnet.network import InputSpec
from cygnet.training.augment import augment
from cygnet.training.evaluate import logits, score
from cygnet.training.recipe import Recipe
from cygnet.training.state import Epoch, State, restore, store

__all__ = ["Outcome", "Progress", "train"]


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step: told to ``progress`` of :func:`train`."""

    epoch: int
    epochs: int
    step: int
    steps: int
    finished: Epoch | None
    """What the epoch came to, after its last step."""


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    :param history: every epoch
    :param best_epoch: the one with the highest validation accuracy (the later of equals); the
        model holds its weights
    :param validation: its validation accuracy
    :param images: (training, validation)
    """

    history: tuple[Epoch, ...]
    best_epoch: int
    validation: float
    images: tuple[int, int]


def train(
    model: nn.Module,
    data: Dataset,
    spec: InputSpec,
    recipe: Recipe,
    *,
    device: str | torch.device = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    interval: float = 30.0,
    compiled: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Train a model; on return it holds, on the CPU, the weights of the best epoch.

    Of ``data`` the share ``recipe.validation`` is never trained on and chooses the epoch. Where
    ``checkpoint`` exists the run goes on from it. One is written every ``interval`` seconds, and
    at SIGINT and SIGTERM, which then raise KeyboardInterrupt. On the CPU a run that was stopped,
    even by SIGKILL, ends with the same bits as one that was not. The file stays when all is done.

    :param data: training images; never the test set
    :param compiled: run the model through ``torch.compile``
    :raises CygnetError: too little data, a checkpoint of another run, or a loss that is not finite
    """
    count = round(len(data) * recipe.validation)
    if not 0 < count < len(data):
        raise CygnetError(
            f"{data.name}: {len(data)} images leave none to train or to validate with; "
            "give more images or another --validation"
        )
    training, held = data.divide(count, recipe.seed)
    device = torch.device(device)
    model.to(device)
    run = _Run(model, (training, held), spec, recipe, device=device, compiled=compiled)
    identity = {
        "recipe": recipe.as_json(),
        "input": [list(spec.shape), spec.scale, list(spec.mean), list(spec.std)],
        "data": data.sha256,
        "model": [[name, *value.shape] for name, value in model.state_dict().items()],
    }
    if checkpoint is not None and Path(checkpoint).exists():
        run.state = restore(checkpoint, model, run.optimizer, identity)
    with _stoppable() as stopped:
        last = time.monotonic()
        while run.state.epoch <= recipe.epochs:
            finished = run.advance()
            if progress is not None:
                done = run.state.epoch - 1 if finished else run.state.epoch
                step = run.steps if finished else run.state.step
                progress(Progress(done, recipe.epochs, step, run.steps, finished))
            over = run.state.epoch > recipe.epochs
            due = time.monotonic() - last >= interval
            if checkpoint is not None and (due or over or stopped.is_set()):
                store(checkpoint, run.state, model, run.optimizer, identity)
                last = time.monotonic()
            if stopped.is_set() and not over:
                raise KeyboardInterrupt
    model.load_state_dict(run.state.best)
    model.to("cpu").eval()
    history = tuple(run.state.history)
    best = history[run.state.best_epoch - 1]
    return Outcome(history, best.number, best.validation, (len(training), len(held)))


class _Run:
    """One run, a step at a time."""

    def __init__(
        self,
        model: nn.Module,
        data: tuple[Dataset, Dataset],
        spec: InputSpec,
        recipe: Recipe,
        *,
        device: torch.device,
        compiled: bool,
    ) -> None:
        self.model, self.spec, self.recipe, self.device = model, spec, recipe, device
        self.forward: Callable[[Tensor], Tensor] = torch.compile(model) if compiled else model
        training, self.held = data
        self.pixels = torch.from_numpy(training.x.copy()).to(device)
        self.classes = torch.from_numpy(training.y.copy()).to(device)
        if device.type == "cuda":
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        self.batch = min(recipe.batch, len(training))
        self.steps = len(training) // self.batch
        self.state = State()
        self._order: tuple[int, Tensor] = (0, torch.empty(0))

    def advance(self) -> Epoch | None:
        """One step; after the last of an epoch, the epoch's result."""
        state, recipe = self.state, self.recipe
        chosen = self._images(state.epoch)[state.step * self.batch : (state.step + 1) * self.batch]
        seed = _mix(recipe.seed, state.epoch, state.step + 1)
        generator = torch.Generator(self.device).manual_seed(seed)
        image = augment(self.pixels[chosen], self.spec, recipe.augment, generator)
        rate = recipe.rate(state.epoch - 1 + state.step / self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._step(image, self.classes[chosen], seed)
        state.step += 1
        return self._close() if state.step == self.steps else None

    def _images(self, epoch: int) -> Tensor:
        """The order of the training images in an epoch."""
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(_mix(self.recipe.seed, epoch, 0))
            order = torch.randperm(len(self.pixels), generator=generator)
            self._order = (epoch, order.to(self.device))
        return self._order[1]

    def _step(self, image: Tensor, classes: Tensor, seed: int) -> None:
        half = self.recipe.precision == "bfloat16"
        self.model.train()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)  # for dropout
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                result = self.forward(image)
        result = result.float()
        loss = functional.cross_entropy(result, classes, label_smoothing=self.recipe.smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            right = (result.argmax(1) == classes).sum()
            self.state.totals = self.state.totals.to(self.device) + torch.stack(
                (loss.double(), right.double())
            )

    def _close(self) -> Epoch:
        """Validate, keep the weights when they are the best, and begin the next epoch."""
        state = self.state
        loss, right = state.totals.tolist()
        if not math.isfinite(loss):
            raise CygnetError(
                f"the loss is not finite in epoch {state.epoch}; lower --learning-rate"
            )
        result = logits(self.model, self.held, self.spec, device=self.device)
        accuracy, held_loss = score(result, torch.from_numpy(self.held.y))
        epoch = Epoch(
            state.epoch, loss / self.steps, right / (self.steps * self.batch), accuracy, held_loss
        )
        state.history.append(epoch)
        if state.best_epoch == 0 or accuracy >= state.history[state.best_epoch - 1].validation:
            state.best_epoch = state.epoch
            state.best = {
                name: value.detach().clone() for name, value in self.model.state_dict().items()
            }
        state.epoch += 1
        state.step = 0
        state.totals = torch.zeros_like(state.totals)
        return epoch


def _mix(seed: int, epoch: int, step: int) -> int:
    """A seed of its own for each step of each epoch."""
    return int(np.random.SeedSequence((seed, epoch, step)).generate_state(1, np.uint64)[0] >> 1)


@contextlib.contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """The event is set by SIGINT or SIGTERM, in place of what these did before."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
