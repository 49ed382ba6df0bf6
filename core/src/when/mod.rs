//! Relative dates, resolved by rule against the time of the turn that uses them.
//!
//! "Yesterday" in a turn of 8 May means 7 May for ever, whatever the device's clock says later. This room
//! finds such expressions in English text, computes the date, and can write it behind the words. Beside that it reads
//! the days that a question speaks of ([`spans`]). It never guesses: an expression it does not know, or that may mean something else
//! ("this may be", "the next week", "not seen him in two years"), is left alone.
//!
//! Rooms it touches: types.

mod spans;

pub use self::spans::{Days, spans};

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

use crate::types::{MONTHS, Timestamp};

/// Writes the date behind every relative expression: `yesterday` becomes `yesterday (7 May 2023)`.
/// Text that already has a parenthesis there is left as it is, so that annotating twice changes nothing.
pub fn annotate(text: &str, at: Timestamp) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut written = 0;
    for found in find(text, at) {
        if text[found.end..].trim_start().starts_with('(') {
            continue;
        }
        out.push_str(&text[written..found.end]);
        out.push_str(" (");
        out.push_str(&found.date.in_words());
        out.push(')');
        written = found.end;
    }
    out.push_str(&text[written..]);
    out
}

/// The first date the text speaks of by a relative expression, at its earliest day.
pub fn event_time(text: &str, at: Timestamp) -> Option<Timestamp> {
    find(text, at).first().map(|found| found.date.first_day().at(0, 0, 0, 0).into())
}

/// A resolved expression, as exact as its words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolved {
    Day(Date),
    /// A day that is meant loosely: "two weeks ago".
    Around(Date),
    /// The seven days before or after a day: "last week", "next week".
    WeekBefore(Date),
    WeekAfter(Date),
    Weekend(Date),
    Month(Date),
    Year(Date),
}

impl Resolved {
    fn in_words(self) -> String {
        let day = |date: Date| Timestamp::from(date.at(0, 0, 0, 0)).date_in_words();
        match self {
            Self::Day(date) => day(date),
            Self::Around(date) => format!("around {}", day(date)),
            Self::WeekBefore(date) => format!("the week before {}", day(date)),
            Self::WeekAfter(date) => format!("the week after {}", day(date)),
            Self::Weekend(date) => format!("the weekend of {}", day(date)),
            Self::Month(date) => format!("{} {}", MONTHS[date.month() as usize - 1], date.year()),
            Self::Year(date) => date.year().to_string(),
        }
    }

    /// Where the words say that it is meant to the day.
    fn exactly(self) -> Self {
        if let Self::Around(date) = self { Self::Day(date) } else { self }
    }

    fn first_day(self) -> Date {
        match self {
            Self::Day(date) | Self::Around(date) | Self::Weekend(date) => date,
            Self::WeekBefore(date) => date.saturating_sub(7.days()),
            Self::WeekAfter(date) => date.saturating_add(1.day()),
            Self::Month(date) => date.first_of_month(),
            Self::Year(date) => date.first_of_year(),
        }
    }
}

/// A resolved expression and where it ends, in bytes.
struct Found {
    end: usize,
    date: Resolved,
}

struct Word<'a> {
    lower: String,
    start: usize,
    end: usize,
    text: &'a str,
}

fn find(text: &str, at: Timestamp) -> Vec<Found> {
    let words = words(text);
    let today = at.civil().date();
    let mut found = Vec::new();
    let mut next = 0;
    while next < words.len() {
        let rest = together(text, &words[next..]);
        match resolve(&rest, today).filter(|(length, _)| is_meant(text, &words, next, *length)) {
            Some((length, date)) => {
                let end = words[next + length - 1].end;
                let possessive = ["'s", "\u{2019}s"].into_iter().find(|mark| text[end..].starts_with(mark));
                found.push(Found { end: end + possessive.map_or(0, str::len), date });
                next += length;
            }
            None => next += 1,
        }
    }
    found
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(start_at)) => {
                let word = &text[start_at..at];
                words.push(Word { lower: word.to_lowercase(), start: start_at, end: at, text: word });
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// The words at the start of `words`, at most six, that have only blanks between them. The months that are also
/// other words count with a capital letter only.
fn together<'a>(text: &str, words: &'a [Word<'_>]) -> Vec<&'a str> {
    let is_month = |word: &Word<'_>| {
        !matches!(word.lower.as_str(), "may" | "march") || word.text.starts_with(char::is_uppercase)
    };
    let mut together = Vec::new();
    for (at, word) in words.iter().enumerate().take(6) {
        let apart = at > 0 && !text[words[at - 1].end..word.start].chars().all(char::is_whitespace);
        if apart || !is_month(word) {
            break;
        }
        together.push(word.lower.as_str());
    }
    together
}

/// Whether the words around leave no other reading of the expression of `length` words at `at`.
fn is_meant(text: &str, words: &[Word<'_>], at: usize, length: usize) -> bool {
    const TENS: [&str; 9] =
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred"];
    const OWNERS: [&str; 10] = ["the", "my", "our", "your", "his", "her", "their", "its", "every", "each"];
    let before = at.checked_sub(1).map(|before| &words[before]);
    let touches = text[..words[at].start].ends_with(['-', '/', '.', ',', '\'', '\u{2019}']);
    let after = words.get(at + length).map(|after| after.lower.as_str());
    let owned = before.is_some_and(|word| OWNERS.contains(&word.lower.as_str()));
    let rest_of_number = before.is_some_and(|word| TENS.contains(&word.lower.as_str()));
    match words[at].lower.as_str() {
        "last" | "next" | "this" if owned || after == Some("of") => false,
        "in" => !touches && is_to_come(text, words, at),
        _ => !touches && !rest_of_number,
    }
}

/// Words of a sentence that are looked back at: a sentence may be as long as its turn, and have many dates.
const SENTENCE_WORDS: usize = 60;

/// Whether the sentence speaks of what is to come before it says "in": "not in two years" and "done in two days"
/// do not.
fn is_to_come(text: &str, words: &[Word<'_>], at: usize) -> bool {
    const TO_COME: [&str; 13] =
        ["will", "ll", "shall", "going", "gonna", "am", "m", "is", "are", "re", "be", "planning", "plan"];
    const NOT: [&str; 11] = ["not", "t", "never", "no", "first", "been", "was", "were", "did", "had", "only"];
    let (mut to_come, mut not) = (false, false);
    let mut end = words[at].start;
    for word in words[..at].iter().rev().take(SENTENCE_WORDS) {
        if text[word.end..end].contains(['.', '!', '?', ';', '\n']) {
            break;
        }
        to_come |= TO_COME.contains(&word.lower.as_str());
        not |= NOT.contains(&word.lower.as_str());
        end = word.start;
    }
    to_come && !not
}

/// The expression that `words` begin with: how many words it has, and its date.
fn resolve(words: &[&str], today: Date) -> Option<(usize, Resolved)> {
    match words {
        ["the", "day", "before", "yesterday", ..] => day(4, today, -2),
        ["the", "day", "after", "tomorrow", ..] => day(4, today, 2),
        ["yesterday", ..] => day(1, today, -1),
        ["last", "night", ..] => day(2, today, -1),
        ["today" | "tonight", ..] => day(1, today, 0),
        ["this", "morning" | "afternoon" | "evening", ..] => day(2, today, 0),
        ["tomorrow", ..] => day(1, today, 1),
        [which @ ("last" | "this" | "next"), unit, ..] => named(which, unit, today).map(|date| (2, date)),
        ["the", "other", "day", ..] => None,
        ["in", rest @ ..] => {
            let (length, count) = number(rest)?;
            let date = shifted(today, rest.get(length)?, count)?;
            Some((length + 2, date))
        }
        _ => {
            let (length, count) = number(words)?;
            let unit = words.get(length)?;
            match words.get(length + 1..)? {
                ["ago", "today", ..] => Some((length + 3, shifted(today, unit, -count)?.exactly())),
                ["ago", ..] => Some((length + 2, shifted(today, unit, -count)?)),
                ["from", "now", ..] => Some((length + 3, shifted(today, unit, count)?)),
                _ => None,
            }
        }
    }
}

fn day(length: usize, today: Date, days: i64) -> Option<(usize, Resolved)> {
    Some((length, Resolved::Day(today.checked_add(days.days()).ok()?)))
}

/// "last week", "next Friday", "this year", "last March".
fn named(which: &str, unit: &str, today: Date) -> Option<Resolved> {
    let step: i64 = match which {
        "last" => -1,
        "next" => 1,
        _ => 0,
    };
    let moved = |span: Span| today.checked_add(span).ok();
    match (unit, step) {
        ("week", -1) => Some(Resolved::WeekBefore(today)),
        ("week", 1) => Some(Resolved::WeekAfter(today)),
        ("weekend", _) => weekend(today, step).map(Resolved::Weekend),
        ("month", _) => moved(step.months()).map(Resolved::Month),
        ("year", _) => moved(step.years()).map(Resolved::Year),
        _ => weekday(unit)
            .and_then(|day| nearest_weekday(today, day, step))
            .map(Resolved::Day)
            .or_else(|| nearest_month(today, unit, step).map(Resolved::Month)),
    }
}

/// The Saturday of the weekend before, around or after today.
fn weekend(today: Date, step: i64) -> Option<Date> {
    let since_saturday = i64::from((today.weekday().to_monday_zero_offset() + 2) % 7);
    let saturday = match (step, since_saturday) {
        (-1, 0 | 1) => -since_saturday - 7,
        (-1, _) => -since_saturday,
        (0, 0 | 1) => -since_saturday,
        (0, _) => 7 - since_saturday,
        (_, 0 | 1) => 7 - since_saturday,
        (_, _) => 14 - since_saturday,
    };
    today.checked_add(saturday.days()).ok()
}

fn nearest_weekday(today: Date, day: Weekday, step: i64) -> Option<Date> {
    match step {
        -1 => today.nth_weekday(-1, day).ok(),
        1 => today.nth_weekday(1, day).ok(),
        _ if today.weekday() == day => Some(today),
        _ => today.nth_weekday(1, day).ok(),
    }
}

fn nearest_month(today: Date, name: &str, step: i64) -> Option<Date> {
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(name))? as i8 + 1;
    let year = match step {
        -1 if month >= today.month() => today.year() - 1,
        1 if month <= today.month() => today.year() + 1,
        _ => today.year(),
    };
    Date::new(year, month, 1).ok()
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

/// A count at the start of `words`: how many words it has, and its value. Vague counts ("a few") are
/// left alone.
fn number(words: &[&str]) -> Option<(usize, i64)> {
    const NAMES: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let first = *words.first()?;
    if matches!(words, ["a", "couple", "of", ..]) {
        return Some((3, 2));
    }
    let value = match first {
        "a" | "an" => 1,
        _ => first
            .parse()
            .ok()
            .filter(|value| (1..=1000).contains(value))
            .or_else(|| NAMES.iter().position(|name| *name == first).map(|at| at as i64))?,
    };
    Some((1, value))
}

fn shifted(today: Date, unit: &str, count: i64) -> Option<Resolved> {
    let add = |span: Span| today.checked_add(span).ok();
    match unit.trim_end_matches('s') {
        "day" => add(count.days()).map(Resolved::Day),
        "week" => add(count.weeks()).map(Resolved::Around),
        "month" => add(count.months()).map(Resolved::Month),
        "year" => add(count.years()).map(Resolved::Year),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 8 May 2023 was a Monday.
    fn said(text: &str) -> String {
        annotate(text, "2023-05-08T13:56".parse().unwrap())
    }

    #[test]
    fn relative_dates_are_resolved_against_the_turn() {
        for (text, date) in [
            ("yesterday", "7 May 2023"),
            ("the day before yesterday", "6 May 2023"),
            ("last night", "7 May 2023"),
            ("tomorrow", "9 May 2023"),
            ("last week", "the week before 8 May 2023"),
            ("next week", "the week after 8 May 2023"),
            ("last month", "April 2023"),
            ("next month", "June 2023"),
            ("last year", "2022"),
            ("last Friday", "5 May 2023"),
            ("last Monday", "1 May 2023"),
            ("next Monday", "15 May 2023"),
            ("this Monday", "8 May 2023"),
            ("last weekend", "the weekend of 6 May 2023"),
            ("this weekend", "the weekend of 13 May 2023"),
            ("next weekend", "the weekend of 20 May 2023"),
            ("two weeks ago", "around 24 April 2023"),
            ("two weeks ago today", "24 April 2023"),
            ("a couple of days ago", "6 May 2023"),
            ("3 years ago", "2020"),
            ("a month from now", "June 2023"),
            ("last March", "March 2023"),
            ("last May", "May 2022"),
            ("next May", "May 2024"),
        ] {
            assert_eq!(
                said(&format!("We met {text}, I think.")),
                format!("We met {text} ({date}), I think.")
            );
        }
    }

    #[test]
    fn month_ends_and_leap_years_are_calendar_dates() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(annotate("yesterday", at("2024-03-01")), "yesterday (29 February 2024)");
        assert_eq!(annotate("last month", at("2024-03-31")), "last month (February 2024)");
        assert_eq!(annotate("tomorrow", at("2023-12-31T23:59")), "tomorrow (1 January 2024)");
        assert_eq!(
            annotate("last weekend", at("2024-03-03")),
            "last weekend (the weekend of 24 February 2024)"
        );
    }

    #[test]
    fn what_is_not_a_known_expression_is_left_alone() {
        for text in [
            "the other day",
            "a few days ago",
            "last chance",
            "in 2022",
            "in a hurry",
            "ago",
            "",
            "9999 years ago",
        ] {
            assert_eq!(said(text), text);
        }
    }

    #[test]
    fn what_may_mean_something_else_is_left_alone() {
        for text in [
            "This may be right",
            "the last march was long",
            "I have not seen him in two years",
            "We haven't met in two weeks",
            "It is the first time in two years",
            "I built it in two days",
            "twenty-five years ago",
            "twenty five years ago",
            "1.5 years ago",
            "Call me next. Monday is fine",
            "We met, and the next week he left",
            "the last week of June",
            "my last year at school",
            "7-8 days ago",
        ] {
            assert_eq!(said(text), text);
        }
    }

    #[test]
    fn what_is_to_come_in_some_time_is_resolved() {
        for text in ["I'm leaving", "She will be back", "The exam is"] {
            assert_eq!(said(&format!("{text} in ten days.")), format!("{text} in ten days (18 May 2023)."));
        }
        assert_eq!(
            said("He was ill. I will see him in a month"),
            "He was ill. I will see him in a month (June 2023)"
        );
        assert_eq!(said("last year's trip"), "last year's (2022) trip");
    }

    #[test]
    fn a_sentence_of_a_megabyte_is_read_in_time_that_goes_with_its_length() {
        // Looking back to its beginning for each date took minutes.
        let text = "in 2 days ".repeat(100_000);
        assert_eq!(said(&text), text);
        assert!(said(&format!("{text} and I will leave in 2 days")).ends_with("in 2 days (10 May 2023)"));
    }

    #[test]
    fn annotating_twice_changes_nothing() {
        let once = said("Yesterday and last week — yesterday!");
        assert_eq!(annotate(&once, "2030-01-01".parse().unwrap()), once);
    }

    #[test]
    fn event_time_is_the_first_day_spoken_of() {
        let at = "2023-05-08T13:56".parse().unwrap();
        assert_eq!(event_time("I painted it last year", at), Some("2022-01-01".parse().unwrap()));
        assert_eq!(event_time("I went there last week", at), Some("2023-05-01".parse().unwrap()));
        assert_eq!(event_time("I like tea", at), None);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let end = "9999-12-31T23:59:59".parse().unwrap();
        assert_eq!(annotate("tomorrow and next year", end), "tomorrow and next year");
        assert!(event_time("next week", end).is_some());
    }
}
