//! Guesses how a reply goes on, from what its prompt says: answers quote memories, and a changed memory begins like the
//! old one.
//!
//! A guess is evaluated in the same step as the token before it, and what the model would have chosen otherwise is thrown
//! away again: a reply is the same with and without (prompt look-up decoding, the draft of speculative decoding taken from
//! the prompt: Saxena 2023; Leviathan et al., arXiv 2211.17192).
//!
//! Rooms it touches: none.

use llama_cpp_2::token::LlamaToken;

/// Tokens at the end of a text that must be found again.
const TAIL: usize = 2;
/// Most tokens of a guess.
const MOST: usize = 8;

/// How much is guessed: more after guesses that were right, less after wrong ones.
pub(super) struct Draft {
    length: usize,
}

impl Default for Draft {
    fn default() -> Self {
        Self { length: MOST / 2 }
    }
}

impl Draft {
    /// What may follow these tokens, at most `room` of them: what followed the last place where they ended the same.
    pub(super) fn guess<'a>(&self, tokens: &'a [LlamaToken], room: usize) -> &'a [LlamaToken] {
        let Some(before) = tokens.len().checked_sub(TAIL) else { return &[] };
        let tail = &tokens[before..];
        let found = (0..before).rev().find(|&at| tokens[at..].starts_with(tail));
        let Some(at) = found else { return &[] };
        let follows = &tokens[at + TAIL..];
        &follows[..self.length.min(room).min(follows.len())]
    }

    /// Takes note of how much of a guess was right.
    pub(super) fn was(&mut self, right: usize, of: usize) {
        self.length = if right == of { (self.length * 2).min(MOST) } else { right.max(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_what_followed_the_last_same_ending() {
        let tokens = |numbers: &[i32]| numbers.iter().copied().map(LlamaToken).collect::<Vec<_>>();
        let text = tokens(&[1, 2, 3, 9, 1, 2, 4, 5, 1, 2]);
        let mut draft = Draft::default();
        assert_eq!(draft.guess(&text, 8), tokens(&[4, 5, 1, 2]));
        assert_eq!(draft.guess(&text, 1), tokens(&[4]));
        assert_eq!(draft.guess(&text, 0), []);
        assert_eq!(draft.guess(&text[..1], 8), []);
        assert_eq!(draft.guess(&text[..4], 8), [], "nothing ends like this");
        assert_eq!(draft.guess(&tokens(&[7, 7, 7]), 8), tokens(&[7]), "a tail may overlap itself");
        draft.was(1, 4);
        assert_eq!(draft.guess(&text, 8), tokens(&[4]));
        draft.was(0, 1);
        draft.was(1, 1);
        assert_eq!(draft.guess(&text, 8), tokens(&[4, 5]));
    }
}
