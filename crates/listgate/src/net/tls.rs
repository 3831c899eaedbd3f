//! TLS on a connection (RFC 3207): our certificate, and peers that have one of their own.

use crate::file_error::{During, FileError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The files that TLS needs, in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TlsFiles {
    /// Our certificate, followed by those of the authorities between it and a root.
    pub(crate) certificate: PathBuf,
    /// The private key of our certificate.
    pub(crate) key: PathBuf,
    /// The authorities whose certificates admit a peer.
    pub(crate) client_ca: Option<PathBuf>,
}

/// The reason why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Read(#[from] FileError),
    #[error("{} is not PEM, or is damaged", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("{} has no {wanted} in PEM", path.display())]
    Missing { wanted: &'static str, path: PathBuf },
    #[error("the certificate {} cannot be used with the key {}", certificate.display(), key.display())]
    Pair { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("{} has a certificate that is not an authority's", path.display())]
    Authority { path: PathBuf, source: rustls::Error },
    #[error("the authorities of {} cannot be used", path.display())]
    Authorities { path: PathBuf, source: VerifierBuilderError },
}

/// A certificate that is ready for handshakes.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// Reads the files and checks that they belong together. Blocks.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let TlsFiles { certificate, key, client_ca } = files;
        let chain = certificates(certificate)?;
        let own = chain[0].clone();
        let private = private_key(key)?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for TLS 1.2 and 1.3");
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(path) => config.with_client_cert_verifier(verifier(path, provider)?),
        };
        let config = config.with_single_cert(chain, private).map_err(|source| TlsError::Pair {
            certificate: certificate.clone(),
            key: key.clone(),
            source,
        })?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: own })
    }

    /// Returns whether both have the same certificate.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.certificate == other.certificate
    }

    /// Does the handshake on a connection.
    ///
    /// # Errors
    /// The connection is lost, or the handshake fails: for example because none of the authorities has signed the
    /// peer's certificate.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

/// Returns whether the peer has shown a certificate, which the handshake has then verified.
pub(crate) fn has_certificate(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.peer_certificates().is_some()
}

/// Returns the certificates of a file, of which there is one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).during("read", path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if all.is_empty() {
        return Err(TlsError::Missing { wanted: "certificate", path: path.to_owned() });
    }
    Ok(all)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = fs::read(path).during("read", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::Missing { wanted: "private key", path: path.to_owned() },
        source => TlsError::Pem { path: path.to_owned(), source },
    })
}

/// Returns the authorities of a file.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

/// Returns a verifier of the certificates of peers. A peer without one is not refused by it.
fn verifier(path: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider);
    let built = verifier.allow_unauthenticated().build();
    built.map_err(|source| TlsError::Authorities { path: path.to_owned(), source })
}
