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
    "Look, ",
    "Right then, {to}, ",
    "Tell you what, {to}, ",
    "Between you and me, ",
    "Small update: ",
    "News from my side: ",
    "Um, ",
    "Oh wow, ",
    "See, ",
    "As it happens, ",
    "Fun fact: ",
    "Strange as it sounds, ",
    "Now that you mention it, ",
    "Hey, ",
    "Actually, ",
    "On a different note, ",
    "Since we're on the topic, ",
    "Yeah, ",
    "Frankly, ",
    "Ah, ",
    "Changing the subject: ",
    "In case you wonder, ",
    "If you must know, ",
    "Lol, ",
    "Long story short: ",
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
    "Hey hey! ",
    "Morning, {to}! ",
    "Hello {to}, how lovely to see your name pop up. ",
    "Finally a quiet minute. ",
    "Evening, {to}. ",
    "Hi again, where were we? ",
    "Oh, you're awake too. ",
    "There you are, {to}! ",
    "Ha, I knew you'd ask. ",
    "That's so kind of you. ",
    "Wait, let me find my glasses. ",
    "Okay, I'm back. ",
    "It's so loud in here. ",
    "Sorry, I fell asleep on the sofa. ",
    "You won't believe this. ",
    "Aww, thanks. ",
    "Good to see you online, {to}! ",
    "Hang on, someone's at the door. Okay, back. ",
    "Ugh, this heat. ",
    "Let me think. ",
    "Fair point, {to}. ",
    "I've been meaning to write to you. ",
    "My head is spinning. ",
    "That's a long story. ",
    "Haha, very funny. ",
    "Are you sitting down, {to}? ",
    "Don't laugh. ",
    "How nice of you to remember. ",
    "Same here. ",
    "Exactly! ",
    "Sorry about the typos. ",
    "I only have a minute. ",
    "Greetings from the waiting room. ",
    "Oh no, I'm so sorry to hear that. ",
    "Yay! ",
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
    " And you?",
    " What's new with you, {to}?",
    " Haha.",
    " Funny, isn't it?",
    " Anyway!",
    " Don't laugh.",
    " So there you have it.",
    " I'll tell you the rest when we meet.",
    " Who would have thought?",
    " Can you believe it?",
    " Oh well.",
    " Long story.",
    " Wish me luck!",
    " Sorry, someone's at the door.",
    " My battery is almost dead.",
    " What do you say, {to}?",
    " It is what it is.",
    " Hope that answers your question.",
    " Just saying.",
    " I still have to get used to it.",
    " You must think I'm mad.",
    " Okay, back to the dishes.",
    " Let's see how that goes.",
    " Does that make sense?",
    " And how is everything on your side, {to}?",
    " I know, I know.",
    " Sleep well, {to}!",
    " But let's talk about something else.",
    " Right, my lunch is getting cold.",
    " No big deal.",
    " Hugs!",
    " It could be worse.",
    " Have you heard anything like it?",
    " I'd better get going.",
    " You can guess the rest.",
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
    ". Plus, ",
    ". By the way, ",
    ". In other news, ",
    ". Oh, also: ",
    ". More news: ",
    ". Something else: ",
    ". Aside from that, ",
    ". To change the subject, ",
    ". And guess what: ",
    ". While we're talking, ",
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
    "I really should go to bed, my eyes are closing while I type",
    "my tea is too hot to drink, give me a second",
    "sorry, the phone battery is nearly dead, I'll write more later",
    "ugh, it's raining sideways out there",
    "lol",
    "omg yes",
    "same here, to be fair",
    "wait, what?",
    "hahaha, stop it, people on the train are staring at me",
    "that's exactly what I was going to say, get out of my head",
    "hold on, the pasta is boiling over",
    "something smells burnt, I'd better check the pan",
    "I'm so tired I just put the milk in the cupboard and the cereal in the fridge",
    "could you send that again? the picture didn't load",
    "my thumbs are too cold for typing",
    "did you mean to send that to me?",
    "oops, wrong chat, ignore that",
    "well, that escalated quickly",
    "I have no idea what you're talking about, but it sounds fun",
    "you can say that again",
    "so, where were we before the line went dead?",
    "how do you always manage to cheer me up?",
    "is it just me or is everything more expensive at the shops?",
    "what's that noise in the background? it sounds like a helicopter",
    "the sky is completely pink out there, go and look",
    "anyway, I was about to say something and now it's gone",
    "give me five minutes, I just got out of the shower",
    "that made no sense, let me start over",
    "I'm running late again, don't wait with the food",
    "if I had a coin for every time I heard that, I'd be rich",
    "I laughed so hard that tea came out of my nose",
    "ok ok, you win",
    "let's agree to disagree on that one",
    "the wifi in this cafe is a joke, my messages keep getting stuck",
    "I'm in the queue at the post office and it isn't moving at all",
    "there's a bee in the room, I have to open the window",
    "somebody on the bus is eating an onion like an apple",
    "I forgot what I came into the kitchen for",
    "oh, I'd love to hear the whole story some time over a glass of something",
    "that's between you and the universe",
    "do you think it will clear up later?",
    "I can't decide whether to laugh or cry",
    "who came up with that idea?",
    "my soup is getting cold while I read all this",
    "can we talk about something more cheerful?",
    "this week just won't end",
    "how are you holding up?",
    "I saw a bird steal a whole sandwich from a man at the station",
    "the lights just went out for a second, that was spooky",
    "I'd write more but the kettle is whistling and the door bell is ringing",
    "yes and no",
    "well, you know, it's sort of, I don't know how to put it",
    "hmm, not sure about that",
    "I was thinking, maybe we",
    "did they ever find out who it was?",
    "are you still there?",
    "please don't make me laugh, my face hurts",
    "you should write a book about that",
    "I hope your day gets better from here",
    "that would make a good film, with a terrible ending",
    "what are you having for dinner?",
    "I'm starving, and all there is in the fridge is a lemon",
    "there's sand in my shoes and I don't even know why",
    "a dog barked at me all the way down the street, no idea what I did",
    "they were playing that awful song in the supermarket again",
    "somewhere in the building somebody is drilling, I can't hear myself think",
    "everyone at the next table is talking about somebody's cat",
    "I nearly walked into a lamp post reading your message",
    "my umbrella just turned inside out in front of everybody",
    "I can smell somebody's barbecue through the window, how unfair",
    "you wouldn't believe the queue at the bakery",
    "a man in the lift was whistling the whole way up",
    "there's a fire engine outside but no fire as far as I can see",
    "I have that song stuck in my head now, thanks a lot",
    "is this thing on?",
    "was that thunder or a lorry?",
    "what did I just read?",
    "did you get any sleep?",
    "how come you're up so late?",
    "do you want the good news or the bad news, or just the gossip?",
    "will you be online later?",
    "are you being serious right now?",
    "can you hear the church bells?",
    "I'd have said the same in your place",
    "honest answer? I wasn't listening",
    "I need a coffee before I can answer that",
    "let me sleep on it",
    "sorry, autocorrect is making a fool of me",
    "my screen is so cracked I can hardly read what you write",
    "ha, you got me there",
    "don't be so hard on yourself",
    "it'll be fine, you'll see",
    "that's the spirit",
    "as they say, slow and steady",
    "we should really do this more often",
    "talking to you is better than any film",
    "remind me to never ask that again",
    "I should be working, but here I am chatting with you instead",
    "it's one of those days where nothing goes right",
    "the fog is so thick that I can't see the house across the road",
    "the bin lorry woke up the whole street at dawn",
    "I've been staring at the ceiling for an hour",
    "now I'm in a good mood, and I don't even know why",
    "my hair looks like a bird's nest today",
    "I burnt the toast, so breakfast smells better than it tastes",
    "you're not going to like what I'm about to say, or maybe you will",
    "that reminds me, oh, never mind, it wasn't important",
    "{n} asked how you are",
    "{n} has been on the phone for ages, I can hear every word",
    "I thought I saw {n} on the tram but it was somebody else",
    "{n} would have loved that joke",
    "don't tell {n} I said that",
    "was {n} there as well?",
    "{n} keeps sending me silly pictures",
    "I owe {n} a call, remind me",
    "{n} just walked past the window and waved",
    "let me guess, it was {n} who told you that",
    "I have to go, {n} is waiting downstairs",
    "if you see {n}, say hello from me",
    "whoever is practising scales upstairs, please stop, it is way too early for that",
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
    "Sure.",
    "Absolutely.",
    "Got it.",
    "No problem at all.",
    "You're welcome.",
    "I'm here if you need me.",
    "Sorry, I didn't quite catch that.",
    "Could you rephrase that for me?",
    "Is there more you would like to share?",
    "Would you like some tips on that?",
    "Shall I put that on a list?",
    "I don't have an answer to that, I'm afraid.",
    "That's a great question.",
    "How was your day so far?",
    "What can I do for you now?",
    "Let me see what I can find.",
    "Just a moment, please.",
    "That is very understandable.",
    "I can imagine that.",
    "It sounds like you have a lot going on.",
    "Please tell me more about it.",
    "Happy to help!",
    "What made you think of it?",
    "Would it help to talk it through?",
    "There is no rush.",
    "I appreciate you sharing that.",
    "Do you want me to summarise what we discussed?",
    "I'm listening.",
    "Welcome back!",
    "Good morning, what is on the agenda?",
    "How does that make you feel?",
    "You can always ask me later.",
    "Should we look at it step by step?",
    "Thanks for your patience.",
    "I hope you have a pleasant evening.",
    "Let me know how it turns out.",
    "I would suggest taking a short break and drinking a glass of water.",
    "Is that what you meant?",
    "Would you prefer a short answer or a long one?",
    "I cannot open links, but you can paste the text here.",
    "That is a matter of taste, of course.",
    "Many people feel that way.",
    "Feel free to change the topic at any time.",
    "Okay, what else is on your mind?",
    "My apologies for the misunderstanding.",
    "Would you like to hear a joke in the meantime?",
    "That sounds like quite an effort.",
    "Which of these would you like to talk about first?",
    "I wish you the best of luck.",
    "Here is an idea: write it down and look at it again after a good sleep.",
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
