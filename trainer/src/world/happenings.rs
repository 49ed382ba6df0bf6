//! What happens to people once and is told in passing: "I sold my motorbike yesterday".
//!
//! Spliced into conversations of real people, which name no dates, so that an answer agent learns what "when" asks for:
//! the day that the words come to, and where there are no such words the day of the turn.
//!
//! Rooms it touches: world (dates, people, wording); of core: types, when.

use std::collections::BTreeSet;

use fastrand::Rng;
use keepsake_core::types::Timestamp;
use keepsake_core::when;

use super::dates;
use super::people::person;
use super::wording::{capital, fill};

/// A sentence that tells something, and a question whose answer it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// The sentence, in the speaker's words.
    pub said: String,
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// Something that is not among `told`, told by somebody at a time.
pub fn happening(
    rng: &mut Rng,
    (name, his): (&str, &str),
    at: Timestamp,
    told: &mut BTreeSet<usize>,
) -> Option<Happening> {
    let number = rng.usize(..PAST.len() + COMING.len());
    if !told.insert(number) {
        return None;
    }
    let is_past = number < PAST.len();
    let (did, done) = if is_past { PAST[number] } else { ("", COMING[number - PAST.len()]) };
    let is_now = is_past && rng.u8(..3) == 0;
    let is_vague = is_past && !is_now && rng.u8(..6) == 0;
    let asks_what = is_now && rng.u8(..5) == 0;
    let words = match is_past {
        true if is_now => String::new(),
        true if !is_vague => dates::past(rng),
        _ => {
            let list = if is_past { VAGUE } else { SOON };
            list[rng.usize(..list.len())].to_owned()
        }
    };
    let (forms, questions) = match (is_past, is_now) {
        (true, true) => (NOW, WHEN_DID),
        (true, false) => (THEN, WHEN_DID),
        (false, _) => (AHEAD, WHEN_WILL),
    };
    let (form, asked) = (forms[rng.usize(..forms.len())], questions[rng.usize(..questions.len())]);
    let said = fill(form, &[("did", did), ("do", done), ("when", &words), ("my", "my")]);
    let said = capital(&said);
    let dated = when::annotate(&said, at);
    let day = match dated.split_once('(').and_then(|(_, rest)| rest.split_once(')')) {
        Some((day, _)) => day.to_owned(),
        // Nothing in it names a day.
        None if is_now => at.date_in_words(),
        None if is_vague => words.trim_start_matches("back in ").to_owned(),
        None => return None,
    };
    let filled = |text: &str| fill(text, &[("S", name), ("do", done), ("did", did), ("my", his)]);
    let (question, answer) = if asks_what {
        (filled(&format!("What did {{S}} do on {day}?")), filled(did))
    } else {
        (filled(asked), day)
    };
    Some(Happening { said, question, answer })
}

/// Something that somebody does again and again with somebody, and a question about one or two parts of it.
pub fn routine(rng: &mut Rng, (name, his): (&str, &str), told: &mut BTreeSet<usize>) -> Option<Happening> {
    let number = rng.usize(..ROUTINES.len());
    if !told.insert(PAST.len() + COMING.len() + number) {
        return None;
    }
    let (friend, pronoun) = person(rng);
    let companions = if pronoun == "her" { OF_WOMEN } else { OF_MEN };
    let mut drawn = |list: &[&'static str]| list[rng.usize(..list.len())];
    let day = drawn(&dates::WEEKDAYS);
    let often = drawn(OFTEN).replace("{day}", day);
    let (relation, form, asked) = (drawn(companions), drawn(AGAIN), drawn(PARTS));
    let whom = format!("{his} {relation} {friend}");
    let filled = |text: &str| {
        let own = format!("my {relation} {friend}");
        let keys = [
            ("do", ROUTINES[number]),
            ("often", &often),
            ("own", own.as_str()),
            ("whom", &whom),
            ("S", name),
        ];
        fill(text, &keys)
    };
    let (question, answer) = asked.split_once(" = ")?;
    Some(Happening { said: capital(&filled(form)), question: filled(question), answer: filled(answer) })
}

/// How it is told that is of today.
const NOW: &[&str] = &[
    "I {did}!",
    "I just {did}.",
    "guess what, I {did}!",
    "I {did} today.",
    "big news: I {did}!",
    "so I finally {did}.",
    "you'll laugh, but I {did}.",
    "oh, and I {did}, by the way.",
    "I can't believe it, I {did}!",
    "I {did}, it was a lot of work but so worth it.",
];
/// How it is told that was some time ago.
const THEN: &[&str] = &[
    "I {did} {when}.",
    "{when} I {did}.",
    "I {did} {when}, can you believe it?",
    "did I tell you that I {did} {when}?",
    "guess what, I {did} {when}!",
    "I finally {did} {when} and it felt amazing.",
    "it still feels unreal, but I {did} {when}.",
    "oh, and {when} I {did}.",
    "I {did} {when}, that was quite something.",
    "sorry I was so quiet, I {did} {when}.",
];
/// How it is told that is to come.
const AHEAD: &[&str] = &[
    "I'm going to {do} {when}.",
    "{when} I'm going to {do}!",
    "I'll {do} {when}, wish me luck!",
    "I plan to {do} {when}.",
    "I can't wait, I'm going to {do} {when}.",
    "I want to {do} {when}, if all goes well.",
];
const WHEN_DID: &[&str] = &[
    "When did {S} {do}?",
    "When did {S} {do}?",
    "When did {S} {do}?",
    "When was it that {S} {did}?",
    "On which day did {S} {do}?",
    "What was the date when {S} {did}?",
];
const WHEN_WILL: &[&str] = &[
    "When is {S} going to {do}?",
    "When does {S} plan to {do}?",
    "When will {S} {do}?",
    "When is {S} planning to {do}?",
];
const SOON: &[&str] = &[
    "tomorrow",
    "next week",
    "next month",
    "next year",
    "this Saturday",
    "next Friday",
    "next Monday",
    "next weekend",
    "this Thursday",
    "in three days",
    "in two weeks",
];
/// What names no day: the answer is the words.
const VAGUE: &[&str] = &[
    "a few years ago",
    "many years ago",
    "a long time ago",
    "back in 2016",
    "back in 2009",
    "back in 2019",
    "a couple of months ago",
];
/// What is past: as it is told and as it is asked for.
const PAST: &[(&str, &str)] = &[
    ("quit {my} job at the warehouse", "quit {my} job at the warehouse"),
    ("lost {my} job at the hotel", "lose {my} job at the hotel"),
    ("got promoted to team leader", "get promoted to team leader"),
    ("started a new job at the library", "start a new job at the library"),
    ("opened {my} own bakery", "open {my} own bakery"),
    ("launched {my} podcast", "launch {my} podcast"),
    ("signed the lease for {my} shop", "sign the lease for {my} shop"),
    ("hired {my} first employee", "hire {my} first employee"),
    ("got {my} first paying customer", "get {my} first paying customer"),
    ("gave a talk at a conference", "give a talk at a conference"),
    ("had a job interview at a law firm", "have a job interview at a law firm"),
    ("handed in {my} thesis", "hand in {my} thesis"),
    ("passed {my} driving test", "pass {my} driving test"),
    ("graduated from nursing school", "graduate from nursing school"),
    ("enrolled in a cooking course", "enrol in a cooking course"),
    ("started learning to code", "start learning to code"),
    ("finished {my} first novel", "finish {my} first novel"),
    ("published a poem in a magazine", "publish a poem in a magazine"),
    ("sold a painting at the market", "sell a painting at the market"),
    ("showed {my} photographs at a gallery", "show {my} photographs at a gallery"),
    ("joined a pottery class", "join a pottery class"),
    ("made {my} first vase", "make {my} first vase"),
    ("played {my} first concert", "play {my} first concert"),
    ("recorded a song in a studio", "record a song in a studio"),
    ("bought a second-hand guitar", "buy a second-hand guitar"),
    ("sang at a wedding", "sing at a wedding"),
    ("went to a jazz festival", "go to a jazz festival"),
    ("saw a play at the theatre", "see a play at the theatre"),
    ("joined a choir", "join a choir"),
    ("auditioned for a musical", "audition for a musical"),
    ("ran a half marathon", "run a half marathon"),
    ("won a chess tournament", "win a chess tournament"),
    ("came second in a baking contest", "come second in a baking contest"),
    ("won a prize for {my} roses", "win a prize for {my} roses"),
    ("climbed a mountain with friends", "climb a mountain with friends"),
    ("went camping by the lake", "go camping by the lake"),
    ("went on a road trip with {my} family", "go on a road trip with {my} family"),
    ("flew to Lisbon", "fly to Lisbon"),
    ("visited a museum in Vienna", "visit a museum in Vienna"),
    ("came back from a holiday in Greece", "come back from a holiday in Greece"),
    ("went skiing in the Alps", "go skiing in the Alps"),
    ("took a surfing lesson", "take a surfing lesson"),
    ("tried rock climbing", "try rock climbing"),
    ("started swimming every morning", "start swimming every morning"),
    ("signed up for a boxing class", "sign up for a boxing class"),
    ("hurt {my} knee", "hurt {my} knee"),
    ("broke {my} arm", "break {my} arm"),
    ("had surgery on {my} shoulder", "have surgery on {my} shoulder"),
    ("went to the doctor for a check-up", "go to the doctor for a check-up"),
    ("stopped smoking", "stop smoking"),
    ("became a vegetarian", "become a vegetarian"),
    ("got a new tattoo on {my} wrist", "get a new tattoo on {my} wrist"),
    ("cut {my} hair short", "cut {my} hair short"),
    ("adopted a kitten from the shelter", "adopt a kitten from the shelter"),
    ("took the dog to obedience school", "take the dog to obedience school"),
    ("found a stray puppy", "find a stray puppy"),
    ("moved into a new apartment", "move into a new apartment"),
    ("bought a house with a garden", "buy a house with a garden"),
    ("painted the living room green", "paint the living room green"),
    ("planted tomatoes on the balcony", "plant tomatoes on the balcony"),
    ("built a tree house for the kids", "build a tree house for the kids"),
    ("repaired the old clock", "repair the old clock"),
    ("sold {my} old van", "sell {my} old van"),
    ("bought an electric car", "buy an electric car"),
    ("got engaged", "get engaged"),
    ("got married at the beach", "get married at the beach"),
    ("celebrated {my} birthday with friends", "celebrate {my} birthday with friends"),
    ("met {my} old teacher", "meet {my} old teacher"),
    ("had dinner with {my} cousins", "have dinner with {my} cousins"),
    ("threw a party for {my} parents", "throw a party for {my} parents"),
    ("visited {my} grandmother in hospital", "visit {my} grandmother in hospital"),
    ("made up with {my} brother", "make up with {my} brother"),
    ("took the kids to the zoo", "take the kids to the zoo"),
    ("baked a cake for the school fair", "bake a cake for the school fair"),
    ("volunteered at a soup kitchen", "volunteer at a soup kitchen"),
    ("gave blood", "give blood"),
    ("organised a clean-up at the river", "organise a clean-up at the river"),
    ("collected money for the animal shelter", "collect money for the animal shelter"),
    ("went to a protest march", "go to a protest march"),
    ("joined a support group", "join a support group"),
    ("started seeing a therapist", "start seeing a therapist"),
    ("took up meditation", "take up meditation"),
    ("started a vegetable garden", "start a vegetable garden"),
    ("started reading a book about sailing", "start reading a book about sailing"),
    ("started a blog about tea", "start a blog about tea"),
    ("got in touch with a publisher", "get in touch with a publisher"),
    ("met with an investor", "meet with an investor"),
    ("got a loan from the bank", "get a loan from the bank"),
    ("ordered new equipment for the workshop", "order new equipment for the workshop"),
    ("built a website for {my} business", "build a website for {my} business"),
    ("went to a trade fair", "go to a trade fair"),
    ("teamed up with a local designer", "team up with a local designer"),
    ("taught {my} first yoga class", "teach {my} first yoga class"),
    ("did a photo shoot for a catalogue", "do a photo shoot for a catalogue"),
    ("was interviewed on the radio", "get interviewed on the radio"),
    ("won a scholarship", "win a scholarship"),
    ("failed the maths exam", "fail the maths exam"),
    ("beat {my} best time", "beat {my} best time"),
    ("saw a whale from the boat", "see a whale from the boat"),
    ("went stargazing in the desert", "go stargazing in the desert"),
    ("learned to make sushi", "learn to make sushi"),
    ("tried a Korean restaurant", "try a Korean restaurant"),
    ("lost {my} wallet on the train", "lose {my} wallet on the train"),
    ("dropped {my} phone in the lake", "drop {my} phone in the lake"),
    ("had a flat tyre on the highway", "have a flat tyre on the highway"),
    ("finished a puzzle with two thousand pieces", "finish a puzzle with two thousand pieces"),
    ("beat the last level of that game", "beat the last level of that game"),
    ("bought tickets for the opera", "buy tickets for the opera"),
    ("restored an old wooden chair", "restore an old wooden chair"),
];
const AGAIN: &[&str] = &[
    "I {do} {often} with {own}.",
    "{often} I {do} with {own}.",
    "{own} and I {do} {often}.",
    "it's a habit now: I {do} {often} with {own}, rain or shine.",
    "I {do} with {own} {often}, it keeps us both sane.",
    "you can't reach me then, I {do} {often}, and {own} comes along.",
];
const OFTEN: &[&str] = &[
    "every {day}",
    "every {day}",
    "every {day}",
    "on {day}s",
    "every other {day}",
    "every morning",
    "every weekend",
];
/// What is asked for, and the answer.
const PARTS: &[&str] = &[
    "Who does {S} {do} with? = {whom}",
    "When does {S} {do}? = {often}",
    "How often does {S} {do}? = {often}",
    "Who does {S} {do} with, and when? = {whom}, {often}",
    "Who does {S} {do} with, and how often? = {whom}, {often}",
    "When does {S} {do}, and with whom? = {often}, with {whom}",
    "With whom and on which day does {S} {do}? = {whom}, {often}",
];
const OF_WOMEN: &[&str] = &[
    "cousin",
    "neighbour",
    "friend",
    "colleague",
    "flatmate",
    "boss",
    "sister",
    "aunt",
    "niece",
    "daughter",
];
const OF_MEN: &[&str] =
    &["cousin", "neighbour", "friend", "colleague", "flatmate", "boss", "brother", "uncle", "nephew", "son"];
const ROUTINES: &[&str] = &[
    "play badminton",
    "go bowling",
    "go running",
    "sing in the choir",
    "practise the cello",
    "cook dinner",
    "play cards",
    "go swimming",
    "do yoga",
    "go to the sauna",
    "watch old films",
    "work in the allotment",
    "go climbing",
    "learn Spanish",
    "walk along the river",
    "ride a bike",
    "go fishing",
    "paint in the studio",
    "play chess",
    "train for a race",
    "have breakfast",
];
/// What is to come.
const COMING: &[&str] = &[
    "open a second shop",
    "run a marathon",
    "move in with {my} sister",
    "start a course in first aid",
    "perform at a street festival",
    "take part in a dance contest",
    "hold a workshop for beginners",
    "fly to Iceland",
    "visit {my} uncle in Scotland",
    "have {my} wisdom teeth out",
    "put {my} flat up for sale",
    "adopt a second dog",
    "give a speech at the town hall",
    "show {my} work at a gallery",
    "go hiking in Norway",
    "meet a new client",
    "launch an online shop",
    "record an album",
    "throw a surprise party",
    "take {my} final exam",
    "start physical therapy",
    "plant an apple tree",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_dated_by_its_words_or_by_its_turn() {
        let at: Timestamp = "2024-03-02T10:15".parse().unwrap();
        let (mut by_turn, mut by_words, mut vague, mut what) = (0, 0, 0, 0);
        for seed in 0..400 {
            let told = &mut BTreeSet::new();
            let happens = happening(&mut Rng::with_seed(seed), ("Maria", "her"), at, told);
            let Some(Happening { said, question, answer }) = happens else { continue };
            for text in [&said, &question, &answer] {
                assert!(!text.contains(['{', '}', '(', ')']) && !text.is_empty(), "{text}");
            }
            assert!(!question.contains(" my ") && !answer.contains("my "), "{question} {answer}");
            if question.starts_with("What did") {
                assert!(question.ends_with("on 2 March 2024?"), "{question}");
                what += 1;
            } else if answer == "2 March 2024" {
                by_turn += 1;
            } else if when::annotate(&said, at).contains(&format!("({answer})")) {
                by_words += 1;
            } else {
                assert!(said.to_lowercase().contains(&answer), "{said}: {answer}");
                vague += 1;
            }
        }
        println!("{by_turn} {by_words} {vague} {what}");
        assert!(by_turn > 60 && by_words > 120 && vague > 10 && what > 10);
    }

    #[test]
    fn of_what_is_done_again_and_again_one_part_is_asked_for_or_two() {
        let (mut one, mut two) = (0, 0);
        for seed in 0..300 {
            let found = routine(&mut Rng::with_seed(seed), ("Maria", "her"), &mut BTreeSet::new()).unwrap();
            let Happening { said, question, answer } = found;
            assert!(![&said, &question, &answer].iter().any(|text| text.contains(['{', '}', '='])), "{said}");
            let parts: Vec<&str> = answer.split(", ").collect();
            for part in &parts {
                let part = part.trim_start_matches("with ");
                let part = part.strip_prefix("her ").map_or(part.to_owned(), |whom| format!("my {whom}"));
                assert!(said.to_lowercase().contains(&part.to_lowercase()), "{said}: {part}");
            }
            assert_eq!(parts.len() == 2, question.contains(" and "), "{question} {answer}");
            if parts.len() == 2 { two += 1 } else { one += 1 }
        }
        assert!(one > 80 && two > 100, "{one} {two}");
    }

    #[test]
    fn nothing_happens_twice() {
        let at: Timestamp = "2024-03-02T10:15".parse().unwrap();
        let mut told: BTreeSet<usize> = (0..PAST.len() + COMING.len()).collect();
        assert_eq!(happening(&mut Rng::with_seed(1), ("Tom", "his"), at, &mut told), None);
    }
}
