//! Quantising a model file with llama.cpp's own quantiser.
//!
//! It is asked only for files that were checked to be whole models of plain numbers, because it stops the process over
//! some that are not. It needs none of llama.cpp's processor modules. What it prints is kept from standard error, and
//! its last words are in the error.
//!
//! Rooms it touches: none.

#![allow(unsafe_code)] // each with its SAFETY; see also `blocks`

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use llama_cpp_sys_2 as llama;

use super::blocks::Block;
use super::replace::replace_by;
use super::{Base, WeightsError};

/// The types offered: those that llama.cpp quantises to without a matrix of importance and that `blocks` unpacks.
const TYPES: [(&str, llama::llama_ftype); 10] = [
    ("Q4_0", llama::LLAMA_FTYPE_MOSTLY_Q4_0),
    ("Q4_1", llama::LLAMA_FTYPE_MOSTLY_Q4_1),
    ("Q5_0", llama::LLAMA_FTYPE_MOSTLY_Q5_0),
    ("Q5_1", llama::LLAMA_FTYPE_MOSTLY_Q5_1),
    ("Q8_0", llama::LLAMA_FTYPE_MOSTLY_Q8_0),
    ("Q4_K_S", llama::LLAMA_FTYPE_MOSTLY_Q4_K_S),
    ("Q4_K_M", llama::LLAMA_FTYPE_MOSTLY_Q4_K_M),
    ("Q5_K_S", llama::LLAMA_FTYPE_MOSTLY_Q5_K_S),
    ("Q5_K_M", llama::LLAMA_FTYPE_MOSTLY_Q5_K_M),
    ("Q6_K", llama::LLAMA_FTYPE_MOSTLY_Q6_K),
];

/// Writes the model at `input`, of plain numbers, quantised as `kind`: `Q4_K_M`, `Q4_1`, `Q8_0` and their like.
pub fn quantise(input: &Path, out_path: &Path, kind: &str) -> Result<(), WeightsError> {
    let wrong = |problem: String| WeightsError::Quantise { path: input.to_owned(), problem };
    let Some((_, file_type)) = TYPES.into_iter().find(|(name, _)| *name == kind) else {
        let names = TYPES.map(|(name, _)| name).join(", ");
        return Err(wrong(format!("`{kind}` is no type that is offered; use one of {names}")));
    };
    check(input)?;
    let input_text = c_text(input).map_err(wrong)?;
    replace_by(out_path, |part| {
        let part_text = c_text(part).map_err(wrong)?;
        call(&input_text, &part_text, file_type).map_err(wrong)
    })
}

/// Checks that it is a whole model of plain numbers.
fn check(input: &Path) -> Result<(), WeightsError> {
    let wrong = |problem: String| WeightsError::Quantise { path: input.to_owned(), problem };
    let model = Base::open(input)?;
    // llama.cpp copies the entry and writes with the default all the same.
    if model.file.head.integer("general.alignment").is_some_and(|alignment| alignment != 32) {
        return Err(wrong("its tensors are aligned unusually; write it with `merge` first".to_owned()));
    }
    for tensor in model.file.all() {
        let tensor = tensor?;
        if ![Block::F32, Block::F16, Block::BF16].contains(&tensor.block) {
            let name = tensor.name;
            return Err(wrong(format!(
                "`{name}` is quantised already and would lose twice; use an F16 or F32 file"
            )));
        }
    }
    Ok(())
}

fn c_text(path: &Path) -> Result<CString, String> {
    let text = path.to_str().ok_or("llama.cpp takes only paths that are valid UTF-8; use another folder")?;
    CString::new(text).map_err(|_| "a path cannot hold a zero byte".to_owned())
}

/// What llama.cpp last called an error.
static LAST_WORDS: Mutex<String> = Mutex::new(String::new());

unsafe extern "C" fn listen(level: llama::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if level != llama::GGML_LOG_LEVEL_ERROR || text.is_null() {
        return;
    }
    // SAFETY: llama.cpp hands over a C string that lives until this function returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned();
    *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

fn call(input: &CStr, out: &CStr, file_type: llama::llama_ftype) -> Result<(), String> {
    // The log's listener is one for the process: one quantisation at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    // SAFETY: the settings are llama.cpp's defaults, whose pointers are null, which it allows. Both texts end in zero
    // and outlive the call, which keeps neither; C++ exceptions end inside it. The listener takes any thread, does not
    // panic and looks at no data, so the data of the one before stay where they are: whoever logs while the two change
    // places never meets one with the other's. Where someone sets a listener meanwhile, it is lost, which costs messages.
    let failed = unsafe {
        let mut params = llama::llama_model_quantize_default_params();
        params.ftype = file_type;
        let (mut before, mut data) = (None, std::ptr::null_mut());
        llama::llama_log_get(&raw mut before, &raw mut data);
        llama::llama_log_set(Some(listen), data);
        let failed = llama::llama_model_quantize(input.as_ptr(), out.as_ptr(), &raw const params);
        llama::llama_log_set(before, data);
        failed
    };
    let words = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("llama.cpp says: {words}; check the free space and the file"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, lora, model, shape};
    use super::super::{Architecture, Precision, Shape, dequantise, judge, merge};
    use super::*;

    /// A model whose rows are a multiple of 256, as the K types need.
    fn wide(folder: &Folder, width: usize) -> Base {
        let small = shape(Architecture::Llama);
        let wide = Shape { width, hidden: width, head_width: width / 4, rope_width: width / 4, ..small };
        Base::open(&folder.file("wide.gguf", &model(&wide).finish())).unwrap()
    }

    /// Root of the mean square of the error, against that of the values.
    fn error(before: &[f32], after: &[f32]) -> f64 {
        let square = |value: f32| f64::from(value) * f64::from(value);
        let errors: f64 = before.iter().zip(after).map(|(before, after)| square(before - after)).sum();
        (errors / before.iter().map(|value| square(*value)).sum::<f64>()).sqrt()
    }

    /// Values spread evenly over an interval, cut into n steps, are off by 1 / n of their spread: 1/15 with 4 bits, 1/31
    /// with 5, 1/63 with 6, 1/255 with 8. Scales are coarse too, so each may be a fifth more; half of it would be too
    /// good to be true.
    #[test]
    fn what_was_quantised_comes_back_as_close_as_its_bits_allow() {
        let folder = Folder::new();
        let base = wide(&folder, 256);
        let name = "blk.0.ffn_gate.weight";
        let before = base.tensor(name).unwrap().values;
        for (kind, ggml_type, steps) in [
            ("Q4_0", llama::GGML_TYPE_Q4_0, 15.0),
            ("Q4_1", llama::GGML_TYPE_Q4_1, 15.0),
            ("Q4_K_S", llama::GGML_TYPE_Q4_K, 15.0),
            ("Q4_K_M", llama::GGML_TYPE_Q4_K, 15.0),
            ("Q5_0", llama::GGML_TYPE_Q5_0, 31.0),
            ("Q5_1", llama::GGML_TYPE_Q5_1, 31.0),
            ("Q5_K_S", llama::GGML_TYPE_Q5_K, 31.0),
            ("Q5_K_M", llama::GGML_TYPE_Q5_K, 31.0),
            ("Q6_K", llama::GGML_TYPE_Q6_K, 63.0),
            ("Q8_0", llama::GGML_TYPE_Q8_0, 255.0),
        ] {
            let path = folder.path().join(kind);
            quantise(base.path(), &path, kind).unwrap();
            let quantised = Base::open(&path).unwrap();
            assert_eq!(quantised.file.find(name).unwrap().block.kind, ggml_type, "{kind}");
            let off = error(&before, &quantised.tensor(name).unwrap().values) * steps;
            assert!((0.5..1.2).contains(&off), "{kind}: {off} of a step");
            let (norm, said) = (quantised.tensor("output_norm.weight").unwrap(), quantised.shape());
            assert_eq!(norm, base.tensor("output_norm.weight").unwrap());
            assert_eq!(said, base.shape());
        }
    }

    /// Rows of 32 in a file of a K type are of a type with blocks of 32, which must be read as well.
    #[test]
    fn narrow_rows_fall_back_and_are_read() {
        let folder = Folder::new();
        let base = wide(&folder, 32);
        for (kind, ggml_type) in [("Q4_K_M", llama::GGML_TYPE_Q5_0), ("Q5_K_M", llama::GGML_TYPE_Q5_1)] {
            let path = folder.path().join(kind);
            quantise(base.path(), &path, kind).unwrap();
            let quantised = Base::open(&path).unwrap();
            assert_eq!(quantised.file.find("blk.0.ffn_gate.weight").unwrap().block.kind, ggml_type);
        }
    }

    /// The delivery of a whole model: merged in 16 bits, quantised once, and llama.cpp says nearly what it says in 32.
    #[test]
    fn a_merged_model_can_be_quantised_and_run() {
        let folder = Folder::new();
        let base = wide(&folder, 256);
        let (exact, half) = (folder.path().join("exact.gguf"), folder.path().join("half.gguf"));
        let mut lora = lora(base.shape(), 2);
        lora.alpha = 0.1;
        merge(&base, &lora, &exact, Precision::F32).unwrap();
        merge(&base, &lora, &half, Precision::F16).unwrap();
        let small = folder.path().join("small.gguf");
        quantise(&half, &small, "Q8_0").unwrap();
        let tokens = [0, 1, 2, 1, 0];
        let (exact, small) = (judge::logits(&exact, None, &tokens), judge::logits(&small, None, &tokens));
        assert!(judge::difference(&small, &exact) < 0.05, "{small:?} {exact:?}");
        assert!(judge::difference(&judge::logits(base.path(), None, &tokens), &exact) > 0.1);
    }

    #[test]
    fn a_quantised_base_is_dequantised_exactly() {
        let folder = Folder::new();
        let base = wide(&folder, 256);
        let (small, plain) = (folder.path().join("small.gguf"), folder.path().join("plain.gguf"));
        quantise(base.path(), &small, "Q4_K_M").unwrap();
        let small = Base::open(&small).unwrap();
        dequantise(&small, &plain, Precision::F32).unwrap();
        let plain = Base::open(&plain).unwrap();
        for tensor in &small.file.head.tensors {
            assert_eq!(small.tensor(&tensor.name).unwrap(), plain.tensor(&tensor.name).unwrap());
            assert_eq!(plain.file.find(&tensor.name).unwrap().block, Block::F32);
        }
    }

    #[test]
    fn what_cannot_be_quantised_is_refused_and_leaves_nothing_behind() {
        let folder = Folder::new();
        let base = wide(&folder, 256);
        let out = folder.file("out.gguf", b"as before");
        let refused = |input: &Path, kind: &str| {
            let said = quantise(input, &out, kind).unwrap_err().to_string();
            assert_eq!(std::fs::read(&out).unwrap(), b"as before");
            said
        };
        assert!(refused(base.path(), "IQ2_XXS").contains("use one of Q4_0, Q4_1"));
        assert!(refused(Path::new("/nowhere"), "Q8_0").contains("/nowhere"));
        let small = folder.path().join("small.gguf");
        quantise(base.path(), &small, "Q8_0").unwrap();
        assert!(refused(&small, "Q4_0").contains("quantised already"));
        let bytes = std::fs::read(base.path()).unwrap();
        refused(&folder.file("cut.gguf", &bytes[..bytes.len() - 40]), "Q8_0");
        // llama.cpp validates values: what it says is passed on.
        let mut damaged = bytes.clone();
        let data =
            base.file.head.tensors.iter().find(|tensor| tensor.name == "blk.0.ffn_up.weight").unwrap().offset;
        damaged[data as usize..data as usize + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        let said = refused(&folder.file("damaged.gguf", &damaged), "Q8_0");
        assert!(said.contains("llama.cpp says: ") && said.contains("invalid data"), "{said}");
        // The head is read with the alignment it names, the data a little later: enough to see it refused.
        let aligned = |alignment| model(base.shape()).u32("general.alignment", alignment).finish();
        let unusual = [aligned(64), vec![0; 64]].concat();
        assert!(refused(&folder.file("aligned.gguf", &unusual), "Q8_0").contains("aligned unusually"));
        quantise(&folder.file("aligned.gguf", &aligned(32)), &small, "Q8_0").unwrap();
        assert_eq!(
            folder.names(),
            ["aligned.gguf", "cut.gguf", "damaged.gguf", "out.gguf", "small.gguf", "wide.gguf"]
        );
    }
}
