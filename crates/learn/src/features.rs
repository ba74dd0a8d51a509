//! From raw columns to a design matrix.
