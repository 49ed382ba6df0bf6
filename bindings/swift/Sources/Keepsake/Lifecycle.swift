// Keeps the engine quiet while the app is in the background.
#if canImport(UIKit) && !os(watchOS)
import UIKit

/// While this lives, the queue is paused in the background, which stops work under way within about 60 ms, and the engine
/// gives memory back when the system is short of it. In the foreground turns may be worked again; that somebody calls
/// `process` is up to the app.
public final class Lifecycle: NSObject, Sendable {
    private let bank: Keepsake

    @MainActor
    public init(_ bank: Keepsake) {
        self.bank = bank
        super.init()
        // The centre lets go of this object by itself.
        let centre = NotificationCenter.default
        centre.addObserver(
            self, selector: #selector(pause), name: UIApplication.didEnterBackgroundNotification, object: nil)
        centre.addObserver(
            self, selector: #selector(resume), name: UIApplication.willEnterForegroundNotification, object: nil)
        centre.addObserver(
            self, selector: #selector(releaseMemory), name: UIApplication.didReceiveMemoryWarningNotification,
            object: nil)
    }

    @objc private func pause() {
        bank.setEffort(.paused)
    }

    @objc private func resume() {
        let device = ProcessInfo.processInfo
        let hot = device.thermalState == .serious || device.thermalState == .critical
        bank.setEffort(hot || device.isLowPowerModeEnabled ? .gentle : .full)
    }

    @objc private func releaseMemory() {
        bank.engine.releaseMemory()
    }
}
#endif
