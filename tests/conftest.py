# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

# Tests run side by side, and their networks are small: threads of torch's own only get in the way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# The same examples on every run, and no clock: a loaded machine must not fail a test.
settings.register_profile("cygnet", deadline=None, derandomize=True)
settings.load_profile("cygnet")
