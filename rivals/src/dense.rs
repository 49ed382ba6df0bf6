//! Dense search: our scan and graph beside usearch and hnsw_rs.
//!
//! Rooms it touches: data.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hnsw_rs::prelude::{DistCosine, Hnsw as Other};
use keepsake_core::embed::Vector;
use keepsake_core::index::{Exact, Hnsw, Index};
use keepsake_core::types::{TurnId, UnitId};
use rayon::prelude::*;
use serde_json::{Value, json};
use usearch::{IndexOptions, MetricKind, ScalarKind};

use crate::Bench;
use crate::data::{self, DIMENSIONS, Data};

const K: usize = 60;

fn unit(at: usize) -> UnitId {
    UnitId::Turn(TurnId(at as u64))
}

/// Searches with a query, giving the places of what is found.
type Find<'a> = &'a dyn Fn(&Vector) -> Vec<usize>;

/// Everybody on `count` vectors.
pub(crate) fn side_by_side(bench: &mut Bench, data: &Data, count: usize, folder: &Path) -> Value {
    eprintln!("Dense, {count} vectors ...");
    let (vectors, queries) = (data.vectors(count), data.queries());
    data::write(&folder.join(format!("vectors-{count}.f32")), &vectors);
    data::write(&folder.join("queries.f32"), &queries);
    let truth = exact(&vectors, &queries);
    let mut rows = Vec::new();

    let mut scan = Exact::new();
    vectors.iter().zip(0..).for_each(|(vector, at)| assert!(scan.insert(unit(at), vector)));
    let find = |index: &dyn Index, query: &Vector| {
        index
            .nearest(query, K, &|_| true)
            .iter()
            .map(|found| found.unit.turn().expect("all are turns").0 as usize)
            .collect()
    };
    let scan_row = measured(bench, &format!("scan {count}"), &queries, &truth, &|query| find(&scan, query));
    rows.push(with(scan_row, json!({"who": "keepsake, scan"})));

    let mut at = count;
    let add_us = bench.median_us(&format!("add {count}"), || {
        assert!(scan.insert(unit(at), &queries[at % queries.len()]));
        at += 1;
    });

    let mut graph = Hnsw::new();
    vectors.iter().zip(0..).for_each(|(vector, at)| assert!(graph.insert(unit(at), vector)));
    let mark = graph.mark();
    let snapshot = graph.snapshot(mark);
    // A reader goes on while the graph is built, as in the engine.
    let mut alone = times(&queries, &|query| drop(graph.nearest(query, K, &|_| true)));
    let (building, started) = (AtomicBool::new(true), Instant::now());
    let (built, mut beside) = std::thread::scope(|scope| {
        let build = scope.spawn(|| {
            let built = snapshot.build();
            building.store(false, Ordering::Relaxed);
            built
        });
        let mut beside = Vec::new();
        while building.load(Ordering::Relaxed) {
            beside.extend(times(&queries, &|query| drop(graph.nearest(query, K, &|_| true))));
        }
        (build.join().expect("the graph is built"), beside)
    });
    let build_s = started.elapsed().as_secs_f64();
    assert!(graph.adopt(built));
    let row = measured(bench, &format!("graph {count}"), &queries, &truth, &|query| find(&graph, query));
    let about = json!({
        "who": "keepsake, graph", "build_s": build_s,
        "reader_p50_us_before_and_while_building": [median(&mut alone), median(&mut beside)],
    });
    rows.push(with(row, about));
    drop(graph);

    rows.push(usearch(bench, &vectors, &queries, &truth, ScalarKind::F32, "usearch, f32"));
    rows.push(usearch(bench, &vectors, &queries, &truth, ScalarKind::I8, "usearch, i8"));
    rows.push(hnsw_rs(bench, &vectors, &queries, &truth));
    json!({"units": count, "k": K, "add_us": add_us, "contenders": rows})
}

/// Our scan on a million vectors.
pub(crate) fn million(bench: &mut Bench, data: &Data) -> Value {
    const COUNT: usize = 1_000_000;
    eprintln!("Dense, {COUNT} vectors ...");
    let queries = data.queries();
    let mut scan = Exact::new();
    (0..COUNT).for_each(|at| assert!(scan.insert(unit(at), &data.vector(at))));
    // The true neighbours, in passes of vectors that are made again: all at once would take 1.5 GB.
    let mut best: Vec<Vec<(f32, usize)>> = vec![Vec::new(); queries.len()];
    for start in (0..COUNT).step_by(50_000) {
        let vectors: Vec<Vector> =
            (start..start + 50_000).into_par_iter().map(|at| data.vector(at)).collect();
        best.par_iter_mut().zip(&queries).for_each(|(best, query)| {
            best.extend(vectors.iter().zip(start..).map(|(vector, at)| (dot(vector, query), at)));
            best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
            best.truncate(K);
        });
    }
    let truth = best.into_iter().map(|best| best.into_iter().map(|(_, at)| at).collect()).collect::<Vec<_>>();
    let find = |query: &Vector| {
        let found = scan.nearest(query, K, &|_| true);
        found.iter().map(|found| found.unit.turn().expect("all are turns").0 as usize).collect()
    };
    let row = measured(bench, "scan 1000000", &queries, &truth, &find);
    with(row, json!({"who": "keepsake, scan", "units": COUNT}))
}

fn usearch(
    bench: &mut Bench,
    vectors: &[Vector],
    queries: &[Vector],
    truth: &[HashSet<usize>],
    quantization: ScalarKind,
    who: &str,
) -> Value {
    let index = new_usearch(vectors.len(), quantization);
    let started = Instant::now();
    (0..vectors.len())
        .into_par_iter()
        .for_each(|at| index.add(at as u64, vectors[at].as_slice()).expect("it is added"));
    let build_s = started.elapsed().as_secs_f64();
    let find = |query: &Vector| {
        let found = index.search(query.as_slice(), K).expect("usearch searches");
        found.keys.iter().map(|key| *key as usize).collect()
    };
    let row = measured(bench, &format!("{who} {}", vectors.len()), queries, truth, &find);
    with(row, json!({"who": who, "build_s": build_s}))
}

fn hnsw_rs(bench: &mut Bench, vectors: &[Vector], queries: &[Vector], truth: &[HashSet<usize>]) -> Value {
    let index = Other::<f32, DistCosine>::new(16, vectors.len(), 16, 128, DistCosine {});
    let started = Instant::now();
    (0..vectors.len()).into_par_iter().for_each(|at| index.insert((vectors[at].as_slice(), at)));
    let build_s = started.elapsed().as_secs_f64();
    let find =
        |query: &Vector| index.search(query.as_slice(), K, 256).iter().map(|found| found.d_id).collect();
    let row = measured(bench, &format!("hnsw_rs {}", vectors.len()), queries, truth, &find);
    with(row, json!({"who": "hnsw_rs, f32", "build_s": build_s}))
}

/// An empty index with room for `count` vectors.
pub(crate) fn new_usearch(count: usize, quantization: ScalarKind) -> usearch::Index {
    let options = IndexOptions {
        dimensions: DIMENSIONS,
        metric: MetricKind::Cos,
        quantization,
        connectivity: 16,
        expansion_add: 128,
        expansion_search: 256,
        multi: false,
    };
    let index = usearch::new_index(&options).expect("usearch makes an index");
    index.reserve(count).expect("usearch reserves");
    index
}

/// The median time of a search and what part of the true neighbours it finds.
fn measured(
    bench: &mut Bench,
    name: &str,
    queries: &[Vector],
    truth: &[HashSet<usize>],
    find: Find<'_>,
) -> Value {
    let mut next = 0;
    let p50_us = bench.median_us(name, || {
        std::hint::black_box(find(&queries[next % queries.len()]));
        next += 1;
    });
    let hits: usize = queries
        .iter()
        .zip(truth)
        .map(|(query, truth)| find(query).iter().filter(|at| truth.contains(at)).count())
        .sum();
    json!({"p50_us": p50_us, "recall": hits as f64 / (K * queries.len()) as f64})
}

fn with(mut row: Value, about: Value) -> Value {
    let (Some(row_of), Value::Object(about)) = (row.as_object_mut(), about) else { return row };
    row_of.extend(about);
    row
}

/// The true neighbours of each query.
fn exact(vectors: &[Vector], queries: &[Vector]) -> Vec<HashSet<usize>> {
    let nearest = |query: &Vector| {
        let mut all: Vec<(f32, usize)> =
            vectors.iter().zip(0..).map(|(vector, at)| (dot(vector, query), at)).collect();
        all.select_nth_unstable_by(K, |a, b| b.0.total_cmp(&a.0));
        all[..K].iter().map(|(_, at)| *at).collect()
    };
    queries.par_iter().map(nearest).collect()
}

fn dot(a: &Vector, b: &Vector) -> f32 {
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a * b).sum()
}

/// Microseconds of each search.
fn times(queries: &[Vector], search: &dyn Fn(&Vector)) -> Vec<f64> {
    let time = |query| {
        let started = Instant::now();
        search(query);
        started.elapsed().as_secs_f64() * 1e6
    };
    queries.iter().map(time).collect()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
