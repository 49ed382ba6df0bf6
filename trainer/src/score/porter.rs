//! Porter's stemmer as NLTK extends it: not Snowball's English, and not the algorithm of 1980.
//!
//! Porter, "An algorithm for suffix stripping", Program 14.3 (1980), steps 1a to 5b. Departures are NLTK's,
//! so that stems are equal to those of its `PorterStemmer()`: a table of irregular words; words of one or two
//! characters stay; `ies` and `ied` of four-letter words keep their `e`; `y` becomes `i` only after a
//! consonant that is not alone; `alli` is resolved before the other rules of step 2; `bli`, `fulli` and
//! `logi`; a vowel and a consonant alone end as `cvc` does.
//!
//! It deliberately takes one word, already split off.
//!
//! Rooms it touches: none.

/// Irregular forms and their stems.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// The stem of a word, lower-cased.
pub fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    if let Some((_, stem)) = IRREGULAR.iter().find(|(form, _)| *form == lower) {
        return (*stem).to_owned();
    }
    if word.chars().count() <= 2 {
        return lower;
    }
    let word: Vec<char> = lower.chars().collect();
    let steps: [fn(Vec<char>) -> Vec<char>; 8] =
        [plural, past, final_y, step_2, step_3, step_4, final_e, double_l];
    steps.into_iter().fold(word, |word, step| step(word)).into_iter().collect()
}

/// A suffix, what takes its place, and whether the stem before it allows that.
type Rule = (&'static str, &'static str, fn(&[char]) -> bool);

/// Applies the first rule whose suffix the word has; if its condition fails, no other is tried.
fn apply(word: Vec<char>, rules: &[Rule]) -> Vec<char> {
    for (suffix, replacement, allowed) in rules {
        if let Some(stem) = without(&word, suffix) {
            return if allowed(stem) { with(stem, replacement) } else { word };
        }
    }
    word
}

fn without<'a>(word: &'a [char], suffix: &str) -> Option<&'a [char]> {
    let stem = word.len().checked_sub(suffix.chars().count())?;
    word[stem..].iter().copied().eq(suffix.chars()).then_some(&word[..stem])
}

fn with(stem: &[char], suffix: &str) -> Vec<char> {
    stem.iter().copied().chain(suffix.chars()).collect()
}

/// Which characters are consonants: all but a, e, i, o, u, and y after a consonant.
fn consonants(word: &[char]) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for char in word {
        flags.push(match char {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => !flags.last().copied().unwrap_or(false),
            _ => true,
        });
    }
    flags
}

/// Porter's m: how often a vowel is followed by a consonant.
fn measure(stem: &[char]) -> usize {
    consonants(stem).windows(2).filter(|pair| matches!(pair, [false, true])).count()
}

fn always(_: &[char]) -> bool {
    true
}

fn above_0(stem: &[char]) -> bool {
    measure(stem) > 0
}

fn above_1(stem: &[char]) -> bool {
    measure(stem) > 1
}

/// Porter's *o.
fn ends_cvc(stem: &[char]) -> bool {
    match (consonants(stem).as_slice(), stem) {
        ([.., true, false, true], [.., last]) => !matches!(last, 'w' | 'x' | 'y'),
        ([false, true], _) => true,
        _ => false,
    }
}

/// Step 1a.
fn plural(word: Vec<char>) -> Vec<char> {
    if word.len() == 4 && without(&word, "ies").is_some() {
        return word[..3].to_vec();
    }
    apply(word, &[("sses", "ss", always), ("ies", "i", always), ("ss", "ss", always), ("s", "", always)])
}

/// Step 1b.
fn past(word: Vec<char>) -> Vec<char> {
    if let Some(stem) = without(&word, "ied") {
        return with(stem, if word.len() == 4 { "ie" } else { "i" });
    }
    if let Some(stem) = without(&word, "eed") {
        return if above_0(stem) { with(stem, "ee") } else { word };
    }
    let has_vowel = |stem: &&[char]| consonants(stem).contains(&false);
    let Some(stem) = ["ed", "ing"].iter().find_map(|suffix| without(&word, suffix).filter(has_vowel)) else {
        return word;
    };
    if ["at", "bl", "iz"].iter().any(|ending| without(stem, ending).is_some()) {
        return with(stem, "e");
    }
    match stem {
        [.., before, last] if before == last && consonants(stem).last() == Some(&true) => {
            let kept = if matches!(last, 'l' | 's' | 'z') { stem.len() } else { stem.len() - 1 };
            stem[..kept].to_vec()
        }
        _ if measure(stem) == 1 && ends_cvc(stem) => with(stem, "e"),
        _ => stem.to_vec(),
    }
}

/// Step 1c.
fn final_y(word: Vec<char>) -> Vec<char> {
    apply(word, &[("y", "i", |stem| stem.len() > 1 && consonants(stem).last() == Some(&true))])
}

fn step_2(word: Vec<char>) -> Vec<char> {
    const RULES: [Rule; 22] = [
        ("ational", "ate", above_0),
        ("tional", "tion", above_0),
        ("enci", "ence", above_0),
        ("anci", "ance", above_0),
        ("izer", "ize", above_0),
        ("bli", "ble", above_0),
        ("alli", "al", above_0),
        ("entli", "ent", above_0),
        ("eli", "e", above_0),
        ("ousli", "ous", above_0),
        ("ization", "ize", above_0),
        ("ation", "ate", above_0),
        ("ator", "ate", above_0),
        ("alism", "al", above_0),
        ("iveness", "ive", above_0),
        ("fulness", "ful", above_0),
        ("ousness", "ous", above_0),
        ("aliti", "al", above_0),
        ("iviti", "ive", above_0),
        ("biliti", "ble", above_0),
        ("fulli", "ful", above_0),
        // Its `l` counts as the stem's, so that `geologi` is treated as `archaeologi`.
        ("logi", "log", |stem| above_0(&with(stem, "l"))),
    ];
    match without(&word, "alli") {
        Some(stem) if above_0(stem) => step_2(with(stem, "al")),
        _ => apply(word, &RULES),
    }
}

fn step_3(word: Vec<char>) -> Vec<char> {
    const RULES: [Rule; 7] = [
        ("icate", "ic", above_0),
        ("ative", "", above_0),
        ("alize", "al", above_0),
        ("iciti", "ic", above_0),
        ("ical", "ic", above_0),
        ("ful", "", above_0),
        ("ness", "", above_0),
    ];
    apply(word, &RULES)
}

fn step_4(word: Vec<char>) -> Vec<char> {
    const RULES: [Rule; 19] = [
        ("al", "", above_1),
        ("ance", "", above_1),
        ("ence", "", above_1),
        ("er", "", above_1),
        ("ic", "", above_1),
        ("able", "", above_1),
        ("ible", "", above_1),
        ("ant", "", above_1),
        ("ement", "", above_1),
        ("ment", "", above_1),
        ("ent", "", above_1),
        ("ion", "", |stem| above_1(stem) && matches!(stem.last(), Some('s' | 't'))),
        ("ou", "", above_1),
        ("ism", "", above_1),
        ("ate", "", above_1),
        ("iti", "", above_1),
        ("ous", "", above_1),
        ("ive", "", above_1),
        ("ize", "", above_1),
    ];
    apply(word, &RULES)
}

/// Step 5a.
fn final_e(word: Vec<char>) -> Vec<char> {
    match without(&word, "e") {
        Some(stem) if above_1(stem) || (measure(stem) == 1 && !ends_cvc(stem)) => stem.to_vec(),
        _ => word,
    }
}

/// Step 5b.
fn double_l(word: Vec<char>) -> Vec<char> {
    apply(word, &[("ll", "l", |stem| above_1(&with(stem, "l")))])
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn stems_are_those_of_the_paper_and_of_its_extensions() {
        // Porter's own examples, one for each step, and what NLTK does otherwise.
        let table = [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("filing", "file"),
            ("happy", "happi"),
            ("relational", "relat"),
            ("electricity", "electr"),
            ("hopeful", "hope"),
            ("adoption", "adopt"),
            ("replacement", "replac"),
            ("rate", "rate"),
            ("controll", "control"),
            ("skies", "sky"),
            ("dying", "die"),
            ("dies", "die"),
            ("died", "die"),
            ("spied", "spi"),
            ("enjoy", "enjoy"),
            ("geology", "geolog"),
            ("possibly", "possibl"),
            ("as", "as"),
            ("Caroline\u{2019}s", "caroline\u{2019}"),
        ];
        for (word, expected) in table {
            assert_eq!(stem(word), expected);
        }
    }
}
