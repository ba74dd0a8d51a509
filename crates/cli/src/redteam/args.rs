//! The flags of `assay redteam`.

use std::path::PathBuf;

use assay_sim::attack::Attack;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{Settings, Source};
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

  On what a datanet holds:
    assay redteam --home node --net intents --out redteam

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
    #[arg(required_unless_present_any = ["demo", "net", "home"])]
    train: Option<PathBuf>,
    /// Records that measure value.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["demo", "net", "home"])]
    valid: Option<PathBuf>,
    /// Records that the harm to the model is measured on.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["demo", "net", "home"])]
    test: Option<PathBuf>,
    /// Attack a bundled community of handwritten digits
    #[arg(long, conflicts_with_all = ["train", "valid", "test"])]
    demo: bool,
    /// Attack a datanet of a node here: the records that have passed, against its sealed benchmark
    #[arg(long, value_name = "NET", conflicts_with_all = ["train", "valid", "test", "demo"])]
    net: Option<String>,
    /// Home of that node; without --net, its only datanet
    #[arg(long, value_name = "DIR", conflicts_with_all = ["train", "valid", "test", "demo"])]
    home: Option<PathBuf>,
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
    /// Suppose that values of single records are published, as a charter may allow [default: of contributors]
    #[arg(long, help_heading = "Attacks")]
    records_published: bool,
    /// Seed of everything drawn
    #[arg(long, default_value_t = 0, help_heading = "Attacks")]
    seed: u64,
    /// Print redteam.json to stdout instead of a table; only failures go to stderr
    #[arg(long)]
    json: bool,
}

fn env_home() -> Option<PathBuf> {
    std::env::var_os("ASSAY_HOME").map(PathBuf::from)
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
        let source = match (self.demo, self.train.is_some()) {
            (true, _) => Source::Demo,
            (false, true) => Source::Files,
            (false, false) => Source::Net { home: self.home.or_else(env_home), net: self.net },
        };
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
            source,
            attacks,
            share_ppm: self.share,
            rows: self.rows.map(|rows| rows as usize),
            bond: self.bond,
            records_published: self.records_published,
            out: self.out,
            force: self.force,
            json: self.json,
        })
    }
}
