// The quick start of android/README.md, to the letter: check.sh compares the two.
package dev.keepsake.android

import android.app.Application
import dev.keepsake.EngineOptions
import dev.keepsake.LanguageModel
import dev.keepsake.ModelFiles
import dev.keepsake.NewTurn

// quick start
class MyApp : Application(), BankOwner {
    override val bank by lazy {
        SharedBank(this) {
            val file = ModelFolder(this).find(ModelFile.SMOLLM2_135M)
            EngineOptions(model = file?.let { LanguageModel.load(ModelFiles(model = it.path)) })
        }
    }

    override fun onCreate() {
        super.onCreate()
        BankLifecycle.watch(this, bank)
        QueueWorker.schedule(this)
    }
}

suspend fun talk(bank: SharedBank) {
    bank.get().append(NewTurn("Maria", "I adopted a dog named Buddy.", "2024-03-02T10:15"))
    bank.get().process()
    bank.get().stream("What did Maria adopt?").collect { piece -> print(piece) }
}
// quick start
