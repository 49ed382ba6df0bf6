// The app: one bank, worked while the app is in front and while the device idles on its charger.
import Keepsake
import SwiftUI

@main
struct SampleApp: App {
    /// The identifier stands in project.yml too.
    private static let work = BackgroundWork(identifier: "dev.keepsake.sample.queue") { try await Bank.shared.get() }

    @StateObject private var desk = Desk(.shared)
    @Environment(\.scenePhase) private var phase

    init() {
        guard Self.work.register() else { fatalError("Info.plist does not permit the background task") }
    }

    var body: some Scene {
        WindowGroup {
            DeskScreen(desk: desk)
        }
        .onChange(of: phase) { phase in
            switch phase {
            case .active: desk.work()
            case .background: schedule()
            default: break
            }
        }
    }

    /// The simulator, and a person who switched background work off, refuse it: then the queue waits for the app.
    private func schedule() {
        if desk.mayWait { try? Self.work.schedule() }
    }
}
