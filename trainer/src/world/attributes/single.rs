//! What one has one of: home, job, employer, partner.
//!
//! Rooms it touches: world (values, people).

use super::super::people::{MEN, WOMEN};
use super::super::values::{CITIES, COMPANIES, JOBS, LANDMARKS, SHIFTS, TEAMS};
use super::Act::{Change, End, Refine, Repeat, State};
use super::{Asked, NO_KIND, NOT_ASKED, PLAIN, Topic, kind, told};

pub(super) const ALL: &[Topic] = &[HOME, JOB, EMPLOYER, DATING, SPOUSE];

pub(super) const HOME: Topic = Topic {
    name: "home",
    kinds: &[kind(NO_KIND, CITIES)],
    detailed: "{v} near the {d}",
    details: LANDMARKS,
    cues: &["live", "living", "moved", "moving", "home", "resid", "based", "settled"],
    told: &[
        told(
            State,
            "{S} lives in {v}.",
            "",
            &[
                "I live in {v}",
                "I'm living in {v} these days",
                "I live in {v}, have done for years",
                "my place is in {v}, I've been living here for ages",
                "I've lived in {v} all this time",
                "if you ever come to {v}, stay at mine, I live there",
                "living in {v} suits me",
                "{v} is where I live",
                "I live in {v} and would not swap it for anything",
            ],
        ),
        told(
            State,
            "{S} lives in {v} near the {d}.",
            "",
            &[
                "I live in {v}, right near the {d}",
                "my flat is near the {d} in {v}, I love living there",
                "I live near the {d} here in {v}",
                "I've been living in {v}, a stone's throw from the {d}, so near that I hear it",
                "home is {v}, I live near the {d}",
            ],
        ),
        told(
            Change,
            "{S} lives in {v} now.",
            "",
            &[
                "I don't live in {old} any more, I live in {v} now",
                "change of address: I'm living in {v} now",
                "I live in {v} now, {old} was getting too much for me",
                "as of this month I live in {v}",
                "it's official, I'm living in {v} now and not in {old}",
                "new town, new life: I live in {v} now",
                "sorry, I put that wrong, I live in {v}, not in {old}",
            ],
        ),
        told(
            Change,
            "{S} lives in {v} after moving there.",
            "",
            &[
                "I moved to {v}",
                "the move is done, we moved to {v} and the boxes are everywhere",
                "I finally moved to {v}",
                "I packed everything up and moved from {old} to {v}",
                "we moved to {v}, I still can't find the kettle",
                "goodbye {old}: I've moved to {v}",
                "the moving van got lost, but I have moved to {v} now",
            ],
        ),
        told(
            Refine,
            "{S} lives in {v} near the {d}.",
            "",
            &[
                "my flat here in {v} is near the {d}",
                "the {d} is right near my flat in {v}, I can see it from where I live",
                "where I live in {v} is near the {d}",
                "I live near the {d}, the nicest part of {v}",
                "did I say where in {v} I live? near the {d}",
            ],
        ),
        told(
            Repeat,
            "{S} still lives in {v}.",
            "",
            &[
                "I still live in {v}, as you know",
                "yes, still living in {v}",
                "nothing new, I still live in {v}",
                "no, I haven't left, I still live in {v}",
                "still living in {v} and still complaining about the rain",
            ],
        ),
    ],
    chatter: &[
        "how is life in {v}",
        "is {v} nice at this time of year",
        "I looked up {v} on the map yesterday",
        "do you get many tourists in {v}",
        "I would love to see {v} one day",
    ],
    asked: Asked {
        value: &[
            "Where does {S} live?",
            "In which city does {S} live?",
            "Which city is home to {S}?",
            "What is the city where {S} lives now?",
            "Where is {S} living at the moment?",
            "What city does {S} live in?",
        ],
        detail: &[
            "What does {S} live near?",
            "Near what is the home of {S}?",
            "What is close to where {S} lives?",
            "Which landmark does {S} live near?",
            "What stands near the flat of {S}?",
        ],
        still: &[
            "Does {S} still live in {v}?",
            "Is {S} still living in {v}?",
            "Is {v} still where {S} lives?",
            "Does {S} live in {v} now?",
            "Is {v} the city where {S} lives?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

pub(super) const JOB: Topic = Topic {
    name: "job",
    kinds: &[kind(NO_KIND, JOBS)],
    detailed: "{v} {d}",
    details: SHIFTS,
    cues: &["work", "job", "profession", "trade", "occupation"],
    told: &[
        told(
            State,
            "{S} works as a {v}.",
            "",
            &[
                "I work as a {v}",
                "I'm a {v} by trade",
                "my job? I'm a {v}",
                "I earn my living as a {v}",
                "I've been working as a {v} for ages",
                "I'm a {v}, so my working hours are odd",
                "working as a {v} is never dull",
                "they know me as the {v} around here, that's my work",
                "I work as a {v}, in case I never said",
            ],
        ),
        told(
            State,
            "{S} works as a {v} {d}.",
            "",
            &[
                "I work as a {v} {d}",
                "I'm a {v}, {d}",
                "as a {v} I work {d}, you get used to it",
                "my work as a {v} is {d}",
                "I'm working as a {v} {d}, which has its charms",
            ],
        ),
        told(
            Change,
            "{S} works as a {v} now.",
            "",
            &[
                "I changed jobs, I work as a {v} now",
                "I'm no longer a {old}, I work as a {v} now",
                "career change: I'm a {v} now",
                "I retrained and I'm working as a {v} now",
                "I gave up being a {old}, these days I work as a {v}",
                "guess who is a {v} now, after all that time as a {old}",
                "I got that wrong, I work as a {v}, not as a {old}",
            ],
        ),
        told(
            Refine,
            "{S} works as a {v} {d}.",
            "",
            &[
                "as a {v} I work {d}",
                "I do my {v} work {d}, by the way",
                "being a {v} {d} is tiring",
                "did I mention that I'm a {v} {d}",
                "{v} work {d} wears one out, believe me",
            ],
        ),
        told(
            End,
            "{S} no longer works as a {o}.",
            "",
            &[
                "I don't work as a {o} any more",
                "I stopped working as a {o}",
                "that's it, I no longer work as a {o}",
                "my days as a {o} are over, I'm done with work",
                "I handed in my notice, no more work as a {o}",
            ],
        ),
        told(
            Repeat,
            "{S} still works as a {v}.",
            "",
            &[
                "I still work as a {v}",
                "same job as ever, still a {v}",
                "yes, I'm still working as a {v}",
                "still a {v}, still tired",
                "being a {v} is still my work",
            ],
        ),
    ],
    chatter: &[
        "it must be hard to be a {v}",
        "how does one become a {v}",
        "my uncle always said one should become a {v}",
        "do you meet other people who are a {v}",
    ],
    asked: Asked {
        value: &[
            "What does {S} work as?",
            "What is the job of {S}?",
            "What does {S} do for a living?",
            "What is the profession of {S}?",
            "Which job does {S} have?",
            "What kind of work does {S} do?",
        ],
        detail: &[
            "How does {S} work?",
            "In what way does {S} work as a {v}?",
            "How is the work of {S} arranged?",
            "What are the working arrangements of {S}?",
            "Where or when does {S} work as a {v}?",
        ],
        still: &[
            "Does {S} still work as a {v}?",
            "Is {S} still a {v}?",
            "Is {S} working as a {v} now?",
            "Is {v} still the job of {S}?",
            "Does {S} work as a {v}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

pub(super) const EMPLOYER: Topic = Topic {
    name: "employer",
    kinds: &[kind(NO_KIND, COMPANIES)],
    detailed: "{v} {d}",
    details: TEAMS,
    cues: &["work", "employ", "join", "compan", "hired", "staff"],
    told: &[
        told(
            State,
            "{S} works at {v}.",
            "",
            &[
                "I work at {v}",
                "I'm working at {v}",
                "I've worked at {v} for a good while",
                "the people at {v} are nice, I like working there",
                "I work at {v}, the coffee there is awful",
                "my work is at {v}",
                "working at {v} keeps me busy",
            ],
        ),
        told(
            State,
            "{S} works at {v} now.",
            "",
            &[
                "I joined {v}, so that's where I work now",
                "I've found new work at {v}",
                "big news, I work at {v} now and my head is spinning",
                "they took me, I work at {v} from now on",
                "I joined {v} and have my own desk, real work at last",
            ],
        ),
        told(
            State,
            "{S} works for {v}.",
            "",
            &[
                "I work for {v}",
                "I've been working for {v} since school, more or less",
                "I'm working for {v}, same as my neighbour",
                "I work for {v}, nobody in the family understands what we do",
                "my work is for {v}",
            ],
        ),
        told(
            Change,
            "{S} works at {v} now.",
            "",
            &[
                "I switched, I work at {v} now",
                "I work at {v} now, {old} was a dead end",
                "new employer: I'm working at {v} now",
                "I don't work at {old} any more, I'm at {v} now, much better work",
                "after {old} I needed a change, so I work at {v} now",
                "correction, I work at {v}, I don't know why I wrote {old}",
            ],
        ),
        told(
            Refine,
            "{S} works at {v} {d}.",
            "",
            &[
                "at {v} I work {d}",
                "they put me {d} at {v}, the work is fine",
                "I work {d} at {v}",
                "my work at {v} is {d}, did I say that",
                "I'm working {d} there at {v}",
            ],
        ),
        told(
            End,
            "{S} no longer works at {o}.",
            "",
            &[
                "I no longer work at {o}",
                "I don't work at {o} any more",
                "they let me go, I'm no longer working at {o}",
                "my time at {o} is over, no more work there",
                "I quit, so I don't work at {o} any more",
            ],
        ),
        told(
            Repeat,
            "{S} still works at {v}.",
            "",
            &[
                "I still work at {v}",
                "yes, still working at {v}",
                "still at {v}, the work doesn't get less",
                "I'm still working at {v}, no changes there",
                "work at {v} is still the same",
            ],
        ),
    ],
    chatter: &[
        "I read something about {v} in the paper",
        "is it true that {v} has a good canteen",
        "how are things at {v}",
        "somebody told me that {v} is growing",
    ],
    asked: Asked {
        value: &[
            "Where does {S} work?",
            "Which company does {S} work for?",
            "Who is the employer of {S}?",
            "At which place does {S} work?",
            "For whom does {S} work?",
            "What is the name of the employer of {S}?",
        ],
        detail: &[
            "In which part of {v} does {S} work?",
            "Where inside {v} does {S} work?",
            "What part of {v} is {S} in?",
            "In which team or place at {v} is {S}?",
        ],
        still: &[
            "Does {S} still work at {v}?",
            "Is {S} still employed by {v}?",
            "Is {v} still the employer of {S}?",
            "Is {S} still on the staff of {v}?",
            "Does {S} work at {v} now?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const DATING: Topic = Topic {
    name: "dating",
    kinds: &[kind("man", MEN), kind("woman", WOMEN)],
    bond: "love",
    cues: &["dating", "date", "boyfriend", "girlfriend", "partner", "seeing"],
    told: &[
        told(
            State,
            "{S} is dating {v}.",
            "",
            &[
                "I'm dating somebody, {v} is the name",
                "I've been dating {v} for a few weeks",
                "{v} and I are dating",
                "don't laugh, but I'm dating {v} from the bakery",
                "I'm dating {v} and I've never been happier",
                "it's true, {v} and I are dating",
            ],
        ),
        told(
            Change,
            "{S} broke up with {old} and is dating {v} now.",
            "{S} is dating {v}.",
            &[
                "I broke up with {old}, I'm dating {v} now",
                "{old} and I broke up, and now I'm dating {v}",
                "it's over with {old}, we broke up, but I'm dating {v} now and it feels right",
                "much has happened: I broke up with {old} and I'm dating {v}",
                "after I broke up with {old} I met {v}, and now we are dating",
            ],
        ),
        told(
            End,
            "{S} broke up with {old}.",
            "",
            &[
                "{old} and I broke up",
                "I broke up with {old}",
                "we broke up, {old} and I, it was time",
                "sad news: {old} and I broke up",
                "I had to end it, I broke up with {old}",
            ],
        ),
        told(
            Repeat,
            "{S} is still dating {v}.",
            "",
            &[
                "{v} and I are still dating",
                "yes, I'm still dating {v}",
                "still dating {v}, in case you wonder",
                "{v} and I are dating, still",
                "I'm still dating {v} and we still argue about films",
            ],
        ),
    ],
    chatter: &[
        "how is {v}",
        "say hi to {v} from me",
        "did {v} like the present",
        "you and {v} should come over",
    ],
    asked: Asked {
        value: &[
            "Who is {S} dating?",
            "Who is the partner of {S}?",
            "With whom is {S} together?",
            "Whom is {S} dating now?",
            "What is the name of the person {S} is dating?",
        ],
        still: &[
            "Is {S} still dating {v}?",
            "Are {S} and {v} still together?",
            "Is {v} still the partner of {S}?",
            "Is {S} dating {v} now?",
            "Is {S} still with {v}?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};

const SPOUSE: Topic = Topic {
    name: "spouse",
    kinds: &[kind("man", MEN), kind("woman", WOMEN)],
    bond: "love",
    cues: &["married", "husband", "wife", "spouse", "wedded"],
    told: &[
        told(
            State,
            "{S} is married to {v}.",
            "",
            &[
                "I'm married to {v}",
                "I've been married to {v} for many years",
                "{v} and I are married, you know",
                "being married to {v} is an adventure",
                "{v} and I got married in secret",
                "I'm married, {v} is the one who cooks",
            ],
        ),
        told(
            Change,
            "{S} divorced {old} and is married to {v} now.",
            "{S} is married to {v}.",
            &[
                "I divorced {old} and now I'm married to {v}",
                "I never told you: I divorced {old} and I'm married to {v} now",
                "life is strange, I divorced {old} and got married to {v}",
                "{old} and I divorced long ago, I'm married to {v} now",
            ],
        ),
        told(
            End,
            "{S} divorced {old}.",
            "",
            &[
                "{old} and I divorced",
                "I divorced {old}",
                "the papers are signed, I divorced {old}",
                "{old} and I are divorced, it was friendly",
                "we are divorced, {old} and I",
            ],
        ),
        told(
            Repeat,
            "{S} is still married to {v}.",
            "",
            &[
                "{v} and I are still married, believe it or not",
                "yes, I'm still married to {v}",
                "still happily married to {v}",
                "I'm still married to {v}, we joke about it every day",
            ],
        ),
    ],
    chatter: &[
        "how is {v} doing",
        "greetings to {v}",
        "did {v} get over that cold",
        "is {v} back from the trip",
    ],
    asked: Asked {
        value: &[
            "Who is {S} married to?",
            "Whom is {S} married to?",
            "What is the name of the spouse of {S}?",
            "Who is the spouse of {S}?",
            "To whom is {S} married?",
        ],
        still: &[
            "Is {S} still married to {v}?",
            "Are {S} and {v} still married?",
            "Is {v} still the spouse of {S}?",
            "Is {S} married to {v}?",
            "Is {v} married to {S} now?",
        ],
        ..NOT_ASKED
    },
    ..PLAIN
};
