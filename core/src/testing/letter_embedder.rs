//! An embedder for tests: texts that share letters are near each other.
//!
//! Deterministic, without a model or a file. It deliberately knows nothing of meaning: "puppy" and "dog"
//! have nothing in common.
//!
//! Rooms it touches: embed.

use crate::embed::{EmbedError, Embedder, Vector};

const DIMENSIONS: usize = 64;

/// Hashed character trigrams of the lower-cased text, counted in 64 buckets, at length one.
#[derive(Debug, Clone, Copy, Default)]
pub struct LetterEmbedder;

impl Embedder for LetterEmbedder {
    fn identity(&self) -> &'static str {
        "letters/64"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    /// The whole text counts. An empty text is two spaces and so has a vector of its own, always the same.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vector>, EmbedError> {
        texts.iter().map(|text| one(text)).collect()
    }
}

fn one(text: &str) -> Result<Vector, EmbedError> {
    // A space on either side makes first and last letters count, and gives every text a trigram.
    let letters: Vec<char> = format!(" {} ", text.to_lowercase()).chars().collect();
    let mut counts = vec![0.0_f32; DIMENSIONS];
    if letters.len() < 3 {
        counts[bucket(&letters)] = 1.0;
    }
    for trigram in letters.windows(3) {
        counts[bucket(trigram)] += 1.0;
    }
    Vector::normalised(counts).ok_or_else(|| EmbedError::Failed("no trigram was counted".to_owned()))
}

/// FNV-1a over the code points: stable between runs and machines, unlike the standard library's hasher.
fn bucket(letters: &[char]) -> usize {
    let hash = letters.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, letter| {
        (hash ^ u64::from(*letter)).wrapping_mul(0x0100_0000_01b3)
    });
    // The top bits of one more multiplication (splitmix64's odd constant): after three letters FNV-1a alone
    // has hardly mixed its own.
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - DIMENSIONS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let vectors = LetterEmbedder.embed(&[a, b]).unwrap();
        vectors[0].as_slice().iter().zip(vectors[1].as_slice()).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_that_share_letters_are_near() {
        assert!((cosine("Maria has a dog.", "maria HAS a dog.") - 1.0).abs() < 1e-6);
        assert!(cosine("Maria has a dog.", "Maria has a dog named Buddy.") > 0.6);
        let far = cosine("Maria has a dog.", "The quick fix fell flat");
        assert!(cosine("Maria has a dog.", "Maria has a dog named Buddy.") > far + 0.3);
    }

    #[test]
    fn every_text_has_a_vector_that_never_changes() {
        for text in ["", "a", "\u{0}", "日本", "🦀"] {
            let vectors = LetterEmbedder.embed(&[text, text]).unwrap();
            assert_eq!(vectors[0], vectors[1]);
            assert_eq!(vectors[0].dimensions(), DIMENSIONS);
        }
        // One trigram, " a ": FNV-1a over the code points 32, 97, 32, computed apart in Python: bucket 60.
        let vector = &LetterEmbedder.embed(&["a"]).unwrap()[0];
        assert_eq!(vector.as_slice().iter().position(|x| *x > 0.0), Some(60));
    }
}
