//! A digest of a whole state that follows every change at the cost of the change.
//!
//! The sum, modulo 2¹²⁸, of a hash of each entry: the order in which entries came does not count, and an
//! entry that goes is subtracted. It finds what is missing, doubled or changed by accident; it is no
//! signature. Rooms it touches: none.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// The digest of a set of keys with their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(u128);

impl Digest {
    /// Of no entries.
    pub(super) const EMPTY: Self = Self(0);

    /// Of these entries.
    pub(super) fn of(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        entries.iter().fold(Self::EMPTY, |digest, (key, value)| digest.with(key, value))
    }

    /// With one more entry.
    #[must_use]
    pub(super) fn with(self, key: &[u8], value: &[u8]) -> Self {
        Self(self.0.wrapping_add(hash(key, value)))
    }

    /// Without an entry that is in it.
    #[must_use]
    pub(super) fn without(self, key: &[u8], value: &[u8]) -> Self {
        Self(self.0.wrapping_sub(hash(key, value)))
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}

/// The first 16 bytes of SHA-256 over the key's length, the key and the value.
fn hash(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update((key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    let hash = hasher.finalize();
    hash.first_chunk().map_or(0, |first| u128::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_count_and_what_goes_is_gone() {
        let one = Digest::EMPTY.with(b"a", b"1");
        let both = one.with(b"b", b"2");
        assert_eq!(both, Digest::EMPTY.with(b"b", b"2").with(b"a", b"1"));
        assert_eq!(both.without(b"b", b"2"), one);
        assert_eq!(Digest::from_bytes(both.to_bytes()), both);
    }

    #[test]
    fn where_a_key_ends_counts() {
        assert_ne!(Digest::EMPTY.with(b"ab", b"c"), Digest::EMPTY.with(b"a", b"bc"));
    }
}
