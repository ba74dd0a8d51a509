//! Choosing the prior strength by cross-validation.
