//! Text that crosses the border: a pointer and a length, UTF-8.
//!
//! Rooms it touches: none.

use crate::failure::Failure;

/// Most bytes of a text that are looked at: beyond, the length is taken for a mistake.
const MOST_BYTES: usize = 64 << 20;

/// UTF-8 text of `length` bytes. What the library hands out need not end with a NUL: print it with `"%.*s"`. What is handed in
/// is read during the call only; `data` NULL and `length` 0 stand for "not given".
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct KeepsakeStr {
    /// The bytes.
    pub data: *const u8,
    /// How many.
    pub length: usize,
}

impl KeepsakeStr {
    /// Nothing.
    pub(crate) const NONE: Self = Self { data: std::ptr::null(), length: 0 };

    /// A view of text that must outlive it.
    pub(crate) fn of(text: &str) -> Self {
        Self { data: text.as_ptr(), length: text.len() }
    }

    pub(crate) fn of_optional(text: Option<&str>) -> Self {
        text.map_or(Self::NONE, Self::of)
    }

    /// Of a constant that ends with a NUL, which is not counted.
    pub(crate) fn of_static(text: &'static str) -> Self {
        Self { data: text.as_ptr(), length: text.len() - 1 }
    }

    /// The bytes, if any are given. `what` names them in errors.
    ///
    /// # Safety
    /// `data` must be readable for `length` bytes as long as the result lives, or be NULL.
    pub(crate) unsafe fn bytes<'a>(self, what: &str) -> Result<Option<&'a [u8]>, Failure> {
        if self.data.is_null() {
            return if self.length == 0 {
                Ok(None)
            } else {
                Err(Failure::invalid(format!("{what} is NULL, and has a length")))
            };
        }
        if self.length > MOST_BYTES {
            let length = self.length;
            return Err(Failure::invalid(format!(
                "{what} has {length} bytes; at most {MOST_BYTES} are read"
            )));
        }
        // SAFETY: not NULL, and readable by this function's contract.
        Ok(Some(unsafe { std::slice::from_raw_parts(self.data, self.length) }))
    }

    /// The text, if one is given.
    ///
    /// # Safety
    /// As for [`KeepsakeStr::bytes`].
    pub(crate) unsafe fn read<'a>(self, what: &str) -> Result<Option<&'a str>, Failure> {
        // SAFETY: the same contract.
        let bytes = unsafe { self.bytes(what) }?;
        let text = bytes.map(std::str::from_utf8).transpose();
        text.map_err(|_| Failure::invalid(format!("{what} is not UTF-8")))
    }

    /// The text, which must be given.
    ///
    /// # Safety
    /// As for [`KeepsakeStr::read`].
    pub(crate) unsafe fn required<'a>(self, what: &str) -> Result<&'a str, Failure> {
        // SAFETY: the same contract.
        unsafe { self.read(what) }?.ok_or_else(|| Failure::invalid(format!("{what} is not given")))
    }
}
