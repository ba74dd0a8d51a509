//! Which servers are believed over https: those whose certificate was signed by an authority of Mozilla's list or, where
//! `SSL_CERT_FILE` names a file of authorities (PEM), by one of those and no other.

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::StoreError;

/// An agent for these addresses, which knows whom to believe if one of them is `https://`.
pub fn agent<'a>(
    config: ConfigBuilder<AgentScope>,
    mut addresses: impl Iterator<Item = &'a str>,
) -> Result<Agent, StoreError> {
    let encrypted = |address: &str| address.get(..8).is_some_and(|way| way.eq_ignore_ascii_case("https://"));
    let config = match addresses.any(encrypted) {
        true => believing(config)?,
        false => config,
    };
    Ok(config.build().new_agent())
}

#[cfg(not(feature = "tls"))]
fn believing(config: ConfigBuilder<AgentScope>) -> Result<ConfigBuilder<AgentScope>, StoreError> {
    Ok(config)
}

#[cfg(feature = "tls")]
fn believing(config: ConfigBuilder<AgentScope>) -> Result<ConfigBuilder<AgentScope>, StoreError> {
    let Some(authorities) = named_authorities()? else { return Ok(config) };
    let roots: Vec<_> =
        authorities.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned()).collect();
    Ok(config.tls_config(ureq::tls::TlsConfig::builder().root_certs(roots.into()).build()))
}

#[cfg(any(feature = "tls", feature = "postgres"))]
const FILE: &str = "SSL_CERT_FILE";
/// Bytes of a file of authorities at most; Mozilla's whole list takes a quarter of a megabyte.
#[cfg(any(feature = "tls", feature = "postgres"))]
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The authorities that `SSL_CERT_FILE` names; `None` where it is not set.
#[cfg(any(feature = "tls", feature = "postgres"))]
pub(crate) fn named_authorities()
-> Result<Option<Vec<rustls::pki_types::CertificateDer<'static>>>, StoreError> {
    use std::io::Read as _;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let Some(path) = std::env::var_os(FILE).filter(|path| !path.is_empty()) else { return Ok(None) };
    let path = std::path::Path::new(&path);
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map(|file| file.take(FILE_BYTES_MAX));
    file.and_then(|mut file| file.read_to_end(&mut pem))
        .map_err(StoreError::io("read the authorities in", path))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| {
        StoreError::Invalid(format!("{FILE} names {}, which does not read: {error}", path.display()))
    })?;
    match certificates.is_empty() {
        true => {
            Err(StoreError::Invalid(format!("{FILE} names {}, which holds no certificate", path.display())))
        }
        false => Ok(Some(certificates)),
    }
}

/// Why a server is not believed, if that is what went wrong: asking again would change nothing.
#[cfg(not(feature = "tls"))]
pub(crate) fn disbelief(_: &ureq::Error) -> Option<String> {
    None
}

/// Why a server is not believed, if that is what went wrong: asking again would change nothing.
#[cfg(feature = "tls")]
pub(crate) fn disbelief(error: &ureq::Error) -> Option<String> {
    let error = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    let rustls::Error::InvalidCertificate(why) = error else { return None };
    use rustls::CertificateError as Why;
    Some(match why {
        Why::UnknownIssuer => format!(
            "its certificate is of no authority that is believed here ({FILE} names a file of others)"
        ),
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        why => format!("its certificate is refused: {why}"),
    })
}
