// Files that are there whole or not at all, also after a crash.
package dev.keepsake.android

import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardOpenOption.READ

/** Writes into a file beside this one and renames it once it is safely on the disk; deletes it where anything fails. */
internal inline fun File.writeWhole(write: (FileOutputStream) -> Unit) {
    val folder = absoluteFile.parentFile ?: throw IOException("a file needs a folder")
    Files.createDirectories(folder.toPath())
    val part = File(folder, ".$name.part")
    try {
        FileOutputStream(part).use { out ->
            write(out)
            out.fd.sync()
        }
        Files.move(part.toPath(), toPath(), ATOMIC_MOVE)
    } catch (error: Throwable) {
        part.delete()
        throw error
    }
    syncFolder(folder)
}

internal fun File.writeWhole(bytes: ByteArray) = writeWhole { it.write(bytes) }

/** Makes the new name last. Where a file system cannot do that for a folder, the name lasts as long as it makes it. */
internal fun syncFolder(folder: File) {
    try {
        FileChannel.open(folder.toPath(), READ).use { it.force(true) }
    } catch (_: IOException) {
        // The file itself is on the disk: all that could be lost in a power cut is its name.
    }
}
