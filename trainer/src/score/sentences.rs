//! Where NLTK's English Punkt model ends a sentence in lower-cased text. NLTK's words depend on it: a full
//! stop is a word of its own only at the end of a sentence.
//!
//! Kiss, Strunk, "Unsupervised Multilingual Sentence Boundary Detection", Computational Linguistics 32.4
//! (2006), with the abbreviations that NLTK's model has learnt (the list is in the punkt crate too, MIT or
//! Apache-2.0). In lower-cased text little of the model remains, and only that is here: no word starts with a
//! capital, so an abbreviation never ends a sentence, and an initial or a number ends one only if no
//! lower-case word or punctuation follows. Its collocations all begin with an initial or a number, and say
//! the same.
//!
//! It deliberately handles no other language and no text with capitals.
//!
//! Rooms it touches: score.

use std::ops::Range;

use super::text::{is_space, is_word};

/// What the model takes for an abbreviation, without the last full stop. The first is a spaced ellipsis.
const ABBREVIATIONS: [&str; 156] = [
    ". . ", "a.a", "a.c", "a.d", "a.g", "a.h", "a.m", "a.m.e", "a.s", "a.t", "adm", "ala", "ariz", "aug",
    "ave", "b.f", "b.v", "bros", "c", "c.i.t", "c.o.m.b", "c.v", "calif", "chg", "cie", "co", "col", "colo",
    "conn", "corp", "cos", "ct", "d", "d.c", "d.h", "d.w", "dec", "dr", "e", "e.f", "e.h", "e.l", "e.m", "f",
    "f.g", "f.j", "feb", "fla", "fri", "ft", "g", "g.d", "g.f", "g.k", "ga", "gen", "h", "h.c", "h.f", "h.m",
    "i.m.s", "ill", "inc", "j.b", "j.c", "j.j", "j.k", "j.p", "j.r", "jan", "jr", "k", "kan", "ky", "l",
    "l.a", "l.f", "l.p", "lt", "ltd", "m", "m.b.a", "m.d.c", "m.j", "maj", "messrs", "mg", "mich", "minn",
    "mr", "mrs", "ms", "n", "n.c", "n.d", "n.h", "n.j", "n.m", "n.v", "n.y", "nev", "nov", "oct", "ok",
    "okla", "ore", "p", "p.a.m", "p.m", "pa", "ph.d", "prof", "r", "r.a", "r.h", "r.i", "r.j", "r.k", "r.t",
    "rep", "reps", "s", "s.a", "s.a.y", "s.c", "s.g", "s.p.a", "s.s", "sen", "sep", "sept", "sr", "st", "sw",
    "t", "t.j", "tenn", "tues", "u.k", "u.n", "u.s", "u.s.a", "u.s.s.r", "v", "va", "vs", "vt", "w", "w.c",
    "w.r", "w.va", "w.w", "wash", "wed", "wis", "yr",
];

/// Lower-case words that the model has seen at the start of sentences and never with a capital: they may
/// start one.
const STARTERS: [&str; 4] = ["administrators", "b-week", "r-revised", "z-holiday"];

/// The sentences of a lower-cased text, in order, without the white space between them.
pub(super) fn sentences(text: &[char]) -> Vec<&[char]> {
    realigned(text, &cut(text)).into_iter().map(|range| &text[range]).collect()
}

/// Cuts after each candidate that ends a sentence.
fn cut(text: &[char]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for candidate in candidates(text) {
        let end = candidate.at + 1;
        if ends_a_sentence(&text[candidate.word..candidate.next.end]) {
            ranges.push(start..end);
            start = candidate.next.start;
        }
    }
    let end = text.iter().rposition(|char| !is_space(*char)).map_or(0, |last| last + 1);
    ranges.push(start..end.max(start));
    ranges
}

/// A full stop, question mark or exclamation mark that may end a sentence.
struct Candidate {
    /// Its place.
    at: usize,
    /// Where the word that it ends begins.
    word: usize,
    /// The next word; or, where punctuation follows immediately, that one character.
    next: Range<usize>,
}

/// Of several in one word, the last.
fn candidates(text: &[char]) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for at in (0..text.len()).filter(|&at| matches!(text[at], '.' | '?' | '!')) {
        let Some(next) = next_word(text, at + 1) else { continue };
        // White space is looked for from the candidate before on. Where there is none it is the same word.
        let (since, word) = found.last().map_or((0, 0), |last| (last.at, last.word));
        let space = text[since..at].iter().rposition(|char| matches!(char, ' ' | '\t'..='\r'));
        let word = space.filter(|space| *space > 0).map_or(word, |space| since + space + 1);
        if found.last().is_some_and(|last| last.at > word) {
            found.pop();
        }
        found.push(Candidate { at, word, next });
    }
    found
}

fn next_word(text: &[char], from: usize) -> Option<Range<usize>> {
    if breaks_a_word(*text.get(from)?) {
        return Some(from..from + 1);
    }
    let start = from + text[from..].iter().position(|char| !is_space(*char))?;
    let end =
        text[start..].iter().position(|char| is_space(*char)).map_or(text.len(), |length| start + length);
    (start > from).then_some(start..end)
}

/// Closing quotes and brackets after the end of a sentence belong to it.
fn realigned(text: &[char], ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut taken = 0;
    for (at, range) in ranges.iter().enumerate() {
        let start = range.start + taken;
        let closing = ranges.get(at + 1).and_then(|next| closing(&text[next.clone()]));
        let (end, used) = match closing {
            Some((marks, used)) => (range.end.max(ranges[at + 1].start) + marks, used),
            None => (range.end, 0),
        };
        if end > start {
            found.push(start..end);
        }
        taken = used;
    }
    found
}

/// How many closing marks a sentence begins with, if white space, a dash or nothing follows them, and the
/// same with the white space.
fn closing(sentence: &[char]) -> Option<(usize, usize)> {
    let mark = |char: &char| matches!(char, '"' | '\'' | ')' | ']' | '}' | '‘' | '’' | '“' | '”' | '«' | '»');
    let marks = sentence.iter().take_while(|char| mark(char)).count();
    let rest = &sentence[marks..];
    let spaces = rest.iter().take_while(|char| is_space(**char)).count();
    let ends = rest.is_empty() || spaces > 0 || rest.starts_with(&['-', '-']);
    (marks > 0 && ends).then_some((marks, marks + spaces))
}

/// Whether a sentence ends before the last word of this short piece of text.
fn ends_a_sentence(context: &[char]) -> bool {
    let words: Vec<&[char]> = context.split(|char| *char == '\n').flat_map(words).collect();
    words.windows(2).any(|pair| ends_with_one(pair[0]) && !goes_on(pair[0], pair[1]))
}

/// Whether a word, alone, ends a sentence.
fn ends_with_one(word: &[char]) -> bool {
    match word {
        ['.' | '?' | '!'] => true,
        [.., '.', '.'] => false,
        [stem @ .., '.'] => {
            let last_part = stem.rsplit(|char| *char == '-').next().unwrap_or(stem);
            !is_abbreviation(stem) && !is_abbreviation(last_part)
        }
        _ => false,
    }
}

fn is_abbreviation(word: &[char]) -> bool {
    ABBREVIATIONS.iter().any(|known| known.chars().eq(word.iter().copied()))
}

/// Whether the full stop of an initial or a number does not end the sentence, because of the word after it.
fn goes_on(word: &[char], next: &[char]) -> bool {
    let initial = matches!(word, [letter, '.'] if is_word(*letter) && !letter.is_ascii_digit());
    if !initial && !is_number(word) {
        return false;
    }
    let bare = if ends_with_one(next) && next.len() > 1 { &next[..next.len() - 1] } else { next };
    let starter = || STARTERS.iter().any(|starter| starter.chars().eq(bare.iter().copied()));
    match next {
        [';' | ':' | ',' | '.' | '!' | '?'] => true,
        [first, ..] => first.is_lowercase() && !starter(),
        [] => false,
    }
}

/// Digits with any of `,.-` among them, after a sign and a point perhaps, that end with a full stop.
fn is_number(word: &[char]) -> bool {
    let unsigned = word.strip_prefix(&['-']).unwrap_or(word);
    let digits = match unsigned {
        ['.' | ',', digits @ ..] => digits,
        digits => digits,
    };
    let inside = |char: &char| char.is_ascii_digit() || matches!(char, ',' | '.' | '-');
    matches!(digits, [first, .., '.'] if first.is_ascii_digit()) && digits.iter().all(inside)
}

/// The words of a line, as the model splits them: punctuation apart, full stops and inner commas not.
fn words(line: &[char]) -> Vec<&[char]> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let length = if is_space(line[at]) { 0 } else { word_length(&line[at..]) };
        if length > 0 {
            found.push(&line[at..at + length]);
        }
        at += length.max(1);
    }
    found
}

fn word_length(line: &[char]) -> usize {
    const NEVER_FIRST: [char; 15] =
        ['(', '"', '`', '{', '[', ':', ';', '&', '#', '*', '@', ')', '}', ']', '-'];
    let together = run_length(line);
    if together > 0 {
        return together;
    }
    if NEVER_FIRST.contains(&line[0]) || line[0] == ',' {
        return 1;
    }
    let comma_ends = |at: usize| line[at] == ',' && ends_at(line, at + 1);
    (1..line.len()).find(|&at| ends_at(line, at) || comma_ends(at)).unwrap_or(line.len())
}

fn ends_at(line: &[char], at: usize) -> bool {
    line.get(at).is_none_or(|char| is_space(*char) || breaks_a_word(*char) || run_length(&line[at..]) > 0)
}

/// The length of the dashes, the full stops or the spaced full stops that a line begins with; 0 if they are
/// too few.
fn run_length(line: &[char]) -> usize {
    for mark in ['-', '.'] {
        let length = line.iter().take_while(|char| **char == mark).count();
        if length > 1 {
            return length;
        }
    }
    let spaced = line.chunks(2).take_while(|pair| matches!(pair, ['.', space] if is_space(*space))).count();
    // The last of them has to be followed by one more, or is the one that follows.
    let pairs = if line.get(2 * spaced) == Some(&'.') { spaced } else { spaced.saturating_sub(1) };
    if pairs > 1 { 2 * pairs + 1 } else { 0 }
}

/// Punctuation that is never inside a word.
fn breaks_a_word(char: char) -> bool {
    matches!(
        char,
        ')' | '"'
            | ';'
            | '}'
            | ']'
            | '*'
            | ':'
            | '@'
            | '\''
            | '('
            | '{'
            | '['
            | '‘'
            | '’'
            | '“'
            | '”'
            | '«'
            | '»'
            | '?'
            | '!'
    )
}

#[cfg(test)]
mod tests {
    use super::sentences;

    fn split(text: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        sentences(&chars).into_iter().map(|sentence| sentence.iter().collect()).collect()
    }

    #[test]
    fn a_sentence_ends_where_the_model_ends_it() {
        // Each was given to NLTK 3.10.4 with the model punkt, English.
        assert_eq!(
            split("it is dr. smith's. he lives in the u.s. now! really?"),
            ["it is dr. smith's.", "he lives in the u.s. now!", "really?"]
        );
        assert_eq!(split("in 2023. and then"), ["in 2023. and then"]);
        assert_eq!(split("in 2023. 5 of them"), ["in 2023.", "5 of them"]);
        assert_eq!(split("under 2023. administrators came"), ["under 2023.", "administrators came"]);
        assert_eq!(split("(so it is.) \"and so?\" yes"), ["(so it is.)", "\"and so?\"", "yes"]);
        assert_eq!(
            split("wait... what? . . . no!!! ok. fine"),
            ["wait... what?", ".", ".", ".", "no!!!", "ok. fine"]
        );
        assert_eq!(split("  one.\n\ntwo  "), ["  one.", "two"]);
        assert_eq!(split(""), Vec::<String>::new());
    }
}
