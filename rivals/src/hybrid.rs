//! Hybrid search through the whole engine, with vectors that are looked up: all but embedding the query.
//!
//! Rooms it touches: data.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use keepsake_core::bank::MemoryBank;
use keepsake_core::config::Take;
use keepsake_core::embed::{EmbedError, Embedder, Vector};
use keepsake_core::types::{Cancel, NewTurn, SpaceId, Timestamp};
use keepsake_core::{Budget, Engine, Search, Setup};
use serde_json::{Value, json};

use crate::Bench;
use crate::data::{DIMENSIONS, Data};

/// Knows the vector of every turn by the number at the end of its text, and of every question.
struct LookedUp {
    turns: Vec<Vector>,
    questions: HashMap<String, Vector>,
}

impl Embedder for LookedUp {
    fn identity(&self) -> &str {
        "looked up"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vector>, EmbedError> {
        let numbered = |text: &str| self.turns.get(text.rsplit_once('#')?.1.parse::<usize>().ok()?).cloned();
        let vector = |text: &&str| self.questions.get(*text).cloned().or_else(|| numbered(text));
        texts
            .iter()
            .map(|text| vector(text).ok_or_else(|| EmbedError::Failed("unknown text".to_owned())))
            .collect()
    }
}

/// Searches of a space of `count` turns in sessions of 20.
pub(crate) fn measure(bench: &mut Bench, data: &Data, count: usize) -> Value {
    eprintln!("Hybrid, {count} turns ...");
    let asked: Vec<String> = (0..100).map(|at| question(&data.texts[at * 37 % data.texts.len()])).collect();
    let questions = asked.iter().cloned().zip(data.queries()).collect();
    let embedder = LookedUp { turns: data.vectors(count), questions };
    let clock = || Timestamp::from_seconds(1_700_000_000);
    let mut setup = Setup::new(clock).with_embedder(Arc::new(embedder));
    setup.config.ranking.nameless = false;
    let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup);
    for at in 0..count {
        let said = data.texts[at % data.texts.len()].split_once(": ").map_or("", |(_, said)| said);
        let speaker = ["Maria", "Tom"][at % 2];
        let time = Timestamp::from_seconds(1_600_000_000 + 60 * at as i64);
        let turn = NewTurn::new(speaker, &format!("{said} #{at}"), time).expect("a turn");
        engine.append(turn.in_session(&format!("{}", at / 20)).expect("a session")).expect("it is stored");
    }
    let started = Instant::now();
    engine.search(&SpaceId::default(), &asked[0], 1).expect("it searches");
    let words_s = started.elapsed().as_secs_f64();
    engine.process(&Budget::default(), &Cancel::new(), &mut |_| ()).expect("it embeds");
    let mut next = 0;
    let p50_us = bench.median_us(&format!("hybrid {count}"), || {
        let search = Search { take: Take::Best(60), ..Search::best(&asked[next % asked.len()], 0) };
        assert!(!engine.find(&SpaceId::default(), &search).expect("it searches").found.is_empty());
        next += 1;
    });
    json!({"turns": count, "p50_us": p50_us, "lexical_index_built_s": words_s})
}

/// What a text says, as a question about it would: its longer words.
fn question(text: &str) -> String {
    let said = text.split_once(": ").map_or(text, |(_, said)| said);
    let words: Vec<&str> = said.split_whitespace().filter(|word| word.len() > 3).take(6).collect();
    format!("What did Maria say about {}?", words.join(" "))
}
