//! The head of a GGUF file to be written (version 3, little endian, alignment 32), and the gaps between its tensors.
//!
//! The tensors' data follow the head in the order in which they were announced, each filled up to the alignment: a
//! model is written tensor by tensor. It knows nothing of what they are.
//!
//! Rooms it touches: none.

use std::io::{self, Write};

use super::blocks::Block;

const ALIGNMENT: usize = 32;
const F32: u32 = 6;
const U32: u32 = 4;
const TEXT: u32 = 8;

/// A head in the making.
#[derive(Debug, Default)]
pub(super) struct Head {
    values: Vec<u8>,
    entries: u64,
    infos: Vec<u8>,
    tensors: u64,
    data: u64,
}

impl Head {
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key, TEXT);
        put_text(&mut self.values, value);
    }

    pub(super) fn f32(&mut self, key: &str, value: f32) {
        self.key(key, F32);
        self.values.extend(value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, key: &str, value: u32) {
        self.key(key, U32);
        self.values.extend(value.to_le_bytes());
    }

    /// An entry as it stands in another file: key, type and value.
    pub(super) fn copy(&mut self, entry: &[u8]) {
        self.values.extend(entry);
        self.entries += 1;
    }

    /// Announces a tensor, its shape the slowest dimension first. Gives the bytes of its data.
    pub(super) fn tensor(&mut self, name: &str, shape: &[usize], block: Block) -> usize {
        put_text(&mut self.infos, name);
        self.infos.extend((shape.len() as u32).to_le_bytes());
        for length in shape.iter().rev() {
            self.infos.extend((*length as u64).to_le_bytes());
        }
        self.infos.extend(block.kind.to_le_bytes());
        self.infos.extend(self.data.to_le_bytes());
        let bytes = shape.iter().product::<usize>() / block.values * block.bytes;
        self.data += bytes.next_multiple_of(ALIGNMENT) as u64;
        self.tensors += 1;
        bytes
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut head = b"GGUF".to_vec();
        head.extend(3_u32.to_le_bytes());
        head.extend(self.tensors.to_le_bytes());
        head.extend(self.entries.to_le_bytes());
        head.extend(&self.values);
        head.extend(&self.infos);
        head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
        out.write_all(&head)
    }

    fn key(&mut self, key: &str, kind: u32) {
        put_text(&mut self.values, key);
        self.values.extend(kind.to_le_bytes());
        self.entries += 1;
    }
}

/// Fills up behind a tensor of so many bytes.
pub(super) fn pad(out: &mut impl Write, bytes: usize) -> io::Result<()> {
    out.write_all(&[0; ALIGNMENT][..bytes.next_multiple_of(ALIGNMENT) - bytes])
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
