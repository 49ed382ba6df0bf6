//! Writes small GGUF files: models and adapters that are right, and ones that are wrong in a chosen way.
//!
//! Rooms it touches: none.

/// Collects a head and tensors; [`GgufWriter::finish`] gives the file's bytes (version 3, alignment 32).
#[derive(Debug, Default)]
pub struct GgufWriter {
    values: Vec<u8>,
    entries: u64,
    infos: Vec<u8>,
    tensors: u64,
    data: Vec<u8>,
}

impl GgufWriter {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, key: &str, value: &str) -> Self {
        self.entry(key, 8, |bytes| put_text(bytes, value))
    }

    /// Adds a 32-bit whole number.
    #[must_use]
    pub fn u32(self, key: &str, value: u32) -> Self {
        self.entry(key, 4, |bytes| bytes.extend(value.to_le_bytes()))
    }

    /// Adds a 32-bit floating-point number.
    #[must_use]
    pub fn f32(self, key: &str, value: f32) -> Self {
        self.entry(key, 6, |bytes| bytes.extend(value.to_le_bytes()))
    }

    /// Adds a list of texts.
    #[must_use]
    pub fn texts(self, key: &str, values: &[&str]) -> Self {
        self.entry(key, 9, |bytes| {
            bytes.extend(8_u32.to_le_bytes());
            bytes.extend((values.len() as u64).to_le_bytes());
            for value in values {
                put_text(bytes, value);
            }
        })
    }

    /// Adds a list of 32-bit whole numbers.
    #[must_use]
    pub fn numbers(self, key: &str, values: &[i32]) -> Self {
        self.entry(key, 9, |bytes| {
            bytes.extend(5_u32.to_le_bytes());
            bytes.extend((values.len() as u64).to_le_bytes());
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        })
    }

    /// Adds a tensor of 32-bit floats; `shape` in ggml's order, the fastest dimension first.
    #[must_use]
    pub fn tensor_f32(mut self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        put_text(&mut self.infos, name);
        self.infos.extend((shape.len() as u32).to_le_bytes());
        for dimension in shape {
            self.infos.extend(dimension.to_le_bytes());
        }
        self.infos.extend(0_u32.to_le_bytes());
        self.infos.extend((self.data.len() as u64).to_le_bytes());
        self.data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.data.resize(self.data.len().next_multiple_of(32), 0);
        self.tensors += 1;
        self
    }

    /// The bytes of the file.
    pub fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend(self.tensors.to_le_bytes());
        file.extend(self.entries.to_le_bytes());
        file.extend(self.values);
        file.extend(self.infos);
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(self.data);
        file
    }

    fn entry(mut self, key: &str, kind: u32, value: impl FnOnce(&mut Vec<u8>)) -> Self {
        put_text(&mut self.values, key);
        self.values.extend(kind.to_le_bytes());
        value(&mut self.values);
        self.entries += 1;
        self
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
