//! What is searched: turns of real conversations and their vectors where they are at hand, else made ones.
//!
//! More vectors than there are texts are made from those there are, each moved a little at random: about as far as
//! two ways to say the same thing.
//!
//! Rooms it touches: none of this program.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use keepsake_core::embed::{Embedder, OnnxEmbedder, OnnxFiles, Vector};

/// Components of every vector.
pub(crate) const DIMENSIONS: usize = 384;
/// How many queries there are.
pub(crate) const QUERIES: usize = 200;
/// How far a vector is moved: the standard deviation of each component.
const MOVED: f32 = 0.025;

/// Texts, their vectors, and queries.
pub(crate) struct Data {
    pub(crate) texts: Vec<String>,
    vectors: Vec<Vector>,
    real: bool,
}

impl Data {
    /// From files of Multi-Session Chat in `texts`, embedded by the models in `models`; made where there is none.
    pub(crate) fn load(models: Option<&Path>, texts: Option<&Path>, cache: &Path) -> Self {
        let read = texts.map(spoken).filter(|texts| !texts.is_empty());
        match (models, read) {
            (Some(models), Some(texts)) => {
                let vectors = embedded(models, &texts, cache);
                Self { texts, vectors, real: true }
            }
            _ => Self::made(),
        }
    }

    /// Texts of 2,000 made words, and vectors around 2,000 centres.
    pub(crate) fn made() -> Self {
        let mut rng = Rng::with_seed(1);
        let centres: Vec<Vector> = (0..2000).map(|_| random(&mut rng)).collect();
        let vectors = (0..25_000).map(|at| moved(&centres[at % centres.len()], 0.04, &mut rng)).collect();
        let word = |rng: &mut Rng| format!("word{}", (2000.0 * rng.f64() * rng.f64() * rng.f64()) as u32);
        let texts = (0..25_000).map(|_| (0..12).map(|_| word(&mut rng) + " ").collect()).collect();
        Self { texts, vectors, real: false }
    }

    pub(crate) fn source(&self) -> &'static str {
        if self.real { "turns of Multi-Session Chat, all-MiniLM-L6-v2 in int8" } else { "made" }
    }

    /// `count` vectors, the same for the same count.
    pub(crate) fn vectors(&self, count: usize) -> Vec<Vector> {
        (0..count).map(|at| self.vector(at)).collect()
    }

    pub(crate) fn vector(&self, at: usize) -> Vector {
        let known = &self.vectors[at % self.vectors.len()];
        let mut rng = Rng::with_seed(at as u64);
        if at < self.vectors.len() { known.clone() } else { moved(known, MOVED, &mut rng) }
    }

    /// What is asked for: near to something that is in, and like nothing that is.
    pub(crate) fn queries(&self) -> Vec<Vector> {
        let mut rng = Rng::with_seed(2);
        (0..QUERIES).map(|_| moved(&self.vectors[rng.usize(..self.vectors.len())], MOVED, &mut rng)).collect()
    }
}

/// A seventh-part Gaussian: the sum of twelve even numbers has variance 1.
fn gaussian(rng: &mut Rng) -> f32 {
    (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0
}

fn moved(from: &Vector, by: f32, rng: &mut Rng) -> Vector {
    let values = from.as_slice().iter().map(|value| value + by * gaussian(rng)).collect();
    Vector::normalised(values).expect("it is not zero")
}

fn random(rng: &mut Rng) -> Vector {
    Vector::normalised((0..DIMENSIONS).map(|_| gaussian(rng)).collect()).expect("it is not zero")
}

/// The turns of every session of every file, with a speaker and a date as the engine writes them.
fn spoken(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut texts = Vec::new();
    for (month, file) in files.iter().enumerate() {
        let Ok(text) = fs::read_to_string(file) else { continue };
        for line in text.lines() {
            let Ok(dialogue) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            for turn in dialogue["dialog"].as_array().into_iter().flatten() {
                let (who, said) = (turn["id"].as_str().unwrap_or("A"), turn["text"].as_str().unwrap_or(""));
                texts.push(format!("{who} (1:56 pm on 8 {}, 2023): {said}", MONTHS[month % MONTHS.len()]));
            }
        }
    }
    texts
}

const MONTHS: [&str; 4] = ["May", "July", "October", "December"];

/// The model's files in the folder that `keepsake models pull` fills.
pub(crate) fn files(models: &Path) -> OnnxFiles {
    let named = |start: &str| {
        let entries = fs::read_dir(models).expect("the models' folder can be read").flatten();
        let mut paths = entries.map(|entry| entry.path());
        let is = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
        paths
            .find(|path| is(path))
            .unwrap_or_else(|| panic!("no {start}… in {}: make models", models.display()))
    };
    OnnxFiles {
        model: named("all-MiniLM-L6-v2-int8"),
        tokenizer: named("all-MiniLM-L6-v2-tokenizer"),
        runtime: named("libonnxruntime"),
    }
}

/// The vectors of texts, kept in the cache: making them takes minutes.
fn embedded(models: &Path, texts: &[String], cache: &Path) -> Vec<Vector> {
    let file = cache.join("vectors.f32");
    let known = fs::read(&file).unwrap_or_default();
    if known.len() == texts.len() * DIMENSIONS * 4 {
        let value = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let rows = known.chunks_exact(DIMENSIONS * 4).map(|row| row.chunks_exact(4).map(value).collect());
        return rows.map(|row| Vector::from_unit(row).expect("it was one")).collect();
    }
    eprintln!("Embedding {} texts ...", texts.len());
    let embedder = OnnxEmbedder::open(&files(models), 2).expect("the embedding model opens");
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(16) {
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        vectors.extend(embedder.embed(&batch).expect("texts are embedded"));
    }
    write(&file, &vectors);
    vectors
}

/// Writes vectors row by row, little endian.
pub(crate) fn write(file: &Path, vectors: &[Vector]) {
    let bytes: Vec<u8> =
        vectors.iter().flat_map(|vector| vector.as_slice()).flat_map(|value| value.to_le_bytes()).collect();
    fs::write(file, bytes).expect("vectors can be written");
}

/// Bytes of memory that this process holds.
pub(crate) fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

/// The processor's name and how many there are.
pub(crate) fn machine() -> String {
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {count} processors", name.trim_matches([':', '\t', ' ']))
}
