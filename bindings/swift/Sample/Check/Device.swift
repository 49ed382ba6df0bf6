// What the façade and Foundation have on Apple's devices alone, as declared there, for the type-check on Linux.
import Foundation
import Keepsake

struct Keychain: Sendable {
    init(service: String, account: String = "keepsake") {}
    func key() throws -> Data { Data(count: 32) }
    func remove() throws {}
}

extension Keepsake {
    static func protect(_ folder: URL) throws {}
}

final class Lifecycle: NSObject, Sendable {
    @MainActor
    init(_ bank: Keepsake) {}
}

extension URL {
    static var applicationSupportDirectory: URL { URL(fileURLWithPath: "support") }
    static var cachesDirectory: URL { URL(fileURLWithPath: "caches") }
    func startAccessingSecurityScopedResource() -> Bool { false }
    func stopAccessingSecurityScopedResource() {}
}
