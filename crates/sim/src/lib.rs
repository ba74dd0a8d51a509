//! Seeded worlds: communities with known behaviour, attackers, faults, checkers.
