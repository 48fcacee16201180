# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

from cygnet.command.main import main
from cygnet.models import mlp, save_weights

SCHEMAS = Path(__file__).parents[3] / "docs" / "reference" / "schemas"
MODEL = "mlp(inputs=64,hidden=(12,9))"


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, output, error stream."""

    code: int
    out: str
    err: str
    command: str = ""

    @property
    def json(self) -> dict[str, Any]:
        """The output, which must be as its schema says."""
        found: dict[str, Any] = json.loads(self.out)
        validate(found, self.command)
        return found


def validate(found: object, name: str) -> None:
    """Check an object against docs/reference/schemas."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(found)


Call = Callable[..., Outcome]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = 0 if leaving.code is None else int(leaving.code)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err, str(arguments[0]) if arguments else "")

    return run


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for the digits that nobody trained."""
    torch.manual_seed(3)
    model = mlp(inputs=64, hidden=(12, 9), start=1.0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, model.state_dict())
    return path


@pytest.fixture(scope="session")
def cyg(weights: Path) -> Path:
    """The integer network of it, for T up to 4."""
    path = weights.with_name("tiny.cyg")
    with pytest.raises(SystemExit) as leaving:
        main(f"convert {MODEL} --data digits --steps 4 --json -w {weights} -o {path}".split())
    assert leaving.value.code == 0
    return path
