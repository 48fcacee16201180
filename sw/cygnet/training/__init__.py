# SPDX-License-Identifier: Apache-2.0
"""Training with the published recipe, to be stopped and taken up again at any moment."""

from __future__ import annotations

from cygnet.training.evaluate import accuracy, logits
from cygnet.training.loop import Outcome, Progress, train
from cygnet.training.recipe import AUGMENTATIONS, Recipe
from cygnet.training.state import Epoch

__all__ = ["AUGMENTATIONS", "Epoch", "Outcome", "Progress", "Recipe", "accuracy", "logits", "train"]
