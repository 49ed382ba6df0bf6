"""The Python package itself: what it adds to the engine's calls."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import BINDINGS, Scripted, default_model

import keepsake
from keepsake import (
    Embedder,
    HostCompletion,
    HostEmbedder,
    Keepsake,
    KeepsakeError,
    Kind,
    LanguageModel,
    LogLevel,
    LogSink,
    Meaning,
    ModelFiles,
    UnitId,
)


def scripted(*script):
    return LanguageModel.of_host(Scripted(script))


def test_the_quick_start_runs(tmp_path, monkeypatch, capsys):
    """The code of the README, with the default model in the place of its file."""
    readme = (BINDINGS / "python" / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.S)[1]
    assert len(code.splitlines()) <= 20
    monkeypatch.chdir(tmp_path)
    exec(code.replace("SmolLM2-135M-Instruct.Q4_1.gguf", default_model()), {})  # noqa: S102
    assert capsys.readouterr().out.strip()


class Endless(Scripted):
    """Keeps a fact, then answers without end."""

    def __init__(self):
        super().__init__(["- Tom plays the cello.", "ADD"])
        self.ended = False

    def complete(self, request, reply):
        if not request.answers:
            return super().complete(request, reply)
        while reply.piece(" a"):
            time.sleep(0.001)
        self.ended = True
        return HostCompletion(text=" a")


def test_a_stream_that_is_left_stops_the_answer(tmp_path):
    endless = Endless()
    with Keepsake(tmp_path / "bank", model=LanguageModel.of_host(endless)) as bank:
        bank.remember("Tom", "I play the cello.")
        for piece in bank.stream("What does Tom play?"):
            assert piece.strip() == "a"
            break
        assert endless.ended


def test_a_stream_that_nobody_left_ends_with_the_interpreter(tmp_path):
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_package import Endless, Keepsake, LanguageModel
bank = Keepsake({str(tmp_path / "bank")!r}, model=LanguageModel.of_host(Endless()))
bank.remember("Tom", "I play the cello.")
stream = bank.stream("What does Tom play?")
print(next(stream))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout.strip()) == (0, "a"), ended.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere llama.cpp is part of the library")
def test_the_wheel_brings_its_own_processor_variants():
    LanguageModel.load(ModelFiles(model=default_model()))
    loaded = [line.split()[-1] for line in open("/proc/self/maps", encoding="utf-8") if "libggml-cpu" in line]
    assert loaded and all(Path(path).parent.parent.name == "_binding" for path in loaded)


def test_what_fails_in_a_stream_is_raised_where_it_is_read(tmp_path):
    with Keepsake(tmp_path / "bank") as bank, pytest.raises(KeepsakeError.NoModel):
        list(bank.stream("What does Tom play?"))


def test_what_an_observer_raises_stops_the_work_and_comes_back(tmp_path):
    with Keepsake(tmp_path / "bank", model=scripted("none", "none")) as bank:
        bank.append("Tom", "Hi!")
        bank.append("Tom", "Bye!")

        def refuse(receipt):
            raise ValueError(receipt.turn)

        with pytest.raises(ValueError, match="1"):
            bank.process(on_turn=refuse)
        seen = []
        bank.process(on_turn=lambda receipt: seen.append(receipt.turn))
        assert seen == [2], "the first one is worked, and its outcome kept"


def test_a_closed_bank_says_so_and_another_may_open_it(tmp_path):
    bank = Keepsake(tmp_path / "bank")
    with pytest.raises(KeepsakeError.OpenElsewhere):
        Keepsake(tmp_path / "bank")
    bank.close()
    bank.close()
    with pytest.raises(KeepsakeError.Closed):
        bank.memories()
    Keepsake(tmp_path / "bank").close()


def test_why_tells_the_turns_behind_a_memory(tmp_path):
    with Keepsake(tmp_path / "bank", model=scripted("- Tom plays the cello.", "ADD")) as bank:
        bank.remember("Tom", "I play the cello.", "2024-03-02")
        [memory] = bank.memories()
        assert [turn.text for turn in bank.why(memory.id)] == ["I play the cello."]
        assert bank.why(999) == []


def test_forget_takes_whatever_names_a_memory_or_a_turn(tmp_path):
    with Keepsake(tmp_path / "bank", model=scripted("- Tom plays the cello.", "ADD", "none", "none", " The cello")) as bank:
        for text in ("I play the cello.", "I bake bread.", "I grow beans."):
            bank.remember("Tom", text, "2024-03-02")
        [memory] = bank.memories()
        [bread] = [found for found in bank.search("bread", kind=Kind.TURN) if found.text == "I bake bread."]
        assert bread.unit == UnitId.TURN(2)
        [used] = [used for used in bank.ask("What does Tom play?").used if used.text == "I play the cello."]
        assert bank.forget(memory, used, bread, bank.engine.turn(3)) == 4
        assert bank.engine.turns() == bank.memories() == []


class Letters(HostEmbedder):
    """Counts letters; gives something else where it is told to."""

    def __init__(self, wrong=None):
        self._wrong = wrong

    def identity(self):
        return "letters"

    def dimensions(self):
        return 26

    def embed(self, texts):
        if self._wrong is not None:
            return self._wrong
        return [[float(text.lower().count(chr(97 + at))) + 0.01 for at in range(26)] for text in texts]


def test_a_hosts_embedder_counts_and_a_wrong_one_is_told(tmp_path):
    with Keepsake(tmp_path / "bank", model=scripted("none"), embedder=Embedder.of_host(Letters())) as bank:
        bank.append("Tom", "zzz zz")
        bank.process()
        found = bank.engine.search(keepsake.Search(text="zz z"))
        assert isinstance(found.meaning, Meaning.COUNTED) and len(found.found) == 1
    for wrong in ([], [[1.0]], [[0.0] * 26], [[float("nan")] * 26]):
        with Keepsake(tmp_path / "bank", embedder=Embedder.of_host(Letters(wrong))) as bank:
            with pytest.raises(KeepsakeError.ModelFailed, match="the host's embedder gave"):
                bank.search("z")


def test_errors_and_the_log_quote_nothing_that_was_said(tmp_path):
    class Lines(LogSink):
        def __init__(self):
            self.lines = []

        def log(self, level, target, line):
            self.lines.append(line)

    class Leaking(Scripted):
        def complete(self, request, reply):
            raise RuntimeError(request.user)

    sink = Lines()
    keepsake.set_log_sink(sink, LogLevel.DEBUG)
    try:
        with Keepsake(tmp_path / "bank", model=LanguageModel.of_host(Leaking([]))) as bank:
            with pytest.raises(KeepsakeError.ModelFailed) as raised:
                bank.remember("Tom", "I play the Stradivarius.")
        assert "Stradivarius" not in str(raised.value)
        with Keepsake(tmp_path / "bank"):
            pass
    finally:
        keepsake.set_log_sink(None, LogLevel.ERROR)
    assert not [line for line in sink.lines if "Stradivarius" in line]


def test_other_threads_run_while_a_call_blocks(tmp_path):
    class Slow(Scripted):
        def complete(self, request, reply):
            time.sleep(0.2)
            return super().complete(request, reply)

    with Keepsake(tmp_path / "bank", model=LanguageModel.of_host(Slow(["none"]))) as bank:
        bank.append("Tom", "Hi!")
        worker = threading.Thread(target=bank.process)
        worker.start()
        assert bank.append("Tom", "Bye!").is_new, "append is quick meanwhile"
        bank.engine.set_effort(keepsake.Effort.PAUSED)
        worker.join()
