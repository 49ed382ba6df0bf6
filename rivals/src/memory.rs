//! What an index takes for each vector, all told, in a process of its own: what was freed before would be counted again.
//!
//! Made vectors: how they lie matters to no index's size.
//!
//! Rooms it touches: data.

use std::process::Command;

use hnsw_rs::prelude::{DistCosine, Hnsw as Other};
use keepsake_core::index::{Exact, Hnsw, Index};
use keepsake_core::types::{TurnId, UnitId};
use serde_json::{Value, json};
use usearch::ScalarKind;

use crate::data::{self, Data};
use crate::dense;

/// Each contender, and how many vectors it is measured with: the graphs take minutes to build.
const CONTENDERS: [(&str, usize); 6] = [
    ("scan", 10_000),
    ("scan", 100_000),
    ("graph", 20_000),
    ("usearch-f32", 20_000),
    ("usearch-i8", 20_000),
    ("hnsw_rs", 20_000),
];

/// Bytes for each unit, by contender.
pub(crate) fn of_all() -> Value {
    let program = std::env::current_exe().expect("this program has a path");
    let bytes = |(who, count): (&str, usize)| {
        let child = Command::new(&program)
            .args(["memory", who, &count.to_string()])
            .output()
            .expect("it starts itself");
        let bytes: f64 = String::from_utf8_lossy(&child.stdout).trim().parse().expect("it prints a number");
        json!({"who": who, "units": count, "bytes": bytes})
    };
    CONTENDERS.map(bytes).into()
}

/// The child: prints bytes for each unit.
pub(crate) fn measure(mut args: impl Iterator<Item = String>) {
    let who = args.next().expect("a contender");
    let count: usize = args.next().and_then(|count| count.parse().ok()).expect("a number of vectors");
    let data = Data::made();
    let unit = |at: usize| UnitId::Turn(TurnId(at as u64));
    let before = data::resident();
    let kept: Box<dyn std::any::Any> = match who.as_str() {
        "scan" => {
            let mut scan = Exact::new();
            (0..count).for_each(|at| assert!(scan.insert(unit(at), &data.vector(at))));
            Box::new(scan)
        }
        "graph" => {
            let mut graph = Hnsw::new();
            (0..count).for_each(|at| assert!(graph.insert(unit(at), &data.vector(at))));
            graph.rebuild();
            Box::new(graph)
        }
        "hnsw_rs" => {
            let index = Other::<f32, DistCosine>::new(16, count, 16, 128, DistCosine {});
            (0..count).for_each(|at| index.insert((data.vector(at).as_slice(), at)));
            Box::leak(Box::new(index));
            Box::new(())
        }
        quantized => {
            let kind = if quantized == "usearch-i8" { ScalarKind::I8 } else { ScalarKind::F32 };
            let index = dense::new_usearch(count, kind);
            (0..count).for_each(|at| index.add(at as u64, data.vector(at).as_slice()).expect("it is added"));
            Box::new(index)
        }
    };
    println!("{}", data::resident().saturating_sub(before) as f64 / count as f64);
    drop(kept);
}
