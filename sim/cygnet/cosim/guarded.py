# SPDX-License-Identifier: Apache-2.0
"""Differences that only ever lie where nobody looks: data without a valid, the beats of a round
that count for nothing.

A register and its copy in a mutant may differ, and still be equal whenever some flag is up or a
counter is somewhere. Signals that say "they differ, and yet" are put beside the miter, one for each
such condition. ABC finds which of them are 0 for ever, all by one induction, in which each rests on
the others (the conditions of a van Eijk's proof: C. A. J. van Eijk, "Sequential equivalence
checking based on structural similarities", 2000).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from cygnet.cosim.aiger import Aiger, Build
from cygnet.cosim.reachable import Relations, word

__all__ = ["guarded"]

_BITS = 3
"""Bits of a word whose values are conditions."""
_MOST = 60_000


def guarded(
    miter: Aiger, copied: Sequence[int], first_copied: Sequence[int], relations: Relations
) -> Aiger | None:
    """The miter, with an output for each register that is copied and each condition: they differ
    under it. None where these are too many.

    Conditions are the flags that decide, beside a copied register, what another becomes, those that
    go along with data in the same module, and in modules near the fault the values of counters.

    :param miter: with the design's registers first, by the numbers and names that ``relations`` has
    :param copied: numbers of the registers that have a copy; the copies are the miter's last ones,
        in the same order
    :param first_copied: those of them that are near the fault
    """
    first = 1 + len(miter.inputs)
    build = Build(miter.first_gate, miter.gates)
    pairs = [
        (2 * (first + own), 2 * (first + copy))
        for own, copy in zip(
            copied,
            range(len(miter.registers) - len(copied), len(miter.registers)),
            strict=True,
        )
    ]
    conditions = []
    for bits, values in _conditions(miter, set(copied), set(first_copied), relations):
        literals = [2 * (first + bit) for bit in bits]
        conditions += [build.among(literals, [value]) for value in values]
    if len(pairs) * len(conditions) > _MOST:
        return None
    found: dict[int, None] = {}
    for own, copy in pairs:
        differ = build.differ(own, copy)
        for condition in conditions:
            found[build.both(differ, condition)] = None
    outputs = [*miter.outputs, *(literal for literal in found if literal > 1)]
    return Aiger(miter.inputs, miter.registers, outputs, build.gates)


def _conditions(
    miter: Aiger, copied: set[int], near: set[int], relations: Relations
) -> Iterator[tuple[list[int], range]]:
    """Bits of a word, and its values that are conditions."""
    words: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(miter.names):
        if name:
            words[word(name)].append(number)
    chosen: set[str] = set()
    for register in range(len(miter.registers) - len(copied)):
        before = relations.before(register)[0]
        if before & copied:
            chosen |= {word(miter.names[one]) for one in before - copied if miter.names[one]}
    here, all_ = (
        {_module(miter.names[one]) for one in some if miter.names[one]} for some in (near, copied)
    )
    for name, bits in words.items():
        if _module(name) in here and len(bits) <= _BITS:
            yield bits, range(1 << len(bits))
        elif (name in chosen or _module(name) in all_) and len(bits) == 1:
            yield bits, range(1, 2)


def _module(name: str) -> str:
    return word(name).rpartition(".")[0]
