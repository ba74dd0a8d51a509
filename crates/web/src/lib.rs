//! Pages: self-contained HTML reports.
