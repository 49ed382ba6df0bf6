//! The people of the synthetic world: first names, relations and pronouns.
//!
//! No name is also a month, a place or any other value of the world, so that a name in a sentence is never anything
//! else. Surnames and ages are not known here.
//!
//! Rooms it touches: world (wording).

use fastrand::Rng;

use super::wording::Split;

/// Somebody to learn from: a first name, and "her" or "his".
pub fn person(rng: &mut Rng) -> (&'static str, &'static str) {
    let woman = rng.bool();
    let name = Split::Train.pick(rng, if woman { WOMEN } else { MEN }).copied().unwrap_or_default();
    (name, if woman { "her" } else { "his" })
}

/// First names of women.
#[rustfmt::skip] // one name a line would be three pages
pub(super) const WOMEN: &[&str] = &[
    "Maria", "Joanna", "Julia", "Anna", "Elena", "Fatima", "Ingrid", "Keiko", "Leila", "Mei", "Nadia", "Olga",
    "Priya", "Rachel", "Sofia", "Tamara", "Ursula", "Vera", "Yasmin", "Zara", "Agnes", "Beatriz", "Camille",
    "Dagmar", "Esther", "Freya", "Gloria", "Hannah", "Irene", "Jolanda", "Katarina", "Lucinda", "Marguerite",
    "Noemi", "Odette", "Paola", "Renata", "Sabine", "Teresa", "Ulrike", "Valentina", "Wanda", "Xenia", "Yvonne",
    "Zoë", "Alessandra", "Birgit", "Claudia", "Deborah", "Eleanor", "Francesca", "Gabriela", "Helga", "Isabel",
    "Jennifer", "Kirsten", "Lauren", "Melissa", "Natasha", "Ottilie", "Patricia", "Rebecca", "Sandra", "Tabitha",
    "Veronica", "Winifred", "Adriana", "Brigitte", "Caroline", "Delphine", "Emilia", "Fiona", "Greta", "Henrietta",
    "Ilse", "Jocelyn", "Karolina", "Letizia", "Monica", "Nicole", "Oksana", "Pauline", "Rosalind", "Simone",
    "Tatiana", "Vivian", "Amelia", "Bernadette", "Celeste", "Dorothy", "Evelyn", "Florence", "Gwendolyn", "Hilda",
    "Imogen", "Judith", "Kathleen", "Lorena", "Matilda", "Naomi", "Philippa", "Ramona", "Susanna", "Thelma",
    "Aisha", "Bianca", "Chiara", "Daniela", "Edith", "Farida", "Giulia", "Harriet", "Ines", "Josephine",
    "Kamala", "Liesel", "Mariko", "Nuria", "Petra", "Rowena", "Saskia", "Tove", "Yuki", "Zelda",
];

/// First names of men.
#[rustfmt::skip] // one name a line would be three pages
pub(super) const MEN: &[&str] = &[
    "Tom", "Ben", "Carlos", "David", "Erik", "Felix", "George", "Hugo", "Ivan", "James", "Kenji", "Liam", "Marco",
    "Niklas", "Oliver", "Pedro", "Quentin", "Rafael", "Stefan", "Theo", "Umberto", "Victor", "Walter", "Xavier",
    "Yusuf", "Zoltan", "Adam", "Boris", "Cedric", "Daniel", "Emil", "Fabian", "Gavin", "Henrik", "Igor", "Jonas",
    "Karim", "Lukas", "Mateo", "Nathan", "Otto", "Pavel", "Ramon", "Simon", "Tobias", "Ulrich", "Vincent", "Werner",
    "Yannick", "Andrei", "Bruno", "Caspar", "Dominik", "Edgar", "Finley", "Gregor", "Harold", "Ismael", "Joachim",
    "Konrad", "Leonard", "Martin", "Norbert", "Oscar", "Patrick", "Reuben", "Sergio", "Timothy", "Vladimir",
    "Wilfred", "Alberto", "Bernard", "Connor", "Diego", "Edmund", "Francis", "Gustav", "Howard", "Isaac", "Jerome",
    "Kevin", "Lorenzo", "Manuel", "Nigel", "Osman", "Philip", "Rashid", "Sebastian", "Thaddeus", "Valentin",
    "Ahmed", "Benedict", "Claude", "Dimitri", "Elias", "Ferdinand", "Gerald", "Hassan", "Ingmar", "Julian", "Kurt",
    "Lionel", "Mikhail", "Noah", "Orlando", "Percival", "Rolf", "Samuel", "Tariq", "Viktor", "Wendell", "Anton",
    "Bartholomew", "Cyril", "Desmond", "Eamon", "Frederik", "Giovanni", "Hamish", "José", "Kaspar", "Laszlo",
    "Magnus", "Nikhil", "Pascal", "Roderick", "Søren", "Tadeusz", "Zachary",
];

/// How a relative is called, and of which of the two lists the name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relation {
    /// "sister".
    pub(super) word: &'static str,
    /// Whether she is a woman.
    pub(super) woman: bool,
}

const fn relation(word: &'static str, woman: bool) -> Relation {
    Relation { word, woman }
}

/// The relations that speakers talk of.
pub(super) const RELATIONS: &[Relation] = &[
    relation("sister", true),
    relation("brother", false),
    relation("mother", true),
    relation("father", false),
    relation("cousin", true),
    relation("nephew", false),
    relation("niece", true),
    relation("uncle", false),
    relation("aunt", true),
    relation("neighbour", false),
    relation("flatmate", true),
    relation("colleague", false),
    relation("grandmother", true),
    relation("grandfather", false),
];

impl Relation {
    /// "she" or "he".
    pub(super) fn pronoun(self) -> &'static str {
        if self.woman { "she" } else { "he" }
    }

    /// The names such a relative may have.
    pub(super) fn names(self) -> &'static [&'static str] {
        if self.woman { WOMEN } else { MEN }
    }
}
