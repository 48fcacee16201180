# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import settings

# The same examples on every run, and no clock: a loaded machine must not fail a test.
settings.register_profile("cygnet", deadline=None, derandomize=True)
settings.load_profile("cygnet")
