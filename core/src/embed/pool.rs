//! From one vector per token to one vector per text: the mean over the tokens that are there.
//!
//! Pure functions on slices. This room knows no model and no tokenizer.
//!
//! Rooms it touches: none.

/// Mean over the tokens whose `mask` is not zero (Reimers and Gurevych 2019, arXiv 1908.10084, section 3,
/// MEAN strategy), before scaling to unit length.
///
/// `hidden` has shape `[batch, sequence, dims]` and `mask` shape `[batch, sequence]`, both row by row
/// without gaps; the result has one row `[dims]` for each text. A text without a single token in the mask
/// gives a row of zeros, which no unit vector can be made of. `None` where the lengths do not fit together.
pub(super) fn masked_mean(
    hidden: &[f32],
    mask: &[i64],
    [batch, sequence, dims]: [usize; 3],
) -> Option<Vec<Vec<f32>>> {
    let tokens = batch.checked_mul(sequence)?;
    if dims == 0 || sequence == 0 || mask.len() != tokens || hidden.len() != tokens.checked_mul(dims)? {
        return None;
    }
    let texts = hidden.chunks_exact(sequence * dims).zip(mask.chunks_exact(sequence));
    Some(texts.map(|(hidden, mask)| mean_of_one(hidden, mask, dims)).collect())
}

/// The mean of one text: `hidden` has shape `[sequence, dims]`, `mask` shape `[sequence]`.
fn mean_of_one(hidden: &[f32], mask: &[i64], dims: usize) -> Vec<f32> {
    let mut mean = vec![0.0_f32; dims];
    let mut count = 0_usize;
    for (token, _) in hidden.chunks_exact(dims).zip(mask).filter(|(_, seen)| **seen != 0) {
        count += 1;
        for (sum, value) in mean.iter_mut().zip(token) {
            *sum += value;
        }
    }
    let scale = 1.0 / count.max(1) as f32;
    for sum in &mut mean {
        *sum *= scale;
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::Vector;

    #[test]
    fn mean_counts_only_tokens_in_the_mask() {
        // Two texts of three tokens in two dimensions; the 99s are padding.
        let hidden = [1.0, 2.0, 3.0, 6.0, 99.0, 99.0, 5.0, -1.0, 99.0, 99.0, 99.0, 99.0];
        let mask = [1, 1, 0, 1, 0, 0];
        // ((1+3)/2, (2+6)/2) = (2, 4); one token is its own mean: (5, -1).
        let expected = vec![vec![2.0, 4.0], vec![5.0, -1.0]];
        assert_eq!(masked_mean(&hidden, &mask, [2, 3, 2]), Some(expected));
    }

    #[test]
    fn a_gap_in_the_mask_is_skipped() {
        // (1 + 7) / 2 = 4, not (1 + 99) / 2.
        assert_eq!(masked_mean(&[1.0, 99.0, 7.0], &[1, 0, 1], [1, 3, 1]), Some(vec![vec![4.0]]));
    }

    #[test]
    fn a_text_that_is_all_padding_is_zero_and_gives_no_unit_vector() {
        let rows = masked_mean(&[9.0, 9.0, 9.0, 9.0], &[0, 0], [1, 2, 2]).unwrap();
        assert_eq!(rows, vec![vec![0.0, 0.0]]);
        assert_eq!(Vector::normalised(rows[0].clone()), None);
    }

    #[test]
    fn a_mean_is_scaled_to_length_one() {
        // The mean (3, 4) has length 5.
        let rows = masked_mean(&[2.0, 4.0, 4.0, 4.0], &[1, 1], [1, 2, 2]).unwrap();
        let unit = Vector::normalised(rows[0].clone()).unwrap();
        assert_eq!(unit.as_slice(), [0.6, 0.8]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert_eq!(masked_mean(&[1.0; 5], &[1, 1], [1, 2, 3]), None);
        assert_eq!(masked_mean(&[1.0; 6], &[1], [1, 2, 3]), None);
        assert_eq!(masked_mean(&[], &[], [1, 0, 3]), None);
        assert_eq!(masked_mean(&[], &[], [usize::MAX, 2, 2]), None);
        assert_eq!(masked_mean(&[], &[], [0, 2, 2]), Some(vec![]));
    }
}
