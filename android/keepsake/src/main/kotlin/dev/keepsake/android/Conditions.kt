// How hard the queue may be worked, from what the device and the app are doing. Pure: `Lifecycle.kt` tells it what happens.
package dev.keepsake.android

import dev.keepsake.Effort

/** How hot the device is, in the steps that matter here. */
enum class Heat { COOL, WARM, HOT }

/** What the effort follows from; [apply] hears of it whenever something changes. */
class Conditions internal constructor(private val apply: (Effort) -> Unit) {
    private var inForeground = true
    private var heat = Heat.COOL
    private var workers = 0

    /** Hot: not at all. In the background: only for a worker that the system called. Warm: gently. */
    val effort: Effort
        @Synchronized get() = when {
            heat == Heat.HOT -> Effort.PAUSED
            !inForeground && workers == 0 -> Effort.PAUSED
            heat == Heat.WARM -> Effort.GENTLE
            else -> Effort.FULL
        }

    @Synchronized
    internal fun foreground(now: Boolean) {
        inForeground = now
        apply(effort)
    }

    @Synchronized
    internal fun heat(now: Heat) {
        heat = now
        apply(effort)
    }

    @Synchronized
    internal fun worker(change: Int) {
        workers += change
        apply(effort)
    }

    /** Says it once more, to an engine that was just opened. */
    @Synchronized
    internal fun again() = apply(effort)
}
