//! The days that a question speaks of, absolute ("in May 2023", "on 8 May") and relative ("last week").
//!
//! Made for ranking, where a wrong reading costs little: so it reads more than annotation dares to. Without the day
//! on which was asked, only what is absolute is read.
//!
//! Rooms it touches: types, when.

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Resolved, Word, find, words};
use crate::types::{MONTHS, Timestamp};

/// From the first to the last day, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: Date,
    /// The last.
    pub last: Date,
}

impl Days {
    /// Whether a moment is in these days or in the `after` days that follow.
    pub fn include(self, moment: Timestamp, after: i64) -> bool {
        let day = moment.civil().date();
        self.first <= day && day <= self.last.saturating_add(after.days())
    }
}

/// The days a question speaks of, if any, asked at `asked`.
pub fn spans(question: &str, asked: Option<Timestamp>) -> Vec<Days> {
    let relative = asked.into_iter().flat_map(|asked| find(question, asked));
    let mut spans: Vec<Days> = relative.filter_map(|found| found.date.days()).collect();
    let words = words(question);
    let mut next = 0;
    while next < words.len() {
        let before = next.checked_sub(1).map(|before| words[before].lower.as_str());
        match absolute(question, before, &words[next..], asked) {
            Some((length, days)) => {
                spans.push(days);
                next += length;
            }
            None => next += 1,
        }
    }
    spans
}

impl Resolved {
    fn days(self) -> Option<Days> {
        let around = |date: Date, before: i64, after: i64| {
            Some(Days { first: date.saturating_sub(before.days()), last: date.saturating_add(after.days()) })
        };
        match self {
            Self::Day(date) => around(date, 0, 0),
            Self::Around(date) => around(date, 3, 3),
            Self::WeekBefore(date) => around(date, 7, 0),
            Self::WeekAfter(date) => around(date, 0, 7),
            Self::Weekend(date) => around(date, 0, 1),
            Self::Month(date) => Some(month(date)),
            Self::Year(date) => Some(Days { first: date.first_of_year(), last: date.last_of_year() }),
        }
    }
}

fn month(date: Date) -> Days {
    Days { first: date.first_of_month(), last: date.last_of_month() }
}

/// What stands before a year or month alone, where it is one: "2000 dollars" and "May I" are none.
const BEFORE: [&str; 24] = [
    "after", "and", "around", "autumn", "before", "by", "during", "early", "fall", "from", "in", "last",
    "late", "next", "of", "or", "since", "spring", "summer", "this", "till", "to", "until", "winter",
];

/// An absolute date at the start of `words`, which follow on `before`: how many words it has, and its days.
fn absolute(
    text: &str,
    before: Option<&str>,
    words: &[Word<'_>],
    asked: Option<Timestamp>,
) -> Option<(usize, Days)> {
    let is_led = before.is_some_and(|before| BEFORE.contains(&before));
    let is_iso = |at: usize| words.get(at + 1).is_some_and(|next| &text[words[at].end..next.start] == "-");
    let word = |at: usize| words.get(at).map(|word: &Word<'_>| word.lower.as_str());
    let day = |at: usize| word(at).and_then(day_of_month);
    let year = |at: usize| word(at).and_then(year);
    if let (Some(of), true, true) = (year(0), is_iso(0), is_iso(1))
        && let Some(days) = one_day(of, word(1)?.parse().ok()?, word(2)?.parse().ok()?)
    {
        return Some((3, days));
    }
    let named = |at: usize| words.get(at).and_then(month_of);
    let (month_of_year, day_of_month, length) = match (named(0), day(0)) {
        (Some(month), _) if day(1).is_some() => (month, day(1), 2),
        (Some(month), _) if is_led || year(1).is_some() || !is_other_word(&words[0]) => (month, None, 1),
        (Some(_), _) => return None,
        (None, Some(day)) if word(1) == Some("of") => (named(2)?, Some(day), 3),
        (None, Some(day)) => (named(1)?, Some(day), 2),
        (None, None) => {
            let of = year(0).filter(|_| is_led)?;
            return Some((1, Days { first: Date::new(of, 1, 1).ok()?, last: Date::new(of, 12, 31).ok()? }));
        }
    };
    let (of, length) = if let Some(of) = year(length) {
        (of, length + 1)
    } else {
        // Of the years that are not named, the last one before the question.
        let today = asked?.civil().date();
        let is_to_come = (month_of_year, day_of_month.unwrap_or(1)) > (today.month(), today.day());
        (today.year() - i16::from(is_to_come), length)
    };
    let days = match day_of_month {
        Some(day) => one_day(of, month_of_year, day)?,
        None => month(Date::new(of, month_of_year, 1).ok()?),
    };
    Some((length, days))
}

fn one_day(year: i16, month: i8, day: i8) -> Option<Days> {
    let date = Date::new(year, month, day).ok()?;
    Some(Days { first: date, last: date })
}

/// Those that are also other words count with a capital letter only.
fn month_of(word: &Word<'_>) -> Option<i8> {
    let number = MONTHS.iter().position(|month| {
        let short = month.len() > 4 && word.lower.len() == 3 && month.to_lowercase().starts_with(&word.lower);
        month.eq_ignore_ascii_case(&word.lower) || short
    })?;
    (!is_other_word(word) || word.text.starts_with(char::is_uppercase)).then_some(number as i8 + 1)
}

fn is_other_word(word: &Word<'_>) -> bool {
    matches!(word.lower.as_str(), "may" | "march" | "mar")
}

/// `8`, `8th`.
fn day_of_month(word: &str) -> Option<i8> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ordinal = &word[digits.len()..];
    let day = digits.parse().ok().filter(|day| (1..=31).contains(day))?;
    matches!(ordinal, "" | "st" | "nd" | "rd" | "th").then_some(day)
}

fn year(word: &str) -> Option<i16> {
    word.parse().ok().filter(|year| word.len() == 4 && (1900..=2200).contains(year))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked on Thursday, 9 November 2023.
    fn read(question: &str) -> Vec<(String, String)> {
        let asked = "2023-11-09T10:00".parse().unwrap();
        let days = spans(question, Some(asked));
        days.iter().map(|days| (days.first.to_string(), days.last.to_string())).collect()
    }

    #[test]
    fn the_days_a_question_speaks_of() {
        for (question, first, last) in [
            ("What did she do on 8 May 2023?", "2023-05-08", "2023-05-08"),
            ("What did she do on May 8th, 2023?", "2023-05-08", "2023-05-08"),
            ("What did she do on the 8th of May, 2023?", "2023-05-08", "2023-05-08"),
            ("And on 2023-05-08?", "2023-05-08", "2023-05-08"),
            ("What happened in February 2024?", "2024-02-01", "2024-02-29"),
            ("What happened in July?", "2023-07-01", "2023-07-31"),
            ("What happened in December?", "2022-12-01", "2022-12-31"),
            ("What happened on 10 November?", "2022-11-10", "2022-11-10"),
            ("Where was he in Aug 2022?", "2022-08-01", "2022-08-31"),
            ("How many trips in 2022?", "2022-01-01", "2022-12-31"),
            ("Who called yesterday?", "2023-11-08", "2023-11-08"),
            ("What did we cook last week?", "2023-11-02", "2023-11-09"),
            ("What did he buy two weeks ago?", "2023-10-23", "2023-10-29"),
        ] {
            assert_eq!(read(question), [(first.to_owned(), last.to_owned())], "{question}");
        }
    }

    #[test]
    fn what_is_no_date_is_left_alone() {
        for question in [
            "May I ask?",
            "May I borrow 2000 dollars?",
            "How may she march on in room 8 of 40?",
            "Room 8?",
            "What about 40 dogs?",
            "2023-02-31",
        ] {
            assert_eq!(read(question), [], "{question}");
        }
        // February has no such day, and is a month all the same.
        assert_eq!(read("31 February 2023"), [("2023-02-01".to_owned(), "2023-02-28".to_owned())]);
    }

    #[test]
    fn without_the_day_of_asking_only_absolute_dates_are_read() {
        assert_eq!(spans("last week in May", None), []);
        assert_eq!(spans("in May 2023", None).len(), 1);
    }

    #[test]
    fn days_include_what_is_told_soon_after() {
        let days = spans("on 8 May 2023", None)[0];
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        assert!(days.include(at("2023-05-08T23:59"), 0));
        assert!(!days.include(at("2023-05-09T00:00"), 0) && days.include(at("2023-05-15T12:00"), 7));
        assert!(!days.include(at("2023-05-07T23:59"), 7));
    }
}
