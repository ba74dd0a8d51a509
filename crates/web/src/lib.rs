//! Pages: self-contained HTML reports.
//!
//! One typed struct and one template per page. A page loads nothing: its style and its few lines of script are inline
//! and named by hash in a Content-Security-Policy that forbids everything else, and its charts are inline SVG.
//! Whatever contributors wrote is cut, stripped of control characters and escaped by the template engine; the only
//! markup that passes unescaped is [`charts::Svg`], which is built here.

pub mod charts;
pub mod pages;
pub mod text;

pub use pages::RenderError;
pub use pages::appraisal::render as render_appraisal;
pub use pages::audit::render as render_audit;
pub use pages::redteam::render as render_redteam;
pub use pages::report::render as render_report;
