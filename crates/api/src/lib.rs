//! Wire types: the JSON documents that leave Assay.
//!
//! Public so far: the [`Appraisal`](v1::appraisal::Appraisal) of a file, the [`NetReport`](v1::report::NetReport) of a
//! datanet, the [`Audit`](v1::audit::Audit) of either and the [`RedTeam`](v1::redteam::RedTeam) of a community. All carry their schema's name and version in the field
//! `schema`; readers ignore fields that they do not know, so fields may be added but never renamed, removed or
//! given another meaning under the same version. `docs/SCHEMAS.md` describes every field, and a test holds it to
//! these types.
//!
//! Conventions. Units are the last part of a name: `_bits` are bits per held-out example, `_micro` are millionths
//! of the asset as strings of digits, `_ppm` are parts per million, `_ms` are milliseconds. Intervals are 95%. A
//! number that could not be measured is `null`, never NaN.

pub mod document;
pub mod money;
pub mod v1;

pub use document::{Document, DocumentError};
pub use money::Micro;
