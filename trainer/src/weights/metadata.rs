//! The entries of a GGUF head as raw bytes, to be copied from one file into another.
//!
//! core reads the values that are used; here none is understood, so that nothing is lost on the way. Only GGUF 2 and 3,
//! which core has let through.
//!
//! Rooms it touches: core.

use keepsake_core::model::gguf::GgufError;

use super::WeightsError;
use super::file::GgufFile;

const TEXT: u32 = 8;
const LIST: u32 = 9;

/// Each entry's key, and its bytes: key, type and value.
pub(super) fn entries(file: &GgufFile) -> Result<Vec<(&str, &[u8])>, WeightsError> {
    let bytes = file.bytes();
    let malformed = || WeightsError::Head {
        path: file.path.clone(),
        source: GgufError::Malformed("its entries do not end where they should"),
    };
    // Before it: magic, version and the count of tensors.
    let mut reader = Reader { bytes, at: 16 };
    let count = reader.u64().ok_or_else(malformed)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let start = reader.at;
        let key = reader.entry().and_then(|key| str::from_utf8(key).ok()).ok_or_else(malformed)?;
        entries.push((key, &bytes[start..reader.at]));
    }
    Ok(entries)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Steps over an entry; gives its key.
    fn entry(&mut self) -> Option<&'a [u8]> {
        let key = self.text()?;
        match self.u32()? {
            TEXT => {
                self.text()?;
            }
            LIST => self.list()?,
            kind => {
                self.take(width(kind)?)?;
            }
        }
        Some(key)
    }

    fn list(&mut self) -> Option<()> {
        let kind = self.u32()?;
        let length = self.u64()?;
        if kind == TEXT {
            return (0..length).try_for_each(|_| self.text().map(|_| ()));
        }
        self.take(usize::try_from(length).ok()?.checked_mul(width(kind)?)?).map(|_| ())
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u64()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().map(u32::from_le_bytes).ok()
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().map(u64::from_le_bytes).ok()
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(bytes)?)?;
        self.at += bytes;
        Some(taken)
    }
}

/// Bytes of a value of a plain type.
fn width(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}
