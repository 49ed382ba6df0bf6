// The sealed key, with a plain AES key in the place of the Keystore's.
package dev.keepsake.android

import java.nio.file.Path
import java.security.ProviderException
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

/** A Keystore that can lose its key and fail. */
class PlainVault : Vault {
    var key: SecretKey? = null
    var fails = false

    override fun key(): SecretKey? = if (fails) throw ProviderException("busy") else key

    override fun make(): SecretKey = KeyGenerator.getInstance("AES").apply { init(256) }.generateKey().also { key = it }

    override fun delete() {
        key = null
    }
}

class BankKeyTest {
    @TempDir
    lateinit var temporary: Path

    private val file by lazy { temporary.resolve("keepsake/bank.key").toFile() }
    private val vault = PlainVault()
    private val key by lazy { BankKey(file, vault) }

    @Test
    fun itIsMadeOnceAndReadAgain() {
        val made = key.bytes(mayMake = true)
        assertEquals(32, made.size)
        assertArrayEquals(made, key.bytes(mayMake = true))
        assertArrayEquals(made, BankKey(file, vault).bytes(mayMake = false))
        val other = BankKey(temporary.resolve("other.key").toFile(), PlainVault()).bytes(mayMake = true)
        assertFalse(made.contentEquals(other))
    }

    @Test
    fun theFileHoldsNoPartOfTheKeyAndNoOtherFileIsLeft() {
        val made = key.bytes(mayMake = true)
        val written = file.readBytes()
        assertEquals(8 + 12 + 32 + 16, written.size)
        for (start in 0..made.size - 4) {
            val part = made.copyOfRange(start, start + 4)
            assertTrue((0..written.size - 4).none { written.copyOfRange(it, it + 4).contentEquals(part) })
        }
        assertEquals(listOf(file.name), file.parentFile.list()?.toList())
    }

    @Test
    fun aLostKeystoreKeySaysSoAndDeletesNothing() {
        key.bytes(mayMake = true)
        val written = file.readBytes()
        vault.key = null
        val error = assertThrows<BankKeyException.Lost> { key.bytes(mayMake = true) }
        assertTrue("Keystore" in error.message.orEmpty())
        vault.make()
        assertThrows<BankKeyException.Lost>("another key came in its place") { key.bytes(mayMake = true) }
        assertArrayEquals(written, file.readBytes())
    }

    @Test
    fun everyDamagedByteIsNoticed() {
        key.bytes(mayMake = true)
        val written = file.readBytes()
        for (at in written.indices) {
            file.writeBytes(written.copyOf().also { it[at] = (it[at] + 1).toByte() })
            assertThrows<BankKeyException.Lost> { key.bytes(mayMake = true) }
        }
        for (length in listOf(0, 8, written.size - 1)) {
            file.writeBytes(written.copyOf(length))
            assertThrows<BankKeyException.Lost> { key.bytes(mayMake = true) }
        }
    }

    @Test
    fun aBankWithoutItsKeyGetsNoNewOne() {
        assertThrows<BankKeyException.Lost> { key.bytes(mayMake = false) }
        assertFalse(file.exists())
    }

    @Test
    fun aKeystoreThatFailsForNowIsNotALostKey() {
        val made = key.bytes(mayMake = true)
        vault.fails = true
        assertThrows<BankKeyException.Unavailable> { key.bytes(mayMake = true) }
        vault.fails = false
        assertArrayEquals(made, key.bytes(mayMake = true))
    }

    @Test
    fun whatIsLentIsWiped() = runBlocking {
        val lent = key.lend(mayMake = true) { it.also { assertTrue(it.any { byte -> byte != 0.toByte() }) } }
        assertArrayEquals(ByteArray(32), lent)
    }

    @Test
    fun discardedItIsGone() {
        key.bytes(mayMake = true)
        key.discard()
        assertFalse(file.exists())
        assertEquals(null, vault.key)
    }
}
