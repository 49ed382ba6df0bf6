//! Retrieval beside other engines, in one run on one machine: `make bench-retrieval`.
//!
//! Times are medians by criterion, of one search each over queries in turn. Every contender gets the same vectors and
//! is set so that it finds at least 0.99 of the true 60 nearest, where it can. JSON goes to the file that is named on
//! the command line; vectors for the contenders in Python go beside it.
//!
//! Rooms it touches: all of this program.

mod data;
mod dense;
mod embedding;
mod hybrid;
mod memory;

use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;
use serde_json::{Value, json};

/// What a step measures with.
pub(crate) struct Bench {
    criterion: Criterion,
    /// Where criterion leaves its estimates.
    home: PathBuf,
}

impl Bench {
    /// The median time of one call, in microseconds.
    pub(crate) fn median_us(&mut self, name: &str, mut call: impl FnMut()) -> f64 {
        self.criterion.bench_function(name, |bencher| bencher.iter(&mut call));
        let estimates = self.home.join(name).join("new/estimates.json");
        let estimates = std::fs::read_to_string(estimates).expect("criterion writes its estimates");
        let estimates: Value = serde_json::from_str(&estimates).expect("they are JSON");
        estimates["median"]["point_estimate"].as_f64().expect("they have a median") / 1000.0
    }
}

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|arg| arg == "memory").is_some() {
        return memory::measure(args);
    }
    if args.next_if(|arg| arg == "embed").is_some() {
        return embedding::measure(args);
    }
    let out = PathBuf::from(args.next().expect("usage: keepsake-rivals OUT.json [MODELS_FOLDER [TEXTS]]"));
    let folder = out.parent().expect("OUT.json lies in a folder").to_owned();
    let (models, texts) = (args.next().map(PathBuf::from), args.next().map(PathBuf::from));
    let home = folder.join("criterion");
    // Criterion reads this when it is first used; no thread has started yet.
    let criterion = Criterion::default()
        .output_directory(&home)
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let mut bench = Bench { criterion, home };
    let data = data::Data::load(models.as_deref(), texts.as_deref(), &folder);
    let report = json!({
        "machine": data::machine(),
        "vectors": data.source(),
        "sizes": [dense::side_by_side(&mut bench, &data, 10_000, &folder), dense::side_by_side(&mut bench, &data, 100_000, &folder)],
        "bytes_per_unit": memory::of_all(),
        "million": dense::million(&mut bench, &data),
        "hybrid": [hybrid::measure(&mut bench, &data, 10_000), hybrid::measure(&mut bench, &data, 100_000)],
    });
    embedding::write_sentences(&data, &folder);
    std::fs::write(&out, format!("{report:#}\n")).expect("the report can be written");
    println!("{report:#}");
}
