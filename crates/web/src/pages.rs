//! Pages: one typed struct and one template each, in one look.

pub mod appraisal;
pub mod audit;
mod parts;
pub mod redteam;
pub mod report;

/// A page could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the page: {0}")]
pub struct RenderError(#[from] askama::Error);

/// The policy that every page carries: nothing but its own style and its own script, both named by hash.
///
/// A test recomputes both hashes from a rendered page.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
    style-src 'sha256-2B5q78RESfo5qY3OEZFPn2Lf9KFFkL/wVND87WUX4/I='; script-src 'sha256-O2LYii2BOcuhqdSAZGJUryogNsWBMdTNPhU2U2hPzyA='";
