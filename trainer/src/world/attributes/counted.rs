//! What one has so many of: cats, plants, marathons run. It tells no story.
//!
//! Rooms it touches: none.

use super::Act::{Change, Repeat, State};
use super::{Asked, NO_KIND, NOT_ASKED, PLAIN, Shape, Topic, kind, told};

pub(super) const ALL: &[Topic] = &[OWNED, DONE, AGE];

const OWNED: Topic = Topic {
    name: "collection",
    shape: Shape::Count,
    kinds: &[
        kind("houseplants", &[]),
        kind("chickens", &[]),
        kind("beehives", &[]),
        kind("tattoos", &[]),
        kind("guitars", &[]),
        kind("goldfish", &[]),
        kind("teacups", &[]),
        kind("lemon trees", &[]),
        kind("teapots", &[]),
        kind("sheep", &[]),
    ],
    cues: &["{k}"],
    told: &[
        told(
            State,
            "{S} has {n} {k}.",
            "",
            &[
                "I have {n} {k}",
                "I counted, I have {n} {k}",
                "with {n} {k} there's never a dull day",
                "I've got {n} {k}, imagine that",
                "somehow I ended up with {n} {k}",
                "you won't believe it, {n} {k}, all mine",
            ],
        ),
        told(
            Change,
            "{S} has {n} {k} now.",
            "",
            &[
                "I have {n} {k} now",
                "it's {n} {k} now, no longer {m}",
                "an update on the {k}: there are {n} now",
                "from {m} to {n} {k}, just like that",
                "I'm up and down with my {k}, {n} at the moment",
                "not {m} {k} any more, {n}",
            ],
        ),
        told(
            Repeat,
            "{S} still has {n} {k}.",
            "",
            &[
                "I still have {n} {k}",
                "still {n} {k}, same as before",
                "the number of {k} is still {n}",
                "all {n} {k} are doing well, still the same ones",
            ],
        ),
    ],
    chatter: &["how are the {k}", "who looks after the {k} when you travel"],
    asked: Asked {
        value: &[
            "How many {k} does {S} have?",
            "What is the number of {k} that {S} has?",
            "How many {k} has {S} got now?",
            "{S} has how many {k}?",
            "Tell me how many {k} {S} has.",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const DONE: Topic = Topic {
    name: "feats",
    shape: Shape::Count,
    kinds: &[
        kind("marathons", &[]),
        kind("triathlons", &[]),
        kind("novels", &[]),
        kind("summits", &[]),
        kind("dives", &[]),
        kind("concerts", &[]),
        kind("parachute jumps", &[]),
    ],
    cues: &["{k}"],
    told: &[
        told(
            State,
            "{S} has {n} finished {k}.",
            "",
            &[
                "I have finished {n} {k}",
                "{n} {k} finished so far, not bad for me",
                "I have {n} {k} behind me, all finished",
                "my record stands at {n} {k}",
                "with {n} {k} I feel like an old hand",
            ],
        ),
        told(
            Change,
            "{S} has {n} finished {k} now.",
            "",
            &[
                "I finished another one, that makes {n} {k}",
                "it's {n} {k} now, all finished",
                "my record is at {n} {k} now, no longer {m}",
                "one more done, so {n} {k} in all",
            ],
        ),
        told(
            Repeat,
            "{S} still has {n} finished {k}.",
            "",
            &[
                "still at {n} {k}",
                "no new ones, still {n} finished {k}",
                "I told you about my {n} {k}, that's still it",
                "the count is still {n} {k}",
            ],
        ),
    ],
    chatter: &["are {k} something one gets used to", "do you frame something after your {k}"],
    asked: Asked {
        value: &[
            "How many {k} has {S} finished?",
            "What is the number of {k} that {S} has finished?",
            "How many {k} does {S} have behind them?",
            "How many finished {k} does {S} have?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const AGE: Topic = Topic {
    name: "age",
    shape: Shape::Count,
    kinds: &[kind(NO_KIND, &[])],
    cues: &["years", "old", "age", "turned"],
    told: &[
        told(
            State,
            "{S} is {n} years old.",
            "",
            &[
                "I'm {n} years old",
                "at {n} years one gets wiser",
                "I'm {n} years old and still learning",
                "would you have guessed that I'm {n} years old",
                "being {n} years old isn't so bad",
            ],
        ),
        told(
            Change,
            "{S} is {n} years old now.",
            "",
            &[
                "I'm {n} years old now",
                "another birthday, {n} years old",
                "I turned {n}, so many years",
                "no longer {m}, I'm {n} years old now",
            ],
        ),
        told(
            Repeat,
            "{S} is still {n} years old.",
            "",
            &[
                "I'm still {n} years old",
                "still {n} years old, no matter how I feel",
                "you know I'm {n} years old",
                "for a while I'm still {n} years old",
            ],
        ),
    ],
    chatter: &["age is just a number", "I feel a hundred today"],
    asked: Asked {
        value: &[
            "How old is {S}?",
            "What is the age of {S}?",
            "How many years old is {S}?",
            "What age is {S} now?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};
