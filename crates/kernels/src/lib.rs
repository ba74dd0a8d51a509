//! Matrices dense and sparse, fixed-order reductions, conjugate gradients, Newton: the numeric floor.
//!
//! Everything here takes slices and sizes: no path, no clock, no global random state. Sums run in a fixed
//! order that does not depend on the number of threads, so that the same input gives the same bits.

pub mod csr;
pub mod mat;

pub use csr::Csr;
pub use mat::Mat;
