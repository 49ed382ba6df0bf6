// Brings a model's file into the app: copied whole or not at all, and its checksum compared while it is copied.
//
// Where the file comes from is the app's affair: the user picks it, or the app ships or fetches it. Nothing is fetched here.
package dev.keepsake.android

import android.content.Context
import android.net.Uri
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.security.MessageDigest
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext

/** A file as it must be: cli/models.toml has those that Keepsake knows. */
data class ModelFile(val name: String, val bytes: Long, val sha256: String) {
    init {
        require(name.isNotEmpty() && name != "." && name != ".." && '/' !in name) { "a model's name is that of a file" }
        require(bytes > 0) { "a model has bytes" }
        require(sha256.matches(Regex("[0-9a-f]{64}"))) { "a checksum has 64 hexadecimal digits in lower case" }
    }

    companion object {
        /** The default language model, 98 MB, Apache-2.0. */
        val SMOLLM2_135M = ModelFile(
            "SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        )

        /** The default embedding model, 23 MB, Apache-2.0. */
        val MINILM_L6_V2 = ModelFile(
            "all-MiniLM-L6-v2-int8.onnx", 22_928_619,
            "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        )

        /** Its tokenizer. */
        val MINILM_L6_V2_TOKENIZER = ModelFile(
            "all-MiniLM-L6-v2-tokenizer.json", 466_247,
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        )
    }
}

/** Why a model was not taken in. What was there under its name before is still there. */
sealed class ModelImportException(message: String, cause: Throwable? = null) : Exception(message, cause) {
    /** The file cannot be read to its end: pick it again. */
    class Unreadable(cause: Throwable?) : ModelImportException("the file cannot be read", cause)

    /** It is another file, or not a whole one. */
    class WrongFile(what: String) : ModelImportException(what)

    /** There is too little room for it. */
    class NoSpace(val missingBytes: Long) : ModelImportException("$missingBytes bytes of storage are missing")

    /** It could not be written. */
    class Disk(cause: Throwable) : ModelImportException("the file cannot be written", cause)
}

/** The folder of the app's models. */
class ModelFolder(val folder: File) {
    /** noBackupFilesDir/models: models are large and the same for everybody, so no backup takes them. */
    constructor(context: Context) : this(File(context.noBackupFilesDir, "models"))

    /** The file of a model that was taken in, or none. */
    fun find(model: ModelFile): File? =
        File(folder, model.name).takeIf { it.length() == model.bytes }

    /** Takes in what a picker gave. [progress] gets the bytes copied so far, at most once for each MB. */
    @Throws(ModelImportException::class)
    suspend fun import(context: Context, uri: Uri, model: ModelFile, progress: (Long) -> Unit = {}): File =
        import(model, progress) {
            context.contentResolver.openInputStream(uri) ?: throw FileNotFoundException("nothing is behind this address")
        }

    /** Takes in a file; it stays where it is. */
    @Throws(ModelImportException::class)
    suspend fun import(file: File, model: ModelFile, progress: (Long) -> Unit = {}): File =
        import(model, progress) { file.inputStream() }

    /** Takes in a stream, on a thread for it. Cancelled, nothing is left of it. */
    internal suspend fun import(model: ModelFile, progress: (Long) -> Unit, open: () -> InputStream): File =
        withContext(Dispatchers.IO) {
            val target = File(folder, model.name)
            folder.mkdirs()
            val missing = model.bytes + SPARE_BYTES - folder.usableSpace
            if (missing > 0) throw ModelImportException.NoSpace(missing)
            reading(open).use { input ->
                try {
                    target.writeWhole { out ->
                        copyChecked(input, model, { ensureActive() }, progress) { bytes, count -> out.write(bytes, 0, count) }
                    }
                } catch (error: IOException) {
                    throw ModelImportException.Disk(error)
                }
            }
            target
        }

    private companion object {
        /** Left free for the bank and the rest of the device. A guess. */
        const val SPARE_BYTES = 64L shl 20
    }
}

/** Copies exactly the bytes of a model, and throws where they are not. */
internal fun copyChecked(
    input: InputStream,
    model: ModelFile,
    goOn: () -> Unit,
    progress: (Long) -> Unit,
    write: (ByteArray, Int) -> Unit,
) {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = ByteArray(64 shl 10)
    var (copied, told) = 0L to 0L
    while (true) {
        goOn()
        val count = reading { input.read(buffer) }
        if (count < 0) break
        copied += count
        if (copied > model.bytes) throw ModelImportException.WrongFile("the file has more than ${model.bytes} bytes")
        digest.update(buffer, 0, count)
        write(buffer, count)
        if (copied - told >= 1 shl 20 || copied == model.bytes) {
            told = copied
            progress(copied)
        }
    }
    if (copied != model.bytes) {
        throw ModelImportException.WrongFile("the file has $copied bytes instead of ${model.bytes}")
    }
    val found = digest.digest().joinToString("") { "%02x".format(it) }
    if (found != model.sha256) {
        throw ModelImportException.WrongFile("the file's checksum is $found instead of ${model.sha256}")
    }
}

/** Reading that fails is the source's fault, not the disk's; a provider may also say that it is not allowed. */
private inline fun <T> reading(read: () -> T): T = try {
    read()
} catch (error: IOException) {
    throw ModelImportException.Unreadable(error)
} catch (error: SecurityException) {
    throw ModelImportException.Unreadable(error)
}
