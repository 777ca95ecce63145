//! An app on its way in: a tar of its folder, unpacked into a folder of its own. Nothing of it can
//! land anywhere else, and there is only so much of it.

use super::answer::{Refusal, not_written};
use super::versions::{Version, Versions};
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use tar::{Archive, Entry, EntryType};
use tokio::io::AsyncWriteExt as _;

/// The most bytes of an app, packed and unpacked.
pub const BYTES_MAX: u64 = 512 << 20;

/// The most files and folders of an app.
const ENTRIES_MAX: usize = 10_000;

/// The longest path in an app.
const PATH_BYTES_MAX: usize = 1024;

/// The most folders in one another.
const DEPTH_MAX: usize = 32;

/// How long a caller may take for the next piece.
const PIECE: Duration = Duration::from_secs(60);

/// What a tar calls itself.
const TAR: [&str; 2] = ["application/x-tar", "application/tar"];

/// Takes an app in.
pub async fn receive(versions: &Versions, request: Request<Incoming>) -> Result<Version, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| !TAR.iter().any(|tar| kind == tar)) {
        discard(request.into_body(), BYTES_MAX).await;
        let what = "an app is sent as a tar of its folder: application/x-tar";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    let version = versions.incoming().map_err(|e| not_written(&e))?;
    let file = versions.nameless().map_err(|e| not_written(&e))?;
    let file = spool(request.into_body(), file).await?;
    let into = version.path().to_owned();
    let unpacked = tokio::task::spawn_blocking(move || unpack(file, &into)).await;
    match unpacked {
        Ok(Ok(())) => Ok(version),
        Ok(Err(refusal)) => Err(refusal),
        Err(error) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the app could not be unpacked: {error}"),
        )),
    }
}

/// Reads what is not wanted, as far as that: a caller that is still writing would never see why it
/// was refused.
pub async fn discard(mut body: Incoming, most: u64) {
    let mut bytes = 0;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(PIECE, body.frame()).await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if bytes > most {
            return;
        }
    }
}

/// Writes what comes to a file, so that a slow caller holds no memory.
async fn spool(mut body: Incoming, file: File) -> Result<File, Refusal> {
    let mut file = tokio::fs::File::from_std(file);
    let mut bytes = 0;
    loop {
        let frame = match tokio::time::timeout(PIECE, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(not_whole()),
            Err(_) => {
                let what = "the app came too slowly";
                return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, what));
            }
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        bytes += data.len() as u64;
        if bytes > BYTES_MAX {
            return Err(too_large());
        }
        file.write_all(&data).await.map_err(|e| not_written(&e))?;
    }
    file.flush().await.map_err(|e| not_written(&e))?;
    let mut file = file.into_std().await;
    file.rewind().map_err(|e| not_written(&e))?;
    Ok(file)
}

fn not_whole() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "the app did not arrive whole")
}

fn too_large() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("an app has at most {} MiB", BYTES_MAX >> 20),
    )
}

fn bad(path: &Path, what: &str) -> Refusal {
    let shown = path.display().to_string();
    Refusal::new(
        StatusCode::BAD_REQUEST,
        format!("`{}` in the tar {what}", shown.escape_debug()),
    )
    .help("an app is files and folders below its own, holm.toml at the top")
}

/// Unpacks a tar into a new folder; each file is on the disk when this returns.
fn unpack(tar: File, into: &Path) -> Result<(), Refusal> {
    let mut archive = Archive::new(BufReader::new(tar));
    let entries = archive.entries().map_err(|_| not_whole())?;
    let mut left = BYTES_MAX;
    let mut count = 0;
    for entry in entries {
        let entry = entry.map_err(|_| not_whole())?;
        count += 1;
        if count > ENTRIES_MAX {
            let what = format!("an app has at most {ENTRIES_MAX} files and folders");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what));
        }
        left -= place(entry, into, left)?;
    }
    if count == 0 {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "the tar is empty"));
    }
    File::open(into)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| not_written(&e))
}

/// Puts one entry where it belongs; gives its bytes.
fn place(mut entry: Entry<impl io::Read>, into: &Path, left: u64) -> Result<u64, Refusal> {
    let path = entry.path().map_err(|_| not_whole())?.into_owned();
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(0);
    }
    let inside = inside(&path)?;
    let target = into.join(&inside);
    match kind {
        EntryType::Directory => {
            std::fs::create_dir_all(&target).map_err(|e| not_written(&e))?;
            Ok(0)
        }
        EntryType::Regular | EntryType::Continuous => {
            if inside.as_os_str().is_empty() {
                return Err(bad(&path, "is a file without a name"));
            }
            if entry.size() > left {
                return Err(too_large());
            }
            let parent = target.parent().unwrap_or(into);
            std::fs::create_dir_all(parent).map_err(|e| not_written(&e))?;
            let mut file = match File::create_new(&target) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(bad(&path, "is there twice"));
                }
                Err(error) => return Err(not_written(&error)),
            };
            let size = entry.size();
            let written = io::copy(&mut entry.by_ref().take(left), &mut file);
            match written {
                Ok(written) if written == size => {}
                Ok(_) => return Err(not_whole()),
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    return Err(not_written(&error));
                }
                Err(_) => return Err(not_whole()),
            }
            file.sync_all().map_err(|e| not_written(&e))?;
            Ok(size)
        }
        EntryType::Symlink | EntryType::Link => Err(bad(&path, "is a link")),
        _ => Err(bad(&path, "is neither a file nor a folder")),
    }
}

/// The path without its dots, if it stays inside.
fn inside(path: &Path) -> Result<PathBuf, Refusal> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => inside.push(name),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(bad(path, "leads out of the app"));
            }
        }
    }
    let text = inside.to_str().ok_or_else(|| bad(path, "is no text"))?;
    if text.chars().any(char::is_control) {
        return Err(bad(path, "has a control character"));
    }
    if text.len() > PATH_BYTES_MAX || inside.components().count() > DEPTH_MAX {
        return Err(bad(path, "is too long"));
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    /// A tar of these entries, names as they are, whatever they say.
    fn tar(entries: &[(&str, EntryType, &[u8])]) -> File {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, data) in entries {
            let mut header = Header::new_gnu();
            let raw = &mut header.as_old_mut().name;
            raw[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(data.len() as u64);
            header.set_mode(0o777);
            if *kind == EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        file(&builder.into_inner().unwrap())
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn unpacked(file: File) -> (tempfile::TempDir, Result<(), Refusal>) {
        let temp = tempfile::tempdir().unwrap();
        let into = temp.path().join("in");
        std::fs::create_dir(&into).unwrap();
        let result = unpack(file, &into);
        (temp, result)
    }

    #[test]
    fn files_and_folders_land_where_they_say() {
        let (temp, result) = unpacked(tar(&[
            ("./", EntryType::Directory, b""),
            ("./holm.toml", EntryType::Regular, b"name"),
            ("public/a/b.txt", EntryType::Regular, b"b"),
            ("empty", EntryType::Directory, b""),
        ]));
        result.unwrap();
        let read = |path| std::fs::read_to_string(temp.path().join("in").join(path)).unwrap();
        assert_eq!(
            (read("holm.toml"), read("public/a/b.txt")),
            ("name".into(), "b".into())
        );
        assert!(temp.path().join("in/empty").is_dir());
    }

    #[test]
    fn nothing_leaves_the_folder() {
        for (name, kind) in [
            ("../out", EntryType::Regular),
            ("a/../../out", EntryType::Regular),
            ("/out", EntryType::Regular),
            ("link", EntryType::Symlink),
            ("link", EntryType::Link),
            ("pipe", EntryType::Fifo),
            ("device", EntryType::Char),
            ("sparse", EntryType::GNUSparse),
            ("a\nb", EntryType::Regular),
        ] {
            let (temp, result) = unpacked(tar(&[(name, kind, b"")]));
            assert_eq!(result.unwrap_err().status, 400, "{name} {kind:?}");
            let left = std::fs::read_dir(temp.path()).unwrap().count();
            let inside = std::fs::read_dir(temp.path().join("in")).unwrap().count();
            assert_eq!((left, inside), (1, 0), "{name}");
        }
    }

    #[test]
    fn what_is_no_tar_is_refused() {
        for bytes in [&b""[..], b"no tar", &[0x1f; 2000]] {
            let (_temp, result) = unpacked(file(bytes));
            assert_eq!(result.unwrap_err().status, 400, "{bytes:?}");
        }
        let whole = tar(&[("a", EntryType::Regular, &[b'x'; 5000])]);
        let mut bytes = Vec::new();
        BufReader::new(whole).read_to_end(&mut bytes).unwrap();
        let (_temp, result) = unpacked(file(&bytes[..3000]));
        assert_eq!(result.unwrap_err().status, 400);
    }

    #[test]
    fn a_file_is_there_once() {
        let twice = [
            ("a", EntryType::Regular, &b"1"[..]),
            ("./a", EntryType::Regular, b"2"),
        ];
        let (_temp, result) = unpacked(tar(&twice));
        assert_eq!(result.unwrap_err().status, 400);
    }

    #[test]
    fn a_size_that_is_a_lie_takes_no_room() {
        let mut header = Header::new_gnu();
        header.set_path("huge").unwrap();
        header.set_entry_type(EntryType::Regular);
        header.set_size(1 << 40);
        header.set_cksum();
        let (_temp, result) = unpacked(file(header.as_bytes()));
        assert_eq!(result.unwrap_err().status, 413);
    }
}
