//! What a reply may go on with: an automaton over a model's tokens, made of a regular expression.
//!
//! The automaton is llguidance's. It says which tokens are allowed, and which text is forced: text that every
//! reply must go on with is given as tokens, in the model's own tokenisation, and need not be chosen. No text of
//! a reply or an expression gets into an error or a log.
//!
//! Rooms it touches: model.

use std::sync::Arc;

use llama_cpp_2::token::LlamaToken;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{
    InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv,
};
use llguidance::{Matcher, ParserFactory};

use super::vocabulary::Vocabulary;
use crate::model::ModelError;

/// A run of free text as our expressions have it, long enough for most tokens: the tokens that fit into it are
/// found once for a vocabulary instead of at every step.
const FREE_TEXT: &str = r"[^\x00-\x1F\x7F.!?;]{1,30}";

/// Makes automata for one vocabulary.
pub(super) struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    pub(super) fn new(vocabulary: &Arc<Vocabulary>) -> Result<Self, ModelError> {
        let env: TokEnv = Arc::new(Tokens::new(vocabulary));
        let mut factory = ParserFactory::new(&env, InferenceCapabilities::default(), &[FREE_TEXT.to_owned()])
            .map_err(|_| failed("the model's tokens cannot be used with grammars"))?;
        factory.quiet();
        factory.limits_mut().verbose_errors = false;
        Ok(Self { factory })
    }

    /// The automaton of a regular expression, before the first token.
    pub(super) fn of(&self, expression: &str) -> Result<Constraint, ModelError> {
        let matcher = Matcher::new(self.factory.create_parser(TopLevelGrammar::from_regex(expression)));
        if matcher.is_error() {
            return Err(failed("the grammar of the reply is not a regular expression that it can follow"));
        }
        Ok(Constraint { matcher })
    }
}

/// Where a reply stands in its grammar.
pub(super) struct Constraint {
    matcher: Matcher,
}

impl Constraint {
    /// The text that the reply must go on with, taken as said. Empty where there is a choice.
    pub(super) fn forced(&mut self) -> Result<Vec<LlamaToken>, ModelError> {
        if self.matcher.is_stopped() {
            return Ok(Vec::new());
        }
        let tokens = self.matcher.consume_ff_tokens();
        self.checked()?;
        Ok(tokens.into_iter().map(|token| LlamaToken(token as i32)).collect())
    }

    /// The first token of the text that the reply must go on with, which is still to be taken.
    pub(super) fn first_forced(&mut self) -> Result<Option<LlamaToken>, ModelError> {
        if self.matcher.is_stopped() {
            return Ok(None);
        }
        let tokens = self.matcher.compute_ff_tokens();
        self.checked()?;
        Ok(tokens.first().map(|token| LlamaToken(*token as i32)))
    }

    /// Whether the reply may go on with this token, which does not end it.
    pub(super) fn allows(&mut self, token: LlamaToken) -> Result<bool, ModelError> {
        self.matcher.validate_tokens(&[token.0 as TokenId]).map(|valid| valid == 1).map_err(|_| broken())
    }

    /// Whether the reply may end here.
    pub(super) fn may_end(&mut self) -> Result<bool, ModelError> {
        if self.is_over() {
            return Ok(true);
        }
        self.matcher.is_accepting().map_err(|_| broken())
    }

    /// Whether nothing but the end may follow.
    pub(super) fn is_over(&self) -> bool {
        self.matcher.is_stopped() && !self.matcher.is_error()
    }

    /// All tokens that the reply may go on with.
    pub(super) fn allowed(&mut self) -> Result<SimpleVob, ModelError> {
        self.matcher.compute_mask_or_eos().map_err(|_| broken())
    }

    /// Takes a token that is allowed and does not end the reply.
    pub(super) fn accept(&mut self, token: LlamaToken) -> Result<(), ModelError> {
        self.matcher.consume_token(token.0 as TokenId).map_err(|_| broken())
    }

    fn checked(&self) -> Result<(), ModelError> {
        if self.matcher.is_error() { Err(broken()) } else { Ok(()) }
    }
}

fn failed(what: &str) -> ModelError {
    ModelError::Failed(what.to_owned())
}

fn broken() -> ModelError {
    failed("the grammar of the reply could not be followed")
}

/// The vocabulary as llguidance wants it.
struct Tokens {
    vocabulary: Arc<Vocabulary>,
    trie: TokTrie,
    canonical: bool,
}

impl Tokens {
    fn new(vocabulary: &Arc<Vocabulary>) -> Self {
        let ends: Vec<TokenId> = vocabulary
            .all()
            .filter(|token| vocabulary.ends(*token))
            .map(|token| token.0 as TokenId)
            .collect();
        // Control tokens have no text, so that no text of a grammar is ever one.
        let words: Vec<Vec<u8>> = vocabulary
            .all()
            .map(|token| {
                if vocabulary.is_open(token) && !vocabulary.ends(token) {
                    vocabulary.bytes(token)
                } else {
                    Vec::new()
                }
            })
            .collect();
        let info = TokRxInfo::new(words.len() as u32, ends.first().copied().unwrap_or_default());
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&ends);
        // A tokeniser that puts a blank in front of every text cannot say how text goes on.
        let says = vocabulary.plain(b"a").iter().flat_map(|token| vocabulary.bytes(*token)).eq(*b"a");
        Self { vocabulary: Arc::clone(vocabulary), trie, canonical: says }
    }
}

impl TokenizerEnv for Tokens {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        let tokens = self.vocabulary.plain(text);
        if tokens.iter().flat_map(|token| self.vocabulary.bytes(*token)).eq(text.iter().copied()) {
            tokens.into_iter().map(|token| token.0 as TokenId).collect()
        } else {
            self.trie.greedy_tokenize(text)
        }
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.canonical
    }
}
