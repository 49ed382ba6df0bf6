//! What one does of one's own will: hobbies, music, instruments, clubs, books, plans, languages, travels.
//!
//! Rooms it touches: world (values).

use super::super::values::{
    BOOKS, CLUBS, COUNTRIES, FLUENCIES, HOBBIES, INSTRUMENTS, LANGUAGES, MUSIC, PLANS,
};
use super::Act::{Drop, End, Extend, Refine, Repeat, State};
use super::{Asked, LIST, NO_KIND, NOT_ASKED, Topic, kind, told};

pub(super) const ALL: &[Topic] = &[HOBBY, MUSICAL, INSTRUMENT, CLUB, BOOK, PLAN, LANGUAGE, VISITED];

const HOBBY: Topic = Topic {
    name: "hobbies",
    kinds: &[kind(NO_KIND, HOBBIES)],
    several: ("'s hobby is", "'s hobbies are"),
    cues: &["hobb", "pastime", "free time", "spare"],
    told: &[
        told(
            State,
            "{S}'s hobby is {v}.",
            "'s hobby is",
            &[
                "my hobby is {v}",
                "I spend every free hour on {v}",
                "{v} is what I do to relax",
                "I got into {v} and can't stop",
                "my big hobby is {v}, I do it every weekend",
                "nothing clears my head like {v}",
                "I took up {v}",
            ],
        ),
        told(
            Extend,
            "{S}'s other hobby is {v}.",
            "'s hobby is",
            &[
                "I have a new hobby, {v}",
                "on top of everything I took up {v}",
                "{v} is my new hobby",
                "I started with {v} as well, one hobby was not enough",
                "now it's {v} too, my new hobby",
            ],
        ),
        told(
            Drop,
            "{S} no longer has {old} as a hobby.",
            "",
            &[
                "I gave up {old}",
                "I've lost interest in {old}, that hobby is over",
                "no more {old} for me, the other hobbies take all my time",
                "{old} is no longer my hobby",
            ],
        ),
        told(
            End,
            "{S} no longer has {old} as a hobby.",
            "",
            &[
                "I gave up {old}",
                "I no longer do any {old}, so I'm without a hobby",
                "{old} is over, I sold all my things and have no hobby",
                "I'm done with {old}, it's no longer my hobby",
            ],
        ),
        told(
            Repeat,
            "{S} still has {v} as a hobby.",
            "",
            &[
                "I still love {v}, it's the best hobby",
                "still busy with {v}, that hobby of mine",
                "{v} is still my hobby, nothing has changed",
                "yes, I still do {v}",
            ],
        ),
    ],
    chatter: &["I tried {v} once and never again", "does one need much gear for {v}", "is {v} expensive"],
    asked: Asked {
        value: &[
            "What are {S}'s hobbies?",
            "Which hobbies does {S} have?",
            "What does {S} do as a hobby?",
            "What is each hobby of {S}?",
            "Which pastimes does {S} have?",
        ],
        still: &[
            "Is {v} still a hobby of {S}?",
            "Does {S} still do {v}?",
            "Is {S} still into {v}?",
            "Does {S} have {v} as a hobby?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};

const MUSICAL: Topic = Topic {
    name: "music",
    kinds: &[kind(NO_KIND, MUSIC)],
    several: ("listens to", "listens to"),
    cues: &["music", "listen", "like", "love", "adore", "enjoy", "fond"],
    told: &[
        told(
            State,
            "{S} listens to {v}.",
            "listens to",
            &[
                "I listen to {v} a lot",
                "I could listen to {v} all day",
                "when I cook I listen to {v}",
                "I'm listening to {v}, it's my kind of music",
                "you'll find me listening to {v} in the evenings",
                "I listen to {v}, the older the better",
            ],
        ),
        told(
            Extend,
            "{S} also listens to {v}.",
            "listens to",
            &[
                "I listen to {v} as well, in music I'm easy to please",
                "lately I also listen to {v}",
                "there's another kind of music I listen to, {v}",
                "a friend played me some {v}, and now I listen to that too",
                "these days I'm listening to {v} too",
            ],
        ),
        told(
            Drop,
            "{S} no longer listens to {old}.",
            "",
            &[
                "I no longer listen to {old}",
                "I can't listen to {old} any more",
                "{old} is over for me, I don't listen to it now",
                "I went off {old}, I no longer listen to it",
            ],
        ),
        told(
            End,
            "{S} no longer listens to {old}.",
            "",
            &[
                "I no longer listen to {old}",
                "{old} gets on my nerves now, I don't listen to it",
                "I've had enough of listening to {old}",
                "I don't listen to {old} any more, or to any music",
            ],
        ),
        told(
            Repeat,
            "{S} still listens to {v}.",
            "",
            &[
                "I still listen to {v}",
                "still listening to {v}",
                "as you know, I listen to {v}",
                "{v} is what I listen to, still",
            ],
        ),
    ],
    chatter: &["there is a {v} evening at the pub", "my brother hates {v}", "is {v} good to dance to"],
    asked: Asked {
        value: &[
            "What music does {S} listen to?",
            "Which kinds of music does {S} listen to?",
            "What does {S} like to listen to?",
            "Which music is {S} fond of?",
        ],
        still: &[
            "Does {S} still listen to {v}?",
            "Is {S} still fond of {v} music?",
            "Does {S} listen to {v}?",
            "Is {v} still music that {S} hears?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};

const INSTRUMENT: Topic = Topic {
    name: "instruments",
    kinds: &[kind(NO_KIND, INSTRUMENTS)],
    object: "the {v}",
    cues: &["play", "instrument"],
    told: &[
        told(
            State,
            "{S} plays the {v}.",
            "plays",
            &[
                "I play the {v}",
                "I've been playing the {v} since school",
                "I play the {v}, my neighbours can tell you",
                "playing the {v} keeps me sane",
                "I learned to play the {v}",
            ],
        ),
        told(
            Extend,
            "{S} also plays the {v}.",
            "plays",
            &[
                "I also play the {v}",
                "I've started to play the {v} too",
                "I play the {v} as well now",
                "my new thing is playing the {v}",
            ],
        ),
        told(
            Drop,
            "{S} no longer plays the {old}.",
            "",
            &[
                "I no longer play the {old}",
                "I don't play the {old} any more, my wrist hurts",
                "I stopped playing the {old}",
                "no more playing the {old} for me",
            ],
        ),
        told(
            End,
            "{S} no longer plays the {old}.",
            "",
            &[
                "I no longer play the {old}",
                "I gave the {old} to a school, I don't play any more",
                "I stopped playing the {old}",
                "my days of playing the {old} are over",
            ],
        ),
        told(
            Repeat,
            "{S} still plays the {v}.",
            "",
            &[
                "I still play the {v}",
                "still playing the {v} every evening",
                "yes, I still play the {v}",
                "the {v} is still what I play to relax",
            ],
        ),
    ],
    chatter: &["is the {v} loud", "will you bring the {v} along"],
    asked: Asked {
        value: &[
            "Which instruments does {S} play?",
            "What instruments does {S} play?",
            "What does {S} play?",
            "Which musical instruments can {S} play?",
        ],
        still: &[
            "Does {S} still play the {v}?",
            "Is {S} still playing the {v}?",
            "Does {S} play the {v}?",
            "Can one still hear {S} play the {v}?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};

const CLUB: Topic = Topic {
    name: "clubs",
    kinds: &[kind(NO_KIND, CLUBS)],
    object: "the {v}",
    several: ("belongs to", "belongs to"),
    cues: &["belong", "member", "joined"],
    told: &[
        told(
            State,
            "{S} belongs to the {v}.",
            "belongs to",
            &[
                "I belong to the {v}",
                "I joined the {v}, now I belong",
                "they took me in, I belong to the {v}",
                "on my free evening I'm with the {v}",
                "the {v} made me a member",
            ],
        ),
        told(
            Extend,
            "{S} also belongs to the {v}.",
            "belongs to",
            &[
                "I also belong to the {v}",
                "I joined the {v} as well",
                "now I belong to the {v}, too",
                "the {v} has a new member: me",
            ],
        ),
        told(
            Drop,
            "{S} no longer belongs to the {old}.",
            "",
            &[
                "I no longer belong to the {old}",
                "I left the {old}",
                "I resigned from the {old}",
                "the {old} will have to do without me",
            ],
        ),
        told(
            End,
            "{S} no longer belongs to the {old}.",
            "",
            &[
                "I no longer belong to the {old}",
                "I left the {old}, the meetings were too long",
                "I'm out of the {old}",
                "they threw me out of the {old}, so I no longer belong",
            ],
        ),
        told(
            Repeat,
            "{S} still belongs to the {v}.",
            "",
            &[
                "I still belong to the {v}",
                "still in the {v}, of course",
                "the {v} still has me as a member",
                "yes, I still belong to the {v}",
            ],
        ),
    ],
    chatter: &["when does the {v} meet", "is the {v} looking for new people"],
    asked: Asked {
        value: &[
            "Which clubs or groups does {S} belong to?",
            "What does {S} belong to?",
            "Of which clubs or groups is {S} a member?",
            "Which groups is {S} in?",
        ],
        still: &[
            "Does {S} still belong to the {v}?",
            "Is {S} still a member of the {v}?",
            "Does {S} belong to the {v}?",
            "Is {S} in the {v} now?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};

const BOOK: Topic = Topic {
    name: "books",
    kinds: &[kind(NO_KIND, BOOKS)],
    several: ("has read", "has read"),
    cues: &["read", "finished", "book", "novel"],
    told: &[
        told(
            State,
            "{S} has read {v}.",
            "has read",
            &[
                "I read {v}",
                "I have read {v} in one sitting",
                "have you read {v}? I have",
                "I read {v} on the train",
                "{v} is the best book I have read in a while",
            ],
        ),
        told(
            Extend,
            "{S} has also read {v}.",
            "has read",
            &[
                "I have read {v} as well",
                "I've also read {v}",
                "then I read {v}, also a good book",
                "read {v} too, could not put it down",
            ],
        ),
        told(
            Repeat,
            "{S} has already read {v}.",
            "",
            &[
                "I have already read {v}, thanks",
                "no need to lend me {v}, I read it already",
                "as I said, I have read {v}",
                "I already read {v}",
            ],
        ),
    ],
    chatter: &["is {v} the one with the green cover", "who wrote {v} again"],
    asked: Asked {
        value: &[
            "Which books has {S} read?",
            "What has {S} read?",
            "What books did {S} read?",
            "Name the books that {S} has read.",
        ],
        still: &["Has {S} read {v}?", "Did {S} read {v}?", "Is {v} a book that {S} has read?"],
        ..NOT_ASKED
    },
    ..LIST
};

const PLAN: Topic = Topic {
    name: "plans",
    kinds: &[kind(NO_KIND, PLANS)],
    several: ("plans to", "plans to"),
    cues: &["plan", "want", "intend", "dream", "hope"],
    told: &[
        told(
            State,
            "{S} plans to {v}.",
            "plans to",
            &[
                "I plan to {v}",
                "my plan is to {v}",
                "I'm planning to {v}, no joke",
                "one of these days I will {v}, that's the plan",
                "I made up my mind, I plan to {v}",
            ],
        ),
        told(
            Extend,
            "{S} also plans to {v}.",
            "plans to",
            &[
                "I also plan to {v}",
                "another plan of mine is to {v}",
                "next on my list of plans: {v}",
                "and I'm planning to {v}, too",
            ],
        ),
        told(
            Drop,
            "{S} no longer plans to {old}.",
            "",
            &[
                "I no longer plan to {old}",
                "I dropped the plan to {old}",
                "to {old} was a silly plan, that's off",
                "I don't plan to {old} any more",
            ],
        ),
        told(
            End,
            "{S} no longer plans to {old}.",
            "",
            &[
                "I no longer plan to {old}",
                "I don't plan to {old} any more, too much trouble",
                "the plan to {old} is off",
                "I gave up the plan to {old}",
            ],
        ),
        told(
            Repeat,
            "{S} still plans to {v}.",
            "",
            &[
                "I still plan to {v}",
                "the plan to {v} still stands",
                "still planning to {v}",
                "yes, I still plan to {v}",
            ],
        ),
    ],
    chatter: &["I would never dare to {v}", "how long does it take to {v}"],
    asked: Asked {
        value: &[
            "What does {S} plan to do?",
            "What are {S}'s plans?",
            "What is {S} planning to do?",
            "Which plans does {S} have?",
        ],
        still: &[
            "Does {S} still plan to {v}?",
            "Is {S} still planning to {v}?",
            "Does {S} plan to {v}?",
            "Is it still {S}'s plan to {v}?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};

const LANGUAGE: Topic = Topic {
    name: "languages",
    kinds: &[kind(NO_KIND, LANGUAGES)],
    detailed: "{d} {v}",
    details: FLUENCIES,
    cues: &["speak", "spoke", "language", "fluent"],
    told: &[
        told(
            State,
            "{S} speaks {v}.",
            "speaks",
            &[
                "I speak {v}",
                "we speak {v} at home",
                "I can speak {v}, my grandmother taught me",
                "I was speaking {v} with the lady at the market",
                "I speak {v}, though people laugh at my accent",
            ],
        ),
        told(
            State,
            "{S} speaks {d} {v}.",
            "speaks",
            &[
                "I speak {d} {v}",
                "my {v} is {d}, but I speak it without fear",
                "I speak {v}, let's call it {d}",
                "I can speak {d} {v} when I have to",
            ],
        ),
        told(
            Extend,
            "{S} also speaks {v}.",
            "speaks",
            &[
                "I also speak {v}",
                "I speak {v} as well, did you know",
                "I learned to speak {v} too",
                "after a year of classes I speak {v}",
                "you never heard me speak {v}, but I do",
            ],
        ),
        told(
            Refine,
            "{S} speaks {d} {v}.",
            "",
            &[
                "I'd say I speak {d} {v}",
                "the {v} I speak is {d}",
                "people tell me that I speak {d} {v}",
                "honest answer: I speak {d} {v}",
            ],
        ),
        told(
            Repeat,
            "{S} still speaks {v}.",
            "",
            &[
                "I still speak {v}",
                "still speaking {v} with the neighbours",
                "yes, I speak {v}, you know that",
                "I can still speak {v} after all this time",
            ],
        ),
    ],
    chatter: &["how do you say good night in {v}", "is {v} hard to learn"],
    asked: Asked {
        value: &[
            "Which languages does {S} speak?",
            "What languages does {S} speak?",
            "Which foreign languages can {S} speak?",
            "What does {S} speak?",
        ],
        detail: &[
            "How well does {S} speak {v}?",
            "How is the {v} that {S} speaks?",
            "How good is {S} at speaking {v}?",
            "In a word, how does {S} speak {v}?",
        ],
        many: &[
            "How many languages does {S} speak?",
            "How many languages can {S} speak?",
            "What number of languages does {S} speak?",
        ],
        still: &["Does {S} speak {v}?", "Can {S} speak {v}?", "Is {S} able to speak {v}?"],
    },
    ..LIST
};

const VISITED: Topic = Topic {
    name: "travels",
    kinds: &[kind(NO_KIND, COUNTRIES)],
    cues: &["visit", "travel", "countr", "trip", "been"],
    told: &[
        told(
            State,
            "{S} visited {v}.",
            "visited",
            &[
                "I visited {v}",
                "I once visited {v}",
                "when I visited {v} I lost my passport",
                "I've visited {v}, the food alone is worth it",
                "visiting {v} changed how I cook",
                "on my visit to {v} it rained the whole time",
                "years back I travelled by train, that's how I came to visit {v}",
                "my visit to {v} was the best journey ever",
            ],
        ),
        told(
            Extend,
            "{S} also visited {v}.",
            "visited",
            &[
                "I also visited {v}",
                "I visited {v} as well",
                "then I visited {v}, what a country",
                "{v} is another country I visited",
                "the next time I travelled I visited {v}",
                "my visit to {v} was even better",
            ],
        ),
        told(
            Repeat,
            "{S} already visited {v}.",
            "",
            &[
                "I already visited {v}, you remember the pictures",
                "as I said, I have visited {v}",
                "when I visited {v}, well, you know that story",
                "I have visited {v} already",
            ],
        ),
    ],
    chatter: &["is {v} worth the trip", "do they have good bread in {v}"],
    asked: Asked {
        value: &[
            "Which countries has {S} visited?",
            "What countries has {S} been to?",
            "Where has {S} travelled?",
            "To which countries has {S} travelled?",
        ],
        many: &[
            "How many countries has {S} visited?",
            "How many countries has {S} been to?",
            "What number of countries has {S} visited?",
        ],
        still: &["Has {S} visited {v}?", "Has {S} ever been to {v}?", "Did {S} travel to {v}?"],
        ..NOT_ASKED
    },
    ..LIST
};
