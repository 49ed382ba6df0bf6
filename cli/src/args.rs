//! The command line's grammar: commands, options, their help and its examples.
//!
//! Values are checked here as far as they can be without a bank. This room does nothing with them.
//!
//! Rooms it touches: dialogues.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgGroup, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use keepsake_core::Moment;
use keepsake_core::Selection;
use keepsake_core::config::Retention;
use keepsake_core::types::{InvalidInput, Origin, SpaceId, Timestamp, UnitId};

use keepsake_dialogues as dialogues;

const EXAMPLES: &str = "\
Examples:
  keepsake models pull
  keepsake demo
  keepsake remember \"I adopted a dog named Buddy.\" --speaker Maria
  keepsake ask \"What is Maria's dog called?\"
  keepsake ingest conversation.json --limit 40

Data goes to standard output, notes to standard error.
Exit codes: 0 done, 2 wrong usage, 3 missing or unusable model, 4 bank cannot be opened, 1 the rest.";

/// Keepsake remembers conversations on this machine: a small local model decides what to keep, and answers
/// from it. Nothing leaves the machine.
#[derive(Debug, Parser)]
#[command(name = "keepsake", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Reads the command line; what is wrong with it ends the program.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut args = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        args.global.bank_given = matches.value_source("bank") == Some(ValueSource::CommandLine);
        args
    }
}

/// Options of every command.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options of every command")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Global {
    /// The bank's folder [default: keepsake/bank in the user's data folder]
    #[arg(long, global = true, env = "KEEPSAKE_BANK", value_name = "DIR")]
    pub(crate) bank: Option<PathBuf>,
    /// Whether the folder stands on the command line, not in the environment.
    #[arg(skip)]
    pub(crate) bank_given: bool,
    /// A file with the bank's key, 32 random bytes: a new bank is then sealed. Without the key nobody can read it
    #[arg(long, global = true, env = "KEEPSAKE_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The space to work in: one user or profile; nothing crosses it
    #[arg(long, global = true, value_name = "NAME")]
    #[arg(default_value = SpaceId::DEFAULT, value_parser = SpaceId::new)]
    pub(crate) space: SpaceId,
    /// The language model: a GGUF file, or a name from `keepsake models list`
    #[arg(long, global = true, env = "KEEPSAKE_MODEL", value_name = "FILE|NAME")]
    pub(crate) model: Option<String>,
    /// A LoRA adapter for what is kept [default: of the default model the one that ships]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) adapter_manager: Option<PathBuf>,
    /// A LoRA adapter for answers [default: of the default model the one that ships]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) adapter_answer: Option<PathBuf>,
    /// The default model without the adapters that ship
    #[arg(long, global = true)]
    pub(crate) no_adapters: bool,
    /// Tokens of prompt and reply together [default: 4096, or what the model was trained for]
    #[arg(long, global = true, value_name = "TOKENS")]
    #[arg(value_parser = clap::value_parser!(u32).range(256..=1_048_576))]
    pub(crate) context: Option<u32>,
    /// Keys and values in 8 bits: half the memory, and long prompts are read more slowly
    #[arg(long, global = true)]
    pub(crate) small_cache: bool,
    /// Threads that compute [default: measured when a model is first loaded]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) threads: Option<u32>,
    /// Search by words only, without the embedding model
    #[arg(long, global = true)]
    pub(crate) no_embedder: bool,
    /// Write one JSON document (see SCHEMA.md) instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error, and show the causes of errors; twice for more. Never logs remembered text
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List, fetch and locate models
    #[command(subcommand)]
    Models(Models),
    /// Remember one thing that was said
    Remember(Remember),
    /// Remember a whole conversation from a file
    Ingest(Ingest),
    /// Answer a question from what is remembered
    Ask(Ask),
    /// Find memories and turns, without a language model
    Search(Search),
    /// List the memories that hold
    List(List),
    /// Show a memory or a turn in full
    Show(Show),
    /// Show all versions of a memory
    History(History),
    /// Remove memories or turns for good
    Forget(Forget),
    /// Remove for good what is old, unused, or too much
    Expire(Expire),
    /// Take back what turns changed
    Undo(Undo),
    /// Let a quarantined memory hold, as the user's own word
    Confirm(Confirm),
    /// Show the space in numbers
    Stats,
    /// Write the space to a file, whole, as JSON lines, or as a page for people
    Export(Export),
    /// Take in an export into an empty bank, or what Mem0 gives out
    Import(Import),
    /// Check every byte of the bank against what was written to it
    #[command(after_help = "Example:\n  keepsake verify --bank ~/old-bank")]
    Verify,
    /// Make a bank that does not open any more sound again, and name what is lost
    #[command(
        after_help = "A bank that opens stays as it is. Damaged files are set aside in the bank's folder; copy the folder first all \
the same.\n\nExample:\n  keepsake repair --bank ~/old-bank"
    )]
    Repair,
    /// Seal the bank by another key from now on, in place of --key-file
    Rekey(Rekey),
    /// Write the bank's files anew, as small as they can be, and remove what was set aside as damaged
    #[command(after_help = "Example:\n  keepsake compact")]
    Compact,
    /// Measure how well retrieval finds the evidence of questions
    #[command(
        disable_help_flag = true,
        after_help = "All that can be given: keepsake bench --help\n\nExample:\n  keepsake bench retrieval conversation.json"
    )]
    Bench {
        /// What to measure, and how
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        rest: Vec<OsString>,
    },
    /// Watch a conversation of two people being remembered, then questions answered from it
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List the models that can be had, and which of them are here
    List,
    /// Fetch models; without a name, those that are used by default
    #[command(after_help = "Examples:\n  keepsake models pull\n  keepsake models pull qwen2.5-coder-0.5b")]
    Pull {
        /// Names from `keepsake models list`
        names: Vec<String>,
    },
    /// Print where a model's file lies
    #[command(after_help = "Example:\n  ls -l \"$(keepsake models path smollm2-135m)\"")]
    Path {
        /// A name from `keepsake models list`
        name: String,
    },
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  keepsake remember \"I moved to Leeds last week.\" --speaker Tom --time 2024-03-02T10:15
  keepsake remember \"Look at him!\" --speaker Maria --image \"a brown terrier on a sofa\"
  pbpaste | keepsake remember - --speaker Maria --keep-only")]
pub(crate) struct Remember {
    /// The words; `-` reads them from standard input
    pub(crate) text: String,
    /// Who said it
    #[arg(long, value_name = "NAME")]
    pub(crate) speaker: String,
    /// When it was said, on the speaker's wall clock [default: now, in UTC]. "Last week" counts from it
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<Timestamp>,
    /// The sitting it belongs to; turns of one session are each other's context
    #[arg(long, value_name = "NAME", default_value = "1")]
    pub(crate) session: String,
    /// The caption of an image that was shared with it
    #[arg(long, value_name = "CAPTION")]
    pub(crate) image: Option<String>,
    /// Who vouches for it; only the user's own words may change what the user stated
    #[arg(long, value_name = "WHO", default_value = "user")]
    pub(crate) origin: OriginName,
    /// Store it durably and leave it in the queue: needs no model
    #[arg(long)]
    pub(crate) keep_only: bool,
}

/// [`Origin`] by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OriginName {
    /// The person whose memory this is, or somebody in conversation with them
    User,
    /// The assistant itself
    Assistant,
    /// Moved in from another system
    Imported,
    /// A document, web page or tool result
    Document,
}

impl From<OriginName> for Origin {
    fn from(name: OriginName) -> Self {
        match name {
            OriginName::User => Self::User,
            OriginName::Assistant => Self::Assistant,
            OriginName::Imported => Self::Imported,
            OriginName::Document => Self::Document,
        }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
All turns are stored first, then worked through one by one. Ctrl-C and a lost power cord are harmless: the
same command goes on where it stopped, and no turn is stored twice. What other commands left in the queue is
worked through as well.

JSONL has one turn in each line, with these keys; time, speaker and one of text and image are needed:
  {\"time\": \"2024-03-02T10:15\", \"speaker\": \"Maria\", \"text\": \"Hi!\", \"session\": \"1\",
   \"id\": \"D1:1\", \"image\": \"a dog\", \"origin\": \"user\"}
An id is needed only once in a file; a line without one is known by its content.

A chat log is what messengers export, or messages of a chat model as JSON or JSONL; when it has grown, what is new
is stored. Notices and left-out media are passed over, and so are instructions and tools:
  [2024-03-02, 10:15:33] Maria: Hi!
  02/03/2024, 10:15 - Maria: Hi!
  {\"role\": \"user\", \"content\": \"Hi!\", \"timestamp\": \"2024-03-02T10:15\"}

Examples:
  keepsake ingest conv-26.json --limit 40
  keepsake ingest turns.jsonl --keep-only
  keepsake ingest \"WhatsApp Chat.txt\" --date-order dmy")]
pub(crate) struct Ingest {
    /// A LoCoMo file, JSONL of turns, or a chat log
    pub(crate) file: PathBuf,
    /// The file's format [default: by its content]
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// Only the first N turns of the file
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Store the turns durably and leave them in the queue: needs no model
    #[arg(long)]
    pub(crate) keep_only: bool,
    /// What 02/03/2024 means in a chat log, where no date of it can be read in one way only
    #[arg(long)]
    pub(crate) date_order: Option<DateOrder>,
    /// Who speaks in the role of the user, where messages name only roles
    #[arg(long, value_name = "NAME", default_value = "user")]
    pub(crate) speaker: String,
    /// When messages that have no time were said
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<Timestamp>,
}

/// The order of day and month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DateOrder {
    /// Day, month, year
    Dmy,
    /// Month, day, year
    Mdy,
}

impl From<DateOrder> for dialogues::DateOrder {
    fn from(order: DateOrder) -> Self {
        match order {
            DateOrder::Dmy => Self::Dmy,
            DateOrder::Mdy => Self::Mdy,
        }
    }
}

/// A format of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The JSON of the LoCoMo data set
    Locomo,
    /// One turn in each line
    Jsonl,
    /// A messenger's log, or messages with `role` and `content` as JSON
    Chat,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  keepsake ask \"Where does Tom live now?\"\n  keepsake ask \"Where does Tom live?\" --held-at 2023-06-01"
)]
pub(crate) struct Ask {
    /// The question
    pub(crate) question: String,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  keepsake search \"dogs\" -k 5\n  keepsake search \"What did we cook last week?\" --explain\n  \
keepsake search \"plans\" --speaker Tom --from 2024-03-01 --until 2024-03-31 --turns"
)]
pub(crate) struct Search {
    /// What to look for: words, or a question
    pub(crate) text: String,
    /// Most memories and turns to show
    #[arg(short, value_name = "N", default_value_t = 10, conflicts_with_all = ["per_speaker", "tokens"])]
    pub(crate) k: usize,
    /// So many of each speaker instead
    #[arg(long, value_name = "N", conflicts_with = "tokens")]
    pub(crate) per_speaker: Option<usize>,
    /// As many as fit into a prompt of so many tokens instead, about
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<usize>,
    /// Memories only
    #[arg(long, conflicts_with = "turns")]
    pub(crate) memories: bool,
    /// Turns only
    #[arg(long)]
    pub(crate) turns: bool,
    /// Only what this person said
    #[arg(long, value_name = "NAME")]
    pub(crate) speaker: Option<String>,
    /// Nothing from before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Timestamp>,
    /// Nothing from after this time; a day without a time counts to its end
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub(crate) until: Option<Timestamp>,
    /// Say what each score is made of
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  keepsake list\n  keepsake list --turns\n  keepsake list --as-of 2024-03-02T10:15"
)]
pub(crate) struct List {
    /// The memories that wait to be confirmed: what a document says against the user
    #[arg(long, conflicts_with_all = ["as_of", "held_at"])]
    pub(crate) quarantined: bool,
    /// The turns as well, with what became of each
    #[arg(long)]
    pub(crate) turns: bool,
    #[command(flatten)]
    pub(crate) past: Past,
}

/// A moment, or the last second of a day.
fn until(text: &str) -> Result<Timestamp, InvalidInput> {
    let read: Timestamp = text.parse()?;
    let is_day = !text.trim().contains(['T', ':']);
    Ok(if is_day { Timestamp::from_seconds(read.seconds() + 86_399) } else { read })
}

/// A moment that is looked back at.
#[derive(Debug, ClapArgs)]
pub(crate) struct Past {
    /// As it was recorded up to this moment (UTC): what was known then
    #[arg(long, value_name = "TIME", conflicts_with = "held_at")]
    as_of: Option<Timestamp>,
    /// As it held at this moment (the speakers' clock), as far as is known now
    #[arg(long, value_name = "TIME")]
    held_at: Option<Timestamp>,
}

impl Past {
    /// None: now.
    pub(crate) fn moment(&self) -> Option<Moment> {
        self.as_of.map(Moment::Recorded).or(self.held_at.map(Moment::Held))
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  keepsake show m17\n  keepsake show t12")]
pub(crate) struct Show {
    /// A memory (m17) or a turn (t12)
    #[arg(value_parser = unit)]
    pub(crate) id: UnitId,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  head -c 32 /dev/urandom > new.key
  keepsake rekey --key-file old.key --new-key-file new.key")]
pub(crate) struct Rekey {
    /// A file with the new key, 32 random bytes
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: PathBuf,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  keepsake history m17")]
pub(crate) struct History {
    /// A memory (m17)
    pub(crate) id: keepsake_core::types::MemoryId,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Nothing finds what was forgotten any more, and it cannot be brought back. A memory and the turns it came from
are separate: the command says what else still holds the words.

Examples:
  keepsake forget m17
  keepsake forget t12 --with-memories
  keepsake forget --session 2024-03-02 --with-memories
  keepsake forget --origin document")]
pub(crate) struct Forget {
    #[command(flatten)]
    pub(crate) what: Selected,
    /// With the memories that came from the turns
    #[arg(long)]
    pub(crate) with_memories: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The device's clock counts: when a turn came in, when a memory was last changed, or when `ask` last answered from it.

Examples:
  keepsake expire --older-than 365 --dry-run
  keepsake expire --unused-for 90 --keep 2000")]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Expire {
    /// Turns that came in, and memories that were last changed, more than this many days ago
    #[arg(long, value_name = "DAYS", group = "what")]
    older_than: Option<u32>,
    /// Memories that were neither changed nor used for more than this many days
    #[arg(long, value_name = "DAYS", group = "what")]
    unused_for: Option<u32>,
    /// Of more memories than this, those that were not changed or used for longest
    #[arg(long, value_name = "NUMBER", group = "what")]
    keep: Option<usize>,
    /// Only name what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Expire {
    pub(crate) fn retention(&self) -> Retention {
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        Retention { age: self.older_than.map(days), unused: self.unused_for.map(days), memories: self.keep }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Memories go back to what they were before the turns, what was added is retired, and what was retired holds again.
The turns stay and their history stays; `forget` is what removes.

Examples:
  keepsake undo t12
  keepsake undo --source notes")]
pub(crate) struct Undo {
    #[command(flatten)]
    pub(crate) what: Selected,
}

/// Which memories and turns.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct Selected {
    /// Memories (m17) and turns (t12)
    #[arg(value_name = "ID", value_parser = unit)]
    pub(crate) ids: Vec<UnitId>,
    /// The turns of a session
    #[arg(long, value_name = "NAME")]
    session: Option<String>,
    /// The turns of an ingested file, by its name without the ending
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// What somebody said
    #[arg(long, value_name = "NAME")]
    speaker: Option<String>,
    /// What came from an origin
    #[arg(long, value_name = "WHO")]
    origin: Option<OriginName>,
    /// Everything in the space
    #[arg(long)]
    all: bool,
}

impl Selected {
    /// The selection, where it is not ids.
    pub(crate) fn selection(&self) -> Option<Selection> {
        let named = |name: &Option<String>, of: fn(String) -> Selection| name.clone().map(of);
        named(&self.session, Selection::Session)
            .or_else(|| named(&self.source, Selection::Source))
            .or_else(|| named(&self.speaker, Selection::Speaker))
            .or_else(|| self.origin.map(|origin| Selection::Origin(origin.into())))
            .or_else(|| self.all.then_some(Selection::All))
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The format is described in docs/export-format.md. An export holds everything in plain words, also of a sealed bank.

Examples:
  keepsake export memories.jsonl
  keepsake export - --format markdown")]
pub(crate) struct Export {
    /// The file; `-` is standard output
    pub(crate) file: PathBuf,
    /// As what
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: ExportFormat,
    /// Every space, not only --space
    #[arg(long)]
    pub(crate) all_spaces: bool,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// A form of export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Everything; can be imported
    Jsonl,
    /// What holds now, for reading
    Markdown,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
An export of this program goes into an empty bank, which is then equal to the one that was exported; its spaces keep
their names. Mem0's memories, as JSON, are added to --space, each once however often they are imported.

Examples:
  keepsake import memories.jsonl --bank ~/new-bank
  keepsake import mem0.json --speaker Maria")]
pub(crate) struct Import {
    /// The file
    pub(crate) file: PathBuf,
    /// Whom Mem0's memories are of, where they have no `user_id`
    #[arg(long, value_name = "NAME", default_value = "me")]
    pub(crate) speaker: String,
    /// From when Mem0's memories are, where they have no time of their own
    #[arg(long)]
    pub(crate) time: Option<Timestamp>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  keepsake list --quarantined\n  keepsake confirm m17")]
pub(crate) struct Confirm {
    /// A quarantined memory (m17)
    pub(crate) id: keepsake_core::types::MemoryId,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Works in a temporary folder that is removed afterwards, unless --bank says otherwise.

Examples:
  keepsake demo
  keepsake demo --turns 20
  keepsake demo --json > demo.json")]
pub(crate) struct Demo {
    /// Only the first N turns, and the questions that they answer
    #[arg(long, value_name = "N")]
    pub(crate) turns: Option<usize>,
}

fn unit(text: &str) -> Result<UnitId, InvalidInput> {
    match text.parse() {
        Ok(id) => Ok(UnitId::Turn(id)),
        Err(_) => text.parse().map(UnitId::Memory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound_and_every_command_shows_an_example() {
        let mut command = Args::command();
        command.build();
        for sub in
            command.get_subcommands_mut().filter(|sub| !["help", "models", "stats"].contains(&sub.get_name()))
        {
            let help = sub.render_long_help().to_string();
            assert!(help.contains("keepsake "), "{help}");
            assert!(help.contains("Example"), "{help}");
        }
    }

    #[test]
    fn ids_name_a_memory_or_a_turn() {
        assert_eq!(unit("m3").unwrap().to_string(), "m3");
        assert_eq!(unit("t3").unwrap().to_string(), "t3");
        assert!(unit("3").is_err());
    }
}
