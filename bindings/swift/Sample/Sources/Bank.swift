// The one open bank of the app: its screen and its work in the background share it.
import Foundation
import Keepsake

/// Opened when it is first asked for; where that fails it may be asked again.
actor Bank {
    static let shared = Bank()

    private var opening: Task<Opened, any Error>?

    func get() async throws -> Keepsake {
        let task = opening ?? Task { try await Self.open() }
        opening = task
        do {
            return try await task.value.bank
        } catch {
            if opening == task { opening = nil }
            throw error
        }
    }

    /// The next `get` opens it again, with a model that was not there before.
    func close() async {
        guard let closing = opening else { return }
        opening = nil
        await (try? closing.value)?.bank.close()
    }

    /// Deletes the bank and its key, also a bank that cannot be opened. What flash memory may keep of it, nobody can read.
    func erase() async throws {
        await close()
        try Place.keychain.remove()
        let files = FileManager.default
        if files.fileExists(atPath: Place.bank.path) { try files.removeItem(at: Place.bank) }
    }

    private static func open() async throws -> Opened {
        try Keepsake.protect(Place.bank)
        let key = try Place.keychain.key()
        var model: LanguageModel?
        if let file = ModelFile.smollm2.found(in: Place.models) {
            model = try await LanguageModel.load(ModelFiles(model: file.path, states: Place.states.path))
        }
        let bank = try await Keepsake.open(Place.bank, options: EngineOptions(key: key, model: model))
        return Opened(bank: bank, lifecycle: await Lifecycle(bank))
    }
}

private struct Opened: Sendable {
    let bank: Keepsake
    let lifecycle: Lifecycle  // pauses the queue in the background as long as it is kept
}

/// Where the app keeps its things.
enum Place {
    static let bank = URL.applicationSupportDirectory.appendingPathComponent("bank")
    static let models = URL.applicationSupportDirectory.appendingPathComponent("models")
    /// What the engine evaluates once; may be lost with the caches.
    static let states = URL.cachesDirectory.appendingPathComponent("states")
    static let keychain = Keychain(service: "dev.keepsake.sample")
}
