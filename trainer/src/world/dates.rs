//! The days that turns speak of: as they are said, and as a fact notes them.
//!
//! What a relative date comes to is core's own reading (`when::annotate`), so that gold is what the pipeline shows the
//! model. Rooms it touches: world (attributes, wording); of core: types, when.

use fastrand::Rng;
use keepsake_core::types::Timestamp;
use keepsake_core::when;

use super::attributes::Days;

pub(super) const DAY_SECONDS: i64 = 86_400;
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// How the days of a month are: the shortest month has them all.
const DAYS_OF_ANY_MONTH: u8 = 28;

/// A date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Date {
    /// "next Tuesday".
    pub(super) said: String,
    /// "on 14 May 2024".
    pub(super) noted: String,
    /// "14 May 2024".
    pub(super) answer: String,
}

impl Date {
    /// One that is said as it is noted.
    fn plain(answer: &str) -> Self {
        let noted = noted(answer);
        Self { said: noted.clone(), noted, answer: answer.to_owned() }
    }

    /// The day, where it is one of a year.
    pub(super) fn day(&self) -> Option<Timestamp> {
        let [day, month, year] = self.answer.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let month = 1 + MONTHS.iter().position(|known| *known == month)?;
        format!("{year}-{month:02}-{day:0>2}").parse().ok()
    }

    /// The same date, said as it is noted.
    pub(super) fn again(&self) -> Self {
        Self { said: self.noted.clone(), ..self.clone() }
    }
}

/// Whether a text names a month or a year.
pub fn names_date(text: &str) -> bool {
    let is_year = |word: &str| word.len() == 4 && word.parse::<u32>().is_ok();
    text.split_whitespace().any(|word| MONTHS.contains(&word) || is_year(word))
}

/// A date for a turn at `at` that is worded by `wording`, with `{when}` in it.
pub(super) fn draw(rng: &mut Rng, days: Days, at: Timestamp, wording: &str) -> Date {
    let moved = |days: i64| Timestamp::from_seconds(at.seconds() + days * DAY_SECONDS).date_in_words();
    let explicit = |rng: &mut Rng| match days {
        Days::Ahead => moved(rng.i64(3..90)),
        Days::Past => moved(-rng.i64(2..400)),
        Days::Yearly => {
            format!("{} {}", rng.u8(1..=DAYS_OF_ANY_MONTH), MONTHS[rng.usize(..MONTHS.len())])
        }
    };
    if days != Days::Yearly && rng.u8(..10) < 6 {
        let said = if days == Days::Ahead { ahead(rng) } else { past(rng) };
        if let Some(answer) = resolved(&wording.replace("{when}", &said), &said, at) {
            return Date { said, noted: noted(&answer), answer };
        }
    }
    Date::plain(&explicit(rng))
}

fn ahead(rng: &mut Rng) -> String {
    let weekday = WEEKDAYS[rng.usize(..7)];
    match rng.u8(..6) {
        0 => "tomorrow".to_owned(),
        1 => "the day after tomorrow".to_owned(),
        2 => format!("this {weekday}"),
        3 => format!("in {} days", super::wording::count_in_words(rng.usize(3..12))),
        _ => format!("next {weekday}"),
    }
}

/// A day that is over, in words that core resolves.
pub(super) fn past(rng: &mut Rng) -> String {
    let count = super::wording::count_in_words(rng.usize(2..6));
    match rng.u8(..12) {
        0 => "yesterday".to_owned(),
        1 => "the day before yesterday".to_owned(),
        2 => "last weekend".to_owned(),
        3 => "last week".to_owned(),
        4 => "last month".to_owned(),
        5 => "last year".to_owned(),
        6 => format!("{count} weeks ago"),
        7 => format!("{count} days ago"),
        8 => format!("{count} years ago"),
        9 => format!("last {}", MONTHS[rng.usize(..12)]),
        _ => format!("last {}", WEEKDAYS[rng.usize(..7)]),
    }
}

/// What core writes behind the words.
fn resolved(text: &str, said: &str, at: Timestamp) -> Option<String> {
    let annotated = when::annotate(text, at);
    let behind = &annotated[annotated.find(&format!("{said} ("))? + said.len() + 2..];
    Some(behind[..behind.find(')')?].to_owned())
}

/// With the preposition that goes with it.
fn noted(answer: &str) -> String {
    let first = answer.split(' ').next().unwrap_or_default();
    let is_day = first.len() < 3 && first.parse::<u8>().is_ok();
    match first {
        "around" => answer.to_owned(),
        _ if is_day || answer.starts_with("the weekend") => format!("on {answer}"),
        _ => format!("in {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_date_is_noted_as_core_reads_it() {
        // 8 May 2023 was a Monday.
        let at = "2023-05-08T13:56".parse().unwrap();
        let read =
            |said: &str| resolved(&format!("My trip is {said}"), said, at).map(|answer| noted(&answer));
        assert_eq!(read("next Tuesday").as_deref(), Some("on 9 May 2023"));
        assert_eq!(read("in ten days").as_deref(), Some("on 18 May 2023"));
        assert_eq!(read("last month").as_deref(), Some("in April 2023"));
        assert_eq!(read("last weekend").as_deref(), Some("on the weekend of 6 May 2023"));
        assert_eq!(read("two years ago").as_deref(), Some("in 2021"));
        assert_eq!(read("two weeks ago").as_deref(), Some("around 24 April 2023"));
        assert_eq!(read("some day"), None);
        assert_eq!(Date::plain("9 May 2023").day(), Some("2023-05-09".parse().unwrap()));
        assert_eq!(Date::plain("May 2023").day(), None);
    }
}
