// The engine for coroutines: what takes long suspends, an answer is a flow, and cancelling a coroutine stops the engine.
//
// Everything here calls `Engine`, the generated binding, and nothing is decided here.
package dev.keepsake

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.channelFlow
import kotlinx.coroutines.withContext

/**
 * An open bank with all that works on it. May be used from many coroutines; close it when the app is done with it.
 *
 * [engine] has everything the engine can do, in calls that block.
 */
class Keepsake private constructor(
    val engine: Engine,
    private val dispatcher: CoroutineDispatcher,
) : AutoCloseable {
    companion object {
        /** Opens the bank in a folder and verifies it, or makes one there. Calls run on [dispatcher], and block there. */
        @Throws(KeepsakeException::class)
        suspend fun open(
            folder: String,
            options: EngineOptions = EngineOptions(),
            dispatcher: CoroutineDispatcher = Dispatchers.IO,
        ): Keepsake {
            var opened: Engine? = null
            try {
                withContext(dispatcher) { opened = Engine.open(folder, options) }
            } catch (cancelled: CancellationException) {
                // Nobody gets it any more, and another one could not open the bank.
                opened?.shutDown()
                throw cancelled
            }
            return Keepsake(checkNotNull(opened), dispatcher)
        }
    }

    /** Stores a turn, durably, and puts it into the queue: milliseconds. */
    suspend fun append(turn: NewTurn): Appended = withContext(dispatcher) { engine.append(turn) }

    /** Stores a turn and works the queue up to it. Cancelled, the turn is stored and waits. */
    suspend fun remember(turn: NewTurn): Receipt = stoppable { cancel -> engine.remember(turn, cancel) }

    /** Works the queue within a budget; [onTurn] hears of every turn, on the engine's thread. */
    suspend fun process(budget: Budget = Budget(), onTurn: (Receipt) -> Unit = {}): QueueProgress {
        val observer = object : WorkObserver {
            var thrown: Throwable? = null

            override fun worked(receipt: Receipt) {
                try {
                    onTurn(receipt)
                } catch (error: Throwable) {
                    thrown = error
                    throw HostException.Failed("the function for each turn failed")
                }
            }
        }
        try {
            return stoppable { cancel -> engine.process(budget, cancel, observer) }
        } catch (error: KeepsakeException.Host) {
            throw observer.thrown ?: error
        }
    }

    /** Answers a question from what a space holds. */
    suspend fun ask(question: String, space: String = "default"): Answer =
        stoppable { cancel -> engine.ask(question, space, cancel, null) }

    /** The pieces of an answer while it is written. Ending the collection stops it. */
    fun stream(question: String, space: String = "default"): Flow<String> = channelFlow {
        val sink = object : AnswerSink {
            override fun text(piece: String): Boolean = trySend(piece).isSuccess
        }
        stoppable { cancel -> engine.ask(question, space, cancel, sink) }
        // An answer is short, and must not wait for whoever reads it.
    }.buffer(Channel.UNLIMITED)

    /** The memories and turns that fit a search best. */
    suspend fun search(search: Search): Findings = withContext(dispatcher) { engine.search(search) }

    /** The memories of a space that hold, oldest first. */
    suspend fun memories(space: String = "default"): List<Memory> =
        withContext(dispatcher) { engine.memories(space) }

    /** The turns that a memory was taken from. */
    suspend fun why(memory: ULong): List<Turn> = withContext(dispatcher) {
        engine.memory(memory)?.sources.orEmpty().mapNotNull { engine.turn(it) }
    }

    /**
     * Removes memories and turns, so that no byte of them is left in the bank. How many there were. What was found, used or
     * listed has its [unit].
     */
    suspend fun forget(units: List<UnitId>): ULong = withContext(dispatcher) { engine.forget(units) }

    /** Removes all that a space holds. */
    suspend fun forgetEverything(space: String = "default"): ULong =
        withContext(dispatcher) { engine.forgetEverything(space) }

    /** Writes what spaces hold, all of them where none are named, into a new file. */
    suspend fun export(
        file: String,
        spaces: List<String> = emptyList(),
        format: ExportFormat = ExportFormat.JSONL,
    ): Moved = withContext(dispatcher) { engine.exportTo(file, spaces, format) }

    /** How hard the queue may be worked from now on: fully, gently, or not at all. */
    fun setEffort(effort: Effort) = engine.setEffort(effort)

    /** Closes the bank as soon as the last call under way ends. Closing twice does nothing. */
    override fun close() = engine.shutDown()

    /** Runs a call that blocks; cancelling the coroutine throws the call's switch and waits for it to end. */
    private suspend fun <T> stoppable(call: (Cancel) -> T): T = Cancel().use { cancel ->
        coroutineScope {
            // What the call fails with then is that it was stopped, which the cancellation says already.
            val work = async(dispatcher) { runCatching { call(cancel) } }
            try {
                work.await()
            } catch (cancelled: CancellationException) {
                cancel.cancel()
                throw cancelled
            }
        }.getOrThrow()
    }
}

/** What [Keepsake.forget] takes. */
val Memory.unit: UnitId get() = UnitId.Memory(id)

/** What [Keepsake.forget] takes. */
val Turn.unit: UnitId get() = UnitId.Turn(id)
