//! `d1 csr`: makes the request for a client certificate, which Thales signs.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509Name, X509NameRef, X509Req};
use serde_json::json;
use zeroize::Zeroizing;

use super::keygen::{NO_KEY, p256};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::new_file;
use crate::output::Output;
use crate::text::masked;

#[derive(Debug, Args)]
pub(crate) struct Csr {
    /// The new file for the client's private key; the request is written beside it, as .csr
    file: PathBuf,
    /// The common name (CN) that Thales prescribes, 1 to 64 characters
    #[arg(long, value_name = "CN")]
    common_name: String,
    /// Makes a key of RSA with 4096 bits, instead of one on P-256
    #[arg(long, conflicts_with = "existing_key")]
    rsa: bool,
    /// Makes the request with the key that is in the file, and no new key
    #[arg(long)]
    existing_key: bool,
}

impl Csr {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let name = name(&self.common_name)
            .map_err(|_| Failure::input("--common-name", "must be 1 to 64 characters"))?;
        let path = self.file.with_extension("csr");
        if path == self.file {
            return Err(Failure::input(
                "<FILE>",
                "must not end in .csr, as the request does",
            ));
        }
        let no_key = |_| Failure::input("OpenSSL", NO_KEY);
        let key = match self.existing_key {
            true => self.read_key()?,
            false => self.new_key().map_err(no_key)?,
        };
        let request = request(&name, &key).map_err(no_key)?;
        let private = Zeroizing::new(key.private_key_to_pem_pkcs8().map_err(no_key)?);
        let files: [(_, &[u8]); 2] = [(&*self.file, &private), (&path, &request)];
        let first = usize::from(self.existing_key);
        new_file::write_all(&files[first..])?;
        output.record(&json!({
            "command": "csr",
            "privateKey": self.file.display().to_string(),
            "request": path.display().to_string(),
            "commonName": self.common_name,
        }))?;
        Ok(Exit::Done)
    }

    fn new_key(&self) -> Result<PKey<Private>, ErrorStack> {
        match self.rsa {
            true => PKey::from_rsa(Rsa::generate(4096)?),
            false => p256(),
        }
    }

    fn read_key(&self) -> Result<PKey<Private>, Failure> {
        let place = masked(&self.file.display().to_string());
        let pem = fs::read(&self.file).map(Zeroizing::new);
        let pem = pem.map_err(|error| Failure::unreadable(&place, &error))?;
        // Without a callback, OpenSSL asks for the passphrase of an encrypted key at the terminal.
        PKey::private_key_from_pem_callback(&pem, |_| Ok(0))
            .ok()
            .filter(|key| is_accepted(key))
            .ok_or_else(|| {
                let rule = "must be a PEM with a private key that is not encrypted, on P-256 or of RSA with 4096 bits";
                Failure::input(place, rule)
            })
    }
}

/// Returns whether D1 documents that it takes a client key like this one.
fn is_accepted(key: &PKeyRef<Private>) -> bool {
    let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
    curve == Some(Nid::X9_62_PRIME256V1) || key.id() == Id::RSA && key.bits() == 4096
}

/// Returns a name with this common name alone.
fn name(common_name: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(name.build())
}

/// Returns the request (PKCS#10) as PEM, signed with SHA-256.
fn request(name: &X509NameRef, key: &PKeyRef<Private>) -> Result<Vec<u8>, ErrorStack> {
    let mut request = X509Req::builder()?;
    request.set_version(0)?;
    request.set_subject_name(name)?;
    request.set_pubkey(key)?;
    request.sign(key, MessageDigest::sha256())?;
    request.build().to_pem()
}
