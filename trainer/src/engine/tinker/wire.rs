//! The JSON of the Tinker API, as requests are written and replies read.
//!
//! Shapes and routes are those of Thinking Machines' client (package `tinker`, 0.15.0, the JSON of `/api/v1`)
//! and of the server in SkyRL (package `skyrl`, 0.3.0, `skyrl/tinker/api.py`). What the replies hold beside
//! that is passed over. It sends nothing, and does not speak the protobuf that newer clients of Thinking
//! Machines ask their server for.
//!
//! Rooms it touches: engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::{AdamW, Token};

/// `POST create_session`.
#[derive(Serialize)]
pub(super) struct CreateSession {
    pub(super) tags: [&'static str; 1],
    pub(super) user_metadata: BTreeMap<String, String>,
    pub(super) sdk_version: &'static str,
    pub(super) r#type: &'static str,
}

#[derive(Deserialize)]
pub(super) struct Session {
    pub(super) session_id: String,
}

/// `POST session_heartbeat`.
#[derive(Serialize)]
pub(super) struct Heartbeat<'a> {
    pub(super) session_id: &'a str,
    pub(super) r#type: &'static str,
}

/// `GET get_server_capabilities`.
#[derive(Deserialize)]
pub(super) struct Capabilities {
    pub(super) supported_models: Vec<SupportedModel>,
}

#[derive(Deserialize)]
pub(super) struct SupportedModel {
    pub(super) model_name: Option<String>,
    #[serde(default)]
    pub(super) max_context_length: Option<usize>,
}

/// `POST create_model`.
#[derive(Serialize)]
pub(super) struct CreateModel<'a> {
    pub(super) session_id: &'a str,
    pub(super) model_seq_id: u64,
    pub(super) base_model: &'a str,
    pub(super) lora_config: LoraConfig,
    pub(super) r#type: &'static str,
}

/// Pairs for attention and feed-forward; none for the head, which no adapter of ours has.
#[derive(Serialize)]
pub(super) struct LoraConfig {
    pub(super) rank: usize,
    pub(super) seed: u32,
    pub(super) train_unembed: bool,
    pub(super) train_mlp: bool,
    pub(super) train_attn: bool,
}

/// What a model's creation becomes.
#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) model_id: String,
}

/// `POST unload_model`.
#[derive(Serialize)]
pub(super) struct UnloadModel<'a> {
    pub(super) model_id: &'a str,
    pub(super) r#type: &'static str,
}

/// `POST forward`.
#[derive(Serialize)]
pub(super) struct Forward<'a> {
    pub(super) model_id: &'a str,
    pub(super) seq_id: u64,
    #[serde(rename = "forward_input")]
    pub(super) batch: Batch<'a>,
}

/// `POST forward_backward`.
#[derive(Serialize)]
pub(super) struct ForwardBackward<'a> {
    pub(super) model_id: &'a str,
    pub(super) seq_id: u64,
    #[serde(rename = "forward_backward_input")]
    pub(super) batch: Batch<'a>,
}

#[derive(Serialize)]
pub(super) struct Batch<'a> {
    pub(super) data: &'a [Datum],
    pub(super) loss_fn: &'static str,
}

/// One sequence: every token but the last, and for each the token behind it with what the loss needs.
#[derive(Serialize)]
pub(super) struct Datum {
    pub(super) model_input: ModelInput,
    pub(super) loss_fn_inputs: Inputs,
}

#[derive(Serialize)]
pub(super) struct ModelInput {
    chunks: [Chunk; 1],
}

impl ModelInput {
    pub(super) fn new(tokens: &[Token]) -> Self {
        Self { chunks: [Chunk { r#type: "encoded_text", tokens: tokens.to_vec() }] }
    }

    pub(super) fn len(&self) -> usize {
        self.chunks[0].tokens.len()
    }
}

#[derive(Serialize)]
struct Chunk {
    r#type: &'static str,
    tokens: Vec<Token>,
}

/// By loss: `cross_entropy` takes weights, `importance_sampling` log-probabilities and advantages.
#[derive(Serialize)]
pub(super) struct Inputs {
    pub(super) target_tokens: Tensor<Token>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weights: Option<Tensor<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<Tensor<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advantages: Option<Tensor<f32>>,
}

/// A vector.
#[derive(Serialize)]
pub(super) struct Tensor<T> {
    data: Vec<T>,
    dtype: &'static str,
    shape: [usize; 1],
}

impl Tensor<Token> {
    pub(super) fn tokens(data: Vec<Token>) -> Self {
        Self { shape: [data.len()], data, dtype: "int64" }
    }
}

impl Tensor<f32> {
    pub(super) fn floats(data: Vec<f32>) -> Self {
        Self { shape: [data.len()], data, dtype: "float32" }
    }
}

/// What `forward` and `forward_backward` become: one output for each datum.
#[derive(Deserialize)]
pub(super) struct Passed {
    pub(super) loss_fn_outputs: Vec<LossOutput>,
}

#[derive(Deserialize)]
pub(super) struct LossOutput {
    pub(super) logprobs: Floats,
}

#[derive(Deserialize)]
pub(super) struct Floats {
    pub(super) data: Vec<f32>,
}

/// `POST optim_step`.
#[derive(Serialize)]
pub(super) struct OptimStep<'a> {
    pub(super) model_id: &'a str,
    pub(super) seq_id: u64,
    pub(super) adam_params: AdamParams,
    pub(super) r#type: &'static str,
}

#[derive(Serialize)]
pub(super) struct AdamParams {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    /// 0: none.
    grad_clip_norm: f64,
}

impl From<&AdamW> for AdamParams {
    fn from(settings: &AdamW) -> Self {
        let AdamW { learning_rate, beta1, beta2, epsilon, weight_decay, clip } = *settings;
        let grad_clip_norm = if clip.is_finite() { clip } else { 0.0 };
        Self { learning_rate, beta1, beta2, eps: epsilon, weight_decay, grad_clip_norm }
    }
}

/// What `optim_step` becomes.
#[derive(Deserialize)]
pub(super) struct Optimised {
    #[serde(default)]
    pub(super) metrics: Option<BTreeMap<String, Option<f64>>>,
}

/// `POST save_weights`: weights and optimiser under a name.
#[derive(Serialize)]
pub(super) struct SaveWeights<'a> {
    pub(super) model_id: &'a str,
    pub(super) seq_id: u64,
    pub(super) path: &'a str,
    pub(super) r#type: &'static str,
}

/// What it becomes.
#[derive(Deserialize)]
pub(super) struct Saved {
    pub(super) path: String,
}

/// `POST load_weights`.
#[derive(Serialize)]
pub(super) struct LoadWeights<'a> {
    pub(super) model_id: &'a str,
    pub(super) seq_id: u64,
    pub(super) path: &'a str,
    pub(super) optimizer: bool,
    pub(super) r#type: &'static str,
}

/// What a future becomes of which only its end matters.
#[derive(Deserialize)]
pub(super) struct Ended {}

/// `POST save_weights_for_sampler`: under a name, or for sampling only.
#[derive(Serialize)]
pub(super) struct SaveForSampler<'a> {
    pub(super) model_id: &'a str,
    pub(super) seq_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sampling_session_seq_id: Option<u64>,
    pub(super) r#type: &'static str,
}

/// What it becomes.
#[derive(Deserialize)]
pub(super) struct SavedForSampler {
    #[serde(default)]
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) sampling_session_id: Option<String>,
}

/// `POST asample`.
#[derive(Serialize)]
pub(super) struct Sample<'a> {
    pub(super) num_samples: u32,
    pub(super) prompt: ModelInput,
    pub(super) sampling_params: SamplingParams<'a>,
    pub(super) sampling_session_id: &'a str,
    pub(super) seq_id: u64,
    pub(super) r#type: &'static str,
}

#[derive(Serialize)]
pub(super) struct SamplingParams<'a> {
    pub(super) max_tokens: usize,
    pub(super) seed: u32,
    pub(super) stop: &'a [Token],
    pub(super) temperature: f32,
    pub(super) top_k: i32,
    pub(super) top_p: f32,
}

/// What it becomes.
#[derive(Deserialize)]
pub(super) struct Sampled {
    pub(super) sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
pub(super) struct Sequence {
    pub(super) stop_reason: StopReason,
    pub(super) tokens: Vec<Token>,
    #[serde(default)]
    pub(super) logprobs: Option<Vec<f32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopReason {
    Length,
    Stop,
}

/// What most requests are answered with: a promise of a result.
#[derive(Debug, Deserialize)]
pub(super) struct Future {
    pub(super) request_id: String,
    #[serde(default)]
    pub(super) model_id: Option<String>,
}

/// `POST retrieve_future`.
#[derive(Serialize)]
pub(super) struct RetrieveFuture<'a> {
    pub(super) request_id: &'a str,
}

/// What of a retrieved future says that it is no result.
#[derive(Deserialize)]
pub(super) struct Outcome {
    #[serde(default)]
    pub(super) r#type: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// What servers say beside a status that is no success. Their echo of what was sent is not read.
#[derive(Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) detail: Option<Detail>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Detail {
    Said(String),
    Fields(Vec<Field>),
}

/// A value that the server did not accept.
#[derive(Deserialize)]
pub(super) struct Field {
    #[serde(default)]
    pub(super) loc: Vec<serde_json::Value>,
    pub(super) msg: String,
}
