//! How turns are worded: templates filled in, small talk around them, and turns that tell nothing.
//!
//! What is said here around a fact is never worth remembering itself. The facts stand in `attributes`.
//!
//! Rooms it touches: world (people).

use fastrand::Rng;

use super::people::{MEN, WOMEN};

/// Which part of all names, values and wordings a story is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Four fifths, to learn from.
    Train,
    /// The other fifth, which training never sees.
    Held,
}

impl Split {
    /// The entries of a list that belong to this part: every fifth is held out, of a list of up to
    /// four the last. The only entry of a list belongs to either.
    pub(super) fn of<T>(self, list: &[T]) -> impl Iterator<Item = &T> {
        let length = list.len();
        let held = move |at: usize| if length > 4 { at % 5 == 4 } else { at + 1 == length };
        let here = move |at: usize| length == 1 || held(at) == (self == Self::Held);
        list.iter().enumerate().filter(move |(at, _)| here(*at)).map(|(_, entry)| entry)
    }

    /// One of them.
    pub(super) fn pick<'a, T>(self, rng: &mut Rng, list: &'a [T]) -> Option<&'a T> {
        let count = self.of(list).count();
        if count == 0 { None } else { self.of(list).nth(rng.usize(..count)) }
    }
}

/// Fills a wording in: `{key}` becomes its value, and "a" becomes "an" before a vowel. A key without a value stays.
pub(super) fn fill(wording: &str, values: &[(&str, &str)]) -> String {
    let mut text = wording.to_owned();
    for (key, value) in values {
        text = text.replace(&format!("{{{key}}}"), value);
    }
    with_articles(&text)
}

/// "a owl" becomes "an owl".
fn with_articles(text: &str) -> String {
    const SOUNDS_OTHERWISE: [&str; 6] = ["uni", "use", "eu", "one", "ukul", "uk "];
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let next = words[at].to_lowercase();
        let vowel = next.starts_with(['a', 'e', 'i', 'o', 'u']);
        if vowel && !SOUNDS_OTHERWISE.iter().any(|start| next.starts_with(start)) {
            match words[at - 1].as_str() {
                "a" => "an".clone_into(&mut words[at - 1]),
                "A" => "An".clone_into(&mut words[at - 1]),
                _ => {}
            }
        }
    }
    words.join(" ")
}

/// With a capital letter in front.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// "A", "A and B", "A, B and C".
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// Counts in words.
pub(super) const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
];

/// A count as one writes it: in words up to twelve.
pub(super) fn count_in_words(count: usize) -> String {
    NUMBERS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// What comes before the first sentence of a turn and goes on with it. None denies or speaks of what was: core would not
/// read "in three days" behind it as a date.
const LEADS: &[&str] = &[
    "By the way, ",
    "Oh, ",
    "Honestly, ",
    "Guess what: ",
    "So, ",
    "Just so you know, ",
    "Well, ",
    "Before I forget: ",
    "Anyway, ",
    "Ha, ",
    "Listen, ",
    "To be honest, ",
    "You know, ",
    "Quick update: ",
    "Oh dear, ",
    "Right, ",
    "Speaking of which, ",
    "Funny that you ask, ",
    "While I think of it, ",
    "One thing: ",
    "For what it's worth, ",
    "Okay, ",
    "Hm, ",
    "In other news, ",
    "Apropos of nothing, ",
];

/// Whole sentences before it. Those with a name go to somebody.
const GREETINGS: &[&str] = &[
    "Hey {to}! ",
    "Hi {to}, good to hear from you. ",
    "Hello again. ",
    "Thanks for asking, {to}. ",
    "Long time no see! ",
    "Good morning {to}! ",
    "What a day. ",
    "I'm so glad you're here. ",
    "Sorry for the late reply. ",
    "That made me laugh. ",
    "Good question. ",
    "I'm in a bit of a hurry. ",
    "Nice to chat with you again. ",
    "The weather is dreadful here. ",
    "I was just thinking of you, {to}. ",
    "Hope you're well! ",
    "Let me sit down first. ",
    "My coffee just got cold. ",
    "You always know what to say, {to}. ",
    "It's been quite a week. ",
    "I can't sleep, so here I am. ",
    "Phew. ",
    "Yes, you're right about that. ",
    "I have so much to tell you. ",
    "Sun at last! ",
];

/// Whole sentences behind it.
const ENDS: &[&str] = &[
    " What about you?",
    " How are you, {to}?",
    " Anyway, enough about me.",
    " Just wanted you to know.",
    " Isn't that something?",
    " I thought you'd like to hear that.",
    " More on that another time.",
    " Life is never boring.",
    " Let me know what you think.",
    " That's all from me.",
    " Talk soon!",
    " You know how it is.",
    " I'll make some tea now.",
    " Don't tell anyone yet.",
    " I could talk about it for hours.",
    " Fingers crossed!",
    " Sorry, I'm rambling.",
    " But you knew that I'm like this.",
    " I have to run in a minute.",
    " It feels good to say it.",
    " Now it's your turn.",
    " Crazy, right?",
    " So that's that.",
    " I'm curious what you'll say.",
    " Time for bed now.",
];

/// Between two facts of a turn.
const LINKS: &[&str] = &[
    ". Also, ",
    ". Oh, and ",
    ". On top of that, ",
    ". Another thing: ",
    ". And ",
    ". Besides, ",
    ". Apart from that, ",
    ". What else? ",
    ". Oh, before I forget: ",
    ". And while I'm at it: ",
];

/// Turns that tell nothing.
const CHAT: &[&str] = &[
    "haha, that is so funny",
    "I know exactly what you mean",
    "that sounds lovely",
    "no way, really?",
    "thank you so much",
    "I'm happy for you",
    "could you say that again?",
    "what do you think about all this?",
    "have a good night",
    "let's talk again soon",
    "I'm not sure I follow",
    "this rain is getting on everybody's nerves",
    "you made my day",
    "do you remember what we talked about?",
    "how was your weekend?",
    "that must have been exciting",
    "no worries at all",
    "I completely agree with you",
    "hm, let me think about it",
    "good luck with that",
    "what are you up to?",
    "I didn't expect that at all",
    "wow, tell me more",
    "sorry to hear that",
    "it's late, I should go to bed",
    "can you believe how fast time goes by?",
    "the kettle is boiling, hold on",
    "my internet was down for a moment",
    "that's a good point",
    "fair enough",
    "I had to smile when I read that",
    "what a story",
    "please go on",
    "you have a way with words",
    "I'll be back in a moment",
    "how do you do it all?",
    "what would you do in my place?",
    "I was only joking",
    "did you see the moon tonight?",
    "never mind",
    "is it cold where you are?",
    "I'm all ears",
    "the bread is in the oven, it smells wonderful",
    "traffic was awful again",
    "I have to charge this thing",
    "I bumped into {n} at the market",
    "{n} says hello",
    "have you heard from {n}?",
    "{n} was late as usual",
    "{n} told me a joke that I can't repeat",
    "I mistook somebody in the street for {n}",
    "{n} and I talked on the phone",
    "it was {n} who rang the bell",
    "{n} sends you greetings",
    "let's not wait for {n}",
    "you're too kind",
    "that reminds me of an old joke",
    "let me know if I can help",
    "cheers",
    "that was quick",
];

/// Turns of an assistant. They tell nothing about anybody.
const ASSISTANT: &[&str] = &[
    "Thank you for telling me.",
    "Noted. Is there anything else?",
    "That sounds wonderful.",
    "I'm sorry to hear that.",
    "How can I help you today?",
    "Would you like me to set a reminder?",
    "I understand.",
    "Let me know if you need anything.",
    "That is good to know.",
    "Congratulations!",
    "How do you feel about it?",
    "Could you tell me more?",
    "I'm glad to hear that.",
    "Of course.",
    "Take your time.",
    "That must be a big change.",
    "What would you like to do next?",
    "I can look that up for you.",
    "Thanks for the update.",
    "Anything I can do for you?",
    "That makes sense.",
    "I see.",
    "Good to know, thank you.",
    "Let me keep that in mind.",
    "Shall we go on?",
    "What brings you here today?",
    "Is there something on your mind?",
    "I hope it goes well.",
    "That is quite something.",
    "Please go on.",
];

/// A turn around what it tells, each part one fact's wording. `to` is who listens, if that is a person.
pub(super) fn turn(rng: &mut Rng, split: Split, told: &[String], to: Option<&str>) -> String {
    let mut text = match rng.u8(..10) {
        0..3 => some(rng, split, LEADS, to),
        3..6 => some(rng, split, GREETINGS, to),
        6 => some(rng, split, GREETINGS, to) + &some(rng, split, LEADS, to),
        _ => String::new(),
    };
    for (at, part) in told.iter().enumerate() {
        if at > 0 {
            text.push_str(&some(rng, split, LINKS, to));
        }
        let goes_on =
            text.ends_with(", ") || text.ends_with(": ") || text.ends_with("and ") || text.ends_with("And ");
        text.push_str(&if goes_on { part.clone() } else { capital(part) });
    }
    close(rng, &mut text);
    if rng.u8(..10) < 4 {
        text.push_str(&some(rng, split, ENDS, to));
    }
    text
}

fn close(rng: &mut Rng, text: &mut String) {
    if !text.ends_with(['.', '!', '?']) {
        text.push(if rng.u8(..5) == 0 { '!' } else { '.' });
    }
}

/// A turn that tells nothing; `known` may ask about what the other one told.
pub(super) fn chat(rng: &mut Rng, split: Split, known: Option<String>, to: Option<&str>) -> String {
    let said = known.unwrap_or_else(|| {
        let names = if rng.bool() { WOMEN } else { MEN };
        let name = split.pick(rng, names).copied().unwrap_or_default();
        split.pick(rng, CHAT).copied().unwrap_or_default().replace("{n}", name)
    });
    let said = if asks(&said) && !said.ends_with('?') { format!("{said}?") } else { said };
    turn(rng, split, &[said], to)
}

/// What an assistant says; `known` is a question about what it was told.
pub(super) fn assistant(rng: &mut Rng, split: Split, known: Option<String>) -> String {
    let first = split.pick(rng, ASSISTANT).copied().unwrap_or_default();
    match known {
        Some(known) => format!("{first} {}?", capital(&known)),
        None if rng.bool() => first.to_owned(),
        None => {
            let second = split.pick(rng, ASSISTANT).copied().unwrap_or_default();
            if second == first { first.to_owned() } else { format!("{first} {second}") }
        }
    }
}

/// Whether a wording is a question although it has no mark.
pub(super) fn asks(said: &str) -> bool {
    const ASKING: [&str; 13] = [
        "how ", "is ", "do ", "does ", "did ", "what ", "who ", "can ", "are ", "was ", "when ", "were ",
        "will ",
    ];
    ASKING.iter().any(|start| said.starts_with(start)) && !said.starts_with("what a ")
}

/// One of these that fits the listener.
fn some(rng: &mut Rng, split: Split, list: &[&str], to: Option<&str>) -> String {
    let wording = split.pick(rng, list).copied().unwrap_or_default();
    match to {
        Some(to) => wording.replace("{to}", to),
        None => wording.replace(", {to}", "").replace(" {to}", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_parts_of_a_list_share_nothing_and_miss_nothing() {
        for length in 2..30 {
            let list: Vec<usize> = (0..length).collect();
            let (train, held): (Vec<_>, Vec<_>) =
                (Split::Train.of(&list).collect(), Split::Held.of(&list).collect());
            assert!(!train.is_empty() && !held.is_empty(), "{length}");
            assert!(held.iter().all(|entry| !train.contains(entry)));
            assert_eq!(train.len() + held.len(), length);
        }
    }

    #[test]
    fn articles_follow_the_sound() {
        let said = |value| fill("I saw a {v} and a cat", &[("v", value)]);
        assert_eq!(said("owl"), "I saw an owl and a cat");
        assert_eq!(said("ukulele"), "I saw a ukulele and a cat");
    }

    #[test]
    fn lists_read_as_one_writes_them() {
        let listed =
            |items: &[&str]| listed(&items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(
            (listed(&["a", "b"]), listed(&["a"]), listed(&[])),
            ("a and b".into(), "a".into(), String::new())
        );
    }
}
