//! Questions to conversations that come without any, but with notes of what each turn tells (Multi-Session Chat).
//!
//! The speakers get names and the turns days, some turns tell beside their own words of something that happened
//! (`world::happening`), and notes become questions by a few rules of English: "I live in Rome." answers "Where does Maria live?". A
//! note whose answer its turn does not say word for word is no question, and neither is one of two with different answers.
//!
//! Rooms it touches: tasks, world; of core: types, when; dialogues.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use keepsake_core::types::{NewTurn, Timestamp};
use keepsake_core::when;
use keepsake_dialogues::questions::{Asked, Dialogue};

use super::{TaskError, failed};
use crate::world;

/// 3 January 2022, 09:00: conversations begin within a thousand days of it.
const FIRST: i64 = 1_641_200_400;
const DAY: i64 = 86_400;
/// Seconds between two turns.
const PAUSE: i64 = 40;
/// Of so many turns one tells of something that happened, at most.
const FOR_ONE_HAPPENING: usize = 4;

/// The conversation, with names, days and questions. The same for the same seed.
pub fn asked(dialogue: &Dialogue, seed: u64) -> Result<Dialogue, TaskError> {
    let mut rng = Rng::with_seed(seed);
    let people = [world::person(&mut rng), world::person(&mut rng)];
    let mut whole = Dialogue { name: dialogue.name.clone(), ..Dialogue::default() };
    if people[0].0 == people[1].0 {
        return Ok(whole);
    }
    let first = dialogue.turns.first().map(NewTurn::speaker);
    let mut told = BTreeSet::new();
    // By question: what answers it, and which turn says so.
    let mut noted: BTreeMap<String, BTreeMap<String, Option<String>>> = BTreeMap::new();
    let mut time = FIRST + DAY * rng.i64(0..1000);
    for (at, turn) in dialogue.turns.iter().enumerate() {
        time += PAUSE;
        if rng.usize(..8) == 0 {
            time += DAY * rng.i64(1..20) + 900 * rng.i64(0..30);
        }
        let now = Timestamp::from_seconds(time);
        let who = people[usize::from(Some(turn.speaker()) != first)];
        let reference = format!("{}/{at}", dialogue.name);
        let mut text = turn.text().trim().to_owned();
        let free = when::annotate(&text, now) == text && rng.usize(..FOR_ONE_HAPPENING) == 0;
        let happens = match rng.u8(..3) {
            _ if !free => None,
            0 => world::routine(&mut rng, who, &mut told),
            _ => world::happening(&mut rng, who, now, &mut told),
        };
        if let Some(world::Happening { said, question, answer }) = happens {
            let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
            text = if rng.bool() { format!("{said} {text}") } else { format!("{text}{end} {said}") };
            whole.questions.push(question_of(&reference, &question, answer));
        }
        for note in dialogue.noted.get(at).into_iter().flatten() {
            if let Some((question, answer)) = of_note(note, who) {
                let place = noted.entry(question).or_default().entry(answer.clone()).or_default();
                if says(turn.text(), &answer) {
                    place.get_or_insert_with(|| reference.clone());
                }
            }
        }
        let turn = NewTurn::new(who.0, &text, now).and_then(|turn| turn.in_session(&dialogue.name));
        let turn = turn.and_then(|turn| turn.with_reference(&reference));
        whole.turns.push(turn.map_err(|error| failed(&error))?);
    }
    let happened: Vec<String> = whole.questions.iter().map(|asked| asked.text.clone()).collect();
    let of_notes =
        noted.into_iter().filter(|(question, _)| !happens_too(question, people.map(|one| one.0), &happened));
    whole.questions.extend(of_notes.filter_map(|(question, answers)| {
        let mut answers = answers.into_iter();
        let (answer, reference) = answers.next().filter(|_| answers.next().is_none())?;
        Some(question_of(&reference?, &question, answer))
    }));
    keep_clear_days(&mut whole.questions);
    Ok(whole)
}

/// Whether something that happened may answer a note's question too: "What did Maria buy?".
fn happens_too(question: &str, names: [&str; 2], happened: &[String]) -> bool {
    let question = question.trim_end_matches('?');
    let doing = names.iter().find_map(|name| question.rsplit_once(&format!("{name} ")));
    doing.is_some_and(|(_, doing)| {
        let verb = format!(" {} ", doing.split(' ').next().unwrap_or_default());
        happened.iter().any(|text| text.contains(&verb))
    })
}

/// Leaves out what somebody did on a day where it is two things.
fn keep_clear_days(questions: &mut Vec<Asked>) {
    let all: Vec<(String, String)> =
        questions.iter().map(|asked| (asked.text.clone(), asked.gold.concat())).collect();
    questions.retain(|asked| {
        let what = asked.text.strip_prefix("What did ").and_then(|rest| rest.split_once(" do on "));
        what.is_none_or(|(who, day)| {
            let day = day.trim_end_matches('?');
            let same = |(text, answer): &&(String, String)| {
                *text == asked.text || (answer == day && text.contains(who))
            };
            all.iter().filter(same).count() == 1
        })
    });
}

fn question_of(reference: &str, text: &str, answer: String) -> Asked {
    Asked {
        id: format!("{reference}/{text}"),
        text: text.to_owned(),
        gold: vec![answer],
        category: String::new(),
        evidence: vec![reference.to_owned()],
        sessions: Vec::new(),
        at: None,
    }
}

/// How a note begins, and what it answers. `{S}` is the speaker.
const BEGINNINGS: &[(&str, &str)] = &[
    ("i live in", "Where does {S} live?"),
    ("i live with", "Who does {S} live with?"),
    ("i live near", "What does {S} live near?"),
    ("i work as", "What does {S} do for a living?"),
    ("i work for", "Who does {S} work for?"),
    ("i work at", "Where does {S} work?"),
    ("i work in", "Where does {S} work?"),
    ("i work with", "Who or what does {S} work with?"),
    ("i am from", "Where is {S} from?"),
    ("i'm from", "Where is {S} from?"),
    ("i grew up in", "Where did {S} grow up?"),
    ("i grew up on", "What did {S} grow up on?"),
    ("i was born in", "Where was {S} born?"),
    ("i was raised by", "Who raised {S}?"),
    ("i used to", "What did {S} use to do?"),
    ("i want to", "What does {S} want to do?"),
    ("i would like to", "What would {S} like to do?"),
    ("i'd like to", "What would {S} like to do?"),
    ("i would love to", "What would {S} love to do?"),
    ("i hope to", "What does {S} hope to do?"),
    ("i plan to", "What does {S} plan to do?"),
    ("i plan on", "What does {S} plan on?"),
    ("i am planning to", "What is {S} planning to do?"),
    ("i am going to", "What is {S} going to do?"),
    ("i'm going to", "What is {S} going to do?"),
    ("i need to", "What does {S} need to do?"),
    ("i like to", "What does {S} like to do?"),
    ("i love to", "What does {S} love to do?"),
    ("i enjoy", "What does {S} enjoy?"),
    ("i like", "What does {S} like?"),
    ("i love", "What does {S} love?"),
    ("i hate", "What does {S} hate?"),
    ("i do not like", "What does {S} not like?"),
    ("i don't like", "What does {S} not like?"),
    ("i don't eat", "What does {S} not eat?"),
    ("i don't drink", "What does {S} not drink?"),
    ("i prefer", "What does {S} prefer?"),
    ("i am afraid of", "What is {S} afraid of?"),
    ("i am scared of", "What is {S} scared of?"),
    ("i am allergic to", "What is {S} allergic to?"),
    ("i am interested in", "What is {S} interested in?"),
    ("i'm interested in", "What is {S} interested in?"),
    ("i am looking for", "What is {S} looking for?"),
    ("i am looking forward to", "What is {S} looking forward to?"),
    ("i am thinking about", "What is {S} thinking about?"),
    ("i am thinking of", "What is {S} thinking of?"),
    ("i am considering", "What is {S} considering?"),
    ("i am excited about", "What is {S} excited about?"),
    ("i am proud of", "What is {S} proud of?"),
    ("i am training for", "What is {S} training for?"),
    ("i am studying", "What is {S} studying?"),
    ("i am learning", "What is {S} learning?"),
    ("i am working on", "What is {S} working on?"),
    ("i am moving to", "Where is {S} moving to?"),
    ("i am married to", "Who is {S} married to?"),
    ("i study", "What does {S} study?"),
    ("i teach", "What does {S} teach?"),
    ("i volunteer at", "Where does {S} volunteer?"),
    ("i listen to", "What does {S} listen to?"),
    ("i drive", "What does {S} drive?"),
    ("i ride", "What does {S} ride?"),
    ("i play", "What does {S} play?"),
    ("i can play", "What can {S} play?"),
    ("i own", "What does {S} own?"),
    ("i collect", "What does {S} collect?"),
    ("i sell", "What does {S} sell?"),
    ("i make", "What does {S} make?"),
    ("i write", "What does {S} write?"),
    ("i speak", "Which language does {S} speak?"),
    ("i believe in", "What does {S} believe in?"),
    ("i need", "What does {S} need?"),
    ("i eat", "What does {S} eat?"),
    ("i drink", "What does {S} drink?"),
    ("i watch", "What does {S} watch?"),
    ("i read", "What does {S} read?"),
    ("i grow", "What does {S} grow?"),
    ("i raise", "What does {S} raise?"),
    ("i wear", "What does {S} wear?"),
    ("i went to", "Where did {S} go?"),
    ("i moved to", "Where did {S} move to?"),
    ("i moved from", "Where did {S} move from?"),
    ("i just moved to", "Where did {S} just move to?"),
    ("i bought", "What did {S} buy?"),
    ("i just bought", "What did {S} just buy?"),
    ("i got", "What did {S} get?"),
    ("i just got", "What did {S} just get?"),
    ("i lost", "What did {S} lose?"),
    ("i won", "What did {S} win?"),
    ("i adopted", "What did {S} adopt?"),
    ("i made", "What did {S} make?"),
    ("i watched", "What did {S} watch?"),
    ("i saw", "What did {S} see?"),
    ("i met", "Who did {S} meet?"),
    ("i broke", "What did {S} break?"),
    ("i started", "What did {S} start?"),
    ("i just started", "What did {S} just start?"),
    ("i recently started", "What did {S} recently start?"),
    ("i majored in", "What did {S} major in?"),
    ("i graduated from", "Where did {S} graduate from?"),
    ("i have visited", "Where has {S} been?"),
    ("i have been to", "Where has {S} been?"),
    ("i've been to", "Where has {S} been?"),
    ("i have never been to", "Where has {S} never been?"),
    ("i have tried", "What has {S} tried?"),
];
/// Words that end an answer: what follows is another matter.
const OVER: [&str; 13] =
    ["but", "because", "so", "when", "while", "if", "since", "although", "which", "who", "as", "too", "also"];
/// Words behind which an answer goes on, so that its beginning is none; unless a sentence of its own begins.
const MORE: [&str; 3] = ["and", "or", "that"];
/// How no answer begins.
const NO_ANSWER: [&str; 14] = [
    "to", "for", "at", "with", "about", "from", "by", "on", "a lot", "at least", "married", "up", "off",
    "out",
];

/// What a note answers: the question and its answer.
fn of_note(note: &str, (name, his): (&str, &str)) -> Option<(String, String)> {
    let note = note.trim().trim_end_matches(['.', '!']).replace('’', "'");
    let words: Vec<&str> = note.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let at = |nth: usize| lower.get(nth).map(String::as_str).unwrap_or_default();
    let is = |word: &String| word == "is" || word == "are";
    let (question, from) = if at(0) == "my" && at(1) == "favorite" {
        let verb = lower.iter().position(is).filter(|verb| (3..6).contains(verb))?;
        (format!("What is {name}'s favorite {}?", words[2..verb].join(" ")), verb + 1)
    } else if at(0) == "my" && at(1).ends_with("'s") && at(2) == "name" && at(3) == "is" {
        (format!("What is the name of {name}'s {}?", words[1].trim_end_matches("'s")), 4)
    } else if at(0) == "i" && at(1) == "am" && at(3) == "years" && at(4) == "old" {
        return Some((format!("How old is {name}?"), words[2].to_owned()));
    } else if at(0) == "i" && at(1) == "have" && words.len() == 4 && is_count(at(2)) {
        return Some((format!("How many {} does {name} have?", words[3]), words[2].to_owned()));
    } else {
        let begins = |beginning: &str| {
            let mut known = beginning.split(' ');
            let same = known.by_ref().zip(&lower).all(|(one, other)| one == other);
            same && known.next().is_none() && words.len() > beginning.split(' ').count()
        };
        // Of two that fit the longer says more.
        let fits = BEGINNINGS.iter().filter(|(beginning, _)| begins(beginning));
        let (beginning, question) = fits.max_by_key(|(beginning, _)| beginning.len())?;
        (question.replace("{S}", name), beginning.split(' ').count())
    };
    let mut answer = Vec::new();
    let rest: Vec<(&str, &String)> = words[from..].iter().copied().zip(&lower[from..]).collect();
    for (nth, (word, lower)) in rest.iter().enumerate() {
        let own = |at: usize| {
            rest.get(at).is_some_and(|(_, next)| ["i", "i'm", "my", "it", "we"].contains(&next.as_str()))
        };
        if MORE.contains(&lower.as_str()) && !own(nth + 1) {
            return None;
        }
        if MORE.contains(&lower.as_str()) || OVER.contains(&lower.as_str()) {
            break;
        }
        answer.push(if *lower == "my" { his } else { word.trim_end_matches([',', ';']) });
        if word.ends_with([',', ';']) {
            // A list, unless a clause follows.
            let clause = rest.get(nth + 1).is_some_and(|(_, next)| OVER.contains(&next.as_str()));
            if !clause && !own(nth + 1) {
                return None;
            }
            break;
        }
    }
    let other = [
        "i", "me", "i'm", "we", "our", "us", "it", "them", "one", "him", "there", "this", "you", "your",
        "that",
    ];
    let clear =
        !answer.is_empty() && !answer.iter().any(|word| other.contains(&word.to_lowercase().as_str()));
    let answer = answer.join(" ");
    let begins = |word: &&str| answer == **word || answer.starts_with(&format!("{word} "));
    // "I am going to the circus": that is no doing.
    let places = ["a ", "an ", "the ", "college", "school", "work"];
    let is_place = question.ends_with("to do?")
        && (answer.starts_with(char::is_uppercase) || places.iter().any(|word| answer.starts_with(word)));
    (clear && !is_place && !NO_ANSWER.iter().any(begins)).then_some((question, answer))
}

fn is_count(word: &str) -> bool {
    let words = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve"];
    words.contains(&word) || word.parse::<u8>().is_ok()
}

/// Whether a turn says all that matters in an answer: every word of it but small ones, whatever its ending.
fn says(turn: &str, answer: &str) -> bool {
    let said = |text: &str| -> BTreeSet<String> {
        let words = text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase);
        let small = ["a", "an", "the", "to", "of", "in", "at", "her", "his", "for", "on", "with"];
        let words = words.filter(|word| !word.is_empty() && !small.contains(&word.as_str()));
        words.map(|word| word.chars().take(5).collect()).collect()
    };
    let wanted = said(answer);
    !wanted.is_empty() && wanted.is_subset(&said(turn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepsake_dialogues::questions::{Layout, read};

    #[test]
    fn notes_are_asked_for_or_left() {
        for (note, asked) in [
            ("I live in Rome.", Some(("Where does Maria live?", "Rome"))),
            ("I live in Rome and I like it.", Some(("Where does Maria live?", "Rome"))),
            ("My favorite color is blue.", Some(("What is Maria's favorite color?", "blue"))),
            ("My dog's name is Rex.", Some(("What is the name of Maria's dog?", "Rex"))),
            ("I have two dogs.", Some(("How many dogs does Maria have?", "two"))),
            ("I am 30 years old.", Some(("How old is Maria?", "30"))),
            ("I like to walk my dog.", Some(("What does Maria like to do?", "walk her dog"))),
            ("I just moved to Ohio, which is cold.", Some(("Where did Maria just move to?", "Ohio"))),
            ("I am going to swim.", Some(("What is Maria going to do?", "swim"))),
            ("I am going to Paris.", None),
            ("I am going to the circus.", None),
            ("I like racing and pizza.", None),
            ("I love rock, jazz and blues.", None),
            ("I got married.", None),
            ("I like her.", Some(("What does Maria like?", "her"))),
            ("I like it.", None),
            ("I have a dog.", None),
            ("I live in", None),
            ("You live in Rome.", None),
            ("My favorite is blue.", None),
        ] {
            let found = of_note(note, ("Maria", "her"));
            let found = found.as_ref().map(|(question, answer)| (question.as_str(), answer.as_str()));
            assert_eq!(found, asked, "{note}");
        }
    }

    #[test]
    fn what_two_things_answer_is_not_asked() {
        let mut questions = vec![
            question_of("a", "What did Maria do on 2 March 2024?", "gave blood".into()),
            question_of("b", "When did Maria buy a boat?", "2 March 2024".into()),
            question_of("c", "What did Tom do on 2 March 2024?", "gave blood".into()),
        ];
        keep_clear_days(&mut questions);
        let left: Vec<&str> = questions.iter().map(|asked| asked.text.as_str()).collect();
        assert_eq!(left, ["When did Maria buy a boat?", "What did Tom do on 2 March 2024?"]);
        let happened = ["When did Maria buy a boat?".to_owned()];
        assert!(happens_too("What did Maria buy?", ["Tom", "Maria"], &happened));
        assert!(!happens_too("What does Maria sell?", ["Tom", "Maria"], &happened));
    }

    #[test]
    fn a_conversation_gets_names_days_and_questions_that_its_turns_answer() {
        let line = |nth: usize| {
            format!(
                r#"{{"initial_data_id":"v{nth}","dialog":[
            {{"text":"I live in Rome these days!","id":"a","persona_text":"I live in Rome."}},
            {{"text":"Nice! I like tea","id":"b","persona_text":"I like tea. I like to fish."}},
            {{"text":"I like coffee","id":"b","persona_text":"I like coffee."}}]}}"#
            )
            .replace('\n', "")
        };
        let text: Vec<String> = (0..100).map(line).collect();
        let dialogues = read(&text.join("\n"), "f", Layout::Msc, None).unwrap().dialogues;
        let (mut happened, mut days) = (0, BTreeSet::new());
        for (seed, dialogue) in dialogues.iter().enumerate() {
            let whole = asked(dialogue, seed as u64).unwrap();
            assert_eq!(whole.turns, asked(dialogue, seed as u64).unwrap().turns);
            let Some(first) = whole.turns.first() else { continue };
            days.insert(first.time().date_in_words());
            let texts: Vec<&str> = whole.questions.iter().map(|one| one.text.as_str()).collect();
            let (name, other) = (first.speaker(), whole.turns[1].speaker());
            assert!(name != other);
            assert!(texts.contains(&format!("Where does {name} live?").as_str()), "{texts:?}");
            // Tea and coffee are two answers, and of fishing the turn says nothing.
            assert!(texts.iter().all(|text| !text.contains("like")), "{texts:?}");
            for turn in &whole.turns {
                let extra: Vec<&Asked> =
                    whole.questions.iter().filter(|one| one.text.contains("did")).collect();
                happened += extra.len();
                assert!(turn.reference().is_some());
            }
        }
        assert!(happened > 40 && days.len() > 50, "{happened} {}", days.len());
    }
}
