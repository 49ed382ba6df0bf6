// One screen: say, ask, see what is remembered and why, forget, erase, export.
package dev.keepsake.sample

import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.rememberLauncherForActivityResult
import androidx.activity.compose.setContent
import androidx.activity.result.contract.ActivityResultContracts.CreateDocument
import androidx.activity.result.contract.ActivityResultContracts.OpenDocument
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.Button
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberCoroutineScope
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp

class MainActivity : ComponentActivity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val app = application as SampleApp
        setContent {
            MaterialTheme {
                Surface(Modifier.fillMaxSize()) {
                    val scope = rememberCoroutineScope()
                    Screen(remember { Desk(app, app.bank, scope) })
                }
            }
        }
    }
}

@Composable
private fun Screen(desk: Desk) {
    LaunchedEffect(desk) { desk.refresh() }
    Column(Modifier.safeDrawingPadding().padding(16.dp), Arrangement.spacedBy(8.dp)) {
        Line("Say something", "Say", desk.busy, desk::say)
        Line("Ask something", "Ask", desk.busy, desk::ask)
        if (desk.answer.isNotEmpty()) Text(desk.answer, style = MaterialTheme.typography.bodyLarge)
        if (desk.note.isNotEmpty()) Text(desk.note, style = MaterialTheme.typography.bodySmall)
        Files(desk)
        Remembered(desk, Modifier.weight(1f))
    }
}

@Composable
private fun Line(label: String, button: String, busy: Boolean, send: (String) -> Unit) {
    var text by rememberSaveable { mutableStateOf("") }
    Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
        OutlinedTextField(text, { text = it }, Modifier.weight(1f), label = { Text(label) })
        Button(
            onClick = {
                send(text)
                text = ""
            },
            enabled = !busy && text.isNotBlank(),
        ) { Text(button) }
    }
}

@Composable
private fun Files(desk: Desk) {
    val model = rememberLauncherForActivityResult(OpenDocument()) { uri -> uri?.let(desk::importModel) }
    val export = rememberLauncherForActivityResult(CreateDocument("application/jsonl")) { uri -> uri?.let(desk::exportTo) }
    Row {
        TextButton({ model.launch(arrayOf("*/*")) }, enabled = !desk.busy) { Text("Model") }
        TextButton({ export.launch("keepsake.jsonl") }, enabled = !desk.busy) { Text("Export") }
        TextButton(desk::eraseEverything, enabled = !desk.busy) { Text("Erase everything") }
    }
}

@Composable
private fun Remembered(desk: Desk, modifier: Modifier) {
    LazyColumn(modifier.fillMaxWidth()) {
        items(desk.turns) { turn -> Text("${turn.time} ${turn.speaker}: ${turn.text}", Modifier.padding(start = 16.dp)) }
        items(desk.memories) { memory ->
            Text(memory.text)
            Row {
                TextButton({ desk.why(memory) }, enabled = !desk.busy) { Text("Why") }
                TextButton({ desk.forget(memory) }, enabled = !desk.busy) { Text("Forget") }
            }
        }
    }
}
