//! The records of a bank and the changes of its journal, behind their checksums. Rooms it touches: core.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keepsake_core::testing::decode_as_all_of_a_bank(bytes));
