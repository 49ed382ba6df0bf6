"""Where the tests find the scenarios and the default model."""

import os
from pathlib import Path

import pytest

BINDINGS = Path(__file__).resolve().parents[2]


def default_model() -> str:
    """The file that `keepsake models pull` fetches."""
    home = os.environ.get("KEEPSAKE_HOME") or Path.home() / ".cache" / "keepsake"
    file = Path(home) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not file.is_file():
        pytest.fail(f"{file} is missing: run `make setup`")
    return str(file)


def error_kind(error: BaseException) -> str:
    """The kind of a `KeepsakeError`, as the scenarios name it."""
    return type(error).__name__
