"""The scenarios that every door must pass, through the Python package."""

import json
from pathlib import Path

import pytest
from conftest import BINDINGS, Scripted, default_model

import keepsake
from keepsake import (
    AnswerSink,
    Budget,
    Cancel,
    Effort,
    Keepsake,
    KeepsakeError,
    Kind,
    LanguageModel,
    ModelFiles,
    NewTurn,
    Outcome,
    UnitId,
)

SCENARIOS = json.loads((BINDINGS / "scenarios.json").read_text(encoding="utf-8"))["scenarios"]


class Collected(AnswerSink):
    """Keeps the pieces, and wants no more after so many."""

    def __init__(self, stop_after=None):
        self.pieces = []
        self._stop_after = stop_after

    def text(self, piece):
        self.pieces.append(piece)
        return len(self.pieces) != self._stop_after


class Run:
    """One scenario under way: each of its calls is a method."""

    def __init__(self, scenario, folder):
        self.folder, self.document = folder, folder / "document.jsonl"
        self.bank = folder / "bank"
        if scenario.get("real"):
            self.model = LanguageModel.load(ModelFiles(model=default_model(), threads=2))
        else:
            self.model = LanguageModel.of_host(Scripted(scenario["model"]))
        self.keepsake, self.last_turn = None, None
        self.open(scenario)

    @property
    def engine(self):
        return self.keepsake.engine

    def open(self, step):
        key = bytes([step["key"]]) * 32 if "key" in step else None
        self.keepsake = Keepsake(self.bank, key=key, model=self.model)

    def close(self, _step):
        self.keepsake.close()

    def open_another(self, step):
        self.bank = self.folder / "another"
        self.open(step)

    def open_again(self, _step):
        Keepsake(self.bank)

    def change_key(self, step):
        old, new = (bytes([step[name]]) * 32 for name in ("old", "new"))
        keepsake.change_key(str(self.folder / step.get("folder", self.bank)), old, new)

    def load_model(self, step):
        LanguageModel.load(ModelFiles(model=str(self.folder / step["file"])))

    @staticmethod
    def _turn(step):
        fields = {name: step[name] for name in ("speaker", "text", "time", "space", "reference") if name in step}
        return NewTurn(**fields)

    def append(self, step):
        assert self.engine.append(self._turn(step)).is_new == step["is_new"]

    def remember(self, step):
        receipt = self.engine.remember(self._turn(step))
        self.last_turn = receipt.turn
        if "failed" in step:
            assert isinstance(receipt.outcome, Outcome.FAILED)
            assert receipt.outcome.reason.name == step["failed"]
        if "operations" in step:
            assert [one.operation.name for one in receipt.outcome.applied] == step["operations"]
        if "guards" in step:
            assert [one.guard.name for one in receipt.outcome.applied] == step["guards"]

    def process(self, step):
        cancel = Cancel()
        if step.get("cancelled"):
            cancel.cancel()
        progress = self.engine.process(Budget(turns=step.get("turns")), cancel)
        assert (progress.turns, progress.ended.name) == (step["worked"], step["ended"])

    def effort(self, step):
        self.engine.set_effort(Effort[step["effort"]])

    def retry(self, step):
        assert self.engine.retry(self.last_turn) == step["done"]

    def undo_last(self, _step):
        assert self.engine.undo([self.last_turn]).turns == [self.last_turn]

    def ask(self, step):
        sink = Collected(step.get("stop_after"))
        answer = self.engine.ask(step["question"], sink=sink)
        streamed = "".join(sink.pieces).strip()
        if "text" in step:
            assert (answer.text, streamed) == (step["text"], step["streamed"])
        if step.get("streamed_is_text"):
            assert answer.text and " ".join(streamed.split()) == answer.text

    def _found(self, step):
        options = {name: step[name] for name in ("space", "speaker", "until_time") if name in step}
        if "kind" in step:
            options["kind"] = Kind[step["kind"]]
        return self.keepsake.search(step["text"], **options)

    def search(self, step):
        found = self._found(step)
        assert (found[0].text if found else None) == step["first"]

    def memories(self, step):
        memories = self.engine.memories(step.get("space", "default"))
        assert [memory.text for memory in memories] == step["texts"]

    def _memory(self, text):
        return next(memory.id for memory in self.engine.memories() if memory.text == text)

    def history(self, step):
        versions = self.engine.history(self._memory(step["of"]))
        assert [memory.text for memory in versions] == step["texts"]

    def forget(self, step):
        assert self.keepsake.forget(UnitId.MEMORY(self._memory(step["of"]))) == step["count"]

    def forget_found(self, step):
        assert self.keepsake.forget(*self._found(step)) == step["count"]

    def forget_everything(self, step):
        count = self.engine.forget_everything()
        assert count == step.get("count", count)

    def spaces(self, step):
        assert sorted(self.engine.spaces()) == step["texts"]

    def counts(self, step):
        counts = self.engine.counts()
        for name in ("turns", "waiting", "current"):
            assert getattr(counts, name) == step.get(name, getattr(counts, name)), name

    def export(self, step):
        assert self.engine.export_to(str(self.document)).memories == step["memories"]

    def import_(self, step):
        assert self.engine.import_from(str(self.document)).memories == step["memories"]

    def no_bytes(self, step):
        files = [file for file in self.bank.rglob("*") if file.is_file()]
        assert files
        assert not [file for file in files if step["text"].encode() in file.read_bytes()]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_scenario(scenario, tmp_path: Path):
    run = Run(scenario, tmp_path)
    for step in scenario["steps"]:
        call = getattr(run, step["call"], None) or getattr(run, step["call"] + "_")
        if "error" not in step:
            call(step)
            continue
        with pytest.raises(KeepsakeError) as raised:
            call(step)
        assert type(raised.value).__name__ == step["error"], step
        assert step.get("message", "") in str(raised.value)
