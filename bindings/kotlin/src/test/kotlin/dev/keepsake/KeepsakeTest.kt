// The façade itself: coroutines, flows, cancellation.
package dev.keepsake

import com.fasterxml.jackson.databind.node.TextNode
import java.nio.file.Path
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

class KeepsakeTest {
    @TempDir
    lateinit var folder: Path

    private fun scripted(vararg script: String) = LanguageModel.ofHost(Scripted(script.map { TextNode(it) }))

    private suspend fun open(model: LanguageModel? = null) =
        Keepsake.open(folder.resolve("bank").toString(), EngineOptions(model = model))

    private fun said(text: String) = NewTurn(speaker = "Tom", text = text, time = "2024-03-02")

    /** The quick start of the README, with the default model and a folder of the test's in the place of its own. */
    @Test
    fun quickStart(): Unit = runBlocking {
        val readme = Path.of(System.getProperty("keepsake.bindings"), "kotlin", "README.md").toFile().readText()
        val shown = readme.substringAfter("```kotlin\n").substringBefore("```").lines().map { it.trim() }
        val source = Path.of(System.getProperty("keepsake.bindings"), "kotlin/src/test/kotlin/dev/keepsake/KeepsakeTest.kt")
        val run = source.toFile().readLines().map { it.trim() }
        assertTrue(shown.size <= 20 && run.containsAll(shown.filter { "LanguageModel" !in it && "open" !in it }))
        val model = LanguageModel.load(ModelFiles(defaultModel()))
        Keepsake.open(folder.resolve("bank").toString(), EngineOptions(model = model)).use { memory ->
            memory.remember(NewTurn("Maria", "I adopted a dog named Buddy.", "2024-03-02T10:15"))
            memory.stream("What did Maria adopt?").collect { piece -> print(piece) }
            for (fact in memory.memories()) println("${fact.text} from ${memory.why(fact.id).map { it.text }}")
            memory.forgetEverything()
            assertEquals(emptyList<Memory>(), memory.memories())
        }
    }

    /** Keeps a fact, then answers without end. */
    private class Endless : Scripted(listOf("- Tom plays the cello.", "ADD").map { TextNode(it) }) {
        @Volatile
        var ended = false

        override fun complete(request: HostRequest, reply: Reply): HostCompletion {
            if (!request.answers) return super.complete(request, reply)
            while (reply.piece(" a")) Thread.sleep(1)
            ended = true
            return HostCompletion(text = " a")
        }
    }

    @Test
    fun aFlowThatIsLeftStopsTheAnswer() = runBlocking {
        val endless = Endless()
        open(LanguageModel.ofHost(endless)).use { bank ->
            bank.remember(said("I play the cello."))
            assertEquals("a", bank.stream("What does Tom play?").first().trim())
            assertTrue(endless.ended)
        }
    }

    @Test
    fun whatFailsInAFlowIsThrownWhereItIsCollected(): Unit = runBlocking {
        open().use { bank ->
            assertThrows<KeepsakeException.NoModel> { runBlocking { bank.stream("What?").toList() } }
        }
    }

    @Test
    fun cancellingACoroutineStopsTheEngine() = runBlocking {
        val begun = CompletableDeferred<Unit>()
        val endless = object : Scripted(emptyList()) {
            override fun complete(request: HostRequest, reply: Reply): HostCompletion {
                begun.complete(Unit)
                while (reply.piece("a ")) Thread.sleep(1)
                return HostCompletion(text = "")
            }
        }
        open(LanguageModel.ofHost(endless)).use { bank ->
            val work = async { bank.remember(said("I play the cello.")) }
            begun.await()
            withTimeout(5_000.milliseconds) {
                work.cancel()
                assertThrows<CancellationException> { runBlocking { work.await() } }
            }
            assertEquals(1uL, bank.engine.counts().waiting, "the turn is stored and waits")
        }
    }

    @Test
    fun whatAnObserverThrowsStopsTheWorkAndComesBack(): Unit = runBlocking {
        open(scripted("none", "none")).use { bank ->
            bank.append(said("Hi!"))
            bank.append(said("Bye!"))
            assertThrows<IllegalStateException> { runBlocking { bank.process { error("${it.turn}") } } }
            val seen = mutableListOf<ULong>()
            bank.process { seen += it.turn }
            assertEquals(listOf(2uL), seen, "the first one is worked, and its outcome kept")
        }
    }

    @Test
    fun whatWasFoundUsedOrListedIsForgotten() = runBlocking {
        open(scripted("- Tom plays the cello.", "ADD", "none", "none", " The cello")).use { bank ->
            for (text in listOf("I play the cello.", "I bake bread.", "I grow beans.")) bank.remember(said(text))
            val memory = bank.memories().single()
            val found = bank.search(Search("bread", kind = Kind.TURN)).found
            val bread = found.first { it.text == "I bake bread." }
            val used = bank.ask("What does Tom play?").used.first { it.text == "I play the cello." }
            val beans = checkNotNull(bank.engine.turn(3uL))
            assertEquals(4uL, bank.forget(listOf(memory.unit, used.unit, bread.unit, beans.unit)))
            assertEquals(emptyList<Turn>(), bank.engine.turns())
        }
    }

    @Test
    fun aClosedBankSaysSoAndAnotherMayOpenIt(): Unit = runBlocking {
        val bank = open()
        assertThrows<KeepsakeException.OpenElsewhere> { runBlocking { open() } }
        bank.close()
        bank.close()
        assertThrows<KeepsakeException.Closed> { runBlocking { bank.memories() } }
        open().close()
    }

    @Test
    fun errorsAndTheLogQuoteNothingThatWasSaid() = runBlocking {
        val lines = mutableListOf<String>()
        setLogSink(object : LogSink {
            override fun log(level: LogLevel, target: String, line: String) {
                synchronized(lines) { lines += line }
            }
        }, LogLevel.DEBUG)
        val leaking = object : Scripted(emptyList()) {
            override fun complete(request: HostRequest, reply: Reply): HostCompletion = error(request.user)
        }
        try {
            open(LanguageModel.ofHost(leaking)).use { bank ->
                val error = assertThrows<KeepsakeException.ModelFailed> {
                    runBlocking { bank.remember(said("I play the Stradivarius.")) }
                }
                assertFalse("Stradivarius" in error.message.orEmpty())
            }
            open().close()
        } finally {
            setLogSink(null, LogLevel.ERROR)
        }
        assertTrue(synchronized(lines) { lines.none { "Stradivarius" in it } })
    }
}
