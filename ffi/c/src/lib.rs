//! The engine for C.
//!
//! Handles are numbers, not pointers: one that is wrong, of another kind or closed already is told, and touches no memory.
//! What is returned is shown to a function of the caller's while the call lasts, so that there is nothing to free. Every
//! pointer and length is checked before it is used; a panic becomes a status. The header is made from these files by
//! `make bindings`.
//!
//! Rooms it touches: core.

pub mod calls;
pub mod failure;
pub mod handles;
pub mod hosts;
pub mod log;
pub mod text;
pub mod views;

/// The version of this interface. A library with the same number understands every program that was built with it; what is
/// added keeps the number, and structs only grow at their end.
pub const KEEPSAKE_ABI_VERSION: u32 = 1;

/// The `KEEPSAKE_ABI_VERSION` of the library, to be compared with the header's.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_abi_version() -> u32 {
    KEEPSAKE_ABI_VERSION
}

/// The version of the engine, which ends with a NUL and stays for the life of the program.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_version() -> text::KeepsakeStr {
    text::KeepsakeStr::of_static(concat!(env!("CARGO_PKG_VERSION"), "\0"))
}
