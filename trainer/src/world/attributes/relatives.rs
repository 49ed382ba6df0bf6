//! What speakers tell of others: relatives, neighbours, colleagues.
//!
//! They are asked for in the words of the speakers' own. Rooms it touches: world (attributes, values).

use super::super::values::{CITIES, COMPANIES, DISHES, JOBS};
use super::Act::{Change, End, Repeat, State};
use super::{NO_KIND, Of, PLAIN, Topic, habits, kind, single, told};

pub(super) const ALL: &[Topic] = &[HOME, JOB, EMPLOYER, DISH];

const OTHER: Topic = Topic { of: Of::Relative, ..PLAIN };

const HOME: Topic = Topic {
    name: "relative's home",
    kinds: &[kind(NO_KIND, CITIES)],
    cues: &["live", "living", "moved", "home", "resid"],
    told: &[
        told(
            State,
            "{S} lives in {v}.",
            "",
            &[
                "my {rel} {name} lives in {v}",
                "my {rel} {name} is visiting, {he} lives in {v}",
                "I called my {rel} {name}, {he} lives in {v} you know",
                "{name}, my {rel}, has been living in {v} for years",
                "my {rel} {name} loves living in {v}",
            ],
        ),
        told(
            Change,
            "{S} lives in {v} now.",
            "",
            &[
                "my {rel} {name} lives in {v} now",
                "{name}, my {rel}, had enough of {old} and is living in {v} now",
                "my {rel} {name} packed up, {he} lives in {v} now",
                "news from my {rel} {name}: {he} lives in {v} now",
            ],
        ),
        told(
            Repeat,
            "{S} still lives in {v}.",
            "",
            &[
                "my {rel} {name} still lives in {v}",
                "{name}, my {rel}, is still living in {v}",
                "no news from my {rel} {name}, {he} still lives in {v}",
                "my {rel} {name} will never move, {he} still lives in {v}",
            ],
        ),
    ],
    chatter: &["how is your {rel}", "does {name} ever come to see you"],
    asked: single::HOME.asked,
    ..OTHER
};

const JOB: Topic = Topic {
    name: "relative's job",
    kinds: &[kind(NO_KIND, JOBS)],
    cues: &["work", "job", "profession"],
    told: &[
        told(
            State,
            "{S} works as a {v}.",
            "",
            &[
                "my {rel} {name} works as a {v}",
                "my {rel} {name} is a {v}, so {he} knows about these things",
                "{name}, my {rel}, works as a {v}",
                "I asked my {rel} {name}, {he} is a {v} after all",
                "my {rel} {name} has been a {v} for ages",
            ],
        ),
        told(
            Change,
            "{S} works as a {v} now.",
            "",
            &[
                "my {rel} {name} works as a {v} now",
                "{name}, my {rel}, retrained and works as a {v} now",
                "my {rel} {name} isn't a {old} any more, {he} works as a {v} now",
                "can you imagine, my {rel} {name} is a {v} now",
            ],
        ),
        told(
            End,
            "{S} no longer works as a {o}.",
            "",
            &[
                "my {rel} {name} no longer works as a {o}",
                "{name}, my {rel}, gave up being a {o}",
                "my {rel} {name} doesn't work as a {o} any more",
                "my {rel} {name} stopped working, no longer a {o}",
            ],
        ),
        told(
            Repeat,
            "{S} still works as a {v}.",
            "",
            &[
                "my {rel} {name} still works as a {v}",
                "{name}, my {rel}, is still a {v}",
                "my {rel} {name} is still working as a {v}",
                "as a {v} my {rel} {name} still gets up at dawn",
            ],
        ),
    ],
    chatter: &["your {rel} sounds nice", "what was the name of your {rel} again"],
    asked: single::JOB.asked,
    ..OTHER
};

const EMPLOYER: Topic = Topic {
    name: "relative's employer",
    kinds: &[kind(NO_KIND, COMPANIES)],
    cues: &["work", "employ", "compan", "join"],
    told: &[
        told(
            State,
            "{S} works at {v}.",
            "",
            &[
                "my {rel} {name} works at {v}",
                "{name}, my {rel}, works at {v}",
                "my {rel} {name} got work at {v}",
                "my {rel} {name} could help, {he} works at {v}",
            ],
        ),
        told(
            Change,
            "{S} works at {v} now.",
            "",
            &[
                "my {rel} {name} works at {v} now",
                "{name}, my {rel}, went from {old} to {v}, better work {he} says",
                "my {rel} {name} changed employers and works at {v} now",
                "it's {v} where my {rel} {name} works now",
            ],
        ),
        told(
            Repeat,
            "{S} still works at {v}.",
            "",
            &[
                "my {rel} {name} still works at {v}",
                "{name}, my {rel}, is still working at {v}",
                "my {rel} {name} still likes the work at {v}",
                "at {v} my {rel} {name} still works too much",
            ],
        ),
    ],
    chatter: &["say hello to your {rel}", "I think I met {name} once"],
    asked: single::EMPLOYER.asked,
    ..OTHER
};

const DISH: Topic = Topic {
    name: "relative's dish",
    kinds: &[kind("dish", DISHES)],
    cues: &["dish", "food", "meal"],
    told: &[
        told(
            State,
            "{S}'s favourite dish is {v}.",
            "",
            &[
                "the favourite dish of my {rel} {name} is {v}",
                "my {rel} {name} wants {v} every time, {his} favourite dish",
                "I cooked {v}, the favourite dish of my {rel} {name}",
                "my {rel} {name} has {v} as a favourite dish",
            ],
        ),
        told(
            Change,
            "{S}'s favourite dish is {v} now.",
            "",
            &[
                "the favourite dish of my {rel} {name} is {v} now",
                "my {rel} {name} went off {old}, {his} favourite dish is {v} now",
                "{name}, my {rel}, has a new favourite dish, {v}",
                "now my {rel} {name} says {v} is {his} favourite dish",
            ],
        ),
        told(
            Repeat,
            "{S}'s favourite dish is still {v}.",
            "",
            &[
                "{v} is still the favourite dish of my {rel} {name}",
                "my {rel} {name} still has the same favourite dish, {v}",
                "as always {v} for my {rel} {name}, still {his} favourite dish",
                "for my {rel} {name} the favourite dish is still {v}",
            ],
        ),
    ],
    chatter: &["what does {name} like about that", "I should cook for your {rel} one day"],
    asked: habits::FAVOURITE.asked,
    ..OTHER
};
