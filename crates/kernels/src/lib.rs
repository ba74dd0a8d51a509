//! Matrices dense and sparse, fixed-order reductions, conjugate gradients, Cholesky: the numeric floor.
//!
//! Everything here takes slices and sizes: no path, no clock, no global random state. Sums run in a fixed
//! order that does not depend on the number of threads, so that the same input gives the same bits.

#![forbid(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

pub mod batch;
pub mod bilinear;
pub mod cg;
pub mod cholesky;
pub mod csr;
pub mod design;
pub mod half;
pub mod leading;
pub mod mat;
pub mod panel;
pub mod quadrature;
pub mod real;
mod simd;

pub use csr::Csr;
pub use design::Design;
pub use mat::Mat;
pub use real::Real;
