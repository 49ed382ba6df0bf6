// For android/check only, never shipped: the declarations of AndroidX WorkManager that the library uses, without bodies.
// With the real ones: see android/README.md.
@file:Suppress("UNUSED_PARAMETER", "unused")

package androidx.work

import android.content.Context
import java.util.concurrent.TimeUnit

private fun stub(): Nothing = throw UnsupportedOperationException("a stub of the check")

class WorkerParameters

abstract class ListenableWorker(appContext: Context, parameters: WorkerParameters) {
    val applicationContext: Context = appContext

    abstract class Result {
        companion object {
            @JvmStatic
            fun success(): Result = stub()

            @JvmStatic
            fun retry(): Result = stub()

            @JvmStatic
            fun failure(): Result = stub()
        }
    }
}

abstract class CoroutineWorker(appContext: Context, params: WorkerParameters) : ListenableWorker(appContext, params) {
    abstract suspend fun doWork(): Result
}

class Constraints private constructor() {
    class Builder {
        fun setRequiresCharging(requiresCharging: Boolean): Builder = stub()

        fun setRequiresDeviceIdle(requiresDeviceIdle: Boolean): Builder = stub()

        fun build(): Constraints = stub()
    }
}

enum class ExistingPeriodicWorkPolicy { UPDATE }

enum class ExistingWorkPolicy { KEEP }

abstract class WorkRequest {
    abstract class Builder<B : Builder<B, *>, W : WorkRequest> {
        fun setConstraints(constraints: Constraints): B = stub()

        fun build(): W = stub()
    }
}

class PeriodicWorkRequest : WorkRequest() {
    class Builder(workerClass: Class<out ListenableWorker>, repeatInterval: Long, repeatIntervalTimeUnit: TimeUnit) :
        WorkRequest.Builder<Builder, PeriodicWorkRequest>()
}

class OneTimeWorkRequest : WorkRequest() {
    class Builder(workerClass: Class<out ListenableWorker>) : WorkRequest.Builder<Builder, OneTimeWorkRequest>()
}

interface Operation

abstract class WorkManager {
    abstract fun enqueueUniquePeriodicWork(
        uniqueWorkName: String,
        existingPeriodicWorkPolicy: ExistingPeriodicWorkPolicy,
        request: PeriodicWorkRequest,
    ): Operation

    abstract fun enqueueUniqueWork(
        uniqueWorkName: String,
        existingWorkPolicy: ExistingWorkPolicy,
        request: OneTimeWorkRequest,
    ): Operation

    abstract fun cancelUniqueWork(uniqueWorkName: String): Operation

    companion object {
        @JvmStatic
        fun getInstance(context: Context): WorkManager = stub()
    }
}
