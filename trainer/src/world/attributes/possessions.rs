//! What one owns: a car, a phone, things that are bought and sold.
//!
//! Rooms it touches: world (values).

use super::super::values::{CARS, PAINTS, PHONES, THINGS};
use super::Act::{Change, End, Refine, Repeat, State};
use super::{Asked, NO_KIND, NOT_ASKED, PLAIN, Topic, kind, told};

pub(super) const ALL: &[Topic] = &[CAR, THING, PHONE];

const CAR: Topic = Topic {
    name: "car",
    kinds: &[kind(NO_KIND, CARS)],
    detailed: "{d} {v}",
    details: PAINTS,
    cues: &["car", "own", "owned", "owner", "bought", "drive"],
    told: &[
        told(
            State,
            "{S} owns a {v} car.",
            "",
            &[
                "I own a {v}, hardly a dream of a car",
                "my car is a {v}, I own it outright",
                "my car, a {v}, is at the garage again",
                "the car is an old {v}, but it is mine",
                "we took my car, the {v}, up the pass",
            ],
        ),
        told(
            State,
            "{S} bought a {d} {v} car.",
            "",
            &[
                "I bought a car, a {d} {v}",
                "I bought myself a {d} {v}, my first own car",
                "look what I bought: a {d} {v}, the best car ever",
                "we bought a {d} {v}, a lovely car",
            ],
        ),
        told(
            Change,
            "{S} sold the {o} and owns a {v} car now.",
            "{S} owns a {v} car.",
            &[
                "I sold the {o}, my new car is a {v}",
                "the {o} is sold, I own a {v} now, a better car",
                "I sold my {o} and own a {v} car now",
                "I finally sold the {o} and got a {v}, such a quiet car",
            ],
        ),
        told(
            Refine,
            "{S} owns a {d} {v} car.",
            "",
            &[
                "my car, the {v}, is {d}",
                "I own a {d} {v}, you can't miss the car",
                "the {v} is {d}, not everybody's colour for a car",
                "look for a {d} {v}, that's my car",
            ],
        ),
        told(
            End,
            "{S} sold the {o} car.",
            "",
            &[
                "I sold the {o}, no car for me from now on",
                "the car is sold, the {o} belongs to somebody else",
                "I sold my {o} car",
                "the {o} is sold, I'm without a car",
            ],
        ),
        told(
            Repeat,
            "{S} still owns the {v} car.",
            "",
            &[
                "I still own the {v}, the car will outlive me",
                "my car is still the {v}",
                "still driving my old car, the {v}",
                "yes, I still own that {v} car",
            ],
        ),
    ],
    chatter: &["does the {v} still make that noise", "is a {v} expensive to repair"],
    asked: Asked {
        value: &[
            "What car does {S} own?",
            "Which make is {S}'s car?",
            "What kind of car does {S} have?",
            "Which car does {S} have?",
            "What make of car does {S} own?",
        ],
        detail: &[
            "What colour is {S}'s {v}?",
            "Which colour does the {v} of {S} have?",
            "What is the colour of {S}'s car?",
            "In which colour is {S}'s car?",
        ],
        still: &[
            "Does {S} still own the {v}?",
            "Does {S} still have the {v}?",
            "Is the {v} still {S}'s?",
            "Does {S} own a {v}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const THING: Topic = Topic {
    name: "thing",
    kinds: &[kind(NO_KIND, THINGS)],
    apart: true,
    detailed: "{d} {v}",
    details: PAINTS,
    cues: &["own", "owned", "owner", "bought"],
    told: &[
        told(
            State,
            "{S} owns a {v}.",
            "",
            &[
                "I own a {v}, would you believe it",
                "there is a {v} in my garage, I own it since forever",
                "I own a {v} and hardly use it",
                "my {v} takes up half the cellar",
                "I should use my {v} more often",
            ],
        ),
        told(
            State,
            "{S} bought a {d} {v}.",
            "",
            &[
                "I bought a {d} {v}",
                "I couldn't resist, I bought a {d} {v}",
                "I bought a {d} {v} at the flea market",
                "look at this, I bought a {d} {v}",
                "with the birthday money I bought a {d} {v}",
            ],
        ),
        told(
            Refine,
            "{S} owns a {d} {v}.",
            "",
            &[
                "my {v} is {d}",
                "the {v} is {d}, you would like it",
                "it's a {d} {v}, the one that I have",
                "I painted nothing, the {v} was {d} from the start",
            ],
        ),
        told(
            End,
            "{S} sold the {o}.",
            "",
            &[
                "I sold the {o}",
                "I sold my {o}, I never used it",
                "the {o} is sold, more room for me",
                "somebody gave me a good price, so I sold the {o}",
                "I put the {o} online and sold it within the hour",
            ],
        ),
        told(
            Repeat,
            "{S} still has the {v}.",
            "",
            &[
                "I still have the {v}",
                "the {v} is still here, gathering dust",
                "yes, I still have that {v}",
                "still got my {v}",
            ],
        ),
    ],
    chatter: &["can one hire a {v} somewhere", "a {v} is no use to me"],
    asked: Asked {
        detail: &[
            "What colour is {S}'s {v}?",
            "Which colour does {S}'s {v} have?",
            "What is the colour of {S}'s {v}?",
            "In which colour is {S}'s {v}?",
        ],
        still: &[
            "Does {S} still have the {v}?",
            "Does {S} have a {v}?",
            "Does {S} still own a {v}?",
            "Is there still a {v} that {S} owns?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const PHONE: Topic = Topic {
    name: "phone",
    kinds: &[kind(NO_KIND, PHONES)],
    cues: &["phone"],
    told: &[
        told(
            State,
            "{S}'s phone is a {v}.",
            "",
            &[
                "my phone is a {v}",
                "I use a {v}, it's a decent phone",
                "I took that picture with my phone, a {v}",
                "my phone, a {v}, is slow today",
            ],
        ),
        told(
            Change,
            "{S}'s phone is a {v} now.",
            "",
            &[
                "I dropped the {old}, so my new phone is a {v}",
                "new phone, a {v} this time",
                "my phone is a {v} now, no more {old}",
                "the {old} died, my phone is a {v} now",
            ],
        ),
        told(
            Repeat,
            "{S}'s phone is still a {v}.",
            "",
            &[
                "my phone is still the {v}",
                "still the same phone, the {v}",
                "no new phone, still a {v}",
                "my {v} is still my phone",
            ],
        ),
    ],
    chatter: &["are the pictures of a {v} any good", "my niece wants a {v}"],
    asked: Asked {
        value: &[
            "What phone does {S} have?",
            "Which phone does {S} use?",
            "What is {S}'s phone?",
            "What kind of phone does {S} own?",
        ],
        still: &[
            "Is {S}'s phone still a {v}?",
            "Does {S} still have a {v} as a phone?",
            "Is {S} still using the {v} phone?",
            "Is the phone of {S} a {v}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};
