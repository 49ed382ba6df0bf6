// For android/check only, never shipped: the declarations of AndroidX Lifecycle that the library uses, without bodies.
// With the real ones: see android/README.md.
@file:Suppress("UNUSED_PARAMETER", "unused")

package androidx.lifecycle

private fun stub(): Nothing = throw UnsupportedOperationException("a stub of the check")

interface LifecycleObserver

interface LifecycleOwner {
    val lifecycle: Lifecycle
}

abstract class Lifecycle {
    abstract val currentState: State

    abstract fun addObserver(observer: LifecycleObserver)

    enum class State {
        DESTROYED, INITIALIZED, CREATED, STARTED, RESUMED;

        fun isAtLeast(state: State): Boolean = compareTo(state) >= 0
    }
}

interface DefaultLifecycleObserver : LifecycleObserver {
    fun onStart(owner: LifecycleOwner) {}

    fun onStop(owner: LifecycleOwner) {}
}

class ProcessLifecycleOwner private constructor() : LifecycleOwner {
    override val lifecycle: Lifecycle get() = stub()

    companion object {
        @JvmStatic
        fun get(): LifecycleOwner = stub()
    }
}
