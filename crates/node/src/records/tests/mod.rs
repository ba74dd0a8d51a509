//! The readers against files of every kind, whole, odd and broken.
#![allow(clippy::unwrap_used)]

mod adversary;
#[path = "../../../tests/targets/files.rs"]
mod files;
mod fuzz;
mod readers;
mod roles;

use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;
use files::{gzip, parquet, zstandard};

/// The error that a file gives.
pub(super) fn error(name: &str, bytes: &[u8]) -> RecordError {
    read_bytes(name, bytes).unwrap_err()
}
