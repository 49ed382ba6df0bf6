//! Writes `report.md` and its pictures from a run's log and samples alone, while the run goes on or after.
//!
//! It compares no runs.
//!
//! Rooms it touches: history, lines, chart, pictures, files, numbers.

use std::fs;
use std::path::Path;

use super::chart::{self, Picture};
use super::history::{History, Series};
use super::lines::{self, Sample};
use super::numbers::{duration, grouped, number};
use super::pictures::{FILES, pictures};
use super::{NOT_FINITE, RecordError, SAMPLES, files};

/// How many of the last samples are shown.
const LAST_SAMPLES: usize = 12;
/// Letters of a sample's text that are shown.
const LETTERS: usize = 200;
/// The last value alone is noise; this many are its neighbourhood.
const LAST_STEPS: usize = 10;
/// Steps that are named one by one.
const NAMED_STEPS: usize = 8;

/// Writes the report of the run in this folder over any earlier one.
pub fn report(folder: &Path) -> Result<(), RecordError> {
    let history = History::read(folder)?;
    let samples: Vec<Sample> = lines::read(&folder.join(SAMPLES))?;
    let pictures = pictures(&history);
    let pictures_folder = folder.join("pictures");
    fs::create_dir_all(&pictures_folder).map_err(RecordError::io("made", &pictures_folder))?;
    for picture in &pictures {
        let drawn = chart::draw(picture);
        let failed = |error: Box<dyn std::error::Error>| RecordError::Picture {
            picture: picture.file,
            why: error.to_string(),
        };
        files::replace(&pictures_folder.join(picture.file), drawn.map_err(failed)?.as_bytes())?;
    }
    for file in FILES.iter().filter(|file| pictures.iter().all(|picture| picture.file != **file)) {
        remove(&pictures_folder.join(file))?;
    }
    files::replace(&folder.join("report.md"), text(folder, &history, &samples, &pictures).as_bytes())
}

/// A picture of an earlier report that this one does not have.
fn remove(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(RecordError::io("removed", path)(error))
        }
        _ => Ok(()),
    }
}

fn text(folder: &Path, history: &History, samples: &[Sample], pictures: &[Picture]) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut text = format!("# Training run {}\n\n", shown(&name));
    summary(&mut text, history);
    left_out(&mut text, history, samples);
    if !pictures.is_empty() {
        text.push_str("\n## Pictures\n");
        for Picture { file, title, .. } in pictures {
            text.push_str(&format!("\n### {title}\n\n![{title}](pictures/{file})\n"));
        }
    }
    table_of_values(&mut text, history);
    table_of_samples(&mut text, samples);
    format!("{}\n", text.trim_end())
}

fn summary(text: &mut String, history: &History) {
    let (Some(first), Some(last)) = (history.steps().first(), history.steps().last()) else {
        text.push_str("No step was recorded.\n");
        return;
    };
    let count = history.steps().len();
    let each = duration(history.seconds() / count as f64);
    text.push_str(&format!(
        "- {} {}, {first} to {last}, in {}: {each} a step, evaluations included\n",
        grouped(count as f64),
        if count == 1 { "step" } else { "steps" },
        duration(history.seconds()),
    ));
    let mean = |name| history.series(name).and_then(|series| series.mean_of_last(usize::MAX));
    if let Some(speed) = mean("speed/tokens_per_second") {
        let utilisation = mean("speed/model_flop_utilisation")
            .map_or_else(String::new, |part| format!(", {:.1} % of the device's most", part * 100.0));
        text.push_str(&format!("- {} tokens per second on average{utilisation}\n", grouped(speed)));
    }
    let evaluated =
        history.names().filter(|name| name.starts_with("eval/") && name.ends_with("/reward/mean"));
    for name in ["reward/mean", "sft/loss"].into_iter().chain(evaluated) {
        let Some((series, course)) = history.series(name).and_then(|series| Some((series, course(series)?)))
        else {
            continue;
        };
        let best = best(name, series)
            .map_or_else(String::new, |(step, value)| format!(", best {} at step {step}", number(value)));
        text.push_str(&format!("- {}: {course}{best}\n", code(name)));
    }
}

/// From where to where a value went.
fn course(series: &Series) -> Option<String> {
    let (first, last) = (series.finite().next()?, series.finite().next_back()?);
    Some(match series.finite().count() {
        1 => format!("{} at step {}", number(first.1), first.0),
        _ => format!("from {} to {}", number(first.1), number(last.1)),
    })
}

/// What no one learned from.
fn left_out(text: &mut String, history: &History, samples: &[Sample]) {
    let mut items: Vec<String> = Vec::new();
    for name in history.names().filter(|name| counts_what_is_left_out(name)) {
        let Some(series) = history.series(name).filter(|series| series.sum() > 0.0) else { continue };
        let steps: Vec<u64> =
            series.finite().filter(|(_, value)| *value > 0.0).map(|(step, _)| step).collect();
        items.push(format!("{}: {} in all, at {}", code(name), number(series.sum()), named(&steps)));
    }
    if let Some(mean) =
        history.series("groups/zero_variance_fraction").and_then(|series| series.mean_of_last(usize::MAX))
    {
        items.push(format!(
            "groups whose rewards were all equal, which teach nothing: {:.1} % on average",
            mean * 100.0
        ));
    }
    for (name, count) in history.not_finite() {
        items.push(format!("{}: {count} of its values not finite", code(name)));
    }
    let unscored = samples.iter().filter(|sample| sample.reward.is_none()).count();
    if unscored > 0 {
        let (unscored, all) = (grouped(unscored as f64), grouped(samples.len() as f64));
        items.push(format!("samples that could not be scored: {unscored} of the {all} that were kept"));
    }
    if history.steps().is_empty() && items.is_empty() {
        return;
    }
    text.push_str("\n## Left out\n\n");
    if items.is_empty() {
        text.push_str("Nothing.\n");
    }
    text.extend(items.iter().map(|item| format!("- {item}\n")));
}

fn counts_what_is_left_out(name: &str) -> bool {
    name.split('/').any(|part| part == "skipped" || part == "dropped")
}

/// Steps by number; of many, the first ones.
fn named(steps: &[u64]) -> String {
    let listed: Vec<String> = steps.iter().take(NAMED_STEPS).map(u64::to_string).collect();
    let more = match steps.len().saturating_sub(NAMED_STEPS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {}{more}", if steps.len() == 1 { "step" } else { "steps" }, listed.join(", "))
}

fn table_of_values(text: &mut String, history: &History) {
    let rows: Vec<(&str, &Series)> = history
        .names()
        .filter(|name| *name != NOT_FINITE)
        .filter_map(|name| Some((name, history.series(name)?)))
        .collect();
    if rows.is_empty() {
        return;
    }
    text.push_str(&format!(
        "\n## Values\n\nIn bold the better end, where there is one; in brackets the step.\n\n\
         | value | first | last | mean of last {LAST_STEPS} | lowest | highest |\n|---|--:|--:|--:|--:|--:|\n"
    ));
    for (name, series) in rows {
        let plain = |value: Option<f64>| value.map_or_else(String::new, number);
        let end = |at: Option<(u64, f64)>, better: bool| {
            let text = at.map_or_else(String::new, |(step, value)| format!("{} ({step})", number(value)));
            if better { format!("**{text}**") } else { text }
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            code(name),
            plain(series.finite().next().map(|(_, value)| value)),
            plain(series.finite().next_back().map(|(_, value)| value)),
            plain(series.mean_of_last(LAST_STEPS)),
            end(series.lowest(), better(name) == Some(Better::Lower)),
            end(series.highest(), better(name) == Some(Better::Higher)),
        ));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Lower,
    Higher,
}

/// Which way a value is better; the loss of a policy says nothing by itself, nor do most others.
fn better(name: &str) -> Option<Better> {
    match name {
        "sft/loss" | "critic/value_loss" | "groups/zero_variance_fraction" => Some(Better::Lower),
        "critic/explained_variance" => Some(Better::Higher),
        _ if ["/loss", "/failed", "/fragmentation"].iter().any(|end| name.ends_with(end)) => {
            Some(Better::Lower)
        }
        _ if name.starts_with("eval/") => {
            (name.contains("/reward/") || name.contains("/operations/")).then_some(Better::Higher)
        }
        _ if name.starts_with("reward/") || name.starts_with("speed/") => Some(Better::Higher),
        _ => None,
    }
}

fn best(name: &str, series: &Series) -> Option<(u64, f64)> {
    match better(name)? {
        Better::Lower => series.lowest(),
        Better::Higher => series.highest(),
    }
}

fn table_of_samples(text: &mut String, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    text.push_str(
        "\n## Last samples\n\n| step | about | said | reward | advantage |\n|--:|---|---|--:|--:|\n",
    );
    for Sample { step, about, said, reward, advantage } in
        &samples[samples.len().saturating_sub(LAST_SAMPLES)..]
    {
        let reward = reward.map_or_else(|| "none".to_owned(), number);
        let advantage = advantage.map_or_else(|| "not finite".to_owned(), number);
        text.push_str(&format!("| {step} | {} | {} | {reward} | {advantage} |\n", shown(about), shown(said)));
    }
}

/// A text in one line of a table, shortened, and nothing in it taken for Markdown.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown = String::with_capacity(line.len());
    for letter in line.chars().take(LETTERS) {
        match letter {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '!' | '#' => shown.extend(['\\', letter]),
            _ => shown.push(letter),
        }
    }
    if line.chars().nth(LETTERS).is_some() {
        shown.push('…');
    }
    shown
}

/// A name as code; in a table too a bar would end the cell.
fn code(name: &str) -> String {
    format!("`{}`", name.replace('`', "'").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::testing::made_up_run;
    use super::super::{LOG, Recorder};
    use super::{FILES, report, shown};

    fn written(folder: &Path) -> String {
        report(folder).unwrap();
        fs::read_to_string(folder.join("report.md")).unwrap()
    }

    fn pictures(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder.join("pictures")).unwrap();
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_empty_run_has_a_report_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        Recorder::open(folder.path(), 0).unwrap();
        let text = written(folder.path());
        assert!(
            text.starts_with("# Training run ") && text.ends_with("\n\nNo step was recorded.\n"),
            "{text}"
        );
        assert!(pictures(folder.path()).is_empty());
    }

    #[test]
    fn one_step_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        made_up_run(folder.path(), 1);
        let text = written(folder.path());
        assert!(text.contains("- 1 step, 0 to 0, in 0.0 s: 0.0 s a step"), "{text}");
        assert!(text.contains("- `reward/mean`: 0.2") && text.contains(" at step 0, best 0.2"), "{text}");
        assert_eq!(pictures(folder.path()).len(), FILES.len());
    }

    #[test]
    fn a_long_run_is_told_whole() {
        let folder = tempfile::tempdir().unwrap();
        made_up_run(folder.path(), 200);
        let text = written(folder.path());
        for part in [
            "- 200 steps, 0 to 199, in ",
            " tokens per second on average, 3",
            "- `eval/held-out/reward/mean`: from 0.",
            "- `gradient/skipped`: 2 in all, at steps 37, 120\n",
            "- `gradient/norm`: 2 of its values not finite\n",
            "groups whose rewards were all equal, which teach nothing: 3",
            "- samples that could not be scored: 200 of the 800 that were kept\n",
            "![Reward](pictures/reward.svg)",
            "| `gradient/skipped` | 0 | 0 | 0 | 0 (0) | 1 (37) |\n",
            "| 199 | story 1: what does Ana \\| Bea drink? | She moved from &lt;coffee&gt; to tea, \\*and\\* then back.",
            "| none | -0.5000 |\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("record/not_finite"));
        let mut expected = FILES.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(pictures(folder.path()), expected);
        for file in FILES {
            assert!(text.contains(&format!("](pictures/{file})")));
            let svg = fs::read_to_string(folder.path().join("pictures").join(file)).unwrap();
            assert!(svg.contains(">\nstep\n<") && !svg.contains("NaN"), "{file}");
        }
    }

    #[test]
    fn pictures_of_an_earlier_report_go_with_their_values() {
        let folder = tempfile::tempdir().unwrap();
        made_up_run(folder.path(), 1);
        report(folder.path()).unwrap();
        let mut recorder = Recorder::open(folder.path(), 0).unwrap();
        recorder.step(0, &[("sft/loss".to_owned(), 1.5)]).unwrap();
        let text = written(folder.path());
        assert!(
            text.contains("- `sft/loss`: 1.500 at step 0, best 1.500 at step 0\n\n## Left out\n\nNothing.\n"),
            "{text}"
        );
        assert_eq!(pictures(folder.path()), ["loss.svg"]);
    }

    #[test]
    fn a_line_being_written_is_waited_for_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        made_up_run(folder.path(), 5);
        let path = folder.path().join(LOG);
        let log = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{log}{{\"step\":5,\"sec")).unwrap();
        assert!(written(folder.path()).contains("- 5 steps, 0 to 4,"));
        fs::write(&path, log.replacen("\"step\":2,", "\"step\":2", 1)).unwrap();
        let error = report(folder.path()).unwrap_err().to_string();
        // The first step has a second line, of its evaluations.
        let expected = format!(
            "{}, line 5, column 10: not a line that a run writes; correct it or take it out",
            path.display()
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn texts_stay_in_their_cells() {
        assert_eq!(shown("a|b\n\n c `d` <e> \\"), "a\\|b c \\`d\\` &lt;e&gt; \\\\");
        assert_eq!(shown(&"ü".repeat(300)), "ü".repeat(200) + "…");
    }
}
