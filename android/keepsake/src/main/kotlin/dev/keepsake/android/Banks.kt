// One open bank for the whole app: its screens, its worker and its lifecycle share it.
package dev.keepsake.android

import android.content.Context
import android.net.Uri
import dev.keepsake.EngineOptions
import dev.keepsake.ExportFormat
import dev.keepsake.Keepsake
import dev.keepsake.Moved
import java.io.File
import java.io.FileNotFoundException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/** The app's `Application` says with this which bank its [QueueWorker] works. */
interface BankOwner {
    val bank: SharedBank
}

/**
 * A bank in the app's noBackupFilesDir, sealed by a [BankKey], opened when it is first asked for. Make one for the app.
 *
 * [options] is asked at every opening, on a thread that may block, and has no key: it loads the models that are there.
 * What it gives belongs to the bank from then on.
 */
class SharedBank internal constructor(
    private val folder: File,
    private val key: BankKey,
    private val options: () -> EngineOptions,
) {
    constructor(context: Context, options: () -> EngineOptions) : this(
        File(context.noBackupFilesDir, "keepsake/bank"),
        BankKey(File(context.noBackupFilesDir, "keepsake/bank.key"), "dev.keepsake.bank"),
        options,
    )

    private val mutex = Mutex()

    @Volatile
    private var open: Keepsake? = null

    /** How hard the queue may be worked now. */
    val conditions = Conditions { open?.setEffort(it) }

    /** The open bank. Fails with a [BankKeyException] or a `KeepsakeException`, and may be asked again after either. */
    suspend fun get(): Keepsake = mutex.withLock { open ?: opened() }

    /**
     * Opens the bank again, with models that were not there before. A call under way keeps the old one until it ends, and
     * this fails with `KeepsakeException.OpenElsewhere`; the next [get] opens it.
     */
    suspend fun reopen(): Keepsake = mutex.withLock {
        closed()
        opened()
    }

    /** Closes the bank as soon as the last call under way ends. */
    suspend fun close() = mutex.withLock { closed() }

    /** Deletes the bank and its key: what flash memory may keep of it can be read by nobody. */
    suspend fun destroy() = mutex.withLock {
        closed()
        withContext(NonCancellable + Dispatchers.IO) {
            key.discard()
            folder.deleteRecursively()
        }
    }

    /** Lends the bank to work that the system called for while the app is in the background. */
    suspend fun <T> inBackground(block: suspend (Keepsake) -> T): T {
        conditions.worker(+1)
        try {
            return block(get())
        } finally {
            conditions.worker(-1)
        }
    }

    /** Gives memory back, where the bank is open. Blocks. */
    fun releaseMemory() {
        open?.engine?.releaseMemory()
    }

    private suspend fun opened(): Keepsake = withContext(NonCancellable + Dispatchers.IO) {
        val options = options()
        try {
            val isNew = folder.list().isNullOrEmpty()
            key.lend(mayMake = isNew) { Keepsake.open(folder.path, options.copy(key = it)) }
        } finally {
            // The engine holds its own reference to the models.
            options.destroy()
        }.also {
            open = it
            conditions.again()
        }
    }

    private suspend fun closed() {
        val closing = open ?: return
        open = null
        withContext(NonCancellable + Dispatchers.IO) { closing.close() }
    }
}

/**
 * Writes an export to a place that the user picked.
 *
 * The engine writes a file of its own first, in noBackupFilesDir, which is deleted again: an export is not sealed.
 */
suspend fun Keepsake.export(
    context: Context,
    to: Uri,
    spaces: List<String> = emptyList(),
    format: ExportFormat = ExportFormat.JSONL,
): Moved = withContext(Dispatchers.IO) {
    val file = File(context.noBackupFilesDir, "keepsake-export")
    file.delete()
    try {
        val moved = export(file.path, spaces, format)
        val out = context.contentResolver.openOutputStream(to, "wt")
            ?: throw FileNotFoundException("nothing is behind this address")
        out.use { file.inputStream().use { from -> from.copyTo(it) } }
        moved
    } finally {
        file.delete()
    }
}

/** The file of ONNX Runtime that the app ships, for `EmbedderFiles.runtime`; none where it does not, or packs it compressed. */
fun onnxRuntime(context: Context): File? =
    File(context.applicationInfo.nativeLibraryDir, "libonnxruntime.so").takeIf(File::exists)
