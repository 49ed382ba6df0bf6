// Works the queue while the device lies idle on its charger, in rounds that the system may end at any time.
package dev.keepsake.android

import android.content.Context
import androidx.work.Constraints
import androidx.work.CoroutineWorker
import androidx.work.ExistingPeriodicWorkPolicy
import androidx.work.ExistingWorkPolicy
import androidx.work.OneTimeWorkRequest
import androidx.work.PeriodicWorkRequest
import androidx.work.WorkManager
import androidx.work.WorkerParameters
import dev.keepsake.Budget
import dev.keepsake.Ended
import dev.keepsake.KeepsakeException
import java.util.concurrent.TimeUnit

/**
 * One round of the queue. The app's `Application` must be a [BankOwner].
 *
 * Where the system ends the round, its coroutine is cancelled, and the façade stops the engine at the next token: what was
 * worked stays, the turn under way waits.
 */
class QueueWorker(context: Context, parameters: WorkerParameters) : CoroutineWorker(context, parameters) {
    override suspend fun doWork(): Result {
        val owner = applicationContext as? BankOwner
            ?: error("the Application of an app with a QueueWorker must be a BankOwner")
        return when (oneRound(owner.bank)) {
            Next.DONE -> Result.success()
            Next.AGAIN -> Result.retry()
            Next.NEVER -> Result.failure()
        }
    }

    companion object {
        private const val PERIODIC = "dev.keepsake.queue"
        private const val ONCE = "dev.keepsake.queue.once"

        /** A guess: often enough for every night. */
        private const val EVERY_HOURS = 6L

        private fun atRest() = Constraints.Builder().setRequiresCharging(true).setRequiresDeviceIdle(true).build()

        /** Works the queue again and again from now on. May be called at every start of the app. */
        fun schedule(context: Context) {
            val request = PeriodicWorkRequest.Builder(QueueWorker::class.java, EVERY_HOURS, TimeUnit.HOURS)
                .setConstraints(atRest())
                .build()
            WorkManager.getInstance(context)
                .enqueueUniquePeriodicWork(PERIODIC, ExistingPeriodicWorkPolicy.UPDATE, request)
        }

        /** Works the queue when the device next rests. */
        fun once(context: Context) {
            val request = OneTimeWorkRequest.Builder(QueueWorker::class.java).setConstraints(atRest()).build()
            WorkManager.getInstance(context).enqueueUniqueWork(ONCE, ExistingWorkPolicy.KEEP, request)
        }

        /** No round begins any more, and one under way is stopped. */
        fun cancel(context: Context) {
            WorkManager.getInstance(context).cancelUniqueWork(PERIODIC)
            WorkManager.getInstance(context).cancelUniqueWork(ONCE)
        }
    }
}

/** What becomes of the worker's request after a round. */
internal enum class Next { DONE, AGAIN, NEVER }

/** The platform ends a worker after 10 minutes; the rest is for opening the bank and the turn under way. */
private const val ROUND_MILLISECONDS = 480_000uL

internal suspend fun oneRound(bank: SharedBank): Next = try {
    bank.inBackground { keepsake ->
        try {
            next(keepsake.process(Budget(milliseconds = ROUND_MILLISECONDS)).ended)
        } finally {
            bank.releaseMemory()
        }
    }
} catch (error: KeepsakeException) {
    next(error)
} catch (error: BankKeyException) {
    if (error is BankKeyException.Unavailable) Next.AGAIN else Next.NEVER
}

internal fun next(ended: Ended): Next = when (ended) {
    Ended.EMPTY, Ended.NO_MODEL -> Next.DONE
    Ended.BUDGET, Ended.CANCELLED, Ended.PAUSED -> Next.AGAIN
}

/** Only what passes by itself is tried again; the rest the app hears of when it next opens the bank. */
internal fun next(error: KeepsakeException): Next = when (error) {
    is KeepsakeException.OpenElsewhere, is KeepsakeException.Closed, is KeepsakeException.OutOfMemory,
    is KeepsakeException.ModelFailed, is KeepsakeException.Stopped, is KeepsakeException.Paused -> Next.AGAIN
    else -> Next.NEVER
}
