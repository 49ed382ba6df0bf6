//! An adapter of a lower rank that does nearly the same: what a device evaluates with every token is less, and so is the file.
//!
//! Rooms it touches: none.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{Lora, Pair, WeightsError};

impl Lora {
    /// The adapter of this rank whose products B·A are nearest to these in the Frobenius norm: of each its largest singular
    /// values (Eckart and Young, Psychometrika 1936), shared evenly by A and B. Refused where a pair has that rank or less
    /// already, or another rank than the others, or where a linear is narrower than that.
    pub fn lower(&self, rank: usize) -> Result<Self, WeightsError> {
        let Some(before) = self.rank().filter(|before| (1..*before).contains(&rank)) else {
            let what = format!("all pairs must have one rank, above {rank}, and that must be above 0");
            return Err(WeightsError::Lora(what));
        };
        let narrowest = self.pairs.values().map(|pair| pair.a.len().min(pair.b.len()) / pair.rank).min();
        if narrowest.is_some_and(|narrowest| narrowest < rank) {
            return Err(WeightsError::Lora(format!("a linear is narrower than {rank}; take a lower rank")));
        }
        let pairs: BTreeMap<_, _> = self.pairs.iter().map(|(at, pair)| (*at, pair.lower(rank))).collect();
        // A product counts alpha / rank.
        Ok(Self { alpha: self.alpha * rank as f32 / before as f32, pairs })
    }
}

impl Pair {
    fn lower(&self, rank: usize) -> Self {
        let (before, kept) = (self.rank as i64, rank as i64);
        let a = Tensor::from_slice(&self.a).to_kind(Kind::Double).view([before, -1]);
        let b = Tensor::from_slice(&self.b).to_kind(Kind::Double).view([-1, before]);
        // B·A = Qb (Rb·Raᵀ) Qaᵀ: the singular values are those of the small matrix between.
        let (of_a, rest_of_a) = Tensor::linalg_qr(&a.tr(), "reduced");
        let (of_b, rest_of_b) = Tensor::linalg_qr(&b, "reduced");
        let (left, values, right) = rest_of_b.matmul(&rest_of_a.tr()).svd(true, true);
        let share = values.narrow(0, 0, kept).sqrt();
        let numbers = |of: &Tensor| Vec::try_from(of.to_kind(Kind::Float).contiguous().view(-1));
        let a = share.unsqueeze(1) * of_a.matmul(&right.narrow(1, 0, kept)).tr();
        let b = of_b.matmul(&left.narrow(1, 0, kept)) * share;
        let what = "a flat tensor of floats is a vector of them";
        Self { rank, a: numbers(&a).expect(what), b: numbers(&b).expect(what) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{lora, shape};
    use super::super::{Architecture, Linear};
    use super::*;

    /// The product of a pair, times what it counts.
    fn product(lora: &Lora, at: (usize, Linear)) -> Tensor {
        let pair = &lora.pairs[&at];
        let a = Tensor::from_slice(&pair.a).view([pair.rank as i64, -1]);
        let b = Tensor::from_slice(&pair.b).view([-1, pair.rank as i64]);
        b.matmul(&a) * f64::from(lora.scale(pair))
    }

    fn norm(of: &Tensor) -> f64 {
        of.norm().double_value(&[])
    }

    #[test]
    fn the_nearest_adapter_of_a_lower_rank_is_what_the_whole_products_largest_values_make() {
        let shape = shape(Architecture::Llama);
        let lora = lora(&shape, 4);
        let lower = lora.lower(2).unwrap();
        lower.check_whole(&shape).unwrap();
        assert_eq!(lower.rank(), Some(2));
        for at in lora.pairs.keys().copied() {
            let whole = product(&lora, at);
            let (_, values, _) = whole.svd(true, true);
            let left_out = norm(&values.narrow(0, 2, values.size()[0] - 2));
            let apart = norm(&(whole - product(&lower, at)));
            assert!(left_out > 0.0 && (apart / left_out - 1.0).abs() < 1e-3, "{at:?}: {apart}, {left_out}");
        }
    }

    #[test]
    fn what_is_of_a_lower_rank_already_is_kept_to_the_bits_that_count_or_refused() {
        let shape = shape(Architecture::Llama);
        let one = lora(&shape, 2);
        // The same products as of rank 4, half of it zeros.
        let wider = |pair: &Pair| {
            let a = [pair.a.clone(), vec![0.0; pair.a.len()]].concat();
            let b = pair.b.chunks(2).flat_map(|row| [row[0], row[1], 0.0, 0.0]).collect();
            Pair { rank: 4, a, b }
        };
        let pairs = one.pairs.iter().map(|(at, pair)| (*at, wider(pair))).collect();
        let wide = Lora { alpha: 2.0 * one.alpha, pairs };
        let lower = wide.lower(2).unwrap();
        assert!((lower.alpha - one.alpha).abs() < 1e-6);
        for at in one.pairs.keys().copied() {
            let (same, again) = (product(&one, at), product(&lower, at));
            assert!(norm(&(&same - again)) < 1e-5 * norm(&same), "{at:?}");
        }
        for (lora, rank) in [(&one, 2), (&one, 3), (&one, 0)] {
            assert!(lora.lower(rank).unwrap_err().to_string().contains("one rank, above"), "{rank}");
        }
        // Keys are 16 wide.
        let forty = lora(&shape, 40);
        assert!(forty.lower(17).unwrap_err().to_string().contains("narrower"));
        forty.lower(16).unwrap();
        let mut mixed = one.clone();
        mixed.pairs.insert((0, Linear::Q), wider(&one.pairs[&(0, Linear::Q)]));
        assert!(mixed.lower(1).is_err());
    }
}
