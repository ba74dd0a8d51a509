//! The flags of `assay redteam`.

use std::path::PathBuf;

use assay_sim::attack::Attack;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Settings;
use crate::appraise;
use crate::appraise::args::ColumnArgs;
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  On bundled handwritten digits:
    assay redteam --demo --out redteam

  Three attacks on a community of texts with the columns text, label and contributor:
    assay redteam train.jsonl --valid valid.jsonl --test test.jsonl --out redteam \\
      --attacks sybil-split,near-copies,leak

Exit codes: 0 done whatever was found, 2 the input cannot be used (nothing is written), 1 anything else.";

/// Attacks a community and says what each attack earns beside honest work.
///
/// Takes a part of TRAIN as the attacker's own records. Each attack sends what it makes of them, through the gates,
/// the valuation and the rule of pay that everybody's records go through; then the same records are sent honestly.
/// An attack that earns more than honest work of the same effort is a finding, not a failure.
///
/// DIR gets redteam.html to look at, and redteam.json.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RedteamArgs {
    /// The community's records.
    #[arg(required_unless_present = "demo")]
    train: Option<PathBuf>,
    /// Records that measure value.
    #[arg(long, value_name = "FILE", required_unless_present = "demo")]
    valid: Option<PathBuf>,
    /// Records that the harm to the model is measured on.
    #[arg(long, value_name = "FILE", required_unless_present = "demo")]
    test: Option<PathBuf>,
    /// Attack a bundled community of handwritten digits
    #[arg(long, conflicts_with_all = ["train", "valid", "test"])]
    demo: bool,
    /// Where to write; must not exist, be empty, or hold an earlier result.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write into DIR whatever else it holds.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    columns: ColumnArgs,

    /// Attacks to make, by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names(), help_heading = "Attacks")]
    attacks: Vec<String>,
    /// Part of the records that the attacker owns, parts per million
    #[arg(long, value_name = "PPM", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=500_000), help_heading = "Attacks")]
    share: u32,
    /// Records of TRAIN to use, drawn at random [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..), help_heading = "Attacks")]
    rows: Option<u32>,
    /// Base units at stake for every record [default: a fifth of the mean pay of a record]
    #[arg(long, value_name = "UNITS", help_heading = "Attacks")]
    bond: Option<u64>,
    /// Seed of everything drawn
    #[arg(long, default_value_t = 0, help_heading = "Attacks")]
    seed: u64,
    /// Print redteam.json to stdout instead of a table; only failures go to stderr
    #[arg(long)]
    json: bool,
}

fn names() -> PossibleValuesParser {
    Attack::ALL.iter().map(|attack| attack.name()).collect::<Vec<_>>().into()
}

impl RedteamArgs {
    /// Flags to settings.
    pub(crate) fn resolve(self) -> Result<Settings, Failure> {
        let (roles, task) = self.columns.resolve()?;
        let mut attacks: Vec<Attack> =
            self.attacks.iter().filter_map(|name| Attack::from_name(name)).collect();
        if attacks.is_empty() {
            attacks = Attack::ALL.to_vec();
        }
        Ok(Settings {
            appraise: appraise::Settings {
                train: self.train.unwrap_or_default(),
                valid: self.valid.unwrap_or_default(),
                test: self.test,
                out: self.out.clone(),
                force: self.force,
                roles,
                task,
                gates: true,
                curate: true,
                retrain: false,
                seed: self.seed,
                nodes: 16,
                method: "path",
                compare: Vec::new(),
                threads: None,
                json: self.json,
            },
            demo: self.demo,
            attacks,
            share_ppm: self.share,
            rows: self.rows.map(|rows| rows as usize),
            bond: self.bond,
            out: self.out,
            force: self.force,
            json: self.json,
        })
    }
}
