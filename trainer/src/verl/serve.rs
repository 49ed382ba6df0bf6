//! The reward command: a request and a response in each line, both JSON.
//!
//! `{"role": "answer", "scene": "…", "reply": "…"}` is answered by `{"reward": 1.0, "parts": {"exact_match":
//! 1.0}}`, by `{"reward": null, …}` where the reply cannot be scored, and by `{"error": "…"}` where the row
//! is at fault. `scene` is what stands in a row's `ground_truth`, as text or as an object.
//!
//! Rooms it touches: verl; of core: model.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::role_named;
use super::scene::{Judge, Judged, Scene};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    role: String,
    scene: Value,
    reply: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Response {
    Judged(Judged),
    Failed { error: String },
}

/// Judges replies until the input ends. Fails only if it cannot be read or the output not be written.
pub fn serve_rewards(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut judge = Judge::default();
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let response =
            respond(&mut judge, &line).map_or_else(|error| Response::Failed { error }, Response::Judged);
        serde_json::to_writer(&mut output, &response)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn respond(judge: &mut Judge, line: &str) -> Result<Judged, String> {
    // What serde quotes of a request stays out: it may be what somebody said.
    let Request { role, scene, reply } = serde_json::from_str(line).map_err(|error| {
        format!("the request is not {{role, scene, reply}}, at column {}", error.column())
    })?;
    let role = role_named(&role).ok_or("the role is neither `manager` nor `answer`")?;
    let scene = scene.as_str().map_or_else(|| scene.to_string(), str::to_owned);
    let scene = Scene::from_json(role, &scene).map_err(|error| error.to_string())?;
    judge.judge(&scene, &reply).map_err(|error| error.to_string())
}
