# SPDX-License-Identifier: Apache-2.0
"""Points of coverage that no input can reach: proofs of that, of one network's accelerator."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cygnet.cosim.coverage import Point, VerilogCoverage
from cygnet.cosim.invariants import Bit, Claims, named_graph, never, plain

__all__ = ["proved"]


def proved(
    seen: VerilogCoverage,
    points: Iterable[Point],
    *,
    top: str,
    images: Path,
    seconds: float = 120,
) -> frozenset[Point]:
    """Those of the points that are proved to be out of reach; the others are open.

    A toggle, because its bit is constant, or never goes that way from one clock to the next; a
    branch or a line, because the bits that choose it never have the values that do, or not while
    the conditions around it hold. That is tried of conditions that are one signal, or a part of
    one, as nearly all are that Yosys writes.

    :param top: name of the top module of the Verilog that was run
    :param images: folder with the ``.mem`` files that it reads, which count
    :param seconds: of the searches, after the first induction
    :raises CygnetError: there is no Yosys or no ABC
    :raises RuntimeError: one of them fails
    """
    points = list(points)
    design = named_graph(seen.verilog, top=top, images=images)
    toggles = {point: _bit(point) for point in points if point.kind == "toggle"}
    claims = Claims(design, [bit for bit in toggles.values() if bit in design.bits])
    made: list[tuple[Point, int]] = []
    for point in points:
        if point.kind == "toggle":
            bit, rises = toggles[point], point.what.endswith(":0->1")
            name, _, way = point.what.rpartition(":")
            back = replace(point, what=f"{name}:{way[::-1].replace('>-', '->')}")
            found = [claims.edge(bit, rises)] if seen.counts[back] else []
            # What is 1 from the start on rises once, for Verilator.
            if not (seen.counts[back] and rises):
                found.append(claims.changed(bit))
        else:
            found = [_chosen(seen, point, claims)]
        made += [(point, claim) for claim in found if claim is not None]
    results = never(claims.graph, [claim for _, claim in made], seconds=seconds)
    return frozenset(point for (point, _), result in zip(made, results, strict=True) if result)


def _bit(point: Point) -> Bit:
    """The bit of a toggle, by its name within the top module."""
    found = re.match(r"([^\[:]+)(?:\[(\d+)\])?:", point.what)
    assert found is not None
    return _name(point, found[1]), int(found[2] or 0)


def _name(point: Point, signal: str) -> str:
    inside = point.place.partition(".")[2]
    return plain(f"{inside}.{signal}" if inside else signal)


def _chosen(seen: VerilogCoverage, point: Point, claims: Claims) -> int | None:
    """That a branch is chosen, wherever it stands; None where the text does not say it simply."""
    text, branch = seen.text(point), point.what.split()[0]
    if branch in ("if", "else"):
        found = re.fullmatch(r"(?:end else )?if \((\S+)\) begin", text)
        wanted = branch == "if"
    elif branch in ("cond_then", "cond_else"):
        found = re.fullmatch(r"assign .+ = (\S+) \? [^?]+;", text)
        wanted = branch == "cond_then"
    elif branch == "case":
        return _case(seen, point, claims)
    else:
        return None
    zero = None if found is None else _zero(seen, point, found[1], claims)
    return None if zero is None else _all(claims, [zero ^ wanted, *_around(seen, point, claims)])


def _around(seen: VerilogCoverage, point: Point, claims: Claims) -> list[int]:
    """What must be so that a statement is come to: of the conditions around it and of those before
    it in a chain of ``else if``, those that are signals. Yosys writes none that reads what its own
    block assigns."""
    found: list[int | None] = []
    level, chained = _indent(seen.line(point)), seen.text(point).startswith("end else")
    for line in reversed(seen.above(point)):
        text = line.strip()
        if _indent(line) < level:
            level = _indent(line)
            header = re.fullmatch(r"(end else )?(?:if \((\S+)\) )?begin", text)
            chained = header is not None and header[1] is not None
            if header is not None and header[2] is not None:
                zero = _zero(seen, point, header[2], claims)
                found.append(None if zero is None else zero ^ 1)
        elif chained and (header := re.fullmatch(r"(end else )?if \((\S+)\) begin", text)):
            chained = header[1] is not None
            found.append(_zero(seen, point, header[2], claims))
    return [one for one in found if one is not None]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _zero(seen: VerilogCoverage, point: Point, text: str, claims: Claims) -> int | None:
    """That a signal, or a part of one, is 0."""
    bits = _literals(seen, point, text, claims)
    return None if bits is None else _all(claims, [bit ^ 1 for bit in bits])


def _case(seen: VerilogCoverage, point: Point, claims: Claims) -> int | None:
    """That an item of a ``case`` is met; of its default, that no other is."""
    text, others = seen.text(point), []
    for line in reversed(seen.above(point)):
        if found := re.fullmatch(r"casez? \((\S+)\)", line.strip()):
            break
        others.append(line.strip())
    else:
        return None
    bits = _literals(seen, point, found[1], claims)
    if bits is None:
        return None
    if text != "default:":
        return _equal(claims, bits, text)
    matches = [_equal(claims, bits, line) for line in others if line.endswith(":")]
    if any(one is None for one in matches):
        return None
    return _all(claims, [one ^ 1 for one in matches if one is not None])


def _equal(claims: Claims, bits: list[int], item: str) -> int | None:
    """That bits, the highest first, have the value of an item, such as ``3'h4:``."""
    found = re.fullmatch(r"(\d+)'([bh])([0-9a-f?]+):", item)
    if found is None or int(found[1]) != len(bits) or (found[2] == "h" and "?" in found[3]):
        return None
    base = 2 if found[2] == "b" else 16
    text = found[3] if base == 2 else f"{int(found[3], base):b}"
    text = text.rjust(len(bits), "0")[-len(bits) :]
    wanted = [bit ^ (one == "0") for bit, one in zip(bits, text, strict=True) if one != "?"]
    return _all(claims, wanted)


def _literals(seen: VerilogCoverage, point: Point, text: str, claims: Claims) -> list[int] | None:
    """Of the bits of a signal or a part of one, the highest first."""
    found = re.fullmatch(r"(\w+)(?:\[(\d+)(?::(\d+))?\])?", text)
    if found is None:
        return None
    width = seen.width(point, found[1])
    if width is None:
        return None
    high = width - 1 if found[2] is None else int(found[2])
    low = 0 if found[2] is None else int(found[3] or found[2])
    name = _name(point, found[1])
    bits = [claims.bit((name, number)) for number in range(high, low - 1, -1)]
    return None if any(bit is None for bit in bits) else [bit for bit in bits if bit is not None]


def _all(claims: Claims, literals: list[int]) -> int:
    """That all are 1."""
    found = 1
    for literal in literals:
        found = claims.both(found, literal)
    return found
