//! An authority, and what it signs.

#![cfg(unix)]

use std::{fs, net::IpAddr, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use tempfile::TempDir;

/// Files of a server's certificate, with its key, and of the authority that signed it.
pub(crate) struct Certificates {
    folder: TempDir,
    /// The server's, for servers that a test plays itself.
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Certificates {
    /// For a host of that name or address.
    pub(crate) fn new(host: &str) -> Self {
        Self::ending(host, 2_100)
    }

    /// For a host, and no longer.
    pub(crate) fn expired(host: &str) -> Self {
        Self::ending(host, 2_001)
    }

    fn ending(host: &str, year: i32) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let authority_key = KeyPair::generate().unwrap();
        let signed = authority.self_signed(&authority_key).unwrap();

        let mut server = CertificateParams::new(Vec::new()).unwrap();
        server.distinguished_name.push(DnType::CommonName, "a server of tests");
        server.subject_alt_names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into().unwrap()),
        });
        server.not_before = date_time_ymd(2_000, 1, 1);
        server.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();

        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("authority.pem"), signed.pem()).unwrap();
        fs::write(folder.path().join("server.pem"), certificate.pem() + &key.serialize_pem()).unwrap();
        Self { folder, certificate: certificate.der().to_vec(), key: key.serialize_der() }
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }
}
