//! Vectors as bytes: how they are rounded, held and compared.
//!
//! A component is held in 8 bits, in steps of a 127th of the vector's largest, with one scale for the vector that
//! gives it back its length. Rounding moves a cosine by about 0.0004 at 384 dimensions (standard deviation), a
//! sixth of what rounding the embedding model's own weights does (field.md: cosine 0.9994).
//!
//! The loop over rows is compiled for several generations of processors and the best one is chosen at run time, by
//! the multiversion crate, without `unsafe` here.
//!
//! Rooms it touches: embed (for [`Vector`]).

use multiversion::multiversion;

use crate::embed::Vector;

/// Rows that are compared at a time: their products stay in the processor's nearest cache.
const BLOCK: usize = 256;

/// Vectors of one size, row by row.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// Shape `[rows, dimensions]`.
    codes: Vec<i8>,
    /// What a code is worth, by row.
    scales: Vec<f32>,
    dimensions: usize,
}

impl Rows {
    pub(super) fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(super) fn len(&self) -> usize {
        self.scales.len()
    }

    /// Adds a row at the end.
    pub(super) fn push(&mut self, vector: &Vector) {
        debug_assert_eq!(vector.dimensions(), self.dimensions);
        let (codes, scale) = rounded(vector);
        self.push_codes(&codes, scale);
    }

    /// Adds a row of others at the end.
    pub(super) fn push_row(&mut self, others: &Self, row: usize) {
        self.push_codes(others.codes(row), others.scales[row]);
    }

    fn push_codes(&mut self, codes: &[i8], scale: f32) {
        if self.codes.len() + codes.len() > self.codes.capacity() {
            // An eighth more, where a vector that grows by itself doubles.
            self.codes.reserve_exact((self.codes.len() / 8).max(codes.len() * BLOCK));
            self.scales.reserve_exact((self.scales.len() / 8).max(BLOCK));
        }
        self.codes.extend_from_slice(codes);
        self.scales.push(scale);
    }

    pub(super) fn replace(&mut self, row: usize, vector: &Vector) {
        let (codes, scale) = rounded(vector);
        self.codes[row * self.dimensions..][..self.dimensions].copy_from_slice(&codes);
        self.scales[row] = scale;
    }

    /// Takes a row out; the last one moves into its place.
    pub(super) fn swap_remove(&mut self, row: usize) {
        let last = self.codes.len() - self.dimensions;
        self.codes.copy_within(last.., row * self.dimensions);
        self.codes.truncate(last);
        self.scales.swap_remove(row);
    }

    fn codes(&self, row: usize) -> &[i8] {
        &self.codes[row * self.dimensions..][..self.dimensions]
    }

    /// Gives the cosine of every row to the query, in their order.
    pub(super) fn scan(&self, query: &Query, mut give: impl FnMut(usize, f32)) {
        let mut products = [0_i32; BLOCK];
        // A width of at least one keeps `chunks` from panicking while nothing is in.
        let blocks = self.codes.chunks(BLOCK * self.dimensions.max(1)).zip(self.scales.chunks(BLOCK));
        for (block, (codes, scales)) in blocks.enumerate() {
            dot_products(&query.codes, codes, &mut products);
            for (row, (product, scale)) in products.iter().zip(scales).enumerate() {
                give(block * BLOCK + row, query.cosine(*product, *scale));
            }
        }
    }

    /// The cosine of one row to the query.
    pub(super) fn cosine(&self, query: &Query, row: usize) -> f32 {
        let mut product = [0];
        dot_products(&query.codes, self.codes(row), &mut product);
        query.cosine(product[0], self.scales[row])
    }

    /// The cosine of one row to a row of others.
    pub(super) fn cosine_between(&self, row: usize, others: &Self, other: usize) -> f32 {
        let product = dot_product(self.codes(row), others.codes(other));
        (product as f32 * self.scales[row] * others.scales[other]).clamp(-1.0, 1.0)
    }
}

/// A vector that rows are compared with, rounded to 16 bits.
#[derive(Debug, Clone)]
pub(super) struct Query {
    codes: Vec<i16>,
    scale: f32,
}

impl Query {
    pub(super) fn new(vector: &Vector) -> Self {
        let values = vector.as_slice();
        // No sum of products may leave 32 bits: by Cauchy and Schwarz it is at most the product of the lengths, and
        // a row's length at most 127 · √dimensions.
        let most = 2_f32.powi(30) / (127.0 * (values.len() as f32).sqrt());
        let steps = (f32::from(i16::MAX) / largest(values)).min(most);
        let codes = values.iter().map(|value| (value * steps).round() as i16).collect();
        Self { codes, scale: 1.0 / steps }
    }

    fn cosine(&self, product: i32, scale: f32) -> f32 {
        (product as f32 * self.scale * scale).clamp(-1.0, 1.0)
    }
}

/// A unit vector in 8 bits, and the scale that makes it one again. A unit vector has a component that is not zero.
fn rounded(vector: &Vector) -> (Vec<i8>, f32) {
    let steps = 127.0 / largest(vector.as_slice());
    let codes: Vec<i8> = vector.as_slice().iter().map(|value| (value * steps).round() as i8).collect();
    let length = codes.iter().map(|code| f64::from(*code).powi(2)).sum::<f64>().sqrt();
    (codes, (1.0 / length) as f32)
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most: f32, value| most.max(value.abs()))
}

/// The dot product of the query with each row. Wrapping only says that no check is wanted: see [`Query::new`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "x86+avx2"))]
fn dot_products(query: &[i16], rows: &[i8], products: &mut [i32]) {
    for (row, product) in rows.chunks_exact(query.len()).zip(products) {
        let mut sum = 0_i32;
        for (a, b) in query.iter().zip(row) {
            sum = sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)));
        }
        *product = sum;
    }
}

/// The dot product of two rows: at most 127² times the dimensions.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "x86+avx2"))]
fn dot_product(a: &[i8], b: &[i8]) -> i32 {
    let mut sum = 0_i32;
    for (a, b) in a.iter().zip(b) {
        sum = sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &[f32]) -> Vector {
        Vector::normalised(values.to_vec()).unwrap()
    }

    /// Components even over −1 to 1, from a seed (splitmix64's finaliser).
    fn random(seed: u64, dimensions: usize) -> Vector {
        let value = |at: usize| {
            let mixed = (seed * 1000 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed ^ (mixed >> 27)) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
        };
        vector(&(0..dimensions).map(value).collect::<Vec<_>>())
    }

    fn all(rows: &Rows, query: &Query) -> Vec<f32> {
        let mut cosines = Vec::new();
        rows.scan(query, |row, cosine| {
            assert_eq!(row, cosines.len());
            cosines.push(cosine);
        });
        cosines
    }

    fn dot(a: &Vector, b: &Vector) -> f32 {
        a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn cosines_are_those_of_the_vectors_within_rounding() {
        for dimensions in [1, 2, 7, 384, 1024] {
            let vectors: Vec<Vector> = (0..600).map(|seed| random(seed, dimensions)).collect();
            let mut rows = Rows::new(dimensions);
            for vector in &vectors {
                rows.push(vector);
            }
            let query = random(9999, dimensions);
            let rounded = Query::new(&query);
            // Each component is off by at most half a step of 1/127 of the largest, which is at most 1; the query's
            // components add up to at most √dimensions.
            let bound =
                0.5 / 127.0 * (dimensions as f32).sqrt() * largest(vectors[0].as_slice()).max(0.1) * 2.0;
            let cosines = all(&rows, &rounded);
            assert_eq!(cosines.len(), vectors.len());
            for (row, vector) in vectors.iter().enumerate() {
                let expected = dot(vector, &query);
                assert!((cosines[row] - expected).abs() <= bound, "{} is not {expected}", cosines[row]);
                assert_eq!(cosines[row].to_bits(), rows.cosine(&rounded, row).to_bits());
                let between = rows.cosine_between(row, &rows, 0);
                assert!((between - dot(vector, &vectors[0])).abs() <= 2.0 * bound);
            }
        }
    }

    #[test]
    fn the_largest_products_fit() {
        // Every component at its most, in as many dimensions as any embedder has: 32,767 · 127 · 4,096 does not fit
        // into 32 bits.
        let vector = vector(&[1.0; 4096]);
        let mut rows = Rows::new(4096);
        rows.push(&vector);
        assert!((rows.cosine(&Query::new(&vector), 0) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_vector_is_nearest_to_itself() {
        let mut rows = Rows::new(384);
        (0..300).for_each(|seed| rows.push(&random(seed, 384)));
        for seed in [0, 255, 256, 299] {
            let query = Query::new(&random(seed, 384));
            let best = all(&rows, &query).into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            assert_eq!(best.0 as u64, seed);
            assert!(best.1 > 0.999);
        }
    }

    #[test]
    fn rows_are_replaced_and_taken_out() {
        let mut rows = Rows::new(2);
        for values in [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]] {
            rows.push(&vector(&values));
        }
        rows.replace(1, &vector(&[1.0, 1.0]));
        rows.swap_remove(0);
        let cosines = all(&rows, &Query::new(&vector(&[1.0, 0.0])));
        assert_eq!(rows.len(), 2);
        assert!((cosines[0] + 1.0).abs() < 1e-3 && (cosines[1] - 0.5_f32.sqrt()).abs() < 1e-3, "{cosines:?}");
    }
}
