//! A sentence-embedding model in ONNX Runtime: tokens in, masked mean, unit vector out.
//!
//! Written for all-MiniLM-L6-v2 with int8 weights; any encoder with the same inputs and one output of
//! shape `[batch, sequence, dims]` works. It deliberately fetches nothing, knows no default paths, and
//! never hands text or a runtime's message about a text to a log or an error.
//!
//! A text counts up to its first 256 tokens. A vector does not depend on the texts beside it in
//! a batch: only the weights are quantised, activations stay f32 (measured: bit for bit the same).
//!
//! Measured on a busy 2-core x86-64 machine: 190 MiB resident once loaded (ONNX Runtime widens the 23 MB of
//! weights to f32; 267 MiB for a moment while it does), nothing more after 64 texts of 40 words, which run at
//! 80 to 130 a second. The runtime's arena and memory pattern would keep 40 MiB more and are no faster, so
//! both are off. Keeping the weights int8 (no constant folding) would save 80 MiB and is six times slower for
//! a text alone, so they are widened.
//!
//! Rooms it touches: none.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use once_cell::sync::OnceCell;
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};
use sha2::{Digest, Sha256};
use tokenizers::{Tokenizer, TruncationParams};

use super::pool::masked_mean;
use super::{EmbedError, Embedder, Vector};

/// Tokens of a text that count, with the two the model puts around it. all-MiniLM-L6-v2 was evaluated by its
/// authors at 256 and knows no more than 512.
const MAX_TOKENS: usize = 256;
/// Bytes of a text that are looked at. 256 tokens of any language take far fewer, and it keeps a megabyte
/// of text from being tokenised for nothing.
const MAX_BYTES: usize = 16 * 1024;
/// Most texts in one run of the model. A guess: beyond it throughput no longer grows on two cores.
const MAX_BATCH_TEXTS: usize = 16;
/// Most tokens in one run, padding included. Attention takes several tensors of `batch × 12 heads ×
/// sequence²` f32 at once: texts of 256 tokens raise the peak by nothing over that of loading at 512, by 80
/// to 190 MiB at 1,024, and are no faster.
const MAX_BATCH_TOKENS: usize = 512;

/// Where the model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxFiles {
    /// The model, one ONNX file with its weights inside.
    pub model: PathBuf,
    /// Its `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// The shared library of ONNX Runtime, 1.24 or later.
    pub runtime: PathBuf,
}

/// A sentence-embedding model, loaded. May be called from many threads; they take turns.
pub struct OnnxEmbedder {
    /// `Session::run` wants `&mut`, although the runtime itself would not mind sharing.
    session: Mutex<Session>,
    tokenizer: Tokenizer,
    shape: ModelShape,
    identity: String,
}

impl OnnxEmbedder {
    /// Loads the model and tries it once, so that what can fail fails here. `threads` work on one batch.
    ///
    /// ONNX Runtime is loaded once in a process: after the first success another `files.runtime` is ignored.
    pub fn open(files: &OnnxFiles, threads: usize) -> Result<Self, EmbedError> {
        let model = read(&files.model)?;
        let tokenizer = read(&files.tokenizer)?;
        let identity = identity(&model, &tokenizer);
        let tokenizer = load_tokenizer(&files.tokenizer, &tokenizer)?;
        let session = load_session(runtime(&files.runtime)?, &model, threads)
            .map_err(|error| unusable(&files.model, error.to_string()))?;
        let shape = ModelShape::of(&session).map_err(|what| unusable(&files.model, what))?;
        let embedder = Self { session: Mutex::new(session), tokenizer, shape, identity };
        embedder.try_largest_token().map_err(|error| unusable(&files.model, error.to_string()))?;
        Ok(embedder)
    }

    /// Runs the model on the tokenizer's largest token: a model of another vocabulary fails here, not in the
    /// middle of somebody's conversation.
    fn try_largest_token(&self) -> Result<(), EmbedError> {
        let largest = self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        self.run(&[&[i64::from(largest)]]).map(drop)
    }

    /// The tokens of a text, at most [`MAX_TOKENS`].
    fn tokens(&self, text: &str) -> Result<Vec<i64>, EmbedError> {
        let text = &text[..text.floor_char_boundary(MAX_BYTES)];
        // The tokenizer's own message could quote the text, so it is not passed on.
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|_| EmbedError::Failed("the tokenizer refused a text".to_owned()))?;
        Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    }

    /// One run of the model: a vector for each row of tokens.
    fn run(&self, rows: &[&[i64]]) -> Result<Vec<Vector>, EmbedError> {
        let (ids, mask, sequence) = padded(rows);
        let expected = [rows.len(), sequence, self.shape.dimensions];
        let inputs =
            self.shape.inputs([rows.len(), sequence], ids, mask.clone()).map_err(|error| failed(&error))?;
        // A panic elsewhere cannot have left the runtime's session half changed.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(|error| failed(&error))?;
        let output = outputs.get(&self.shape.output).ok_or_else(|| not_a_vector("no output"))?;
        let (shape, hidden) = output.try_extract_tensor::<f32>().map_err(|error| failed(&error))?;
        if !shape.iter().copied().eq(expected.map(|size| size as i64)) {
            return Err(not_a_vector("an output of another shape than it promised"));
        }
        let means = masked_mean(hidden, &mask, expected).ok_or_else(|| not_a_vector("no tokens"))?;
        means
            .into_iter()
            .map(|mean| Vector::normalised(mean).ok_or_else(|| not_a_vector("a vector without a direction")))
            .collect()
    }
}

impl Embedder for OnnxEmbedder {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.shape.dimensions
    }

    /// The first 256 tokens of each text count, out of its first 16 KiB.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vector>, EmbedError> {
        let rows = texts.iter().map(|text| self.tokens(text)).collect::<Result<Vec<_>, _>>()?;
        let mut placed = Vec::with_capacity(rows.len());
        for batch in batches(&rows) {
            let group: Vec<&[i64]> = batch.iter().map(|place| rows[*place].as_slice()).collect();
            placed.extend(batch.into_iter().zip(self.run(&group)?));
        }
        placed.sort_unstable_by_key(|(place, _)| *place);
        Ok(placed.into_iter().map(|(_, vector)| vector).collect())
    }
}

/// Places in `rows`, grouped so that texts of similar length are padded together.
fn batches(rows: &[Vec<i64>]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|place| rows[*place].len());
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for place in order {
        // Shortest first, so the newest text is the one all others of its batch are padded to.
        let fits = |batch: &Vec<usize>| {
            batch.len() < MAX_BATCH_TEXTS && (batch.len() + 1) * rows[place].len() <= MAX_BATCH_TOKENS
        };
        match batches.last_mut() {
            Some(batch) if fits(batch) => batch.push(place),
            _ => batches.push(vec![place]),
        }
    }
    batches
}

/// Token ids and mask, both of shape `[batch, sequence]`, and the sequence length: that of the longest row,
/// and at least one, because a tensor without elements is refused.
fn padded(rows: &[&[i64]]) -> (Vec<i64>, Vec<i64>, usize) {
    let sequence = rows.iter().map(|row| row.len()).max().unwrap_or(0).max(1);
    let mut ids = vec![0; rows.len() * sequence];
    let mut mask = vec![0; rows.len() * sequence];
    for (place, row) in rows.iter().enumerate() {
        let start = place * sequence;
        ids[start..start + row.len()].copy_from_slice(row);
        mask[start..start + row.len()].fill(1);
    }
    (ids, mask, sequence)
}

/// What the model takes and gives.
#[derive(Debug, PartialEq, Eq)]
struct ModelShape {
    /// Whether it wants `token_type_ids`; all are zero, for a text that stands alone.
    token_types: bool,
    /// Name of the output of shape `[batch, sequence, dims]`.
    output: String,
    /// The last of these.
    dimensions: usize,
}

impl ModelShape {
    const IDS: &str = "input_ids";
    const MASK: &str = "attention_mask";
    const TYPES: &str = "token_type_ids";

    /// Reads it from a session; the error says what is wrong with the model.
    fn of(session: &Session) -> Result<Self, String> {
        let wants = |name: &str| session.inputs().iter().any(|input| input.name() == name);
        for name in [Self::IDS, Self::MASK] {
            if !wants(name) {
                return Err(format!("it has no input {name}"));
            }
        }
        for input in session.inputs() {
            check_input(input)?;
        }
        let (output, dimensions) = session
            .outputs()
            .iter()
            .find_map(|output| Some((output.name().to_owned(), token_dimensions(output.dtype())?)))
            .ok_or("it has no output of shape [batch, sequence, dims] in f32")?;
        Ok(Self { token_types: wants(Self::TYPES), output, dimensions })
    }

    /// The tensors of one run, each of shape `[batch, sequence]`.
    fn inputs(
        &self,
        shape: [usize; 2],
        ids: Vec<i64>,
        mask: Vec<i64>,
    ) -> ort::Result<Vec<(Cow<'static, str>, SessionInputValue<'static>)>> {
        let types = self.token_types.then(|| (Self::TYPES, vec![0; ids.len()]));
        [(Self::IDS, ids), (Self::MASK, mask)]
            .into_iter()
            .chain(types)
            .map(|(name, values)| Ok((name.into(), Tensor::from_array((shape, values))?.into())))
            .collect()
    }
}

/// Refuses an input that cannot be filled from tokens.
fn check_input(input: &Outlet) -> Result<(), String> {
    let name = input.name();
    if ![ModelShape::IDS, ModelShape::MASK, ModelShape::TYPES].contains(&name) {
        return Err(format!("it wants an input {name}, which a sentence encoder does not have"));
    }
    match input.dtype() {
        ValueType::Tensor { ty: TensorElementType::Int64, shape, .. } if shape.len() == 2 => Ok(()),
        other => Err(format!("its input {name} is {other}, not int64 of shape [batch, sequence]")),
    }
}

/// The last dimension of an f32 tensor of shape `[batch, sequence, dims]`.
fn token_dimensions(of: &ValueType) -> Option<usize> {
    match of {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } if shape.len() == 3 => {
            usize::try_from(shape[2]).ok().filter(|dimensions| *dimensions > 0)
        }
        _ => None,
    }
}

/// ONNX Runtime, once it is loaded; a process can load only one.
struct Runtime {
    path: PathBuf,
    environment: Environment,
}

/// Loads ONNX Runtime, or gives the one that is already there. A failure leaves the way open for another
/// path.
fn runtime(path: &Path) -> Result<&'static Environment, EmbedError> {
    static RUNTIME: OnceCell<Runtime> = OnceCell::new();
    let unloadable = |what: String| EmbedError::Runtime { path: path.to_owned(), what };
    let loaded = RUNTIME.get_or_try_init(|| {
        // Absolute, because `ort` would look for a relative path beside the program first.
        let path = path.canonicalize().map_err(|error| unloadable(error.to_string()))?;
        let environment = ort::init_from(&path)
            .map_err(|error| unloadable(error.to_string()))?
            .with_telemetry(false)
            .with_logger(Arc::new(log_without_message))
            .build()
            .map_err(|error| unloadable(error.to_string()))?;
        environment.set_log_level(ort::logging::LogLevel::Warning);
        Ok(Runtime { path, environment })
    })?;
    if path.canonicalize().ok().as_ref() != Some(&loaded.path) {
        log::debug!("another ONNX Runtime is already loaded and stays in use");
    }
    Ok(&loaded.environment)
}

/// Without a logger of ours the runtime writes to standard error. Its messages can quote what it was given,
/// so only the place in its source is kept.
fn log_without_message(
    level: ort::logging::LogLevel,
    _category: &str,
    _id: &str,
    place: &str,
    _message: &str,
) {
    log::debug!("ONNX Runtime: {level:?} at {place}");
}

fn load_session(environment: &Environment, model: &[u8], threads: usize) -> ort::Result<Session> {
    let arena_off = ort::ep::CPU::default().with_arena_allocator(false).build();
    Session::builder(environment)?
        .with_intra_threads(threads.max(1))?
        // Threads that wait by spinning are a quarter faster, but would spin on after a run and cost a phone its battery:
        // they stop with it.
        .with_intra_op_spinning(true)?
        .with_config_entry("session.force_spinning_stop", "1")?
        .with_memory_pattern(false)?
        .with_execution_providers([arena_off])?
        .commit_from_memory(model)
}

fn load_tokenizer(path: &Path, bytes: &[u8]) -> Result<Tokenizer, EmbedError> {
    let refused = |error: tokenizers::Error| unusable(path, error.to_string());
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(refused)?;
    // The file pads and truncates to 128; batches are padded here, to their own longest text.
    tokenizer.with_padding(None);
    let truncation = TruncationParams { max_length: MAX_TOKENS, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(refused)?;
    // "[SEP]" in what somebody said is five characters of text, not the end of it.
    tokenizer.set_encode_special_tokens(true);
    Ok(tokenizer)
}

fn read(path: &Path) -> Result<Vec<u8>, EmbedError> {
    fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => EmbedError::Missing { path: path.to_owned() },
        _ => unusable(path, error.to_string()),
    })
}

/// Everything that changes a vector: model, tokenizer, pooling, and the limits on a text.
fn identity(model: &[u8], tokenizer: &[u8]) -> String {
    format!("{}+{}/mean/{MAX_TOKENS}/{MAX_BYTES}", short_hash(model), short_hash(tokenizer))
}

/// The first 16 hexadecimal digits of the SHA-256.
fn short_hash(bytes: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unusable(path: &Path, what: String) -> EmbedError {
    EmbedError::Unusable { path: path.to_owned(), what }
}

/// Only the kind of failure: the runtime's message can quote token ids, which are the text.
fn failed(error: &ort::Error) -> EmbedError {
    EmbedError::Failed(format!("ONNX Runtime reports {:?}", error.code()))
}

fn not_a_vector(what: &str) -> EmbedError {
    EmbedError::Failed(format!("it gave {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process::Command;
    use std::sync::OnceLock;

    // As cli/models.toml names them.
    const MODEL: &str = "all-MiniLM-L6-v2-int8.onnx";
    const TOKENIZER: &str = "all-MiniLM-L6-v2-tokenizer.json";
    const RUNTIME: &str = "libonnxruntime.so.1.32.0";

    /// Where `make setup` puts a model's file. A missing one fails the test: a skipped test proves nothing.
    fn pulled(name: &str) -> PathBuf {
        let cache = || env::var_os("XDG_CACHE_HOME").map_or_else(|| in_home(".cache"), PathBuf::from);
        let home = env::var_os("KEEPSAKE_HOME").map_or_else(|| cache().join("keepsake"), PathBuf::from);
        let path = home.join("models").join(name);
        assert!(path.is_file(), "{} is missing: run `make setup`", path.display());
        path
    }

    fn in_home(folder: &str) -> PathBuf {
        PathBuf::from(env::var_os("HOME").expect("a home folder")).join(folder)
    }

    fn files() -> OnnxFiles {
        OnnxFiles { model: pulled(MODEL), tokenizer: pulled(TOKENIZER), runtime: pulled(RUNTIME) }
    }

    fn minilm() -> &'static OnnxEmbedder {
        static MINILM: OnceLock<OnnxEmbedder> = OnceLock::new();
        MINILM.get_or_init(|| OnnxEmbedder::open(&files(), 2).unwrap())
    }

    fn embed(texts: &[&str]) -> Vec<Vector> {
        minilm().embed(texts).unwrap()
    }

    fn cosine(a: &Vector, b: &Vector) -> f32 {
        a.as_slice().iter().zip(b.as_slice()).map(|(x, y)| x * y).sum()
    }

    fn largest_difference(a: &Vector, b: &Vector) -> f32 {
        a.as_slice().iter().zip(b.as_slice()).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn cosines_are_those_of_the_original_model() {
        let vectors = embed(&[
            "Maria has a dog named Buddy.",
            "Maria's pet is a puppy called Buddy.",
            "What is the name of Maria's dog?",
            "The central bank raised interest rates by a quarter point.",
        ]);
        let found = [1, 2, 3].map(|other| cosine(&vectors[0], &vectors[other]));
        // 0.903 and 0.824 from PyTorch in f32 (models.md), 0.005 for int8; the last sentence is our own.
        assert!((found[0] - 0.903).abs() < 0.005, "{found:?}");
        assert!((found[1] - 0.824).abs() < 0.005, "{found:?}");
        assert!(found[2].abs() < 0.15, "{found:?}");
        assert_eq!(minilm().dimensions(), 384);
    }

    #[test]
    fn a_vector_does_not_depend_on_its_neighbours() {
        let long = "a walk along the river with Buddy ".repeat(60);
        let mut texts: Vec<String> = (1..40).map(|words| "kite river dog ".repeat(words)).collect();
        texts.extend([String::new(), long, "😀 dog".to_owned(), "Buddy".to_owned()]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let together = embed(&texts);
        assert_eq!(together.len(), texts.len());
        for (text, vector) in texts.iter().zip(&together) {
            let alone = &embed(&[text])[0];
            // Measured 0 to 3e-7, as matrix kernels of other sizes round; a wrong mask or order gives 1e-2.
            assert!(largest_difference(alone, vector) < 1e-5, "{} bytes", text.len());
        }
        assert!(embed(&[]).is_empty());
    }

    #[test]
    fn only_the_first_256_tokens_count() {
        // "dog" is one token; 254 of them fill the room between [CLS] and [SEP].
        let [full, over, under] = ["dog ".repeat(254), "dog ".repeat(254) + "kite", "dog ".repeat(253)];
        let vectors = embed(&[&full, &over, &under, &(full.clone() + &"kite ".repeat(1 << 18))]);
        assert_eq!(minilm().tokens(&over).unwrap().len(), MAX_TOKENS);
        assert!(largest_difference(&vectors[0], &vectors[1]) < 1e-5);
        assert!(largest_difference(&vectors[0], &vectors[3]) < 1e-5);
        assert!(largest_difference(&vectors[0], &vectors[2]) > 1e-5, "the 254th still counts");
    }

    #[test]
    fn control_tokens_inside_content_are_plain_text() {
        for control in ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"] {
            let special = i64::from(minilm().tokenizer.token_to_id(control).unwrap());
            let tokens = minilm().tokens(&format!("Buddy {control} Scout")).unwrap();
            let inside = &tokens[1..tokens.len() - 1];
            assert!(!inside.contains(&special), "{control} in {tokens:?}");
            assert!(inside.len() >= 5, "brackets and letters are tokens of their own: {tokens:?}");
        }
        // The model's own frame is there: [CLS] is 101, [SEP] 102.
        assert_eq!(minilm().tokens("").unwrap(), [101, 102]);
    }

    #[test]
    fn every_text_has_a_vector() {
        let long_word = "x".repeat(1 << 20);
        let emoji = "👩‍👩‍👧".repeat(1 << 15);
        let texts = [
            "",
            " ",
            "\0",
            "a\0b",
            "\u{feff}\u{200b}",
            "👩‍👩‍👧",
            &emoji,
            &long_word,
            "\u{301}",
            "日本語",
            "\u{10ffff}",
        ];
        for vector in embed(&texts) {
            assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn threads_may_share_an_embedder() {
        let alone = embed(&["dog", "a red kite"]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(embed(&["dog", "a red kite"]), alone));
            }
        });
    }

    #[test]
    fn identity_names_model_tokenizer_and_limits() {
        // The first 16 digits of the hashes in models.md.
        assert_eq!(minilm().identity(), "8199be6f699a395f+be50c3628f2bf5bb/mean/256/16384");
    }

    #[test]
    fn missing_and_damaged_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = files();
        let bad = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let open = |files: OnnxFiles| OnnxEmbedder::open(&files, 1).err();
        let absent = folder.path().join("absent");
        let missing = |error| matches!(error, Some(EmbedError::Missing { path }) if path == absent);
        assert!(missing(open(OnnxFiles { model: absent.clone(), ..good.clone() })));
        assert!(missing(open(OnnxFiles { tokenizer: absent.clone(), ..good.clone() })));

        let whole = fs::read(&good.model).unwrap();
        for bytes in [&b""[..], b"not a model", &whole[..whole.len() / 2]] {
            let model = bad("model.onnx", bytes);
            let error = open(OnnxFiles { model: model.clone(), ..good.clone() });
            assert!(matches!(error, Some(EmbedError::Unusable { path, .. }) if path == model));
        }
        let too_large = br#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
            "pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{"type":"WordPiece","unk_token":"a",
            "continuing_subword_prefix":"b","max_input_chars_per_word":9,"vocab":{"a":0,"b":99999}}}"#;
        let tokenizer = bad("tokenizer.json", too_large);
        let error = open(OnnxFiles { tokenizer, ..good.clone() });
        assert!(
            matches!(error, Some(EmbedError::Unusable { .. })),
            "a vocabulary beyond the model's: {error:?}"
        );
        for bytes in [&b""[..], b"{}", &fs::read(&good.tokenizer).unwrap()[..1000]] {
            let tokenizer = bad("tokenizer.json", bytes);
            let error = open(OnnxFiles { tokenizer: tokenizer.clone(), ..good.clone() });
            assert!(matches!(error, Some(EmbedError::Unusable { path, .. }) if path == tokenizer));
        }
    }

    /// In a process of its own, because the other tests have loaded the right runtime already.
    #[test]
    fn a_missing_or_wrong_runtime_is_an_error_and_a_right_one_then_works() {
        const CHILD: &str = "KEEPSAKE_TEST_WRONG_RUNTIME";
        if env::var_os(CHILD).is_some() {
            return try_runtimes();
        }
        let (_, here) = module_path!().split_once("::").expect("a module inside a crate");
        let test = format!("{here}::a_missing_or_wrong_runtime_is_an_error_and_a_right_one_then_works");
        let child = Command::new(env::current_exe().unwrap())
            .args([test.as_str(), "--exact", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
        assert!(said.contains("1 passed"), "the test ran: {said}");
    }

    fn try_runtimes() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("libonnxruntime.so");
        fs::write(&text, "not a library").unwrap();
        let open =
            |runtime: &Path| OnnxEmbedder::open(&OnnxFiles { runtime: runtime.to_owned(), ..files() }, 1);
        // Nothing there, a folder, a text, a library of somebody else.
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let other = maps.split_whitespace().find(|word| word.contains("/libc.so")).unwrap_or("/absent");
        for wrong in [Path::new("/absent"), Path::new(""), folder.path(), &text, Path::new(other)] {
            let error = open(wrong).err();
            assert!(matches!(error, Some(EmbedError::Runtime { .. })), "{}: {error:?}", wrong.display());
        }
        let right = open(&files().runtime).unwrap();
        let again = open(&text).expect("the runtime that is loaded stays in use");
        assert_eq!(right.embed(&["dog"]).unwrap(), again.embed(&["dog"]).unwrap());
    }

    #[test]
    fn batches_hold_texts_of_similar_length_within_the_limits() {
        let rows: Vec<Vec<i64>> = [256, 2, 256, 3, 256, 256, 256].map(|length| vec![0; length]).into();
        // Three texts padded to 256 would be 768 tokens, two are 512.
        assert_eq!(batches(&rows), [vec![1, 3], vec![0, 2], vec![4, 5], vec![6]]);
        assert_eq!(batches(&vec![vec![0; 2]; 17]).iter().map(Vec::len).collect::<Vec<_>>(), [16, 1]);
        assert_eq!(batches(&[vec![0; 4000]]), [[0]]);
    }
}
