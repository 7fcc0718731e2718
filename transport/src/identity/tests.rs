//! Authorities and identities on disk: made, read back, damaged, mixed up, renewed.

use std::fs;

use tempfile::TempDir;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn authority(cluster: &str) -> (TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path(), cluster).unwrap();
    (folder, authority)
}

fn membership(authority: &Authority, request: &SigningRequest, now: SystemTime) -> Membership {
    let signed = authority.sign(&request.der, PeerRole::Node, 30 * DAY, now).unwrap();
    assert_eq!(signed.node, request.node);
    Membership {
        node: signed.node,
        name: "pear".to_owned(),
        cluster: authority.cluster().to_owned(),
        certificate: signed.certificate.to_vec(),
        authority: authority.certificate().to_vec(),
        gateways: Vec::new(),
    }
}

#[test]
fn an_authority_reads_back_as_it_was_made_and_keeps_its_name() {
    let (folder, made) = authority("orchard");
    let read = Authority::load_or_create(folder.path(), "meadow").unwrap();
    assert_eq!((read.fingerprint(), read.cluster()), (made.fingerprint(), "orchard"));
    assert_eq!(certificate::fingerprint_of(read.certificate()).unwrap(), made.fingerprint());
}

#[test]
fn a_lost_authority_certificate_is_made_again_from_the_key() {
    let (folder, made) = authority("orchard");
    fs::remove_file(folder.path().join(AUTHORITY_CERTIFICATE)).unwrap();
    let missing = Authority::load(folder.path()).err().unwrap();
    assert!(matches!(missing, IdentityError::Missing { .. }), "{missing}");
    assert_eq!(
        Authority::load_or_create(folder.path(), "orchard").unwrap().fingerprint(),
        made.fingerprint()
    );
}

#[test]
fn a_member_has_the_id_of_its_key_and_keeps_it_when_renewed() {
    let (_keep, authority) = authority("orchard");
    let folder = tempfile::tempdir().unwrap();
    assert!(Identity::load(folder.path()).unwrap().is_none());
    let request = Identity::create_request(folder.path()).unwrap();
    assert!(Identity::load(folder.path()).unwrap().is_none(), "a request makes no member");
    let now = SystemTime::now();
    let identity = Identity::install(folder.path(), &membership(&authority, &request, now)).unwrap();
    assert_eq!((identity.node(), identity.role()), (&request.node, PeerRole::Node));
    assert_eq!(identity.cluster(), "orchard");
    assert!(identity.renew_at() < identity.expires_at() && identity.renew_at() > now + 19 * DAY);

    let renewal = identity.renewal_request().unwrap();
    let signed = authority.sign(&renewal.der, PeerRole::Node, 40 * DAY, now).unwrap();
    identity.swap(&signed.certificate).unwrap();
    assert!(identity.expires_at() > now + 39 * DAY);
    let again = Identity::load(folder.path()).unwrap().unwrap();
    assert_eq!((again.node(), again.expires_at()), (identity.node(), identity.expires_at()));
}

#[test]
fn an_expired_member_is_still_loaded_so_that_it_can_say_so() {
    let (folder, authority) = authority("orchard");
    let long_ago = SystemTime::now() - 90 * DAY;
    let identity =
        Identity::self_signed_by(&authority, folder.path(), PeerRole::Gateway, 30 * DAY, long_ago).unwrap();
    assert!(identity.expires_at() < SystemTime::now());
    let error = identity.swap(&identity.certified_key().cert[0]).unwrap_err().to_string();
    assert!(error.contains("expired"), "{error}");
}

#[test]
fn certificates_of_another_authority_or_another_key_are_refused() {
    let (_keep, ours) = authority("orchard");
    let (_keep, theirs) = authority("orchard");
    let folder = tempfile::tempdir().unwrap();
    let request = Identity::create_request(folder.path()).unwrap();
    let now = SystemTime::now();
    let good = membership(&ours, &request, now);
    let mixed = Membership { authority: theirs.certificate().to_vec(), ..good.clone() };
    let error = Identity::install(folder.path(), &mixed).unwrap_err().to_string();
    assert!(error.contains("another authority"), "{error}");

    let elsewhere = tempfile::tempdir().unwrap();
    Identity::create_request(elsewhere.path()).unwrap();
    let error = Identity::install(elsewhere.path(), &good).unwrap_err().to_string();
    assert!(error.contains("the key in"), "{error}");

    let identity = Identity::install(folder.path(), &good).unwrap();
    let foreign = theirs.sign(&request.der, PeerRole::Gateway, DAY, now).unwrap();
    assert!(identity.swap(&foreign.certificate).is_err());
    assert_eq!(identity.role(), PeerRole::Node);
}

#[test]
fn damaged_and_mixed_files_are_named_with_a_remedy() {
    let (folder, authority) = authority("orchard");
    let path = folder.path();
    Identity::self_signed_by(&authority, path, PeerRole::Gateway, DAY, SystemTime::now()).unwrap();
    for name in [AUTHORITY_CERTIFICATE, AUTHORITY_KEY, MEMBER_CERTIFICATE, MEMBER_KEY] {
        let file = path.join(name);
        let whole = fs::read(&file).unwrap();
        for broken in [&b""[..], b"garbage", &whole[..whole.len() / 2]] {
            fs::write(&file, broken).unwrap();
            let error =
                Authority::load(path).err().or_else(|| Identity::load(path).err()).unwrap().to_string();
            assert!(error.contains(name) && error.contains("; "), "{error}");
        }
        fs::write(&file, whole).unwrap();
    }
    fs::remove_file(path.join(MEMBER_KEY)).unwrap();
    let error = Identity::load(path).unwrap_err().to_string();
    assert!(error.contains("is there without") && error.contains("pomona token create"), "{error}");
    Identity::create_request(path).unwrap();
    assert!(matches!(Identity::load(path), Err(IdentityError::Foreign { .. })));
}

#[test]
fn a_member_of_one_cluster_does_not_become_the_authority_of_another_by_accident() {
    let (gateway, authority) = authority("orchard");
    let folder = tempfile::tempdir().unwrap();
    let request = Identity::create_request(folder.path()).unwrap();
    let good = membership(&authority, &request, SystemTime::now());
    Identity::install(folder.path(), &good).unwrap();
    let error = Authority::load_or_create(folder.path(), "meadow").err().unwrap().to_string();
    assert!(error.contains("another data folder"), "{error}");
    assert!(Authority::load(folder.path()).unwrap().is_none());

    let other = tempfile::tempdir().unwrap();
    Authority::load_or_create(other.path(), "meadow").unwrap();
    let request = Identity::create_request(other.path()).unwrap();
    let error = Identity::install(other.path(), &membership(&authority, &request, SystemTime::now()));
    assert!(matches!(error, Err(IdentityError::Foreign { .. })));
    drop(gateway);
}

#[test]
fn of_a_signing_request_the_key_alone_counts() {
    let (_keep, authority) = authority("orchard");
    let now = SystemTime::now();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["gateway.example.org".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key).unwrap();
    let signed = authority.sign(request.der(), PeerRole::Node, DAY, now).unwrap();
    let certified = certificate::check(&signed.certificate, authority.certificate(), now).unwrap();
    assert_eq!((certified.role, certified.cluster.as_str()), (PeerRole::Node, "orchard"));
    assert!(certificate::cluster_of(&signed.certificate).is_err(), "it became an authority");

    let mut changed = request.der().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let other_kind = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ed25519 = CertificateParams::default().serialize_request(&other_kind).unwrap();
    let huge = vec![0x30; 1 << 20];
    for bad in [&b""[..], b"garbage", &changed, ed25519.der(), &huge] {
        let refused = authority.sign(bad, PeerRole::Node, DAY, now);
        assert!(matches!(refused, Err(IdentityError::SigningRequest { .. })), "{refused:?}");
    }
}

#[test]
fn a_certificate_for_https_is_none_for_members() {
    let (_keep, authority) = authority("orchard");
    let now = SystemTime::now();
    let names = ["pomona.local".to_owned(), "n-0000000000000000.pomona.internal".to_owned()];
    let made = authority.sign_server(&names, &["127.0.0.1".parse().unwrap()], DAY, now).unwrap();
    assert!(Certified::read(&made.chain[0]).is_err());
    assert!(certificate::check(&made.chain[0], authority.certificate(), now).is_err());
}

#[test]
fn a_cluster_name_that_would_break_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "two words", "a/b", "obst\u{e4}garten", &"x".repeat(64)] {
        let refused = Authority::load_or_create(folder.path(), name).err().unwrap();
        assert!(matches!(refused, IdentityError::ClusterName { .. }), "{name}");
    }
}
