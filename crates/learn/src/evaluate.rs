//! Scores of a model on rows that it never saw.
