//! Commitments to private content by HMAC with a salt of their own.
