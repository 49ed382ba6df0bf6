//! Writes replies, many at once: each prompt is read once, its keys and values serve all its replies.
//!
//! What a reply says depends on its own dice only, not on what is written beside it, but for the last bits of sums.
//! Rooms it touches: engine, engine::local.

use std::sync::Arc;

use keepsake_core::model::{Tokenizer, Writing};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::decoder::{Attended, Decoder};
use super::head::restricted;
use super::layout::Layout;
use super::leaf::numbers;
use super::lora::Patch;
use super::pack::Pack;
use crate::engine::{Ask, Branch, Choice, EngineError, Token, Tree, Written};

/// Most tokens behind a beginning that different prompts share, and most tokens of a pass.
type Limits = (usize, usize);

/// Writes a reply to each, in order.
pub(super) fn sample(
    decoder: &Decoder,
    patch: &Patch,
    tokenizer: &Tokenizer,
    asks: &[Ask],
    limits: Limits,
) -> Result<Vec<Written>, EngineError> {
    let most = decoder.shape.context;
    let begin = |(at, ask)| {
        let Ask { prompt, grammar, max_tokens, .. }: &Ask = ask;
        let tokens = prompt.len() + max_tokens;
        if tokens > most {
            return Err(EngineError::TooLong { tokens, most });
        }
        Row::new(at, ask, tokenizer.writing(grammar.as_deref())?)
    };
    let mut rows = asks.par_iter().enumerate().map(begin).collect::<Result<Vec<_>, _>>()?;
    let mut written: Vec<Option<Written>> = vec![None; asks.len()];
    // Replies to the same prompt stand beside each other.
    rows.sort_by(|one, other| one.ask.prompt.cmp(&other.ask.prompt));
    let mut cache = Cache::read(decoder, patch, &rows, limits)?;
    let mut logits = cache.first_logits.shallow_clone();
    let mut going = rows;
    loop {
        choose(&mut going, &logits, tokenizer)?;
        let keep: Vec<i64> = (0..going.len()).filter(|at| !going[*at].over).map(|at| at as i64).collect();
        if keep.len() < going.len() {
            cache.keep(&keep);
            for row in going.extract_if(.., |row| row.over) {
                let at = row.at;
                written[at] = Some(row.finish());
            }
        }
        if going.is_empty() {
            break;
        }
        logits = cache.step(decoder, patch, &mut going);
    }
    Ok(written.into_iter().flatten().collect())
}

/// A reply in the making.
struct Row<'a> {
    at: usize,
    ask: &'a Ask,
    writing: Writing,
    branch: Branch,
    logprobs: Vec<f32>,
    /// Tokens that were read.
    read: usize,
    over: bool,
    cut_off: bool,
}

impl<'a> Row<'a> {
    fn new(at: usize, ask: &'a Ask, writing: Writing) -> Result<Self, EngineError> {
        let mut new = Self {
            at,
            ask,
            writing,
            branch: Branch::default(),
            logprobs: Vec::new(),
            read: 0,
            over: false,
            cut_off: false,
        };
        new.force()?;
        Ok(new)
    }

    /// Takes what the grammar forces.
    fn force(&mut self) -> Result<(), EngineError> {
        for token in self.writing.forced()? {
            self.push(token, Choice::Forced, 0.0);
        }
        self.over |= self.writing.is_over();
        Ok(())
    }

    fn push(&mut self, token: Token, choice: Choice, logprob: f32) {
        if self.branch.tokens.len() == self.ask.max_tokens {
            (self.over, self.cut_off) = (true, true);
            return;
        }
        self.branch.tokens.push(token);
        self.branch.choices.push(choice);
        self.logprobs.push(logprob);
    }

    /// Whether the next token is to be chosen: all there are have been read.
    fn chooses(&self) -> bool {
        !self.over && self.read == self.branch.tokens.len()
    }

    fn finish(self) -> Written {
        Written { branch: self.branch, logprobs: self.logprobs, cut_off: self.cut_off }
    }
}

/// Chooses the next token of each row that has one to choose, from its logits, and what the grammar forces behind it.
fn choose(rows: &mut [Row<'_>], logits: &Tensor, tokenizer: &Tokenizer) -> Result<(), EngineError> {
    let choosing: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].chooses()).collect();
    if choosing.is_empty() {
        return Ok(());
    }
    let choices = allowed(rows)?;
    let index: Vec<i64> = choosing.iter().map(|at| *at as i64).collect();
    let logits = logits.index_select(0, &Tensor::from_slice(&index).to_device(logits.device()));
    let temperatures: Vec<f32> =
        choosing.iter().map(|at| rows[*at].ask.temperature).map(|t| if t > 0.0 { t } else { 1.0 }).collect();
    let temperatures = Tensor::from_slice(&temperatures).to_device(logits.device()).unsqueeze(1);
    let logits = restricted(logits / temperatures, &choices.iter().collect::<Vec<_>>());
    let logs = logits.log_softmax(1, Kind::Float);
    let throws: Vec<f64> =
        choosing.iter().map(|at| &rows[*at]).map(|row| row.ask.dice.throw(row.branch.tokens.len())).collect();
    let greedy = logs.argmax(1, false);
    // The first token whose share of the whole, with all before it, is more than what was landed.
    let shares = logs.to_kind(Kind::Double).exp().cumsum(1, Kind::Double);
    let whole = shares.narrow(1, shares.size()[1] - 1, 1);
    let landed = Tensor::from_slice(&throws).to_device(logs.device()).unsqueeze(1) * whole;
    let drawn = landed.searchsorted::<&Tensor>(&shares, false, true, "right", None);
    let drawn = drawn.squeeze_dim(1).clamp_max(shares.size()[1] - 1);
    let cold: Vec<bool> = choosing.iter().map(|at| rows[*at].ask.temperature <= 0.0).collect();
    let cold = Tensor::from_slice(&cold).to_device(logs.device());
    let tokens = greedy.where_self(&cold, &drawn);
    let logprobs = numbers(&logs.gather(1, &tokens.unsqueeze(1), false));
    let mut chosen = vec![0_i64; choosing.len()];
    tokens.to_device(Device::Cpu).copy_data(&mut chosen, choosing.len());
    for (((at, choice), token), logprob) in choosing.into_iter().zip(choices).zip(chosen).zip(logprobs) {
        let row = &mut rows[at];
        row.push(token as Token, choice, logprob);
        if row.over || tokenizer.ends(token as Token) {
            row.over = true;
            continue;
        }
        row.writing.take(token as Token)?;
        row.force()?;
    }
    Ok(())
}

/// What each row that has a token to choose may choose. Grammars are asked beside each other: one after the other those of
/// hundreds of rows would take longer than a GPU's step.
fn allowed(rows: &mut [Row<'_>]) -> Result<Vec<Choice>, EngineError> {
    let choosing: Vec<&mut Row<'_>> = rows.iter_mut().filter(|row| row.chooses()).collect();
    let ask = |row: &mut Row<'_>| Ok(Choice::Among(Arc::from(row.writing.allowed()?)));
    choosing.into_par_iter().with_min_len(ROWS_AT_ONCE).map(ask).collect()
}

/// Rows that a thread asks at least. A guess: a grammar takes tens of microseconds.
const ROWS_AT_ONCE: usize = 8;

/// Keys and values of what was read, by layer.
struct Cache {
    /// Of all prompts, `[prompts, kv_heads, longest, head]`, nothing behind the end of each.
    prompts: Vec<(Tensor, Tensor)>,
    /// What is added to scores, `[prompts, 1, 1, longest]`: minus infinity behind the end of each.
    ends: Tensor,
    /// Which prompt each row has.
    prompt_of: Vec<usize>,
    seats: Seats,
    /// Of each row's own tokens, `[rows, kv_heads, tokens, head]`, by layer; empty before the first step.
    own: Vec<Option<(Tensor, Tensor)>>,
    /// Behind the prompts, for each row.
    first_logits: Tensor,
}

/// Rows beside the prompts that they have: as many seats for each prompt as rows have the most wanted one.
struct Seats {
    each: i64,
    /// The row on each seat, `[prompts · each]`; on empty ones any. `None`: rows are on all seats, in order.
    rows: Option<Tensor>,
    /// The seat of each row, `[rows]`.
    of_rows: Tensor,
}

impl Seats {
    fn new(prompt_of: &[usize], prompts: usize, device: Device) -> Self {
        let mut taken = vec![0_i64; prompts];
        let nth: Vec<i64> = prompt_of.iter().map(|prompt| (taken[*prompt], taken[*prompt] += 1).0).collect();
        let each = taken.iter().copied().max().unwrap_or(0);
        let of_rows: Vec<i64> =
            prompt_of.iter().zip(&nth).map(|(prompt, nth)| *prompt as i64 * each + nth).collect();
        let mut rows = vec![0_i64; prompts * each as usize];
        for (row, seat) in of_rows.iter().enumerate() {
            rows[*seat as usize] = row as i64;
        }
        let place = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(device);
        let in_order =
            rows.len() == of_rows.len() && rows.iter().enumerate().all(|(seat, row)| seat as i64 == *row);
        Self { each, rows: (!in_order).then(|| place(&rows)), of_rows: place(&of_rows) }
    }

    /// `[rows, kv, group, any]` beside prompts: `[prompts, kv, each · group, any]`.
    fn seated(&self, of_rows: &Tensor) -> Tensor {
        let seated =
            self.rows.as_ref().map_or_else(|| of_rows.shallow_clone(), |rows| of_rows.index_select(0, rows));
        let size = seated.size();
        let beside = seated.view([-1, self.each, size[1], size[2], size[3]]).permute([0, 2, 1, 3, 4]);
        beside.reshape([-1, size[1], self.each * size[2], size[3]])
    }

    /// The way back, with `group` heads to each of keys.
    fn risen(&self, seated: &Tensor, group: i64) -> Tensor {
        let size = seated.size();
        let rows = seated.view([-1, size[1], self.each, group, size[3]]).permute([0, 2, 1, 3, 4]);
        let rows = rows.reshape([-1, size[1], group, size[3]]);
        if self.rows.is_some() { rows.index_select(0, &self.of_rows) } else { rows }
    }
}

impl Cache {
    /// Reads each prompt once, and what prompts begin with alike once for all; see [`Limits`].
    fn read(
        decoder: &Decoder,
        patch: &Patch,
        rows: &[Row<'_>],
        (shared_tokens, pack_tokens): Limits,
    ) -> Result<Self, EngineError> {
        let (mut trees, mut prompt_of) = (Vec::new(), Vec::new());
        for (at, row) in rows.iter().enumerate() {
            if at == 0 || rows[at - 1].ask.prompt != row.ask.prompt {
                // Of a branch all but the last token is read: this one stands for what is to be written.
                let branch = Branch { tokens: vec![0], choices: vec![Choice::Forced] };
                trees.push(Tree { prompt: row.ask.prompt.to_vec(), branches: vec![branch] });
            }
            prompt_of.push(trees.len() - 1);
        }
        let lengths: Vec<i64> = trees.iter().map(|tree| tree.prompt.len() as i64).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let (count, shape, device) = (trees.len() as i64, &decoder.shape, decoder.device);
        let head = [shape.kv_heads as i64, shape.head_width as i64];
        let empty = || Tensor::zeros([count * longest, head[0], head[1]], (decoder.kind, device));
        let mut prompts: Vec<(Tensor, Tensor)> = decoder.layers.iter().map(|_| (empty(), empty())).collect();
        let place = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(device);
        let layout = Layout::new(&trees, shared_tokens);
        let (mut logits, mut places) = (Vec::new(), vec![0_i64; trees.len()]);
        let mut done = 0;
        for pass in layout.passes(pack_tokens) {
            let of_pass: Vec<usize> =
                pass.clone().flat_map(|tree| layout.origins(tree)).map(|origin| origin.tree).collect();
            let pack = Pack::new(&layout.trees[pass], decoder)?;
            let (mut from, mut to) = (Vec::new(), Vec::new());
            for (prompt, rows) in of_pass.iter().zip(pack.wholes()) {
                from.extend(rows);
                let first = *prompt as i64 * longest;
                to.extend(first..first + lengths[*prompt]);
            }
            let (from, to) = (place(&from), place(&to));
            let mut hidden = decoder.embed(&pack.tokens);
            for (layer, known) in prompts.iter_mut().enumerate() {
                let attended = decoder.before_attention(layer, &hidden, &pack.rotation, patch);
                let mixed = pack.attend(&attended);
                hidden = decoder.after_attention(layer, &hidden, &mixed, patch);
                for (known, read) in [(&mut known.0, &attended.keys), (&mut known.1, &attended.values)] {
                    let _ = known.index_copy_(0, &to, &read.index_select(0, &from));
                }
            }
            let last = hidden.index_select(0, &pack.lasts());
            logits.push(decoder.head.logits(&decoder.last_norm(&last)));
            for prompt in of_pass {
                places[prompt] = done;
                done += 1;
            }
        }
        for known in prompts.iter_mut().flat_map(|(keys, values)| [keys, values]) {
            *known = known.view([count, longest, head[0], head[1]]).transpose(1, 2).contiguous();
        }
        let of_rows: Vec<i64> = prompt_of.iter().map(|at| places[*at]).collect();
        let first_logits = if logits.is_empty() {
            Tensor::zeros([0, decoder.shape.vocabulary as i64], (Kind::Float, device))
        } else {
            Tensor::cat(&logits, 0).index_select(0, &place(&of_rows))
        };
        let own = decoder.layers.iter().map(|_| None).collect();
        let at = Tensor::arange(longest, (Kind::Int64, device)).unsqueeze(0);
        let behind = at.ge_tensor(&place(&lengths).unsqueeze(1));
        let ends = Tensor::zeros([count, longest], (decoder.kind, device))
            .masked_fill(&behind, f64::NEG_INFINITY)
            .view([count, 1, 1, longest]);
        let seats = Seats::new(&prompt_of, trees.len(), device);
        Ok(Self { prompts, ends, prompt_of, seats, own, first_logits })
    }

    /// Keeps these rows only, and, once half of them have no row, only the prompts that have one.
    fn keep(&mut self, rows: &[i64]) {
        self.prompt_of = rows.iter().map(|row| self.prompt_of[*row as usize]).collect();
        let place = |numbers: &[i64], like: &Tensor| Tensor::from_slice(numbers).to_device(like.device());
        for (keys, values) in self.own.iter_mut().flatten() {
            let rows = place(rows, keys);
            (*keys, *values) = (keys.index_select(0, &rows), values.index_select(0, &rows));
        }
        let mut wanted: Vec<i64> = self.prompt_of.iter().map(|prompt| *prompt as i64).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.len() * 2 <= self.ends.size()[0] as usize {
            let wanted_here = place(&wanted, &self.ends);
            self.ends = self.ends.index_select(0, &wanted_here);
            for (keys, values) in &mut self.prompts {
                (*keys, *values) = (keys.index_select(0, &wanted_here), values.index_select(0, &wanted_here));
            }
            let place_of = |prompt: usize| wanted.binary_search(&(prompt as i64)).unwrap_or_default();
            self.prompt_of = self.prompt_of.iter().map(|prompt| place_of(*prompt)).collect();
        }
        self.seats = Seats::new(&self.prompt_of, self.ends.size()[0] as usize, self.ends.device());
    }

    /// Reads the next token of each row: the logits behind it, `[rows, vocabulary]`.
    fn step(&mut self, decoder: &Decoder, patch: &Patch, rows: &mut [Row<'_>]) -> Tensor {
        let place = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(decoder.device);
        let tokens: Vec<i64> = rows.iter().map(|row| i64::from(row.branch.tokens[row.read])).collect();
        let positions: Vec<i64> = rows.iter().map(|row| (row.ask.prompt.len() + row.read) as i64).collect();
        let rotation = decoder.rotation(&place(&positions));
        let mut hidden = decoder.embed(&place(&tokens));
        for layer in 0..decoder.layers.len() {
            let attended = decoder.before_attention(layer, &hidden, &rotation, patch);
            let mixed = self.attend(layer, &attended);
            hidden = decoder.after_attention(layer, &hidden, &mixed, patch);
        }
        for row in rows.iter_mut() {
            row.read += 1;
        }
        decoder.head.logits(&decoder.last_norm(&hidden))
    }

    /// Attention of one token a row to its prompt and its own tokens, `[rows, heads · head]`.
    fn attend(&mut self, layer: usize, attended: &Attended) -> Tensor {
        let Attended { queries, keys, values } = attended;
        let (keys, values) = (keys.unsqueeze(2), values.unsqueeze(2));
        let own = match self.own[layer].take() {
            Some((known_keys, known_values)) => {
                (Tensor::cat(&[known_keys, keys], 2), Tensor::cat(&[known_values, values], 2))
            }
            None => (keys, values),
        };
        let (prompt_keys, prompt_values) = &self.prompts[layer];
        let size = queries.size();
        let (rows, heads, head, shared) = (size[0], size[1], size[2], own.0.size()[1]);
        let (group, scale) = (heads / shared, 1.0 / (head as f64).sqrt());
        // [rows, kv, group, head] against [rows, kv, head, tokens].
        let grouped = (queries * scale).view([rows, shared, group, head]);
        let on_own = grouped.matmul(&own.0.transpose(2, 3));
        // [prompts, kv, seats · group, head] against [prompts, kv, head, longest].
        let on_prompt = self.seats.seated(&grouped).matmul(&prompt_keys.transpose(2, 3)) + &self.ends;
        let all = Tensor::cat(&[self.seats.risen(&on_prompt, group), on_own], 3);
        let weights = all.softmax(3, Kind::Float).to_kind(prompt_values.kind());
        let longest = self.ends.size()[3];
        let on_prompt = self.seats.seated(&weights.narrow(3, 0, longest));
        let from_prompt = self.seats.risen(&on_prompt.matmul(prompt_values), group);
        let on_own = weights.narrow(3, longest, weights.size()[3] - longest);
        let from_own = on_own.matmul(&own.1);
        self.own[layer] = Some(own);
        (from_prompt + from_own).reshape([rows, heads * head])
    }
}
