//! What an account was paid, and why.
