//! Known host keys: the first contact decides once, keys are never replaced, only revoked or added.

use model::Timestamp;
use model::record::{HostKeyRecord, KeySource};
use store::StoreError;
use store::keys::{FirstUse, Import};

use crate::bench::{Bench, On, at};

pub(crate) fn key(address: &str, name: &str) -> HostKeyRecord {
    HostKeyRecord {
        address: address.to_owned(),
        port: 22,
        fingerprint: format!("SHA256:{name}"),
        key_type: "ssh-ed25519".to_owned(),
        wire_key: name.to_owned(),
        source: KeySource::FirstUse,
        revoked: false,
        reason: String::new(),
        first_seen_at: at(0),
        changed_at: at(0),
    }
}

impl Bench {
    /// Trusts a key of an address at first use.
    pub(crate) async fn trust(
        &self,
        address: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<FirstUse, StoreError> {
        let audit = self.audit("ssh.host_key.trusted", &format!("host_key:{address}"));
        self.db.trust_first((&self.tenant, &audit), &key(address, name), now, &mut self.nonces()).await
    }

    pub(crate) async fn revoke(&self, address: &str, name: &str, now: Timestamp) {
        let audit = self.audit("ssh.host_key.revoked", &format!("host_key:{address}"));
        let revoked = HostKeyRecord { revoked: true, reason: "stolen".to_owned(), ..key(address, name) };
        let by = (&self.tenant, &audit);
        self.db.put_keys(by, &[revoked], now, &mut self.nonces()).await.unwrap();
    }
}

/// SSH-07: the second of two first contacts with different keys is told what is known and stores nothing.
async fn the_second_first_contact_with_another_key_stores_nothing(on: On) {
    let bench = Bench::on(on).await;
    assert_eq!(bench.trust("web-1", "key-a", at(10)).await.unwrap(), FirstUse::Stored);
    let before = bench.dump().await;
    let FirstUse::AlreadyKnown(known) = bench.trust("web-1", "key-b", at(20)).await.unwrap() else {
        panic!("the second key was stored")
    };
    let names: Vec<&str> = known.iter().map(|known| known.record.fingerprint.as_str()).collect();
    assert_eq!(names, ["SHA256:key-a"]);
    assert_eq!(bench.dump().await, before);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(the_second_first_contact_with_another_key_stores_nothing);

/// SSH-07: the same from two handles at once, many times.
async fn two_first_contacts_at_once_store_one_key(on: On) {
    let first = Bench::on(on).await;
    let second = first.second_handle().await;
    for round in 0..20 {
        let address = format!("host-{round}");
        let (a, b) =
            tokio::join!(first.trust(&address, "key-a", at(10)), second.trust(&address, "key-b", at(10)));
        let stored = [a.unwrap(), b.unwrap()].iter().filter(|use_| **use_ == FirstUse::Stored).count();
        assert_eq!(stored, 1, "round {round}");
        let known = first.db.list_keys(&first.tenant, Some((&address, 22))).await.unwrap();
        assert_eq!(known.len(), 1, "round {round}");
    }
    assert!(first.ledger_problems().await.is_empty());
}
on_each!(two_first_contacts_at_once_store_one_key, 4);

/// SSH-05: ports are apart, a revoked key stays known, what was seen survives a restart.
async fn keys_are_known_per_address_and_port_and_survive_a_restart(on: On) {
    let bench = Bench::on(on).await;
    bench.trust("web-1", "key-a", at(10)).await.unwrap();
    bench.db.saw_key(&bench.tenant, ("web-1", 22, "SHA256:key-a"), at(500)).await.unwrap();
    bench.revoke("web-1", "key-a", at(600)).await;
    let again = bench.second_handle().await;
    assert!(again.db.list_keys(&again.tenant, Some(("web-1", 2222))).await.unwrap().is_empty());
    let known = again.db.list_keys(&again.tenant, Some(("web-1", 22))).await.unwrap();
    assert_eq!(known.len(), 1);
    assert!(known[0].record.revoked);
    assert_eq!((known[0].record.first_seen_at, known[0].last_seen_at), (at(0), Some(at(500))));
    let contact = again.trust("web-1", "key-b", at(700)).await.unwrap();
    assert!(matches!(contact, FirstUse::AlreadyKnown(_)), "a revoked key is still a known key");
    assert!(again.ledger_problems().await.is_empty());
}
on_each!(keys_are_known_per_address_and_port_and_survive_a_restart);

/// SSH-07, SSH-09: a key that was revoked at one place is trusted at no other one by first use.
async fn a_revoked_key_is_no_first_contact_anywhere(on: On) {
    let bench = Bench::on(on).await;
    bench.trust("web-1", "key-a", at(10)).await.unwrap();
    bench.revoke("web-1", "key-a", at(20)).await;
    let before = bench.dump().await;
    assert_eq!(bench.trust("web-2", "key-a", at(30)).await.unwrap(), FirstUse::Revoked);
    assert_eq!(bench.dump().await, before);
    assert_eq!(bench.trust("web-2", "key-b", at(40)).await.unwrap(), FirstUse::Stored);
    let other = bench.other_tenant("other").await;
    assert_eq!(other.trust("web-2", "key-a", at(50)).await.unwrap(), FirstUse::Stored);
}
on_each!(a_revoked_key_is_no_first_contact_anywhere);

/// SSH-09: an import that would trust a revoked key, there or elsewhere, stores nothing and names it.
async fn an_import_stores_nothing_where_it_would_trust_a_revoked_key(on: On) {
    let bench = Bench::on(on).await;
    bench.trust("web-1", "key-a", at(10)).await.unwrap();
    bench.revoke("web-1", "key-a", at(20)).await;
    let before = bench.dump().await;
    let audit = bench.audit("ssh.host_key.imported", "known_hosts");
    let import = async |keys: &[HostKeyRecord], now| {
        bench.db.import_keys((&bench.tenant, &audit), keys, now, &mut bench.nonces()).await.unwrap()
    };
    for place in ["web-1", "web-2"] {
        let keys = [key("web-3", "key-c"), key(place, "key-a")];
        assert_eq!(import(&keys, at(30)).await, Import::Revoked(["SHA256:key-a".to_owned()].into()));
        assert_eq!(bench.dump().await, before);
    }
    // What the file revokes itself brings nothing back.
    let revoked = HostKeyRecord { revoked: true, ..key("web-2", "key-a") };
    assert_eq!(import(&[key("web-3", "key-c"), revoked], at(40)).await, Import::Stored);
    let known = bench.db.list_keys(&bench.tenant, None).await.unwrap();
    let known: Vec<_> = known.iter().map(|key| (key.record.address.as_str(), key.record.revoked)).collect();
    assert_eq!(known, [("web-1", true), ("web-2", true), ("web-3", false)]);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(an_import_stores_nothing_where_it_would_trust_a_revoked_key);

/// SSH-05: another tenant knows nothing of it.
async fn keys_of_one_tenant_are_not_known_to_another(on: On) {
    let bench = Bench::on(on).await;
    bench.trust("web-1", "key-a", at(10)).await.unwrap();
    let other = bench.other_tenant("other").await;
    assert!(other.db.list_keys(&other.tenant, None).await.unwrap().is_empty());
    assert_eq!(other.trust("web-1", "key-b", at(20)).await.unwrap(), FirstUse::Stored);
}
on_each!(keys_of_one_tenant_are_not_known_to_another);
