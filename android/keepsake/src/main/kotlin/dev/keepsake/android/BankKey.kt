// The key of a bank: 32 random bytes in a file, sealed by a key that never leaves the Android Keystore.
//
// Nothing here logs, no message holds a byte of a key, and nothing is deleted but by `discard`.
package dev.keepsake.android

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import java.io.File
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.ProviderException
import java.security.SecureRandom
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/** Why there is no key. Nothing was deleted. */
sealed class BankKeyException(message: String, cause: Throwable? = null) : Exception(message, cause) {
    /** The bank cannot be read any more: begin anew with an export, after [SharedBank.destroy]. */
    class Lost(what: String, cause: Throwable? = null) :
        BankKeyException("The bank's key is lost ($what). The bank is still there, but nothing can open it.", cause)

    /** The Keystore or the disk fails at the moment: try again, at the latest after a restart of the device. */
    class Unavailable(what: String, cause: Throwable) :
        BankKeyException("The bank's key cannot be had now ($what): try again later. Nothing is lost.", cause)
}

/** Where the key that seals lives: the Keystore on a device, plain memory in a test. */
internal interface Vault {
    /** The key, or none where it was never made or is gone. */
    fun key(): SecretKey?

    fun make(): SecretKey

    fun delete()
}

/** The sealed key of one bank. One process may use it at a time, like the bank. */
class BankKey internal constructor(private val file: File, private val vault: Vault) {
    /** A key in a file of the app's, sealed by the Keystore's key of this alias. */
    constructor(file: File, alias: String) : this(file, KeystoreVault(alias))

    /**
     * Lends the key and wipes it afterwards.
     *
     * [mayMake] says that there is no bank yet: only then is a missing key made.
     */
    @Throws(BankKeyException::class)
    suspend fun <T> lend(mayMake: Boolean, block: suspend (ByteArray) -> T): T {
        val key = bytes(mayMake)
        try {
            return block(key)
        } finally {
            key.fill(0)
        }
    }

    /** Deletes the key for good. A bank that it sealed can never be opened again, from no copy. */
    fun discard() = synchronized(lock) {
        file.delete()
        vault.delete()
    }

    internal fun bytes(mayMake: Boolean): ByteArray = synchronized(lock) {
        try {
            when {
                file.exists() -> unsealed(file.readBytes())
                mayMake -> ByteArray(KEY_BYTES).also(SecureRandom()::nextBytes).also { file.writeWhole(sealed(it)) }
                else -> throw BankKeyException.Lost("its file is gone")
            }
        } catch (error: IOException) {
            throw BankKeyException.Unavailable("the disk fails", error)
        } catch (error: AEADBadTagException) {
            throw BankKeyException.Lost("its file is damaged, or was sealed by another key", error)
        } catch (error: KeyPermanentlyInvalidatedException) {
            throw BankKeyException.Lost("the Keystore made its own key invalid", error)
        } catch (error: GeneralSecurityException) {
            throw BankKeyException.Unavailable("the Keystore fails", error)
        } catch (error: ProviderException) {
            throw BankKeyException.Unavailable("the Keystore fails", error)
        }
    }

    /** `[magic, nonce, key and tag]`. The nonce is the cipher's own: the Keystore refuses one from outside. */
    private fun sealed(key: ByteArray): ByteArray {
        val cipher = Cipher.getInstance(CIPHER)
        cipher.init(Cipher.ENCRYPT_MODE, vault.key() ?: vault.make())
        cipher.updateAAD(MAGIC)
        check(cipher.iv.size == NONCE_BYTES) { "GCM's nonce has 12 bytes" }
        return MAGIC + cipher.iv + cipher.doFinal(key)
    }

    private fun unsealed(bytes: ByteArray): ByteArray {
        if (bytes.size != FILE_BYTES || !bytes.copyOf(MAGIC.size).contentEquals(MAGIC)) {
            throw BankKeyException.Lost("its file is damaged")
        }
        val key = vault.key() ?: throw BankKeyException.Lost("the Keystore no longer has the key that sealed it")
        val cipher = Cipher.getInstance(CIPHER)
        cipher.init(Cipher.DECRYPT_MODE, key, GCMParameterSpec(TAG_BITS, bytes, MAGIC.size, NONCE_BYTES))
        cipher.updateAAD(MAGIC)
        return cipher.doFinal(bytes, MAGIC.size + NONCE_BYTES, KEY_BYTES + TAG_BITS / 8)
    }

    private companion object {
        /** Two callers must not make two keys. */
        val lock = Any()
        val MAGIC = "KSKEY001".toByteArray()
        const val CIPHER = "AES/GCM/NoPadding"
        const val KEY_BYTES = 32
        const val NONCE_BYTES = 12
        const val TAG_BITS = 128
        val FILE_BYTES = MAGIC.size + NONCE_BYTES + KEY_BYTES + TAG_BITS / 8
    }
}

/**
 * The Keystore's AES-256-GCM key.
 *
 * It asks for no screen lock: the queue is worked while the device lies locked, and a key that depends on the lock is lost
 * when the lock is removed.
 */
private class KeystoreVault(private val alias: String) : Vault {
    private fun store(): KeyStore = KeyStore.getInstance(PROVIDER).apply { load(null) }

    override fun key(): SecretKey? = store().getKey(alias, null) as SecretKey?

    override fun make(): SecretKey {
        val uses = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val spec = KeyGenParameterSpec.Builder(alias, uses)
            .setKeySize(256)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .build()
        val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, PROVIDER)
        generator.init(spec)
        return generator.generateKey()
    }

    override fun delete() = store().deleteEntry(alias)

    private companion object {
        const val PROVIDER = "AndroidKeyStore"
    }
}
