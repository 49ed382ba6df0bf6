//! Words as NLTK's `word_tokenize` splits them off, of lower-cased English text: what BLEU counts.
//!
//! NLTK (version 3.10) passes each sentence through some thirty regular expressions, one after the other,
//! derived from Robert MacIntyre's script for the Penn Treebank. Each is a function here, in the same order,
//! that looks at one place of the text: their effects on each other are part of the result.
//!
//! It deliberately knows lower case only. Departure: digits are ASCII digits.
//!
//! Rooms it touches: score.

use super::sentences::sentences;
use super::text::{is_space, is_word, split};

/// The words and punctuation marks of a text, lower-cased.
pub fn words(text: &str) -> Vec<String> {
    let lower: Vec<char> = text.to_lowercase().chars().collect();
    sentences(&lower).into_iter().flat_map(of_sentence).collect()
}

/// What a rule puts in place of how many characters, if it applies at a place.
type Applied = Option<(usize, String)>;
type Rule = fn(&[char], usize) -> Applied;

/// In the order in which they run over a sentence, before and after a space is put around it.
const BARE: [Rule; 17] = [
    opening_marks,
    double_quote_at_start,
    backticks,
    double_quote_after_opening,
    opening_apostrophe,
    last_full_stop,
    inner_comma,
    last_comma,
    dots,
    symbols,
    dashes,
    very_last_full_stop,
    question_marks,
    closing_apostrophe,
    asterisks,
    brackets,
    double_hyphen,
];
const PADDED: [Rule; 10] = [
    closing_marks,
    two_apostrophes,
    double_quote,
    white_space,
    short_clitic,
    long_clitic,
    contraction,
    want_to,
    tis,
    twas,
];

fn of_sentence(sentence: &[char]) -> Vec<String> {
    let bare = BARE.iter().fold(sentence.to_vec(), |text, rule| everywhere(&text, *rule));
    let padded = [&[' '], bare.as_slice(), &[' ']].concat();
    let text: String = PADDED.iter().fold(padded, |text, rule| everywhere(&text, *rule)).iter().collect();
    split(&text).map(str::to_owned).collect()
}

/// Applies a rule from left to right. What it has put in is not looked at again.
fn everywhere(text: &[char], rule: Rule) -> Vec<char> {
    let mut result = Vec::with_capacity(text.len() + 8);
    let mut at = 0;
    while at < text.len() {
        if let Some((length, replacement)) = rule(text, at) {
            result.extend(replacement.chars());
            at += length;
        } else {
            result.push(text[at]);
            at += 1;
        }
    }
    result
}

fn starts(text: &[char], at: usize, with: &str) -> bool {
    text[at..].iter().copied().take(with.len()).eq(with.chars())
}

/// Whether no word goes on at this place, seen from a word character before it.
fn word_ends(text: &[char], at: usize) -> bool {
    text.get(at).is_none_or(|char| !is_word(*char))
}

fn word_begins(text: &[char], at: usize) -> bool {
    at == 0 || !is_word(text[at - 1])
}

fn spaced(text: &[char], at: usize, which: impl Fn(char) -> bool) -> Applied {
    which(text[at]).then(|| (1, format!(" {} ", text[at])))
}

/// A whole run of one character, of at least `least`, with a space on both sides.
fn spaced_run(text: &[char], at: usize, mark: char, least: usize) -> Applied {
    let length = text[at..].iter().take_while(|char| **char == mark).count();
    (length >= least).then(|| (length, format!(" {} ", mark.to_string().repeat(length))))
}

fn opening_marks(text: &[char], at: usize) -> Applied {
    spaced(text, at, |char| matches!(char, '«' | '“' | '‘' | '„')).or_else(|| spaced_run(text, at, '`', 1))
}

fn double_quote_at_start(text: &[char], at: usize) -> Applied {
    (at == 0 && text[0] == '"').then(|| (1, "``".to_owned()))
}

fn backticks(text: &[char], at: usize) -> Applied {
    starts(text, at, "``").then(|| (2, " `` ".to_owned()))
}

fn double_quote_after_opening(text: &[char], at: usize) -> Applied {
    let opens = matches!(text[at], ' ' | '(' | '[' | '{' | '<');
    let mark = ["\"", "''"].into_iter().find(|mark| opens && starts(text, at + 1, mark))?;
    Some((1 + mark.len(), format!("{} `` ", text[at])))
}

/// An apostrophe before a word that is none of the clitics.
fn opening_apostrophe(text: &[char], at: usize) -> Applied {
    const CLITICS: [&str; 8] = ["re", "ve", "ll", "m", "t", "s", "d", "n"];
    let opens = text[at] == '\'' && word_begins(text, at) && !word_ends(text, at + 1);
    let clitic = |clitic: &&str| starts(text, at + 1, clitic) && word_ends(text, at + 1 + clitic.len());
    (opens && !CLITICS.iter().any(clitic)).then(|| (1, "' ".to_owned()))
}

/// A character other than a full stop, a full stop, marks of the given kinds, and white space to the end: the
/// marks.
fn full_stop_at_end(text: &[char], at: usize, kind: impl Fn(char) -> bool) -> Option<String> {
    if text[at] == '.' || text.get(at + 1) != Some(&'.') {
        return None;
    }
    let rest = &text[at + 2..];
    let marks = rest.iter().take_while(|char| kind(**char)).count();
    rest[marks..].iter().all(|char| is_space(*char)).then(|| rest[..marks].iter().collect())
}

fn last_full_stop(text: &[char], at: usize) -> Applied {
    let kind = |char| matches!(char, ']' | ')' | '}' | '>' | '"' | '\'' | '»' | '”' | '’' | ' ');
    let marks = full_stop_at_end(text, at, kind)?;
    Some((text.len() - at, format!("{} . {marks} ", text[at])))
}

fn very_last_full_stop(text: &[char], at: usize) -> Applied {
    let marks = full_stop_at_end(text, at, |char| matches!(char, ']' | ')' | '}' | '>' | '"' | '\''))?;
    Some((text.len() - at, format!("{} .{marks} ", text[at])))
}

fn inner_comma(text: &[char], at: usize) -> Applied {
    let next = text.get(at + 1).filter(|next| !next.is_ascii_digit())?;
    matches!(text[at], ':' | ',').then(|| (2, format!(" {} {next}", text[at])))
}

fn last_comma(text: &[char], at: usize) -> Applied {
    let last = at + 1 == text.len() || text[at + 1..] == ['\n'];
    spaced(text, at, |char| last && matches!(char, ':' | ','))
}

fn dots(text: &[char], at: usize) -> Applied {
    spaced_run(text, at, '.', 2)
}

fn symbols(text: &[char], at: usize) -> Applied {
    spaced(text, at, |char| matches!(char, ';' | '@' | '#' | '$' | '%' | '&'))
}

fn dashes(text: &[char], at: usize) -> Applied {
    spaced(text, at, |char| matches!(char, '\u{2012}'..='\u{2015}'))
}

fn question_marks(text: &[char], at: usize) -> Applied {
    spaced(text, at, |char| matches!(char, '?' | '!'))
}

fn closing_apostrophe(text: &[char], at: usize) -> Applied {
    (text[at] != '\'' && starts(text, at + 1, "' ")).then(|| (3, format!("{} ' ", text[at])))
}

fn asterisks(text: &[char], at: usize) -> Applied {
    spaced(text, at, |char| char == '*')
}

fn brackets(text: &[char], at: usize) -> Applied {
    spaced(text, at, |char| matches!(char, ']' | '[' | '(' | ')' | '{' | '}' | '<' | '>'))
}

fn double_hyphen(text: &[char], at: usize) -> Applied {
    starts(text, at, "--").then(|| (2, " -- ".to_owned()))
}

fn closing_marks(text: &[char], at: usize) -> Applied {
    spaced(text, at, |char| matches!(char, '»' | '”' | '’'))
}

fn two_apostrophes(text: &[char], at: usize) -> Applied {
    starts(text, at, "''").then(|| (2, " '' ".to_owned()))
}

fn double_quote(text: &[char], at: usize) -> Applied {
    (text[at] == '"').then(|| (1, " '' ".to_owned()))
}

fn white_space(text: &[char], at: usize) -> Applied {
    let length = text[at..].iter().take_while(|char| is_space(**char)).count();
    (length > 0).then(|| (length, " ".to_owned()))
}

fn clitic(text: &[char], at: usize, clitics: &[&str]) -> Applied {
    let follows = |clitic: &&&str| {
        let end = at + 1 + clitic.len();
        starts(text, at + 1, clitic) && text.get(end) == Some(&' ')
    };
    let found = clitics.iter().find(follows).filter(|_| !matches!(text[at], '\'' | ' '))?;
    Some((found.len() + 2, format!("{} {found} ", text[at])))
}

fn short_clitic(text: &[char], at: usize) -> Applied {
    clitic(text, at, &["'s", "'m", "'d", "'"])
}

fn long_clitic(text: &[char], at: usize) -> Applied {
    clitic(text, at, &["'ll", "'re", "'ve", "n't"])
}

/// Two words that are written as one. No text has two of them at one place, so that one pass does what NLTK's
/// seven do.
fn contraction(text: &[char], at: usize) -> Applied {
    const PAIRS: [(&str, &str); 7] = [
        ("can", "not"),
        ("d", "'ye"),
        ("gim", "me"),
        ("gon", "na"),
        ("got", "ta"),
        ("lem", "me"),
        ("more", "'n"),
    ];
    let (first, second) =
        PAIRS.iter().find(|(first, second)| begins_with_both(text, at, first, second, word_ends))?;
    Some((first.len() + second.len(), format!(" {first} {second} ")))
}

fn want_to(text: &[char], at: usize) -> Applied {
    let space = |text: &[char], at: usize| text.get(at).is_some_and(|char| is_space(*char));
    begins_with_both(text, at, "wan", "na", space).then(|| (5, " wan na ".to_owned()))
}

fn begins_with_both(
    text: &[char],
    at: usize,
    first: &str,
    second: &str,
    ends: fn(&[char], usize) -> bool,
) -> bool {
    word_begins(text, at)
        && starts(text, at, first)
        && starts(text, at + first.len(), second)
        && ends(text, at + first.len() + second.len())
}

fn tis(text: &[char], at: usize) -> Applied {
    (starts(text, at, " 'tis") && word_ends(text, at + 5)).then(|| (5, "  't is ".to_owned()))
}

fn twas(text: &[char], at: usize) -> Applied {
    (starts(text, at, " 'twas") && word_ends(text, at + 6)).then(|| (6, "  't was ".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_those_of_nltk() {
        // Each was given to NLTK 3.10.4.
        let table: [(&str, &[&str]); 13] = [
            (
                "They don't know; it's Dr. Smith's.",
                &["they", "do", "n't", "know", ";", "it", "'s", "dr.", "smith", "'s", "."],
            ),
            ("1,000 dollars: 50%, or $3.88", &["1,000", "dollars", ":", "50", "%", ",", "or", "$", "3.88"]),
            ("\"So,\" she said (twice).", &["``", "so", ",", "''", "she", "said", "(", "twice", ")", "."]),
            ("Caroline’s 'best' idea...", &["caroline", "’", "s", "'", "best", "'", "idea", "..."]),
            (
                "gonna, cannot, wanna go 'tis",
                &["gon", "na", ",", "can", "not", ",", "wan", "na", "go", "'", "tis"],
            ),
            ("a--b – c`d", &["a", "--", "b", "–", "c", "`", "d"]),
            ("Really?! **Yes**", &["really", "?", "!", "*", "*", "yes", "*", "*"]),
            ("it was 2023., but", &["it", "was", "2023.", ",", "but"]),
            ("u.s. and j. r. r.", &["u.s.", "and", "j.", "r.", "r", "."]),
            ("it cannot'tis'twas", &["it", "can", "not", "'t", "is", "'t", "was"]),
            ("the dogs'", &["the", "dogs", "'"]),
            ("dogs' toys,", &["dogs", "'", "toys", ","]),
            ("", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
