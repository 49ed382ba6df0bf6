//! What the tests of several rooms share: a made-up run by seed, and a reader of event files that shares no
//! code with the writer. Not part of the library.
//!
//! Rooms it touches: recorder.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use super::{Recorder, SampleLine};

/// An event as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Event {
    pub(super) wall_time: f64,
    pub(super) step: u64,
    pub(super) version: Option<String>,
    pub(super) scalar: Option<(String, f32)>,
}

/// All events of a file; panics where one is not as TensorFlow describes it.
pub(super) fn read_events(mut file: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !file.is_empty() {
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        assert_eq!(file[8..12], masked(&file[..8]), "the length's checksum is wrong");
        let message = &file[12..12 + length];
        assert_eq!(file[12 + length..16 + length], masked(message), "the message's checksum is wrong");
        events.push(read_event(message));
        file = &file[16 + length..];
    }
    events
}

fn read_event(message: &[u8]) -> Event {
    let mut event = Event::default();
    for (field, content) in fields(message) {
        match field {
            1 => event.wall_time = f64::from_le_bytes(content.try_into().unwrap()),
            2 => event.step = u64::from_le_bytes(content.try_into().unwrap()),
            3 => event.version = Some(String::from_utf8(content).unwrap()),
            5 => {
                let summary = fields(&content);
                assert_eq!((summary.len(), summary[0].0), (1, 1));
                let value = fields(&summary[0].1);
                assert_eq!(value.iter().map(|(field, _)| *field).collect::<Vec<_>>(), [1, 2]);
                let tag = String::from_utf8(value[0].1.clone()).unwrap();
                event.scalar = Some((tag, f32::from_le_bytes(value[1].1[..].try_into().unwrap())));
            }
            other => panic!("an event has a field {other}"),
        }
    }
    event
}

/// Fields of a message in the order they stand; a varint as eight bytes.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    let varint = |message: &mut &[u8]| {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = message[0];
            *message = &message[1..];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    };
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, varint(&mut message).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("no field is of wire type {other}"),
        };
        fields.push((key >> 3, message[..length].to_vec()));
        message = &message[length..];
    }
    fields
}

/// CRC-32C bit by bit (RFC 3720, appendix B.4), turned and shifted as TensorFlow does.
fn masked(bytes: &[u8]) -> [u8; 4] {
    let crc = !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[test]
fn the_readers_checksum_is_that_of_the_rfc() {
    // RFC 3720, B.4: 32 bytes of zeros give 8a9136aa, 32 of ones 62a8ab43; masked by hand.
    let mask = |crc: u32| crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    assert_eq!(masked(&[0; 32]), mask(0x8a91_36aa));
    assert_eq!(masked(&[0xff; 32]), mask(0x62a8_ab43));
}

/// Records a made-up GRPO run of so many steps, with everything that a run gives.
pub(super) fn made_up_run(folder: &Path, steps: u64) {
    let mut dice = fastrand::Rng::with_seed(7);
    let mut recorder = Recorder::open(folder, 0).unwrap();
    for step in 0..steps {
        recorder.step(step, &made_up_values(&mut dice, step)).unwrap();
        let sample = |nth: u64| SampleLine {
            about: format!("story {nth}: what does Ana | Bea\ndrink?"),
            said: "She moved from <coffee> to tea, *and* then back. ".repeat(1 + nth as usize),
            reward: (nth != 1).then_some(0.25 * nth as f64),
            advantage: nth as f64 - 1.5,
        };
        recorder.samples(step, &(0..4).map(sample).collect::<Vec<_>>()).unwrap();
        if step % 20 == 0 {
            let level = 0.3 + 0.5 * (1.0 - (-(step as f64) / 70.0).exp());
            for (name, less) in [("held-out", 0.05), ("locomo", 0.2)] {
                let values =
                    [("reward/mean", level - less), ("operations/accuracy", 0.9 * level + 0.1 - less)];
                let values = values.map(|(name, value)| (name.to_owned(), value + 0.01 * normal(&mut dice)));
                recorder.evaluation(step, name, &values).unwrap();
            }
        }
    }
}

fn made_up_values(dice: &mut fastrand::Rng, step: u64) -> Vec<(String, f64)> {
    let (time, skipped) = (step as f64, step == 37 || step == 120);
    let learned = 1.0 - (-time / 60.0).exp();
    let mut noisy = |mean: f64, deviation: f64| mean + deviation * normal(dice);
    let values = [
        ("reward/mean", noisy(0.25 + 0.5 * learned, 0.05)),
        ("reward/exact", noisy(0.15 + 0.45 * learned, 0.06)),
        ("reward/f1", noisy(0.3 + 0.5 * learned, 0.04)),
        ("reward/form", noisy(0.9 + 0.09 * learned, 0.01)),
        ("reward/cost", noisy(-0.05 - 0.02 * learned, 0.01)),
        ("groups/zero_variance_fraction", noisy(0.1 + 0.3 * learned, 0.05).max(0.0)),
        ("policy/approx_kl_k3", noisy(0.004 * learned, 0.0005).abs()),
        ("policy/entropy", noisy(0.6 - 0.3 * learned, 0.02)),
        ("policy/clip_fraction_low", noisy(0.002, 0.001).abs()),
        ("policy/clip_fraction_high", noisy(0.004, 0.002).abs()),
        ("policy/clip_fraction_dual", 0.0),
        ("policy/ratio_mean", noisy(1.0, 0.002)),
        ("policy/mismatch_kl_k3", noisy(0.0006, 0.0001).abs()),
        ("policy/policy_loss", noisy(-0.01, 0.01)),
        (
            "gradient/norm",
            if skipped { f64::NAN } else { noisy(0.4, 0.1).abs() * if step == 60 { 900.0 } else { 1.0 } },
        ),
        ("gradient/skipped", f64::from(u8::from(skipped))),
        ("length/reply", noisy(60.0 + 30.0 * learned, 6.0)),
        ("length/prompt", noisy(2_900.0, 120.0)),
        ("critic/value_loss", noisy(0.08 * (-time / 30.0).exp() + 0.02, 0.003)),
        ("critic/explained_variance", noisy(0.7 * learned - 2.0 * (-time / 5.0).exp(), 0.05)),
        ("sft/loss", noisy(1.8 * (-time / 40.0).exp() + 0.3, 0.03)),
        ("speed/tokens_per_second", noisy(6_200.0, 150.0)),
        ("speed/model_flop_utilisation", noisy(0.31, 0.01)),
        ("seconds/sample", noisy(9.0 + 3.0 * learned, 0.8)),
        ("seconds/train", noisy(6.0, 0.4)),
        ("seconds/reference", noisy(1.6, 0.1)),
        ("seconds/other", noisy(0.5, 0.1).abs() + 0.2 * (1.0 + (time * PI / 25.0).sin())),
        ("learning_rate", 5e-5 * ((time + 1.0) / 10.0).min(1.0)),
    ];
    values.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// Normally distributed, by Box and Muller.
fn normal(dice: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - dice.f64()).ln()).sqrt() * (TAU * dice.f64()).cos()
}
