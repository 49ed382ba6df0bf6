// How the files of a bank are kept on an iPhone or iPad.
#if canImport(Darwin) && !os(macOS)
import Foundation

extension Keepsake {
    /// Makes a bank's folder where there is none, and has its files encrypted until the device is first unlocked after a
    /// start, and left out of backups, which the key in the Keychain is not in either. To be called before `open`.
    public static func protect(_ folder: URL) throws {
        let files = FileManager.default
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        let protection = [FileAttributeKey.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication]
        // New files take the folder's; those that are there have their own.
        try files.setAttributes(protection, ofItemAtPath: folder.path)
        for path in try files.subpathsOfDirectory(atPath: folder.path) {
            try files.setAttributes(protection, ofItemAtPath: folder.appendingPathComponent(path).path)
        }
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        var folder = folder
        try folder.setResourceValues(values)
    }
}
#endif
