//! How files of the cache are written: whole or not at all, and without their zeros.

use super::Digest;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Bytes of a page, which is what a file can leave out.
const PAGE: usize = 4096;

/// The pages that are not all zero, with their numbers. The memory image of a started component is
/// mostly zeros: neither writing them nor summing them up should cost anything.
fn pages(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    const ZEROS: [u8; PAGE] = [0; PAGE];
    let numbered = (0u64..).zip(bytes.chunks(PAGE));
    numbered.filter(|(_, page)| Some(*page) != ZEROS.get(..page.len()))
}

/// A SHA-256 over number and content of each of [`pages`].
pub(super) fn sum_of_pages(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let mut sum = sha2::Sha256::new();
    for (number, page) in pages(bytes) {
        sum.update(number.to_le_bytes());
        sum.update(page);
    }
    Digest(sum.finalize().into()).hex()
}

/// Writes a small file.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, true, |mut file: &File| file.write_all(bytes))
}

/// Like [`write_whole`], for what may be lost with the power: a record that is cut short is none.
pub(super) fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, false, |mut file: &File| file.write_all(bytes))
}

/// Leaves holes where there are only zeros.
pub(super) fn write_sparse(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    write_with(path, true, |file| {
        file.set_len(bytes.len() as u64)?;
        pages(bytes).try_for_each(|(number, page)| file.write_all_at(page, number * PAGE as u64))
    })
}

fn write_with(
    path: &Path,
    sync: bool,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    write(file.as_file())?;
    if sync {
        file.as_file().sync_all()?;
    }
    file.persist(path)?;
    Ok(())
}
