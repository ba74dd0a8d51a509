//! Gates over records: schema, size, exact and near duplicates, overlap with a sealed benchmark.
