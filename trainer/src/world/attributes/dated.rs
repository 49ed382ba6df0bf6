//! What is on a day: appointments, trips, weddings, birthdays, what has happened.
//!
//! Rooms it touches: world (values).

use super::super::values::CITIES;
use super::Act::{Change, End, Repeat, State};
use super::{Asked, Days, NO_KIND, NOT_ASKED, PLAIN, Shape, Topic, kind, told};

pub(super) const ALL: &[Topic] = &[APPOINTMENT, TRIP, WEDDING, BIRTHDAY, EVENT];

const DATED: Topic = Topic { shape: Shape::Dated, ..PLAIN };

const APPOINTMENT: Topic = Topic {
    name: "appointment",
    kinds: &[
        kind("dentist", &[]),
        kind("eye doctor", &[]),
        kind("physiotherapy", &[]),
        kind("vet", &[]),
        kind("haircut", &[]),
        kind("bank", &[]),
        kind("visa", &[]),
        kind("scan", &[]),
        kind("vaccination", &[]),
        kind("tax office", &[]),
    ],
    cues: &["{k}"],
    told: &[
        told(
            State,
            "{S} has a {k} appointment {on}.",
            "",
            &[
                "I have a {k} appointment {when}",
                "my {k} appointment is {when}, I'm dreading it",
                "{when} I have my {k} appointment",
                "I got a {k} appointment {when}, at last",
                "they gave me a {k} appointment {when}",
                "wish me luck, my {k} appointment is {when}",
            ],
        ),
        told(
            Change,
            "{S}'s {k} appointment was cancelled and is {on} now.",
            "{S} has a {k} appointment {on}.",
            &[
                "my {k} appointment was cancelled, the new one is {when}",
                "they cancelled the {k} appointment on me, it is {when} now",
                "the {k} appointment got cancelled and they put it {when}",
                "of course they cancelled my {k} appointment, it is {when} instead",
            ],
        ),
        told(
            End,
            "{S}'s {k} appointment was cancelled.",
            "",
            &[
                "my {k} appointment was cancelled",
                "they cancelled my {k} appointment for good",
                "I cancelled the {k} appointment, it wasn't needed",
                "no {k} appointment after all, cancelled",
            ],
        ),
        told(
            Repeat,
            "{S}'s {k} appointment is {on}.",
            "",
            &[
                "the {k} appointment is {when}, don't let me forget",
                "as I said, the {k} appointment is {when}",
                "my {k} appointment is still {when}",
                "I can't, that {k} appointment is {when}",
            ],
        ),
    ],
    chatter: &["I hope the {k} people are kind", "the {k} takes so long these days"],
    asked: Asked {
        value: &[
            "When is {S}'s {k} appointment?",
            "On what day is the {k} appointment of {S}?",
            "When does {S} have the {k} appointment?",
            "What is the date of {S}'s {k} appointment?",
            "Which day is {S}'s {k} appointment on?",
        ],
        still: &[
            "Does {S} still have a {k} appointment?",
            "Does {S} have a {k} appointment?",
            "Is {S}'s {k} appointment still on?",
            "Is there a {k} appointment for {S}?",
        ],
        ..NOT_ASKED
    },
    ..DATED
};

const TRIP: Topic = Topic {
    name: "trip",
    kinds: &[kind(NO_KIND, CITIES)],
    apart: true,
    cues: &["trip", "fly", "flight", "travel", "journey"],
    told: &[
        told(
            State,
            "{S} has a trip to {v} {on}.",
            "",
            &[
                "I have a trip to {v} {when}",
                "my trip to {v} is {when}",
                "I booked a trip to {v}, it is {when}",
                "{when} is my trip to {v}, I can't wait",
                "it's settled, the trip to {v} is {when}",
            ],
        ),
        told(
            Change,
            "{S}'s trip to {v} was cancelled and is {on} now.",
            "{S} has a trip to {v} {on}.",
            &[
                "my trip to {v} was cancelled, the new one is {when}",
                "they cancelled the trip to {v}, so it is {when} now",
                "because of the strike my trip to {v} was cancelled, now it is {when}",
                "the trip to {v} got cancelled, we go {when} instead",
            ],
        ),
        told(
            End,
            "{S}'s trip to {v} was cancelled.",
            "",
            &[
                "my trip to {v} was cancelled",
                "the trip to {v} is cancelled, too expensive",
                "I cancelled the trip to {v}",
                "no trip to {v}, it got cancelled",
            ],
        ),
        told(
            Repeat,
            "{S}'s trip to {v} is {on}.",
            "",
            &[
                "the trip to {v} is {when}, as I told you",
                "I'm away then, the trip to {v} is {when}",
                "my trip to {v} is still {when}",
                "remember, my trip to {v} is {when}",
            ],
        ),
    ],
    chatter: &["is {v} nice", "bring me something from {v}"],
    asked: Asked {
        value: &[
            "When is {S}'s trip to {v}?",
            "On what day is {S}'s trip to {v}?",
            "What is the date of {S}'s trip to {v}?",
            "When does {S} travel to {v}?",
        ],
        still: &[
            "Does {S} still have a trip to {v}?",
            "Is {S}'s trip to {v} still on?",
            "Does {S} have a trip to {v} planned?",
            "Is {S} still going on a trip to {v}?",
        ],
        ..NOT_ASKED
    },
    ..DATED
};

const WEDDING: Topic = Topic {
    name: "party",
    kinds: &[
        kind("wedding", &[]),
        kind("housewarming", &[]),
        kind("graduation", &[]),
        kind("driving test", &[]),
        kind("job interview", &[]),
        kind("piano recital", &[]),
        kind("operation", &[]),
        kind("court hearing", &[]),
        kind("school reunion", &[]),
    ],
    cues: &["{k}"],
    told: &[
        told(
            State,
            "{S}'s {k} is {on}.",
            "",
            &[
                "my {k} is {when}",
                "{when} is my {k}, I'm nervous",
                "the date is set, my {k} is {when}",
                "I can hardly sleep, my {k} is {when}",
                "keep your fingers crossed, my {k} is {when}",
            ],
        ),
        told(
            Change,
            "{S}'s {k} was cancelled and is {on} now.",
            "{S}'s {k} is {on}.",
            &[
                "my {k} was cancelled, the new date is {when}",
                "the {k} got cancelled, it is {when} now",
                "they cancelled my {k}, so it is {when} instead",
                "my {k} had to be cancelled and is {when} now",
            ],
        ),
        told(
            End,
            "{S}'s {k} was cancelled.",
            "",
            &[
                "my {k} was cancelled",
                "the {k} is cancelled, there won't be one",
                "I cancelled my {k}",
                "no {k}, everything is cancelled",
            ],
        ),
        told(
            Repeat,
            "{S}'s {k} is still {on}.",
            "",
            &[
                "my {k} is still {when}",
                "the {k} is {when}, as you know",
                "don't forget, the {k} is {when}",
                "I'm still preparing, the {k} is {when}",
            ],
        ),
    ],
    chatter: &["what does one wear to a {k}", "I had a dream about your {k}"],
    asked: Asked {
        value: &[
            "When is {S}'s {k}?",
            "On what day is {S}'s {k}?",
            "What is the date of {S}'s {k}?",
            "Which day is the {k} of {S} on?",
        ],
        still: &[
            "Is {S}'s {k} still on?",
            "Does {S} still have a {k} to come?",
            "Will {S}'s {k} still take place?",
            "Is a {k} of {S} planned?",
        ],
        ..NOT_ASKED
    },
    ..DATED
};

const BIRTHDAY: Topic = Topic {
    name: "birthday",
    kinds: &[kind(NO_KIND, &[])],
    days: Days::Yearly,
    cues: &["birthday", "born"],
    told: &[
        told(
            State,
            "{S}'s birthday is {on}.",
            "",
            &[
                "my birthday is {when}",
                "my birthday is {when}, put it in your calendar",
                "I share my birthday with a king, it's {when}",
                "you never asked, but my birthday is {when}",
            ],
        ),
        told(
            Change,
            "{S}'s birthday is {on}.",
            "",
            &[
                "no, my birthday is {when}, you wrote it down wrong",
                "I mistyped my birthday, it's {when}",
                "a correction: my birthday is {when}",
                "funny, my birthday is {when}, I don't know what I wrote",
            ],
        ),
        told(
            Repeat,
            "{S}'s birthday is still {on}.",
            "",
            &[
                "my birthday is still {when}, surprise",
                "remember that my birthday is {when}",
                "as always, my birthday is {when}",
                "my birthday, {when}, is still my least favourite day",
            ],
        ),
    ],
    chatter: &["do you like birthdays", "I never know what to give people"],
    asked: Asked {
        value: &[
            "When is {S}'s birthday?",
            "On what day is {S}'s birthday?",
            "What is the date of {S}'s birthday?",
            "When was {S} born in the year?",
        ],
        ..NOT_ASKED
    },
    ..DATED
};

const EVENT: Topic = Topic {
    name: "event",
    kinds: &[
        kind("passed the driving exam", &[]),
        kind("graduated from college", &[]),
        kind("broke a wrist", &[]),
        kind("painted the kitchen", &[]),
        kind("won a raffle", &[]),
        kind("ran the harbour race", &[]),
        kind("repaired the roof", &[]),
        kind("planted a cherry tree", &[]),
        kind("published a poem", &[]),
        kind("gave blood", &[]),
        kind("met a famous actor", &[]),
        kind("found a gold ring", &[]),
        kind("saw the northern lights", &[]),
        kind("had a tooth pulled", &[]),
        kind("started a new diary", &[]),
    ],
    days: Days::Past,
    cues: &["{k}"],
    told: &[
        told(
            State,
            "{S} {k} {on}.",
            "",
            &[
                "I {k} {when}",
                "{when} I {k}",
                "guess what, I {k} {when}",
                "you won't believe it, but {when} I {k}",
                "I {k} {when}, and I'm still proud",
                "I forgot to tell you that I {k} {when}",
            ],
        ),
        told(
            Repeat,
            "{S} already {k} {on}.",
            "",
            &[
                "I told you that I {k} {date}",
                "as you know, I {k} {date}",
                "I {k} {date}, that's old news",
                "you remember, I {k} {date}",
            ],
        ),
    ],
    chatter: &["nothing like that ever happens to me", "you do have a lot going on"],
    asked: Asked {
        value: &[
            "On which date was it that {S} {k}?",
            "When was it that {S} {k}?",
            "What is the date on which {S} {k}?",
            "When did it happen that {S} {k}?",
        ],
        ..NOT_ASKED
    },
    ..DATED
};
