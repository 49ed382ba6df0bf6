//! Every setting of the engine: its unit, its default and the evidence for it.
//!
//! Settings that belong to one model or one file stand with that model
//! ([`LlamaSettings`](crate::model::LlamaSettings)). Rooms it touches: none.

use std::time::Duration;

/// How the engine works. Cheap to clone; the defaults are for a phone.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Turns of the same session that extraction reads before the turn itself: one fewer to two more, so that they begin
    /// at the same turn for four turns in a row. Default 2: enough for "him" and "there". Of the 64 turns of the demo a
    /// model of 0.5B parameters failed 17 with 2, 25 with 4 and 34 with 4 to 10: it took facts from what was said before.
    pub context_turns: usize,
    /// Memories of the bank shown to the manager for the facts of a turn. Default 6: the paper does not state its number; a small
    /// model's choice gets worse with every distractor, and a fact rarely concerns more than two memories.
    pub shown_memories: usize,
    /// How many memories and turns are retrieved for a question. Default: the 60 best, as many as in Memory-R1,
    /// section 4.1, whose quota of 30 for each speaker costs 4 points of recall@60 (field.md).
    pub retrieved: Take,
    /// Whether turns are retrieved for a question too. Default true: what extraction left out can be answered. Without
    /// them an answer tells what the memories are worth, as in Memory-R1: a trainer judges its manager by that.
    pub answers_from_turns: bool,
    /// Who picks the memories that an answer is given from. Default [`Distil::Trained`].
    pub distil: Distil,
    /// Most tokens of retrieved text in the distil step's prompt. Default 2,400: with wording and reply this
    /// stays within the 3,000 tokens beyond which an 8B model answers worse (field.md).
    pub distil_tokens: usize,
    /// Most tokens of retrieved text in the answer step's prompt where nothing was distilled: the best hits.
    /// Default 300: token F1 on 30 questions of LoCoMo's conversation 26 with 150, 300, 450 tokens: 20, 33, 31
    /// (SmolLM2-135M); with 300, 600: 49, 47 (Qwen2.5-Coder-0.5B). A larger model may gain from more.
    pub answer_tokens: usize,
    /// How what is found is ranked.
    pub ranking: Ranking,
    /// What the turns around a turn count for it.
    pub around: Around,
    /// Texts embedded at a time when vectors are made up for. Default 16: larger batches gain nothing on two
    /// threads and hold more memory.
    pub embed_batch: usize,
    /// Whether it is noted when an answer was last given from a memory, which [`Retention`] can go by. Default false:
    /// it makes every answer a change of the bank.
    pub note_use: bool,
    /// What is forgotten unasked. Default: nothing.
    pub retention: Retention,
}

/// What is kept no longer: forgotten as by the user, without a trace. [`Engine::process`](crate::Engine::process) looks
/// when it is first called and once a day from then on; [`Engine::due`](crate::Engine::due) tells beforehand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Turns that came in longer ago, and memories that were last changed longer ago, by the host's clock. A memory
    /// that was changed since keeps its history.
    pub age: Option<Duration>,
    /// Memories that were neither changed nor used for so long. Without [`Config::note_use`] nothing is known of use.
    pub unused: Option<Duration>,
    /// Most memories of a space that hold; of more, those go first that were not changed or used for longest.
    pub memories: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            context_turns: 2,
            shown_memories: 6,
            retrieved: Take::Best(60),
            answers_from_turns: true,
            distil: Distil::Trained,
            distil_tokens: 2_400,
            answer_tokens: 300,
            ranking: Ranking::default(),
            around: Around::default(),
            embed_batch: 16,
            note_use: false,
            retention: Retention::default(),
        }
    }
}

/// What the turns before and after a turn in its session count for it, the nearest first, against 1 for its own: their
/// words by this in 64ths, their vectors by this times [`Ranking::neighbour`]. Beyond what is listed they count nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// Those before it. Default 1 and 0.5: a turn often answers the one before.
    pub before: Vec<f32>,
    /// Those after it. Default 0.75 and 0.5.
    ///
    /// Evidence: two turns on either side, all in full, are worth 9 points of recall@10 on LoCoMo for words alone
    /// (field.md); with these weights the default ranking finds 2.5 more, and as much at 60.
    pub after: Vec<f32>,
}

impl Default for Around {
    fn default() -> Self {
        Self { before: vec![1.0, 0.5], after: vec![0.75, 0.5] }
    }
}

impl Around {
    /// How many turns on either side may count.
    pub(crate) fn reach(&self) -> usize {
        self.before.len().max(self.after.len())
    }

    /// What the turn at an offset counts: −1 is the one before, 0 the turn itself.
    pub(crate) fn weight(&self, offset: isize) -> f32 {
        let side = if offset < 0 { &self.before } else { &self.after };
        match offset.unsigned_abs() {
            0 => 1.0,
            distance => side.get(distance - 1).copied().unwrap_or(0.0),
        }
    }
}

/// How many units are wanted, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Take {
    /// So many.
    Best(usize),
    /// So many of each speaker.
    PerSpeaker(usize),
    /// As many as fit into a prompt of so many tokens, estimated: a token for four bytes, and 24 for time and speaker.
    Tokens(usize),
}

/// What a unit's score is made of. The two parts that every unit has are scaled to 0–1 over all candidates and share
/// a weight of 1; the rest is added to that.
///
/// The evidence is recall on the two conversations of LoCoMo that were tuned on (conversation 26 and 30, 231
/// questions, turns as units; `make bench-retrieval`): mean fraction of the evidence among the first 10 and the first
/// 60, in points, against the same without the setting. All of them together are worth 5.7 and 1.9 over
/// the plain sum. How they were kept from fitting these two only: docs/retrieval.md.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// Weight of words against vectors, 0 to 1. Default 0.5: the plain sum; 0.4 and 0.6 are within a point of it.
    pub lexical: f32,
    /// Whether a word of the question is also found in its irregular forms ("go", "went"). Default true: worth
    /// 0.3 and nothing, and as much at 60 on FriendsQA.
    pub forms: bool,
    /// How much a neighbour's cosine counts: this times [`Config::around`]. Default 0.25: worth 1.1 and 0.2.
    pub neighbour: f32,
    /// For what was said by somebody whom the question names. Default 0.125: worth 2.1 and 0.7.
    pub speaker: f32,
    /// For what was said in the days that the question speaks of, or in the week after. Default 0.1, a guess: the ten
    /// questions that name a date find their evidence without it, and none says "last week".
    pub time: f32,
    /// For what says when something was, where the question asks for that. Default 0.15: worth 0.5
    /// and 0.2.
    pub dated: f32,
    /// For a unit with all the names (words with a capital letter) that the question has beside the speakers'.
    /// Default 0.1: worth 0.1 and nothing.
    pub entity: f32,
    /// For each e-fold of a unit's length in bytes: what says more is more often evidence.
    /// Default 0.035: worth 0.2 and 0.2, and 1.5 and 1.2 on FriendsQA.
    pub length: f32,
    /// Taken from what ends as a question: evidence is more often the reply. Default 0.075: worth 2.3 and nothing.
    pub question: f32,
    /// For the turns a memory came from: this part of what the memory has for words and vectors. Default 0.2: with
    /// LoCoMo's own observations as memories worth 0.9 at 60, and 7 of all the evidence of multi-hop questions.
    pub linked: f32,
    /// Whether the question is embedded a second time without the speakers' names, and the mean of both is searched
    /// for: with them, what is nearest is whatever has the name in it.
    /// Default true: worth 2.3 and 1.1.
    pub nameless: bool,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            lexical: 0.5,
            forms: true,
            neighbour: 0.25,
            speaker: 0.125,
            time: 0.1,
            dated: 0.15,
            entity: 0.1,
            length: 0.035,
            question: 0.075,
            linked: 0.2,
            nameless: true,
        }
    }
}

/// Who picks the memories that an answer is given from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Distil {
    /// The model, where it was trained to (an adapter says so); the retrieval order otherwise. Untrained, SmolLM2-135M falls from 33 to 18 points of F1 by distilling, at four times the
    /// time (same 30 questions as for `answer_tokens`).
    #[default]
    Trained,
    /// Always the model: one call more for each answer.
    Always,
    /// Never the model: the best hits, in the order of retrieval.
    Never,
}
