// Tells a bank what happens to the app and the device: background, heat, too little memory. Decides nothing itself.
package dev.keepsake.android

import android.app.Application
import android.content.ComponentCallbacks2
import android.content.res.Configuration
import android.os.Build
import android.os.PowerManager
import androidx.lifecycle.DefaultLifecycleObserver
import androidx.lifecycle.Lifecycle
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.ProcessLifecycleOwner
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch

/** Watches the app for a bank, as long as the process lives. */
class BankLifecycle private constructor(private val bank: SharedBank) : DefaultLifecycleObserver, ComponentCallbacks2 {
    companion object {
        /** Begins to watch. Once for each bank, in `Application.onCreate`. */
        fun watch(app: Application, bank: SharedBank) {
            val watcher = BankLifecycle(bank)
            val lifecycle = ProcessLifecycleOwner.get().lifecycle
            bank.conditions.foreground(lifecycle.currentState.isAtLeast(Lifecycle.State.STARTED))
            lifecycle.addObserver(watcher)
            app.registerComponentCallbacks(watcher)
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
                // On the thread that brings it: this takes microseconds.
                app.getSystemService(PowerManager::class.java)
                    ?.addThermalStatusListener({ it.run() }) { bank.conditions.heat(heatOf(it)) }
            }
        }
    }

    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)

    override fun onStart(owner: LifecycleOwner) = bank.conditions.foreground(true)

    /** The process's owner waits 700 ms before this, so that a turned screen does not pause. */
    override fun onStop(owner: LifecycleOwner) = bank.conditions.foreground(false)

    override fun onTrimMemory(level: Int) {
        if (isShort(level)) release()
    }

    @Deprecated("Deprecated in the platform, which still calls it.")
    override fun onLowMemory() = release()

    override fun onConfigurationChanged(configuration: Configuration) = Unit

    private fun release() {
        scope.launch { bank.releaseMemory() }
    }
}

/** Whether memory is short. A hidden screen alone is no reason: the models would be set up anew at every return. */
internal fun isShort(level: Int): Boolean = when (level) {
    ComponentCallbacks2.TRIM_MEMORY_UI_HIDDEN, TRIM_MEMORY_RUNNING_MODERATE -> false
    else -> true
}

/** The platform no longer sends it, and marks its constant as deprecated. */
private const val TRIM_MEMORY_RUNNING_MODERATE = 5

/** From SEVERE on the platform throttles all there is; at MODERATE it asks for less. */
internal fun heatOf(status: Int): Heat = when {
    status >= PowerManager.THERMAL_STATUS_SEVERE -> Heat.HOT
    status >= PowerManager.THERMAL_STATUS_MODERATE -> Heat.WARM
    else -> Heat.COOL
}
