//! Arrays in NumPy's file format, version 1.0 (NEP 1): a magic, a header that is a Python literal, raw numbers.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

/// A number as NumPy stores it.
pub trait Number: Copy {
    /// NumPy's name of the type.
    const NAME: &'static str;
    /// Its bytes, least significant first.
    fn bytes(self) -> impl AsRef<[u8]>;
}

macro_rules! number {
    ($($type:ty = $name:literal)*) => {$(
        impl Number for $type {
            const NAME: &'static str = $name;
            fn bytes(self) -> impl AsRef<[u8]> {
                self.to_le_bytes()
            }
        }
    )*};
}
number! { f32 = "<f4" f64 = "<f8" u32 = "<u4" i64 = "<i8" }

/// Writes an array of that shape, row after row.
pub fn write<T: Number>(path: &Path, shape: &[usize], numbers: impl IntoIterator<Item = T>) -> Result<()> {
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    let header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({shape}), }}", T::NAME);
    // Magic, version and length take 10 bytes; with a line feed at the end the whole is a multiple of 64.
    let width = (10 + header.len() + 1).next_multiple_of(64) - 11;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(width + 1).map_err(std::io::Error::other)?.to_le_bytes())?;
    file.write_all(format!("{header:width$}\n").as_bytes())?;
    for x in numbers {
        file.write_all(x.bytes().as_ref())?;
    }
    file.flush()
}
