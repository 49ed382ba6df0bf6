//! TensorBoard's event file: scalars written, and cut at a step.
//!
//! A record is its length, that length's checksum, a protobuf message `Event`, and the message's checksum
//! (TensorFlow, `core/lib/io/record_writer.h` and `core/util/event.proto`). Images, texts and histograms are
//! not written. A viewer that has a file open while a resumed run cuts it has to be started again.
//!
//! Rooms it touches: files.

use std::path::{Path, PathBuf};

use crc::{CRC_32_ISCSI, Crc};

use super::{RecordError, Values, files};

/// Of the polynomial that iSCSI uses, also called CRC-32C.
const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// What the first event of every file says.
const VERSION: &str = "brain.Event:2";
/// Bytes of a record before its message, and behind it.
const HEAD: usize = 12;
const TAIL: usize = 4;

/// The event file of a run. TensorBoard takes every file with `tfevents` in its name.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("events.out.tfevents.keepsake")
}

/// What a file begins with.
pub(super) fn header(wall_time: f64) -> Vec<u8> {
    let mut event = time(wall_time);
    bytes(&mut event, 3, VERSION.as_bytes());
    record(&event)
}

/// An event for each value.
pub(super) fn scalars(wall_time: f64, step: u64, values: &Values) -> Vec<u8> {
    values.iter().flat_map(|(name, value)| scalar(wall_time, step, name, *value as f32)).collect()
}

/// Cuts off the events of this step and later ones, and a last one that is not whole.
pub(super) fn cut(path: &Path, from_step: u64) -> Result<(), RecordError> {
    let file = files::read(path)?;
    let mut kept = Vec::with_capacity(file.len());
    let mut at = 0;
    let damaged = |at| RecordError::Event { path: path.to_owned(), at };
    while let Some(record) = first_record(&file[at..]).map_err(|Damaged| damaged(at))? {
        if step_of(record).ok_or_else(|| damaged(at))? < from_step {
            kept.extend_from_slice(record);
        }
        at += record.len();
    }
    if kept.len() < file.len() { files::replace(path, &kept) } else { Ok(()) }
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`.
fn scalar(wall_time: f64, step: u64, name: &str, number: f32) -> Vec<u8> {
    let mut value = Vec::with_capacity(name.len() + 8);
    bytes(&mut value, 1, name.as_bytes());
    value.push(2 << 3 | 5);
    value.extend(number.to_le_bytes());
    let mut summary = Vec::with_capacity(value.len() + 4);
    bytes(&mut summary, 1, &value);
    let mut event = time(wall_time);
    event.push(2 << 3);
    varint(&mut event, step);
    bytes(&mut event, 5, &summary);
    record(&event)
}

/// An event so far: when it was, in seconds since 1970.
fn time(wall_time: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(wall_time.to_le_bytes());
    event
}

/// Adds a field that holds bytes, a text or a message.
fn bytes(message: &mut Vec<u8>, field: u8, content: &[u8]) {
    message.push(field << 3 | 2);
    varint(message, content.len() as u64);
    message.extend_from_slice(content);
}

/// Adds a number, seven bits a byte, the lowest first.
fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(HEAD + event.len() + TAIL);
    record.extend(length);
    record.extend(checksum(&length));
    record.extend_from_slice(event);
    record.extend(checksum(event));
    record
}

/// A checksum that is stored with what it is of is turned and shifted, so that checksums of checksums work.
fn checksum(of: &[u8]) -> [u8; 4] {
    CASTAGNOLI.checksum(of).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

struct Damaged;

/// The record that a piece of a file begins with; `None` where the piece ends within it.
fn first_record(piece: &[u8]) -> Result<Option<&[u8]>, Damaged> {
    let Some((head, rest)) = piece.split_first_chunk::<HEAD>() else { return Ok(None) };
    let (length, sum) = head.split_at(HEAD - TAIL);
    if sum != checksum(length) {
        return Err(Damaged);
    }
    let length = length.iter().rev().fold(0, |length: u64, byte| length << 8 | u64::from(*byte)) as usize;
    let Some((event, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    match rest.first_chunk::<TAIL>() {
        None => Ok(None),
        Some(sum) if *sum != checksum(event) => Err(Damaged),
        Some(_) => Ok(Some(&piece[..HEAD + length + TAIL])),
    }
}

/// The step of a record that was written here; 0 of the header, which has none.
fn step_of(record: &[u8]) -> Option<u64> {
    let (field, rest) = record.get(HEAD + 9..record.len() - TAIL)?.split_first()?;
    match field {
        26 => Some(0),
        16 => {
            let end = rest.iter().position(|byte| byte & 0x80 == 0).filter(|end| *end < 10)?;
            Some(rest[..=end].iter().rev().fold(0, |step, byte| step << 7 | u64::from(byte & 0x7f)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_events;
    use super::{cut, header, scalars};

    /// A header, and two values of each of these steps.
    fn file(steps: &[u64]) -> Vec<u8> {
        let values = [("reward/mean".to_owned(), 0.5), ("länge".to_owned(), -3e20)];
        let events = steps.iter().flat_map(|step| scalars(1e9 + *step as f64, *step, &values));
        header(1e9).into_iter().chain(events).collect()
    }

    #[test]
    fn an_independent_reader_finds_what_was_written() {
        // Steps on both sides of where a number takes one byte more.
        let steps = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), i64::MAX as u64];
        let events = read_events(&file(&steps));
        assert_eq!(events[0].version.as_deref(), Some("brain.Event:2"));
        assert_eq!(events.len(), 1 + 2 * steps.len());
        for (pair, step) in events[1..].chunks(2).zip(steps) {
            assert!(pair.iter().all(|event| event.step == step));
            assert!(pair.iter().all(|event| event.wall_time.to_bits() == (1e9 + step as f64).to_bits()));
            assert_eq!(pair[0].scalar, Some(("reward/mean".to_owned(), 0.5)));
            assert_eq!(pair[1].scalar, Some(("länge".to_owned(), -3e20)));
        }
        let odd = scalars(0.0, 1, &[("a".to_owned(), f64::NAN), ("b".to_owned(), 1e300)]);
        let odd: Vec<f32> = read_events(&odd).into_iter().map(|event| event.scalar.unwrap().1).collect();
        assert!(odd[0].is_nan() && odd[1] == f32::INFINITY);
    }

    #[test]
    fn later_steps_and_a_torn_record_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let (all, kept) = (file(&[0, 1, 200, 300]), file(&[0, 1, 200]));
        for (from_step, left) in [(300, &kept), (201, &kept), (0, &Vec::new()), (301, &all)] {
            std::fs::write(&path, &all).unwrap();
            cut(&path, from_step).unwrap();
            assert_eq!(&std::fs::read(&path).unwrap(), left, "from step {from_step}");
        }
        // The records of step 300 end here.
        let ends =
            [kept.len(), kept.len() + scalars(0.0, 300, &[("reward/mean".to_owned(), 0.0)]).len(), all.len()];
        for length in kept.len()..all.len() {
            std::fs::write(&path, &all[..length]).unwrap();
            cut(&path, 301).unwrap();
            let end = ends.into_iter().rfind(|end| *end <= length).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), all[..end], "{length} bytes");
        }
    }

    #[test]
    fn a_damaged_record_is_named_by_its_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let (whole, at) = (file(&[0, 1]), header(1e9).len());
        for byte in [at, at + 8, at + 12, at + 30] {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            let error = cut(&path, 5).unwrap_err().to_string();
            assert!(error.contains(&format!("the record at byte {at} is damaged")), "byte {byte}: {error}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
        }
    }
}
