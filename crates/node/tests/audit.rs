//! Audits on the bundled digits: in the log with the values, drawn by what the log holds, and made again by anybody who
//! has the home.

#![allow(clippy::unwrap_used)]

use assay_api::v1::audit::CANNOT_SHOW;
use assay_ledger::codec;
use assay_ledger::event::Cause;
use assay_ledger::ids::{DatanetId, Digest};
use assay_node::audit::AuditOptions;
use assay_node::task::Record;
use assay_node::{Home, Kind, Node, ReportOptions, verify};
use assay_sim::{Community, Digit};
use assay_store::columns::{self, Values};
use assay_tlog::{Checkpoint, leaf_hash, root};

const ORIGIN: &str = "example.org/audit";

fn records(digits: &[Digit]) -> Vec<Record> {
    digits.iter().map(Digit::record).collect()
}

/// A datanet of the community, with a model that is not valued.
fn trained(dir: &std::path::Path) -> (Node, DatanetId) {
    let mut node = Node::found(Home::init(&dir.join("home"), Some(ORIGIN)).unwrap()).unwrap();
    let community = Community::of_digits(2).unwrap();
    let owner = node.operator().clone();
    let folds = (records(&community.value_fold), records(&community.report_fold));
    // Everything in training: what evidence keeps out of it cannot be left out again.
    let charter = Community::charter() + "\n[value]\ncurate = false\n";
    let net = node.create_datanet(&owner, &charter, folds.0, folds.1).unwrap();
    for member in &community.members {
        let key = node.home().key_or_new(&member.name).unwrap();
        node.contribute(&key, &net, &records(&member.records)).unwrap();
    }
    node.gate(&net).unwrap();
    node.snapshot(&net).unwrap();
    node.train(&net).unwrap();
    (node, net)
}

fn kinds(node: &Node) -> Vec<&'static str> {
    let kind = |bytes: &[u8]| match codec::decode(bytes).unwrap().cause {
        Cause::Command(signed) => Some(signed.intent.command.kind()),
        _ => None,
    };
    node.entries().scan(0).filter_map(|entry| kind(&entry.unwrap().1)).collect()
}

#[test]
fn values_are_audited_in_the_log_and_in_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, net) = trained(dir.path());
    let nothing = node.audit(&net, &AuditOptions::default(), &|_| {}).unwrap_err();
    assert_eq!(nothing.kind, Kind::Refused);
    let valuation = node.value(&net, &|_| {}).unwrap();

    // The event, and what it says of its table.
    let logged = node.datanet(&net).unwrap().valuations[&valuation].audit.clone().unwrap();
    let report = node.report(&net, &ReportOptions::default()).unwrap();
    let audit = report.audit.clone().unwrap();
    assert_eq!((audit.subject.entry, audit.recomputed.clone()), (Some(valuation), None));
    assert_eq!(logged.contributors, audit.contributors.len() as u64);
    assert_eq!((audit.drawn.left_out, audit.drawn.contributors), (logged.contributors, logged.contributors));
    let rank = audit.agreement.iter().find(|r| r.by == "value").unwrap().spearman.unwrap();
    assert!((logged.rank_ppm as f64 / 1e6 - rank).abs() < 1e-6 && rank > 0.6, "{rank}");
    let coverage = audit.coverage.clone().unwrap();
    assert!((f64::from(logged.coverage_ppm) / 1e6 - coverage.share).abs() < 1e-6);
    assert!(coverage.share > 0.7 && coverage.low < coverage.share, "{coverage:?}");
    let ceiling = audit.ceiling.clone().unwrap();
    assert!(ceiling.low < ceiling.spearman && ceiling.spearman < 1.0 && audit.reliability.unwrap() > 0.5);
    assert_eq!(audit.cannot_show, CANNOT_SHOW);
    let found = report.agreement.leave_one_out.unwrap();
    assert_eq!((found.spearman, found.n), (Some(rank), logged.contributors));
    assert_eq!(report.runs[0].audit.as_ref().unwrap().entry, logged.seq);
    let table = dir.path().join(format!("home/public/tables/{}.parquet", logged.table.sha256));
    let table = columns::read(&std::fs::read(table).unwrap()).unwrap();
    let Some(Values::Float64(effects)) = table.column("effect_bits") else { panic!("no effects") };
    assert!(effects.iter().zip(&audit.contributors).all(|(cell, c)| *cell == Some(c.effect_bits)));

    // A stranger draws the seed from the entries alone.
    let leaves: Vec<_> = node.entries().scan(0).map(|e| leaf_hash(&e.unwrap().1)).collect();
    let size = valuation + 1;
    let head = Checkpoint::new(ORIGIN, size, root(&leaves[..size as usize])).to_string();
    assert_eq!(audit.drawn.seed, Digest::of(head.as_bytes()).to_string());

    // Again, from the recipe: the same values, the same effects, no second event.
    let options = AuditOptions { clusters: true, orders: 8, against: vec!["influence".to_owned()] };
    let again = node.audit(&net, &options, &|_| {}).unwrap();
    assert_eq!(again.entry, logged.seq);
    let recomputed = again.audit.recomputed.clone().unwrap();
    assert!(recomputed.agrees && recomputed.equal == recomputed.records, "{recomputed:?}");
    assert_eq!(recomputed.records, audit.subject.records);
    assert_eq!(again.audit.contributors, audit.contributors);
    let clusters = again.audit.clusters.clone().unwrap();
    assert_eq!((clusters.by.as_str(), clusters.groups.len()), ("label", 10));
    assert!(
        clusters.groups.iter().all(|g| g.effect_bits > 0.0),
        "without a class, its rows are lost: {clusters:?}"
    );
    let shapley = again.audit.shapley.clone().unwrap();
    assert!(
        shapley.contributors > 12 && shapley.orders == 8 && shapley.spearman.unwrap() > 0.5,
        "{shapley:?}"
    );
    assert!(again.audit.estimators[0].contributors_spearman.unwrap() > 0.5);
    let newest = node.report(&net, &ReportOptions::default()).unwrap().audit;
    assert_eq!(newest, Some(again.audit));
    assert_eq!(kinds(&node).iter().filter(|kind| **kind == "audit").count(), 1);
    verify(&dir.path().join("home/public"), None, &|_, _| {}).unwrap();
}
