//! Keeps a stream until all of it was checked: in a file without a name, encrypted by a key that only this
//! process has, for it may hold card data.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};

use openssl::rand::rand_bytes;
use openssl::symm::{Cipher, Crypter, Mode};
use zeroize::Zeroizing;

const CHUNK: usize = 64 * 1024;

/// A stream that was read to its end, and can be read again.
pub(super) struct Spool {
    file: File,
    key: Zeroizing<[u8; 32]>,
}

impl Spool {
    /// Reads `source` to its end.
    pub(super) fn of(mut source: impl Read) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        rand_bytes(key.as_mut_slice())?;
        let mut file = tempfile::tempfile()?;
        let mut cipher = cipher(&key, Mode::Encrypt)?;
        let mut read = Zeroizing::new(vec![0; CHUNK]);
        let mut sealed = vec![0; CHUNK];
        loop {
            let length = match source.read(&mut read) {
                Ok(0) => return Ok(Self { file, key }),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let length = cipher.update(read.get(..length).unwrap_or_default(), &mut sealed)?;
            file.write_all(sealed.get(..length).unwrap_or_default())?;
        }
    }

    /// Reads it from its beginning. One reader at a time.
    pub(super) fn reader(&self) -> io::Result<impl Read + Send + use<>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Reader {
            file,
            cipher: cipher(&self.key, Mode::Decrypt)?,
            sealed: vec![0; CHUNK],
        })
    }
}

struct Reader {
    file: File,
    cipher: Crypter,
    sealed: Vec<u8>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(CHUNK);
        let sealed = self.sealed.get_mut(..length).unwrap_or_default();
        let length = self.file.read(sealed)?;
        let sealed = sealed.get(..length).unwrap_or_default();
        Ok(self.cipher.update(sealed, buffer)?)
    }
}

/// The key is of one file and encrypts it once, so that the counter may begin at zero.
fn cipher(key: &[u8; 32], mode: Mode) -> io::Result<Crypter> {
    Ok(Crypter::new(
        Cipher::aes_256_ctr(),
        mode,
        key,
        Some(&[0; 16]),
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_stream_is_read_twice_and_its_file_holds_none_of_it() {
        let text: Vec<u8> = b"4111111111111111\n".repeat(3 * CHUNK / 16);
        let spool = Spool::of(text.as_slice()).unwrap();
        for _ in 0..2 {
            let mut read = Vec::new();
            spool.reader().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == text);
        }
        let mut file = spool.file.try_clone().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut kept = Vec::new();
        file.read_to_end(&mut kept).unwrap();
        assert_eq!(kept.len(), text.len());
        assert!(!kept.windows(16).any(|part| part == b"4111111111111111"));
    }
}
