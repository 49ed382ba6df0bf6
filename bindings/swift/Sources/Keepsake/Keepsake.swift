// The engine for async code: what takes long suspends, an answer is a stream, and cancelling a task stops the engine.
//
// Everything here calls `Engine`, the generated binding, and nothing is decided here.
import Foundation
@_exported import KeepsakeBinding

/// An open bank with all that works on it. May be used from many tasks; close it when the app is done with it.
///
/// `engine` has everything the engine can do, in calls that block.
public final class Keepsake: Sendable {
    public let engine: Engine

    private init(_ engine: Engine) {
        self.engine = engine
    }

    /// Opens the bank in a folder and verifies it, or makes one there.
    public static func open(_ folder: URL, options: EngineOptions = EngineOptions()) async throws -> Keepsake {
        try await blocking { Keepsake(try Engine.open(folder: folder.path, options: options)) }
    }

    /// Stores a turn, durably, and puts it into the queue: milliseconds, also while the queue is worked.
    @discardableResult
    public func append(_ turn: NewTurn) async throws -> Appended {
        try await blocking { [engine] in try engine.append(turn: turn) }
    }

    /// Stores a turn and works the queue up to it. Cancelled, the turn is stored and waits.
    @discardableResult
    public func remember(_ turn: NewTurn) async throws -> Receipt {
        try await stoppable { [engine] cancel in try engine.remember(turn: turn, cancel: cancel) }
    }

    /// Works the queue within a budget; `onTurn` hears of every turn, on the engine's thread. What it throws stops the
    /// work and is thrown here. Cancelled, it returns what was done until then.
    @discardableResult
    public func process(
        _ budget: Budget = Budget(), onTurn: @escaping @Sendable (Receipt) throws -> Void = { _ in }
    ) async throws -> QueueProgress {
        let observer = Observer(onTurn)
        do {
            return try await stoppable { [engine] cancel in
                try engine.process(budget: budget, cancel: cancel, observer: observer)
            }
        } catch let error as KeepsakeError {
            throw observer.thrown ?? error
        }
    }

    /// Answers a question from what a space holds.
    public func ask(_ question: String, space: String = "default") async throws -> Answer {
        try await stoppable { [engine] cancel in try engine.ask(question: question, space: space, cancel: cancel) }
    }

    /// The pieces of an answer while it is written, from now on. Letting go of the stream stops it, as leaving a loop
    /// over it does.
    public func stream(_ question: String, space: String = "default") -> AsyncThrowingStream<String, any Error> {
        let cancel = Cancel()
        return AsyncThrowingStream { [engine] pieces in
            pieces.onTermination = { _ in cancel.cancel() }
            onThread {
                do {
                    _ = try engine.ask(question: question, space: space, cancel: cancel, sink: Pieces(pieces))
                    pieces.finish()
                } catch {
                    pieces.finish(throwing: error)
                }
            }
        }
    }

    /// The memories and turns that fit a search best.
    public func search(_ search: Search) async throws -> Findings {
        try await blocking { [engine] in try engine.search(search: search) }
    }

    /// The memories of a space that hold, oldest first.
    public func memories(space: String = "default") async throws -> [Memory] {
        try await blocking { [engine] in try engine.memories(space: space) }
    }

    /// The turns that a memory was taken from.
    public func why(_ memory: UInt64) async throws -> [Turn] {
        try await blocking { [engine] in
            try (engine.memory(id: memory)?.sources ?? []).compactMap { try engine.turn(id: $0) }
        }
    }

    /// Removes memories and turns, so that no byte of them is left in the bank. How many there were. What was found, used
    /// or listed has its `unit`.
    @discardableResult
    public func forget(_ units: [UnitId]) async throws -> UInt64 {
        try await blocking { [engine] in try engine.forget(units: units) }
    }

    /// Removes all that a space holds. How much there was.
    @discardableResult
    public func forgetEverything(space: String = "default") async throws -> UInt64 {
        try await blocking { [engine] in try engine.forgetEverything(space: space) }
    }

    /// Writes what spaces hold, all of them where none are named, into a new file.
    @discardableResult
    public func export(
        to file: URL, spaces: [String] = [], format: ExportFormat = .jsonl
    ) async throws -> Moved {
        try await blocking { [engine] in try engine.exportTo(file: file.path, spaces: spaces, format: format) }
    }

    /// How hard the queue may be worked from now on: fully, gently, or not at all. Does not wait.
    public func setEffort(_ effort: Effort) {
        engine.setEffort(effort: effort)
    }

    /// Closes the bank as soon as the last call under way ends. Closing twice does nothing.
    public func close() async {
        await withCheckedContinuation { [engine] done in
            onThread {
                engine.shutDown()
                done.resume()
            }
        }
    }
}

extension LanguageModel {
    /// Reads a model's files and prepares it: seconds.
    public static func load(_ files: ModelFiles) async throws -> LanguageModel {
        try await blocking { try load(files: files) }
    }
}

extension Embedder {
    /// Reads an embedder's files and prepares it.
    public static func load(_ files: EmbedderFiles) async throws -> Embedder {
        try await blocking { try load(files: files) }
    }
}

extension Memory {
    /// What `forget` takes.
    public var unit: UnitId { .memory(id: id) }
}

extension Turn {
    /// What `forget` takes.
    public var unit: UnitId { .turn(id: id) }
}

/// Runs a call that blocks where it keeps none of Swift's own threads waiting.
private func blocking<T: Sendable>(_ call: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { done in
        onThread { done.resume(with: Result(catching: call)) }
    }
}

/// Runs a call that blocks; cancelling the task throws the call's switch and waits for it to end.
private func stoppable<T: Sendable>(_ call: @escaping @Sendable (Cancel) throws -> T) async throws -> T {
    let cancel = Cancel()
    do {
        return try await withTaskCancellationHandler {
            try await blocking { try call(cancel) }
        } onCancel: {
            cancel.cancel()
        }
    } catch KeepsakeError.Stopped where Task.isCancelled {
        throw CancellationError()
    }
}

/// A thread for each call, some 50 µs. A pool has as many as there are processor cores, and calls that compute would keep
/// an `append` out of it for seconds.
private func onThread(_ work: @escaping @Sendable () -> Void) {
    let thread = Thread(block: work)
    thread.name = "keepsake"
    thread.stackSize = 2 << 20  // bytes, as Rust's own threads have; Apple's default is a quarter of it
    thread.start()
}

private final class Pieces: AnswerSink {
    private let pieces: AsyncThrowingStream<String, any Error>.Continuation

    init(_ pieces: AsyncThrowingStream<String, any Error>.Continuation) {
        self.pieces = pieces
    }

    func text(piece: String) -> Bool {
        if case .terminated = pieces.yield(piece) { false } else { true }
    }
}

/// Keeps what the app's function throws, of which the engine hears only that it failed.
private final class Observer: WorkObserver, @unchecked Sendable {
    private let onTurn: @Sendable (Receipt) throws -> Void
    private let lock = NSLock()  // of `error`
    private var error: (any Error)?

    init(_ onTurn: @escaping @Sendable (Receipt) throws -> Void) {
        self.onTurn = onTurn
    }

    var thrown: (any Error)? { lock.withLock { error } }

    func worked(receipt: Receipt) throws {
        do {
            try onTurn(receipt)
        } catch {
            lock.withLock { self.error = error }
            throw HostError.Failed(reason: "the function for each turn failed")
        }
    }
}
