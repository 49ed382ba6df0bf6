// Works the queue while an iPhone or iPad idles on its charger.
#if canImport(BackgroundTasks) && os(iOS)
import BackgroundTasks
import Foundation

/// The app's background task. Its identifier must stand in Info.plist under `BGTaskSchedulerPermittedIdentifiers`, with
/// `processing` under `UIBackgroundModes`.
public struct BackgroundWork: Sendable {
    private let identifier: String
    private let bank: @Sendable () async throws -> Keepsake

    /// `bank` gives the app's open bank, or opens it: the system may start the app for the task alone.
    public init(identifier: String, bank: @escaping @Sendable () async throws -> Keepsake) {
        self.identifier = identifier
        self.bank = bank
    }

    /// To be called once, before the app has finished launching. False where Info.plist lacks the identifier.
    public func register() -> Bool {
        BGTaskScheduler.shared.register(forTaskWithIdentifier: identifier, using: nil) { [self] task in
            run(Running(task: task))
        }
    }

    /// Asks for a time to work, as an app does when it goes into the background with turns waiting. A request that is
    /// there already is replaced.
    public func schedule(noEarlierThan time: Date? = nil) throws {
        let request = BGProcessingTaskRequest(identifier: identifier)
        request.requiresExternalPower = true
        request.requiresNetworkConnectivity = false
        request.earliestBeginDate = time
        try BGTaskScheduler.shared.submit(request)
    }

    private func run(_ running: Running) {
        let work = Task {
            let ended = try? await workQueue()
            // Expired, or failed: what waits is worked another time.
            if ended != .empty { try? schedule() }
            running.task.setTaskCompleted(success: ended == .empty)
        }
        running.task.expirationHandler = { work.cancel() }
    }

    private func workQueue() async throws -> Ended {
        let bank = try await bank()
        // `Lifecycle` paused it when the app left the foreground.
        bank.setEffort(.full)
        return try await bank.process().ended
    }
}

/// A task of the system's, which may be ended from any thread.
private struct Running: @unchecked Sendable {
    let task: BGTask
}
#endif
