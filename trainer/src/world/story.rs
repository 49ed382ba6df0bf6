//! Stories: two people in several sessions over months, what each turn tells, and what the bank is to be afterwards.
//!
//! Gold follows Memory-R1's rules (appendix C). A value of what one has one of that changes is an UPDATE of its memory,
//! which keeps the id; DELETE and ADD in its place count as fragmentation. A further value of what one has several of is
//! an UPDATE with all of them. What ends without anything in its place is a DELETE, and a matter of its own an ADD.
//!
//! What a story is stands here; how it comes about in `teller`. Nothing here calls a model or a bank.
//!
//! Rooms it touches: world (attributes, question, teller, wording); of core: types.

use fastrand::Rng;
use keepsake_core::types::{InvalidInput, NewTurn, Origin, Timestamp};

use super::attributes::Act;
use super::question::{About, Question};
use super::teller;
use super::wording::Split;

/// How large a story is, and of what it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorldSettings {
    /// Which names, values and wordings are used.
    pub split: Split,
    /// Sittings, days to weeks apart.
    pub sessions: usize,
    /// Turns of each.
    pub turns: usize,
}

impl Default for WorldSettings {
    /// Six sessions of twelve turns: as many turns as the window of Memory-R1's training bank, and half as many again.
    fn default() -> Self {
        Self { split: Split::Train, sessions: 6, turns: 12 }
    }
}

/// The gold operation for a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gold {
    /// A new memory with the fact's words.
    Add,
    /// A new text for a memory.
    Update {
        /// Its number.
        memory: usize,
        /// The new text.
        text: String,
    },
    /// A memory holds no longer.
    Delete {
        /// Its number.
        memory: usize,
    },
    /// Nothing.
    Noop,
}

/// A fact of a turn, as extraction is to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldFact {
    /// The sentence.
    pub text: String,
    /// What is to be done with it.
    pub gold: Gold,
    /// What it does to its attribute.
    pub act: Act,
    /// The attribute's name.
    pub topic: &'static str,
    /// The memory that it is about, where there was one.
    pub memory: Option<usize>,
    pub(super) slot: usize,
}

/// A memory of the gold bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldMemory {
    /// The number it was given, in the order of ADD; never given twice.
    pub number: usize,
    /// Its text.
    pub text: String,
}

/// A turn with its gold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldTurn {
    /// Its session, from 1.
    pub session: usize,
    /// Who speaks.
    pub speaker: String,
    /// What is said.
    pub text: String,
    /// When.
    pub time: Timestamp,
    /// A person, or the assistant.
    pub origin: Origin,
    /// The facts; none in a turn that only chats.
    pub facts: Vec<GoldFact>,
    /// The bank after the turn.
    pub bank: Vec<GoldMemory>,
}

impl GoldTurn {
    /// The turn as a host hands it in.
    pub fn new_turn(&self) -> Result<NewTurn, InvalidInput> {
        let turn = NewTurn::new(&self.speaker, &self.text, self.time)?.from_origin(self.origin);
        turn.in_session(&self.session.to_string())
    }

    /// The texts of the bank after the turn.
    pub fn texts(&self) -> Vec<&str> {
        self.bank.iter().map(|memory| memory.text.as_str()).collect()
    }
}

/// A story.
#[derive(Debug, Clone)]
pub struct Story {
    /// What it was made from.
    pub seed: u64,
    /// The turns, in order.
    pub turns: Vec<GoldTurn>,
    /// All questions that can be answered at some point.
    pub questions: Vec<Question>,
    /// What each attribute of each person is about.
    pub(super) slots: Vec<About>,
}

impl Story {
    /// Makes the story of a seed: the same one for the same settings, always.
    pub fn new(seed: u64, settings: &WorldSettings) -> Self {
        teller::tell(seed, *settings)
    }

    /// The questions whose answers a turn touches, as they stand after it.
    pub fn tied(&self, turn: usize) -> Vec<&Question> {
        self.answerable(turn).filter(|question| self.touches(turn, question)).collect()
    }

    /// Whether a turn says something about what a question asks for.
    pub fn touches(&self, turn: usize, question: &Question) -> bool {
        self.turns[turn].facts.iter().any(|fact| Some(fact.slot) == question.slot)
    }

    /// All questions that can be answered after a turn.
    pub fn answerable(&self, turn: usize) -> impl Iterator<Item = &Question> {
        self.questions.iter().filter(move |question| question.holds_after(turn))
    }

    /// At most `count` questions that a turn does not touch and that must stay answerable after it, drawn by seed.
    pub fn earlier(&self, turn: usize, count: usize) -> Vec<&Question> {
        let others = self.answerable(turn).filter(|question| !self.touches(turn, question));
        let mut others: Vec<&Question> = others.collect();
        Rng::with_seed(self.seed ^ ((turn as u64) << 32)).shuffle(&mut others);
        others.truncate(count);
        others
    }
}

/// Questions are asked after every `every`-th turn of so many, and after the last one. If they are after this turn: the first
/// turn behind those that were asked about before.
pub fn asked_since(turn: usize, every: usize, turns: usize) -> Option<usize> {
    let every = every.max(1);
    let asks = (turn + 1).is_multiple_of(every) || turn + 1 == turns;
    // The last turn may come before the next of every `every`-th.
    asks.then_some((turn / every) * every)
}

#[cfg(test)]
mod tests {
    use super::super::attributes::Act;
    use super::super::people::{MEN, WOMEN};
    use super::super::question::Seeks;
    use super::super::values;
    use super::*;
    use std::collections::BTreeSet;

    fn story(seed: u64, split: Split) -> Story {
        Story::new(seed, &WorldSettings { split, ..WorldSettings::default() })
    }

    fn told(story: &Story) -> Vec<(&GoldTurn, &GoldFact)> {
        story.turns.iter().flat_map(|turn| turn.facts.iter().map(move |fact| (turn, fact))).collect()
    }

    #[test]
    fn a_seed_tells_one_story() {
        let (one, again, other) = (story(7, Split::Train), story(7, Split::Train), story(8, Split::Train));
        assert_eq!(one.turns, again.turns);
        assert_ne!(one.turns, other.turns);
        assert_eq!(one.turns.len(), 72);
        assert!(one.turns.windows(2).all(|pair| pair[0].time < pair[1].time));
        let months = one.turns[71].time.seconds() - one.turns[0].time.seconds();
        assert!(months > 20 * 86_400, "{months}");
        let small = Story::new(7, &WorldSettings { split: Split::Train, sessions: 1, turns: 3 });
        assert_eq!(small.turns.len(), 3);
        assert!(Story::new(7, &WorldSettings { split: Split::Held, sessions: 0, turns: 9 }).turns.is_empty());
    }

    /// Every word that tells a turn of one name or value from another, and all numbers, as "_".
    fn masked(text: &str) -> String {
        static KNOWN: std::sync::LazyLock<BTreeSet<String>> = std::sync::LazyLock::new(|| {
            let values = super::super::attributes::all().flat_map(|topic| {
                topic
                    .kinds
                    .iter()
                    .flat_map(|kind| kind.values.iter().chain([&kind.word]))
                    .chain(topic.details)
            });
            let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
            let all = values.chain(WOMEN).chain(MEN).chain(&super::super::dates::MONTHS).chain(&days);
            let small = [
                "a", "in", "the", "on", "to", "from", "free", "of", "and", "team", "work", "home", "old",
                "job", "car",
            ];
            let words = all.flat_map(|value| value.split(' ')).map(str::to_lowercase);
            let numbers = super::super::wording::NUMBERS.iter().map(|number| (*number).to_owned());
            words.chain(numbers).filter(|word| !small.contains(&word.as_str())).collect()
        });
        let mut masked = String::new();
        for word in text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'' && letter != '-') {
            let bare = word.to_lowercase();
            let bare = bare.strip_suffix("'s").unwrap_or(&bare);
            let hidden = KNOWN.contains(bare) || bare.chars().any(|letter| letter.is_ascii_digit());
            if !hidden && !word.is_empty() {
                masked.push_str(word);
                masked.push(' ');
            } else if hidden && !masked.ends_with("_ ") {
                masked.push_str("_ ");
            }
        }
        masked
    }

    #[test]
    fn turns_are_worded_in_thousands_of_ways() {
        let (mut plain, mut forms, mut facts, mut questions) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut turns = 0;
        for seed in 0..500 {
            let story = story(seed, if seed % 5 == 0 { Split::Held } else { Split::Train });
            for turn in story.turns.iter().filter(|turn| turn.origin == Origin::User) {
                turns += 1;
                forms.insert(masked(&turn.text));
                plain.insert(turn.text.clone());
                facts.extend(turn.facts.iter().map(|fact| masked(&fact.text)));
            }
            questions.extend(story.questions.iter().map(|question| masked(&question.text)));
        }
        let (plain, forms, facts, questions) = (plain.len(), forms.len(), facts.len(), questions.len());
        println!(
            "{turns} turns of people: {plain} differ, {forms} without names and values; {facts} facts, {questions} questions"
        );
        assert!(plain >= 20_000 && forms >= 20_000, "{plain} {forms}");
        assert!(facts >= 100 && questions >= 150, "{facts} {questions}");
    }

    #[test]
    fn what_is_held_out_is_never_trained_on() {
        let all = |split| -> Vec<Story> { (0..150).map(|seed| story(seed, split)).collect() };
        let (train, held) = (all(Split::Train), all(Split::Held));
        let words = |stories: &[Story]| -> BTreeSet<String> {
            let text = stories
                .iter()
                .flat_map(|story| &story.turns)
                .map(|turn| turn.text.clone())
                .collect::<Vec<_>>();
            text.join(" ").split(|letter: char| !letter.is_alphanumeric()).map(str::to_owned).collect()
        };
        let (trained, kept) = (words(&train), words(&held));
        let of = |list: &[&'static str], split: Split| -> Vec<&'static str> {
            split.of(list).copied().filter(|value| !value.contains(' ')).collect()
        };
        for list in [WOMEN, MEN, values::CITIES, values::DOG_NAMES, values::LANGUAGES, values::BOOKS] {
            assert!(of(list, Split::Held).iter().all(|value| !trained.contains(*value)));
            assert!(of(list, Split::Train).iter().all(|value| !kept.contains(*value)));
        }
        let said = |stories: &[Story]| -> BTreeSet<String> {
            let telling = stories.iter().flat_map(|story| &story.turns).filter(|turn| !turn.facts.is_empty());
            telling.map(|turn| masked(&turn.text)).collect()
        };
        assert!(said(&train).is_disjoint(&said(&held)));
        let asked = |stories: &[Story]| -> BTreeSet<String> {
            stories.iter().flat_map(|story| &story.questions).map(|question| masked(&question.text)).collect()
        };
        assert!(asked(&train).is_disjoint(&asked(&held)));
    }

    #[test]
    fn a_dog_beside_a_dog_is_one_memory_of_both() {
        let mut seen = 0;
        for seed in 0..60 {
            let story = story(seed, Split::Train);
            for (turn, fact) in
                told(&story).into_iter().filter(|(_, fact)| fact.topic == "pets" && fact.act == Act::Extend)
            {
                let Gold::Update { memory, text } = &fact.gold else { panic!("{fact:?}") };
                let new = fact.text.trim_end_matches('.').rsplit(' ').next().unwrap();
                assert!(text.contains(new) && text.contains(" and "), "{text}");
                assert_eq!(turn.bank.iter().filter(|known| known.number == *memory).count(), 1);
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn what_one_likes_one_may_be_allergic_to() {
        let mut seen = 0;
        for seed in 0..300 {
            let story = story(seed, Split::Train);
            for (turn, fact) in told(&story)
                .into_iter()
                .filter(|(_, fact)| fact.topic == "allergies" && fact.act == Act::State)
            {
                let bears_not = fact.text.trim_end_matches('.').rsplit(' ').next().unwrap();
                let liking = format!("{} likes ", turn.speaker);
                if turn
                    .bank
                    .iter()
                    .any(|known| known.text.starts_with(&liking) && known.text.contains(bears_not))
                {
                    assert_eq!(fact.gold, Gold::Add);
                    seen += 1;
                }
            }
        }
        assert!(seen > 3, "{seen}");
    }

    #[test]
    fn every_turn_that_tells_is_tied_to_questions() {
        for seed in 0..40 {
            let story = story(seed, Split::Train);
            for (at, turn) in story.turns.iter().enumerate() {
                let tied = story.tied(at);
                assert_eq!(tied.is_empty(), turn.facts.is_empty(), "{turn:?}");
                assert!(tied.iter().all(|question| question.holds_after(at)));
                let earlier = story.earlier(at, 3);
                let known =
                    |question: &&Question| question.holds_from < at || question.seeks == Seeks::Untold;
                assert!(earlier.len() <= 3 && earlier.iter().all(known));
                let both =
                    earlier.iter().any(|question| tied.iter().any(|tied| std::ptr::eq(*tied, *question)));
                assert!(!both);
            }
            assert!(
                story
                    .questions
                    .iter()
                    .all(|question| !question.text.contains('{') && !question.answer.is_empty())
            );
        }
    }
}
