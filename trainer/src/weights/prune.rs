//! An adapter without the pairs that change their linears least: what a device evaluates with every token is less.
//!
//! Rooms it touches: none.

use super::{Base, Lora, Pair, WeightsError};

impl Lora {
    /// The adapter with this share of its pairs, those whose product alpha/rank · B·A is largest beside the base's linear, in the
    /// Frobenius norm (pruning by magnitude; Han et al., arXiv 1506.02626. Departures: whole pairs instead of single weights,
    /// and measured beside what they are added to). Part of what it loses comes back by training with `learn.from = "adapter"`. The
    /// share must leave a pair, and leave one out.
    pub fn prune(&self, share: f64, base: &Base) -> Result<Self, WeightsError> {
        let kept = (share * self.pairs.len() as f64).round();
        if !(1.0..self.pairs.len() as f64).contains(&kept) {
            return Err(WeightsError::Lora(format!(
                "a share of {share} of {} pairs keeps none or all: give one between 0 and 1, for example 0.5",
                self.pairs.len()
            )));
        }
        let mut changes = Vec::with_capacity(self.pairs.len());
        for (at, pair) in &self.pairs {
            let weights = base.tensor(&at.1.weight(at.0))?.values;
            let squares: f64 = weights.iter().map(|weight| f64::from(*weight).powi(2)).sum();
            changes.push((f64::from(self.scale(pair)).powi(2) * pair.product_squares() / squares, *at));
        }
        changes.sort_by(|one, other| other.0.total_cmp(&one.0));
        let pairs = changes.iter().take(kept as usize).map(|(_, at)| (*at, self.pairs[at].clone()));
        Ok(Self { alpha: self.alpha, pairs: pairs.collect() })
    }
}

impl Pair {
    /// Σ (B·A)², which is Σ (BᵀB)∘(AAᵀ): the product itself is never made.
    fn product_squares(&self) -> f64 {
        let (inputs, rank) = (self.a.len() / self.rank, self.rank);
        let dot = |pairs: &mut dyn Iterator<Item = (&f32, &f32)>| -> f64 {
            pairs.map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
        };
        let row = |of: usize| self.a[of * inputs..][..inputs].iter();
        let column = |of: usize| self.b.iter().skip(of).step_by(rank);
        let product =
            |(i, j): (usize, usize)| dot(&mut row(i).zip(row(j))) * dot(&mut column(i).zip(column(j)));
        (0..rank).flat_map(|i| (0..rank).map(move |j| (i, j))).map(product).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, base, lora, shape};
    use super::super::{Architecture, Linear};
    use super::*;

    #[test]
    fn a_products_norm_is_found_without_the_product() {
        // B = [[1, 2], [3, 4], [5, 6]], A = [[1, 0], [2, -1]]: B·A = [[5, -2], [11, -4], [17, -6]].
        let pair = Pair { rank: 2, a: vec![1.0, 0.0, 2.0, -1.0], b: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        let product: [f64; 6] = [5.0, -2.0, 11.0, -4.0, 17.0, -6.0];
        assert!(
            (pair.product_squares() - product.iter().map(|value| value * value).sum::<f64>()).abs() < 1e-9
        );
    }

    #[test]
    fn the_pairs_that_change_their_linears_most_are_kept_as_they_are() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let base = base(&folder, &shape);
        let mut lora = lora(&shape, 2);
        // What each changes, in parts of its own linear. The largest number stands on the largest linear, which it changes
        // second most; a pair of rank 4 counts half as much.
        let places = [((1, Linear::K), 120.0), ((0, Linear::Down), 100.0), ((0, Linear::Q), 80.0)];
        for (at, share) in places {
            let (outputs, inputs) = at.1.size(&shape);
            let weights = base.tensor(&at.1.weight(at.0)).unwrap().values;
            let norm = weights.iter().map(|weight| weight * weight).sum::<f32>().sqrt();
            let rank = if at.1 == Linear::Q { 4 } else { 2 };
            // A row of A and a column of B, of the same number each, have a product of the norm √(outputs · inputs) times that.
            let b = share * norm / (lora.alpha / rank as f32 * ((outputs * inputs) as f32).sqrt());
            let a = [vec![1.0; inputs], vec![0.0; (rank - 1) * inputs]].concat();
            let b = [vec![b], vec![7.0; rank - 1]].concat().repeat(outputs);
            lora.pairs.insert(at, Pair { rank, a, b });
        }
        for kept in 1..=3 {
            let pruned = lora.prune(kept as f64 / lora.pairs.len() as f64, &base).unwrap();
            let expected: Vec<_> = places[..kept].iter().map(|(at, _)| *at).collect();
            assert!(
                pruned.pairs.len() == kept && expected.iter().all(|at| pruned.pairs[at] == lora.pairs[at])
            );
            assert_eq!(pruned.alpha.to_bits(), lora.alpha.to_bits());
            pruned.check_whole(&shape).unwrap();
        }
        for share in [0.0, 0.01, 0.999, 1.0, 2.0, -0.5, f64::NAN] {
            assert!(lora.prune(share, &base).unwrap_err().to_string().contains("none or all"), "{share}");
        }
    }
}
