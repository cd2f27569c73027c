//! Searches the memory of this process for private keys that it does not know.
//!
//! A private key of P-256 is 32 bytes, and its public key is computed from it. So each 32 bytes that could be random
//! are taken for a private key: where their public key is a known one, they are its private key. They are read in both
//! orders: OpenSSL computes with numbers whose last byte comes first.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcPoint};
use openssl::error::ErrorStack;
use openssl::nid::Nid;

const KEY: usize = 32;
const CHUNK: usize = 64 * 1024;

/// How many different values 32 random bytes have at least. Fewer than one key in a million has fewer, and most of a
/// memory, such as texts, numbers and addresses, has.
const LEAST_VALUES: usize = 24;

/// What a search has found.
pub(crate) struct Found {
    /// How many bytes were read.
    pub(crate) searched: usize,
    /// How many times 32 bytes were taken for a private key.
    pub(crate) tried: usize,
    /// For each public key, whether its private key is there.
    pub(crate) keys: Vec<bool>,
}

/// Searches all memory that this process can write to for the private keys of these points.
pub(crate) fn search(points: &[&[u8]]) -> Result<Found, Box<dyn std::error::Error>> {
    let mut search = Search::new(points)?;
    let mut memory = File::open("/proc/self/mem")?;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next(), fields.next());
        if !rights.is_some_and(|rights| rights.starts_with("rw")) {
            continue;
        }
        let range = range.and_then(|range| range.split_once('-'));
        let (start, end) = range.ok_or("a line of /proc/self/maps cannot be read")?;
        let start = u64::from_str_radix(start, 16)?;
        let end = u64::from_str_radix(end, 16)?;
        search.region(&mut memory, start, end)?;
    }
    Ok(search.found)
}

struct Search {
    group: EcGroup,
    context: BigNumContext,
    points: Vec<EcPoint>,
    found: Found,
}

impl Search {
    fn new(points: &[&[u8]]) -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let mut context = BigNumContext::new()?;
        let parsed = points
            .iter()
            .map(|point| EcPoint::from_bytes(&group, point, &mut context));
        Ok(Self {
            points: parsed.collect::<Result<_, _>>()?,
            found: Found {
                searched: 0,
                tried: 0,
                keys: vec![false; points.len()],
            },
            group,
            context,
        })
    }

    /// Searches the bytes from `start` to `end`, in pieces that overlap by the length of a key.
    fn region(
        &mut self,
        memory: &mut File,
        start: u64,
        end: u64,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let mut buffer = vec![0; CHUNK];
        let mut at = start;
        while at + (KEY as u64) <= end {
            let length = usize::try_from(end - at)?.min(CHUNK);
            memory.seek(SeekFrom::Start(at))?;
            // Another thread may have given the memory back since the list was read.
            if memory.read_exact(&mut buffer[..length]).is_ok() {
                self.bytes(&buffer[..length])?;
                self.found.searched += length;
            }
            at += (length - KEY + 1) as u64;
        }
        Ok(())
    }

    /// Tries each 32 bytes that have enough different values.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), ErrorStack> {
        let mut counts = [0_u8; 256];
        let mut values = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let count = &mut counts[usize::from(*byte)];
            values += usize::from(*count == 0);
            *count += 1;
            let Some(first) = (index + 1).checked_sub(KEY) else {
                continue;
            };
            let window = &bytes[first..=index];
            if values >= LEAST_VALUES {
                self.try_key(window)?;
                let reversed: Vec<u8> = window.iter().rev().copied().collect();
                self.try_key(&reversed)?;
            }
            let count = &mut counts[usize::from(bytes[first])];
            *count -= 1;
            values -= usize::from(*count == 0);
        }
        Ok(())
    }

    fn try_key(&mut self, bytes: &[u8]) -> Result<(), ErrorStack> {
        let mut point = EcPoint::new(&self.group)?;
        let number = BigNum::from_slice(bytes)?;
        point.mul_generator2(&self.group, &number, &mut self.context)?;
        self.found.tried += 1;
        for (known, found) in self.points.iter().zip(&mut self.found.keys) {
            *found |= point.eq(&self.group, known, &mut self.context)?;
        }
        Ok(())
    }
}
