// A bank's key in the Keychain of an Apple device.
#if canImport(Security)
import Foundation
import Security

/// Where a bank's key is kept: readable once the device was unlocked after a start, so also in the background, and never
/// carried to another device.
public struct Keychain: Sendable {
    /// The Keychain did not do as it was asked, for this reason of Security's.
    public struct Failure: LocalizedError, Equatable {
        public let status: OSStatus

        public var errorDescription: String? {
            let reason = (SecCopyErrorMessageString(status, nil) as String?) ?? "OSStatus \(status)"
            return "the Keychain failed: \(reason)"
        }
    }

    private let service: String
    private let account: String

    /// One name for each bank; the service is commonly the app's bundle identifier.
    public init(service: String, account: String = "keepsake") {
        self.service = service
        self.account = account
    }

    /// The 32 random bytes that seal the bank, made at the first call. Where the Keychain cannot be read, as before the
    /// first unlock, it throws and makes none: a second key would not open the bank.
    public func key() throws -> Data {
        if let key = try read() { return key }
        var key = Data(count: 32)
        let made = key.withUnsafeMutableBytes { SecRandomCopyBytes(kSecRandomDefault, $0.count, $0.baseAddress!) }
        guard made == errSecSuccess else { throw Failure(status: made) }
        var item = query
        item[kSecValueData] = key
        item[kSecAttrAccessible] = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
        let added = SecItemAdd(item as CFDictionary, nil)
        // An extension of the app was first: its key is the bank's.
        if added == errSecDuplicateItem, let key = try read() { return key }
        guard added == errSecSuccess else { throw Failure(status: added) }
        return key
    }

    /// Removes the key. A bank that it sealed can never be read again.
    public func remove() throws {
        let status = SecItemDelete(query as CFDictionary)
        guard status == errSecSuccess || status == errSecItemNotFound else { throw Failure(status: status) }
    }

    private func read() throws -> Data? {
        var wanted = query
        wanted[kSecReturnData] = true
        wanted[kSecMatchLimit] = kSecMatchLimitOne
        var found: CFTypeRef?
        let status = SecItemCopyMatching(wanted as CFDictionary, &found)
        if status == errSecItemNotFound { return nil }
        guard status == errSecSuccess else { throw Failure(status: status) }
        guard let key = found as? Data, key.count == 32 else { throw Failure(status: errSecDecode) }
        return key
    }

    private var query: [CFString: Any] {
        [
            kSecClass: kSecClassGenericPassword,
            kSecAttrService: service,
            kSecAttrAccount: account,
            kSecUseDataProtectionKeychain: true,  // on macOS as on iOS; the app must be signed there
        ]
    }
}
#endif
