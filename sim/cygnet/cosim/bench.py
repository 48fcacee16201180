# SPDX-License-Identifier: Apache-2.0
"""Running a stream bench on generated Verilog, with cocotb, under Verilator or Icarus.

For any module with one stream in and one stream out, a core as well as the whole accelerator. The
module is converted as its own top (``amaranth.back.verilog.convert(core, name="core")``); the
stimulus and the golden model's prediction go into a :class:`~cygnet.cosim.case.Job`::

    job = Job(
        source=StreamSpec("i", Payload.of(core.i.payload.shape())),
        sink=StreamSpec("o", Payload.of(core.o.payload.shape())),
        cases=[
            Case(
                name=f"{source} to {sink}",
                items=[{"index": 0, "current": -3, "first": 1, "last": 1}, ...],
                expected=[Expected({"index": 0, "count": 2}, cycle=config.latency, after=0), ...],
                source=source,
                sink=sink,
                seed=7,
            )
            for source in PROFILES
            for sink in PROFILES
        ],
    )
    for simulator in simulators():
        run_job(job, verilog, top="core", folder=tmp_path / simulator, simulator=simulator)

``Expected.cycle`` is counted from the transfer of item ``after`` and belongs in cases whose source
and sink are free; leave it None under stalls. ``run_job`` raises :class:`~.case.BenchError`
with the first difference of each failed case; it returns what each case saw, and leaves
``results.xml`` (JUnit) and ``simulation.log`` in ``folder``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb_tools.config
from cocotb_tools.runner import get_runner

from cygnet.cache import default_cache
from cygnet.cosim import tools
from cygnet.cosim.case import BenchError, Job
from cygnet.cosim.compile import Recipe, compile_model
from cygnet.errors import CygnetError

__all__ = ["CaseReport", "log_tail", "new_folder", "run_job", "run_module", "simulators"]


@dataclass(frozen=True)
class CaseReport:
    """What one case saw.

    :param cycles: clocks from the last reset to the last output
    :param handshakes: per stream, how often each state and each pair of states was seen
    :param values: per stream and narrow field, how often each value was seen
    """

    name: str
    seed: int
    cycles: int
    handshakes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Mapping[int, int]]] = field(default_factory=dict)


def simulators() -> list[str]:
    """``verilator``, and ``icarus`` where it is on the PATH."""
    return ["verilator"] if tools.icarus() is None else ["verilator", "icarus"]


def run_job(
    job: Job,
    verilog: str,
    *,
    top: str,
    folder: Path,
    simulator: str = "verilator",
    images: Path | None = None,
    cache: Path | None = None,
) -> list[CaseReport]:
    """Run every case of a job.

    :param verilog: text of one or more modules
    :param top: the module under test
    :param folder: where the simulation runs and leaves its results
    :param images: folder with the ``.mem`` files that the Verilog reads
    :param cache: folder for compiled models
    :raises BenchError: a case differs from its prediction
    :raises CygnetError: the simulator is missing
    :raises RuntimeError: the Verilog does not compile, or the simulator crashed
    """
    folder = new_folder(folder)
    (folder / "job.json").write_text(job.to_json())
    log = run_module(
        "cygnet.cosim.benches.stream",
        verilog,
        top=top,
        folder=folder,
        simulator=simulator,
        images=images,
        cache=cache,
    )
    return _reports(job, folder, log)


def new_folder(folder: Path) -> Path:
    """The folder, made, and without the reports of an earlier run."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("report-*.json"):
        stale.unlink()
    return folder


def run_module(
    module: str | list[str],
    verilog: str,
    *,
    top: str,
    folder: Path,
    simulator: str = "verilator",
    images: Path | None = None,
    cache: Path | None = None,
) -> Path:
    """Run the tests of cocotb modules, which find ``folder`` in ``$CYGNET_BENCH``; its log.

    What the tests found they leave in files: a failed test is no failure of this.
    Arguments and errors else as for :func:`run_job`.
    """
    if simulator == "verilator":
        tool = tools.verilator()
    elif simulator == "icarus":
        found = tools.icarus()
        if found is None:
            raise CygnetError("Icarus Verilog 11 or later is not on the PATH; install iverilog")
        tool = found
    else:
        raise ValueError(f"simulator must be 'verilator' or 'icarus', not {simulator!r}")
    folder = folder.absolute()
    for image in [] if images is None else sorted(images.glob("*.mem")):
        shutil.copyfile(image, folder / image.name)
    log = folder / "simulation.log"
    with _environment(tool), _quiet():
        model = _build(verilog, top, simulator, tool, cache or default_cache())
        # The runner exits where a test failed; the reports say more.
        with contextlib.suppress(SystemExit, RuntimeError):
            get_runner(simulator).test(
                test_module=module,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=model,
                test_dir=folder,
                results_xml=str(folder / "results.xml"),
                extra_env={"CYGNET_BENCH": str(folder), "NO_COLOR": "1"},
                timescale=("1ns", "1ps"),
                log_file=log,
            )
    return log


def _reports(job: Job, folder: Path, log: Path) -> list[CaseReport]:
    reports = []
    failures = []
    for number, case in enumerate(job.cases):
        try:
            found = json.loads((folder / f"report-{number}.json").read_text())
        except FileNotFoundError:
            raise RuntimeError(
                f"case {case.name!r} left no report; the end of {log}:\n{log_tail(log)}"
            ) from None
        if found["failure"] is not None:
            failures.append(f"{case.name} (seed {case.seed}): {found['failure']}")
        elif "streams" not in found:
            raise RuntimeError(f"case {case.name!r} broke off; the end of {log}:\n{log_tail(log)}")
        else:
            reports.append(_report(found))
    if failures:
        raise BenchError("\n".join(failures))
    return reports


def _report(found: dict[str, Any]) -> CaseReport:
    streams = found["streams"]
    return CaseReport(
        name=found["name"],
        seed=found["seed"],
        cycles=found["cycles"],
        handshakes={name: stream["handshakes"] for name, stream in streams.items()},
        values={
            name: {
                key: {int(value): count for value, count in seen.items()}
                for key, seen in stream["values"].items()
            }
            for name, stream in streams.items()
        },
    )


def _build(verilog: str, top: str, simulator: str, tool: tools.Tool, cache: Path) -> Path:
    """The folder of the compiled model, made when it is not in the cache."""
    if simulator == "verilator":
        libraries = cocotb_tools.config.libs_dir
        recipe = Recipe(
            main=Path(cocotb_tools.config.share_dir) / "lib" / "verilator" / "verilator.cpp",
            verilate=("--vpi", "--public-flat-rw", "--timescale", "1ns/1ps"),
            defines=("VM_TRACE=0", "VM_TRACE_FST=0", "VM_COVERAGE=0"),
            link=(f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator"),
            hot="-O1",
        )
        program = compile_model(verilog, top, recipe, cache=cache)
        named = program.parent / top
        if not named.exists():
            # The runner calls a program with the name of the module.
            with contextlib.suppress(FileExistsError):
                named.symlink_to(program.name)
        return program.parent
    key = hashlib.sha256(json.dumps([verilog, top, str(tool)]).encode()).hexdigest()[:24]
    model = cache / f"{simulator}-{key}"
    if model.is_dir():
        return model
    cache.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{model.name}.", dir=cache))
    source = aside / f"{top}.v"
    source.write_text(verilog)
    log = aside / "build.log"
    try:
        get_runner(simulator).build(
            sources=[source],
            hdl_toplevel=top,
            build_dir=aside,
            always=True,
            timescale=("1ns", "1ps"),
            log_file=log,
        )
    except (RuntimeError, SystemExit):
        shown = log_tail(log)
        shutil.rmtree(aside, ignore_errors=True)
        raise RuntimeError(f"{top} does not compile under {tool}:\n{shown}") from None
    try:
        aside.rename(model)
    except OSError:
        # Another process was first.
        shutil.rmtree(aside, ignore_errors=True)
    return model


def log_tail(log: Path, lines: int = 25) -> str:
    """The end of a log, for a message."""
    if not log.is_file():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def _environment(tool: tools.Tool) -> Iterator[None]:
    """cocotb's runner looks at the environment of this process, and changes its ways in pytest."""
    before = dict(os.environ)
    os.environ.update(tool.environment)
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
