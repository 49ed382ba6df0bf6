// The scenarios that every door must pass, through the Swift façade and binding.
import Foundation
import Keepsake
import XCTest

/// One scenario under way. Calls of the engine stand outside assertions, which would keep what they throw.
private final class Run {
    private let folder: URL
    private let model: LanguageModel
    private var bank: URL
    private var keepsake: Keepsake?
    private var lastTurn: UInt64 = 0

    init(_ scenario: JSON, in folder: URL) async throws {
        self.folder = folder
        bank = folder.appendingPathComponent("bank")
        model = if scenario["real"] != nil {
            try await LanguageModel.load(ModelFiles(model: defaultModel(), threads: 2))
        } else {
            try LanguageModel.ofHost(host: Scripted(XCTUnwrap(scenario["model"]?.list)))
        }
        try await open(scenario)
    }

    private var opened: Keepsake { get throws { try XCTUnwrap(keepsake) } }
    private var engine: Engine { get throws { try opened.engine } }
    private var document: URL { folder.appendingPathComponent("document.jsonl") }

    private func open(_ step: JSON) async throws {
        let options = EngineOptions(key: step["key"].map(key), model: model)
        keepsake = try await Keepsake.open(bank, options: options)
    }

    func close() async {
        await keepsake?.close()
    }

    func call(_ step: JSON) async throws {
        switch step["call"]?.string {
        case "open": try await open(step)
        case "open_another":
            bank = folder.appendingPathComponent("another")
            try await open(step)
        case "open_again": _ = try await Keepsake.open(bank)
        case "close": await close()
        case "change_key":
            let folder = step["folder"]?.string.map { self.folder.appendingPathComponent($0) } ?? bank
            try changeKey(folder: folder.path, old: key(XCTUnwrap(step["old"])), new: key(XCTUnwrap(step["new"])))
        case "load_model":
            let file = try folder.appendingPathComponent(XCTUnwrap(step["file"]?.string))
            _ = try await LanguageModel.load(ModelFiles(model: file.path))
        case "append":
            let appended = try await opened.append(turn(step))
            XCTAssertEqual(appended.isNew, step["is_new"]?.bool)
        case "remember": try await remember(step)
        case "process": try process(step)
        case "effort": try opened.setEffort(choose(step["effort"], from: [.full, .gentle, .paused]))
        case "retry":
            let done = try engine.retry(turn: lastTurn)
            XCTAssertEqual(done, step["done"]?.bool)
        case "undo_last":
            let undone = try engine.undo(turns: [lastTurn])
            XCTAssertEqual(undone.turns, [lastTurn])
        case "ask": try ask(step)
        case "search":
            let first = try await found(step).first
            XCTAssertEqual(first?.text, try XCTUnwrap(step["first"]).string)
        case "memories":
            let memories = try await opened.memories(space: space(step))
            XCTAssertEqual(memories.map(\.text), step["texts"]?.strings)
        case "history":
            let versions = try engine.history(id: memory(step))
            XCTAssertEqual(versions.map(\.text), step["texts"]?.strings)
        case "forget":
            let count = try await opened.forget([.memory(id: memory(step))])
            XCTAssertEqual(count, step["count"]?.number)
        case "forget_found":
            let count = try await opened.forget(found(step).map(\.unit))
            XCTAssertEqual(count, step["count"]?.number)
        case "forget_everything":
            let count = try await opened.forgetEverything()
            if let wanted = step["count"]?.number { XCTAssertEqual(count, wanted) }
        case "spaces":
            let spaces = try engine.spaces()
            XCTAssertEqual(spaces.sorted(), step["texts"]?.strings)
        case "counts": try counts(step)
        case "export":
            let moved = try await opened.export(to: document)
            XCTAssertEqual(moved.memories, step["memories"]?.number)
        case "import":
            let moved = try engine.importFrom(file: document.path)
            XCTAssertEqual(moved.memories, step["memories"]?.number)
        case "no_bytes": try noBytes(of: XCTUnwrap(step["text"]?.string))
        default: XCTFail("the scenario has an unknown call")
        }
    }

    private func remember(_ step: JSON) async throws {
        let receipt = try await opened.remember(turn(step))
        lastTurn = receipt.turn
        if let wanted = step["failed"]?.string {
            guard case .failed(_, let reason) = receipt.outcome else { return XCTFail("it did not fail") }
            XCTAssertEqual(constant(reason), wanted)
        }
        var applied: [Applied]?
        if case .done(let facts) = receipt.outcome { applied = facts }
        if let wanted = step["operations"]?.strings { XCTAssertEqual(applied?.map { constant($0.operation) }, wanted) }
        if let wanted = step["guards"]?.list {
            XCTAssertEqual(applied?.map { $0.guard.map(constant) }, wanted.map(\.string))
        }
    }

    private func process(_ step: JSON) throws {
        let cancel = Cancel()
        if step["cancelled"]?.bool == true { cancel.cancel() }
        let turns = step["turns"]?.number.map(UInt32.init)
        let progress = try engine.process(budget: Budget(turns: turns), cancel: cancel)
        XCTAssertEqual(progress.turns, step["worked"]?.number)
        XCTAssertEqual(constant(progress.ended), step["ended"]?.string)
    }

    private func ask(_ step: JSON) throws {
        let sink = Collected(stopAfter: step["stop_after"]?.number)
        let answer = try engine.ask(question: XCTUnwrap(step["question"]?.string), sink: sink)
        if let text = step["text"]?.string {
            XCTAssertEqual(answer.text, text)
            XCTAssertEqual(sink.text, step["streamed"]?.string)
        }
        if step["streamed_is_text"] != nil {
            XCTAssertFalse(try XCTUnwrap(answer.text).isEmpty)
            XCTAssertEqual(answer.text, sink.text.split(whereSeparator: \.isWhitespace).joined(separator: " "))
        }
    }

    private func found(_ step: JSON) async throws -> [Found] {
        let kind: Kind? = try step["kind"].map { try choose($0, from: [.any, .memory, .turn]) }
        let search = Search(
            text: try XCTUnwrap(step["text"]?.string),
            space: space(step),
            kind: kind,
            speaker: step["speaker"]?.string,
            untilTime: step["until_time"]?.string)
        return try await opened.search(search).found
    }

    private func counts(_ step: JSON) throws {
        let counts = try engine.counts()
        for (name, count) in [("turns", counts.turns), ("waiting", counts.waiting), ("current", counts.current)] {
            if let wanted = step[name]?.number { XCTAssertEqual(count, wanted, name) }
        }
    }

    private func noBytes(of text: String) throws {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: bank.path)
        let files = paths.map(bank.appendingPathComponent).filter { !$0.hasDirectoryPath }
        XCTAssertFalse(files.isEmpty)
        for file in files {
            XCTAssertNil(try Data(contentsOf: file).range(of: Data(text.utf8)), file.path)
        }
    }

    private func turn(_ step: JSON) throws -> NewTurn {
        NewTurn(
            speaker: try XCTUnwrap(step["speaker"]?.string),
            text: try XCTUnwrap(step["text"]?.string),
            time: try XCTUnwrap(step["time"]?.string),
            space: space(step),
            reference: step["reference"]?.string)
    }

    private func memory(_ step: JSON) throws -> UInt64 {
        try XCTUnwrap(engine.memories().first { $0.text == step["of"]?.string }).id
    }

    private func space(_ step: JSON) -> String { step["space"]?.string ?? "default" }

    private func key(_ value: JSON) -> Data { Data(repeating: UInt8(value.number ?? 0), count: 32) }

    private func choose<Case>(_ value: JSON?, from cases: [Case]) throws -> Case {
        try XCTUnwrap(cases.first { constant($0) == value?.string })
    }
}

final class ScenarioTests: XCTestCase {
    func testScenarios() async throws {
        let scenarios = try XCTUnwrap(JSONDecoder().decode(JSON.self, from: Data(contentsOf: file()))["scenarios"]?.list)
        XCTAssertFalse(scenarios.isEmpty)
        for scenario in scenarios {
            let name = scenario["name"]?.string ?? "a scenario without a name"
            let before = testRun?.totalFailureCount
            let start = Date()
            do {
                try await walk(scenario)
            } catch {
                XCTFail("\(name): \(error)")
            }
            let outcome = testRun?.totalFailureCount == before ? "passed" : "FAILED"
            print("Scenario \(outcome) in \(Int(Date().timeIntervalSince(start) * 1000)) ms: \(name)")
        }
        print("\(scenarios.count) scenarios ran")
    }

    private func walk(_ scenario: JSON) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let run = try await Run(scenario, in: folder)
        for step in try XCTUnwrap(scenario["steps"]?.list) { try await check(run, step) }
        await run.close()
    }

    private func check(_ run: Run, _ step: JSON) async throws {
        let wanted = step["error"]?.string
        do {
            try await run.call(step)
        } catch let error as KeepsakeError {
            XCTAssertEqual(error.kind, wanted, "\(step): \(error)")
            if let words = step["message"]?.string { XCTAssertTrue("\(error)".contains(words), "\(error)") }
            return
        }
        if wanted != nil { XCTFail("\(step) did not fail") }
    }

    /// Of the folder `bindings`, in which the package's folder stands.
    private func file() -> URL {
        if let bindings = ProcessInfo.processInfo.environment["KEEPSAKE_BINDINGS"] {
            return URL(fileURLWithPath: bindings).appendingPathComponent("scenarios.json")
        }
        var bindings = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { bindings.deleteLastPathComponent() }
        return bindings.appendingPathComponent("scenarios.json")
    }
}
