//! A tiny model for tests that compare replies: random weights in 32 bits, and attention that counts for little.
//!
//! llama.cpp's arithmetic depends, in its last bits, on how many tokens it evaluates at once and where they lie in the
//! cache; fused attention adds up in 16 bits. Where two tokens are about as likely, a reply of a real model may turn out
//! either way. Here attention's part of the sum is so small that its rounding decides nothing, and still large enough
//! that a wrong token in the cache shows within a few tokens. It says nonsense.
//!
//! Rooms it touches: core.

use keepsake_core::testing::gguf::GgufWriter;

const WIDTH: u64 = 64;
const HIDDEN: u64 = 128;
const BLOCKS: u32 = 2;
const HEADS: u32 = 4;
/// Words that are one token, alone and behind a blank: so that text can be cut into tokens in several ways.
const WORDS: [&str; 8] = ["Tom", "Maria", "ADD", "NOOP", "UPDATE", "DELETE", "none", "the"];
/// How much attention counts, against 2 for everything else.
const ATTENTION: f32 = 0.05;
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// How ggml's vocabularies mark normal and control tokens.
const NORMAL: i32 = 1;
const IS_CONTROL: i32 = 3;

/// The model file's bytes.
pub fn tiny_model() -> Vec<u8> {
    let Vocabulary { tokens, merges, kinds } = Vocabulary::new();
    let texts = |texts: &[String]| texts.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let (tokens_text, merges_text) = (texts(&tokens), texts(&merges));
    let size = tokens.len() as u64;
    let mut random = Random(20_261_125);
    let mut writer = GgufWriter::new()
        .text("general.architecture", "llama")
        .u32("llama.context_length", 4096)
        .u32("llama.embedding_length", WIDTH as u32)
        .u32("llama.block_count", BLOCKS)
        .u32("llama.feed_forward_length", HIDDEN as u32)
        .u32("llama.attention.head_count", HEADS)
        .u32("llama.attention.head_count_kv", HEADS)
        .u32("llama.rope.dimension_count", WIDTH as u32 / HEADS)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &tokens_text.split('\n').collect::<Vec<_>>())
        .texts("tokenizer.ggml.merges", &merges_text.split('\n').collect::<Vec<_>>())
        .numbers("tokenizer.ggml.token_type", &kinds)
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", 2)
        .text("tokenizer.chat_template", CONTROL[1]);
    let mut matrix = |writer: GgufWriter, name: &str, columns: u64, rows: u64, scale: f32| {
        let scale = scale / (columns as f32).sqrt();
        let values: Vec<f32> = (0..columns * rows).map(|_| random.next() * scale).collect();
        writer.tensor_f32(name, &[columns, rows], &values)
    };
    let norm = |writer: GgufWriter, name: &str| writer.tensor_f32(name, &[WIDTH], &[1.0; WIDTH as usize]);
    writer = matrix(writer, "token_embd.weight", WIDTH, size, 8.0);
    for block in 0..BLOCKS {
        let name = |part: &str| format!("blk.{block}.{part}.weight");
        writer = norm(writer, &name("attn_norm"));
        for (part, scale) in [("attn_q", 2.0), ("attn_k", 2.0), ("attn_v", 2.0), ("attn_output", ATTENTION)] {
            writer = matrix(writer, &name(part), WIDTH, WIDTH, scale);
        }
        writer = norm(writer, &name("ffn_norm"));
        writer = matrix(writer, &name("ffn_gate"), WIDTH, HIDDEN, 2.0);
        writer = matrix(writer, &name("ffn_up"), WIDTH, HIDDEN, 2.0);
        writer = matrix(writer, &name("ffn_down"), HIDDEN, WIDTH, 2.0);
    }
    writer = norm(writer, "output_norm.weight");
    matrix(writer, "output.weight", WIDTH, size, 4.0).finish()
}

struct Vocabulary {
    tokens: Vec<String>,
    merges: Vec<String>,
    kinds: Vec<i32>,
}

impl Vocabulary {
    /// Control tokens, a token for every byte, and the words with the merges that lead to them.
    fn new() -> Self {
        let mut new = Self {
            tokens: CONTROL.map(str::to_owned).to_vec(),
            merges: Vec::new(),
            kinds: vec![IS_CONTROL; CONTROL.len()],
        };
        (0..=255).for_each(|byte| new.add(letter(byte).to_string()));
        for word in WORDS {
            let letters: Vec<String> = word.chars().map(|c| c.to_string()).collect();
            let whole = letters.into_iter().reduce(|start, next| new.merge(&start, &next));
            let blank = letter(b' ').to_string();
            new.merge(&blank, &whole.unwrap_or_default());
        }
        new
    }

    fn merge(&mut self, start: &str, next: &str) -> String {
        let whole = format!("{start}{next}");
        let merge = format!("{start} {next}");
        if !self.merges.contains(&merge) {
            self.merges.push(merge);
            self.add(whole.clone());
        }
        whole
    }

    fn add(&mut self, token: String) {
        self.tokens.push(token);
        self.kinds.push(NORMAL);
    }
}

/// How GPT-2's vocabulary writes a byte: printable ones as they are, the others as letters from 256 on.
fn letter(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|other| !printable(*other)).count() as u32;
    char::from_u32(256 + before).unwrap_or_default()
}

/// Numbers between −1 and 1, the same ones each time (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1_u32 << 23) as f32 - 1.0
    }
}
