//! How an answer is compared with a gold answer: the metrics of the papers, exactly as their programs compute
//! them.
//!
//! Rewards are made of them, and evaluation reports them. Each file names the program it reproduces; the
//! tests run against values that those programs gave. They deliberately read nothing and average nothing: one
//! answer and one gold answer go in.
//!
//! Texts here are Python's: what counts as white space or as a letter follows its `str` and `re` (see
//! `text`).
//!
//! Rooms it touches: none.

pub mod bleu;
pub mod locomo;
pub mod mem0;
pub mod porter;
mod sentences;
pub mod squad;
mod text;
pub mod words;

#[cfg(test)]
mod vectors;
