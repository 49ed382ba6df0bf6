// A model's file: picked by the person, copied whole or not at all, and its checksum compared while it is copied.
import CryptoKit
import Foundation

/// A file as it must be.
struct ModelFile: Sendable {
    let name: String
    let bytes: Int
    let sha256: String  // in lower case

    /// The default language model, Apache-2.0; cli/models.toml says where it comes from.
    static let smollm2 = ModelFile(
        name: "SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")

    /// The file in a folder, once it was taken in there.
    func found(in folder: URL) -> URL? {
        let file = folder.appendingPathComponent(name)
        let size = try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? NSNumber
        return size?.intValue == bytes ? file : nil
    }

    /// Copies what was picked into a folder, which no backup takes. What was there under the name stays where this throws.
    func take(_ picked: URL, into folder: URL) async throws {
        let inScope = picked.startAccessingSecurityScopedResource()
        defer { if inScope { picked.stopAccessingSecurityScopedResource() } }
        let files = FileManager.default
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        try leaveOutOfBackups(folder)
        let part = folder.appendingPathComponent("\(name).part")
        defer { try? files.removeItem(at: part) }
        try copy(picked, to: part)
        let file = folder.appendingPathComponent(name)
        if files.fileExists(atPath: file.path) { try files.removeItem(at: file) }
        try files.moveItem(at: part, to: file)
    }

    private func copy(_ picked: URL, to part: URL) throws {
        guard let input = InputStream(url: picked) else { throw ModelFileError.unreadable }
        input.open()
        defer { input.close() }
        try Data().write(to: part)
        let output = try FileHandle(forWritingTo: part)
        defer { try? output.close() }

        var (hash, copied) = (SHA256(), 0)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = input.read(&buffer, maxLength: buffer.count)
            guard count >= 0 else { throw ModelFileError.unreadable }
            if count == 0 { break }
            copied += count
            guard copied <= bytes else { throw ModelFileError.wrongFile("it has more than \(bytes) bytes") }
            hash.update(data: buffer[..<count])
            try output.write(contentsOf: buffer[..<count])
        }
        guard copied == bytes else { throw ModelFileError.wrongFile("it has \(copied) bytes instead of \(bytes)") }
        let found = hash.finalize().map { String(format: "%02x", $0) }.joined()
        guard found == sha256 else { throw ModelFileError.wrongFile("its checksum is \(found) instead of \(sha256)") }
        try output.synchronize()
    }

    private func leaveOutOfBackups(_ folder: URL) throws {
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        var folder = folder
        try folder.setResourceValues(values)
    }
}

/// Why a model was not taken in.
enum ModelFileError: LocalizedError, Equatable {
    case unreadable
    case wrongFile(String)

    var errorDescription: String? {
        switch self {
        case .unreadable: "The file cannot be read."
        case .wrongFile(let why): "This is not \(ModelFile.smollm2.name): \(why)."
        }
    }
}
