//! Entries written and read at once, without serde: a member is expected where the canonical form has it.
//!
//! This is a shortcut through the same language. What it writes is what [`Writer`](super::canonical::Writer) writes; what
//! it reads is what that writer gives, with the same value. Where it finds no way (`None`) the plain codec decides, and
//! says what is wrong.

use std::collections::BTreeMap;

use super::canonical::string;
use crate::amount::{Amount, Place};
use crate::command::Intent;
use crate::ids::{AccountId, Code, DatanetId, Digest, Nonce, PublicKey, Signature, from_hex, to_hex};
use crate::limits::INTEGER_MAX;

/// Appends canonical JSON.
pub(crate) struct Out {
    bytes: Vec<u8>,
    /// Whether every part had a form.
    whole: bool,
}

/// What is left to read.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The datanet that was named last: an entry names few, and often.
    datanet: Option<DatanetId>,
    /// The bytes of the intent, once it was read.
    intent: Option<&'a [u8]>,
}

/// A part of an entry.
pub(crate) trait Wire: Sized {
    fn write(&self, out: &mut Out);

    fn read(from: &mut Reader<'_>) -> Option<Self>;

    /// Writes it as a member; `prefix` is what stands before the value: `,"key":`.
    fn write_member(&self, prefix: &str, out: &mut Out) {
        out.raw(prefix);
        self.write(out);
    }

    #[inline(always)]
    fn read_member(prefix: &str, from: &mut Reader<'_>) -> Option<Self> {
        from.skip(prefix)?;
        Self::read(from)
    }
}

/// The canonical bytes of a value that takes about `room`, if this module has them.
pub(super) fn write<T: Wire>(value: &T, room: usize) -> Option<Vec<u8>> {
    let mut out = Out { bytes: Vec::with_capacity(room), whole: true };
    value.write(&mut out);
    out.whole.then_some(out.bytes)
}

/// The value that has these canonical bytes, if this module finds it, and those of the intent in it.
pub(super) fn read<T: Wire>(bytes: &[u8]) -> Option<(T, Option<&[u8]>)> {
    let mut reader = Reader::new(bytes);
    let value = T::read(&mut reader)?;
    reader.rest.is_empty().then_some((value, reader.intent))
}

impl Out {
    #[inline]
    pub(super) fn raw(&mut self, text: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(text.as_ref());
    }

    /// Text that has nothing to escape.
    fn plain(&mut self, text: impl AsRef<[u8]>) {
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    fn integer(&mut self, number: i64) {
        self.whole &= number.unsigned_abs() <= INTEGER_MAX;
        self.raw(itoa::Buffer::new().format(number));
    }

    fn hex(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.resize(start + 2 * bytes.len() + 2, b'"');
        to_hex(bytes, &mut self.bytes[start + 1..]);
    }
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, datanet: None, intent: None }
    }

    /// Takes an intent, and remembers its bytes: a part is read from its canonical form and from no other.
    #[inline(always)]
    pub(super) fn intent(&mut self) -> Option<Intent> {
        let before = self.rest;
        let intent = Intent::read(self)?;
        self.intent = before.get(..before.len() - self.rest.len());
        Some(intent)
    }

    /// Takes `literal`, if it comes next. Where it is known, this is a comparison or two.
    #[inline(always)]
    pub(super) fn skip(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal.as_bytes())?;
        Some(())
    }

    /// Takes a string, up to its first quote: where that is escaped, a backslash comes before it.
    pub(super) fn quoted(&mut self) -> Option<&'a [u8]> {
        self.skip("\"")?;
        let end = self.rest.iter().position(|&b| b == b'"')?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Some(text)
    }

    /// The string that comes after `key`, wherever that is first: a guess for what follows to prove.
    pub(super) fn ahead<const N: usize>(&self, key: &[u8; N]) -> Option<&'a [u8]> {
        let at = self.rest.windows(N).position(|window| window == key)?;
        Reader::new(&self.rest[at + N..]).quoted()
    }

    /// Takes the digits that come next, at most 19, which fit 64 bits.
    fn digits(&mut self) -> Option<u64> {
        let (mut number, mut digits) = (0, 0);
        while let Some(digit @ b'0'..=b'9') = self.rest.get(digits).filter(|_| digits < 19) {
            number = number * 10 + u64::from(digit - b'0');
            digits += 1;
        }
        let leading = digits > 1 && self.rest.first() == Some(&b'0');
        self.rest = &self.rest[digits..];
        (digits > 0 && !leading).then_some(number)
    }

    fn integer(&mut self) -> Option<i64> {
        let negative = self.skip("-").is_some();
        let number = self.digits().filter(|&number| number <= INTEGER_MAX)? as i64;
        match negative {
            true => (number > 0).then_some(-number),
            false => Some(number),
        }
    }

    fn account(&mut self) -> Option<AccountId> {
        let (text, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        AccountId::from_text(*text)
    }

    /// Takes a datanet, up to what cannot be in its name.
    fn datanet(&mut self) -> Option<DatanetId> {
        let end = self.rest.iter().position(|b| matches!(b, b'/' | b'"'))?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if let Some(known) = self.datanet.as_ref().filter(|known| known.as_str().as_bytes() == text) {
            return Some(known.clone());
        }
        self.datanet = Some(std::str::from_utf8(text).ok()?.parse().ok()?);
        self.datanet.clone()
    }

    fn hex<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.skip("\"")?;
        let (digits, rest) = self.rest.split_at_checked(2 * N)?;
        self.rest = rest;
        self.skip("\"")?;
        from_hex(digits)
    }
}

macro_rules! integers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn write(&self, out: &mut Out) {
                match i64::try_from(*self) {
                    Ok(number) => out.integer(number),
                    Err(_) => out.whole = false,
                }
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.integer()?.try_into().ok()
            }
        }
    )*};
}

integers!(u32, u64, i64);

macro_rules! hexadecimal {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            fn write(&self, out: &mut Out) {
                out.hex(&self.0);
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.hex().map(Self)
            }
        }
    )*};
}

hexadecimal!(Digest, PublicKey, Signature, Nonce);

/// What is between quotes.
macro_rules! quoted {
    ($($name:ident: $write:expr, $read:expr;)*) => {$(
        impl Wire for $name {
            fn write(&self, out: &mut Out) {
                out.raw("\"");
                $write(self, out);
                out.raw("\"");
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.skip("\"")?;
                let value = $read(from)?;
                from.skip("\"")?;
                Some(value)
            }
        }
    )*};
}

quoted! {
    AccountId: |id: &Self, out: &mut Out| out.raw(id.as_bytes()), Reader::account;
    DatanetId: |id: &Self, out: &mut Out| out.raw(id.as_str()), Reader::datanet;
    Amount:
        |amount: &Self, out: &mut Out| out.raw(amount.digits(&mut itoa::Buffer::new())),
        |from: &mut Reader<'_>| from.digits().and_then(Self::of);
    Place: write_place, read_place;
}

fn write_place(place: &Place, out: &mut Out) {
    let (kind, datanet, account) = place.parts();
    out.raw(kind);
    if let Some(datanet) = datanet {
        out.raw("/");
        out.raw(datanet.as_str());
    }
    if let Some(account) = account {
        out.raw("/");
        out.raw(account.as_bytes());
    }
}

fn read_place(from: &mut Reader<'_>) -> Option<Place> {
    let mut is = |kind| from.skip(kind).is_some();
    Some(match () {
        () if is("user/") => Place::User(from.account()?),
        () if is("accrued/") => {
            Place::Accrued(from.datanet()?, from.skip("/").and_then(|()| from.account())?)
        }
        () if is("bond/") => Place::Bond(from.datanet()?, from.skip("/").and_then(|()| from.account())?),
        () if is("held/") => Place::Held(from.datanet()?),
        () if is("pool/") => Place::Pool(from.datanet()?),
        () if is("reviews/") => Place::Reviews(from.datanet()?),
        () if is("reward/") => Place::Reward(from.datanet()?),
        () => from.skip("external").map(|()| Place::External)?,
    })
}

impl Wire for Code {
    fn write(&self, out: &mut Out) {
        out.plain(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Self::from_text(from.quoted()?)
    }
}

impl Wire for bool {
    fn write(&self, out: &mut Out) {
        out.raw(if *self { "true" } else { "false" });
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.skip("true").map(|()| true).or_else(|| from.skip("false").map(|()| false))
    }
}

/// Text that is escaped is left to the plain codec when it is read.
impl Wire for String {
    fn write(&self, out: &mut Out) {
        out.whole &= string(&mut out.bytes, self).is_ok();
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let text = from.quoted()?;
        // Without a way out half way, so that many bytes are looked at together.
        let escaped = text.iter().fold(false, |found, &b| found | (b < b' ') | (b == b'\\'));
        std::str::from_utf8(text).ok().filter(|_| !escaped).map(str::to_owned)
    }
}

/// Nothing is left out.
impl Wire for Option<u32> {
    fn write(&self, out: &mut Out) {
        match self {
            Some(number) => number.write(out),
            None => out.whole = false,
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        u32::read(from).map(Some)
    }

    fn write_member(&self, prefix: &str, out: &mut Out) {
        if self.is_some() {
            out.raw(prefix);
            self.write(out);
        }
    }

    fn read_member(prefix: &str, from: &mut Reader<'_>) -> Option<Self> {
        match from.skip(prefix) {
            Some(()) => Self::read(from),
            None => Some(None),
        }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn write(&self, out: &mut Out) {
        T::write(self, out);
    }

    #[inline(always)]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        T::read(from).map(Self::new)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Out) {
        out.raw("[");
        for (i, item) in self.iter().enumerate() {
            out.raw(if i > 0 { "," } else { "" });
            item.write(out);
        }
        out.raw("]");
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let mut items = Self::new();
        from.skip("[")?;
        while from.skip("]").is_none() {
            if !items.is_empty() {
                from.skip(",")?;
            }
            items.push(T::read(from)?);
        }
        Some(items)
    }
}

/// Codes are ASCII: their order is that of the canonical form.
impl<T: Wire> Wire for BTreeMap<Code, T> {
    fn write(&self, out: &mut Out) {
        out.raw("{");
        for (i, (key, value)) in self.iter().enumerate() {
            out.raw(if i > 0 { "," } else { "" });
            key.write(out);
            out.raw(":");
            value.write(out);
        }
        out.raw("}");
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let mut map = Self::new();
        from.skip("{")?;
        while from.skip("}").is_none() {
            if !map.is_empty() {
                from.skip(",")?;
            }
            let key = Code::read(from)?;
            from.skip(":")?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            map.insert(key, T::read(from)?);
        }
        Some(map)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::{Cause, Event};

    #[test]
    fn all_that_escapes_nothing_goes_this_way() {
        let mut kinds = BTreeSet::new();
        for line in include_str!("../../tests/golden/log-v1.jsonl").lines() {
            let event: Event = super::super::plainly(line.as_bytes()).unwrap();
            assert_eq!(write(&event, 0).unwrap(), line.as_bytes());
            let escaped = line.contains('\\');
            let read = read::<Event>(line.as_bytes());
            let intent = read.as_ref().and_then(|(_, intent)| *intent);
            assert_eq!(read.map(|(event, _)| event), (!escaped).then_some(event.clone()), "{line}");
            if let Cause::Command(signed) = event.cause {
                assert_eq!(intent.map(<[u8]>::to_vec), (!escaped).then(|| write(&signed.intent, 0).unwrap()));
                assert_eq!(escaped, matches!(signed.intent.command.kind(), "create_datanet"));
                kinds.insert(signed.intent.command.kind());
            }
        }
        assert!(kinds.len() > 20, "{kinds:?}");
    }
}
