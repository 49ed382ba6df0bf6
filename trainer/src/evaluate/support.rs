//! What a text says, as content words, and how much of one text another supports. No model is asked.
//!
//! Content words are letters and digits between anything else, lower-cased, without function words, stemmed by Porter's
//! rules; irregular forms of a word ("lost" of "lose") are that word, by core's list. A word counts once for each text. Words of the same meaning are different words here, so that a paraphrase counts
//! as unsupported: figures made of this are bounds, the same for every system.
//!
//! Rooms it touches: score; of core: index (for `terms` and `forms`).

use std::collections::BTreeSet;

use keepsake_core::index::{forms, terms};

use crate::score::porter;

/// Words that say nothing by themselves.
const FUNCTION_WORDS: &str = "a about after again all also am an and any are as at be because been before being but by \
can could did do does doing done down during each for from get gets getting got had has have having he her here hers him \
his how i if in into is it its just me more most my no not now of off on once one only or other our out over own really \
said say says she should so some such than that the their them then there these they this those through to too under up \
us very was we were what when where which while who whom why will with would yes you your";

/// The content words of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(BTreeSet<String>);

impl Words {
    /// Of a text, without those of `names`: who speaks is added by the engine, and says nothing.
    pub fn of(text: &str, names: &Words) -> Self {
        let lower = text.to_lowercase().replace('’', "'").replace("'s ", " ");
        let words = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        let content = words.filter(|word| word.chars().all(char::is_numeric) || word.chars().count() > 1);
        let content = content.filter(|word| !FUNCTION_WORDS.split(' ').any(|one| one == *word));
        Self(content.map(stem).filter(|stem| !names.0.contains(stem)).collect())
    }

    /// Those of several texts.
    pub fn of_all<'a>(texts: impl IntoIterator<Item = &'a str>, names: &Words) -> Self {
        Self(texts.into_iter().flat_map(|text| Self::of(text, names).0).collect())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of these the other has too.
    pub fn shared(&self, other: &Self) -> usize {
        self.0.intersection(&other.0).count()
    }

    /// The part of these that the other has too; 0 where there are none.
    pub fn covered_by(&self, other: &Self) -> f64 {
        if self.is_empty() { 0.0 } else { self.shared(other) as f64 / self.len() as f64 }
    }

    /// Shared words, of those that either has (Jaccard's index); 0 where there are none.
    pub fn likeness(&self, other: &Self) -> f64 {
        let shared = self.shared(other);
        let all = self.len() + other.len() - shared;
        if all == 0 { 0.0 } else { shared as f64 / all as f64 }
    }
}

/// What "founded" leaves when it is stemmed is no form of "find".
fn stem(word: &str) -> String {
    let term = terms(word).pop().filter(|term| term == word || !word.ends_with("ed"));
    let known = term.as_deref().and_then(forms).and_then(<[String]>::first);
    known.cloned().unwrap_or_else(|| porter::stem(word))
}

#[cfg(test)]
mod tests {
    use super::Words;

    fn words(text: &str) -> Words {
        Words::of(text, &Words::of("Alex Sam", &Words::default()))
    }

    #[test]
    fn content_words_are_stems_without_names_and_function_words() {
        let found: Vec<String> =
            words("Alex's 2 dogs are running, and I like Sam’s dog!").0.into_iter().collect();
        assert_eq!(found, ["2", "dog", "like", "run"]);
        assert!(words("He is the one.").is_empty());
        assert_eq!(words("Alex lost a job that paid."), words("Losing this job, which pays!"));
        assert_ne!(words("Alex founded a bakery."), words("Alex found a bakery."));
    }

    #[test]
    fn support_and_likeness_are_shares_of_words() {
        let (note, memory) = (words("I have two black dogs."), words("Alex has two dogs."));
        // two, black, dog against two, dog.
        assert!((note.covered_by(&memory) - 2.0 / 3.0).abs() < 1e-12);
        assert!((memory.covered_by(&note) - 1.0).abs() < 1e-12);
        assert!((note.likeness(&memory) - 2.0 / 3.0).abs() < 1e-12);
        assert!(words("").covered_by(&note).abs() < 1e-12 && words("").likeness(&words("")).abs() < 1e-12);
    }
}
