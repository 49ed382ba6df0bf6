//! Measures how much memory the process takes while a thousand turns are remembered, with questions in between.
//!
//! The demo conversation is said again and again, the number of the round in each turn, into a bank on the disk, with the
//! default models (`KEEPSAKE_BENCH_MODEL` names another GGUF file). Writes `target/bench/growth.json` and a picture,
//! `growth.svg`. Linux only: the figures are those of `/proc`. Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepsake_core::model::{LlamaModel, LlamaSettings};
use keepsake_core::types::{Cancel, NewTurn, Question, SpaceId};
use keepsake_core::{Budget, Engine, Setup};
use keepsake_tests::{embedder, language_model_file, machine, setup};
use plotters::prelude::*;
use serde::Deserialize;
use serde_json::json;

const TURNS: usize = 1_000;
/// Turns between two measurements, and between two questions.
const STEP: usize = 8;
const ASKED: usize = 96;
const SIZE: (u32, u32) = (720, 360);

#[derive(Deserialize)]
struct Line {
    speaker: String,
    text: String,
    time: String,
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let conversation = std::fs::read_to_string(root.join("cli/demo/conversation.jsonl")).unwrap();
    let lines: Vec<Line> = conversation.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let model = std::env::var_os("KEEPSAKE_BENCH_MODEL").map_or_else(language_model_file, PathBuf::from);
    let settings = LlamaSettings { threads: Some(2), ..LlamaSettings::new(&model) };
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { embedder: Some(Arc::new(embedder())), ..setup() };
    let setup = setup.with_model(Arc::new(LlamaModel::load(&settings).unwrap()));
    let engine = Engine::open(folder.path(), setup).unwrap();
    let question = Question::new(SpaceId::default(), "What does Tom like?").unwrap();

    let mut curve: Vec<(usize, f64)> = vec![(0, resident_mib())];
    for (nth, line) in lines.iter().cycle().take(TURNS).enumerate() {
        let text = format!("{} ({})", line.text, nth / lines.len());
        engine.append(NewTurn::new(&line.speaker, &text, line.time.parse().unwrap()).unwrap()).unwrap();
        let done = nth + 1;
        if done % STEP == 0 {
            engine.process(&Budget::default(), &Cancel::new(), &mut |_| ()).unwrap();
            curve.push((done, resident_mib()));
        }
        if done % ASKED == 0 {
            engine.ask(&question, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap();
            println!("{done} turns: {:.0} MiB", resident_mib());
        }
    }
    let out = root.join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    let memories = engine.stats(&SpaceId::default()).unwrap().counts.current;
    let report = json!({
        "machine": machine(), "model": model.file_name().unwrap().to_str(), "memories": memories, "resident_mib": curve,
    });
    std::fs::write(out.join("growth.json"), report.to_string()).unwrap();
    let mut picture = String::new();
    draw(&curve, &mut picture).unwrap();
    std::fs::write(out.join("growth.svg"), picture).unwrap();
}

/// What the process holds in memory, its mapped model file included.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn draw(curve: &[(usize, f64)], text: &mut String) -> Result<(), Box<dyn Error>> {
    let most = curve.iter().map(|(_, mib)| *mib).fold(0.0, f64::max);
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("Memory over {TURNS} turns"), ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(0..TURNS, 0.0..most * 1.2)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(format!("turns remembered, a question every {ASKED}"))
        .y_desc("resident, MiB")
        .draw()?;
    chart.draw_series(LineSeries::new(curve.iter().copied(), BLUE.stroke_width(2)))?;
    area.present()?;
    Ok(())
}
