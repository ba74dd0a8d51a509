//! What every document does: name its schema, become JSON, be read back.

use serde::{Serialize, de::DeserializeOwned};

/// A document with a versioned schema.
pub trait Document: Serialize + DeserializeOwned {
    /// Name and version, as in the field `schema`, such as `assay.appraisal/1`.
    const SCHEMA: &'static str;

    /// The value of this document's `schema` field.
    fn schema(&self) -> &str;

    /// The document as indented JSON that ends in a line feed.
    ///
    /// # Errors
    /// [`DocumentError::Schema`] if the field `schema` is not [`Self::SCHEMA`], and [`DocumentError::NotFinite`]
    /// if a required number is NaN or infinite (an optional one becomes `null`).
    fn to_json(&self) -> Result<String, DocumentError> {
        check_schema::<Self>(self.schema())?;
        let mut text = serde_json::to_string_pretty(self).map_err(DocumentError::Write)?;
        // JSON has no NaN and the writer puts null instead; a required number then fails to read back.
        if let Err(error) = serde_json::from_str::<Self>(&text) {
            let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            return Err(DocumentError::NotFinite { line: line.trim().to_owned() });
        }
        text.push('\n');
        Ok(text)
    }

    /// Reads a document of this schema and version.
    ///
    /// # Errors
    /// [`DocumentError::Read`] with line and column if the text is not such a document, and
    /// [`DocumentError::Schema`] if it names another schema or version.
    fn from_json(text: &str) -> Result<Self, DocumentError> {
        let named: Named = serde_json::from_str(text).map_err(DocumentError::Read)?;
        check_schema::<Self>(&named.schema)?;
        serde_json::from_str(text).map_err(DocumentError::Read)
    }
}

/// Only the schema of a document: read first, so that another version is named rather than called broken.
#[derive(serde::Deserialize)]
struct Named {
    schema: String,
}

fn check_schema<D: Document>(found: &str) -> Result<(), DocumentError> {
    if found == D::SCHEMA {
        return Ok(());
    }
    Err(DocumentError::Schema { expected: D::SCHEMA, found: found.chars().take(80).collect() })
}

/// Why a document could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A required number was NaN or infinite.
    #[error(
        "a number is not finite at `{line}`: leave it out (null) where the type allows it, or mend its source"
    )]
    NotFinite {
        /// The line of the written JSON that holds it.
        line: String,
    },
    /// The document names another schema or version.
    #[error("expected schema {expected}, found {found}: read it with the version of assay that wrote it")]
    Schema {
        /// What this type reads and writes.
        expected: &'static str,
        /// What the document says.
        found: String,
    },
    /// The text is not JSON of this shape.
    #[error("not a readable document: {0}")]
    Read(#[source] serde_json::Error),
    /// The document could not become JSON.
    #[error("cannot write the document: {0}")]
    Write(#[source] serde_json::Error),
}
