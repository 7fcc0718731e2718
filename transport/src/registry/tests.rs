//! The registry as its callers see it: on disk, with an authority, over restarts.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use pomona_protocol::join::{CLOCK_SKEW_MS_MAX, JoinAnswer, JoinRefusal, JoinRequest, Membership};
use pomona_protocol::link::LINK_PROTOCOL;
use pomona_protocol::{JoinToken, NewToken, PeerRole};

use super::*;
use crate::identity::Identity;
use crate::join::proof;

mod members;

const EXPORTER: [u8; 32] = [8; 32];

struct World {
    folder: tempfile::TempDir,
    authority: Authority,
    registry: Registry,
    now: SystemTime,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path(), "orchard").unwrap();
        let registry = Registry::open(parts(folder.path())).unwrap();
        Self { folder, authority, registry, now: UNIX_EPOCH + Duration::from_secs(1_900_000_000) }
    }

    fn reopen(&mut self) {
        self.registry = Registry::open(parts(self.folder.path())).unwrap();
    }

    fn token(&self, uses: u32, name: Option<&str>) -> JoinToken {
        let wish = NewToken { role: PeerRole::Node, ttl_s: 900, uses, name: name.map(str::to_owned) };
        let addresses = ["192.0.2.1:9999".to_owned()];
        self.registry.create_token(&wish, &addresses, self.authority.fingerprint(), self.now).unwrap().1
    }

    fn request(&self, token: &JoinToken, name: &str) -> JoinRequest {
        let folder = tempfile::tempdir().unwrap();
        JoinRequest {
            protocol: LINK_PROTOCOL,
            version: "0.1.0".to_owned(),
            token: token.id,
            proof: proof::make(&proof::digest_of(&token.secret), &EXPORTER).to_vec(),
            role: PeerRole::Node,
            name: name.to_owned(),
            signing_request: Identity::create_request(folder.path()).unwrap().der,
            now_unix_ms: unix_ms(self.now),
        }
    }

    fn admit(&self, request: &JoinRequest) -> Result<Membership, JoinRefusal> {
        self.admit_from(request, "192.0.2.7:1234")
    }

    fn admit_from(&self, request: &JoinRequest, remote: &str) -> Result<Membership, JoinRefusal> {
        let remote = remote.parse().unwrap();
        match self.registry.admit(request, &EXPORTER, remote, &self.authority, self.now) {
            JoinAnswer::Welcome(membership) => Ok(*membership),
            JoinAnswer::Refused(refusal) => Err(refusal),
        }
    }

    fn join(&self, name: &str) -> Membership {
        self.admit(&self.request(&self.token(1, None), name)).unwrap()
    }

    fn audit(&self) -> Vec<AuditLine> {
        let text = fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn audit_of(&self, what: AuditWhat) -> Vec<AuditLine> {
        self.audit().into_iter().filter(|line| line.what == what).collect()
    }
}

fn parts(folder: &Path) -> RegistryParts {
    RegistryParts {
        folder: folder.to_owned(),
        members_max: 3,
        certificate_lifetime: Duration::from_secs(720 * 3600),
        version: "0.1.0".to_owned(),
    }
}

#[test]
fn a_token_lets_one_machine_in_and_no_second_one() {
    let mut world = World::new();
    let gateways = vec![GatewayAddresses {
        node: NodeId::from("n-0"),
        name: "gate".to_owned(),
        lan: vec!["192.0.2.1:9999".to_owned()],
        wan: Vec::new(),
    }];
    world.registry.set_gateways(gateways.clone());
    let token = world.token(1, None);
    let membership = world.admit(&world.request(&token, "studio")).unwrap();
    assert_eq!((membership.name.as_str(), membership.cluster.as_str()), ("studio", "orchard"));
    assert_eq!(membership.gateways, gateways);
    world.reopen();
    assert_eq!(world.admit(&world.request(&token, "mini")), Err(JoinRefusal::Used { uses: 1 }));
    let members = world.registry.members();
    assert_eq!(members.len(), 1);
    assert_eq!((&members[0].node, members[0].joined_unix_ms), (&membership.node, unix_ms(world.now)));
    assert_eq!(members[0].certificate_expires_unix_ms, unix_ms(world.now) + 720 * 3_600_000);
    let joined = &world.audit_of(AuditWhat::Joined)[0];
    assert_eq!(joined.node.as_ref(), Some(&membership.node));
    assert_eq!(joined.token, Some(format!("{:016x}", token.id)));
    assert_eq!(joined.remote, Some("192.0.2.7:1234".parse().unwrap()));
}

#[test]
fn every_refusal_leaves_a_line_spends_nothing_and_lets_nobody_in() {
    type Change = fn(&mut World, &mut JoinRequest);
    let cases: [(Change, &str); 9] = [
        (|_, request| request.protocol += 1, "version"),
        (|_, request| request.token += 1, "unknown_token"),
        (|_, request| request.proof[0] ^= 1, "unknown_token"),
        (
            |world, request| {
                world.now += Duration::from_secs(901);
                request.now_unix_ms += 901_000;
            },
            "expired",
        ),
        (|_, request| request.role = PeerRole::Gateway, "wrong_role"),
        (|_, request| request.now_unix_ms += CLOCK_SKEW_MS_MAX + 1, "clock"),
        (|_, request| request.name = "a\u{0}b".to_owned(), "invalid"),
        (|_, request| request.signing_request.truncate(50), "invalid"),
        (
            |world, _| {
                for name in ["a", "b", "c"] {
                    world.join(name);
                }
            },
            "invalid",
        ),
    ];
    for (number, (change, code)) in cases.into_iter().enumerate() {
        let mut world = World::new();
        let token = world.token(1, None);
        let mut request = world.request(&token, "studio");
        change(&mut world, &mut request);
        let members = world.registry.members();
        assert_eq!(world.admit(&request).map_err(|refusal| refusal.code()), Err(code), "case {number}");
        assert_eq!(world.registry.members(), members, "case {number}");
        let lines = world.audit_of(AuditWhat::JoinRefused);
        assert_eq!(lines.len(), 1, "case {number}");
        assert_eq!(lines[0].code.as_deref(), Some(code), "case {number}");
        let uses: Vec<_> = world.registry.tokens(world.now).iter().map(|token| token.uses_left).collect();
        assert_eq!(uses, if code == "expired" { vec![] } else { vec![1] }, "case {number}");
    }
}

#[test]
fn a_membership_that_cannot_be_stored_was_never_given() {
    let world = World::new();
    let token = world.token(1, None);
    let path = world.folder.path().join(store::REGISTRY_FILE);
    let aside = world.folder.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(
        world.admit(&world.request(&token, "studio")).map_err(|refusal| refusal.code()),
        Err("invalid")
    );
    assert_eq!(world.audit_of(AuditWhat::JoinRefused)[0].code.as_deref(), Some("storage"));
    assert!(world.registry.members().is_empty());
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert!(world.admit(&world.request(&token, "studio")).is_ok());
}

#[test]
fn failed_tries_make_an_address_wait_with_one_line_for_it() {
    let mut world = World::new();
    let token = world.token(1, None);
    let mut wrong = world.request(&token, "studio");
    wrong.proof[0] ^= 1;
    for _ in 0..TRIES_PER_ADDRESS_MAX {
        assert_eq!(world.admit(&wrong), Err(JoinRefusal::UnknownToken));
    }
    let right = world.request(&token, "studio");
    for _ in 0..3 {
        assert_eq!(world.admit(&right), Err(JoinRefusal::Throttled { retry_after_s: 60 }));
    }
    let lines = world.audit_of(AuditWhat::JoinRefused);
    assert_eq!(lines.len(), TRIES_PER_ADDRESS_MAX as usize + 1);
    assert_eq!(lines.last().unwrap().code.as_deref(), Some("throttled"));
    world.now += Duration::from_millis(TRY_WINDOW_MS);
    assert!(world.admit(&right).is_ok());
}

#[test]
fn two_machines_never_share_the_last_use_of_a_token() {
    let world = Arc::new(World::new());
    let token = world.token(1, None);
    let requests = [world.request(&token, "a"), world.request(&token, "b"), world.request(&token, "c")];
    let threads = requests.map(|request| {
        let world = Arc::clone(&world);
        std::thread::spawn(move || world.admit(&request).is_ok())
    });
    let joined = threads.map(|thread| thread.join().unwrap());
    assert_eq!(joined.iter().filter(|joined| **joined).count(), 1);
}

#[test]
fn a_taken_name_gets_a_number_and_a_token_may_fix_the_name() {
    let world = World::new();
    assert_eq!(world.join("studio").name, "studio");
    assert_eq!(world.join("Studio").name, "Studio-2");
    let token = world.token(1, Some("kiosk"));
    assert_eq!(world.admit(&world.request(&token, "whatever")).unwrap().name, "kiosk");
}

#[test]
fn a_machine_whose_answer_got_lost_asks_again_with_the_same_token() {
    let mut world = World::new();
    let token = world.token(2, None);
    let request = world.request(&token, "studio");
    let first = world.admit(&request).unwrap();
    let again = world.admit(&request).unwrap();
    assert_eq!((&first.node, &first.name), (&again.node, &again.name));
    assert_eq!(world.registry.tokens(world.now)[0].uses_left, 1);
    let other = world.request(&token, "mini");
    world.admit(&other).unwrap();
    world.reopen();
    assert!(world.admit(&request).is_ok() && world.admit(&other).is_ok());
    assert_eq!(world.admit(&world.request(&token, "air")), Err(JoinRefusal::Used { uses: 2 }));
    assert_eq!(world.registry.members().len(), 2);
    // Not after its removal, and not with a token that expired.
    world.registry.remove("studio", world.now).unwrap();
    assert_eq!(world.admit(&request), Err(JoinRefusal::Used { uses: 2 }));
    world.now += Duration::from_secs(900);
    assert!(matches!(world.admit(&other), Err(JoinRefusal::Expired { .. })));
}

#[test]
fn a_machine_that_joins_again_with_its_key_stays_one_member() {
    let world = World::new();
    let mut request = world.request(&world.token(1, None), "studio");
    let first = world.admit(&request).unwrap();
    let token = world.token(1, None);
    request.token = token.id;
    request.proof = world.request(&token, "").proof;
    let second = world.admit(&request).unwrap();
    assert_eq!((first.node, first.name), (second.node, second.name));
    assert_eq!(world.registry.members().len(), 1);
}

#[test]
fn tokens_are_listed_while_they_count_and_revoked_by_id() {
    let mut world = World::new();
    let token = world.token(2, Some("kiosk"));
    let listed = world.registry.tokens(world.now);
    assert_eq!((listed.len(), listed[0].uses_left, listed[0].name.as_deref()), (1, 2, Some("kiosk")));
    let stored = fs::read_to_string(world.folder.path().join(store::REGISTRY_FILE)).unwrap();
    let hex: String = token.secret.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!stored.contains(&hex) && !stored.contains(&token.to_string()));
    world.reopen();
    assert_eq!(world.registry.tokens(world.now), listed);
    world.registry.revoke_token(&listed[0].id, world.now).unwrap();
    assert_eq!(world.registry.tokens(world.now), []);
    assert_eq!(world.admit(&world.request(&token, "x")), Err(JoinRefusal::UnknownToken));
    for id in [listed[0].id.as_str(), "", "zz", "+000000000000001"] {
        assert!(matches!(
            world.registry.revoke_token(id, world.now),
            Err(RegistryError::UnknownToken { .. })
        ));
    }
    let whats: Vec<_> = world.audit().iter().map(|line| line.what).collect();
    assert_eq!(whats, [AuditWhat::TokenCreated, AuditWhat::TokenRevoked, AuditWhat::JoinRefused]);
}

#[test]
fn a_wish_for_a_token_is_checked() {
    let world = World::new();
    let create = |ttl_s, uses, name: Option<&str>, address: &str| {
        let wish = NewToken { role: PeerRole::Node, ttl_s, uses, name: name.map(str::to_owned) };
        world.registry.create_token(&wish, &vec![address.to_owned(); 20], [0; 32], world.now)
    };
    assert!(matches!(create(0, 1, None, "a:1"), Err(RegistryError::OutOfRange { key: "ttl_s", .. })));
    assert!(matches!(create(TOKEN_TTL_S_MAX + 1, 1, None, "a:1"), Err(RegistryError::OutOfRange { .. })));
    assert!(matches!(create(1, 0, None, "a:1"), Err(RegistryError::OutOfRange { key: "uses", .. })));
    assert!(matches!(create(1, 1001, None, "a:1"), Err(RegistryError::OutOfRange { .. })));
    assert!(matches!(create(1, 1, Some(" "), "a:1"), Err(RegistryError::Name(NameError::Empty))));
    assert!(matches!(create(1, 1, None, &"a".repeat(200)), Err(RegistryError::TokenTooLong { .. })));
    let (created, token) = create(1, 1, None, "a:1").unwrap();
    assert_eq!((created.token.parse(), token.addresses.len()), (Ok(token), 16));
}

#[test]
fn tokens_have_a_limit_and_used_ones_make_room() {
    let mut world = World::new();
    for _ in 0..TOKENS_MAX {
        world.token(1, None);
    }
    let wish = NewToken { role: PeerRole::Node, ttl_s: 900, uses: 1, name: None };
    let full = world.registry.create_token(&wish, &[], [0; 32], world.now);
    assert!(matches!(full, Err(RegistryError::TooManyTokens)));
    world.now += Duration::from_secs(900);
    world.token(1, None);
    assert_eq!(world.registry.tokens(world.now).len(), 1);
}

#[test]
fn refused_links_are_noted_but_not_without_end() {
    let world = World::new();
    let remote = "192.0.2.9:1".parse().unwrap();
    for _ in 0..100 {
        let node = NodeId("x".repeat(5000));
        world.registry.link_refused(Some(&node), remote, &LinkRefusal::ShuttingDown, world.now);
    }
    let lines = world.audit_of(AuditWhat::LinkRefused);
    assert_eq!(lines.len(), TRIES_PER_ADDRESS_MAX as usize);
    assert_eq!(lines[0].code.as_deref(), Some("shutting_down"));
    assert_eq!(lines[0].node.as_ref().map(|node| node.0.len()), Some(64));
}

#[test]
fn a_damaged_registry_or_one_of_the_future_is_an_error_and_is_kept() {
    let world = World::new();
    world.join("studio");
    let path = world.folder.path().join(store::REGISTRY_FILE);
    let whole = fs::read_to_string(&path).unwrap();
    let damages = BTreeMap::from([
        ("cut", whole[..whole.len() / 2].to_owned()),
        ("newer", whole.replace("\"format\": 1", "\"format\": 2")),
        ("digest", whole.replace("\"secret_sha256\": \"", "\"secret_sha256\": \"é")),
    ]);
    for (kind, damage) in damages {
        fs::write(&path, &damage).unwrap();
        let error = Registry::open(parts(world.folder.path())).unwrap_err();
        assert!(matches!(error, RegistryError::Store(StoreError::Damaged { .. })), "{kind}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damage);
    }
}
