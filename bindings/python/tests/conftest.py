"""Where the tests find the scenarios and the default model, and a model that says what it is told to."""

import os
from pathlib import Path

import pytest

from keepsake import HostCompletion, HostError, HostLanguageModel

BINDINGS = Path(__file__).resolve().parents[2]


def default_model() -> str:
    """The file that `keepsake models pull` fetches."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = os.environ.get("KEEPSAKE_HOME") or Path(cache) / "keepsake"
    file = Path(home) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not file.is_file():
        pytest.fail(f"{file} is missing: run `make setup`")
    return str(file)


class Scripted(HostLanguageModel):
    """Gives these replies, one after the other, word by word."""

    def __init__(self, script):
        self._script = list(script)

    def context_tokens(self):
        return 8192

    def count_tokens(self, text):
        return len(text.split())

    def complete(self, request, reply):
        says = self._script.pop(0)
        if isinstance(says, dict):
            raise HostError.Failed(says["fails"])
        for piece in says.replace(" ", "\0 ").split("\0"):
            if piece and not reply.piece(piece):
                break
        return HostCompletion(text=says)
