//! What one has one of from day to day: favourites, commute, diet, studies, lessons.
//!
//! Rooms it touches: world (values).

use super::super::values::{
    COLOURS, DAYS, DIETS, DISHES, DRINKS, FLOWERS, GENRES, LESSONS, SPORTS, SUBJECTS, VEHICLES,
};
use super::Act::{Change, End, Refine, Repeat, State};
use super::{Asked, NO_KIND, NOT_ASKED, PLAIN, Topic, kind, told};

pub(super) const ALL: &[Topic] = &[FAVOURITE, COMMUTE, DIET, STUDIES, LESSON];

pub(super) const FAVOURITE: Topic = Topic {
    name: "favourite",
    kinds: &[
        kind("drink", DRINKS),
        kind("dish", DISHES),
        kind("colour", COLOURS),
        kind("flower", FLOWERS),
        kind("sport", SPORTS),
        kind("film genre", GENRES),
    ],
    cues: &["{k}"],
    told: &[
        told(
            State,
            "{S}'s favourite {k} is {v}.",
            "",
            &[
                "my favourite {k} is {v}",
                "if you ask me for my favourite {k}, it's {v}",
                "{v}, that's my favourite {k}",
                "nothing beats {v}, my favourite {k}",
                "you asked about my favourite {k}: {v}",
                "I'd pick {v} any time, it's my favourite {k}",
                "my favourite {k} has always been {v}",
                "there is no better {k} than {v} for me, my favourite",
            ],
        ),
        told(
            Change,
            "{S}'s favourite {k} is {v} now.",
            "",
            &[
                "my favourite {k} is {v} now, I went off {old}",
                "I've changed my mind, my favourite {k} is {v} now",
                "{old} was my favourite {k}, now it's {v}",
                "new favourite {k}: {v}",
                "forget {old}, my favourite {k} is {v} these days",
                "I said {old} before, but my favourite {k} is really {v}",
            ],
        ),
        told(
            Repeat,
            "{S}'s favourite {k} is still {v}.",
            "",
            &[
                "{v} is still my favourite {k}",
                "my favourite {k} is still {v}, no surprise",
                "as ever, {v} is my favourite {k}",
                "you know my favourite {k}, still {v}",
                "still {v}, my favourite {k} for ever",
            ],
        ),
    ],
    chatter: &[
        "I had to think of you when I saw {v}",
        "what is it with you and {v}",
        "I never got the point of {v}",
    ],
    asked: Asked {
        value: &[
            "What is {S}'s favourite {k}?",
            "Which {k} is {S}'s favourite?",
            "What {k} does {S} like best?",
            "Which {k} does {S} like most?",
            "What is the favourite {k} of {S}?",
            "Name the favourite {k} of {S}.",
        ],
        still: &[
            "Is {v} still {S}'s favourite {k}?",
            "Is {S}'s favourite {k} still {v}?",
            "Is {v} the {k} that {S} likes best?",
            "Is {v} the favourite {k} of {S}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const COMMUTE: Topic = Topic {
    name: "commute",
    kinds: &[kind(NO_KIND, VEHICLES)],
    cues: &["commut", "ride", "rides"],
    told: &[
        told(
            State,
            "{S} commutes by {v}.",
            "",
            &[
                "I commute by {v}",
                "my commute is by {v}, which gives me time to read",
                "I commute by {v} every morning",
                "commuting by {v} is slow but pretty",
                "the {v} takes forever, but that's my commute",
            ],
        ),
        told(
            Change,
            "{S} no longer commutes by {old} but by {v}.",
            "{S} commutes by {v}.",
            &[
                "I no longer commute by {old}, I go by {v}",
                "I gave up on the {old}, I commute by {v} now",
                "my commute is by {v} now and not by {old}, so much better",
                "no more {old} for me, I commute by {v}",
            ],
        ),
        told(
            End,
            "{S} no longer commutes by {o}.",
            "",
            &[
                "I no longer commute by {o}, I stay at home",
                "no more commuting by {o} for me",
                "my commute by {o} is history",
                "I don't commute by {o} any more",
            ],
        ),
        told(
            Repeat,
            "{S} still commutes by {v}.",
            "",
            &[
                "I still commute by {v}",
                "still commuting by {v}, rain or shine",
                "my commute is still by {v}",
                "yes, still on the {v} for my commute",
            ],
        ),
    ],
    chatter: &["was the {v} late again", "is the {v} crowded in the mornings"],
    asked: Asked {
        value: &[
            "How does {S} commute?",
            "By what does {S} commute?",
            "How does {S} get to work?",
            "What does {S} take to commute?",
            "Which means of transport does {S} commute by?",
        ],
        still: &[
            "Does {S} still commute by {v}?",
            "Is {S} still commuting by {v}?",
            "Does {S} commute by {v}?",
            "Is the commute of {S} still by {v}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const DIET: Topic = Topic {
    name: "diet",
    kinds: &[kind(NO_KIND, DIETS)],
    cues: &["eat", "eating", "diet", "food"],
    told: &[
        told(
            State,
            "{S} eats {v}.",
            "",
            &[
                "I eat {v}",
                "I've been eating {v} for a while",
                "just so you can plan dinner: I eat {v}",
                "eating {v} is easier than I thought",
                "I eat {v}, even on holidays",
            ],
        ),
        told(
            Change,
            "{S} no longer eats {old} but {v}.",
            "{S} eats {v}.",
            &[
                "I no longer eat {old}, I eat {v} now",
                "eating {old} was too hard, so I eat {v} now",
                "my doctor got me to eat {v} and not {old}",
                "I eat {v} now and no longer {old}",
            ],
        ),
        told(
            End,
            "{S} no longer eats {o}.",
            "",
            &[
                "I no longer eat {o}",
                "I don't eat {o} any more, I eat everything",
                "eating {o} didn't work out, so that's over",
                "no more eating {o} for me",
            ],
        ),
        told(
            Repeat,
            "{S} still eats {v}.",
            "",
            &[
                "I still eat {v}",
                "still eating {v}, thanks for asking",
                "remember that I eat {v}",
                "yes, I'm still eating {v}",
            ],
        ),
    ],
    chatter: &["is it hard to find {v} restaurants", "I found a {v} cookbook in the attic"],
    asked: Asked {
        value: &[
            "What diet does {S} follow?",
            "How does {S} eat?",
            "What kind of food does {S} eat?",
            "Which diet is {S} on?",
            "What does {S} eat in general?",
        ],
        still: &[
            "Does {S} still eat {v}?",
            "Is {S} still eating {v}?",
            "Is the diet of {S} still {v}?",
            "Does {S} eat {v}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const STUDIES: Topic = Topic {
    name: "studies",
    kinds: &[kind(NO_KIND, SUBJECTS)],
    cues: &["stud", "major", "degree", "university", "course"],
    told: &[
        told(
            State,
            "{S} studies {v}.",
            "",
            &[
                "I study {v}",
                "I'm studying {v} in the evenings",
                "I went back to university, I study {v}",
                "studying {v} is harder than it looks",
                "I'm studying {v}, my head is full",
            ],
        ),
        told(
            Change,
            "{S} no longer studies {old} but {v}.",
            "{S} studies {v}.",
            &[
                "I no longer study {old}, I switched to {v}",
                "I dropped {old}, I study {v} now",
                "studying {old} was a mistake, I'm studying {v} now",
                "I'm not studying {old} any more but {v}",
            ],
        ),
        told(
            End,
            "{S} no longer studies {o}.",
            "",
            &[
                "I no longer study {o}",
                "I gave up studying {o}",
                "no more studying {o} for me",
                "I don't study {o} any more",
            ],
        ),
        told(
            Repeat,
            "{S} still studies {v}.",
            "",
            &[
                "I'm still studying {v}",
                "I still study {v}, the end is not in sight",
                "still deep in my {v} studies",
                "yes, I still study {v}",
            ],
        ),
    ],
    chatter: &["how are the {v} exams going", "what does one do with {v} later on"],
    asked: Asked {
        value: &[
            "What does {S} study?",
            "Which subject does {S} study?",
            "What is {S} studying?",
            "What subject is {S} studying?",
            "Which course of study is {S} taking?",
        ],
        still: &[
            "Does {S} still study {v}?",
            "Is {S} still studying {v}?",
            "Is {v} still what {S} studies?",
            "Does {S} study {v}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const LESSON: Topic = Topic {
    name: "lessons",
    kinds: &[kind(NO_KIND, LESSONS)],
    object: "{v} lessons",
    detailed: "{v} lessons on {d}",
    details: DAYS,
    cues: &["lesson", "class"],
    told: &[
        told(
            State,
            "{S} takes {v} lessons.",
            "",
            &[
                "I take {v} lessons",
                "I signed up and take {v} lessons",
                "I'm taking {v} lessons, wish me luck",
                "the {v} lessons I'm taking are fun",
                "I started to take {v} lessons",
            ],
        ),
        told(
            State,
            "{S} takes {v} lessons on {d}.",
            "",
            &[
                "I take {v} lessons on {d}",
                "on {d} I take {v} lessons",
                "my {v} lessons are on {d}, I take them after work",
                "I'm taking {v} lessons, always on {d}",
                "{d} are taken, that's when I have my {v} lessons",
            ],
        ),
        told(
            Refine,
            "{S} takes {v} lessons on {d}.",
            "",
            &[
                "my {v} lessons are on {d}",
                "the {v} lessons are on {d}, so don't call me then",
                "I take those {v} lessons on {d}",
                "they put the {v} lessons on {d}",
            ],
        ),
        told(
            End,
            "{S} no longer takes {o}.",
            "",
            &[
                "I no longer take {o}",
                "I gave up on {o}, I don't take them any more",
                "no more {o} for me, they were too dear",
                "I stopped taking {o}",
            ],
        ),
        told(
            Repeat,
            "{S} still takes {v} lessons.",
            "",
            &[
                "I still take {v} lessons",
                "still taking {v} lessons and still bad at it",
                "yes, the {v} lessons, I still take them",
                "I'm still taking my {v} lessons",
            ],
        ),
    ],
    chatter: &["was the {v} teacher nice", "what do you wear to {v}"],
    asked: Asked {
        value: &[
            "What lessons does {S} take?",
            "In what does {S} take lessons?",
            "Which lessons is {S} taking?",
            "What is {S} taking lessons in?",
        ],
        detail: &[
            "On which days does {S} take {v} lessons?",
            "When are {S}'s {v} lessons?",
            "On what day of the week does {S} have {v} lessons?",
            "Which day are the {v} lessons of {S} on?",
        ],
        still: &[
            "Does {S} still take {v} lessons?",
            "Is {S} still taking {v} lessons?",
            "Does {S} take {v} lessons?",
            "Is {S} still learning {v} in lessons?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};
