// How hard the queue is worked, and what becomes of a round.
package dev.keepsake.android

import android.content.ComponentCallbacks2
import android.os.PowerManager
import dev.keepsake.Effort
import dev.keepsake.Ended
import dev.keepsake.EngineOptions
import dev.keepsake.KeepsakeException
import java.nio.file.Path
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class ConditionsTest {
    @Test
    fun everyChangeIsSaid() {
        val said = mutableListOf<Effort>()
        val conditions = Conditions(said::add)
        conditions.foreground(false)
        conditions.worker(+1)
        conditions.heat(Heat.WARM)
        conditions.heat(Heat.HOT)
        conditions.heat(Heat.COOL)
        conditions.worker(-1)
        conditions.foreground(true)
        val expected = "PAUSED FULL GENTLE PAUSED FULL PAUSED FULL".split(" ").map(Effort::valueOf)
        assertEquals(expected, said)
    }

    @Test
    fun twoWorkersEndOneAfterTheOther() {
        val conditions = Conditions {}
        conditions.foreground(false)
        conditions.worker(+1)
        conditions.worker(+1)
        conditions.worker(-1)
        assertEquals(Effort.FULL, conditions.effort)
        conditions.worker(-1)
        assertEquals(Effort.PAUSED, conditions.effort)
    }

    @Test
    fun thePlatformsNumbersMeanWhatWeTakeThemFor() {
        val heats = (PowerManager.THERMAL_STATUS_NONE..PowerManager.THERMAL_STATUS_SHUTDOWN).map(::heatOf)
        assertEquals(listOf(Heat.COOL, Heat.COOL, Heat.WARM, Heat.HOT, Heat.HOT, Heat.HOT, Heat.HOT), heats)
        assertFalse(isShort(ComponentCallbacks2.TRIM_MEMORY_UI_HIDDEN))
        assertFalse(isShort(5))
        for (level in listOf(10, 15, 40, 60, 80)) assertTrue(isShort(level), "$level")
    }

    @Test
    fun onlyWhatPassesByItselfIsTriedAgain() {
        assertEquals(Next.DONE, next(Ended.EMPTY))
        assertEquals(Next.DONE, next(Ended.NO_MODEL))
        for (ended in listOf(Ended.BUDGET, Ended.CANCELLED, Ended.PAUSED)) assertEquals(Next.AGAIN, next(ended))
        assertEquals(Next.AGAIN, next(KeepsakeException.OutOfMemory("")))
        assertEquals(Next.NEVER, next(KeepsakeException.Damaged("")))
        assertEquals(Next.NEVER, next(KeepsakeException.Disk("")))
    }

    /** Without the engine's library: the key is asked for first, and a round without one neither fails nor makes one. */
    @Test
    fun aRoundWithoutTheKeyIsNotTriedAgain(@TempDir folder: Path) = runBlocking {
        val bank = folder.resolve("bank").toFile().apply { mkdirs() }
        bank.resolve("db").writeText("a bank")
        val shared = SharedBank(bank, BankKey(folder.resolve("bank.key").toFile(), PlainVault())) { EngineOptions() }
        shared.conditions.foreground(false)
        assertEquals(Next.NEVER, oneRound(shared))
        assertEquals(Effort.PAUSED, shared.conditions.effort, "the worker is counted out again")
        assertEquals(listOf("bank"), folder.toFile().list()?.toList())
    }
}
