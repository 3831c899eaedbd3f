//! TLS as a client (RFC 3207): when to use it, and which certificates to accept.

use super::tls::{TlsError, roots};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};

/// When a client uses TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TlsPolicy {
    /// Never.
    Off,
    /// If the server offers it. Its certificate is not verified, so this protects from those who read along, and not
    /// from those who change what is sent.
    Opportunistic,
    /// Always, and the certificate must be for the server's name, and signed by an authority in the file `ca` (PEM).
    Required { ca: PathBuf },
}

/// A policy that is ready for handshakes.
#[derive(Clone)]
pub(crate) enum ClientTls {
    Off,
    Opportunistic(TlsConnector),
    Required(TlsConnector),
}

impl TlsPolicy {
    /// Reads the file of authorities, if the policy has one. Blocks.
    ///
    /// # Errors
    /// The file cannot be read, or is not what it should be.
    pub(crate) fn load(&self) -> Result<ClientTls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for TLS 1.2 and 1.3");
        Ok(match self {
            Self::Off => ClientTls::Off,
            Self::Opportunistic => {
                let any = Arc::new(AnyCertificate::new(&provider));
                let config = config.dangerous().with_custom_certificate_verifier(any).with_no_client_auth();
                ClientTls::Opportunistic(TlsConnector::from(Arc::new(config)))
            }
            Self::Required { ca } => {
                let config = config.with_root_certificates(roots(ca)?).with_no_client_auth();
                ClientTls::Required(TlsConnector::from(Arc::new(config)))
            }
        })
    }
}

/// Accepts any certificate, and checks only that the server has its key.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl AnyCertificate {
    fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
