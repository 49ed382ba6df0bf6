//! Text to vectors: the seam, and the unit vector it makes.
//!
//! Embedding is a pure function of text and model. This room keeps nothing and knows no bank.
//!
//! Rooms it touches: none.

#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "onnx")]
mod pool;

#[cfg(feature = "onnx")]
pub use self::onnx::{OnnxEmbedder, OnnxFiles};

/// A vector of length one, shape `[dimensions]`, so that a dot product is a cosine.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Box<[f32]>);

impl Vector {
    /// Scales `values` to length one. `None` where that is impossible: empty, all zero, or not finite.
    pub fn normalised(mut values: Vec<f32>) -> Option<Self> {
        let norm = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-12 {
            return None;
        }
        for value in &mut values {
            *value = (f64::from(*value) / norm) as f32;
        }
        Some(Self(values.into()))
    }

    /// Takes values whose length is one already, bit for bit. `None` where it is not, within rounding.
    pub fn from_unit(values: Vec<f32>) -> Option<Self> {
        let square = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        ((square - 1.0).abs() < 1e-4).then(|| Self(values.into()))
    }

    /// The direction between vectors of one size; `None` where there is none.
    pub fn mean(vectors: &[Self]) -> Option<Self> {
        let mut sum = vectors.first()?.0.to_vec();
        for vector in &vectors[1..] {
            sum.iter_mut().zip(&vector.0).for_each(|(sum, value)| *sum += value);
        }
        Self::normalised(sum)
    }

    /// The components, shape `[dimensions]`.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// How many components.
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }
}

/// Turns text into unit vectors. Blocking; may be called from many threads.
pub trait Embedder: Send + Sync {
    /// Names the model and everything else that changes its vectors (file hash, pooling, truncation).
    /// Vectors of different identities are never compared.
    fn identity(&self) -> &str;

    /// Components of every vector it makes.
    fn dimensions(&self) -> usize;

    /// One vector for each text, in order. Text beyond the model's limit is ignored (state the limit
    /// where you implement this); an empty text still gives a vector.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vector>, EmbedError>;
}

/// Why there is no vector. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// A file of the embedding model is missing.
    #[error("the embedding model's file {path} is missing: run `keepsake models pull`, or give its path")]
    Missing {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A file of the embedding model cannot be used.
    #[error("the embedding model's file {path} cannot be used ({what}): fetch it again")]
    Unusable {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// ONNX Runtime cannot be loaded, or is too old.
    #[error("ONNX Runtime at {path} cannot be loaded ({what}): run `keepsake models pull`, or give its path")]
    Runtime {
        /// The shared library.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The model ran and failed, or gave something that is not a vector.
    #[error("the embedding model failed: {0}")]
    Failed(String),
}
