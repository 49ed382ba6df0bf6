//! Rows as a parquet file: the columns that verl's data sets have.
//!
//! It knows no scenes beyond their JSON. Rooms it touches: verl.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use keepsake_core::model::Role;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Sample, VerlError};

/// Rows that are held in memory at once. A manager's is as large as its bank.
const ROW_GROUP: usize = 500;

/// `prompt` is a list of messages; `ground_truth` is the scene, as JSON.
const SCHEMA: &str = "message row {
  required binary data_source (utf8);
  required group prompt (list) {
    repeated group list {
      required group element { required binary content (utf8); required binary role (utf8); }
    }
  }
  required binary ability (utf8);
  required group reward_model { required binary ground_truth (utf8); required binary style (utf8); }
  required group extra_info {
    required int64 index;
    required binary role (utf8);
    required binary split (utf8);
    required binary gold (utf8);
  }
}";

/// Writes a file, or leaves the one that is there.
pub(super) fn write(samples: &[Sample], split: &str, path: &Path) -> Result<(), VerlError> {
    let io = |source| VerlError::Io { path: path.to_owned(), source };
    let wrong = |error: ParquetError| VerlError::Rows { path: path.to_owned(), problem: error.to_string() };
    let part = path.with_extension("parquet.part");
    let mut file = File::create(&part).map_err(io)?;
    fill(&mut file, samples, split).map_err(wrong)?;
    file.sync_all().map_err(io)?;
    fs::rename(&part, path).map_err(io)
}

fn fill(file: &mut File, samples: &[Sample], split: &str) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::builder().build()))?;
    for (nth, samples) in samples.chunks(ROW_GROUP).enumerate() {
        let mut group = writer.next_row_group()?;
        rows(&mut group, samples, nth * ROW_GROUP, split)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// The columns in the order of the schema.
fn rows<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    samples: &[Sample],
    first: usize,
    split: &str,
) -> Result<(), ParquetError> {
    let each = |of: &dyn Fn(&Sample) -> String| samples.iter().map(of).collect::<Vec<String>>();
    let role = |sample: &Sample| sample.role().as_str().to_owned();
    let messages = |of: &dyn Fn(&Sample) -> [String; 2]| samples.iter().flat_map(of).collect::<Vec<String>>();

    texts(group, each(&|sample| format!("keepsake/{}", role(sample))), false)?;
    texts(group, messages(&|sample| [sample.chat.system.clone(), sample.chat.user.clone()]), true)?;
    texts(group, messages(&|_| ["system".to_owned(), "user".to_owned()]), true)?;
    texts(group, each(&|_| "memory".to_owned()), false)?;
    let scenes = samples.iter().map(|sample| sample.scene.to_json()).collect::<Result<Vec<_>, _>>();
    texts(group, scenes.map_err(|error| ParquetError::External(Box::new(error)))?, false)?;
    texts(group, each(&|_| "rule".to_owned()), false)?;
    let numbers: Vec<i64> = (first..first + samples.len()).map(|number| number as i64).collect();
    if let Some(mut column) = group.next_column()? {
        column.typed::<Int64Type>().write_batch(&numbers, None, None)?;
        column.close()?;
    }
    texts(group, each(&role), false)?;
    texts(group, each(&|_| split.to_owned()), false)?;
    texts(group, each(&|sample| sample.gold.clone()), false)
}

/// One column; of a list with two entries in each row, where `paired`.
fn texts<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    texts: Vec<String>,
    paired: bool,
) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = texts.into_iter().map(|text| ByteArray::from(text.into_bytes())).collect();
    // Every entry is there (definition 1); the second of a row goes on with its list (repetition 1).
    let levels =
        paired.then(|| (vec![1_i16; values.len()], (0..values.len()).map(|at| (at % 2) as i16).collect()));
    let (definition, repetition): (Option<Vec<i16>>, Option<Vec<i16>>) = levels.unzip();
    if let Some(mut column) = group.next_column()? {
        column.typed::<ByteArrayType>().write_batch(&values, definition.as_deref(), repetition.as_deref())?;
        column.close()?;
    }
    Ok(())
}

/// The word for an agent in a row, read back.
pub(super) fn role_named(name: &str) -> Option<Role> {
    [Role::Manager, Role::Answer].into_iter().find(|role| role.as_str() == name)
}
