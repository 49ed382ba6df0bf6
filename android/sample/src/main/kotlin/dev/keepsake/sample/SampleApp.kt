// The app: one bank, watched, and worked while the device rests.
package dev.keepsake.sample

import android.app.Application
import dev.keepsake.EngineOptions
import dev.keepsake.LanguageModel
import dev.keepsake.ModelFiles
import dev.keepsake.android.BankLifecycle
import dev.keepsake.android.BankOwner
import dev.keepsake.android.ModelFile
import dev.keepsake.android.ModelFolder
import dev.keepsake.android.QueueWorker
import dev.keepsake.android.SharedBank
import java.io.File

class SampleApp : Application(), BankOwner {
    override val bank by lazy { SharedBank(this) { EngineOptions(model = language()) } }

    override fun onCreate() {
        super.onCreate()
        BankLifecycle.watch(this, bank)
        QueueWorker.schedule(this)
    }

    /** The language model, once it was taken in. What the engine evaluates once may be lost with the cache. */
    private fun language(): LanguageModel? = ModelFolder(this).find(ModelFile.SMOLLM2_135M)?.let { file ->
        LanguageModel.load(ModelFiles(model = file.path, states = File(cacheDir, "states").path))
    }
}
