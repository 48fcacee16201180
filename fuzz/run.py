# SPDX-License-Identifier: Apache-2.0
"""Fuzz one reader with atheris (libFuzzer), starting from good files.

Example: python fuzz/run.py data --seconds 600

What it finds lies in build/fuzz/<reader>: the file that fails, which belongs into
tests/sw/malformed/<reader> once the fault is mended. Exit code 0: nothing found.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE / "tests" / "sw"), str(HERE / "tests")]
sys.setrecursionlimit(2000)

with atheris.instrument_imports(include=["cygnet", "numpy.lib.format", "zipfile", "json"]):
    readers = importlib.import_module("readers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=list(readers.READERS))
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    folder = Path("build/fuzz") / options.reader
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(readers.READERS[options.reader].seeds()):
        (corpus / f"seed{number}").write_bytes(data)
    for path in (HERE / "tests" / "sw" / "malformed").glob("*.cyg"):
        if options.reader == "network":
            (corpus / path.name).write_bytes(path.read_bytes())

    def one(data: bytes) -> None:
        readers.read(options.reader, data)

    flags = [
        f"-max_total_time={options.seconds}",
        f"-artifact_prefix={folder}/",
        "-timeout=20",
        "-rss_limit_mb=2560",
        "-malloc_limit_mb=512",
        "-max_len=16384",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
