//! Entries written and read at once, without serde: a member is expected where the canonical form has it.
//!
//! This is a shortcut through the same language. What it writes is what [`Writer`](super::canonical::Writer) writes; what
//! it reads is what that writer gives, with the same value. Where it finds no way (`None`) the plain codec decides, and
//! says what is wrong.

use std::collections::BTreeMap;

use super::canonical::string;
use crate::amount::{Amount, Place};
use crate::ids::{AccountId, BadId, Code, DatanetId, Digest, Nonce, PublicKey, Signature, from_hex, to_hex};
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

    fn read_member(prefix: &str, from: &mut Reader<'_>) -> Option<Self> {
        from.skip(prefix)?;
        Self::read(from)
    }
}

/// The canonical bytes of a value, if this module has them.
pub(super) fn write<T: Wire>(value: &T) -> Option<Vec<u8>> {
    let mut out = Out { bytes: Vec::with_capacity(1024), whole: true };
    value.write(&mut out);
    out.whole.then_some(out.bytes)
}

/// The value that has these canonical bytes, if this module finds it.
pub(super) fn read<T: Wire>(bytes: &[u8]) -> Option<T> {
    let mut reader = Reader { rest: bytes, datanet: None };
    let value = T::read(&mut reader)?;
    reader.rest.is_empty().then_some(value)
}

impl Out {
    pub(super) fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Text that has nothing to escape.
    fn plain(&mut self, parts: &[&str]) {
        self.raw("\"");
        parts.iter().for_each(|part| self.raw(part));
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
    /// Takes `literal`, if it comes next.
    pub(super) fn skip(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal.as_bytes())?;
        Some(())
    }

    /// Takes a string, up to its first quote: where that is escaped, a backslash comes before it.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        let end = self.rest.iter().position(|&b| b == b'"')?;
        let text = std::str::from_utf8(&self.rest[..end]).ok()?;
        self.rest = &self.rest[end + 1..];
        Some(text)
    }

    /// The string that comes after `key`, wherever that is first: a guess for what follows to prove.
    pub(super) fn ahead<const N: usize>(&self, key: &[u8; N]) -> Option<&'a str> {
        let at = self.rest.windows(N).position(|window| window == key)?;
        Reader { rest: &self.rest[at + N..], datanet: None }.quoted()
    }

    fn integer(&mut self) -> Option<i64> {
        let negative = self.skip("-").is_some();
        let (mut number, mut digits) = (0, 0);
        while let Some(digit @ b'0'..=b'9') = self.rest.get(digits) {
            number = number * 10 + i64::from(digit - b'0');
            digits += 1;
            if number.unsigned_abs() > INTEGER_MAX {
                return None;
            }
        }
        let leading = self.rest.first() == Some(&b'0') && (negative || digits > 1);
        self.rest = &self.rest[digits..];
        (digits > 0 && !leading).then_some(if negative { -number } else { number })
    }

    fn hex<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.skip("\"")?;
        let (digits, rest) = self.rest.split_at_checked(2 * N)?;
        self.rest = rest;
        self.skip("\"")?;
        from_hex(digits)
    }

    fn datanet(&mut self, text: &str) -> Result<DatanetId, BadId> {
        if let Some(known) = self.datanet.as_ref().filter(|known| known.as_str() == text) {
            return Ok(known.clone());
        }
        let datanet: DatanetId = text.parse()?;
        self.datanet = Some(datanet.clone());
        Ok(datanet)
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

macro_rules! words {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            fn write(&self, out: &mut Out) {
                out.plain(&[self.as_str()]);
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.quoted()?.parse().ok()
            }
        }
    )*};
}

words!(AccountId, Code);

impl Wire for DatanetId {
    fn write(&self, out: &mut Out) {
        out.plain(&[self.as_str()]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let text = from.quoted()?;
        from.datanet(text).ok()
    }
}

impl Wire for Amount {
    fn write(&self, out: &mut Out) {
        out.plain(&[self.digits(&mut itoa::Buffer::new())]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.quoted()?.parse().ok()
    }
}

impl Wire for Place {
    fn write(&self, out: &mut Out) {
        let (kind, datanet, account) = self.parts();
        let datanet = datanet.map_or(["", ""], |datanet| ["/", datanet.as_str()]);
        let account = account.map_or(["", ""], |account| ["/", account.as_str()]);
        out.plain(&[kind, datanet[0], datanet[1], account[0], account[1]]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let text = from.quoted()?;
        Self::parse(text, |datanet| from.datanet(datanet)).ok()
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
        let plain = text.bytes().all(|b| b >= b' ' && b != b'\\');
        plain.then(|| text.to_owned())
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
            let event = super::super::plainly(line.as_bytes()).unwrap();
            assert_eq!(write(&event).unwrap(), line.as_bytes());
            let escaped = line.contains('\\');
            assert_eq!(read::<Event>(line.as_bytes()), (!escaped).then_some(event.clone()), "{line}");
            if let Cause::Command(signed) = event.cause {
                assert_eq!(escaped, matches!(signed.intent.command.kind(), "create_datanet"));
                kinds.insert(signed.intent.command.kind());
            }
        }
        assert!(kinds.len() > 20, "{kinds:?}");
    }
}
