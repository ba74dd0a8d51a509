//! Writes both pages from made-up documents into a folder, to look at: `cargo run --example preview -- FOLDER`.

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use assay_web::{render_appraisal, render_audit, render_redteam, render_report};
use fixtures::{appraisal, audit, redteam, report};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).ok_or("usage: preview FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let pages = [
        ("appraisal", render_appraisal(&appraisal::community(1))?),
        ("appraisal-digits", render_appraisal(&appraisal::digits())?),
        ("appraisal-one", render_appraisal(&appraisal::one())?),
        ("appraisal-regression", render_appraisal(&appraisal::regression())?),
        ("appraisal-nothing", render_appraisal(&appraisal::nothing_passed())?),
        ("appraisal-hostile", render_appraisal(&appraisal::hostile())?),
        ("appraisal-1000", render_appraisal(&appraisal::community(24))?),
        ("audit", render_audit(&audit::digits())?),
        ("redteam", render_redteam(&redteam::digits())?),
        ("report", render_report(&report::digits())?),
        ("report-empty", render_report(&report::empty())?),
        ("report-hostile", render_report(&report::hostile())?),
    ];
    for (name, html) in pages {
        let path = folder.join(name).with_extension("html");
        std::fs::write(&path, &html)?;
        println!("{:>9} bytes  {}", html.len(), path.display());
    }
    Ok(())
}
