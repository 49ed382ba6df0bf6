// What the screen shows and what its buttons do. Every error becomes a sentence on the screen.
package dev.keepsake.sample

import android.content.Context
import android.net.Uri
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import dev.keepsake.KeepsakeException
import dev.keepsake.Memory
import dev.keepsake.NewTurn
import dev.keepsake.Turn
import dev.keepsake.UnitId
import dev.keepsake.android.BankKeyException
import dev.keepsake.android.ModelFile
import dev.keepsake.android.ModelFolder
import dev.keepsake.android.ModelImportException
import dev.keepsake.android.SharedBank
import dev.keepsake.android.export
import dev.keepsake.unit
import java.io.IOException
import java.time.LocalDateTime
import java.time.temporal.ChronoUnit
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

class Desk(private val context: Context, private val bank: SharedBank, private val scope: CoroutineScope) {
    var memories by mutableStateOf(emptyList<Memory>())
        private set
    var turns by mutableStateOf(emptyList<Turn>())
        private set
    var answer by mutableStateOf("")
        private set
    var note by mutableStateOf("")
        private set
    var busy by mutableStateOf(false)
        private set

    fun refresh() = act("") {}

    /** Stored at once; the queue is worked afterwards, as long as the app is in front. */
    fun say(text: String) = act("remembering ...") {
        val keepsake = bank.get()
        val now = LocalDateTime.now().truncatedTo(ChronoUnit.SECONDS)
        keepsake.append(NewTurn(speaker = "Me", text = text, time = now.toString()))
        note = keepsake.process().let { "${it.turns} turns worked, ${it.failed} failed: ${it.ended}" }
    }

    fun ask(question: String) = act("") {
        answer = ""
        bank.get().stream(question).collect { answer += it }
    }

    fun why(memory: Memory) = act("") { turns = bank.get().why(memory.id) }

    /** The memory and the turns behind it, so that it is not learnt from them again. */
    fun forget(memory: Memory) = act("") {
        val count = bank.get().forget(memory.sources.map { UnitId.Turn(it) } + memory.unit)
        note = "$count forgotten"
    }

    /** Works where the bank cannot be opened, too. */
    fun eraseEverything() = act("erasing ...") {
        bank.destroy()
        answer = ""
        note = "all erased, the key as well"
    }

    fun exportTo(uri: Uri) = act("writing ...") {
        note = bank.get().export(context, uri).let { "${it.turns} turns and ${it.memories} memories written" }
    }

    fun importModel(uri: Uri) = act("checking the model ...") {
        val model = ModelFile.SMOLLM2_135M
        ModelFolder(context).import(context, uri, model) { bytes -> note = "${100 * bytes / model.bytes} %" }
        bank.reopen()
        note = "the model is there"
    }

    /** Does one thing at a time, then shows what is remembered. */
    private fun act(doing: String, action: suspend () -> Unit) {
        if (busy) return
        busy = true
        note = doing
        scope.launch {
            try {
                turns = emptyList()
                action()
                memories = bank.get().memories()
            } catch (error: KeepsakeException) {
                note = error.message.orEmpty()
            } catch (error: BankKeyException) {
                note = error.message.orEmpty()
            } catch (error: ModelImportException) {
                note = error.message.orEmpty()
            } catch (error: IOException) {
                note = "the file cannot be written"
            } finally {
                busy = false
            }
        }
    }
}
