//! Wire types: the JSON documents that leave Assay.
