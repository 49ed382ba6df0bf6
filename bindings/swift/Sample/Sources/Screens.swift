// The screens: say, ask, see what is remembered and why, forget, erase, export, bring a model.
import Keepsake
import SwiftUI
import UniformTypeIdentifiers

struct DeskScreen: View {
    @ObservedObject var desk: Desk
    @State private var picking = false
    @State private var erasing = false

    var body: some View {
        NavigationStack {
            List {
                SaySection(desk: desk)
                AskSection(desk: desk)
                if !desk.note.isEmpty { Text(desk.note).font(.footnote).foregroundStyle(.secondary) }
                RememberedSection(desk: desk)
            }
            .navigationTitle("Keepsake")
            .navigationDestination(for: Memory.self) { WhyScreen(desk: desk, memory: $0) }
            .toolbar { menu }
            .fileImporter(isPresented: $picking, allowedContentTypes: [.data]) { picked in
                switch picked {
                case .success(let file): desk.importModel(file)
                case .failure(let error): desk.show(error)
                }
            }
            .confirmationDialog("Erase everything?", isPresented: $erasing, titleVisibility: .visible) {
                Button("Erase", role: .destructive) { desk.eraseEverything() }
            } message: {
                Text("All that was said and remembered is deleted with its key. This cannot be undone.")
            }
        }
        .fileExporter(
            isPresented: present($desk.exported), document: desk.exported.map { ExportDocument($0) },
            contentType: .data, defaultFilename: desk.exported?.name
        ) { saved in
            if case .failure(let error) = saved { desk.show(error) }
        }
        .alert("This did not work", isPresented: present($desk.failure)) {
            Button("OK") {}
        } message: {
            Text(desk.failure ?? "")
        }
        .onAppear { desk.refresh() }
    }

    private var menu: some View {
        Menu {
            Button("Choose a model") { picking = true }
            Button("Export as Markdown") { desk.export(.markdown) }
            Button("Export as JSONL") { desk.export(.jsonl) }
            Button("Erase everything", role: .destructive) { erasing = true }
        } label: {
            Label("More", systemImage: "ellipsis.circle")
        }
        .disabled(desk.busy)
    }
}

private struct SaySection: View {
    @ObservedObject var desk: Desk
    @AppStorage("speaker") private var speaker = "Me"
    @State private var text = ""

    var body: some View {
        Section("Say") {
            TextField("Speaker", text: $speaker)
            TextField("Say something", text: $text, axis: .vertical)
            Button("Say") {
                desk.say(text, by: speaker)
                text = ""
            }
            .disabled(desk.busy || isBlank(text) || isBlank(speaker))
        }
    }
}

private struct AskSection: View {
    @ObservedObject var desk: Desk
    @State private var question = ""

    var body: some View {
        Section("Ask") {
            TextField("Ask something", text: $question, axis: .vertical)
            Button("Ask") {
                desk.ask(question)
                question = ""
            }
            .disabled(desk.busy || isBlank(question))
            if !desk.answer.isEmpty { Text(desk.answer).textSelection(.enabled) }
        }
    }
}

private struct RememberedSection: View {
    @ObservedObject var desk: Desk

    var body: some View {
        Section("Remembered") {
            ForEach(desk.memories, id: \.id) { memory in
                NavigationLink(memory.text, value: memory)
                    .swipeActions {
                        Button("Forget", role: .destructive) { desk.forget(memory) }.disabled(desk.busy)
                    }
            }
        }
    }
}

/// The turns behind a memory.
private struct WhyScreen: View {
    let desk: Desk
    let memory: Memory
    @State private var turns: [Turn] = []

    var body: some View {
        List {
            Section("Remembered") { Text(memory.text) }
            Section("Because of") {
                ForEach(turns, id: \.id) { turn in
                    VStack(alignment: .leading) {
                        Text("\(turn.speaker), \(turn.time)").font(.footnote).foregroundStyle(.secondary)
                        Text(turn.text)
                    }
                }
            }
        }
        .navigationTitle("Why")
        .task { turns = await desk.why(memory) }
    }
}

private struct ExportDocument: FileDocument {
    static let readableContentTypes: [UTType] = [.data]
    private let contents: Data

    init(_ exported: Exported) {
        contents = exported.contents
    }

    init(configuration: ReadConfiguration) throws {
        contents = configuration.file.regularFileContents ?? Data()
    }

    func fileWrapper(configuration: WriteConfiguration) throws -> FileWrapper {
        FileWrapper(regularFileWithContents: contents)
    }
}

/// Shown while there is a value; dismissing lets go of it.
@MainActor
private func present<T: Sendable>(_ value: Binding<T?>) -> Binding<Bool> {
    Binding(get: { value.wrappedValue != nil }, set: { if !$0 { value.wrappedValue = nil } })
}

private func isBlank(_ text: String) -> Bool {
    text.allSatisfy(\.isWhitespace)
}
