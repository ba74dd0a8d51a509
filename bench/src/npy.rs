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

/// An array of numbers of eight bytes, or of bytes: its shape and what is in it, row after row.
pub fn read(path: &Path) -> Result<(Vec<usize>, Vec<f64>)> {
    let bytes = std::fs::read(path)?;
    let wrong = || std::io::Error::other(format!("{}: not an array of <f8, <i8 or |u1", path.display()));
    let length = bytes.get(8..10).map(|b| usize::from(b[0]) + 256 * usize::from(b[1])).ok_or_else(wrong)?;
    let header = bytes.get(10..10 + length).and_then(|h| std::str::from_utf8(h).ok()).ok_or_else(wrong)?;
    let shape = header.split(['(', ')']).nth(1).ok_or_else(wrong)?;
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let eights = bytes[10 + length..].chunks_exact(8).map(|b| b.try_into().unwrap_or_default());
    let numbers: Vec<f64> = match header {
        h if h.contains("'<f8'") => eights.map(f64::from_le_bytes).collect(),
        h if h.contains("'<i8'") => eights.map(|b| i64::from_le_bytes(b) as f64).collect(),
        h if h.contains("'|u1'") => bytes[10 + length..].iter().map(|&b| f64::from(b)).collect(),
        _ => return Err(wrong()),
    };
    if header.contains("True") || numbers.len() != shape.iter().product::<usize>() {
        return Err(wrong());
    }
    Ok((shape, numbers))
}
