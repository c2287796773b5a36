//! Passwords and TLS by the URL: the right ones work, wrong ones are refused once, in time, and never shown.

#![cfg(unix)]

use std::{sync::Arc, time::Duration};

use minibatch_core::ErrorKind;
use minibatch_mongo::{MongoOptions, MongoStorage};
use mongodb::bson::{Document, doc};
use tokio::{net::TcpListener, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer},
};

use crate::{
    certificates::Certificates,
    mongod::{Mongod, options},
    server::Producing,
    words::{Log, words},
};

/// A password, never to be seen in any text.
const CANARY: &str = "c4n4ry";
/// How long a server is looked for here.
const SELECTION: &str = "&serverSelectionTimeoutMS=1500";
/// How long until the answer: some more, for whatever else the machine does.
const IN_TIME: Duration = Duration::from_secs(10);

/// Fails to connect for a reason that holds `word`.
async fn check_refused(url: &str, options: MongoOptions, word: &str) {
    let error = timeout(IN_TIME, MongoStorage::connect(url, options)).await.expect("in time").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(error.to_string().contains(word), "{error}");
    let words = words(&error);
    assert!(!words.contains(CANARY), "{words}");
}

#[tokio::test]
async fn right_ones_work_and_wrong_ones_are_refused() {
    let Some(server) = Mongod::start().await else { return };
    let log = Log::listen();
    server.database().await.run_command(user()).await.unwrap();
    let tls =
        |certificates: &Certificates| format!("&tls=true&tlsCAFile={}{SELECTION}", certificates.authority().display());
    let good = format!("&authMechanism=SCRAM-SHA-256{}", tls(&server.certificates));

    let storage = MongoStorage::connect(&server.url("user", CANARY, &good), options()).await.unwrap();
    assert!(!format!("{storage:?}").contains(CANARY));
    let producing = Producing::new(storage).await;
    producing.append(1, "over tls").await.unwrap();
    assert_eq!(producing.texts().await, ["over tls"]);

    check_refused(&server.url("user", &format!("{CANARY}-wrong"), &good), options(), "password").await;
    check_refused(&server.url(&format!("{CANARY}-nobody"), CANARY, &good), options(), "password").await;
    let nobody = format!("mongodb://localhost:{}/plant?directConnection=true", server.port);
    check_refused(&nobody, options(), "names no user").await;

    let others = Certificates::new("localhost");
    check_refused(&server.url("user", CANARY, &tls(&others)), options(), "tlsCAFile").await;
    check_refused(&server.url("user", CANARY, &format!("&tls=true{SELECTION}")), options(), "tlsCAFile").await;
    let missing = format!("&tls=true&tlsCAFile=/nowhere/{CANARY}.pem{SELECTION}");
    check_refused(&server.url("user", CANARY, &missing), options(), "tls options").await;
    let other_name = server.url("user", CANARY, &good).replace("localhost", "127.0.0.1");
    check_refused(&other_name, options(), "another host").await;

    // for experiments alone, and never by the url
    assert!(!log.text().contains("not checked"));
    MongoStorage::connect(&other_name, options().with_invalid_certificates()).await.unwrap();
    assert!(log.text().contains("not checked"));
    check_refused(&format!("{other_name}&tlsAllowInvalidCertificates=true"), options(), "checking of certificates")
        .await;
    assert!(!log.text().contains(CANARY), "{}", log.text());
}

fn user() -> Document {
    doc! {
        "createUser": "user", "pwd": CANARY, "roles": ["readWrite"], "mechanisms": ["SCRAM-SHA-256"],
    }
}

/// No mongod starts with an expired certificate, so what is behind it here is no mongod: it is not reached.
#[tokio::test]
async fn expired_certificate_is_refused() {
    let certificates = Certificates::expired("127.0.0.1");
    let key = PrivateKeyDer::try_from(certificates.key.clone()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificates.certificate.clone().into()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            assert!(acceptor.accept(stream).await.is_err(), "no client takes an expired certificate");
        }
    });
    let authority = certificates.authority();
    let url = format!("mongodb://u:{CANARY}@127.0.0.1:{port}/?tls=true&tlsCAFile={}{SELECTION}", authority.display());
    check_refused(&url, MongoOptions::default(), "expired").await;
    accepting.abort();
    assert!(accepting.await.unwrap_err().is_cancelled());
}
