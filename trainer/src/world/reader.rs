//! What a memory says of an attribute, read by words: its values, counts, dates and details.
//!
//! It knows the lists of values and the words that tell an attribute (cues), not the sentences of gold: a memory may be
//! worded as a manager likes, as long as it begins with the person and names the value and what the value is. A value
//! counts for the last cue before it, or for the first one behind it in the same part of the sentence. What a memory
//! denies ("no longer", "sold", "died") is no value.
//!
//! Rooms it touches: world (attributes, dates, people, question, wording).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::attributes::{self, Kind, Shape, Topic};
use super::dates::MONTHS;
use super::people::{MEN, RELATIONS, WOMEN};
use super::question::{About, Subject};
use super::wording::{NUMBERS, count_in_words};

/// Words that deny what stands around them.
const DENYING: [&str; 26] = [
    "no",
    "not",
    "never",
    "longer",
    "stopped",
    "quit",
    "left",
    "sold",
    "lost",
    "died",
    "dead",
    "cancelled",
    "canceled",
    "divorced",
    "separated",
    "broke",
    "former",
    "formerly",
    "previously",
    "ex",
    "doesn't",
    "isn't",
    "don't",
    "anymore",
    "retired",
    "dropped",
];
/// Words that say something anew after an "and".
const ANEW: [&str; 6] = ["is", "are", "has", "have", "will", "now"];
/// Words behind which "from" names what was.
const MOVING: [&str; 5] = ["moved", "moving", "relocated", "switched", "changed"];
/// Words between a number and what it counts, at most.
const COUNT_REACH: usize = 3;

/// The values of an attribute that a memory gives: words, counts or dates.
pub(super) fn values(about: &About, memory: &str) -> Vec<String> {
    if !may_tell(about, memory) {
        return Vec::new();
    }
    let found = sentences(memory, &about.subject).flat_map(|words| {
        // The one matter that is spoken of must be named.
        let named = !about.topic.apart || about.value.as_ref().is_none_or(|value| holds(&words, value));
        if named { read(about, &words) } else { Vec::new() }
    });
    found.filter(Found::counts).map(|found| found.value).collect()
}

/// Whether a memory can speak of an attribute at all, seen at a glance: reading each for each question is slow.
fn may_tell(about: &About, memory: &str) -> bool {
    let lower = memory.to_lowercase();
    about.topic.is_itself()
        || about.topic.cues.iter().any(|cue| lower.contains(&cue.replace("{k}", about.kind.word)))
}

/// The details of the value in question that a memory gives.
pub(super) fn details(about: &About, memory: &str) -> Vec<String> {
    let Some(wanted) = about.value.as_ref().filter(|_| may_tell(about, memory)) else { return Vec::new() };
    let mut details = Vec::new();
    for words in sentences(memory, &about.subject) {
        let found = read(about, &words);
        for (at, one) in found.iter().enumerate().filter(|(_, one)| one.counts() && one.value == *wanted) {
            let from = at.checked_sub(1).map_or(0, |before| found[before].end);
            let to = found.get(at + 1).map_or(words.len(), |after| after.start);
            let begins =
                |range: std::ops::Range<usize>| range.rev().find(|at| words[*at].breaks).unwrap_or(from);
            let ends = (one.end..to).find(|at| words[*at].breaks).unwrap_or(to);
            let around = &words[begins(from..one.start)..ends];
            details.extend(
                about
                    .topic
                    .details
                    .iter()
                    .filter(|detail| holds(around, detail))
                    .map(|detail| (*detail).to_owned()),
            );
        }
    }
    details
}

/// A word of a memory.
#[derive(Debug)]
struct Word {
    /// In lower case, without "'s".
    lower: String,
    /// Whether it ended in "'s".
    owns: bool,
    /// Whether it begins a part of the sentence: "and", "but", or a word behind a comma.
    breaks: bool,
}

/// The sentences of a memory that are about somebody, as words.
fn sentences<'a>(memory: &'a str, subject: &'a Subject) -> impl Iterator<Item = Vec<Word>> + 'a {
    let mut about = false;
    // Most memories are about somebody else: that is seen without reading them.
    let other = subject.relative.as_ref().map(|(_, name)| name);
    let is_named = std::iter::once(&subject.speaker).chain(other).any(|name| memory.contains(name.as_str()));
    let memory = if is_named { memory } else { "" };
    memory.split(['.', ';']).map(words).filter(move |words| {
        // One that begins with no person goes on about the same.
        about = is_about(words, subject).unwrap_or(about);
        about && !words.is_empty()
    })
}

fn words(sentence: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut breaks = false;
    for chunk in sentence.split_whitespace() {
        let bare = chunk
            .trim_matches(|letter: char| !letter.is_alphanumeric())
            .to_lowercase()
            .replace('\u{2019}', "'");
        let stem = bare.strip_suffix("'s");
        let lower = stem.unwrap_or(&bare).to_owned();
        if !lower.is_empty() {
            let joins = lower == "and" || lower == "but";
            words.push(Word { owns: stem.is_some(), breaks: breaks || joins, lower });
            breaks = false;
        }
        breaks |= chunk.ends_with([',', ':', ')']) || chunk.starts_with('(');
    }
    words
}

/// Whether a sentence is about this person; `None` where its beginning names nobody.
fn is_about(words: &[Word], subject: &Subject) -> Option<bool> {
    let first = words.first()?;
    let relation = words.get(1).filter(|_| first.owns).map(|word| word.lower.as_str());
    let of_relative = relation.is_some_and(|word| RELATIONS.iter().any(|relation| relation.word == word));
    let speaks = first.lower == subject.speaker.to_lowercase();
    match &subject.relative {
        None if speaks => Some(!of_relative),
        Some((_, name)) if speaks || first.lower == name.to_lowercase() => {
            Some(words.iter().any(|word| word.lower == name.to_lowercase()))
        }
        _ => people(&first.lower).then_some(false),
    }
}

fn people(lower: &str) -> bool {
    // A letter beyond ASCII is never the first of a name.
    WOMEN.iter().chain(MEN).any(|name| name.eq_ignore_ascii_case(lower))
}

/// A value in a memory.
#[derive(Debug)]
struct Found {
    value: String,
    start: usize,
    end: usize,
    /// Whether it is of the attribute in question; `None` where no word has told so far.
    own: Option<bool>,
    /// Whether that was told in the same part of the sentence.
    told_here: bool,
    denied: bool,
}

impl Found {
    fn counts(&self) -> bool {
        self.own == Some(true) && !self.denied
    }
}

/// What is looked at on the way through a sentence.
struct Reader {
    found: Vec<Found>,
    own: Option<bool>,
    told_here: bool,
    /// The first value of this part of the sentence.
    part: usize,
    denial: Denial,
    /// "from": the next value is what was.
    from: bool,
}

/// How far a denial reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Denial {
    None,
    /// Over the part of the sentence that it is in.
    Here,
    /// Over the parts behind it, until one tells something anew.
    GoesOn,
}

fn read(about: &About, words: &[Word]) -> Vec<Found> {
    let mut reader =
        Reader { found: Vec::new(), own: None, told_here: false, part: 0, denial: Denial::None, from: false };
    let mut at = 0;
    while at < words.len() {
        reader.part_begins(&words[at]);
        if let Some((value, length)) = value_at(about, words, at) {
            let Reader { own, told_here, denial, from, .. } = reader;
            // A count is of what comes behind it; a thing is what it is whatever is said of it.
            let is_itself = about.topic.is_itself() || about.topic.shape == Shape::Count;
            let (own, told_here) = if is_itself { (Some(true), true) } else { (own, told_here) };
            let denied = denial != Denial::None || from;
            reader.found.push(Found { value, start: at, end: at + length, own, told_here, denied });
            at += length;
        } else {
            reader.hear(about, words, at);
            at += 1;
        }
    }
    reader.found
}

impl Reader {
    fn part_begins(&mut self, word: &Word) {
        if word.breaks {
            self.part = self.found.len();
            self.told_here = false;
            let ends = self.denial == Denial::None || word.lower == "but";
            self.denial = if ends { Denial::None } else { Denial::GoesOn };
        }
    }

    fn hear(&mut self, about: &About, words: &[Word], at: usize) {
        let word = words[at].lower.as_str();
        let used_to = word == "used" && words.get(at + 1).is_some_and(|next| next.lower == "to");
        let cue = cue(about, words, at);
        if cue != Some(true) && (DENYING.contains(&word) || used_to) {
            self.denial = Denial::Here;
            let part = self.part;
            self.found[part..].iter_mut().for_each(|found| found.denied = true);
        }
        let moves = at > 0 && MOVING.contains(&words[at - 1].lower.as_str());
        self.from = (self.from || (word == "from" && moves)) && word != "to" && word != "in";
        if self.denial == Denial::GoesOn && (cue.is_some() || ANEW.contains(&word)) {
            self.denial = Denial::None;
        }
        if let Some(own) = cue {
            (self.own, self.told_here) = (Some(own), true);
            let part = self.part;
            let is_open = |at: usize, found: &Found| found.own.is_none() || (at >= part && !found.told_here);
            let open = self.found.iter_mut().enumerate().filter(|(at, found)| is_open(*at, found));
            open.for_each(|(_, found)| (found.own, found.told_here) = (Some(own), true));
        }
    }
}

/// The words of one cue, with the attribute and kind that they tell.
struct Cue {
    topic: &'static str,
    kind: &'static str,
    words: Vec<String>,
}

/// By the first letter of their first word.
static CUES: LazyLock<BTreeMap<char, Vec<Cue>>> = LazyLock::new(|| {
    let of_kind = |topic: &'static Topic, kind: &'static Kind| {
        topic.cues.iter().map(move |cue| {
            let words = cue.replace("{k}", kind.word).split_whitespace().map(str::to_lowercase).collect();
            Cue { topic: topic.name, kind: kind.word, words }
        })
    };
    let of_topic = |topic: &'static Topic| topic.kinds.iter().flat_map(move |kind| of_kind(topic, kind));
    let mut cues: BTreeMap<char, Vec<Cue>> = BTreeMap::new();
    for cue in attributes::all().flat_map(of_topic) {
        if let Some(letter) = cue.words.first().and_then(|word| word.chars().next()) {
            cues.entry(letter).or_default().push(cue);
        }
    }
    cues
});

/// Whether a word tells that this attribute is spoken of, or another one.
fn cue(about: &About, words: &[Word], at: usize) -> Option<bool> {
    if names(&about.subject, &words[at]) {
        return None;
    }
    let mut told = None;
    let of_letter = words[at].lower.chars().next().and_then(|letter| CUES.get(&letter));
    for cue in of_letter.into_iter().flatten().filter(|cue| begins_with(&words[at..], &cue.words)) {
        told = Some(cue.topic == about.topic.name && cue.kind == about.kind.word);
        if told == Some(true) {
            break;
        }
    }
    told
}

/// Letters that a word may have behind a cue, at most: "resid" tells "residence", "car" does not tell "Caroline".
const ENDING: usize = 4;
const SHORT_CUE: usize = 3;

/// Whether the words begin with these; the last one may go on a little.
fn begins_with(words: &[Word], parts: &[String]) -> bool {
    let goes_on = |word: &str, part: &str| {
        word.strip_prefix(part).is_some_and(|ending| match part.len() {
            ..=SHORT_CUE => ending.is_empty() || ending == "s",
            _ => ending.len() <= ENDING,
        })
    };
    let Some((last, first)) = parts.split_last() else { return false };
    parts.len() <= words.len()
        && first.iter().zip(words).all(|(part, word)| word.lower == *part)
        && goes_on(&words[first.len()].lower, last)
}

fn holds(words: &[Word], phrase: &str) -> bool {
    (0..words.len()).any(|at| length_of(phrase, &words[at..]).is_some())
}

/// How many words this phrase has, if the words begin with it.
fn length_of(phrase: &str, words: &[Word]) -> Option<usize> {
    let mut length = 0;
    for part in phrase.split(' ') {
        let part = part.strip_suffix("'s").unwrap_or(part);
        if !words.get(length)?.lower.eq_ignore_ascii_case(part) {
            return None;
        }
        length += 1;
    }
    Some(length)
}

fn value_at(about: &About, words: &[Word], at: usize) -> Option<(String, usize)> {
    let rest = &words[at..];
    match about.topic.shape {
        Shape::Count => count_at(about, rest),
        Shape::Dated => date_at(rest),
        // Whom it is about is no value.
        Shape::Single | Shape::List if names(&about.subject, &words[at]) => None,
        Shape::Single | Shape::List => {
            let fits = |value: &&str| length_of(value, rest).map(|length| ((*value).to_owned(), length));
            about.kind.values.iter().filter_map(fits).max_by_key(|(_, length)| *length)
        }
    }
}

fn names(subject: &Subject, word: &Word) -> bool {
    let is = |name: &str| word.lower.eq_ignore_ascii_case(name);
    is(&subject.speaker) || subject.relative.as_ref().is_some_and(|(_, name)| is(name))
}

/// A number that counts what the attribute is about.
fn count_at(about: &About, words: &[Word]) -> Option<(String, usize)> {
    let number = words.first()?.lower.as_str();
    let count = NUMBERS.iter().position(|word| *word == number).or_else(|| number.parse().ok())?;
    let behind = 1..words.len().min(1 + COUNT_REACH);
    let counted = behind.into_iter().any(|at| cue(about, words, at) == Some(true));
    counted.then(|| (count_in_words(count), 1))
}

/// `14 May 2024`, `May 2024`, `3 June` or `2024`, with what makes it vague before it.
fn date_at(words: &[Word]) -> Option<(String, usize)> {
    const VAGUE: [&str; 4] = ["around", "the week before", "the week after", "the weekend of"];
    let vague = VAGUE.iter().find_map(|phrase| Some((*phrase, length_of(phrase, words)?)));
    let (before, skipped) = vague.unwrap_or(("", 0));
    let rest: Vec<&str> = words[skipped..].iter().map(|word| word.lower.as_str()).take(3).collect();
    let year = |word: &str| (1900..2200).contains(&word.parse::<u16>().unwrap_or_default());
    let day = |word: &str| (1..=31).contains(&word.parse::<u8>().unwrap_or_default());
    let month = |word: &str| MONTHS.iter().find(|month| month.eq_ignore_ascii_case(word));
    let (date, length) = match rest.as_slice() {
        [d, m, y] if day(d) && year(y) && month(m).is_some() => (format!("{d} {} {y}", month(m)?), 3),
        [d, m, ..] if day(d) && month(m).is_some() => (format!("{d} {}", month(m)?), 2),
        [m, y, ..] if year(y) && month(m).is_some() => (format!("{} {y}", month(m)?), 2),
        [y, ..] if year(y) => ((*y).to_owned(), 1),
        _ => return None,
    };
    let blank = if before.is_empty() { "" } else { " " };
    Some((format!("{before}{blank}{date}"), skipped + length))
}
