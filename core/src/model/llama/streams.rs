//! Which tokens the streams of a context hold, so that a prompt begins where an earlier one agrees with it.
//!
//! A stream has a cache of its own, filled from its beginning without gaps. That is what makes a prompt's values the
//! same whoever else is read, see docs/inference.md. What was filled under one adapter is wrong under another. This file
//! decides; it touches no context.
//!
//! Rooms it touches: model.

use llama_cpp_2::token::LlamaToken;

use crate::model::Role;

/// The streams of a context with the tokens they hold.
pub(super) struct Streams {
    held: Vec<Held>,
    uses: u64,
}

#[derive(Clone, Default)]
struct Held {
    tokens: Vec<LlamaToken>,
    adapter: Option<Role>,
    used: u64,
}

/// Where a prompt is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The stream to read it in.
    pub(super) stream: usize,
    /// The stream to copy first, where another one holds more of it.
    pub(super) from: Option<usize>,
    /// How much of it is held then; what follows in the stream is to be cut off.
    pub(super) length: usize,
}

impl Streams {
    /// So many empty streams.
    pub(super) fn new(count: usize) -> Self {
        Self { held: vec![Held::default(); count], uses: 0 }
    }

    /// Takes a stream that is not `busy` for these tokens: the one that holds most of their beginning, or the one that
    /// was not used for longest, with a copy of what a busy one holds. `whole` cuts a length down to one from which it
    /// may be read on. At least one stream must not be busy.
    pub(super) fn place(
        &mut self,
        adapter: Option<Role>,
        tokens: &[LlamaToken],
        busy: &[usize],
        whole: impl Fn(usize) -> usize,
    ) -> Place {
        let shares = |held: &Held| {
            let same = held.adapter == adapter;
            whole(if same { shared(&held.tokens, tokens) } else { 0 })
        };
        let lengths: Vec<usize> = self.held.iter().map(shares).collect();
        let best = lengths.iter().copied().max().unwrap_or(0);
        let free = |at: &usize| !busy.contains(at);
        let all = || 0..self.held.len();
        let oldest = |at: &usize| self.held[*at].used;
        let holds_best = |at: &usize| lengths[*at] == best && best > 0;
        let in_place = all().filter(free).filter(holds_best).min_by_key(oldest);
        let stream = in_place.or_else(|| all().filter(free).min_by_key(oldest)).unwrap_or(0);
        let from = in_place.is_none().then(|| all().find(holds_best)).flatten();
        self.uses += 1;
        let kept = tokens[..best].to_vec();
        self.held[stream] = Held { tokens: kept, adapter, used: self.uses };
        Place { stream, from, length: best }
    }

    /// Takes note that a stream holds exactly these, from its beginning.
    pub(super) fn hold(&mut self, stream: usize, tokens: &[LlamaToken]) {
        tokens.clone_into(&mut self.held[stream].tokens);
    }

    /// Takes note that a stream holds these too.
    pub(super) fn extend(&mut self, stream: usize, tokens: &[LlamaToken]) {
        self.held[stream].tokens.extend_from_slice(tokens);
    }

    /// Takes note that a stream holds no more than the first so many.
    pub(super) fn keep(&mut self, stream: usize, length: usize) {
        self.held[stream].tokens.truncate(length);
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

    fn place(streams: &mut Streams, numbers: &[i32], busy: &[usize]) -> Place {
        let tokens = tokens(numbers);
        let place = streams.place(None, &tokens, busy, |length| length);
        streams.extend(place.stream, &tokens[place.length..]);
        place
    }

    #[test]
    fn a_prompt_is_read_where_most_of_it_is_held() {
        let mut streams = Streams::new(3);
        assert_eq!(place(&mut streams, &[1, 2, 3], &[]), Place { stream: 0, from: None, length: 0 });
        assert_eq!(place(&mut streams, &[7, 8], &[]), Place { stream: 1, from: None, length: 0 });
        assert_eq!(place(&mut streams, &[1, 2, 4], &[]), Place { stream: 0, from: None, length: 2 });
        // The one that holds it is at work: another gets a copy, the one unused for longest.
        assert_eq!(place(&mut streams, &[1, 2, 4, 5], &[0]), Place { stream: 2, from: Some(0), length: 3 });
        assert_eq!(place(&mut streams, &[7, 9], &[0, 2]), Place { stream: 1, from: None, length: 1 });
        assert_eq!(place(&mut streams, &[5], &[]).stream, 0, "unused for longest");
    }

    #[test]
    fn nothing_is_shared_across_adapters_and_lengths_are_cut_to_where_reading_may_go_on() {
        let mut streams = Streams::new(2);
        let prompt = tokens(&[1, 2, 3, 4]);
        let manager = Some(Role::Manager);
        streams.place(manager, &prompt, &[], |length| length);
        streams.hold(0, &prompt);
        let all = |length| length;
        assert_eq!(streams.place(manager, &tokens(&[1, 2, 3, 9]), &[], all).length, 3);
        streams.hold(0, &prompt);
        assert_eq!(streams.place(None, &prompt, &[0], all), Place { stream: 1, from: None, length: 0 });
        let even = |length| length / 2 * 2;
        assert_eq!(streams.place(manager, &tokens(&[1, 2, 3, 9]), &[], even).length, 2);
    }
}
