# SPDX-License-Identifier: Apache-2.0
"""The errors that a user can cause and mend."""

from __future__ import annotations


class CygnetError(Exception):
    """Bad input, in one sentence that names the file, layer or option and the remedy.

    The command line prints the sentence and exits with 2; nothing else of the package catches it.
    """


class ConversionError(CygnetError):
    """A torch network that has no spiking form; the message names the layer and the remedy."""


class FileFormatError(CygnetError):
    """A file that is not what its reader takes; the message names the file and the fault."""


class MismatchError(CygnetError):
    """Two stages that must be equal are not (exit code 1)."""
