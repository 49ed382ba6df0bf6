//! Every setting of the engine: its unit, its default and the evidence for it.
//!
//! Settings that belong to one model or one file stand with that model
//! ([`LlamaSettings`](crate::model::LlamaSettings)). Rooms it touches: none.

use std::time::Duration;

/// How the engine works. Cheap to clone; the defaults are for a phone.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Turns of the same session that extraction reads before the turn itself. Default 4: a guess; enough for
    /// "him" and "there", few enough that a small model does not take facts from them.
    pub context_turns: usize,
    /// Memories shown to the manager for one fact. Default 6: the paper does not state its number; a small
    /// model's choice gets worse with every distractor, and a fact rarely concerns more than two memories.
    pub shown_memories: usize,
    /// Most memories and turns that are retrieved for a question. Default 60: Memory-R1, section 4.1.
    pub retrieved: usize,
    /// Who picks the memories that an answer is given from. Default [`Distil::Trained`].
    pub distil: Distil,
    /// Most tokens of retrieved text in the distil step's prompt. Default 2,400: with wording and reply this
    /// stays within the 3,000 tokens beyond which an 8B model answers worse (field.md).
    pub distil_tokens: usize,
    /// Most tokens of retrieved text in the answer step's prompt where nothing was distilled: the best hits.
    /// Default 300: token F1 on 30 questions of LoCoMo's conversation 26 with 150, 300, 450 tokens: 20, 33, 31
    /// (SmolLM2-135M); with 300, 600: 49, 47 (Qwen2.5-Coder-0.5B). A larger model may gain from more.
    pub answer_tokens: usize,
    /// Turns before and after a turn that count towards its words in lexical search. Default 2: worth 9
    /// points of recall@10 on LoCoMo (field.md).
    pub neighbours: usize,
    /// Weight of lexical against dense search in the score sum, 0 to 1. Default 0.5: the plain min–max sum
    /// of field.md, untuned.
    pub lexical_weight: f32,
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
            context_turns: 4,
            shown_memories: 6,
            retrieved: 60,
            distil: Distil::Trained,
            distil_tokens: 2_400,
            answer_tokens: 300,
            neighbours: 2,
            lexical_weight: 0.5,
            embed_batch: 16,
            note_use: false,
            retention: Retention::default(),
        }
    }
}

/// Who picks the memories that an answer is given from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Distil {
    /// The model, where it was trained for the answer agent's prompts (an adapter); the retrieval order
    /// otherwise. Untrained, SmolLM2-135M falls from 33 to 18 points of F1 by distilling, at four times the
    /// time (same 30 questions as for `answer_tokens`).
    #[default]
    Trained,
    /// Always the model: one call more for each answer.
    Always,
}
