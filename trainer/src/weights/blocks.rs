//! ggml's types: how large their blocks are, and unpacking them with ggml's own code, so that values are llama.cpp's.
//!
//! The crate's `unsafe` code is here and in `quantise`: two calls into ggml, and the mapping of a file. Lengths are
//! checked here, right before each call. It knows no tensors and no models. Little-endian machines, as GGUF files are.
//!
//! Rooms it touches: none.

#![allow(unsafe_code)] // each with its SAFETY; the rest of the crate has none

use std::fs::File;
use std::io;

use llama_cpp_sys_2 as ggml;
use memmap2::Mmap;

/// A type that can be unpacked: a block of `bytes` holds `values` numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// ggml's number of the type.
    pub(super) kind: u32,
    pub(super) values: usize,
    pub(super) bytes: usize,
}

impl Block {
    pub(super) const F32: Self = Self { kind: ggml::GGML_TYPE_F32, values: 1, bytes: 4 };
    pub(super) const F16: Self = Self { kind: ggml::GGML_TYPE_F16, values: 1, bytes: 2 };
    pub(super) const BF16: Self = Self { kind: ggml::GGML_TYPE_BF16, values: 1, bytes: 2 };

    /// The types that a base may have. Q5_0 and Q5_1 stand in Q4_K_M and Q5_K_M files for tensors whose rows are not a
    /// multiple of 256.
    const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self { kind: ggml::GGML_TYPE_Q4_0, values: 32, bytes: 18 },
        Self { kind: ggml::GGML_TYPE_Q4_1, values: 32, bytes: 20 },
        Self { kind: ggml::GGML_TYPE_Q5_0, values: 32, bytes: 22 },
        Self { kind: ggml::GGML_TYPE_Q5_1, values: 32, bytes: 24 },
        Self { kind: ggml::GGML_TYPE_Q8_0, values: 32, bytes: 34 },
        Self { kind: ggml::GGML_TYPE_Q4_K, values: 256, bytes: 144 },
        Self { kind: ggml::GGML_TYPE_Q5_K, values: 256, bytes: 176 },
        Self { kind: ggml::GGML_TYPE_Q6_K, values: 256, bytes: 210 },
    ];

    pub(super) fn of(kind: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|block| block.kind == kind)
    }

    /// What ggml's structs of this size may be aligned to: they are made of bytes, halves and pairs of halves.
    fn alignment(self) -> usize {
        if self.bytes.is_multiple_of(4) { 4 } else { 2 }
    }
}

/// Unpacks whole blocks.
///
/// # Panics
/// Where `bytes` are not exactly the blocks of `values.len()` numbers: the caller has counted wrongly.
pub(super) fn unpack(block: Block, bytes: &[u8], values: &mut [f32]) {
    assert!(values.len().is_multiple_of(block.values), "not whole blocks");
    assert_eq!(values.len() / block.values * block.bytes, bytes.len(), "bytes and values differ");
    if block == Block::F32 {
        for (value, four) in values.iter_mut().zip(bytes.as_chunks().0) {
            *value = f32::from_le_bytes(*four);
        }
        return;
    }
    let traits = traits(block);
    // A file that begins its tensors at odd places costs a copy.
    let mut aligned = Vec::new();
    let mut start = bytes.as_ptr();
    if start.align_offset(block.alignment()) != 0 {
        aligned = bytes.as_chunks().0.iter().map(|four| u32::from_ne_bytes(*four)).collect::<Vec<_>>();
        let mut rest = [0; 4];
        let left = bytes.as_chunks::<4>().1;
        rest[..left.len()].copy_from_slice(left);
        aligned.push(u32::from_ne_bytes(rest));
        start = aligned.as_ptr().cast();
    }
    let to_float = traits.to_float.expect("ggml unpacks every type of the table");
    // SAFETY: `to_float` reads `values.len()` numbers in blocks of `block.values`, that is `bytes.len()` bytes (checked
    // above, and in `traits` that ggml's block is the same), from `start`, which is aligned for the block and points
    // to at least that many bytes that live until the end of this function; it writes `values.len()` floats to a slice
    // that is ours alone, and keeps neither.
    unsafe { to_float(start.cast(), values.as_mut_ptr(), values.len() as i64) };
    drop(aligned);
}

/// Packs numbers into ggml's F16, rounded as ggml rounds.
pub(super) fn pack_f16(values: &[f32]) -> Vec<u8> {
    let mut halves = vec![0_u16; values.len()];
    let from_float = traits(Block::F16).from_float_ref.expect("ggml packs F16");
    // SAFETY: `from_float_ref` of F16 reads `values.len()` floats and writes as many halves, which both slices hold; it
    // keeps neither.
    unsafe { from_float(values.as_ptr(), halves.as_mut_ptr().cast(), values.len() as i64) };
    halves.into_iter().flat_map(u16::to_le_bytes).collect()
}

fn traits(block: Block) -> &'static ggml::ggml_type_traits {
    // SAFETY: the kind is one of the table's, below ggml's count of types, so the answer points into ggml's own
    // constant table, which lives as long as the process.
    let traits = unsafe { &*ggml::ggml_get_type_traits(block.kind) };
    assert!(
        traits.blck_size == block.values as i64 && traits.type_size == block.bytes,
        "ggml's blocks are not the table's"
    );
    traits
}

/// Maps a file into memory, to be read.
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes are only read, as bytes, and each use checks its range against the map's length. What no
    // program can rule out is that another one changes or cuts the file meanwhile: values may then be of either
    // state, or the system ends the process. Model files are not changed in place; ours are replaced by renaming.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::numbers;
    use super::*;

    fn block(kind: u32) -> Block {
        Block::of(kind).unwrap()
    }

    fn unpacked(block: Block, bytes: &[u8]) -> Vec<f32> {
        let mut values = vec![f32::NAN; bytes.len() / block.bytes * block.values];
        unpack(block, bytes, &mut values);
        values
    }

    /// 0.5, 1.5 and -3 as halves, least byte first: exponent biased by 15, ten bits behind the first.
    const HALF: [u8; 2] = [0x00, 0x38];
    const ONE_AND_HALF: [u8; 2] = [0x00, 0x3E];
    const MINUS_THREE: [u8; 2] = [0x00, 0xC2];

    #[test]
    fn plain_numbers() {
        assert_eq!(unpacked(Block::F32, &[0, 0, 0xC0, 0x3F, 0, 0, 0, 0xC0]), [1.5, -2.0]);
        assert_eq!(unpacked(Block::F16, &[HALF, ONE_AND_HALF, MINUS_THREE].concat()), [0.5, 1.5, -3.0]);
        // The upper half of an F32.
        assert_eq!(unpacked(Block::BF16, &[0xC0, 0x3F, 0x00, 0xC0]), [1.5, -2.0]);
        assert_eq!(pack_f16(&[0.5, 1.5, -3.0]), [HALF, ONE_AND_HALF, MINUS_THREE].concat());
        // 2049 is halfway between 2048 and 2050, which halves can hold; the even one wins.
        assert_eq!(unpacked(Block::F16, &pack_f16(&[2049.0, 2051.0])), [2048.0, 2052.0]);
    }

    #[test]
    fn q8_0_is_a_scale_and_signed_bytes() {
        let quants = (0..32_i32).map(|at| at * 8 - 128);
        let bytes: Vec<u8> = HALF.into_iter().chain(quants.clone().map(|quant| quant as i8 as u8)).collect();
        let expected: Vec<f32> = quants.map(|quant| quant as f32 * 0.5).collect();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q8_0), &bytes), expected);
    }

    /// 16 bytes: the low halves are the first 16 values, the high halves the others.
    fn nibbles() -> (Vec<u8>, Vec<f32>) {
        let (low, high) =
            ((0..16_u8).collect::<Vec<_>>(), (0..16_u8).map(|at| (at * 7) % 16).collect::<Vec<_>>());
        let bytes = low.iter().zip(&high).map(|(low, high)| low | high << 4).collect();
        (bytes, low.into_iter().chain(high).map(f32::from).collect())
    }

    #[test]
    fn q4_0_is_a_scale_and_nibbles_around_eight() {
        let (quants, values) = nibbles();
        let bytes = [&MINUS_THREE[..], &quants].concat();
        let expected: Vec<f32> = values.iter().map(|value| (value - 8.0) * -3.0).collect();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q4_0), &bytes), expected);
    }

    #[test]
    fn q4_1_is_a_scale_a_least_and_nibbles() {
        let (quants, values) = nibbles();
        let bytes = [&HALF[..], &MINUS_THREE, &quants].concat();
        let expected: Vec<f32> = values.iter().map(|value| value * 0.5 - 3.0).collect();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q4_1), &bytes), expected);
    }

    #[test]
    fn q5_0_and_q5_1_have_a_fifth_bit_apart() {
        let (quants, values) = nibbles();
        let fifth = 0b1010_0110_0000_1111_1000_0000_0111_0001_u32;
        let five = values.iter().enumerate().map(|(at, value)| value + (fifth >> at & 1) as f32 * 16.0);
        let bytes = [&HALF[..], &fifth.to_le_bytes(), &quants].concat();
        let expected: Vec<f32> = five.clone().map(|value| (value - 16.0) * 0.5).collect();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q5_0), &bytes), expected);
        let bytes = [&HALF[..], &MINUS_THREE, &fifth.to_le_bytes(), &quants].concat();
        let expected: Vec<f32> = five.map(|value| value * 0.5 - 3.0).collect();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q5_1), &bytes), expected);
    }

    /// Scales 1 to 8 and leasts 8 to 1 for the eight groups of 32, in six bits each as ggml packs them: the low four
    /// bits of the last four groups lie in bytes 8 to 11, their upper two (here 0) above those of the first four.
    const SCALES: [u8; 12] = [1, 2, 3, 4, 8, 7, 6, 5, 0x45, 0x36, 0x27, 0x18];

    /// 128 bytes; each 32 hold two groups of 32, the low halves first.
    fn four_bits() -> (Vec<u8>, Vec<u8>) {
        let values: Vec<u8> = (0..256_u32).map(|at| ((at * at + at / 32) % 16) as u8).collect();
        let bytes = values.chunks(64).flat_map(|two| (0..32).map(|at| two[at] | two[at + 32] << 4)).collect();
        (bytes, values)
    }

    fn with_scales(values: impl Iterator<Item = u8>) -> Vec<f32> {
        // Scale 0.5 for the scales, 1.5 for the leasts.
        let group = |at: usize| ((at / 32 + 1) as f32, (8 - at / 32) as f32);
        values
            .enumerate()
            .map(|(at, value)| 0.5 * group(at).0 * f32::from(value) - 1.5 * group(at).1)
            .collect()
    }

    #[test]
    fn q4_k_is_eight_groups_with_scales_of_their_own() {
        let (quants, values) = four_bits();
        let bytes = [&HALF[..], &ONE_AND_HALF, &SCALES, &quants].concat();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q4_K), &bytes), with_scales(values.into_iter()));
    }

    #[test]
    fn q5_k_has_a_fifth_bit_for_each_group() {
        let (quants, values) = four_bits();
        // Byte `at` holds the fifth bits of value `at` of all groups, group 0 in the lowest.
        let fifth: Vec<u8> = (0..32_u8).map(|at| at.wrapping_mul(37) ^ 0x5A).collect();
        let five =
            values.iter().enumerate().map(|(at, value)| value + (fifth[at % 32] >> (at / 32) & 1) * 16);
        let bytes = [&HALF[..], &ONE_AND_HALF, &SCALES, &fifth, &quants].concat();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q5_K), &bytes), with_scales(five));
    }

    #[test]
    fn q6_k_is_sixteen_groups_around_thirty_two() {
        let values: Vec<u8> = (0..256_u32).map(|at| ((at * 11 + at / 7) % 64) as u8).collect();
        let scales: Vec<i8> = (0..16).map(|group| group * 5 - 40).collect();
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for half in values.chunks(128) {
            // Four rows of 32: rows 0 and 2 share bytes, and rows 1 and 3; the upper two bits of all four share one.
            low.extend((0..64).map(|at| half[at] & 15 | (half[at + 64] & 15) << 4));
            high.extend(
                (0..32).map(|at| (0..4).fold(0, |byte, row| byte | (half[at + 32 * row] >> 4) << (2 * row))),
            );
        }
        let scale_bytes: Vec<u8> = scales.iter().map(|scale| *scale as u8).collect();
        let bytes = [&low[..], &high, &scale_bytes, &HALF].concat();
        let expected: Vec<f32> = values
            .iter()
            .enumerate()
            .map(|(at, value)| 0.5 * f32::from(scales[at / 16]) * (f32::from(*value) - 32.0))
            .collect();
        assert_eq!(unpacked(block(ggml::GGML_TYPE_Q6_K), &bytes), expected);
    }

    #[test]
    fn bytes_at_odd_places_are_the_same_values() {
        for block in Block::ALL {
            let count = block.values * 3;
            let bytes: Vec<u8> =
                numbers("odd", block.bytes * 3).iter().map(|value| (value * 60.0) as i8 as u8).collect();
            let expected = unpacked(block, &bytes);
            assert_eq!(expected.len(), count);
            for shift in 1..4 {
                let moved: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
                let (odd, even) = (unpacked(block, &moved[shift..]), &expected);
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&odd), bits(even), "{block:?} moved by {shift}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "bytes and values differ")]
    fn bytes_that_do_not_fit_the_values_never_reach_ggml() {
        unpack(block(ggml::GGML_TYPE_Q8_0), &[0; 33], &mut [0.0; 32]);
    }
}
