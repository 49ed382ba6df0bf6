// One bank for the app: opened once, sealed, opened again, destroyed. Over the engine's real library.
package dev.keepsake.android

import dev.keepsake.EngineOptions
import dev.keepsake.HostCompletion
import dev.keepsake.HostLanguageModel
import dev.keepsake.HostRequest
import dev.keepsake.KeepsakeException
import dev.keepsake.LanguageModel
import dev.keepsake.NewTurn
import dev.keepsake.Reply
import java.nio.file.Path
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.condition.EnabledIfSystemProperty
import org.junit.jupiter.api.io.TempDir

/** `android/check.sh` runs them where KEEPSAKE_LIBRARY says where the library for this machine is. */
@EnabledIfSystemProperty(named = "jna.library.path", matches = ".+")
class SharedBankTest {
    @TempDir
    lateinit var temporary: Path

    private val folder by lazy { temporary.resolve("keepsake/bank").toFile() }
    private val vault = PlainVault()
    private var asked = 0

    private fun shared() = SharedBank(folder, BankKey(temporary.resolve("keepsake/bank.key").toFile(), vault)) {
        asked += 1
        EngineOptions(model = LanguageModel.ofHost(SaysNothing()))
    }

    /** Finds nothing worth keeping in any turn. */
    private class SaysNothing : HostLanguageModel {
        override fun contextTokens() = 8192u

        override fun countTokens(text: String) = text.length.toULong()

        override fun complete(request: HostRequest, reply: Reply) = HostCompletion(text = "none").also { reply.piece("none") }
    }

    private val turn = NewTurn("Tom", "I play the Stradivarius.", "2024-03-02")

    @Test
    fun allWhoAskGetTheSameOneAndItIsSealed(): Unit = runBlocking {
        val bank = shared()
        val (first, second) = List(2) { async { bank.get() } }.map { it.await() }
        assertSame(first, second)
        assertEquals(1, asked)
        first.append(turn)
        bank.close()
        val files = folder.walk().filter { it.isFile }.toList()
        assertTrue(files.isNotEmpty() && files.none { "Stradivarius" in it.readBytes().decodeToString() })
        assertEquals(1uL, bank.get().engine.counts().turns, "opened again with the same key")
        bank.close()
    }

    @Test
    fun theModelsOutliveTheHandOverAndAreAskedForAgain(): Unit = runBlocking {
        val bank = shared()
        bank.get().append(turn)
        assertEquals(1uL, bank.get().process().turns)
        bank.reopen().append(turn.copy(text = "I play it still."))
        assertEquals(2, asked)
        assertEquals(1uL, bank.get().process().turns)
        bank.close()
    }

    @Test
    fun aRoundWorksInTheBackgroundWhereNothingElseDoes(): Unit = runBlocking {
        val bank = shared()
        bank.conditions.foreground(false)
        bank.get().append(turn)
        assertEquals(0uL, bank.get().process().turns)
        assertEquals(Next.DONE, oneRound(bank))
        assertEquals(0uL, bank.get().engine.counts().waiting)
        bank.close()
    }

    @Test
    fun aBankThatLostItsKeyStaysAndCanBeDestroyed(): Unit = runBlocking {
        val bank = shared()
        bank.get().append(turn)
        bank.close()
        val files = folder.walk().count()
        vault.key = null
        assertThrows<BankKeyException.Lost> { runBlocking { bank.get() } }
        assertEquals(files, folder.walk().count())
        bank.destroy()
        assertFalse(folder.exists())
        assertEquals(0uL, bank.get().engine.counts().turns, "a new one, with a new key")
        bank.close()
        assertThrows<KeepsakeException.Key> {
            runBlocking { dev.keepsake.Keepsake.open(folder.path, EngineOptions(key = ByteArray(32))) }
        }
    }
}
