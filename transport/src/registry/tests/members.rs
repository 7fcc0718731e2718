//! Members after their joining: renewed, renamed, removed.

use super::*;

#[test]
fn a_member_renews_with_its_own_key_only() {
    let mut world = World::new();
    let request = world.request(&world.token(1, None), "studio");
    let node = world.admit(&request).unwrap().node;
    world.now += Duration::from_secs(480 * 3600);
    let csr = &request.signing_request;
    let renewed = world.registry.renew(&node, csr, &world.authority, world.now).unwrap();
    assert_eq!(renewed.node, node);
    world.reopen();
    let member = world.registry.member("studio").unwrap();
    assert_eq!(member.certificate_expires_unix_ms, unix_ms(renewed.expires_at));
    let foreign = world.request(&world.token(1, None), "x").signing_request;
    let codes = [
        world.registry.renew(&node, &foreign, &world.authority, world.now),
        world.registry.renew(&node, b"no request", &world.authority, world.now),
        world.registry.renew(&NodeId::from("n-nobody"), csr, &world.authority, world.now),
        {
            world.registry.remove("studio", world.now).unwrap();
            world.registry.renew(&node, csr, &world.authority, world.now)
        },
    ]
    .map(|renewed| renewed.unwrap_err().code());
    assert_eq!(codes, ["other_key", "invalid", "no_member", "removed"]);
    let lines = world.audit_of(AuditWhat::RenewRefused);
    assert_eq!(lines.iter().map(|line| line.code.as_deref().unwrap()).collect::<Vec<_>>(), codes);
    assert_eq!(world.audit_of(AuditWhat::Renewed).len(), 1);
}

#[test]
fn a_removed_member_is_revoked_until_its_certificate_ends_and_may_join_again() {
    let mut world = World::new();
    let request = world.request(&world.token(1, None), "studio");
    let node = world.admit(&request).unwrap().node;
    world.registry.remove(&node.0, world.now).unwrap();
    world.reopen();
    assert_eq!((world.registry.revoked(), world.registry.members()), (vec![node.clone()], vec![]));
    assert!(matches!(world.registry.remove(&node.0, world.now), Err(RegistryError::UnknownNode { .. })));
    assert_eq!(world.join("studio").name, "studio");
    world.now += Duration::from_secs(721 * 3600);
    world.token(1, None);
    assert_eq!(world.registry.revoked(), []);
    assert_eq!(world.audit_of(AuditWhat::Removed).len(), 1);
}

#[test]
fn joining_again_lifts_a_removal() {
    let world = World::new();
    let mut request = world.request(&world.token(1, None), "studio");
    let node = world.admit(&request).unwrap().node;
    world.registry.remove("studio", world.now).unwrap();
    let token = world.token(1, None);
    (request.token, request.proof) = (token.id, world.request(&token, "").proof);
    assert_eq!(world.admit(&request).unwrap().node, node);
    assert_eq!(world.registry.revoked(), []);
}

#[test]
fn a_member_is_renamed_unless_the_name_is_taken() {
    let world = World::new();
    let node = world.join("studio").node;
    world.join("mini");
    assert_eq!(world.registry.rename("STUDIO", " desk ", world.now).unwrap().name, "desk");
    assert_eq!(world.registry.member("desk").map(|member| member.node), Some(node));
    assert!(matches!(world.registry.rename("desk", "Mini", world.now), Err(RegistryError::NameTaken { .. })));
    assert!(matches!(world.registry.rename("desk", "\t", world.now), Err(RegistryError::Name(_))));
    assert!(matches!(world.registry.rename("ghost", "x", world.now), Err(RegistryError::UnknownNode { .. })));
    assert_eq!(world.registry.rename("desk", "DESK", world.now).unwrap().name, "DESK");
    assert_eq!(world.audit_of(AuditWhat::Renamed).len(), 2);
}

#[test]
fn the_first_gateway_is_a_member_of_its_own_cluster() {
    let mut world = World::new();
    let csr = world.request(&world.token(1, None), "").signing_request;
    let lifetime = Duration::from_secs(3600);
    let sign = |now| world.authority.sign(&csr, PeerRole::Gateway, lifetime, now).unwrap();
    let (first, later) = (sign(world.now), sign(world.now + lifetime));
    let enroll = |signed, now| world.registry.enroll(signed, PeerRole::Gateway, "gate", now).unwrap();
    assert_eq!(enroll(&first, world.now), "gate");
    world.registry.rename("gate", "door", world.now).unwrap();
    assert_eq!(enroll(&later, world.now + lifetime), "door");
    let members = world.registry.members();
    assert_eq!((members.len(), members[0].joined_unix_ms), (1, unix_ms(world.now)));
    assert_eq!(members[0].certificate_expires_unix_ms, unix_ms(later.expires_at));
    world.reopen();
    assert_eq!(world.registry.members(), members);
}
