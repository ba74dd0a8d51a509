//! A serializer that writes canonical JSON at once, without a tree of values in between.
//!
//! Members of an object are written in the order in which they come, and put in order at its end, where they are not
//! already. Members that were moved cost one more copy of the object; nothing else is written twice.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{Display, Write as _};

use serde::ser::{self, Serialize, SerializeStruct as _};

use super::CodecError;
use crate::limits::INTEGER_MAX;

/// Appends JSON to a buffer.
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
    /// Members of the objects that are open, the innermost last.
    members: Vec<Member>,
    /// Where an object is put in order.
    sorted: Vec<u8>,
}

/// `"key":value` in the output.
struct Member {
    /// The first eight bytes of the key, which nearly always decide where it belongs.
    rank: u64,
    start: usize,
    key_end: usize,
    end: usize,
}

impl Member {
    /// A member whose key was written from `start` to the end of `out`.
    fn new(out: &[u8], start: usize) -> Self {
        let mut member = Self { rank: 0, start, key_end: out.len(), end: start };
        let key = member.key(out);
        let mut first = [0; 8];
        first.iter_mut().zip(key.iter()).for_each(|(to, from)| *to = *from);
        member.rank = u64::from_be_bytes(first);
        member
    }

    fn order(&self, other: &Self, out: &[u8]) -> Ordering {
        self.rank.cmp(&other.rank).then_with(|| self.key(out).cmp(&other.key(out)))
    }

    /// Its key as keys are compared: RFC 8785 orders them by UTF-16 units, which for ASCII is the order of the bytes.
    fn key<'o>(&self, out: &'o [u8]) -> Cow<'o, [u8]> {
        let quoted = out.get(self.start..self.key_end).unwrap_or_default();
        match quoted {
            [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => Cow::Borrowed(plain),
            // Written by this very module, so that it reads.
            escaped => Cow::Owned(serde_json::from_slice::<String>(escaped).unwrap_or_default().into_bytes()),
        }
    }
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let members = Vec::with_capacity(32);
        Self { out: Vec::with_capacity(bytes), members, sorted: Vec::with_capacity(bytes) }
    }

    fn integer(&mut self, number: i128) -> Result<(), CodecError> {
        if number.unsigned_abs() > u128::from(INTEGER_MAX) {
            return Err(CodecError::Number(number.to_string()));
        }
        // Within the bound, so that nothing is cut.
        self.out.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), CodecError> {
        string(&mut self.out, text)
    }

    /// The name of a variant, whose members follow; what closes them closes this too.
    fn variant(&mut self, name: &str) -> Result<&mut Self, CodecError> {
        self.out.push(b'{');
        self.string(name)?;
        self.out.push(b':');
        Ok(self)
    }

    fn open(&mut self) -> Object<'_> {
        self.out.push(b'{');
        Object { first: self.members.len(), in_order: true, writer: self }
    }

    fn list(&mut self) -> List<'_> {
        self.out.push(b'[');
        List { writer: self, empty: true, close: b"]" }
    }
}

/// Appends a string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) -> Result<(), CodecError> {
    // Without a way out half way, so that many bytes are looked at together.
    if text.bytes().fold(false, |found, b| found | (b < b' ') | (b == b'"') | (b == b'\\')) {
        // serde_json escapes as RFC 8785 does.
        return Ok(serde_json::to_writer(out, text)?);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

/// An object that is being written.
pub(super) struct Object<'w> {
    writer: &'w mut Writer,
    /// Its first member.
    first: usize,
    in_order: bool,
}

impl Object<'_> {
    fn member(&mut self, key: impl FnOnce(&mut Writer) -> Result<(), CodecError>) -> Result<(), CodecError> {
        let writer = &mut *self.writer;
        if writer.members.len() > self.first {
            writer.out.push(b',');
        }
        let start = writer.out.len();
        key(writer)?;
        let member = Member::new(&writer.out, start);
        if let Some(last) = writer.members[self.first..].last() {
            self.in_order &= last.order(&member, &writer.out).is_lt();
        }
        writer.out.push(b':');
        writer.members.push(member);
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        let at = self.writer.members.len();
        value.serialize(&mut *self.writer)?;
        let end = self.writer.out.len();
        if let Some(member) = at.checked_sub(1).and_then(|last| self.writer.members.get_mut(last)) {
            member.end = end;
        }
        Ok(())
    }

    fn close(self) -> Result<(), CodecError> {
        let Writer { out, members, sorted } = &mut *self.writer;
        if !self.in_order {
            put_in_order(out, &mut members[self.first..], sorted)?;
        }
        members.truncate(self.first);
        out.push(b'}');
        Ok(())
    }
}

/// Rewrites the members of the object at the end of `out` in the order of their keys.
fn put_in_order(out: &mut Vec<u8>, members: &mut [Member], sorted: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = members.first().map_or(out.len(), |member| member.start);
    members.sort_unstable_by(|a, b| a.order(b, out));
    if let Some(pair) = members.windows(2).find(|pair| pair[0].order(&pair[1], out).is_eq()) {
        let key = String::from_utf8_lossy(&pair[0].key(out)).into_owned();
        return Err(CodecError::Json(format!("the key {key:?} comes twice")));
    }
    sorted.clear();
    for (i, member) in members.iter().enumerate() {
        if i > 0 {
            sorted.push(b',');
        }
        sorted.extend_from_slice(&out[member.start..member.end]);
    }
    out.truncate(start);
    out.extend_from_slice(sorted);
    Ok(())
}

impl ser::SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        // The name of a field or of a variant.
        self.member(|writer| writer.string(key))?;
        self.value(value)
    }

    fn end(self) -> Result<(), CodecError> {
        self.close()
    }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        self.member(|writer| {
            let start = writer.out.len();
            key.serialize(&mut *writer)?;
            // Keys that are integers, as maps may have them, become strings.
            if writer.out[start..].first().is_some_and(|b| b.is_ascii_digit() || *b == b'-') {
                writer.out.insert(start, b'"');
                writer.out.push(b'"');
            }
            match &writer.out[start..] {
                [b'"', text @ .., b'"'] if text.is_ascii() => Ok(()),
                other => Err(CodecError::Key(String::from_utf8_lossy(other).into_owned())),
            }
        })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.value(value)
    }

    fn end(self) -> Result<(), CodecError> {
        self.close()
    }
}

/// A list that is being written, and what closes it: the variant of an enum closes an object too.
pub(super) struct List<'w> {
    writer: &'w mut Writer,
    empty: bool,
    close: &'static [u8],
}

impl List<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        if !std::mem::replace(&mut self.empty, false) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    fn finish(self) -> Result<(), CodecError> {
        self.writer.out.extend_from_slice(self.close);
        Ok(())
    }
}

macro_rules! list {
    ($($sequence:ident $item:ident),*) => {$(
        impl ser::$sequence for List<'_> {
            type Ok = ();
            type Error = CodecError;

            fn $item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                self.item(value)
            }

            fn end(self) -> Result<(), CodecError> {
                self.finish()
            }
        }
    )*};
}

list!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// The members of a variant, in the object of the enum.
pub(super) struct Variant<'w>(Object<'w>);

impl ser::SerializeStructVariant for Variant<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        ser::SerializeStruct::serialize_field(&mut self.0, key, value)
    }

    fn end(self) -> Result<(), CodecError> {
        let Object { writer, first, in_order } = self.0;
        Object { writer: &mut *writer, first, in_order }.close()?;
        writer.out.push(b'}');
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident: $number:ty),*) => {$(
        fn $method(self, number: $number) -> Result<(), CodecError> {
            self.integer(number as i128)
        }
    )*};
}

impl<'w> ser::Serializer for &'w mut Writer {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = List<'w>;
    type SerializeTuple = List<'w>;
    type SerializeTupleStruct = List<'w>;
    type SerializeTupleVariant = List<'w>;
    type SerializeMap = Object<'w>;
    type SerializeStruct = Object<'w>;
    type SerializeStructVariant = Variant<'w>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_u128(self, number: u128) -> Result<(), CodecError> {
        let small = i128::try_from(number).map_err(|_| CodecError::Number(number.to_string()))?;
        self.integer(small)
    }

    fn serialize_f32(self, number: f32) -> Result<(), CodecError> {
        Err(CodecError::Number(number.to_string()))
    }

    fn serialize_f64(self, number: f64) -> Result<(), CodecError> {
        Err(CodecError::Number(number.to_string()))
    }

    fn serialize_bool(self, value: bool) -> Result<(), CodecError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), CodecError> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), CodecError> {
        self.string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CodecError> {
        let mut list = self.list();
        value.iter().try_for_each(|byte| list.item(byte))?;
        list.finish()
    }

    fn serialize_none(self) -> Result<(), CodecError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CodecError> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CodecError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), CodecError> {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        let mut object = self.open();
        object.serialize_field(variant, value)?;
        object.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'w>, CodecError> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'w>, CodecError> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'w>, CodecError> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'w>, CodecError> {
        Ok(List { close: b"]}", ..self.variant(variant)?.list() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'w>, CodecError> {
        Ok(self.open())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'w>, CodecError> {
        Ok(self.open())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<'w>, CodecError> {
        Ok(Variant(self.variant(variant)?.open()))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        self.out.push(b'"');
        let start = self.out.len();
        write!(Text(&mut self.out), "{value}").map_err(<CodecError as ser::Error>::custom)?;
        let plain = |b: &u8| *b >= b' ' && *b != b'"' && *b != b'\\';
        if self.out[start..].iter().all(plain) {
            self.out.push(b'"');
            return Ok(());
        }
        self.out.truncate(start - 1);
        self.string(&value.to_string())
    }
}

/// Writes what is displayed.
struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl ser::Error for CodecError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Json(message.to_string())
    }
}
