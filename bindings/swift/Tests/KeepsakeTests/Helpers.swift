// What tests bring along: JSON, a model that says what it is told to, and a sink that keeps what it is given.
import Foundation
import Keepsake
import XCTest

/// A JSON value. What is not there is `nil`, and null is `.null`.
enum JSON: Decodable, Sendable {
    case null
    case bool(Bool)
    case number(UInt64)
    case string(String)
    case list([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(UInt64.self) {
            self = .number(number)
        } else if let string = try? value.decode(String.self) {
            self = .string(string)
        } else if let list = try? value.decode([JSON].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSON].self))
        }
    }

    subscript(name: String) -> JSON? { if case .object(let members) = self { members[name] } else { nil } }
    var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    var number: UInt64? { if case .number(let number) = self { number } else { nil } }
    var string: String? { if case .string(let string) = self { string } else { nil } }
    var list: [JSON]? { if case .list(let list) = self { list } else { nil } }
    var strings: [String]? { list?.compactMap(\.string) }
}

/// Gives these replies, one after the other, word by word.
final class Scripted: HostLanguageModel, @unchecked Sendable {
    private let lock = NSLock()  // of `script`
    private var script: [JSON]

    init(_ script: [JSON]) {
        self.script = script
    }

    convenience init(_ script: String...) {
        self.init(script.map(JSON.string))
    }

    func contextTokens() -> UInt32 { 8192 }

    func countTokens(text: String) -> UInt64 { UInt64(text.split(whereSeparator: \.isWhitespace).count) }

    func complete(request: HostRequest, reply: Reply) throws -> HostCompletion {
        let says = try lock.withLock {
            if script.isEmpty { throw HostError.Failed(reason: "the script is at its end") }
            return script.removeFirst()
        }
        if let reason = says["fails"]?.string { throw HostError.Failed(reason: reason) }
        let text = try XCTUnwrap(says.string)
        for word in text.split(separator: " ", omittingEmptySubsequences: true) {
            let piece = word.startIndex == text.startIndex ? String(word) : " \(word)"
            if !reply.piece(text: piece) { break }
        }
        return HostCompletion(text: text)
    }
}

/// A model that does with each request what this function does.
final class Model: HostLanguageModel {
    private let completes: @Sendable (HostRequest, Reply) throws -> String

    init(_ completes: @escaping @Sendable (HostRequest, Reply) throws -> String) {
        self.completes = completes
    }

    func contextTokens() -> UInt32 { 8192 }

    func countTokens(text: String) -> UInt64 { UInt64(text.split(whereSeparator: \.isWhitespace).count) }

    func complete(request: HostRequest, reply: Reply) throws -> HostCompletion {
        HostCompletion(text: try completes(request, reply))
    }
}

/// Writes until it is stopped, 10 seconds at most, and says when it begins and when it ended.
func endless(began: XCTestExpectation, ended: XCTestExpectation) throws -> LanguageModel {
    try LanguageModel.ofHost(host: Model { _, reply in
        began.fulfill()
        let limit = Date(timeIntervalSinceNow: 10)
        while reply.piece(text: "a ") && Date() < limit { Thread.sleep(forTimeInterval: 0.001) }
        ended.fulfill()
        return ""
    })
}

/// Keeps what it is given.
final class Kept<Element: Sendable>: @unchecked Sendable {
    private let lock = NSLock()  // of `elements`
    private var elements: [Element] = []

    var all: [Element] { lock.withLock { elements } }

    func keep(_ element: Element) {
        lock.withLock { elements.append(element) }
    }
}

/// Keeps the pieces, and wants no more after so many.
final class Collected: AnswerSink {
    private let stopAfter: UInt64?
    private let pieces = Kept<String>()

    init(stopAfter: UInt64? = nil) {
        self.stopAfter = stopAfter
    }

    var text: String { pieces.all.joined().trimmingCharacters(in: .whitespaces) }

    func text(piece: String) -> Bool {
        pieces.keep(piece)
        return stopAfter.map { pieces.all.count != $0 } ?? true
    }
}

/// The file that `keepsake models pull` fetches.
func defaultModel() throws -> String {
    let environment = ProcessInfo.processInfo.environment
    let cache = environment["XDG_CACHE_HOME"] ?? NSHomeDirectory() + "/.cache"
    let file = (environment["KEEPSAKE_HOME"] ?? cache + "/keepsake") + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: file) else { throw Missing(file: file) }
    return file
}

struct Missing: Error, CustomStringConvertible {
    let file: String
    var description: String { "\(file) is missing: run `make setup`" }
}

/// What a call throws, which must be of this type.
func thrown<Failure: Error>(
    _ type: Failure.Type, file: StaticString = #filePath, line: UInt = #line, by call: () async throws -> Void
) async throws -> Failure {
    do {
        try await call()
    } catch let error as Failure {
        return error
    }
    XCTFail("nothing was thrown", file: file, line: line)
    throw CancellationError()
}

/// The case's name alone, as other platforms write it: `noModel` is `NO_MODEL`.
func constant(_ value: some Any) -> String {
    "\(value)".map { $0.isUppercase ? "_\($0)" : $0.uppercased() }.joined()
}

extension KeepsakeError {
    /// The case's name alone.
    var kind: String { String("\(self)".prefix { $0 != "(" }) }
}
