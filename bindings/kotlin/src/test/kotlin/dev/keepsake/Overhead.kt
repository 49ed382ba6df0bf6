// How long searches take through the Kotlin binding: Overhead BANK TEXT TIMES. Prints milliseconds.
package dev.keepsake

fun main(arguments: Array<String>) {
    val (bank, text, times) = arguments
    val engine = Engine.open(bank, EngineOptions())
    val search = Search(text)
    // The index is built with the first search, and the JVM compiles what is called often.
    repeat(2_000) { check(engine.search(search).found.size == 10) }
    val started = System.nanoTime()
    repeat(times.toInt()) { engine.search(search) }
    println((System.nanoTime() - started) / 1e6)
    engine.shutDown()
}
