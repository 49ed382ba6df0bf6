//! Reads the head of a GGUF file: what model or adapter it is, and whether the file is whole.
//!
//! llama.cpp stops the process, or says only "failed", where a file lies about itself. This reader looks
//! first: it never allocates more than the file can hold and returns an error for every malformed head. It
//! reads no weights. Format: GGUF versions 2 and 3, little endian.
//!
//! Rooms it touches: none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The head of a GGUF file.
#[derive(Debug, Clone)]
pub struct Gguf {
    values: BTreeMap<String, Value>,
    /// Bytes of all tensors together.
    pub tensor_bytes: u64,
    /// The tensors, in the file's order.
    pub tensors: Vec<Tensor>,
}

/// Where a tensor lies, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, for example `blk.0.attn_q.weight`.
    pub name: String,
    /// Elements in each dimension, the fastest first, as ggml has them.
    pub shape: Vec<u64>,
    /// ggml's number of its type.
    pub kind: u32,
    /// Where its data begin, in bytes from the file's.
    pub offset: u64,
    /// Bytes of its data; 0 where the type is not known.
    pub bytes: u64,
}

/// A value of the head. Of arrays only the length is kept.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Integer(i128),
    Float(f64),
    Text(String),
    Array(u64),
}

/// Why a file is not a usable GGUF file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It begins with something else than `GGUF`.
    #[error("it is not a GGUF file")]
    NotGguf,
    /// Its version is not known.
    #[error("its GGUF version {0} is not supported")]
    Version(u32),
    /// It ends before the tensors do.
    #[error("it is truncated: it has {has} bytes and needs at least {needs}")]
    Truncated {
        /// Bytes in the file.
        has: u64,
        /// Bytes its head asks for.
        needs: u64,
    },
    /// Its head contradicts itself.
    #[error("its head is damaged: {0}")]
    Malformed(&'static str),
}

impl Gguf {
    /// Reads the head of a file and checks that every tensor lies inside the file.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Head { input: BufReader::new(file), length, at: 0, version: 0 }.read()
    }

    /// A text value.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative. Some keys hold one number per layer: then `None`.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.values.get(key)? {
            Value::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A floating-point number.
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.values.get(key)? {
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// How many elements an array has.
    pub fn array_length(&self, key: &str) -> Option<u64> {
        match self.values.get(key)? {
            Value::Array(length) => Some(*length),
            _ => None,
        }
    }

    /// A number under the architecture's own prefix: `llama.block_count`.
    pub fn of_architecture(&self, key: &str) -> Option<u64> {
        self.integer(&format!("{}.{key}", self.text("general.architecture")?))
    }
}

/// A head being read. Every length is checked against what is left of the file before it is believed.
struct Head {
    input: BufReader<File>,
    length: u64,
    at: u64,
    version: u32,
}

impl Head {
    fn read(mut self) -> Result<Gguf, GgufError> {
        if self.length < 4 || &self.bytes::<4>()? != b"GGUF" {
            return Err(GgufError::NotGguf);
        }
        self.version = u32::from_le_bytes(self.bytes()?);
        if !(2..=3).contains(&self.version) {
            return Err(GgufError::Version(self.version));
        }
        let tensors = self.u64()?;
        let entries = self.u64()?;
        let mut values = BTreeMap::new();
        for _ in 0..entries {
            let key = self.string()?;
            let kind = self.u32()?;
            let value = self.value(kind)?;
            values.insert(key, value);
        }
        let mut gguf = Gguf { values, tensor_bytes: 0, tensors: Vec::new() };
        let mut end = 0_u64;
        for _ in 0..tensors {
            let tensor = self.tensor()?;
            gguf.tensor_bytes = gguf.tensor_bytes.saturating_add(tensor.bytes);
            end = end.max(tensor.offset.saturating_add(tensor.bytes));
            gguf.tensors.push(tensor);
        }
        let alignment = gguf.integer("general.alignment").unwrap_or(32).max(1);
        let data_start = self.at.div_ceil(alignment).saturating_mul(alignment);
        let needs = data_start.saturating_add(end);
        if !gguf.tensors.is_empty() && self.length < needs {
            return Err(GgufError::Truncated { has: self.length, needs });
        }
        for tensor in &mut gguf.tensors {
            tensor.offset = tensor.offset.saturating_add(data_start);
        }
        Ok(gguf)
    }

    /// One tensor, its offset still from where the data of all begin.
    fn tensor(&mut self) -> Result<Tensor, GgufError> {
        let name = self.string()?;
        let dimensions = self.u32()?;
        if dimensions > 4 {
            return Err(GgufError::Malformed("a tensor has more than four dimensions"));
        }
        let (mut shape, mut elements) = (Vec::new(), 1_u64);
        for _ in 0..dimensions {
            let length = self.u64()?;
            elements = elements.checked_mul(length).ok_or(GgufError::Malformed("a tensor is too large"))?;
            shape.push(length);
        }
        let kind = self.u32()?;
        let (block, bytes) = block_of(kind);
        let bytes = elements.div_ceil(block).saturating_mul(bytes);
        Ok(Tensor { name, shape, kind, offset: self.u64()?, bytes })
    }

    fn value(&mut self, kind: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            0 => Value::Integer(i128::from(u8::from_le_bytes(self.bytes()?))),
            1 => Value::Integer(i128::from(i8::from_le_bytes(self.bytes()?))),
            2 => Value::Integer(i128::from(u16::from_le_bytes(self.bytes()?))),
            3 => Value::Integer(i128::from(i16::from_le_bytes(self.bytes()?))),
            4 => Value::Integer(i128::from(self.u32()?)),
            5 => Value::Integer(i128::from(i32::from_le_bytes(self.bytes()?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.bytes()?))),
            7 => Value::Integer(i128::from(self.bytes::<1>()?[0] != 0)),
            8 => Value::Text(self.string()?),
            9 => self.array()?,
            10 => Value::Integer(i128::from(self.u64()?)),
            11 => Value::Integer(i128::from(i64::from_le_bytes(self.bytes()?))),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(GgufError::Malformed("a value has an unknown type")),
        })
    }

    /// Skips an array's elements.
    fn array(&mut self) -> Result<Value, GgufError> {
        let kind = self.u32()?;
        let length = self.u64()?;
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                for _ in 0..length {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
                return Ok(Value::Array(length));
            }
            _ => return Err(GgufError::Malformed("an array has an unknown element type")),
        };
        self.skip(length.checked_mul(width).ok_or(GgufError::Malformed("an array is too long"))?)?;
        Ok(Value::Array(length))
    }

    fn string(&mut self) -> Result<String, GgufError> {
        let length = self.u64()?;
        self.need(length)?;
        let mut bytes = vec![0; length as usize];
        self.input.read_exact(&mut bytes)?;
        self.at += length;
        String::from_utf8(bytes).map_err(|_| GgufError::Malformed("a text is not UTF-8"))
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        self.need(N as u64)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        self.need(bytes)?;
        self.input.seek_relative(bytes as i64)?;
        self.at += bytes;
        Ok(())
    }

    fn need(&self, bytes: u64) -> Result<(), GgufError> {
        let needs = self.at.saturating_add(bytes);
        if needs > self.length { Err(GgufError::Truncated { has: self.length, needs }) } else { Ok(()) }
    }
}

/// Elements and bytes of one block of a ggml type (ggml.h); an unknown type counts no bytes, which leaves
/// its check to llama.cpp.
fn block_of(kind: u32) -> (u64, u64) {
    match kind {
        0 | 26 => (1, 4),      // F32, I32
        1 | 25 | 30 => (1, 2), // F16, I16, BF16
        2 | 20 => (32, 18),    // Q4_0, IQ4_NL
        3 => (32, 20),         // Q4_1
        6 => (32, 22),         // Q5_0
        7 => (32, 24),         // Q5_1
        8 => (32, 34),         // Q8_0
        9 => (32, 36),         // Q8_1
        10 => (256, 84),       // Q2_K
        11 | 21 => (256, 110), // Q3_K, IQ3_S
        12 => (256, 144),      // Q4_K
        13 => (256, 176),      // Q5_K
        14 => (256, 210),      // Q6_K
        15 => (256, 292),      // Q8_K
        16 | 35 => (256, 66),  // IQ2_XXS, TQ2_0
        17 => (256, 74),       // IQ2_XS
        18 => (256, 98),       // IQ3_XXS
        19 => (256, 50),       // IQ1_S
        22 => (256, 82),       // IQ2_S
        23 => (256, 136),      // IQ4_XS
        24 => (1, 1),          // I8
        27 | 28 => (1, 8),     // I64, F64
        29 => (256, 56),       // IQ1_M
        34 => (256, 54),       // TQ1_0
        39 => (32, 17),        // MXFP4
        _ => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gguf::GgufWriter;
    use proptest::prelude::*;

    fn written(bytes: &[u8]) -> Result<Gguf, GgufError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Gguf::read(file.path())
    }

    fn sample() -> Vec<u8> {
        GgufWriter::new()
            .text("general.architecture", "llama")
            .u32("llama.block_count", 30)
            .f32("adapter.lora.alpha", 32.0)
            .texts("tokenizer.ggml.tokens", &["a", "b", "c"])
            .tensor_f32("w", &[4, 2], &[1.0; 8])
            .finish()
    }

    #[test]
    fn a_whole_head_is_read() {
        let gguf = written(&sample()).unwrap();
        assert_eq!(gguf.of_architecture("block_count"), Some(30));
        assert_eq!(gguf.float("adapter.lora.alpha"), Some(32.0));
        assert_eq!(gguf.array_length("tokenizer.ggml.tokens"), Some(3));
        assert_eq!(gguf.tensor_bytes, 32);
        let [tensor] = &gguf.tensors[..] else { panic!("one tensor was written") };
        assert_eq!((&*tensor.name, &tensor.shape[..], tensor.kind, tensor.bytes), ("w", &[4, 2][..], 0, 32));
        // The data are the last thing in the file.
        assert_eq!(tensor.offset + tensor.bytes, sample().len() as u64);
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(written(&whole[..length]).is_err(), "cut at {length}");
        }
        assert!(matches!(written(b"PK\x03\x04zip"), Err(GgufError::NotGguf)));
    }

    proptest! {
        /// Whatever the bytes, an answer comes back, and no length is believed that the file cannot hold.
        #[test]
        fn damaged_heads_give_an_answer(at in 0usize..200, byte: u8, tail: Vec<u8>) {
            let mut bytes = sample();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.extend(tail);
            let _ = written(&bytes);
        }
    }
}
