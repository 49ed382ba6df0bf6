//! A model's tokens and grammars without its weights: for a trainer, which must read and write what the device does,
//! token by token.
//!
//! It computes nothing and chooses nothing. Rooms it touches: prompt::chat, model.

use std::path::Path;
use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::grammar::{Constraint, Grammars};
use super::vocabulary::{Utf8, Vocabulary};
use super::{backend, chat_format, read_head};
use crate::model::ModelError;
use crate::prompt::chat::{Chat, ChatFormat};

/// A token's number in a model's vocabulary.
type Token = i32;

/// The tokens and grammars of a model file.
pub struct Tokenizer {
    vocabulary: Arc<Vocabulary>,
    grammars: Grammars,
    format: ChatFormat,
    end: Token,
}

impl Tokenizer {
    /// Reads the vocabulary of a model file, and none of its weights. `backends` as in
    /// [`LlamaSettings`](super::LlamaSettings).
    pub fn open(model: &Path, backends: Option<&Path>) -> Result<Self, ModelError> {
        let head = read_head(model)?;
        let format = chat_format(model, &head)?;
        let unusable = |what: &str| ModelError::Unusable { path: model.to_owned(), what: what.to_owned() };
        if model.to_str().is_none() {
            return Err(unusable("its path is not valid UTF-8"));
        }
        let params = LlamaModelParams::default().with_vocab_only(true);
        let loaded = LlamaModel::load_from_file(backend(backends)?, model, &params)
            .map_err(|_| unusable("llama.cpp cannot read its vocabulary"))?;
        let end = loaded.vocab().tokenize(format.end_of_turn().as_bytes(), false, true);
        let (Some(vocabulary), [end]) = (Vocabulary::new(Arc::new(loaded), format), &end[..]) else {
            return Err(ModelError::ChatFormat { path: model.to_owned() });
        };
        let vocabulary = Arc::new(vocabulary);
        if !vocabulary.ends(*end) {
            return Err(unusable(
                "the token that ends a turn in its chat format does not end one in its vocabulary",
            ));
        }
        Ok(Self { grammars: Grammars::new(&vocabulary)?, vocabulary, format, end: end.0 })
    }

    /// How many tokens there are.
    pub fn size(&self) -> usize {
        self.vocabulary.all().count()
    }

    /// The tokens that the device evaluates before it replies to a chat.
    pub fn prompt(&self, chat: &Chat) -> Vec<Token> {
        self.vocabulary.prompt(self.format, chat).tokens.into_iter().map(|token| token.0).collect()
    }

    /// Text as content: never a control token.
    pub fn content(&self, text: &str) -> Vec<Token> {
        self.vocabulary.plain(text.as_bytes()).into_iter().map(|token| token.0).collect()
    }

    /// The text of tokens; control tokens have none.
    pub fn text(&self, tokens: &[Token]) -> String {
        let mut text = Utf8::default();
        for token in tokens {
            text.push(&self.vocabulary.bytes(LlamaToken(*token)));
        }
        text.whole
    }

    /// The bytes of a token, which need not be whole characters; control tokens have none.
    pub fn bytes(&self, token: Token) -> Vec<u8> {
        self.vocabulary.bytes(LlamaToken(token))
    }

    /// The token that ends a turn in the model's chat format.
    pub fn end(&self) -> Token {
        self.end
    }

    /// Whether a token ends a reply.
    pub fn ends(&self, token: Token) -> bool {
        self.vocabulary.ends(LlamaToken(token))
    }

    /// A reply under a grammar, before its first token; under none, every token that is no control token may follow.
    pub fn writing(&self, grammar: Option<&str>) -> Result<Writing, ModelError> {
        let constraint = grammar.map(|expression| self.grammars.of(expression)).transpose()?;
        Ok(Writing { vocabulary: Arc::clone(&self.vocabulary), constraint })
    }
}

/// Where a reply stands: what may follow, and what must. Taken in turns, as the device does: what is forced first, and
/// where nothing is, a choice among what is allowed.
pub struct Writing {
    vocabulary: Arc<Vocabulary>,
    constraint: Option<Constraint>,
}

impl Writing {
    /// Text that the reply must go on with, as tokens, taken as said.
    pub fn forced(&mut self) -> Result<Vec<Token>, ModelError> {
        let Some(constraint) = &mut self.constraint else { return Ok(Vec::new()) };
        Ok(constraint.forced()?.into_iter().map(|token| token.0).collect())
    }

    /// Whether the reply has ended: nothing more can be written, so that there is no end to choose either.
    pub fn is_over(&self) -> bool {
        self.constraint.as_ref().is_some_and(Constraint::is_over)
    }

    /// The tokens that may follow, ends included where the reply may end: bit `t % 32` of word `t / 32` for token `t`.
    pub fn allowed(&mut self) -> Result<Vec<u32>, ModelError> {
        if let Some(constraint) = &mut self.constraint {
            return Ok(constraint.allowed()?.as_slice().to_vec());
        }
        let tokens = || self.vocabulary.all();
        let mut bits = vec![0_u32; tokens().count().div_ceil(32)];
        for token in tokens().filter(|token| self.vocabulary.is_open(*token)) {
            bits[token.0 as usize / 32] |= 1 << (token.0 % 32);
        }
        Ok(bits)
    }

    /// Takes a token that was allowed and does not end the reply.
    pub fn take(&mut self, token: Token) -> Result<(), ModelError> {
        match &mut self.constraint {
            Some(constraint) => constraint.accept(LlamaToken(token)),
            None => Ok(()),
        }
    }
}
