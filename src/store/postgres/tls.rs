//! What `sslmode` and `sslrootcert` promise.

use std::{fs, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

/// How much a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SslMode {
    /// Clear text.
    Disable,
    /// TLS where the server has it.
    #[default]
    Prefer,
    /// TLS with whoever answers; with a root certificate as `VerifyCa`, as in libpq.
    Require,
    /// TLS with a server whose certificate a trusted authority signed.
    VerifyCa,
    /// The same, and the certificate is for the host that was asked for.
    VerifyFull,
}

/// The DSN's wishes about TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    pub(super) mode: SslMode,
    pub(super) root_cert: Option<String>,
}

impl Tls {
    /// Reads the root certificates and makes rustls' configuration.
    ///
    /// # Errors
    /// Where they cannot be read. The text may be shown.
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match (self.mode, &self.root_cert) {
            (SslMode::VerifyCa | SslMode::VerifyFull, _) | (SslMode::Require, Some(_)) => {
                Arc::new(self.verifier(&provider)?)
            }
            _ => Arc::new(Anybody(Arc::clone(&provider))),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// The name that the server has to prove. Where it need not, one that cannot be a name will do.
    pub(super) fn server_name(&self, host: &str) -> Result<ServerName<'static>, String> {
        match ServerName::try_from(host.to_owned()) {
            Ok(name) => Ok(name),
            Err(_) if self.mode != SslMode::VerifyFull => {
                ServerName::try_from("localhost").map_err(|error| error.to_string())
            }
            Err(_) => Err("the host is no name that a certificate could bear".to_owned()),
        }
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Authority, String> {
        let mut roots = RootCertStore::empty();
        let mut trusted = Vec::new();
        match self.root_cert.as_deref() {
            None | Some("system") => {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            Some(path) => {
                let pem = fs::read(path)
                    .map_err(|error| format!("sslrootcert cannot be read: {}", error.kind()))?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate =
                        certificate.map_err(|_| "sslrootcert is no PEM file".to_owned())?;
                    roots
                        .add(certificate.clone())
                        .map_err(|_| "sslrootcert holds what is no certificate".to_owned())?;
                    trusted.push(certificate);
                }
            }
        }
        let chain =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| format!("sslrootcert is of no use: {error}"))?;
        Ok(Authority {
            chain,
            trusted,
            check_name: self.mode == SslMode::VerifyFull,
        })
    }
}

/// Trusts whom an authority vouches for.
#[derive(Debug)]
struct Authority {
    chain: Arc<WebPkiServerVerifier>,
    /// The certificates of `sslrootcert` themselves, of which one may be the server's own.
    trusted: Vec<CertificateDer<'static>>,
    check_name: bool,
}

impl ServerCertVerifier for Authority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trusted.contains(end_entity) {
            // webpki accepts no authority as a server, which a self-signed certificate is both of.
            if self.check_name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        // The chain is verified before the name.
        match self
            .chain
            .verify_server_cert(end_entity, intermediates, name, ocsp, now)
        {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.check_name => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Trusts whoever answers, as `require` does: it keeps out who listens, not who pretends.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
