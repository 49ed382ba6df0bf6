//! The systems that are compared: Keepsake with and without its parts, and what else could answer from a conversation.
//!
//! A system is a way to a bank and a way from the bank to an answer. All have the same model, retrieval, prompt of the
//! answer and limit of its words; what differs is said here, and nothing is run here.
//!
//! Rooms it touches: of core: config.

use std::fmt;
use std::str::FromStr;

use keepsake_core::config::{Config, Distil, Take};

/// A system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// Plain retrieval over turns: the best hits at once, no memories.
    Rag,
    /// All turns, the newest that fit into the context; nothing is retrieved.
    FullContext,
    /// A pipeline of Mem0's shape: extraction, then one call that prints the memories found for the facts as JSON, each
    /// with an event. Answers from its memories.
    Mem0 {
        /// Whether it must take a fact from every turn: a small model left to itself mostly takes none.
        forced: bool,
    },
    /// The engine.
    Keepsake {
        /// How it answers.
        answers: Answers,
        /// Whether both agents have the adapters that were given.
        adapters: bool,
    },
}

/// How the engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answers {
    /// As it ships: from 60 memories and turns; an answer agent that was trained for it distils.
    Shipped,
    /// Never distils: the best hits at once.
    Direct,
    /// Distils from 30.
    Distil30,
    /// Distils from 60.
    Distil60,
    /// As it ships, but from memories alone, as Memory-R1 does.
    Memories,
}

/// How a system comes to its bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Builder {
    /// Turns are kept, and that is all.
    Turns,
    /// The engine works the queue.
    Manager {
        /// Whether with the manager's adapter.
        adapters: bool,
    },
    /// Mem0's shape.
    Mem0 {
        /// Whether with a fact from every turn.
        forced: bool,
    },
}

/// The name of each way to answer.
const ANSWERS: [(&str, Answers); 5] = [
    ("keepsake", Answers::Shipped),
    ("keepsake-direct", Answers::Direct),
    ("keepsake-distil-30", Answers::Distil30),
    ("keepsake-distil-60", Answers::Distil60),
    ("keepsake-memories", Answers::Memories),
];
const ADAPTED: &str = "+adapters";

impl System {
    /// The names of all, for help.
    pub const NAMES: &'static str = "rag, full-context, mem0, mem0-forced, keepsake, keepsake-direct, keepsake-distil-30, \
         keepsake-distil-60, keepsake-memories; the last five also with +adapters behind the name";

    /// The whole table, but for `mem0-forced`, which takes longer than all others together; with what has adapters where some are given.
    pub fn table(adapters: bool) -> Vec<Self> {
        let engine = |adapters| ANSWERS.map(|(_, answers)| Self::Keepsake { answers, adapters });
        let mut table = vec![Self::Rag, Self::FullContext, Self::Mem0 { forced: false }];
        table.extend(engine(false));
        if adapters {
            table.extend(engine(true));
        }
        table
    }

    /// How it comes to its bank.
    pub fn builder(self) -> Builder {
        match self {
            Self::Rag | Self::FullContext => Builder::Turns,
            Self::Mem0 { forced } => Builder::Mem0 { forced },
            Self::Keepsake { adapters, .. } => Builder::Manager { adapters },
        }
    }

    /// Whether it needs the adapters.
    pub fn has_adapters(self) -> bool {
        matches!(self, Self::Keepsake { adapters: true, .. })
    }

    /// How the engine answers for it.
    pub fn config(self) -> Config {
        let config = Config::default();
        match self {
            Self::Rag | Self::FullContext => Config { distil: Distil::Never, ..config },
            Self::Mem0 { .. } => Config { distil: Distil::Never, answers_from_turns: false, ..config },
            Self::Keepsake { answers, .. } => match answers {
                Answers::Shipped => config,
                Answers::Direct => Config { distil: Distil::Never, ..config },
                Answers::Distil30 => Config { distil: Distil::Always, retrieved: Take::Best(30), ..config },
                Answers::Distil60 => Config { distil: Distil::Always, retrieved: Take::Best(60), ..config },
                Answers::Memories => Config { answers_from_turns: false, ..config },
            },
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rag => f.write_str("rag"),
            Self::FullContext => f.write_str("full-context"),
            Self::Mem0 { forced: false } => f.write_str("mem0"),
            Self::Mem0 { forced: true } => f.write_str("mem0-forced"),
            Self::Keepsake { answers, adapters } => {
                let name =
                    ANSWERS.iter().find(|(_, own)| own == answers).map_or("keepsake", |(name, _)| name);
                write!(f, "{name}{}", if *adapters { ADAPTED } else { "" })
            }
        }
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "rag" => return Ok(Self::Rag),
            "full-context" => return Ok(Self::FullContext),
            "mem0" => return Ok(Self::Mem0 { forced: false }),
            "mem0-forced" => return Ok(Self::Mem0 { forced: true }),
            _ => {}
        }
        let (plain, adapters) = name.strip_suffix(ADAPTED).map_or((name, false), |plain| (plain, true));
        let known = ANSWERS.iter().find(|(own, _)| *own == plain);
        known
            .map(|(_, answers)| Self::Keepsake { answers: *answers, adapters })
            .ok_or_else(|| format!("there is no system {name}: give some of {}", Self::NAMES))
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turns => "turns",
            Self::Manager { adapters: false } => "keepsake",
            Self::Manager { adapters: true } => "keepsake+adapters",
            Self::Mem0 { forced: false } => "mem0",
            Self::Mem0 { forced: true } => "mem0-forced",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, Builder, Distil, System};

    #[test]
    fn names_are_read_back() {
        let table = System::table(true);
        assert_eq!((System::table(false).len(), table.len()), (8, 13));
        for system in table.into_iter().chain([System::Mem0 { forced: true }]) {
            assert_eq!(system.to_string().parse(), Ok(system));
        }
        assert!("rag+adapters".parse::<System>().unwrap_err().contains("full-context"));
    }

    #[test]
    fn systems_of_one_bank_share_its_builder() {
        let engine = |answers, adapters| System::Keepsake { answers, adapters };
        assert_eq!(engine(Answers::Direct, true).builder(), Builder::Manager { adapters: true });
        let distil = |system: System| system.config().distil;
        assert_eq!([engine(Answers::Direct, true), System::Rag].map(distil), [Distil::Never; 2]);
        assert_eq!(distil(engine(Answers::Shipped, true)), Distil::Trained);
        assert!(!engine(Answers::Memories, false).config().answers_from_turns);
    }
}
