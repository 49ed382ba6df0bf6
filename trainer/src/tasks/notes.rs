//! Samples of extraction from conversations in which a person wrote down what each turn tells (Multi-Session Chat).
//!
//! Notes are written as the speaker's own words ("I have two dogs."); extraction names the speaker ("Alex has two dogs.").
//! Notes that a few rules of English cannot turn are no lesson, and neither is a turn whose notes say what it does not:
//! core's own guard decides that.
//!
//! Rooms it touches: tasks, world; of core: bank, config, decision, engine; dialogues.

use std::sync::Arc;

use keepsake_core::bank::TurnOutcome;
use keepsake_core::config::Config;
use keepsake_core::decision::Guard;
use keepsake_core::types::Cancel;
use keepsake_dialogues::questions::Dialogue;

use super::{TaskError, failed};
use crate::world::{self, Lesson, Sample, Teacher};

/// The samples that a conversation's notes give: one for each turn whose notes are all usable, or that has none.
pub fn samples(dialogue: &Dialogue, config: &Config) -> Result<Vec<Sample>, TaskError> {
    let teacher = Arc::new(Teacher::new());
    let engine = world::engine(Arc::clone(&teacher), config.clone());
    let mut samples = Vec::new();
    for (turn, notes) in dialogue.turns.iter().zip(&dialogue.noted) {
        let facts: Vec<String> = notes.iter().filter_map(|note| third_person(note, turn.speaker())).collect();
        let whole = facts.len() == notes.len();
        teacher.give(Lesson::Notes(facts));
        let outcome = engine.remember(turn.clone(), &Cancel::new()).map_err(|error| failed(&error))?.outcome;
        let grounded = match outcome {
            TurnOutcome::Done(applied) => applied.iter().all(|one| one.guard != Some(Guard::Ungrounded)),
            _ => false,
        };
        // Extraction is the first call of a turn.
        let extraction = teacher.samples().into_iter().next();
        samples.extend(extraction.filter(|_| whole && grounded));
    }
    Ok(samples)
}

/// Words that may stand between "I" and its verb.
const BETWEEN: [&str; 20] = [
    "also",
    "really",
    "always",
    "never",
    "often",
    "usually",
    "sometimes",
    "just",
    "only",
    "still",
    "recently",
    "currently",
    "now",
    "once",
    "mostly",
    "rarely",
    "already",
    "mainly",
    "occasionally",
    "regularly",
];
/// Auxiliaries and past forms: the same for everybody.
const UNCHANGED: [&str; 110] = [
    "will",
    "can",
    "cannot",
    "can't",
    "could",
    "couldn't",
    "would",
    "wouldn't",
    "should",
    "might",
    "may",
    "must",
    "did",
    "didn't",
    "had",
    "won't",
    "adopted",
    "applied",
    "ate",
    "attended",
    "became",
    "began",
    "bought",
    "broke",
    "built",
    "came",
    "caught",
    "chose",
    "competed",
    "considered",
    "decided",
    "discovered",
    "dropped",
    "drove",
    "dyed",
    "earned",
    "enjoyed",
    "fell",
    "felt",
    "finished",
    "found",
    "gave",
    "got",
    "graduated",
    "grew",
    "heard",
    "helped",
    "hired",
    "hurt",
    "injured",
    "joined",
    "kept",
    "knew",
    "learned",
    "left",
    "liked",
    "listened",
    "lived",
    "lost",
    "loved",
    "made",
    "majored",
    "married",
    "met",
    "moved",
    "ordered",
    "paid",
    "painted",
    "picked",
    "played",
    "purchased",
    "quit",
    "ran",
    "received",
    "rented",
    "rescued",
    "retired",
    "rode",
    "said",
    "saw",
    "sent",
    "served",
    "signed",
    "slept",
    "sold",
    "spent",
    "spoke",
    "started",
    "stole",
    "stopped",
    "studied",
    "swam",
    "taught",
    "thought",
    "threw",
    "told",
    "took",
    "trained",
    "tried",
    "used",
    "visited",
    "volunteered",
    "wanted",
    "was",
    "watched",
    "went",
    "won",
    "wore",
    "worked",
    "wrote",
];
/// Verbs that follow "I" in nine of ten notes; of others it is not known whether they are verbs.
const VERBS: [&str; 137] = [
    "admire",
    "appreciate",
    "attend",
    "avoid",
    "bake",
    "believe",
    "belong",
    "bike",
    "bowl",
    "breed",
    "bring",
    "browse",
    "build",
    "buy",
    "camp",
    "care",
    "clean",
    "coach",
    "collect",
    "come",
    "commute",
    "compete",
    "consider",
    "cook",
    "crochet",
    "dance",
    "deliver",
    "design",
    "dislike",
    "donate",
    "draw",
    "dream",
    "drink",
    "drive",
    "eat",
    "enjoy",
    "exercise",
    "farm",
    "feed",
    "feel",
    "find",
    "fish",
    "fly",
    "follow",
    "garden",
    "get",
    "give",
    "go",
    "golf",
    "grill",
    "grow",
    "hang",
    "hate",
    "help",
    "hike",
    "hope",
    "hunt",
    "invest",
    "jog",
    "kayak",
    "keep",
    "knit",
    "know",
    "learn",
    "like",
    "listen",
    "live",
    "look",
    "love",
    "make",
    "meditate",
    "meet",
    "miss",
    "move",
    "need",
    "own",
    "paint",
    "participate",
    "pay",
    "perform",
    "plan",
    "plant",
    "play",
    "post",
    "practice",
    "prefer",
    "race",
    "raise",
    "record",
    "rent",
    "rescue",
    "respect",
    "ride",
    "run",
    "save",
    "see",
    "sell",
    "serve",
    "sew",
    "share",
    "shop",
    "sing",
    "skate",
    "ski",
    "sleep",
    "smoke",
    "snore",
    "speak",
    "spend",
    "start",
    "stay",
    "stream",
    "struggle",
    "study",
    "suffer",
    "support",
    "surf",
    "swim",
    "take",
    "teach",
    "tend",
    "train",
    "travel",
    "try",
    "understand",
    "use",
    "visit",
    "volunteer",
    "walk",
    "want",
    "watch",
    "wear",
    "wish",
    "work",
    "worry",
    "wrestle",
    "write",
];
/// What cannot be said of somebody else by changing a word.
const FIRST_PERSON: [&str; 15] = [
    "i", "i'm", "i've", "i'd", "i'll", "me", "mine", "myself", "we", "we're", "we've", "we'll", "us", "our",
    "ours",
];

/// A note in the speaker's own words as a sentence about them; `None` where these rules cannot tell.
fn third_person(note: &str, name: &str) -> Option<String> {
    let note = note.trim().trim_end_matches(['.', '!']);
    let mut words = note.split_whitespace();
    let first = words.next()?.to_lowercase().replace('’', "'");
    let mut said: Vec<String> = vec![name.to_owned()];
    match first.as_str() {
        "my" => said[0] = format!("{name}'s"),
        "i'm" => said.push("is".to_owned()),
        "i've" => said.push("has".to_owned()),
        "i'd" => said.push("would".to_owned()),
        "i'll" => said.push("will".to_owned()),
        "i" => {
            let mut verb = words.next()?.to_lowercase();
            while BETWEEN.contains(&verb.as_str()) {
                said.push(verb);
                verb = words.next()?.to_lowercase();
            }
            said.push(of_another(&verb)?);
        }
        _ => return None,
    }
    for word in words {
        let bare = word.to_lowercase().replace('’', "'");
        let bare = bare.trim_matches(|letter: char| !letter.is_alphanumeric());
        if FIRST_PERSON.contains(&bare) {
            return None;
        }
        said.push(if bare == "my" { "their".to_owned() } else { word.to_owned() });
    }
    (said.len() > 2).then(|| format!("{}.", said.join(" ")))
}

/// A verb that follows "I", as it follows a name.
fn of_another(verb: &str) -> Option<String> {
    let known = match verb {
        "am" => "is",
        "have" => "has",
        "haven't" => "hasn't",
        "do" => "does",
        "don't" => "doesn't",
        "wasn't" => "wasn't",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_owned());
    }
    if UNCHANGED.contains(&verb) {
        return Some(verb.to_owned());
    }
    if !VERBS.contains(&verb) {
        return None;
    }
    let before_y = verb.strip_suffix('y').filter(|rest| !rest.ends_with(['a', 'e', 'o', 'u']));
    Some(match before_y {
        Some(rest) => format!("{rest}ies"),
        None if ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| verb.ends_with(end)) => format!("{verb}es"),
        None => format!("{verb}s"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepsake_dialogues::questions::{Layout, read};

    #[test]
    fn notes_are_turned_or_left() {
        for (note, turned) in [
            ("I have two dogs.", Some("Alex has two dogs.")),
            ("I'm a nurse", Some("Alex is a nurse.")),
            ("I really enjoy my job!", Some("Alex really enjoys their job.")),
            ("I study law.", Some("Alex studies law.")),
            ("I watch football.", Some("Alex watches football.")),
            ("I need a new job.", Some("Alex needs a new job.")),
            ("I go hiking now.", Some("Alex goes hiking now.")),
            ("I no longer smoke.", None),
            ("I dont like tea.", None),
            ("I love our dog.", None),
            ("I don't eat meat.", Some("Alex doesn't eat meat.")),
            ("I went to Peru.", Some("Alex went to Peru.")),
            ("I lived in Rome.", Some("Alex lived in Rome.")),
            ("My sister lives in Rome.", Some("Alex's sister lives in Rome.")),
            ("My sister lives with me.", None),
            ("We like tea.", None),
            ("I think I like tea.", None),
            ("I", None),
            ("I run.", None),
        ] {
            assert_eq!(third_person(note, "Alex").as_deref(), turned, "{note}");
        }
    }

    #[test]
    fn a_turn_whose_notes_are_usable_is_a_sample() {
        let text = r#"{"initial_data_id":"v","dialog":[
            {"text":"I have two dogs called Rex and Milo.","id":"a","persona_text":"I have two dogs."},
            {"text":"Nice! We love cats here at home.","id":"b","persona_text":"We love cats."},
            {"text":"What do you do all day?","id":"a"},
            {"text":"I paint houses for a living.","id":"b","persona_text":"I have nine sisters in Portugal."}]}"#
            .replace('\n', "");
        let dialogue = &read(&text, "f", Layout::Msc, None).unwrap().dialogues[0];
        let samples = samples(dialogue, &Config::default()).unwrap();
        let replies: Vec<&str> = samples.iter().map(|sample| sample.reply.as_str()).collect();
        assert_eq!(replies, ["- Alex has two dogs.", "none"]);
    }
}
