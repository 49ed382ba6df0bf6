// The scenarios that every door must pass, through the Kotlin façade and binding.
package dev.keepsake

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.ObjectMapper
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.isRegularFile
import kotlin.io.path.readBytes
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.TestFactory

/** One scenario under way. */
class Run(scenario: JsonNode, private val folder: Path) : AutoCloseable {
    private var bank = folder.resolve("bank")
    private val document = folder.resolve("document.jsonl").toString()
    private val model = when {
        scenario.has("real") -> LanguageModel.load(ModelFiles(model = defaultModel(), threads = 2u))
        else -> LanguageModel.ofHost(Scripted(scenario["model"].toList()))
    }
    private var keepsake: Keepsake? = null
    private var lastTurn = 0uL

    init {
        open(scenario)
    }

    private val engine get() = keepsake!!.engine

    private fun open(step: JsonNode) {
        val options = EngineOptions(key = step["key"]?.let { key(it) }, model = model)
        keepsake = runBlocking { Keepsake.open(bank.toString(), options) }
    }

    override fun close() {
        keepsake?.close()
        model.close()
    }

    fun call(step: JsonNode): Any? = when (val call = step["call"].asText()) {
        "open" -> open(step)
        "open_another" -> {
            bank = folder.resolve("another")
            open(step)
        }
        "open_again" -> Engine.open(bank.toString(), EngineOptions())
        "close" -> keepsake!!.close()
        "change_key" -> changeKey((step["folder"]?.let { folder.resolve(it.asText()) } ?: bank).toString(), key(step["old"]), key(step["new"]))
        "load_model" -> LanguageModel.load(ModelFiles(model = folder.resolve(step["file"].asText()).toString()))
        "append" -> runBlocking { keepsake!!.append(turn(step)) }.let { assertEquals(step["is_new"].asBoolean(), it.isNew) }
        "remember" -> remember(step)
        "process" -> process(step)
        "effort" -> keepsake!!.setEffort(Effort.valueOf(step["effort"].asText()))
        "retry" -> assertEquals(step["done"].asBoolean(), engine.retry(lastTurn))
        "undo_last" -> assertEquals(listOf(lastTurn), engine.undo(listOf(lastTurn)).turns)
        "ask" -> ask(step)
        "search" -> assertEquals(step["first"].takeUnless { it.isNull }?.asText(), found(step).firstOrNull()?.text)
        "memories" -> assertEquals(texts(step), runBlocking { keepsake!!.memories(space(step)) }.map { it.text })
        "history" -> assertEquals(texts(step), engine.history(memory(step)).map { it.text })
        "forget" -> assertEquals(
            step["count"].asLong().toULong(),
            runBlocking { keepsake!!.forget(listOf(UnitId.Memory(memory(step)))) },
        )
        "forget_found" -> {
            val count = runBlocking { keepsake!!.forget(found(step).map { it.unit }) }
            assertEquals(step["count"].asLong().toULong(), count)
        }
        "forget_everything" -> {
            val count = runBlocking { keepsake!!.forgetEverything() }
            step["count"]?.let { assertEquals(it.asLong().toULong(), count) }
        }
        "spaces" -> assertEquals(texts(step), engine.spaces().sorted())
        "counts" -> counts(step)
        "export" -> runBlocking { keepsake!!.export(document) }.let { assertEquals(memories(step), it.memories) }
        "import" -> engine.importFrom(document).let { assertEquals(memories(step), it.memories) }
        "no_bytes" -> noBytes(step["text"].asText().toByteArray())
        else -> fail<Any>("the scenario has an unknown call: $call")
    }

    private fun turn(step: JsonNode) = NewTurn(
        speaker = step["speaker"].asText(),
        text = step["text"].asText(),
        time = step["time"].asText(),
        space = space(step),
        reference = step["reference"]?.asText(),
    )

    private fun remember(step: JsonNode) {
        val receipt = runBlocking { keepsake!!.remember(turn(step)) }
        lastTurn = receipt.turn
        step["failed"]?.let { assertEquals(it.asText(), (receipt.outcome as Outcome.Failed).reason.name) }
        val applied = (receipt.outcome as? Outcome.Done)?.applied
        step["operations"]?.let { assertEquals(it.map(JsonNode::asText), applied?.map { one -> one.operation.name }) }
        step["guards"]?.let { assertEquals(it.map(JsonNode::asText), applied?.map { one -> one.guard?.name }) }
    }

    private fun process(step: JsonNode) {
        val progress = Cancel().use { cancel ->
            if (step["cancelled"]?.asBoolean() == true) cancel.cancel()
            engine.process(Budget(turns = step["turns"]?.asInt()?.toUInt()), cancel)
        }
        assertEquals(step["worked"].asLong().toULong() to step["ended"].asText(), progress.turns to progress.ended.name)
    }

    private fun ask(step: JsonNode) {
        val sink = Collected(step["stop_after"]?.asInt())
        val answer = engine.ask(step["question"].asText(), sink = sink)
        val streamed = sink.pieces.joinToString("").trim()
        step["text"]?.let {
            assertEquals(it.asText() to step["streamed"].asText(), answer.text to streamed)
        }
        if (step.has("streamed_is_text")) {
            assertFalse(answer.text.isNullOrEmpty())
            assertEquals(answer.text, streamed.split(Regex("\\s+")).joinToString(" "))
        }
    }

    private fun found(step: JsonNode): List<Found> {
        val search = Search(
            text = step["text"].asText(),
            space = space(step),
            kind = step["kind"]?.let { Kind.valueOf(it.asText()) },
            speaker = step["speaker"]?.asText(),
            untilTime = step["until_time"]?.asText(),
        )
        return runBlocking { keepsake!!.search(search) }.found
    }

    private fun counts(step: JsonNode) {
        val counts = engine.counts()
        val named = mapOf("turns" to counts.turns, "waiting" to counts.waiting, "current" to counts.current)
        for ((name, count) in named) step[name]?.let { assertEquals(it.asLong().toULong(), count, name) }
    }

    private fun noBytes(text: ByteArray) {
        val files = Files.walk(bank).use { all -> all.filter { it.isRegularFile() }.toList() }
        assertTrue(files.isNotEmpty())
        for (file in files) {
            val bytes = file.readBytes()
            val there = (0..bytes.size - text.size).any { at -> text.indices.all { bytes[at + it] == text[it] } }
            assertFalse(there, file.toString())
        }
    }

    private fun memory(step: JsonNode) = engine.memories().first { it.text == step["of"].asText() }.id

    private fun memories(step: JsonNode) = step["memories"].asLong().toULong()

    private fun texts(step: JsonNode) = step["texts"].map { it.asText() }

    private fun space(step: JsonNode) = step["space"]?.asText() ?: "default"

    private fun key(value: JsonNode) = ByteArray(32) { value.asInt().toByte() }
}

class ScenarioTest {
    @TestFactory
    fun scenarios(): List<DynamicTest> {
        val file = Path.of(System.getProperty("keepsake.bindings"), "scenarios.json").toFile()
        return ObjectMapper().readTree(file)["scenarios"].map { scenario ->
            DynamicTest.dynamicTest(scenario["name"].asText()) {
                val folder = Files.createTempDirectory("keepsake")
                try {
                    Run(scenario, folder).use { run -> scenario["steps"].forEach { step -> check(run, step) } }
                } finally {
                    folder.toFile().deleteRecursively()
                }
            }
        }
    }

    private fun check(run: Run, step: JsonNode) {
        val wanted = step["error"]?.asText()
        try {
            run.call(step)
        } catch (error: KeepsakeException) {
            assertEquals(wanted, error::class.simpleName, "$step: ${error.message}")
            step["message"]?.let { assertTrue(it.asText() in error.message.orEmpty()) }
            return
        }
        if (wanted != null) fail<Any>("$step did not fail")
    }
}
