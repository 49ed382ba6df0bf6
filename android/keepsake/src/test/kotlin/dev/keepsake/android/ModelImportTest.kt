// A model is taken in whole or not at all.
package dev.keepsake.android

import java.io.ByteArrayInputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.file.Path
import java.security.MessageDigest
import kotlin.random.Random
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

class ModelImportTest {
    @TempDir
    lateinit var temporary: Path

    private val bytes = Random(1).nextBytes((3 shl 20) + 17)
    private val model = ModelFile("m.gguf", bytes.size.toLong(), sha256(bytes))
    private val models by lazy { ModelFolder(temporary.resolve("models").toFile()) }

    private fun sha256(of: ByteArray) =
        MessageDigest.getInstance("SHA-256").digest(of).joinToString("") { "%02x".format(it) }

    private fun import(model: ModelFile = this.model, open: () -> InputStream) =
        runBlocking { models.import(model, {}, open) }

    private fun files() = models.folder.list().orEmpty().sorted()

    @Test
    fun aWholeFileIsTakenInAndStaysWhereItWas() {
        val source = temporary.resolve("picked").toFile().apply { writeBytes(bytes) }
        val told = mutableListOf<Long>()
        val file = runBlocking { models.import(source, model, told::add) }
        assertArrayEquals(bytes, file.readBytes())
        assertEquals(listOf("m.gguf"), files())
        assertEquals(file, models.find(model))
        assertTrue(source.exists())
        assertEquals(listOf(1L shl 20, 2L shl 20, 3L shl 20, model.bytes), told)
    }

    @Test
    fun aFlippedBitACutAndAnotherFileAreRefusedAndLeaveNothing() {
        val flipped = bytes.copyOf().also { it[1_000_000] = (it[1_000_000] + 1).toByte() }
        for (wrong in listOf(flipped, bytes.copyOf(bytes.size - 1), bytes + 0, ByteArray(0))) {
            assertThrows<ModelImportException.WrongFile> { import { ByteArrayInputStream(wrong) } }
            assertEquals(emptyList<String>(), files())
            assertNull(models.find(model))
        }
    }

    @Test
    fun whatWasThereBeforeOutlivesAnImportThatFails() {
        import { ByteArrayInputStream(bytes) }
        val newer = model.copy(bytes = 4, sha256 = sha256(byteArrayOf(1, 2, 3, 4)))
        assertThrows<ModelImportException.WrongFile> { import(newer) { ByteArrayInputStream(byteArrayOf(1, 2, 3, 5)) } }
        assertArrayEquals(bytes, models.find(model)?.readBytes())
        import(newer) { ByteArrayInputStream(byteArrayOf(1, 2, 3, 4)) }
        assertEquals(listOf("m.gguf"), files())
        assertEquals(4L, models.find(newer)?.length())
    }

    @Test
    fun aSourceThatBreaksOffOrMayNotBeReadSaysSo() {
        val breaking = object : InputStream() {
            private val first = ByteArrayInputStream(bytes, 0, 1 shl 20)

            override fun read() = throw IOException("unused")

            override fun read(into: ByteArray, offset: Int, length: Int) =
                first.read(into, offset, length).takeIf { it >= 0 } ?: throw IOException("gone")
        }
        assertThrows<ModelImportException.Unreadable> { import { breaking } }
        assertThrows<ModelImportException.Unreadable> { import { throw SecurityException("not granted") } }
        assertThrows<ModelImportException.Unreadable> { runBlocking { models.import(File("nowhere"), model) } }
        assertEquals(emptyList<String>(), files())
    }

    @Test
    fun cancellingLeavesNothing() = runBlocking {
        val begun = CompletableDeferred<Unit>()
        val endless = object : InputStream() {
            override fun read() = 0

            override fun read(into: ByteArray, offset: Int, length: Int): Int {
                begun.complete(Unit)
                Thread.sleep(1)
                return 1
            }
        }
        val work = async { models.import(model, {}) { endless } }
        begun.await()
        work.cancel()
        assertThrows<CancellationException> { runBlocking { work.await() } }
        assertEquals(emptyList<String>(), files())
    }

    @Test
    fun aFolderThatCannotBeWrittenSaysSo() {
        val inTheWay = temporary.resolve("file").toFile().apply { writeText("a file, not a folder") }
        val nowhere = ModelFolder(File(inTheWay, "models"))
        // Java calls the room beneath a file 0 bytes.
        assertThrows<ModelImportException> { runBlocking { nowhere.import(model, {}) { ByteArrayInputStream(bytes) } } }
    }

    @Test
    fun tooLittleRoomIsSaidBeforeAnythingIsCopied() {
        val huge = model.copy(bytes = Long.MAX_VALUE shr 1)
        assertThrows<ModelImportException.NoSpace> { import(huge) { error("not opened") } }
    }

    @Test
    fun aNameLeadsNowhereElse() {
        for (name in listOf("", ".", "..", "../m.gguf", "a/b")) assertThrows<IllegalArgumentException> { model.copy(name = name) }
    }

    /** The models it knows are those of cli/models.toml. */
    @Test
    fun theKnownModelsAreThoseOfTheCommandLine() {
        val repository = generateSequence(File("").absoluteFile) { it.parentFile }.first { File(it, "cli/models.toml").exists() }
        val listed = File(repository, "cli/models.toml").readText().split("[[model]]").map { entry ->
            fun value(name: String) = Regex("(?m)^$name = \"?([^\"\n]+)\"?$").find(entry)?.groupValues?.get(1)
            Triple(value("file"), value("size"), value("sha256"))
        }
        for (known in listOf(ModelFile.SMOLLM2_135M, ModelFile.MINILM_L6_V2, ModelFile.MINILM_L6_V2_TOKENIZER)) {
            assertTrue(Triple(known.name, known.bytes.toString(), known.sha256) in listed, known.name)
        }
    }
}
