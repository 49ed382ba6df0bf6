//! Those one lives with, and how one is: pets, children, likings of animals, allergies, health.
//!
//! Rooms it touches: world (values, people).

use super::super::people::{MEN, WOMEN};
use super::super::values::{ALLERGENS, ANIMALS, CAT_NAMES, COATS, CONDITIONS, DOG_NAMES, SMALL_PET_NAMES};
use super::Act::{Drop, End, Extend, Refine, Repeat, State};
use super::{Asked, LIST, NO_KIND, NOT_ASKED, Topic, kind, told};

pub(super) const ALL: &[Topic] = &[PETS, CHILDREN, ANIMAL, ALLERGY, CONDITION];

const PETS: Topic = Topic {
    name: "pets",
    kinds: &[
        kind("dog", DOG_NAMES),
        kind("cat", CAT_NAMES),
        kind("rabbit", SMALL_PET_NAMES),
        kind("hamster", SMALL_PET_NAMES),
        kind("parrot", SMALL_PET_NAMES),
        kind("horse", SMALL_PET_NAMES),
    ],
    object: "a {k} named {v}",
    detailed: "a {d} {k} named {v}",
    details: COATS,
    cues: &["{k}", "puppy", "puppies", "kitten", "pet"],
    told: &[
        told(
            State,
            "{S} has a {k} named {v}.",
            "has",
            &[
                "we have a {k}, {v}",
                "I have a {k} named {v}",
                "my {k} {v} is asleep on my feet",
                "{v}, my {k}, keeps me busy",
                "there's a {k} in my life, the name is {v}",
                "I have to feed my {k} soon, {v} gets loud otherwise",
                "our {k} is called {v}",
            ],
        ),
        told(
            State,
            "{S} adopted a {k} named {v}.",
            "adopted",
            &[
                "I adopted a {k} named {v}",
                "I adopted a {k}, {v} is the name",
                "the shelter called, and now I've adopted a {k} named {v}",
                "we adopted {v}, a {k} with a lot of character",
                "I did it, I adopted a {k}! I named the little one {v}",
            ],
        ),
        told(
            State,
            "{S} has a {d} {k} named {v}.",
            "has",
            &[
                "I have a {d} {k} named {v}",
                "my {k} {v} is {d}, you should see the fur",
                "{v} is my {k}, a {d} one",
                "the {k} that answers to {v} is {d}, and mine",
            ],
        ),
        told(
            Extend,
            "{S} adopted another {k} named {v}.",
            "adopted",
            &[
                "I adopted another {k}, named {v}",
                "I adopted another {k}! This one is called {v}",
                "one was not enough, we adopted another {k}, {v}",
                "guess who adopted another {k}: the name is {v}",
                "I couldn't say no at the shelter and adopted another {k} named {v}",
            ],
        ),
        told(
            Extend,
            "{S} also has a {k} named {v}.",
            "has",
            &[
                "there is a new {k} in the house, {v}",
                "I have one more {k} now, {v}",
                "my other {k} is called {v}",
                "we got a second {k}, {v}, they play all day",
                "now there's {v} too, another {k}",
            ],
        ),
        told(
            Refine,
            "{S} has a {d} {k} named {v}.",
            "",
            &[
                "my {k} {v} is {d}, by the way",
                "you'd recognise {v}, such a {d} {k}",
                "{v} is a {d} {k}, not everybody likes that",
                "if you see a {d} {k}, that's {v}",
            ],
        ),
        told(
            Drop,
            "{S}'s {D}{k} {old} died.",
            "",
            &[
                "our {D}{k} {old} died",
                "{old} died, my {D}{k}, I'm heartbroken",
                "it's been a sad week, my {D}{k} {old} died",
                "the vet could do nothing, so {old} died, my good old {D}{k}",
            ],
        ),
        told(
            End,
            "{S}'s {D}{k} {old} died.",
            "",
            &[
                "our {D}{k} {old} died",
                "my {D}{k} {old} died, the house is so quiet",
                "I cried all day, my {D}{k} {old} died",
                "{old} died, I had that {D}{k} for so long",
            ],
        ),
        told(
            Repeat,
            "{S} still has the {k} {v}.",
            "",
            &[
                "{v} is fine, still the best {k} of all",
                "my {k} {v} is still stealing socks",
                "still walking around with {v}, the {k} you know",
                "yes, the {k}, {v}, is still with me",
            ],
        ),
    ],
    chatter: &[
        "how is {v} doing",
        "give {v} a cuddle from me",
        "I saw a {k} today and thought of {v}",
        "does {v} still bark at the postman",
        "my landlord would never allow a {k}",
    ],
    asked: Asked {
        value: &[
            "What is the name of every {k} that {S} has?",
            "What is the name of {S}'s {k}, or what are their names?",
            "Name each {k} of {S}.",
            "How is each {k} of {S} called?",
            "Which names does {S} call a {k} by?",
        ],
        detail: &[
            "What does {S}'s {k} {v} look like?",
            "What kind of coat does {v} have, the {k} of {S}?",
            "How does {v} look, {S}'s {k}?",
            "In a word, what does the {k} {v} of {S} look like?",
        ],
        many: &[
            "How many of {S}'s pets are of the kind {k}?",
            "Does {S} have more than one {k}, and how many?",
            "What number of pets of the kind {k} does {S} have?",
            "Of the kind {k}, how many pets does {S} have?",
        ],
        still: &[
            "Does {S} still have the {k} {v}?",
            "Is {v} still {S}'s {k}?",
            "Does the {k} {v} still live with {S}?",
            "Does {S} have a {k} named {v}?",
        ],
    },
    ..LIST
};

const CHILDREN: Topic = Topic {
    name: "children",
    kinds: &[kind("son", MEN), kind("daughter", WOMEN)],
    object: "a {k} named {v}",
    cues: &["{k}", "child", "kid", "baby", "toddler"],
    told: &[
        told(
            State,
            "{S} has a {k} named {v}.",
            "has",
            &[
                "I have a {k}, {v}",
                "my {k} {v} starts school soon",
                "my {k}'s name is {v}, by the way",
                "{v}, my {k}, drew me a picture",
                "I'm up early because of my {k}, {v} never sleeps",
                "my {k} {v} says hello",
            ],
        ),
        told(
            Extend,
            "{S} has another {k} named {v}.",
            "has",
            &[
                "we had another {k}, {v}",
                "our second {k} is here, we named the baby {v}",
                "I have another {k}, {v}, I don't think you met",
                "{v} is my other {k}",
                "one more {k} in the family: {v}",
            ],
        ),
        told(
            Repeat,
            "{S}'s {k} is named {v}.",
            "",
            &[
                "my {k}'s name is {v}, you always forget",
                "you remember my {k}, {v}",
                "{v}, you know, my {k}",
                "my {k} is named {v}, not what you said",
            ],
        ),
    ],
    chatter: &["how old is {v} getting", "is {v} over the flu", "I have a present for {v}"],
    asked: Asked {
        value: &[
            "What is the name of {S}'s {k}, or what are their names?",
            "What is the name of every {k} of {S}?",
            "Name each {k} of {S}.",
            "Who is a {k} of {S}?",
        ],
        many: &[
            "Counting each {k}, how many does {S} have?",
            "How many children of {S} are a {k}?",
            "What number of children of {S} is a {k}?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};

const ANIMAL: Topic = Topic {
    name: "animals",
    kinds: &[kind(NO_KIND, ANIMALS)],
    cues: &["like", "love", "adore", "enjoy", "animal", "fond"],
    told: &[
        told(
            State,
            "{S} likes {v}.",
            "likes",
            &[
                "I like {v}",
                "I've always liked {v}, they are so calm",
                "{v} are wonderful, I like them a lot",
                "I like {v} more than most people",
                "I like {v}, I could watch them for hours",
            ],
        ),
        told(
            Extend,
            "{S} likes {v}.",
            "likes",
            &[
                "I like {v} as well",
                "after that film I like {v} too",
                "you know what animals I also like? {v}",
                "{v} are great too, I like how they move",
            ],
        ),
        told(
            Repeat,
            "{S} still likes {v}.",
            "",
            &[
                "I still like {v}",
                "still like {v}, still no chance of keeping any",
                "you know me, I like {v}",
                "a day with {v} is a good day, I still like them",
            ],
        ),
    ],
    chatter: &["they have {v} at the zoo", "there was something about {v} on the radio"],
    asked: Asked {
        value: &[
            "Which animals does {S} like?",
            "What animals does {S} like?",
            "Of which animals is {S} fond?",
            "Which animals does {S} love?",
        ],
        still: &["Does {S} like {v}?", "Is {S} fond of {v}?", "Are {v} animals that {S} likes?"],
        ..NOT_ASKED
    },
    ..LIST
};

const ALLERGY: Topic = Topic {
    name: "allergies",
    kinds: &[kind(NO_KIND, ALLERGENS)],
    several: ("is allergic to", "is allergic to"),
    cues: &["allerg", "intoleran"],
    told: &[
        told(
            State,
            "{S} is allergic to {v}.",
            "is allergic to",
            &[
                "I'm allergic to {v}",
                "I can't go near {v}, I'm allergic",
                "the doctor says I'm allergic to {v}",
                "careful, I'm allergic to {v}",
                "turns out I'm allergic to {v}",
                "my face swells from {v}, I'm allergic",
            ],
        ),
        told(
            Extend,
            "{S} is allergic to {v}.",
            "is allergic to",
            &[
                "I'm allergic to {v} as well, as if one thing was not enough",
                "they tested me again, I'm allergic to {v} too",
                "another one for the list: I'm allergic to {v}",
                "now I'm also allergic to {v}",
            ],
        ),
        told(
            Drop,
            "{S} is no longer allergic to {old}.",
            "",
            &[
                "I'm no longer allergic to {old}",
                "the treatment worked, I'm not allergic to {old} any more",
                "good news, I'm no longer allergic to {old}",
                "they say that I'm not allergic to {old} any longer",
            ],
        ),
        told(
            End,
            "{S} is no longer allergic to {old}.",
            "",
            &[
                "I'm no longer allergic to {old}",
                "the new test says I'm not allergic to {old} any more",
                "I grew out of it, I'm no longer allergic to {old}",
                "no longer allergic to {old}, what a relief",
            ],
        ),
        told(
            Repeat,
            "{S} is still allergic to {v}.",
            "",
            &[
                "I'm still allergic to {v}",
                "remember that I'm allergic to {v}",
                "still allergic to {v}, sadly",
                "don't forget, I'm allergic to {v}",
            ],
        ),
    ],
    chatter: &["is there anything against a reaction to {v}", "I will keep {v} away from you"],
    asked: Asked {
        value: &[
            "What is {S} allergic to?",
            "Which allergies does {S} have?",
            "To what is {S} allergic?",
            "What gives {S} an allergic reaction?",
            "What must {S} avoid because of allergies?",
        ],
        still: &[
            "Is {S} still allergic to {v}?",
            "Is {S} allergic to {v}?",
            "Does {S} have an allergy to {v}?",
            "Must {S} still avoid {v}?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};

const CONDITION: Topic = Topic {
    name: "health",
    kinds: &[kind(NO_KIND, CONDITIONS)],
    several: ("suffers from", "suffers from"),
    cues: &["suffer", "condition", "diagnos", "ill", "health"],
    told: &[
        told(
            State,
            "{S} suffers from {v}.",
            "suffers from",
            &[
                "I suffer from {v}",
                "I've suffered from {v} for ages",
                "the doctor says it's {v} that I suffer from",
                "I can't come, I suffer from {v}",
                "it has a name now, {v}, and I suffer from it",
            ],
        ),
        told(
            Extend,
            "{S} suffers from {v}.",
            "suffers from",
            &[
                "now I suffer from {v} as well",
                "on top of it I suffer from {v}",
                "I suffer from {v} too, getting old is no fun",
                "another diagnosis, I suffer from {v}",
            ],
        ),
        told(
            Drop,
            "{S} no longer suffers from {old}.",
            "",
            &[
                "I no longer suffer from {old}",
                "the {old} is gone, at least I don't suffer from that any more",
                "I don't suffer from {old} any longer",
                "the cure helped, no more {old} to suffer from",
            ],
        ),
        told(
            End,
            "{S} no longer suffers from {old}.",
            "",
            &[
                "I no longer suffer from {old}",
                "the {old} is gone, I don't suffer any more",
                "finally I don't suffer from {old} any longer",
                "the new pills work, I no longer suffer from {old}",
            ],
        ),
        told(
            Repeat,
            "{S} still suffers from {v}.",
            "",
            &[
                "I still suffer from {v}",
                "still suffering from {v}",
                "it's the {v} again, I still suffer from it",
                "yes, I still suffer from {v}",
            ],
        ),
    ],
    chatter: &["my aunt had {v} for years", "is there nothing one can do against {v}"],
    asked: Asked {
        value: &[
            "What does {S} suffer from?",
            "Which conditions does {S} suffer from?",
            "What health troubles does {S} have?",
            "From what does {S} suffer?",
        ],
        still: &[
            "Does {S} still suffer from {v}?",
            "Does {S} suffer from {v}?",
            "Is {S} still suffering from {v}?",
            "Is {v} still something {S} suffers from?",
        ],
        ..NOT_ASKED
    },
    ..LIST
};
