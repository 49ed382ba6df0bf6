//! Whether a model fits into memory, reckoned from its head before a byte of it is loaded.
//!
//! Rooms it touches: model, model::gguf.

use super::{CacheType, LlamaSettings, context, session};
use crate::model::ModelError;
use crate::model::gguf::Gguf;

const MIB: u64 = 1 << 20;
/// Tokens of all starts that are kept in memory: four steps have about 450 together, under two pairs of adapters.
const START_TOKENS: u32 = 1024;

/// Refuses a model that needs more than is available: with both numbers.
pub(super) fn check(settings: &LlamaSettings, head: &Gguf, context_tokens: u32) -> Result<(), ModelError> {
    let needed = needed_bytes(settings, head, context_tokens);
    let available = settings.memory_limit.map_or_else(available_bytes, |limit| limit.min(available_bytes()));
    if needed > available {
        return Err(ModelError::TooLarge {
            path: settings.model.clone(),
            needed_mib: needed.div_ceil(MIB),
            available_mib: available / MIB,
        });
    }
    Ok(())
}

/// Weights, KV cache of the larger of both shapes of context, logits and activations of one step, and 32 MiB for the
/// rest. An estimate: measured on SmolLM2-135M it is above what is really taken.
fn needed_bytes(settings: &LlamaSettings, head: &Gguf, context_tokens: u32) -> u64 {
    let of = |key| head.of_architecture(key);
    let width = of("embedding_length").unwrap_or(4096);
    let kv_heads = of("attention.head_count_kv").unwrap_or(heads(head));
    let vocabulary = head.array_length("tokenizer.ggml.tokens").unwrap_or(32_000);
    // Bits of a key and a value together.
    let bits = if settings.cache == CacheType::Q8_0 && head_width(head).is_multiple_of(32) { 17 } else { 32 };
    // Keys and values of one token in all layers.
    let per_token = [of("block_count").unwrap_or(32), kv_heads, head_width(head), bits]
        .into_iter()
        .fold(1, u64::saturating_mul)
        / 8;
    let in_context = context_tokens.max(session::LANES * context::LANE_TOKENS.min(context_tokens));
    let most_tokens = in_context + START_TOKENS;
    let cache = per_token.saturating_mul(u64::from(most_tokens));
    let step = u64::from(context::LONG_STEP)
        .saturating_mul(vocabulary.saturating_add(width.saturating_mul(16)).saturating_mul(4));
    head.tensor_bytes.saturating_add(cache).saturating_add(step).saturating_add(32 * MIB)
}

fn heads(head: &Gguf) -> u64 {
    head.of_architecture("attention.head_count").unwrap_or(32).max(1)
}

/// Numbers of a key of one attention head.
pub(super) fn head_width(head: &Gguf) -> u64 {
    let width = head.of_architecture("embedding_length").unwrap_or(4096);
    head.of_architecture("attention.key_length").unwrap_or(width / heads(head))
}

/// What the system can give without swapping; the container's limit where it is lower.
fn available_bytes() -> u64 {
    // Where the system does not say, nothing is refused.
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let whole = system.available_memory();
    system.cgroup_limits().map_or(whole, |limits| limits.free_memory.min(whole))
}
