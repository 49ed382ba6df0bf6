// What tests bring along: a model that says what it is told to, and a sink that keeps what it is given.
package dev.keepsake

import com.fasterxml.jackson.databind.JsonNode
import java.nio.file.Path
import kotlin.io.path.exists
import org.junit.jupiter.api.Assertions.assertTrue

/** Gives these replies, one after the other, word by word. */
open class Scripted(private val script: List<JsonNode>) : HostLanguageModel {
    private var next = 0

    override fun contextTokens() = 8192u

    override fun countTokens(text: String) = text.split(Regex("\\s+")).size.toULong()

    override fun complete(request: HostRequest, reply: Reply): HostCompletion {
        val says = script[next++]
        says["fails"]?.let { throw HostException.Failed(it.asText()) }
        for (piece in says.asText().split(Regex("(?= )"))) {
            if (piece.isNotEmpty() && !reply.piece(piece)) break
        }
        return HostCompletion(text = says.asText())
    }
}

/** Keeps the pieces, and wants no more after so many. */
class Collected(private val stopAfter: Int? = null) : AnswerSink {
    val pieces = mutableListOf<String>()

    override fun text(piece: String): Boolean {
        pieces += piece
        return pieces.size != stopAfter
    }
}

/** The file that `keepsake models pull` fetches. */
fun defaultModel(): String {
    val cache = System.getenv("XDG_CACHE_HOME") ?: (System.getProperty("user.home") + "/.cache")
    val home = System.getenv("KEEPSAKE_HOME") ?: "$cache/keepsake"
    val file = Path.of(home, "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
    assertTrue(file.exists(), "$file is missing: run `make setup`")
    return file.toString()
}
