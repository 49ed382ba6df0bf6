//! From hidden states to log-probabilities of chosen tokens, and back.
//!
//! Only where a token was chosen, logits in 32 bits, a chunk of rows at a time; the gradient is worked out by hand and handed
//! back to the trunk, so that logits of a whole batch never exist at once.
//!
//! Rooms it touches: engine, engine::local::leaf.

use tch::{Device, Kind, Tensor};

use super::leaf::numbers;
use crate::engine::Choice;

/// Rows of logits at once, on a processor and on a GPU. 128 rows of 49,152 logits are 24 MiB.
const CPU_CHUNK: usize = 128;
const GPU_CHUNK: usize = 1024;
/// Most bytes of probabilities that are kept for the way back, likewise; others are computed again. A guess: that is little
/// beside what the layers of a pass keep.
const CPU_KEPT_BYTES: usize = 512 << 20;
const GPU_KEPT_BYTES: usize = 4 << 30;

/// The last linear: `[vocabulary, width]`, in what the base computes in, as are the rows that it is multiplied by. Products are
/// summed and given in 32 bits.
pub(super) struct Head(Tensor);

impl Head {
    pub(super) fn new(weight: Tensor) -> Self {
        Self(weight)
    }

    /// Logits `[rows, vocabulary]` of hidden states `[rows, width]`, both in 32 bits.
    pub(super) fn logits(&self, hidden: &Tensor) -> Tensor {
        self.product(hidden, &self.0.tr())
    }

    /// The derivative by hidden states from that by logits.
    fn back(&self, logits: &Tensor) -> Tensor {
        self.product(logits, &self.0)
    }

    fn product(&self, rows: &Tensor, matrix: &Tensor) -> Tensor {
        match self.0.kind() {
            Kind::Float => rows.matmul(matrix),
            kind => rows.to_kind(kind).mm_dtype(matrix, Kind::Float),
        }
    }

    fn device(&self) -> Device {
        self.0.device()
    }
}

/// The log-probabilities of a pack's chosen tokens.
pub(super) struct Chosen<'a> {
    head: &'a Head,
    /// Hidden states after the last norm, `[predicted, width]`, without history.
    hidden: Tensor,
    targets: &'a Tensor,
    choices: &'a [Choice],
    /// The rows that are a choice.
    rows: Vec<i64>,
    /// How many of them make a chunk.
    chunk: usize,
    /// Probabilities of each chunk of rows, as long as they fit.
    kept: Vec<Option<Tensor>>,
    kept_bytes: usize,
}

/// What was found for every row, forced ones included (0).
pub(super) struct Found {
    pub(super) logprobs: Vec<f32>,
    pub(super) entropies: Vec<f32>,
}

impl<'a> Chosen<'a> {
    pub(super) fn new(head: &'a Head, hidden: &Tensor, targets: &'a Tensor, choices: &'a [Choice]) -> Self {
        let is_choice = |at: &usize| choices[*at] != Choice::Forced;
        let rows = (0..choices.len()).filter(is_choice).map(|at| at as i64).collect();
        let (chunk, kept_bytes) = match head.device() {
            Device::Cpu => (CPU_CHUNK, CPU_KEPT_BYTES),
            _ => (GPU_CHUNK, GPU_KEPT_BYTES),
        };
        Self { head, hidden: hidden.detach(), targets, choices, rows, chunk, kept: Vec::new(), kept_bytes }
    }

    /// Log-probabilities and entropies. `keep`: the gradient will be asked for.
    pub(super) fn find(&mut self, keep: bool) -> Found {
        let mut found =
            Found { logprobs: vec![0.0; self.choices.len()], entropies: vec![0.0; self.choices.len()] };
        let mut bytes = 0;
        for at in 0..self.rows.len().div_ceil(self.chunk) {
            let (rows, targets, logs) = self.chunk(at);
            let chosen = logs.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);
            let probabilities = logs.exp();
            let mut logs = logs;
            let entropy = -logs.g_mul_(&probabilities).sum_dim_intlist(1, false, Kind::Float);
            for ((row, logprob), entropy) in rows.iter().zip(numbers(&chosen)).zip(numbers(&entropy)) {
                found.logprobs[*row as usize] = logprob;
                found.entropies[*row as usize] = entropy;
            }
            bytes += 4 * probabilities.numel();
            self.kept.push((keep && bytes <= self.kept_bytes).then_some(probabilities));
        }
        found
    }

    /// The loss's derivative by the hidden states, `[predicted, width]`, from its derivative by each log-probability:
    /// `dlogits = d · (onehot(target) − p)` (the derivative of log-softmax).
    pub(super) fn back(&mut self, derivative: &[f32]) -> Tensor {
        let mut gradient = self.hidden.zeros_like();
        for at in 0..self.rows.len().div_ceil(self.chunk) {
            let kept = self.kept.get_mut(at).and_then(Option::take);
            let (rows, targets, mut probabilities) = if let Some(probabilities) = kept {
                let rows = self.rows_of(at);
                (rows, self.targets.index_select(0, &self.place(rows)), probabilities)
            } else {
                let (rows, targets, logs) = self.chunk(at);
                (rows, targets, logs.exp())
            };
            let by_row: Vec<f32> = rows.iter().map(|row| derivative[*row as usize]).collect();
            let by_row = Tensor::from_slice(&by_row).to_device(self.head.device()).unsqueeze(1);
            let mut logits = probabilities.g_mul_(&-&by_row);
            let _ = logits.scatter_add_(1, &targets.unsqueeze(1), &by_row);
            let _ = gradient.index_copy_(0, &self.place(rows), &self.head.back(&logits));
        }
        gradient
    }

    /// KL(teacher ‖ own) of every row, nats, forced ones 0; and the derivative of `scale` times their sum by the own hidden
    /// states, `[predicted, width]`: `dlogits = scale · (p − q)` where q are the teacher's probabilities and p the own ones.
    /// The teacher's rows are those of the same pack.
    pub(super) fn towards(&self, teacher: &Self, scale: f64) -> (Vec<f32>, Tensor) {
        let mut divergences = vec![0.0; self.choices.len()];
        let mut gradient = self.hidden.zeros_like();
        for at in 0..self.rows.len().div_ceil(self.chunk) {
            let ((rows, _, own), (_, _, wanted)) = (self.chunk(at), teacher.chunk(at));
            let likely = wanted.exp();
            let divergence = ((wanted - &own) * &likely).sum_dim_intlist(1, false, Kind::Float);
            for (row, divergence) in rows.iter().zip(numbers(&divergence)) {
                divergences[*row as usize] = divergence;
            }
            let logits = (own.exp() - likely) * scale;
            let _ = gradient.index_copy_(0, &self.place(rows), &self.head.back(&logits));
        }
        (divergences, gradient)
    }

    fn rows_of(&self, chunk: usize) -> &[i64] {
        &self.rows[chunk * self.chunk..((chunk + 1) * self.chunk).min(self.rows.len())]
    }

    fn place(&self, rows: &[i64]) -> Tensor {
        Tensor::from_slice(rows).to_device(self.head.device())
    }

    /// Rows, targets and log-probabilities over the vocabulary of a chunk.
    fn chunk(&self, at: usize) -> (&[i64], Tensor, Tensor) {
        let rows = self.rows_of(at);
        let place = self.place(rows);
        let logits = self.head.logits(&self.hidden.index_select(0, &place));
        let choices: Vec<&Choice> = rows.iter().map(|row| &self.choices[*row as usize]).collect();
        let logits = restricted(logits, &choices);
        (rows, self.targets.index_select(0, &place), logits.log_softmax(1, Kind::Float))
    }
}

/// The logit of what may not be chosen: its probability is 0, and so is their product, which of minus infinity is no number.
const CLOSED: f64 = -1e30;

/// Logits `[rows, vocabulary]` of what each row may choose; [`CLOSED`] elsewhere.
pub(super) fn restricted(logits: Tensor, choices: &[&Choice]) -> Tensor {
    let free = choices.iter().all(|choice| !matches!(choice, Choice::Among(_)));
    if free {
        return logits;
    }
    let (rows, vocabulary) = (choices.len(), logits.size()[1]);
    let words = (vocabulary + BITS - 1) / BITS;
    let mut open = vec![0_i32; rows * words as usize];
    for (choice, line) in choices.iter().zip(open.chunks_exact_mut(words as usize)) {
        match choice {
            Choice::Among(bits) => {
                line.iter_mut().zip(bits.iter()).for_each(|(word, bits)| *word = bits.cast_signed());
            }
            _ => line.fill(-1),
        }
    }
    let device = logits.device();
    let single: Vec<i32> = (0..BITS).map(|bit| 1 << bit).collect();
    let open = Tensor::from_slice(&open).to_device(device).view([rows as i64, words, 1]);
    let closed = open.bitwise_and_tensor(&Tensor::from_slice(&single).to_device(device)).eq(0);
    let closed = closed.view([rows as i64, words * BITS]).narrow(1, 0, vocabulary);
    logits.masked_fill(&closed, CLOSED)
}

/// Tokens of a word of a choice's bits.
const BITS: i64 = 32;
