//! TLS for the few connections that we make and take ourselves: one provider of cryptography, versions 1.2 and 1.3,
//! the system's roots.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::{Error, Kind};

/// Read once: a system has more than a hundred roots.
static CONNECTOR: LazyLock<Result<TlsConnector, String>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    // The file or folder that SSL_CERT_FILE or SSL_CERT_DIR names stands in for the system's own.
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "the system has none".to_owned(), ToString::to_string);
        return Err(why);
    }
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.map_err(|err| err.to_string())?.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
});

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Returns what connects to servers whose certificates the system's roots vouch for.
///
/// # Errors
/// Why there are no roots.
pub(crate) fn connector() -> Result<&'static TlsConnector, &'static str> {
    CONNECTOR.as_ref().map_err(String::as_str)
}

fn refused(path: &Path, problem: &str) -> Error {
    Error::new(Kind::Config, format!("refusing to start: {} {problem}", path.display()))
}

/// Reads a file of certificates in PEM, of which there is at least one.
///
/// # Errors
/// When it cannot be read or is not such a file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|err| refused(path, &format!("is not a file of certificates: {err}")))?;
    if chain.is_empty() { Err(refused(path, "holds no certificate")) } else { Ok(chain) }
}

/// Returns what takes connections under a certificate.
///
/// Both files are PEM; the certificate comes first in its file, then those that vouch for it.
///
/// # Errors
/// When a file cannot be read or is not what it must be, everybody can read the key, or the two do not belong
/// together.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Error> {
    let chain = certificates(certificate)?;
    let mode = fs::metadata(key).map_err(|err| refused(key, &format!("cannot be read: {err}")))?;
    if mode.permissions().mode() & 0o007 != 0 {
        return Err(refused(key, "can be read by everybody").hint("chmod o-rwx it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|err| refused(key, &format!("is not the file of a private key: {err}")))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|err| Error::internal(format!("TLS has no version to speak: {err}")))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|err| refused(key, &format!("does not serve {}: {err}", certificate.display())))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
