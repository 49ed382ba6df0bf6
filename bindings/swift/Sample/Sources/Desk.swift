// What the screen shows and what its buttons do. Every error becomes a sentence in an alert.
import Combine
import Foundation
import Keepsake

@MainActor
final class Desk: ObservableObject {
    @Published private(set) var memories: [Memory] = []
    @Published private(set) var answer = ""
    @Published private(set) var note = ""
    @Published private(set) var busy = false
    @Published var failure: String?
    @Published var exported: Exported?

    /// Whether turns may be waiting, as they may when the app starts.
    private(set) var mayWait = true

    private let bank: Bank
    private var queue: Task<Void, Never>?
    private var again = false

    init(_ bank: Bank) {
        self.bank = bank
    }

    func refresh() {
        act { [self] in
            work()
            return ""
        }
    }

    /// Stored at once; the queue is worked after it, and more can be said and asked meanwhile.
    func say(_ text: String, by speaker: String) {
        act { [self] in
            try await bank.get().append(NewTurn(speaker: speaker, text: text, time: Self.wallClock()))
            work()
            return "stored"
        }
    }

    func ask(_ question: String) {
        answer = ""
        act("thinking ...") { [self] in
            for try await piece in try await bank.get().stream(question) { answer += piece }
            return answer.isEmpty ? "no answer" : ""
        }
    }

    /// The turns that a memory was taken from.
    func why(_ memory: Memory) async -> [Turn] {
        do {
            return try await bank.get().why(memory.id)
        } catch {
            show(error)
            return []
        }
    }

    /// The memory and the turns behind it, so that it is not learnt from them again.
    func forget(_ memory: Memory) {
        act("forgetting ...") { [self] in
            let units = [memory.unit] + memory.sources.map { UnitId.turn(id: $0) }
            return "\(try await bank.get().forget(units)) forgotten"
        }
    }

    func eraseEverything() {
        answer = ""
        act("erasing ...") { [self] in
            await rest()
            try await bank.erase()
            return "all erased, the key as well"
        }
    }

    /// The engine writes a file of its own first, which is deleted again: an export is not sealed.
    func export(_ format: ExportFormat) {
        act("writing ...") { [self] in
            let name = format == .markdown ? "keepsake.md" : "keepsake.jsonl"
            let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            defer { try? FileManager.default.removeItem(at: file) }
            let moved = try await bank.get().export(to: file, format: format)
            exported = Exported(name: name, contents: try Data(contentsOf: file))
            return "\(moved.turns) turns and \(moved.memories) memories"
        }
    }

    func importModel(_ picked: URL) {
        act("checking the model ...") { [self] in
            try await ModelFile.smollm2.take(picked, into: Place.models)
            await rest()
            await bank.close()
            work()
            return "the model is there"
        }
    }

    /// Works the queue until nothing waits. Called again meanwhile, it looks once more: a turn may have come at the end.
    func work() {
        mayWait = true
        again = true
        guard queue == nil else { return }
        queue = Task {
            while again && !Task.isCancelled {
                again = false
                await workOnce()
            }
            queue = nil
        }
    }

    func show(_ error: any Error) {
        if !(error is CancellationError) { failure = sentence(error) }
    }

    /// Turn by turn, so that what was learnt shows at once.
    private func workOnce() async {
        do {
            let keepsake = try await bank.get()
            var progress: QueueProgress
            repeat {
                progress = try await keepsake.process(Budget(turns: 1))
                if progress.turns > 0 { note = progress.failed > 0 ? "a turn failed" : "a turn was worked" }
                memories = try await keepsake.memories()
            } while progress.ended == .budget
            if progress.ended == .noModel { note = "no model yet: what was said waits" }
            mayWait = progress.ended != .empty
        } catch {
            show(error)
        }
    }

    /// Stops the queue, and waits until it stands.
    private func rest() async {
        queue?.cancel()
        await queue?.value
    }

    /// Does one thing at a time, then shows what is remembered. The action gives the note about what it did.
    private func act(_ doing: String = "", _ action: @escaping @MainActor () async throws -> String) {
        guard !busy else { return }
        busy = true
        note = doing
        Task {
            do {
                note = try await action()
                memories = try await bank.get().memories()
            } catch {
                note = ""
                show(error)
            }
            busy = false
        }
    }

    /// Now, as the clock on the wall shows it: `2024-03-02T10:15:00`.
    private static func wallClock() -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.calendar = Calendar(identifier: .gregorian)
        format.dateFormat = "yyyy-MM-dd'T'HH:mm:ss"
        return format.string(from: Date())
    }
}

/// An export that waits for a place.
struct Exported: Sendable {
    let name: String
    let contents: Data
}

/// An error's own message; the binding's description puts the names of its types around it.
func sentence(_ error: any Error) -> String {
    guard let error = error as? KeepsakeError else { return error.localizedDescription }
    return switch error {
    case .Invalid(let message), .OpenElsewhere(let message), .Closed(let message), .Folder(let message),
        .Key(let message), .Damaged(let message), .TooNew(let message), .ModelFile(let message),
        .OutOfMemory(let message), .NoModel(let message), .ModelFailed(let message), .Stopped(let message),
        .Paused(let message), .Refused(let message), .Document(let message), .Disk(let message),
        .Host(let message):
        message
    }
}
