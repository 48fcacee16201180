# SPDX-License-Identifier: Apache-2.0
"""Rounding of weights one after another, each by what the ones before it were rounded by.

Hassibi, Stork, NIPS 1992 (optimal brain surgeon); for rounding: Frantar, Alistarh, NeurIPS 2022; in
this order of operations: Frantar et al., ICLR 2023 (OPTQ). Rounding weight i takes e_i off it. What
that takes off the sum, e_i x_i, the weights that are still to be rounded give back, as well as
their inputs can tell: w_j -= e_i U_ij / U_ii, where U^T U is the inverse of the inputs' second
moments.
"""

from __future__ import annotations

import numpy as np

from cygnet.quantization.units import Floats

__all__ = ["compensated"]

DAMPING = 0.01
"""Of a moment, added to it: calibration data says no more about the inputs than about so much."""
BLOCK = 128
"""Weights after which the rest of an output's weights is brought up to date, all at once."""


def compensated(weights: Floats, moment: Floats, limit: int) -> Floats:
    """Weights in whole numbers, and the bias that goes with them, not rounded.

    :param weights: float64[outputs, n + 1], in units of their integers; the bias last
    :param moment: float64[n + 1, n + 1], sums of products of the inputs, 1 as the last of them
    :param limit: largest magnitude of a weight
    :returns: float64[outputs, n + 1]
    """
    size = len(moment)
    diagonal = np.diagonal(moment)
    # What hardly matters is rounded last, when there is the most to make up for; the bias after it.
    order = np.append(np.argsort(-diagonal[:-1], kind="stable"), size - 1)
    damped = moment[np.ix_(order, order)]
    # An input that is always 0 tells nothing: it stays alone.
    damped[np.diag_indices(size)] += np.where(diagonal > 0, DAMPING * diagonal, 1)[order]
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    rest = weights[:, order]
    for begin in range(0, size - 1, BLOCK):
        end = min(begin + BLOCK, size - 1)
        errors = np.empty((len(rest), end - begin))
        for i in range(begin, end):
            whole = np.clip(np.rint(rest[:, i]), -limit, limit)
            error = (rest[:, i] - whole) / factor[i, i]
            rest[:, i] = whole
            rest[:, i + 1 : end] -= np.outer(error, factor[i, i + 1 : end])
            errors[:, i - begin] = error
        rest[:, end:] -= errors @ factor[begin:end, end:]
    result = np.empty_like(rest)
    result[:, order] = rest
    return result
