//! A model's tokens: text into tokens and back, and which tokens are control tokens.
//!
//! Content never becomes a control token. This file evaluates nothing.
//!
//! Rooms it touches: prompt::chat.

use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::prompt::chat::{Chat, ChatFormat, Piece};

/// A model's tokens.
pub(super) struct Vocabulary {
    model: Arc<LlamaModel>,
    /// For every token: a control token or unused, which content must never give and no reply may hold.
    control: Vec<bool>,
    /// For every token: ends a turn.
    end: Vec<bool>,
}

/// A prompt's tokens, of which the first `start` are the chat format's and the standing instruction's.
pub(super) struct Prompt {
    pub(super) tokens: Vec<LlamaToken>,
    pub(super) start: usize,
}

impl Vocabulary {
    /// Reads the vocabulary of a model, if every control token of the format is one token in it.
    pub(super) fn new(model: Arc<LlamaModel>, format: ChatFormat) -> Option<Self> {
        let vocab = model.vocab();
        let (control, end) =
            vocab.tokens().map(|token| (vocab.is_control(token), vocab.is_eog(token))).unzip();
        let whole = format.render(&Chat::default()).iter().all(|piece| match piece {
            Piece::Control(text) => vocab.tokenize(text.as_bytes(), false, true).len() == 1,
            Piece::Content(_) => true,
        });
        whole.then_some(Self { model, control, end })
    }

    pub(super) fn prompt(&self, format: ChatFormat, chat: &Chat) -> Prompt {
        let start = self.tokens(format.start(&chat.system)).len();
        Prompt { tokens: self.tokens(format.render(chat)), start }
    }

    fn tokens(&self, pieces: Vec<Piece>) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Control(text) => {
                    tokens.extend(self.model.vocab().tokenize(text.as_bytes(), false, true))
                }
                Piece::Content(text) => tokens.extend(self.plain(text.as_bytes())),
            }
        }
        tokens
    }

    /// Content: never a control token, whatever it spells. llama.cpp is told so; if a model's file marks its
    /// control tokens wrongly, the text is cut into characters, none of which spells one.
    pub(super) fn plain(&self, text: &[u8]) -> Vec<LlamaToken> {
        let vocab = self.model.vocab();
        let tokens = vocab.tokenize(text, false, false);
        if tokens.iter().all(|token| !self.is_control(*token) && !self.ends(*token)) {
            return tokens;
        }
        let mut buffer = [0; 4];
        String::from_utf8_lossy(text)
            .chars()
            .flat_map(|c| vocab.tokenize(c.encode_utf8(&mut buffer).as_bytes(), false, false))
            .filter(|token| !self.is_control(*token) && !self.ends(*token))
            .collect()
    }

    /// The text of a token; none of a control token.
    pub(super) fn bytes(&self, token: LlamaToken) -> Vec<u8> {
        self.model.vocab().token_to_piece(token, false, None)
    }

    pub(super) fn ends(&self, token: LlamaToken) -> bool {
        self.end.get(token.0 as usize).copied().unwrap_or(true)
    }

    /// Whether a reply may go on with it: with everything but control tokens that do not end it.
    pub(super) fn is_open(&self, token: LlamaToken) -> bool {
        !self.is_control(token) || self.ends(token)
    }

    /// All tokens, by number.
    pub(super) fn all(&self) -> impl Iterator<Item = LlamaToken> + use<> {
        (0..self.control.len() as i32).map(LlamaToken)
    }

    fn is_control(&self, token: LlamaToken) -> bool {
        self.control.get(token.0 as usize).copied().unwrap_or(true)
    }
}

/// Bytes that become text as soon as they are whole characters.
#[derive(Default)]
pub(super) struct Utf8 {
    pub(super) whole: String,
    rest: Vec<u8>,
}

impl Utf8 {
    /// The new text, if there is any.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<String> {
        self.rest.extend_from_slice(bytes);
        let mut piece = String::new();
        loop {
            match std::str::from_utf8(&self.rest) {
                Ok(text) => {
                    piece.push_str(text);
                    self.rest.clear();
                    break;
                }
                Err(error) => {
                    let good = error.valid_up_to();
                    piece.push_str(&String::from_utf8_lossy(&self.rest[..good]));
                    let Some(bad) = error.error_len() else {
                        self.rest.drain(..good);
                        break;
                    };
                    piece.push(char::REPLACEMENT_CHARACTER);
                    self.rest.drain(..good + bad);
                }
            }
        }
        self.whole.push_str(&piece);
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_given_out_in_whole_characters() {
        let mut text = Utf8::default();
        let bytes = "a€👍".as_bytes();
        let pieces: Vec<String> = bytes.iter().filter_map(|byte| text.push(&[*byte])).collect();
        assert_eq!(pieces, ["a", "€", "👍"]);
        assert_eq!(text.push(&[0xFF, b'b']), Some("\u{FFFD}b".to_owned()));
        assert_eq!(text.whole, "a€👍\u{FFFD}b");
    }
}
