# SPDX-License-Identifier: Apache-2.0
"""Runs the proofs and writes build/proofs/summary.json; exit code 1 if one does not end as it must.

python proofs/prove.py [--only PART-OF-A-NAME] [--jobs N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import neuron
from sby import run

from cygnet.files import write_text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="proofs whose names contain this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for each proof")
    parser.add_argument("--output", type=Path, default=Path("build/proofs"))
    options = parser.parse_args()
    chosen = [
        proof
        for proof in neuron.proofs()
        if not options.only or any(part in proof.name for part in options.only)
    ]
    began = time.monotonic()
    results = []
    with ThreadPoolExecutor(max_workers=options.jobs) as pool:
        for result in pool.map(lambda proof: run(proof, options.output, options.timeout), chosen):
            note = "" if result.good else f"  but must be {result.expected}"
            print(f"{result.seconds:7.1f} s  {result.name}: {result.outcome}{note}", flush=True)
            results.append(result)
    bad = [result.name for result in results if not result.good]
    summary = {
        "good": not bad,
        "seconds": round(time.monotonic() - began, 1),
        "proved": sum(result.outcome == "proved" for result in results),
        "refuted": sum(result.outcome == "refuted" for result in results),
        "bad": bad,
        "proofs": [result.row() for result in results],
    }
    write_text(options.output / "summary.json", json.dumps(summary, indent=2) + "\n")
    print(f"{len(results)} proofs, {len(bad)} not as they must be")
    return 1 if bad or not results else 0


if __name__ == "__main__":
    sys.exit(main())
