//! Which tokens the context's sequences hold, so that a prompt begins where an earlier one agrees with it.
//!
//! Two kinds are kept: the fixed start of each prompt, and for each start the last prompt that had it. A sequence
//! that was filled under one adapter is wrong under another, so it is only looked at under its own. This file
//! decides; it touches no context.
//!
//! Rooms it touches: model.

use llama_cpp_2::token::LlamaToken;

use crate::model::Role;

/// Most sequences kept: start and last prompt of extract, manage, distil and answer, and as many of a host's own.
pub(super) const MOST_KEPT: usize = 16;

/// Sequences with the tokens they hold.
#[derive(Default)]
pub(super) struct Kept {
    sequences: Vec<Option<Sequence>>,
    uses: u64,
}

struct Sequence {
    tokens: Vec<LlamaToken>,
    /// How many of these are the start of the prompt; all of them where the start itself is kept.
    start: usize,
    adapter: Option<Role>,
    used: u64,
}

impl Kept {
    /// The sequence that holds most of the beginning of `tokens`, and how much that is.
    pub(super) fn longest(&mut self, adapter: Option<Role>, tokens: &[LlamaToken]) -> Option<(usize, usize)> {
        let shared = |kept: &Sequence| shared(&kept.tokens, tokens);
        let of_adapter = self.sequences.iter().enumerate().filter_map(|(at, kept)| {
            kept.as_ref().filter(|kept| kept.adapter == adapter).map(|kept| (at, shared(kept)))
        });
        let (at, length) = of_adapter.max_by_key(|(_, length)| *length).filter(|(_, length)| *length > 0)?;
        self.uses += 1;
        if let Some(kept) = &mut self.sequences[at] {
            kept.used = self.uses;
        }
        Some((at, length))
    }

    /// Whether exactly this start is kept.
    pub(super) fn has_start(&self, adapter: Option<Role>, tokens: &[LlamaToken]) -> bool {
        self.sequences.iter().flatten().any(|kept| kept.adapter == adapter && kept.tokens == tokens)
    }

    /// Where to keep these tokens: in the place of the last prompt with the same start, in a free place, or in the
    /// one not used for longest. What was in it is no longer held.
    pub(super) fn put(&mut self, adapter: Option<Role>, tokens: &[LlamaToken], start: usize) -> usize {
        let is_start = tokens.len() == start;
        let replaces = |kept: &Sequence| {
            kept.adapter == adapter
                && (kept.tokens.len() == kept.start) == is_start
                && kept.tokens.get(..kept.start) == tokens.get(..start)
        };
        let at = (0..self.sequences.len())
            .find(|&at| self.sequences[at].as_ref().is_some_and(replaces))
            .or_else(|| self.sequences.iter().position(Option::is_none))
            .or_else(|| (self.sequences.len() >= MOST_KEPT).then(|| self.oldest(|_| true)).flatten())
            .unwrap_or(self.sequences.len());
        if at == self.sequences.len() {
            self.sequences.push(None);
        }
        self.uses += 1;
        self.sequences[at] = Some(Sequence { tokens: tokens.to_vec(), start, adapter, used: self.uses });
        at
    }

    /// The next sequence to drop so that there is room, last prompts before starts; it is no longer held.
    pub(super) fn drop_one(&mut self) -> Option<usize> {
        let at = self.oldest(|kept| kept.tokens.len() > kept.start).or_else(|| self.oldest(|_| true))?;
        self.sequences[at] = None;
        Some(at)
    }

    /// Forgets one: its sequence does not hold what was put.
    pub(super) fn drop_at(&mut self, at: usize) {
        self.sequences[at] = None;
    }

    /// Tokens held, counted as if no two sequences shared any.
    pub(super) fn tokens(&self) -> usize {
        self.sequences.iter().flatten().map(|kept| kept.tokens.len()).sum()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.sequences.clear();
    }

    fn oldest(&self, which: impl Fn(&Sequence) -> bool) -> Option<usize> {
        let candidates =
            self.sequences.iter().enumerate().filter_map(|(at, kept)| Some((at, kept.as_ref()?)));
        candidates.filter(|(_, kept)| which(kept)).min_by_key(|(_, kept)| kept.used).map(|(at, _)| at)
    }
}

/// How many tokens both begin with.
pub(super) fn shared(a: &[LlamaToken], b: &[LlamaToken]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(numbers: &[i32]) -> Vec<LlamaToken> {
        numbers.iter().copied().map(LlamaToken).collect()
    }

    #[test]
    fn nothing_is_shared_across_adapters() {
        let mut kept = Kept::default();
        let prompt = tokens(&[1, 2, 3, 4]);
        let at = kept.put(Some(Role::Manager), &prompt, 2);
        assert_eq!(kept.longest(Some(Role::Manager), &tokens(&[1, 2, 3, 9])), Some((at, 3)));
        assert_eq!(kept.longest(Some(Role::Answer), &prompt), None);
        assert_eq!(kept.longest(None, &prompt), None);
    }

    #[test]
    fn the_last_prompt_of_a_start_takes_the_place_of_the_one_before_and_not_of_the_start() {
        let mut kept = Kept::default();
        let start = kept.put(None, &tokens(&[1, 2]), 2);
        let first = kept.put(None, &tokens(&[1, 2, 3]), 2);
        let other = kept.put(None, &tokens(&[7, 8, 9]), 2);
        assert_eq!(kept.put(None, &tokens(&[1, 2, 4]), 2), first);
        assert!(start != first && first != other);
        assert!(kept.has_start(None, &tokens(&[1, 2])));
        assert_eq!(kept.tokens(), 2 + 3 + 3);
        // Room is made by last prompts, the longest unused first, and by starts at the end.
        kept.longest(None, &tokens(&[7, 8, 9]));
        assert_eq!(
            [kept.drop_one(), kept.drop_one(), kept.drop_one()],
            [Some(first), Some(other), Some(start)]
        );
        assert_eq!((kept.drop_one(), kept.tokens()), (None, 0));
    }

    #[test]
    fn there_are_never_more_than_the_context_has_sequences_for() {
        let mut kept = Kept::default();
        for number in 0..100 {
            assert!(kept.put(None, &tokens(&[number, 1, 1]), 2) < MOST_KEPT);
        }
    }
}
