"""A memory for assistants that stays on the device.

    from keepsake import Keepsake

    with Keepsake("my-bank", model="SmolLM2-135M-Instruct.Q4_1.gguf") as memory:
        memory.remember("Maria", "I adopted a dog named Buddy.")
        print(memory.ask("What is Maria's dog called?").text)

Calls block, and release the interpreter meanwhile: ``await asyncio.to_thread(memory.ask, question)`` where that
matters. One object may be used from many threads. Errors are subclasses of :class:`KeepsakeError`, each named for
what can be done about it.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Union

from ._binding.keepsake import (
    Answer,
    AnswerSink,
    Appended,
    Applied,
    Budget,
    Cancel,
    Counts,
    Effort,
    Embedder,
    EmbedderFiles,
    Ended,
    Engine,
    ExportFormat,
    FailReason,
    Findings,
    Found,
    Guard,
    HostCompletion,
    HostEmbedder,
    HostError,
    HostLanguageModel,
    HostRequest,
    InternalError,
    KeepsakeError,
    Kind,
    LanguageModel,
    LogLevel,
    LogSink,
    Meaning,
    Memory,
    MemoryState,
    ModelFiles,
    Moved,
    NewTurn,
    MemoryOperation,
    EngineOptions,
    Origin,
    Outcome,
    QueueProgress,
    Receipt,
    Reply,
    Search,
    Selection,
    EngineSettings,
    Step,
    Turn,
    Undone,
    UnitId,
    Usage,
    Used,
    WorkObserver,
    change_key,
    repair,
    set_log_sink,
    version,
)

__all__ = [
    "Answer", "AnswerSink", "Appended", "Applied", "Budget", "Cancel", "Counts", "Effort", "Embedder", "EmbedderFiles",
    "Ended", "Engine", "ExportFormat", "FailReason", "Findings", "Found", "Guard", "HostCompletion", "HostEmbedder",
    "HostError", "HostLanguageModel", "HostRequest", "InternalError", "Keepsake", "KeepsakeError", "Kind",
    "LanguageModel", "LogLevel", "LogSink", "Meaning", "Memory", "MemoryState", "ModelFiles", "Moved", "NewTurn",
    "MemoryOperation", "EngineOptions", "Origin", "Outcome", "QueueProgress", "Receipt", "Reply", "Search", "Selection", "EngineSettings",
    "Step", "Turn", "Undone", "UnitId", "Usage", "Used", "WorkObserver", "change_key", "repair", "set_log_sink",
    "version",
]

__version__ = version()

_Path = Union[str, "os.PathLike[str]"]
_Unit = Union[Found, Used, Memory, Turn, UnitId]


def _wall_clock(time: datetime | str | None) -> str:
    """What the speaker's clock shows, without a zone; now where nothing is given."""
    if isinstance(time, str):
        return time
    return (time or datetime.now()).replace(tzinfo=None, microsecond=0).isoformat()


def _unit(one: _Unit) -> UnitId:
    """Which memory or turn it is."""
    if isinstance(one, Memory):
        return UnitId.MEMORY(one.id)
    if isinstance(one, Turn):
        return UnitId.TURN(one.id)
    return one if isinstance(one, UnitId) else one.unit


class Keepsake:
    """An open bank with all that works on it.

    ``model`` is a GGUF file, :class:`ModelFiles` or a :class:`LanguageModel` (``LanguageModel.of_host`` takes one of
    your own); without one, turns are kept and can be searched, and the queue waits. ``embedder`` is
    :class:`EmbedderFiles` or an :class:`Embedder`; without one, search is by words only. ``key``, 32 random bytes, seals
    a new bank.
    """

    def __init__(
        self,
        folder: _Path,
        *,
        model: LanguageModel | ModelFiles | _Path | None = None,
        embedder: Embedder | EmbedderFiles | None = None,
        key: bytes | None = None,
        settings: EngineSettings | None = None,
    ) -> None:
        if isinstance(model, (str, os.PathLike)):
            model = ModelFiles(model=os.fspath(model))
        if isinstance(model, ModelFiles):
            model = LanguageModel.load(model)
        if isinstance(embedder, EmbedderFiles):
            embedder = Embedder.load(embedder)
        options = EngineOptions(key=key, model=model, embedder=embedder, settings=settings)
        self.engine: Engine = Engine.open(os.fspath(Path(folder)), options)
        """Everything the engine can do, one method for each of its calls."""

    def close(self) -> None:
        """Closes the bank as soon as the last call under way ends. Closing twice does nothing."""
        self.engine.shut_down()

    def __enter__(self) -> Keepsake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- remembering ----

    def append(self, speaker: str, text: str, time: datetime | str | None = None, **more: object) -> Appended:
        """Stores a turn, durably, and puts it into the queue: milliseconds. ``more`` are fields of :class:`NewTurn`."""
        return self.engine.append(NewTurn(speaker=speaker, text=text, time=_wall_clock(time), **more))

    def remember(
        self,
        speaker: str,
        text: str,
        time: datetime | str | None = None,
        *,
        cancel: Cancel | None = None,
        **more: object,
    ) -> Receipt:
        """Stores a turn and works the queue up to it. ``more`` are fields of :class:`NewTurn`."""
        turn = NewTurn(speaker=speaker, text=text, time=_wall_clock(time), **more)
        return self.engine.remember(turn, cancel)

    def process(
        self,
        budget: Budget | None = None,
        *,
        cancel: Cancel | None = None,
        on_turn: Callable[[Receipt], None] | None = None,
    ) -> QueueProgress:
        """Works the queue; ``on_turn`` hears of every turn. What it raises stops the work and is raised here."""
        observer = _Observer(on_turn) if on_turn else None
        try:
            return self.engine.process(budget, cancel, observer)
        except KeepsakeError.Host:
            if observer is not None and observer.raised is not None:
                raise observer.raised from None
            raise

    def set_effort(self, effort: Effort) -> None:
        """How hard the queue may be worked from now on: fully, gently, or not at all."""
        self.engine.set_effort(effort)

    # ---- answering ----

    def ask(self, question: str, *, space: str = "default", cancel: Cancel | None = None) -> Answer:
        """Answers a question from what a space holds."""
        return self.engine.ask(question, space, cancel, None)

    def stream(self, question: str, *, space: str = "default") -> Iterator[str]:
        """The pieces of an answer while it is written. Leaving the loop stops it."""
        pieces: queue.Queue[str | BaseException | None] = queue.Queue()
        cancel, engine = Cancel(), self.engine

        def work() -> None:
            try:
                engine.ask(question, space, cancel, _Pieces(pieces))
                pieces.put(None)
            except BaseException as error:  # noqa: BLE001 - it is raised where the pieces are read
                pieces.put(error)

        thread = threading.Thread(target=work, name="keepsake-answer", daemon=True)
        thread.start()
        _streams[thread] = cancel
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            cancel.cancel()
            thread.join()

    def search(self, text: str, count: int = 10, *, space: str = "default", **more: object) -> list[Found]:
        """The memories and turns that fit a text best. ``more`` are fields of :class:`Search`."""
        return self.engine.search(Search(text=text, count=count, space=space, **more)).found

    # ---- what is remembered ----

    def memories(self, *, space: str = "default") -> list[Memory]:
        """The memories that hold, oldest first."""
        return self.engine.memories(space)

    def history(self, memory: int) -> list[Memory]:
        """All versions of a memory, oldest first."""
        return self.engine.history(memory)

    def why(self, memory: int) -> list[Turn]:
        """The turns that a memory was taken from."""
        known = self.engine.memory(memory)
        turns = [self.engine.turn(turn) for turn in known.sources] if known else []
        return [turn for turn in turns if turn is not None]

    def undo(self, *turns: int) -> Undone:
        """Takes back what these turns changed."""
        return self.engine.undo(list(turns))

    def forget(self, *units: _Unit) -> int:
        """Removes memories and turns, so that no byte of them is left in the bank. How many there were.

        Takes what :meth:`search` found, an answer used or :meth:`memories` listed as it is.
        """
        return self.engine.forget([_unit(one) for one in units])

    def forget_everything(self, *, space: str = "default") -> int:
        """Removes all that a space holds."""
        return self.engine.forget_everything(space)

    def export(self, file: _Path, *, spaces: list[str] | None = None, format: ExportFormat | None = None) -> Moved:
        """Writes what spaces hold, all of them where none are named, into a new file."""
        return self.engine.export_to(os.fspath(file), spaces or [], format)


# Streams that nobody has left yet. One that lives when the interpreter ends is stopped before: its thread would be killed
# in the middle of the engine.
_streams: weakref.WeakKeyDictionary[threading.Thread, Cancel] = weakref.WeakKeyDictionary()


@atexit.register
def _stop_streams() -> None:
    streams = list(_streams.items())
    for _, cancel in streams:
        cancel.cancel()
    for thread, _ in streams:
        thread.join()


class _Pieces(AnswerSink):
    def __init__(self, pieces: queue.Queue[str | BaseException | None]) -> None:
        self._pieces = pieces

    def text(self, piece: str) -> bool:
        self._pieces.put(piece)
        return True


class _Observer(WorkObserver):
    def __init__(self, on_turn: Callable[[Receipt], None]) -> None:
        self._on_turn = on_turn
        self.raised: BaseException | None = None

    def worked(self, receipt: Receipt) -> None:
        try:
            self._on_turn(receipt)
        except BaseException as error:
            self.raised = error
            raise HostError.Failed("the function for each turn failed") from None
