//! How a story comes about: who speaks, what a turn tells, and what follows for bank and questions.
//!
//! Every attribute of a person is a slot with its values; an act changes the slot, and from the slot come the turn's
//! words, the fact, the memory's new text and the questions. What is said and asked stands in `attributes`.
//!
//! Rooms it touches: world (attributes, dates, people, question, story, untold, wording); of core: types.

use fastrand::Rng;
use keepsake_core::types::{Origin, Timestamp};

use super::attributes::{self, Act, Days, Kind, Of, Shape, Told, Topic};
use super::dates::{self, DAY_SECONDS, Date};
use super::people::{MEN, RELATIONS, Relation, WOMEN};
use super::question::{About, Question, Seeks, Subject, UNKNOWN};
use super::story::{Gold, GoldFact, GoldMemory, GoldTurn, Story, WorldSettings};
use super::untold;
use super::wording::{self, fill, listed};

/// Most values of a list, and most attributes of which a speaker talks before hardly any new ones come.
const MOST_ITEMS: usize = 4;
const MANY_SLOTS: usize = 22;
/// Most people whom a speaker mentions with what they do.
const MOST_RELATIVES: usize = 3;
/// The first day of any story, 2022-01-03, and the days on which it may begin.
const FIRST_DAY: i64 = 1_641_168_000;
const FIRST_DAYS: i64 = 900;
/// The minutes of the day at which sessions begin.
const FROM_MINUTE: i64 = 7 * 60;
const TO_MINUTE: i64 = 22 * 60;
/// Turns after which one may say the same again.
const SOON: usize = 6;
/// How often a fact is tried for before the turn becomes chat.
const TRIES: usize = 12;

/// One value of an attribute.
#[derive(Debug, Clone)]
struct Item {
    value: String,
    verb: &'static str,
    detail: Option<&'static str>,
    count: usize,
    date: Option<Date>,
}

/// An attribute of a person, as it stands.
#[derive(Debug, Clone)]
struct Slot {
    speaker: usize,
    about: About,
    relation: Option<Relation>,
    items: Vec<Item>,
    memory: Option<usize>,
    /// Values that it had, so that none comes back.
    past: Vec<String>,
    /// Session and turn of the last act.
    touched: (usize, usize),
    /// The turns behind what holds.
    evidence: Vec<usize>,
}

/// What a turn is to tell.
#[derive(Clone, Copy)]
struct Choice {
    slot: usize,
    told: &'static Told,
}

struct Teller {
    rng: Rng,
    settings: WorldSettings,
    speakers: Vec<String>,
    /// The assistant, where the second speaker is one.
    assistant: bool,
    relatives: Vec<(usize, Relation, String)>,
    used_names: Vec<String>,
    slots: Vec<Slot>,
    bank: Vec<GoldMemory>,
    next: usize,
    story: Story,
}

/// The story of a seed.
pub(super) fn tell(seed: u64, settings: WorldSettings) -> Story {
    Teller::new(seed, settings).tell()
}

impl Teller {
    fn new(seed: u64, settings: WorldSettings) -> Self {
        let story = Story { seed, turns: Vec::new(), questions: Vec::new(), slots: Vec::new() };
        let mut teller = Self {
            rng: Rng::with_seed(seed),
            settings,
            speakers: Vec::new(),
            assistant: false,
            relatives: Vec::new(),
            used_names: Vec::new(),
            slots: Vec::new(),
            bank: Vec::new(),
            next: 0,
            story,
        };
        teller.assistant = teller.rng.u8(..10) < 3;
        let people = if teller.assistant { 1 } else { 2 };
        for _ in 0..people {
            let names = if teller.rng.bool() { WOMEN } else { MEN };
            let name = teller.new_name(names);
            teller.speakers.push(name);
        }
        if teller.assistant {
            teller.speakers.push("Assistant".to_owned());
        }
        teller
    }

    fn tell(mut self) -> Story {
        let mut day = FIRST_DAY + self.rng.i64(0..FIRST_DAYS) * DAY_SECONDS;
        for session in 1..=self.settings.sessions {
            let mut time = day + self.rng.i64(FROM_MINUTE..TO_MINUTE) * 60;
            for at in 0..self.settings.turns {
                time += self.rng.i64(20..240);
                self.turn(session, at, Timestamp::from_seconds(time));
            }
            // However many turns a session has, the next one is later.
            day += (time - day) / DAY_SECONDS * DAY_SECONDS + self.rng.i64(4..30) * DAY_SECONDS;
        }
        self.story.slots = self.slots.iter().map(|slot| slot.about.clone()).collect();
        let people = if self.assistant { &self.speakers[..1] } else { &self.speakers[..] };
        let asked = untold::questions(&self.story, self.settings.split, people);
        self.story.questions.extend(asked);
        self.story
    }

    fn turn(&mut self, session: usize, at: usize, time: Timestamp) {
        let speaker = at % 2;
        let is_assistant = self.assistant && speaker == 1;
        let listener = (!self.assistant).then(|| self.speakers[1 - speaker].clone());
        let wanted = match self.rng.u8(..20) {
            _ if is_assistant => 0,
            0..5 => 0,
            5..16 => 1,
            _ => 2,
        };
        let (mut parts, mut facts) = (Vec::new(), Vec::new());
        for _ in 0..wanted {
            let told = (0..TRIES).find_map(|_| self.fact(speaker, session, time, &facts));
            if let Some((part, fact)) = told {
                parts.push(part);
                facts.push(fact);
            }
        }
        let split = self.settings.split;
        let silent = facts.is_empty() && self.rng.u8(..10) < 4;
        let known = if silent { self.chatter(speaker) } else { None };
        let text = if is_assistant {
            // It asks; it has no aunts.
            wording::assistant(&mut self.rng, split, known.filter(|known| wording::asks(known)))
        } else if facts.is_empty() {
            wording::chat(&mut self.rng, split, known, listener.as_deref())
        } else {
            wording::turn(&mut self.rng, split, &parts, listener.as_deref())
        };
        self.story.turns.push(GoldTurn {
            session,
            speaker: self.speakers[speaker].clone(),
            text,
            time,
            origin: if is_assistant { Origin::Assistant } else { Origin::User },
            facts,
            bank: self.bank.clone(),
        });
    }

    /// What is said about what the other one told.
    fn chatter(&mut self, speaker: usize) -> Option<String> {
        let known: Vec<usize> = (0..self.slots.len())
            .filter(|at| self.slots[*at].speaker != speaker && !self.slots[*at].items.is_empty())
            .collect();
        let slot = &self.slots[*self.rng.choice(&known)?];
        let wording = self.settings.split.pick(&mut self.rng, slot.about.topic.chatter)?;
        let item = slot.items.last()?;
        let mut values = vec![("v", item.value.as_str()), ("k", slot.about.kind.word)];
        if let Some((relation, name)) = &slot.about.subject.relative {
            values.extend([("rel", relation.as_str()), ("name", name.as_str())]);
        }
        Some(fill(wording, &values))
    }

    /// One fact with its wording, applied.
    fn fact(
        &mut self,
        speaker: usize,
        session: usize,
        time: Timestamp,
        before: &[GoldFact],
    ) -> Option<(String, GoldFact)> {
        let known = self.slots.len();
        let choice = self.choose(speaker, session, time, before)?;
        let told = self.apply(choice, session, time);
        if told.is_none() {
            self.slots.truncate(known);
        }
        told
    }

    /// Something new, or something about what was told.
    fn choose(
        &mut self,
        speaker: usize,
        session: usize,
        time: Timestamp,
        before: &[GoldFact],
    ) -> Option<Choice> {
        let known = self.slots.iter().filter(|slot| slot.speaker == speaker).count();
        let news = if known < MANY_SLOTS { 70 - 3 * known as u8 } else { 4 };
        if self.rng.u8(..100) < news {
            return self.new_slot(speaker);
        }
        let now = self.story.turns.len();
        let mut choices = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            let elsewhere = slot.speaker != speaker || before.iter().any(|fact| fact.slot == at);
            if elsewhere || now - slot.touched.1 < 2 {
                continue;
            }
            for told in slot.about.topic.told {
                let weight = weight(slot, told, (session, now), time);
                choices.extend(std::iter::repeat_n(Choice { slot: at, told }, weight));
            }
        }
        self.rng.choice(&choices).copied()
    }

    /// An attribute that was not told of so far.
    fn new_slot(&mut self, speaker: usize) -> Option<Choice> {
        let topics: Vec<&'static Topic> = attributes::all().collect();
        let topic = *self.rng.choice(&topics)?;
        let kind = self.rng.choice(topic.kinds)?;
        let (relation, relative) = match topic.of {
            Of::Speaker => (None, None),
            Of::Relative => self.relative(speaker).map(|(relation, name)| (Some(relation), Some(name)))?,
        };
        let relative = relation.zip(relative).map(|(relation, name)| (relation.word.to_owned(), name));
        let subject = Subject { speaker: self.speakers[speaker].clone(), relative };
        let taken = self.slots.iter().any(|slot| {
            let About { subject: whose, topic: known, kind: other, .. } = &slot.about;
            let same = known.name == topic.name && other.word == kind.word && !topic.apart;
            let bound = !topic.bond.is_empty() && known.bond == topic.bond;
            *whose == subject && (same || bound)
        });
        if taken {
            return None;
        }
        let states: Vec<&'static Told> = topic.told.iter().filter(|told| told.act == Act::State).collect();
        let told = *self.rng.choice(&states)?;
        self.slots.push(Slot {
            speaker,
            about: About { subject, topic, kind, value: None },
            relation,
            items: Vec::new(),
            memory: None,
            past: Vec::new(),
            touched: (0, 0),
            evidence: Vec::new(),
        });
        Some(Choice { slot: self.slots.len() - 1, told })
    }

    fn relative(&mut self, speaker: usize) -> Option<(Relation, String)> {
        let known: Vec<(Relation, String)> = self
            .relatives
            .iter()
            .filter(|(whose, ..)| *whose == speaker)
            .map(|(_, relation, name)| (*relation, name.clone()))
            .collect();
        if known.len() >= MOST_RELATIVES || (!known.is_empty() && self.rng.bool()) {
            return self.rng.choice(known);
        }
        let relation = *self.rng.choice(RELATIONS)?;
        if known.iter().any(|(other, _)| *other == relation) {
            return None;
        }
        let name = self.new_name(relation.names());
        self.relatives.push((speaker, relation, name.clone()));
        Some((relation, name))
    }

    /// A name that nobody in the story has.
    fn new_name(&mut self, names: &[&str]) -> String {
        let free: Vec<&str> = self.settings.split.of(names).copied().collect();
        let free: Vec<&str> =
            free.into_iter().filter(|name| !self.used_names.iter().any(|used| used == name)).collect();
        let name = self.rng.choice(&free).copied().unwrap_or("Alex").to_owned();
        self.used_names.push(name.clone());
        name
    }

    /// A value that the attribute has not had, and that no attribute of the same kind has.
    fn new_value(&mut self, slot: usize) -> Option<String> {
        let Slot { about, past, .. } = &self.slots[slot];
        let values = about.kind.values;
        if values.is_empty() {
            return Some(String::new());
        }
        let is_name = values == MEN || values == WOMEN;
        let used = |value: &str| {
            let elsewhere = about.topic.apart || about.topic.name == "pets";
            let taken = |other: &Slot| {
                other.about.topic.name == about.topic.name && other.past.iter().any(|p| p == value)
            };
            past.iter().any(|past| past == value)
                || (elsewhere && self.slots.iter().any(taken))
                || (is_name && self.used_names.iter().any(|name| name == value))
        };
        let free: Vec<&str> = self.settings.split.of(values).copied().filter(|value| !used(value)).collect();
        // What one likes and cannot bear: both hold (Memory-R1's turtles).
        let liked = |slot: &Slot| slot.about.topic.name == "animals" && slot.about.subject == about.subject;
        let liked: Vec<&str> = self.slots.iter().filter(|slot| liked(slot)).flat_map(values_of).collect();
        let liked: Vec<&str> = free.iter().filter(|value| liked.contains(value)).copied().collect();
        let bears_not = about.topic.name == "allergies" && !liked.is_empty() && self.rng.bool();
        let value = (*self.rng.choice(if bears_not { &liked } else { &free })?).to_owned();
        if is_name {
            self.used_names.push(value.clone());
        }
        Some(value)
    }

    /// What becomes of the attribute, how it is said, and what is to be done.
    fn apply(&mut self, choice: Choice, session: usize, time: Timestamp) -> Option<(String, GoldFact)> {
        let Choice { slot: at, told } = choice;
        let split = self.settings.split;
        let wording = *split.pick(&mut self.rng, told.turns)?;
        let old = self.old_item(at, told);
        let new = self.new_item(
            at,
            told,
            old.and_then(|old| self.slots[at].items.get(old).cloned()),
            wording,
            time,
        )?;
        let slot = &self.slots[at];
        let said = said(slot, told, old.map(|old| &slot.items[old]), &new);
        let said: Vec<(&str, &str)> = said.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let (part, text) = (fill(wording, &said), fill(told.fact, &said));
        let keeps = if told.keeps.is_empty() { text.clone() } else { fill(told.keeps, &said) };
        let is_list = slot.about.topic.shape == Shape::List;

        let turn = self.story.turns.len();
        let slot = &mut self.slots[at];
        let gone = old.map(|old| slot.items[old].value.clone());
        slot.touched = (session, turn);
        if told.act != Act::Repeat {
            let adds = matches!(told.act, Act::Extend | Act::Refine | Act::Drop);
            slot.evidence.retain(|_| adds);
            slot.evidence.push(turn);
            slot.past.push(new.value.clone());
        }
        match (told.act, old) {
            // Those of one verb stand together in the memory, and none changes its place.
            (Act::State | Act::Extend, _) => {
                let last = slot.items.iter().rposition(|item| item.verb == new.verb);
                slot.items.insert(last.map_or(slot.items.len(), |last| last + 1), new);
            }
            (Act::Change | Act::Refine, Some(old)) => slot.items[old] = new,
            (Act::Drop | Act::End, Some(old)) => drop(slot.items.remove(old)),
            _ => {}
        }
        if slot.about.topic.apart
            && let Some(item) = slot.items.first()
        {
            slot.about.value = Some(item.value.clone());
        }
        let after = if is_list { listing(slot) } else { keeps };
        let memory = self.slots[at].memory;
        let gold = self.gold(at, told.act, &text, after)?;
        if told.act != Act::Repeat {
            self.ask(at, told.act, gone, turn);
        }
        let topic = self.slots[at].about.topic.name;
        Some((part, GoldFact { text, gold, act: told.act, topic, memory, slot: at }))
    }

    /// The operation, and the bank after it.
    fn gold(&mut self, at: usize, act: Act, fact: &str, after: String) -> Option<Gold> {
        let memory = self.slots[at].memory;
        Some(match act {
            Act::Repeat => Gold::Noop,
            Act::State => {
                let number = self.next;
                self.next += 1;
                self.slots[at].memory = Some(number);
                self.bank.push(GoldMemory { number, text: fact.to_owned() });
                Gold::Add
            }
            Act::End => {
                let memory = memory?;
                self.slots[at].memory = None;
                self.bank.retain(|known| known.number != memory);
                Gold::Delete { memory }
            }
            Act::Change | Act::Refine | Act::Extend | Act::Drop => {
                let memory = memory?;
                let known = self.bank.iter_mut().find(|known| known.number == memory)?;
                known.text.clone_from(&after);
                Gold::Update { memory, text: after }
            }
        })
    }

    /// Which of its values an act is about.
    fn old_item(&mut self, at: usize, told: &Told) -> Option<usize> {
        let items = &self.slots[at].items;
        let fits = |item: &Item| told.act != Act::Refine || item.detail.is_none();
        let fitting: Vec<usize> = (0..items.len()).filter(|at| fits(&items[*at])).collect();
        match told.act {
            Act::State | Act::Extend => None,
            _ => self.rng.choice(fitting),
        }
    }

    fn new_item(
        &mut self,
        at: usize,
        told: &Told,
        old: Option<Item>,
        wording: &str,
        time: Timestamp,
    ) -> Option<Item> {
        let topic = self.slots[at].about.topic;
        let changes = matches!(told.act, Act::State | Act::Extend)
            || (told.act == Act::Change && topic.shape == Shape::Single);
        let mut item = match old {
            Some(old) if !changes => old,
            _ => Item { value: self.new_value(at)?, verb: told.keeps, detail: None, count: 0, date: None },
        };
        if told.fact.contains("{d}") {
            item.detail = Some(*self.settings.split.pick(&mut self.rng, topic.details)?);
        }
        match topic.shape {
            Shape::Count if told.act == Act::State => {
                item.count = if topic.name == "age" { self.rng.usize(19..80) } else { self.rng.usize(2..24) };
            }
            Shape::Count if told.act == Act::Change && topic.name == "age" => item.count += 1,
            Shape::Count if told.act == Act::Change => {
                let grows = item.count < 4 || topic.name == "feats" || self.rng.u8(..3) > 0;
                let step = self.rng.usize(1..3);
                item.count = if grows { item.count + step } else { item.count - step };
            }
            Shape::Dated if matches!(told.act, Act::State | Act::Change) => {
                let known = item.date.take();
                let another = |date: &Date| known.as_ref().is_none_or(|known| known.answer != date.answer);
                let mut dates = (0..TRIES).map(|_| dates::draw(&mut self.rng, topic.days, time, wording));
                item.date = Some(dates.find(another)?);
            }
            _ => {}
        }
        Some(item)
    }

    /// Closes the questions that an act answers anew, and asks them again in other words.
    fn ask(&mut self, at: usize, act: Act, gone: Option<String>, turn: usize) {
        for question in self.story.questions.iter_mut().filter(|question| question.slot == Some(at)) {
            question.holds_until.get_or_insert(turn);
        }
        let slot = &self.slots[at];
        let (topic, asked) = (slot.about.topic, &slot.about.topic.asked);
        let mut wanted: Vec<(Seeks, &[&str], Option<String>, String)> = Vec::new();
        let values: Vec<String> = slot.items.iter().map(|item| item.value.clone()).collect();
        let apart = slot.about.value.clone();
        if let Some(item) = slot.items.last() {
            let (seeks, answer) = match topic.shape {
                Shape::Single => (Seeks::Value, item.value.clone()),
                Shape::List => (Seeks::List, listed(&values)),
                Shape::Count => (Seeks::Count, wording::count_in_words(item.count)),
                Shape::Dated => {
                    (Seeks::Date, item.date.as_ref().map(|date| date.answer.clone()).unwrap_or_default())
                }
            };
            wanted.push((seeks, asked.value, apart.clone(), answer));
            if topic.shape == Shape::List {
                wanted.push((Seeks::Count, asked.many, None, wording::count_in_words(values.len())));
            }
            if let Some(detailed) = slot.items.iter().find(|item| item.detail.is_some()) {
                let detail = detailed.detail.unwrap_or_default().to_owned();
                wanted.push((Seeks::Detail, asked.detail, Some(detailed.value.clone()), detail));
            }
            if self.rng.bool() || asked.value.is_empty() {
                wanted.push((Seeks::Holds, asked.still, Some(item.value.clone()), "yes".to_owned()));
            }
        }
        let ends = matches!(act, Act::Drop | Act::End)
            || (act == Act::Change && matches!(topic.shape, Shape::Single));
        if act == Act::End {
            wanted.push((Seeks::Ended, asked.value, apart, UNKNOWN.to_owned()));
        }
        if let Some(gone) = gone.filter(|_| ends) {
            wanted.push((Seeks::Holds, asked.still, Some(gone), "no".to_owned()));
        }
        for (seeks, wordings, value, answer) in wanted {
            self.open(at, turn, seeks, wordings, value, answer);
        }
    }

    fn open(
        &mut self,
        at: usize,
        turn: usize,
        seeks: Seeks,
        wordings: &[&str],
        value: Option<String>,
        answer: String,
    ) {
        let Some(wording) = self.settings.split.pick(&mut self.rng, wordings) else { return };
        let slot = &self.slots[at];
        let whose = slot.about.subject.in_words();
        let spoken = value.clone().unwrap_or_default();
        let text = fill(wording, &[("S", &whose), ("k", slot.about.kind.word), ("v", &spoken)]);
        self.story.questions.push(Question {
            text,
            answer,
            seeks,
            evidence: slot.evidence.clone(),
            holds_from: turn,
            holds_until: None,
            slot: Some(at),
            about: About { value, ..slot.about.clone() },
        });
    }
}

fn values_of(slot: &Slot) -> impl Iterator<Item = &str> {
    slot.items.iter().map(|item| item.value.as_str())
}

/// How likely an act is, against others; 0 where it cannot be.
fn weight(slot: &Slot, told: &Told, (session, turn): (usize, usize), time: Timestamp) -> usize {
    let topic = slot.about.topic;
    let (count, later) = (slot.items.len(), session > slot.touched.0);
    let undetailed = slot.items.iter().any(|item| item.detail.is_none());
    // A day that has passed is not put off, nor spoken of as if it were to come.
    let is_ahead = |item: &Item| item.date.as_ref().and_then(Date::day).is_some_and(|day| day > time);
    let to_come = topic.days != Days::Ahead || topic.shape != Shape::Dated || slot.items.iter().all(is_ahead);
    let can = match told.act {
        Act::State => count == 0 && later && !topic.apart,
        Act::Change => count > 0 && (topic.shape == Shape::Dated || later) && to_come,
        Act::Refine => count > 0 && undetailed && !topic.details.is_empty(),
        Act::Extend => count > 0 && count < MOST_ITEMS,
        // The text without a value must keep the order of the one with it: details would stand in the way.
        Act::Drop => count > 1 && later && slot.items.iter().all(|item| item.detail.is_none()),
        Act::End => count == 1 && later && to_come,
        Act::Repeat => count > 0 && to_come && turn - slot.touched.1 >= SOON,
    };
    // So that every operation is met often; people change less.
    let often = match told.act {
        Act::Change | Act::Extend => 5,
        Act::Refine => 8,
        Act::Drop => 10,
        Act::End => 7,
        Act::State => 3,
        Act::Repeat => 2,
    };
    if can { often } else { 0 }
}

/// What the keys of a wording stand for.
fn said(slot: &Slot, told: &Told, old: Option<&Item>, new: &Item) -> Vec<(&'static str, String)> {
    let About { subject, topic, kind, .. } = &slot.about;
    let mut said = vec![
        ("S", subject.in_words()),
        ("v", new.value.clone()),
        ("k", kind.word.to_owned()),
        ("d", new.detail.unwrap_or_default().to_owned()),
        ("verb", new.verb.to_owned()),
        ("n", wording::count_in_words(new.count)),
    ];
    if let Some(old) = old {
        said.extend([
            ("o", object(topic, kind, old)),
            ("old", old.value.clone()),
            ("D", old.detail.map(|detail| format!("{detail} ")).unwrap_or_default()),
            ("m", wording::count_in_words(old.count)),
        ]);
    }
    if let Some(date) = &new.date {
        let date = if told.act == Act::Repeat { date.again() } else { date.clone() };
        said.extend([("when", date.said), ("on", date.noted.clone()), ("date", date.noted)]);
    }
    if let (Some((relation, name)), Some(how)) = (&subject.relative, slot.relation) {
        let his = if how.woman { "her" } else { "his" };
        said.extend([
            ("rel", relation.clone()),
            ("name", name.clone()),
            ("he", how.pronoun().to_owned()),
            ("his", his.to_owned()),
        ]);
    }
    said
}

/// A value as an object: "a brown dog named Buddy".
fn object(topic: &Topic, kind: &Kind, item: &Item) -> String {
    let form = if item.detail.is_some() { topic.detailed } else { topic.object };
    let detail = item.detail.unwrap_or_default();
    fill(form, &[("v", &item.value), ("k", kind.word), ("d", detail)])
}

/// The memory of a list: all its values, those of one verb together.
fn listing(slot: &Slot) -> String {
    let About { subject, topic, kind, .. } = &slot.about;
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for item in &slot.items {
        let object = object(topic, kind, item);
        match groups.last_mut() {
            Some((verb, objects)) if *verb == item.verb => objects.push(object),
            _ => groups.push((item.verb, vec![object])),
        }
    }
    let several = |verb: &str, objects: &[String]| {
        let verb = if objects.len() > 1 && verb == topic.several.0 { topic.several.1 } else { verb };
        format!(" {verb} {}", together(kind, objects))
    };
    let parts: Vec<String> = groups.iter().map(|(verb, objects)| several(verb, objects)).collect();
    format!("{}{}.", subject.in_words(), parts.join(" and"))
}

/// "a dog named Buddy" and "a dog named Scout" are "dogs named Buddy and Scout".
fn together(kind: &Kind, objects: &[String]) -> String {
    let one = fill("a {k} named ", &[("k", kind.word)]);
    let names: Option<Vec<String>> =
        objects.iter().map(|object| object.strip_prefix(&one).map(str::to_owned)).collect();
    match names {
        Some(names) if names.len() > 1 && !kind.word.is_empty() => {
            format!("{}s named {}", kind.word, listed(&names))
        }
        _ => listed(objects),
    }
}
