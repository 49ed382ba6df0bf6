//! Reads a chat log: lines as messengers export them (WhatsApp on both systems, and what looks like it).
//!
//! ```text
//! [2024-03-02, 10:15:33] Maria: text          02/03/2024, 10:15 - Maria: text
//! ```
//!
//! A line that begins no message goes on with the one above. Whether day or month comes first is never guessed: a
//! date somewhere in the file must show it, or the person says it. Messages as JSON are read in `chat_json`.
//!
//! Rooms it touches: core (types).

use std::collections::HashMap;

use jiff::civil::{Date, DateTime, Time};
use keepsake_core::types::{InvalidInput, NewTurn, SpaceId, Timestamp};

use crate::DateOrder;
use crate::jsonl::by_content;

/// What stands before a message that the messenger wrote itself.
const MARKS: [char; 9] = [
    '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2068}',
    '\u{2069}',
];
/// How messages begin that nobody said.
const NOTICES: [&str; 3] = [
    "Messages and calls are end-to-end encrypted",
    "Messages to this chat and calls are now secured",
    "<Media omitted>",
];

/// Why a file was not read. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error(
        "line {line} begins no message: a chat log has lines like [2024-03-02, 10:15:33] Maria: text, or 02/03/2024, 10:15 - Maria: text"
    )]
    NoMessage { line: usize },
    #[error("no date in it shows whether day or month comes first: say it with --date-order dmy or mdy")]
    DateOrder,
    #[error(
        "line {dmy} has the day first and line {mdy} the month: make two files of it, and import each with --date-order"
    )]
    BothOrders { dmy: usize, mdy: usize },
    #[error("line {line} has a date or time that is none: correct it, or give another --date-order")]
    Date { line: usize },
    #[error("message {number} has no time, nor has one before it: say with --time when it was said")]
    NoTime { number: usize },
    #[error(
        "message {number} has a time that is none: write it as 2024-03-02T10:15, or in seconds since 1970"
    )]
    BadTime { number: usize },
    #[error("it is no list of messages with `role` and `content`: {0}")]
    Json(String),
    #[error("{what} {number}: {source}")]
    Turn { what: &'static str, number: usize, source: InvalidInput },
}

/// The turns of a log, in order, and how many messages nobody said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chat {
    pub turns: Vec<NewTurn>,
    pub passed_over: u64,
}

/// Whether a text has a line that begins a message.
pub fn is_log(text: &str) -> bool {
    text.lines().take(1000).any(|line| Begins::read(line).is_some())
}

/// Reads a log of lines. A message is known by its content, so that a log that has grown can be read in again.
pub fn read(text: &str, source: &str, order: Option<DateOrder>, space: &SpaceId) -> Result<Chat, ChatError> {
    let messages = messages(text)?;
    let order = order.map_or_else(|| date_order(&messages), |order| Ok(Some(order)))?;
    let mut names = Names::new(source, space);
    let mut chat = Chat::default();
    for message in &messages {
        let time = message.begins.time(order).ok_or(ChatError::Date { line: message.line })?;
        let said = message.said();
        let Some((speaker, text)) = said else {
            chat.passed_over += 1;
            continue;
        };
        let turn = names.turn(&speaker, &text, time, &time.to_string());
        chat.turns.push(turn.map_err(|source| ChatError::Turn {
            what: "line",
            number: message.line,
            source,
        })?);
    }
    Ok(chat)
}

/// Makes turns of messages: a session for each day, and a reference by content, unique in the file.
pub struct Names<'a> {
    source: &'a str,
    space: &'a SpaceId,
    seen: HashMap<String, u32>,
}

impl<'a> Names<'a> {
    pub fn new(source: &'a str, space: &'a SpaceId) -> Self {
        Self { source, space, seen: HashMap::new() }
    }

    /// `said_at` is the time as the file has it, and part of what the message is known by.
    pub fn turn(
        &mut self,
        speaker: &str,
        text: &str,
        time: Timestamp,
        said_at: &str,
    ) -> Result<NewTurn, InvalidInput> {
        let content = by_content(&format!("{said_at}\n{speaker}\n{text}"), &mut self.seen);
        NewTurn::new(speaker, text, time)?
            .in_space(self.space.clone())
            .in_session(&format!("{}/{}", self.source, time.civil().date()))?
            .with_reference(&format!("{}/{content}", self.source))?
            .checked()
    }
}

/// A message with the lines that go on with it.
struct Message<'a> {
    line: usize,
    begins: Begins<'a>,
    more: Vec<&'a str>,
}

impl Message<'_> {
    /// Speaker and text; none where nobody said it.
    fn said(&self) -> Option<(String, String)> {
        let (speaker, first) = self.begins.rest.split_once(": ").or_else(|| {
            // A message that begins with a line break.
            Some((self.begins.rest.strip_suffix(':')?, ""))
        })?;
        let of_the_messenger = first.starts_with('\u{200e}')
            || NOTICES.iter().any(|notice| first.trim_start_matches(MARKS).starts_with(notice));
        let text = [&[first], &self.more[..]].concat().join("\n");
        let says = text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !MARKS.contains(&c));
        (!of_the_messenger && says).then(|| (speaker.replace(MARKS, ""), text))
    }
}

fn messages(text: &str) -> Result<Vec<Message<'_>>, ChatError> {
    let mut messages: Vec<Message> = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        match (Begins::read(line), messages.last_mut()) {
            (Some(begins), _) => messages.push(Message { line: number, begins, more: Vec::new() }),
            (None, Some(message)) => message.more.push(line),
            (None, None) if line.trim().is_empty() => {}
            (None, None) => return Err(ChatError::NoMessage { line: number }),
        }
    }
    for message in &mut messages {
        while message.more.last().is_some_and(|line| line.trim().is_empty()) {
            message.more.pop();
        }
    }
    Ok(messages)
}

/// The order that the dates of a file show; none where every date reads the same in both.
fn date_order(messages: &[Message]) -> Result<Option<DateOrder>, ChatError> {
    let first_with = |fits: fn(u32, u32) -> bool| {
        let short = |message: &&Message| match message.begins.date {
            Written::Short(first, second, _) => fits(first, second),
            Written::Iso(..) => false,
        };
        messages.iter().find(short).map(|message| message.line)
    };
    match (first_with(|first, _| first > 12), first_with(|_, second| second > 12)) {
        (Some(dmy), Some(mdy)) => Err(ChatError::BothOrders { dmy, mdy }),
        (Some(_), None) => Ok(Some(DateOrder::Dmy)),
        (None, Some(_)) => Ok(Some(DateOrder::Mdy)),
        (None, None) if first_with(|first, second| first != second).is_some() => Err(ChatError::DateOrder),
        (None, None) => Ok(None),
    }
}

/// A date as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Year, month, day.
    Iso(u32, u32, u32),
    /// Day and month in some order, year.
    Short(u32, u32, u32),
}

/// The beginning of a message: when, and the rest of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Begins<'a> {
    date: Written,
    /// Hour (0 to 23, or 1 to 12 with a half of the day), minute, second.
    clock: (u32, u32, u32),
    afternoon: Option<bool>,
    rest: &'a str,
}

impl<'a> Begins<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim_start_matches(MARKS);
        let (inside, bracketed) = match line.strip_prefix('[') {
            Some(inside) => (inside, true),
            None => (line, false),
        };
        let (date, after) = date(inside)?;
        let (clock, after) = clock(after.strip_prefix(',').unwrap_or(after).strip_prefix(' ')?)?;
        let (afternoon, after) = half_of_day(after);
        let rest = if bracketed { after.strip_prefix("] ")? } else { after.strip_prefix(" - ")? };
        Some(Self { date, clock, afternoon, rest })
    }

    fn time(&self, order: Option<DateOrder>) -> Option<Timestamp> {
        let (year, month, day) = match (self.date, order) {
            (Written::Iso(year, month, day), _) => (year, month, day),
            (Written::Short(month, day, year), Some(DateOrder::Mdy)) => (year, month, day),
            (Written::Short(day, month, year), _) => (year, month, day),
        };
        let (hour, minute, second) = self.clock;
        let hour = match self.afternoon {
            None => hour,
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        };
        // A year of two digits: messengers are younger than 2000.
        let year = if year < 100 { year + 2000 } else { year };
        let date = Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
        let [hour, minute, second] = [hour, minute, second].map(|n| i8::try_from(n).unwrap_or(-1));
        Some(DateTime::from_parts(date, Time::new(hour, minute, second, 0).ok()?).into())
    }
}

/// `2024-03-02`, `02/03/2024`, `2.3.24`
fn date(text: &str) -> Option<(Written, &str)> {
    let (first, digits, text) = number(text)?;
    let separator = text.chars().next().filter(|c| "/.-".contains(*c))?;
    let (second, _, text) = number(text.strip_prefix(separator)?)?;
    let (third, year_digits, text) = number(text.strip_prefix(separator)?)?;
    match (digits, year_digits) {
        (4, 1..=2) => Some((Written::Iso(first, second, third), text)),
        (1..=2, 2 | 4) => Some((Written::Short(first, second, third), text)),
        _ => None,
    }
}

/// `10:15`, `10:15:33`, `10.15`
fn clock(text: &str) -> Option<((u32, u32, u32), &str)> {
    let (hour, _, text) = number(text)?;
    let separator = text.chars().next().filter(|c| ":.".contains(*c))?;
    let (minute, 2, text) = number(text.strip_prefix(separator)?)? else { return None };
    match text.strip_prefix(separator).and_then(number) {
        Some((second, 2, text)) => Some(((hour, minute, second), text)),
        _ => Some(((hour, minute, 0), text)),
    }
}

/// ` PM`, `\u{202f}p.m.`: whether it is the second half of the day.
fn half_of_day(text: &str) -> (Option<bool>, &str) {
    let word = text.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
    for (name, afternoon) in [("am", false), ("pm", true), ("a.m.", false), ("p.m.", true)] {
        if let Some(start) = word.get(..name.len())
            && start.eq_ignore_ascii_case(name)
        {
            return (Some(afternoon), &word[name.len()..]);
        }
    }
    (None, text)
}

/// A number of at most four digits, how many these are, and what follows.
fn number(text: &str) -> Option<(u32, usize, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let value = (1..=4).contains(&digits).then(|| text[..digits].parse().ok())??;
    Some((value, digits, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_log(text: &str, order: Option<DateOrder>) -> Result<Chat, ChatError> {
        read(text, "log", order, &SpaceId::default())
    }

    /// Time, speaker and text of every turn.
    fn said(text: &str, order: Option<DateOrder>) -> Vec<String> {
        let chat = read_log(text, order).unwrap();
        chat.turns.iter().map(|turn| format!("{turn:?}")).collect()
    }

    fn turn(speaker: &str, text: &str, time: &str) -> String {
        let time: Timestamp = time.parse().unwrap();
        let content = by_content(&format!("{time}\n{speaker}\n{text}"), &mut HashMap::new());
        let turn = NewTurn::new(speaker, text, time).unwrap();
        let turn = turn.in_session(&format!("log/{}", time.civil().date())).unwrap();
        format!("{:?}", turn.with_reference(&format!("log/{content}")).unwrap())
    }

    #[test]
    fn the_forms_of_messengers_are_read() {
        for (line, time) in [
            ("[2024-03-02, 10:15:33] Maria: Hi: you", "2024-03-02T10:15:33"),
            ("[13/03/2024, 10:15:33] Maria: Hi: you", "2024-03-13T10:15:33"),
            ("\u{200e}[13.03.24, 10:15:33] Maria: Hi: you", "2024-03-13T10:15:33"),
            ("13/03/2024, 10:15 - Maria: Hi: you", "2024-03-13T10:15"),
            ("3/13/24, 10:15\u{202f}PM - Maria: Hi: you", "2024-03-13T22:15"),
            ("3/13/24, 12:15 a.m. - Maria: Hi: you", "2024-03-13T00:15"),
            ("13.3.2024 10.15 - Maria: Hi: you", "2024-03-13T10:15"),
            ("3/3/24, 12:15 PM - \u{202a}Maria\u{202c}: Hi: you", "2024-03-03T12:15"),
        ] {
            assert_eq!(said(line, None), [turn("Maria", "Hi: you", time)], "{line}");
        }
    }

    #[test]
    fn lines_go_on_and_what_nobody_said_is_counted() {
        let log = "\n\
            [13/03/2024, 10:15:00] Maria: \u{200e}Messages and calls are end-to-end encrypted. Only people can read.\n\
            [13/03/2024, 10:15:01] Maria: first\r\n\n  second: line\n[not a date] third\n\n\
            13/03/2024, 10:16 - Messages and calls are end-to-end encrypted.\nand more of it\n\
            13/03/2024, 10:17 - Tom: <Media omitted>\n\
            13/03/2024, 10:18 - Tom:\nbelow\n";
        let chat = read_log(log, None).unwrap();
        assert_eq!(chat.passed_over, 3);
        let turns: Vec<String> = chat.turns.iter().map(|turn| format!("{turn:?}")).collect();
        let first = turn("Maria", "first\n\n  second: line\n[not a date] third", "2024-03-13T10:15:01");
        assert_eq!(turns, [first, turn("Tom", "\nbelow", "2024-03-13T10:18")]);
    }

    #[test]
    fn the_order_of_day_and_month_is_never_guessed() {
        let log = "02/03/2024, 10:15 - Maria: a\n03/03/2024, 10:15 - Maria: b\n";
        assert!(matches!(read_log(log, None), Err(ChatError::DateOrder)));
        let of = |order| said(log, Some(order))[0].clone();
        assert_eq!(of(DateOrder::Dmy), turn("Maria", "a", "2024-03-02T10:15"));
        assert_eq!(of(DateOrder::Mdy), turn("Maria", "a", "2024-02-03T10:15"));
        let shown = format!("{log}13/03/2024, 10:15 - Maria: c\n");
        assert_eq!(said(&shown, None)[0], turn("Maria", "a", "2024-03-02T10:15"));
        let both = format!("{shown}03/14/2024, 10:15 - Maria: d\n");
        assert!(matches!(read_log(&both, None), Err(ChatError::BothOrders { dmy: 3, mdy: 4 })));
        assert!(matches!(read_log(&both, Some(DateOrder::Dmy)), Err(ChatError::Date { line: 4 })));
        let same = "03/03/2024, 10:15 - Maria: b\n";
        assert_eq!(said(same, None), [turn("Maria", "b", "2024-03-03T10:15")]);
    }

    #[test]
    fn a_log_that_has_grown_gives_the_same_turns_and_new_ones() {
        let ok = "[2024-03-02, 10:15:33] Maria: ok\n";
        let (before, after) =
            (read_log(&ok.repeat(2), None).unwrap(), read_log(&ok.repeat(3), None).unwrap());
        assert_eq!(after.turns[..2], before.turns);
        assert!(!before.turns.contains(&after.turns[2]));
    }

    #[test]
    fn what_is_no_log_is_refused() {
        assert!(matches!(read_log("\nhello\n", None), Err(ChatError::NoMessage { line: 2 })));
        assert!(matches!(read_log("[2024-13-02, 10:15:33] M: x", None), Err(ChatError::Date { line: 1 })));
        assert!(matches!(read_log("[2024-03-02, 25:15] M: x", None), Err(ChatError::Date { line: 1 })));
        assert!(matches!(
            read_log("[2024-03-02, 10:15] \u{1}: x", None),
            Err(ChatError::Turn { number: 1, .. })
        ));
        assert!(!is_log("1. one\n2. two: three\n") && is_log("x\n[2024-03-02, 10:15] M: x"));
    }
}
