//! The synthetic world: stories whose gold is known, a teacher that works them, and a reader that answers without a model.
//!
//! For supervised samples, for rewards without noise, and for measuring what a trained manager does. Nothing here trains,
//! and no model is needed. Trained on these wordings alone a model knows these wordings: `Split::Held` measures that.
//!
//! Rooms it touches: none of the trainer's; of core: types, when, decision, model, bank, engine.

mod answerer;
mod attributes;
mod dates;
mod happenings;
mod measures;
mod people;
mod question;
mod reader;
mod story;
mod teacher;
mod teller;
mod untold;
#[rustfmt::skip] // one value a line would be ten pages
mod values;
mod wording;

pub use self::answerer::{answer, worth};
pub use self::attributes::{Act, Shape};
pub use self::dates::names_date;
pub use self::happenings::{Happening, happening, routine};
pub use self::measures::{BankScore, Done, Fragments, Operations, Targets, bank_score, operation, pair};
pub use self::people::person;
pub use self::question::{Question, Seeks, Subject, UNKNOWN};
pub use self::story::{Gold, GoldFact, GoldMemory, GoldTurn, Story, WorldSettings, asked_since};
pub use self::teacher::{Lesson, Sample, TeachError, Teacher, engine, teach};
pub use self::wording::Split;
