//! The server's certificate. It is read from its files at the start and again when they change; new files that cannot be used leave the old
//! certificate in place.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::{Context, Http, Shutdown, TaskError};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate and its key, with the files that they come from.
#[derive(Debug)]
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    certified: Arc<CertifiedKey>,
    digest: [u8; 32],
}

/// Reads the certificate that the settings name, and starts to watch its files; `None` when they name none.
///
/// # Errors
/// A sentence that names the file.
pub(super) fn acceptor(context: &Context) -> Result<Option<TlsAcceptor>, String> {
    let Http { tls_certificate, tls_key, .. } = &context.settings.http;
    if !context.settings.tls_is_on() {
        return Ok(None);
    }
    let certificate = Arc::new(Certificate::load(tls_certificate, tls_key)?);
    watch(context, certificate.clone());
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth();
    let mut config = config.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn watch(context: &Context, certificate: Arc<Certificate>) {
    let shutdown = context.shutdown.clone();
    // A fault fails the task: it is logged, shown among the tasks, and tried again.
    context.tasks.spawn("http.certificate", move || look(certificate.clone(), shutdown.clone()));
}

async fn look(certificate: Arc<Certificate>, shutdown: Shutdown) -> Result<(), TaskError> {
    loop {
        if certificate.reload().await? {
            tracing::info!(file = %certificate.chain.display(), "the certificate was replaced");
        }
        tokio::select! {
            () = shutdown.wait() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Certificate {
    fn load(chain: &Path, key: &Path) -> Result<Self, String> {
        let current = parse(&read(chain)?, &read(key)?, (chain, key))?;
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), current: RwLock::new(current) })
    }

    /// Reads the files again; whether they have changed.
    async fn reload(self: &Arc<Self>) -> Result<bool, String> {
        let this = self.clone();
        let reading = tokio::task::spawn_blocking(move || this.reload_now()).await;
        let outcome = reading.map_err(|error| error.to_string())?;
        outcome.map_err(|error| format!("{error}; the certificate from before is served"))
    }

    fn reload_now(&self) -> Result<bool, String> {
        let (chain, key) = (read(&self.chain)?, read(&self.key)?);
        if digest(&chain, &key) == self.current().digest {
            return Ok(false);
        }
        let current = parse(&chain, &key, (&self.chain, &self.key))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(true)
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().certified)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

fn digest(chain: &[u8], key: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(chain.len().to_be_bytes()).chain_update(chain).chain_update(key).finalize().into()
}

fn parse(chain: &[u8], key: &[u8], (chain_file, key_file): (&Path, &Path)) -> Result<Current, String> {
    let faulty = |file: &Path, what: &str| format!("{} {what}", file.display());
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| faulty(chain_file, "has no valid PEM"))?;
    if certificates.is_empty() {
        return Err(faulty(chain_file, "has no certificate in PEM"));
    }
    let private = PrivateKeyDer::from_pem_slice(key).map_err(|_| faulty(key_file, "has no private key in PEM"))?;
    let certified = CertifiedKey::from_der(certificates, private, &ring::default_provider());
    let certified = certified.map_err(|error| faulty(key_file, &format!("does not fit {}: {error}", chain_file.display())))?;
    Ok(Current { certified: Arc::new(certified), digest: digest(chain, key) })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self { folder: tempfile::tempdir().unwrap() };
            files.write(&made());
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, made: &(String, String)) {
            std::fs::write(self.path("c.pem"), &made.0).unwrap();
            std::fs::write(self.path("k.pem"), &made.1).unwrap();
        }

        fn load(&self) -> Result<Certificate, String> {
            Certificate::load(&self.path("c.pem"), &self.path("k.pem"))
        }
    }

    fn made() -> (String, String) {
        let Made { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn served(certificate: &Certificate) -> Vec<u8> {
        certificate.current().certified.cert[0].to_vec()
    }

    #[test]
    fn new_files_are_taken_and_unchanged_ones_left() {
        let files = Files::new();
        let certificate = files.load().unwrap();
        let first = served(&certificate);
        assert!(!certificate.reload_now().unwrap());
        files.write(&made());
        assert!(certificate.reload_now().unwrap());
        assert_ne!(served(&certificate), first);
    }

    #[test]
    fn unusable_files_leave_the_old_certificate_and_are_named() {
        let files = Files::new();
        let certificate = files.load().unwrap();
        let first = served(&certificate);
        let (chain, other_key) = (std::fs::read_to_string(files.path("c.pem")).unwrap(), made().1);
        for (chain, key, named) in
            [(chain.as_str(), other_key.as_str(), "k.pem"), ("nothing", other_key.as_str(), "c.pem"), (chain.as_str(), "", "k.pem")]
        {
            files.write(&(chain.to_owned(), key.to_owned()));
            let error = certificate.reload_now().unwrap_err();
            assert!(error.contains(named), "{error}");
            assert!(files.load().is_err(), "nor does a start take them");
        }
        std::fs::remove_file(files.path("c.pem")).unwrap();
        assert!(certificate.reload_now().unwrap_err().contains("cannot be read"));
        assert_eq!(served(&certificate), first);
    }
}
