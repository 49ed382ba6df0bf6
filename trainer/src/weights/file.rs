//! A GGUF file, memory-mapped: its head, and any tensor's rows in 32 bits.
//!
//! Models and adapters are read alike through it. Each length is checked before it is used; what the tensors mean is
//! the callers' to say.
//!
//! Rooms it touches: core.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use keepsake_core::model::gguf::{Gguf, GgufError, Tensor};
use memmap2::Mmap;

use super::blocks::{self, Block};
use super::{Weights, WeightsError, shape};

/// Values from which on a second thread unpacks half: less is done before it has started.
const WORTH_A_THREAD: usize = 1 << 18;

/// An open file.
#[derive(Debug)]
pub(super) struct GgufFile {
    pub(super) path: PathBuf,
    pub(super) head: Gguf,
    tensors: BTreeMap<String, usize>,
    bytes: Mmap,
}

impl GgufFile {
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let head = Gguf::read(path).map_err(|error| match error {
            GgufError::Io(source) => WeightsError::io("read", path)(source),
            source => WeightsError::Head { path: path.to_owned(), source },
        })?;
        let file = File::open(path).map_err(WeightsError::io("opened", path))?;
        let bytes = blocks::map(&file).map_err(WeightsError::io("mapped into memory", path))?;
        let tensors = head.tensors.iter().enumerate().map(|(at, tensor)| (tensor.name.clone(), at)).collect();
        Ok(Self { path: path.to_owned(), head, tensors, bytes })
    }

    /// All of the file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor of this name that can be unpacked.
    pub(super) fn find(&self, name: &str) -> Result<Packed<'_>, WeightsError> {
        let at = self.tensors.get(name).ok_or_else(|| WeightsError::MissingTensor(name.to_owned()))?;
        self.packed(&self.head.tensors[*at])
    }

    /// The tensors in the file's order.
    pub(super) fn all(&self) -> impl Iterator<Item = Result<Packed<'_>, WeightsError>> {
        self.head.tensors.iter().map(|tensor| self.packed(tensor))
    }

    /// A whole tensor in 32 bits.
    pub(super) fn unpack(&self, name: &str) -> Result<Weights, WeightsError> {
        let packed = self.find(name)?;
        let mut values = vec![0.0; packed.rows() * packed.columns()];
        let half = packed.rows() / 2;
        if values.len() < WORTH_A_THREAD {
            packed.unpack(0..packed.rows(), &mut values);
        } else {
            let (first, second) = values.split_at_mut(half * packed.columns());
            thread::scope(|scope| {
                scope.spawn(|| packed.unpack(0..half, first));
                packed.unpack(half..packed.rows(), second);
            });
        }
        Ok(Weights { shape: packed.shape, values })
    }

    fn packed<'a>(&'a self, tensor: &'a Tensor) -> Result<Packed<'a>, WeightsError> {
        let wrong = |problem| WeightsError::TensorData { name: tensor.name.clone(), problem };
        let block = Block::of(tensor.kind)
            .ok_or_else(|| WeightsError::TensorType { name: tensor.name.clone(), kind: tensor.kind })?;
        let shape = shape::row_major(&tensor.shape);
        let columns = *shape.last().ok_or_else(|| wrong("has no dimension"))?;
        if shape.contains(&0) || !columns.is_multiple_of(block.values) {
            return Err(wrong("has rows that are not whole blocks of its type"));
        }
        let outside = || wrong("lies outside the file");
        let start = usize::try_from(tensor.offset).map_err(|_| outside())?;
        let length = usize::try_from(tensor.bytes).map_err(|_| outside())?;
        let end = start.checked_add(length).ok_or_else(outside)?;
        let bytes = self.bytes.get(start..end).ok_or_else(outside)?;
        // The product was checked when the head was read; a file of so many bytes has few enough values.
        let values: usize = shape.iter().product();
        if values / block.values * block.bytes != bytes.len() {
            return Err(wrong("has another size than its shape"));
        }
        Ok(Packed { name: &tensor.name, shape, block, bytes })
    }
}

/// A tensor as it lies in the file. Whole rows are unpacked, the last dimension being a row.
#[derive(Debug, Clone)]
pub(super) struct Packed<'a> {
    pub(super) name: &'a str,
    /// The slowest dimension first; none is 0.
    pub(super) shape: Vec<usize>,
    pub(super) block: Block,
    bytes: &'a [u8],
}

impl Packed<'_> {
    pub(super) fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    pub(super) fn rows(&self) -> usize {
        self.shape.iter().rev().skip(1).product()
    }

    /// Unpacks these rows into `values`, which has room for exactly them.
    pub(super) fn unpack(&self, rows: Range<usize>, values: &mut [f32]) {
        let row_bytes = self.columns() / self.block.values * self.block.bytes;
        blocks::unpack(self.block, &self.bytes[rows.start * row_bytes..rows.end * row_bytes], values);
    }
}
