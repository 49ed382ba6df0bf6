// The façade itself: async calls, streams, cancellation.
import Foundation
import Keepsake
import XCTest

final class KeepsakeTests: XCTestCase {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    override func setUpWithError() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws {
        try FileManager.default.removeItem(at: folder)
    }

    private func open(_ model: LanguageModel? = nil) async throws -> Keepsake {
        try await Keepsake.open(folder.appendingPathComponent("bank"), options: EngineOptions(model: model))
    }

    private func open(_ script: String...) async throws -> Keepsake {
        try await open(LanguageModel.ofHost(host: Scripted(script.map(JSON.string))))
    }

    private func said(_ text: String) -> NewTurn {
        NewTurn(speaker: "Tom", text: text, time: "2024-03-02")
    }

    /// The quick start of README.md, line by line.
    func testQuickStart() async throws {
        let file = try defaultModel()
        let folder = folder.appendingPathComponent("bank")

        let model = try await LanguageModel.load(ModelFiles(model: file))
        let memory = try await Keepsake.open(folder, options: EngineOptions(model: model))

        let turn = NewTurn(speaker: "Maria", text: "I adopted a dog named Buddy.", time: "2024-03-02T10:15")
        try await memory.remember(turn)
        for try await piece in memory.stream("What did Maria adopt?") {
            print(piece, terminator: "")
        }
        for fact in try await memory.memories() {
            print(fact.text, "from", try await memory.why(fact.id).map(\.text))
        }
        try await memory.forgetEverything()
        let left = try await memory.memories()
        XCTAssertEqual(left, [])
        await memory.close()
    }

    func testTheQuickStartIsThatOfTheReadme() throws {
        let tests = URL(fileURLWithPath: #filePath)
        let package = tests.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let lines = { (file: URL) in
            try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
        }
        let readme = try lines(package.appendingPathComponent("README.md"))
        let code = readme.drop { $0 != "```swift" }.dropFirst().prefix { $0 != "```" }.filter { $0 != "import Keepsake" }
        XCTAssertFalse(code.isEmpty)
        XCTAssertLessThanOrEqual(code.count, 20)
        let here = try lines(tests)
        XCTAssertEqual(code.filter { !here.contains($0) }, [])
    }

    func testAStreamThatIsLeftStopsTheAnswer() async throws {
        let bank = try await open("- Tom plays the cello.", "ADD", " a b c d", " a b c d")
        try await bank.remember(said("I play the cello."))
        var pieces = ""
        for try await piece in bank.stream("What does Tom play?") { pieces += piece }
        XCTAssertEqual(pieces.trimmingCharacters(in: .whitespaces), "a b c d")
        for try await piece in bank.stream("What does Tom play?") {
            XCTAssertEqual(piece.trimmingCharacters(in: .whitespaces), "a")
            break
        }
        await bank.close()
    }

    func testLeavingAStreamOrItsTaskStopsTheEngine() async throws {
        let (began, ended) = (expectation(description: "began"), expectation(description: "ended"))
        began.expectedFulfillmentCount = 3
        ended.expectedFulfillmentCount = 3
        let bank = try await open(endless(began: began, ended: ended))
        try await bank.append(said("I play the cello."))
        let question = "What does Tom play?"
        for try await _ in bank.stream(question) { break }
        let first = try await bank.stream(question).first { _ in true }
        XCTAssertEqual(first, "a ")
        let reading = Task { for try await _ in bank.stream(question) {} }
        await fulfillment(of: [began], timeout: 5)
        reading.cancel()
        await fulfillment(of: [ended], timeout: 5)
        try await reading.value
    }

    func testWhatFailsInAStreamIsThrownWhereItIsRead() async throws {
        let bank = try await open()
        let error = try await thrown(KeepsakeError.self) { for try await _ in bank.stream("What?") {} }
        XCTAssertEqual(error.kind, "NoModel")
    }

    func testCancellingATaskStopsTheEngine() async throws {
        let (began, ended) = (expectation(description: "began"), expectation(description: "ended"))
        let bank = try await open(endless(began: began, ended: ended))
        let turn = said("I play the cello.")
        let work = Task { try await bank.remember(turn) }
        await fulfillment(of: [began], timeout: 5)
        work.cancel()
        await fulfillment(of: [ended], timeout: 5)
        _ = try await thrown(CancellationError.self) { _ = try await work.value }
        XCTAssertEqual(try bank.engine.counts().waiting, 1, "the turn is stored and waits")
    }

    func testACancelledQueueSaysWhatItDid() async throws {
        let (began, ended) = (expectation(description: "began"), expectation(description: "ended"))
        let bank = try await open(endless(began: began, ended: ended))
        try await bank.append(said("Hi!"))
        let work = Task { try await bank.process() }
        await fulfillment(of: [began], timeout: 5)
        // It is quick while the queue is worked.
        let start = Date()
        let appended = try await bank.append(said("Bye!"))
        XCTAssertTrue(appended.isNew)
        XCTAssertLessThan(Date().timeIntervalSince(start), 1)
        work.cancel()
        let progress = try await work.value
        XCTAssertEqual(progress.ended, .cancelled)
        XCTAssertEqual(progress.turns, 0)
        await fulfillment(of: [ended], timeout: 5)
        XCTAssertEqual(try bank.engine.counts().waiting, 2)
    }

    func testWhatAnObserverThrowsStopsTheWorkAndComesBack() async throws {
        struct Enough: Error, Equatable { let turn: UInt64 }
        let bank = try await open("none", "none")
        try await bank.append(said("Hi!"))
        try await bank.append(said("Bye!"))
        let error = try await thrown(Enough.self) { try await bank.process { throw Enough(turn: $0.turn) } }
        XCTAssertEqual(error, Enough(turn: 1))
        let seen = Kept<UInt64>()
        try await bank.process { seen.keep($0.turn) }
        XCTAssertEqual(seen.all, [2], "the first one is worked, and its outcome kept")
    }

    func testWhatWasFoundUsedOrListedIsForgotten() async throws {
        let bank = try await open("- Tom plays the cello.", "ADD", "none", "none", " The cello")
        for text in ["I play the cello.", "I bake bread.", "I grow beans."] { try await bank.remember(said(text)) }
        let memories = try await bank.memories()
        let memory = try XCTUnwrap(memories.first)
        let found = try await bank.search(Search(text: "bread", kind: .turn)).found
        let bread = try XCTUnwrap(found.first { $0.text == "I bake bread." })
        let answer = try await bank.ask("What does Tom play?")
        let used = try XCTUnwrap(answer.used.first { $0.text == "I play the cello." })
        let beans = try XCTUnwrap(bank.engine.turn(id: 3))
        let count = try await bank.forget([memory.unit, used.unit, bread.unit, beans.unit])
        XCTAssertEqual(count, 4)
        XCTAssertEqual(try bank.engine.turns(), [])
        await bank.close()
    }

    func testAClosedBankSaysSoAndAnotherMayOpenIt() async throws {
        let bank = try await open()
        let elsewhere = try await thrown(KeepsakeError.self) { _ = try await self.open() }
        XCTAssertEqual(elsewhere.kind, "OpenElsewhere")
        await bank.close()
        await bank.close()
        let closed = try await thrown(KeepsakeError.self) { _ = try await bank.memories() }
        XCTAssertEqual(closed.kind, "Closed")
        try await open().close()
    }

    func testErrorsAndTheLogQuoteNothingThatWasSaid() async throws {
        struct Leak: Error { let words: String }
        final class Sink: LogSink {
            let lines = Kept<String>()
            func log(level: LogLevel, target: String, line: String) { lines.keep(line) }
        }
        let sink = Sink()
        setLogSink(sink: sink, level: .debug)
        defer { setLogSink(sink: nil, level: .error) }
        let bank = try await open(LanguageModel.ofHost(host: Model { request, _ in throw Leak(words: request.user) }))
        let turn = said("I play the Stradivarius.")
        let error = try await thrown(KeepsakeError.self) { try await bank.remember(turn) }
        XCTAssertEqual(error.kind, "ModelFailed")
        XCTAssertFalse("\(error) \(error.localizedDescription)".contains("Stradivarius"))
        await bank.close()
        try await open().close()
        XCTAssertFalse(sink.lines.all.isEmpty)
        XCTAssertEqual(sink.lines.all.filter { $0.contains("Stradivarius") }, [])
    }
}
