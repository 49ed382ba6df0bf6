//! Chooses the next token of a reply.
//!
//! Rooms it touches: model.

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::grammar::Constraint;
use super::vocabulary::Vocabulary;
use crate::model::{ModelError, Sampling};

/// Chooses tokens one after the other.
pub(super) enum Chooser {
    Greedy,
    Drawing(LlamaSampler),
}

impl Chooser {
    pub(super) fn new(sampling: Sampling) -> Self {
        match sampling {
            Sampling::Greedy => Self::Greedy,
            Sampling::Temperature { temperature, seed } => Self::Drawing(LlamaSampler::chain(
                [LlamaSampler::temp(temperature.max(1e-3)), LlamaSampler::dist(seed)],
                true,
            )),
        }
    }

    /// The token that follows by these logits, among those that the constraint allows.
    pub(super) fn choose(
        &mut self,
        logits: &[f32],
        vocabulary: &Vocabulary,
        constraint: Option<&mut Constraint>,
    ) -> Result<LlamaToken, ModelError> {
        let open = |token: &LlamaToken| vocabulary.is_open(*token);
        match (self, constraint) {
            (Self::Greedy, None) => likeliest(logits, vocabulary.all().filter(open)),
            (Self::Greedy, Some(constraint)) => greedy(logits, vocabulary, constraint)?,
            (Self::Drawing(dice), None) => drawn(dice, logits, vocabulary.all().filter(open)),
            (Self::Drawing(dice), Some(constraint)) => {
                let allowed = constraint.allowed()?;
                drawn(dice, logits, allowed.iter().map(|token| LlamaToken(token as i32)))
            }
        }
        .ok_or_else(|| ModelError::Failed("no token was left to choose from".to_owned()))
    }
}

/// The likeliest token that the grammar allows. The likeliest of all is asked about first, for a model that follows
/// its prompt mostly means that one; only otherwise are all allowed tokens found. The answer is the same.
fn greedy(
    logits: &[f32],
    vocabulary: &Vocabulary,
    constraint: &mut Constraint,
) -> Result<Option<LlamaToken>, ModelError> {
    let Some(first) = likeliest(logits, vocabulary.all().filter(|token| vocabulary.is_open(*token))) else {
        return Ok(None);
    };
    let allowed = if vocabulary.ends(first) { constraint.may_end()? } else { constraint.allows(first)? };
    if allowed {
        return Ok(Some(first));
    }
    let allowed = constraint.allowed()?;
    Ok(likeliest(logits, allowed.iter().map(|token| LlamaToken(token as i32))))
}

/// Of equals the first; what is not a number is none.
fn likeliest(logits: &[f32], tokens: impl Iterator<Item = LlamaToken>) -> Option<LlamaToken> {
    let (mut best, mut highest) = (None, f32::NEG_INFINITY);
    for token in tokens {
        if let Some(&logit) = logits.get(token.0 as usize)
            && logit > highest
        {
            (best, highest) = (Some(token), logit);
        }
    }
    best
}

fn drawn(
    dice: &mut LlamaSampler,
    logits: &[f32],
    tokens: impl Iterator<Item = LlamaToken>,
) -> Option<LlamaToken> {
    let candidates: Vec<LlamaTokenData> = tokens
        .filter_map(|token| Some(LlamaTokenData::new(token, *logits.get(token.0 as usize)?, 0.0)))
        .filter(|candidate| candidate.logit().is_finite())
        .collect();
    if candidates.is_empty() {
        return None;
    }
    let mut candidates = LlamaTokenDataArray::new(candidates, false);
    candidates.apply_sampler(dice);
    candidates.selected_token()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_is_a_number_and_the_first_of_equals() {
        let all = || (0..4).map(LlamaToken);
        assert_eq!(likeliest(&[0.5, f32::NAN, 2.0, 2.0], all()), Some(LlamaToken(2)));
        assert_eq!(likeliest(&[f32::NAN, f32::NEG_INFINITY], all()), None);
    }
}
