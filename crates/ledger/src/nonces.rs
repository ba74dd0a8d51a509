//! Every command that the log holds, by actor and nonce. There is one for nearly every entry, so each is kept in the fewest
//! bytes; written, they are a map of the actors with a map of the nonces of each.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hashed::{Hashed, Named};
use crate::ids::{AccountId, Digest, Nonce};
use crate::state::Accepted;

/// What was accepted, by actor and nonce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nonces(Hashed<Held>);

const ACTOR: usize = AccountId::BYTES;
const NAME: usize = ACTOR + 16;

/// A command of the log. Numbers are bytes, so that nothing is left free between them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    name: [u8; NAME],
    seq: [u8; 8],
    intent: Digest,
}

impl Named for Held {
    fn name(&self) -> &[u8] {
        &self.name
    }
}

impl Held {
    fn new(actor: [u8; ACTOR], nonce: Nonce, Accepted { seq, intent }: Accepted) -> Self {
        Self { name: name(actor, nonce), seq: seq.to_le_bytes(), intent }
    }

    fn actor(&self) -> [u8; ACTOR] {
        self.name.first_chunk().copied().unwrap_or_default()
    }

    fn nonce(&self) -> Nonce {
        Nonce(self.name.last_chunk().copied().unwrap_or_default())
    }

    fn accepted(&self) -> Accepted {
        Accepted { seq: u64::from_le_bytes(self.seq), intent: self.intent }
    }
}

/// An actor and a nonce in one; these are in the order of the two.
fn name(actor: [u8; ACTOR], nonce: Nonce) -> [u8; NAME] {
    let mut name = [0; NAME];
    name[..ACTOR].copy_from_slice(&actor);
    name[ACTOR..].copy_from_slice(&nonce.0);
    name
}

impl Nonces {
    pub(crate) fn get(&self, actor: &AccountId, nonce: Nonce) -> Option<Accepted> {
        self.0.get(&name(actor.to_bytes(), nonce)).map(Held::accepted)
    }

    pub(crate) fn insert(&mut self, actor: &AccountId, nonce: Nonce, accepted: Accepted) {
        self.0.insert(Held::new(actor.to_bytes(), nonce, accepted));
    }
}

impl Serialize for Nonces {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.0.sorted();
        let parts = all.chunk_by(|a, b| a.actor() == b.actor());
        let mut map = serializer.serialize_map(Some(parts.clone().count()))?;
        for part in parts {
            map.serialize_entry(&AccountId::from_bytes(part[0].actor()), &OfActor(part))?;
        }
        map.end()
    }
}

struct OfActor<'a>(&'a [&'a Held]);

impl Serialize for OfActor<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|held| (held.nonce(), held.accepted())))
    }
}

impl<'de> Deserialize<'de> for Nonces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Actors)
    }
}

struct Actors;

impl<'de> Visitor<'de> for Actors {
    type Value = Nonces;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of accounts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Nonces, A::Error> {
        let mut all = Vec::new();
        while let Some(actor) = map.next_key::<AccountId>()? {
            map.next_value_seed(Append { actor: actor.to_bytes(), all: &mut all })?;
        }
        Ok(Nonces(Hashed::of(all)))
    }
}

/// Reads what was accepted from one account to the end of the list of all.
struct Append<'a> {
    actor: [u8; ACTOR],
    all: &'a mut Vec<Held>,
}

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of nonces")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((nonce, accepted)) = map.next_entry()? {
            self.all.push(Held::new(self.actor, nonce, accepted));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::PublicKey;

    proptest! {
        #[test]
        fn they_are_a_map_of_maps_and_are_written_as_one(
            commands in prop::collection::vec((0..20_u8, 0..3_u8, any::<u32>()), 0..90),
        ) {
            let (mut nonces, mut map) = (Nonces::default(), BTreeMap::<_, BTreeMap<_, _>>::new());
            for (actor, nonce, seq) in commands {
                let (actor, nonce) = (AccountId::of(&PublicKey([actor; 32])), Nonce([nonce; 16]));
                let accepted = Accepted { seq: seq.into(), intent: Digest([seq as u8; 32]) };
                let known = map.get(&actor).and_then(|of| of.get(&nonce)).copied();
                prop_assert_eq!(nonces.get(&actor, nonce), known);
                nonces.insert(&actor, nonce, accepted);
                map.entry(actor).or_default().insert(nonce, accepted);
            }
            let written = serde_json::to_string(&nonces).unwrap();
            prop_assert_eq!(&written, &serde_json::to_string(&map).unwrap());
            prop_assert_eq!(&serde_json::from_str::<Nonces>(&written).unwrap(), &nonces);
            let image = rmp_serde::to_vec_named(&nonces).unwrap();
            prop_assert_eq!(&image, &rmp_serde::to_vec_named(&map).unwrap());
            prop_assert_eq!(&rmp_serde::from_slice::<Nonces>(&image).unwrap(), &nonces);
        }
    }
}
