//! `assay redteam`: what attacks on a community cost and earn, beside honest work of the same effort.
//!
//! Every arm is the same community with what one kind of attacker sends, put through the stages of `assay appraise`
//! and the ledger's rule of pay. Nothing here knows how an attack could be caught.

pub(crate) mod args;
mod arm;
mod bought;
mod cast;
mod outcome;
mod pay;
mod source;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use assay_api::Document;
use assay_api::v1::appraisal::{Inputs, Recipe};
use assay_api::v1::redteam::{RedTeam, Rules, Skipped};
use assay_sim::attack::Attack;

use crate::appraise::{self, publish::Folder};
use crate::output::{Failure, print};
use crate::progress::Progress;
use cast::Cast;
use outcome::{Absent, Range};

const JSON: &str = "redteam.json";
const PAGE: &str = "redteam.html";

/// What is to be done, as resolved from the flags.
pub(crate) struct Settings {
    /// How records are read and valued; its paths are read when the community is in files.
    pub(crate) appraise: appraise::Settings,
    pub(crate) source: Source,
    pub(crate) attacks: Vec<Attack>,
    /// Part of the records that the attacker owns, parts per million.
    pub(crate) share_ppm: u32,
    /// Records of TRAIN that are used; `None` for all.
    pub(crate) rows: Option<usize>,
    /// Base units at stake for every record.
    pub(crate) bond: Option<u64>,
    /// Whether the attacker gets to see values of records, and not of contributors only.
    pub(crate) records_published: bool,
    pub(crate) out: PathBuf,
    pub(crate) force: bool,
    pub(crate) json: bool,
}

/// Where the community is.
pub(crate) enum Source {
    Files,
    /// Bundled.
    Demo,
    /// In a datanet of the node at `home`.
    Net {
        home: Option<PathBuf>,
        net: Option<String>,
    },
}

impl Source {
    fn name(&self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Demo => "demo",
            Self::Net { .. } => "datanet",
        }
    }
}

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let folder = Folder::claim(&settings.out, settings.force, &[JSON, PAGE])?;
    let mut progress = Progress::new(settings.json);
    let (community, charter) =
        progress.stage("read", "the community that is attacked", |_| source::read(settings))?;
    let cast = Cast::of(community, settings)?;
    let rules = pay::rules(&charter, &cast, settings);
    let document = attack(&cast, rules, settings, &mut progress)?;
    let json = document.to_json().map_err(Failure::failed)?;
    let page = assay_web::render_redteam(&document).map_err(Failure::failed)?;
    folder.put(&[(PAGE, page.as_bytes()), (JSON, json.as_bytes())])?;
    print(&if settings.json { json } else { table::of(&document, &settings.out.join(PAGE)) })
}

/// All arms, one after the other.
fn attack(
    cast: &Cast,
    rules: Rules,
    settings: &Settings,
    progress: &mut Progress,
) -> Result<RedTeam, Failure> {
    let seed = settings.appraise.seed;
    let range =
        Range { cast, rules, settings: &settings.appraise, records_published: settings.records_published };
    let absent = progress
        .stage("absent", "the community without the attacker", |stage| Absent::measure(&range, stage))?;
    let mut honest = progress.stage("honest", "honest work under one name", |stage| {
        range.outcome(
            "honest",
            "His own honest records under one name.",
            &cast.world().honest(),
            &absent,
            stage,
        )
    })?;
    outcome::judge(&mut honest, None);
    let (mut attacks, mut not_applicable) = (Vec::new(), Vec::new());
    for &attack in &settings.attacks {
        let found = progress
            .stage(attack.name(), attack.sentence(), |stage| range.attack(attack, seed, &absent, stage));
        match found? {
            Some(mut arm) => {
                outcome::judge(&mut arm, Some(honest.profit_micro));
                attacks.push(arm);
            }
            None => not_applicable.push(Skipped {
                name: attack.name().to_owned(),
                reason: "It has no meaning for records of this kind.".to_owned(),
            }),
        }
    }
    Ok(RedTeam {
        schema: RedTeam::SCHEMA.to_owned(),
        inputs: Inputs {
            train: cast.community.train.input.clone(),
            valid: cast.community.valid.input.clone(),
            test: cast.community.test.as_ref().map(|part| part.input.clone()),
        },
        community: absent.crowd(cast),
        rules: range.rules,
        honest,
        attacks,
        not_applicable,
        recipe: recipe(settings),
        timings: progress.timings(),
    })
}

fn recipe(settings: &Settings) -> Recipe {
    let names: Vec<&str> = settings.attacks.iter().map(|attack| attack.name()).collect();
    let mut options = BTreeMap::from([
        ("attacks".to_owned(), names.join(",")),
        ("share".to_owned(), settings.share_ppm.to_string()),
        ("source".to_owned(), settings.source.name().to_owned()),
        (
            "values_published".to_owned(),
            if settings.records_published { "records" } else { "contributors" }.to_owned(),
        ),
    ]);
    if let Some(rows) = settings.rows {
        options.insert("rows".to_owned(), rows.to_string());
    }
    Recipe {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: settings.appraise.seed,
        threads: rayon::current_num_threads() as u64,
        options,
    }
}
