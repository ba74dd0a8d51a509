//! Pay by real values: training runs through a node, and small communities whose records are valued by the path.

#![allow(clippy::unwrap_used)]

mod small;

use assay_attribution::{Examples, PathOptions, Valuation, ValueFold, value};
use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_ledger::amount::{Amount, Place};
use assay_ledger::command::{Command, ValueRow};
use assay_ledger::ids::{AccountId, DatanetId, PublicKey};
use assay_ledger::pay::{AccruedValue, Claim, Terms, pay};
use assay_node::task::Record;
use assay_node::{Node, ReportOptions, verify};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Every label is that of the next class.
fn flipped(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        let next = match record["kind"].as_str().unwrap() {
            "sky" => "sea",
            "sea" => "land",
            _ => "sky",
        };
        record["kind"] = json!(next);
    }
    records
}

struct World {
    dir: tempfile::TempDir,
    node: Node,
    net: DatanetId,
}

impl World {
    /// A datanet of the operator, whose model of 30 records is valued.
    fn new(rules: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (home, net) = small::world_with(dir.path(), 11, rules);
        Self { node: small::open(&home).unwrap(), dir, net }
    }

    fn contribute(&mut self, name: &str, records: &[Record]) -> AccountId {
        let key = self.node.home().key_or_new(name).unwrap();
        self.node.contribute(&key, &self.net, records).unwrap();
        self.node.gate(&self.net).unwrap();
        AccountId::of(&PublicKey::from(&key))
    }

    fn row(&self, account: &AccountId) -> ValueRow {
        self.node.datanet(&self.net).unwrap().values[account].clone()
    }

    fn accrued(&self, account: &AccountId) -> AccruedValue {
        self.node.datanet(&self.net).unwrap().contributors[account].value
    }

    fn verified(&self) {
        verify(&self.dir.path().join("home/public"), None, &|_, _| {}).unwrap();
    }
}

#[test]
fn a_run_prices_what_is_new_and_a_stranger_can_add_it_up() {
    let mut world = World::new("publish = \"records\"\n[reward]\nper_bit = \"1000000000\"\n");
    let operator = AccountId::of(&PublicKey::from(world.node.operator()));
    let first = world.accrued(&operator);
    assert!(first.value_microbits > 0);
    world.node.settle(&world.net).unwrap();
    let old = world.node.settled_values(&world.net, 1, &operator).unwrap();
    assert_eq!(old.iter().map(|r| r.value_microbits).sum::<i64>(), first.value_microbits);

    // A sponsor puts up more than is owed; two latecomers, one of them harmful.
    let key = world.node.operator().clone();
    let deposit = small::deposit(&world.node, "wire", 5_000_000_000);
    world.node.act(&key, deposit).unwrap();
    let amount = Amount::new(4_000_000_000).unwrap();
    world.node.act(&key, Command::Fund { datanet: world.net.clone(), amount }).unwrap();
    let late = world.contribute("late", &small::records(11, 1, 40));
    let bad = world.contribute("bad", &flipped(small::records(11, 2, 25)));
    small::model(&mut world.node, &world.net).unwrap();

    let net = world.node.datanet(&world.net).unwrap();
    let run = net.valuations.values().next_back().unwrap();
    assert_eq!(world.row(&operator).value_microbits, 0, "the earlier records stand");
    assert_eq!(world.accrued(&operator), first);
    assert!(world.row(&late).value_microbits > 0 && world.row(&bad).value_microbits < 0);
    let gain = run.full_microbits - run.base_microbits;
    assert!(run.closure_microbits().abs() * 1_000 <= gain.abs().max(1_000), "{run:?}");

    world.node.settle(&world.net).unwrap();
    let again = world.node.settled_values(&world.net, 2, &operator).unwrap();
    assert_eq!(again, old, "the table of the second run carries the values of the first");
    let rewarded =
        |account: &AccountId| world.node.datanet(&world.net).unwrap().contributors[account].rewarded.units();
    for account in [&operator, &late, &bad] {
        let owed = 1_000 * world.accrued(account).value_microbits.max(0) as u128;
        assert_eq!(rewarded(account), owed, "{account}");
    }
    let left = world.node.state().balances().at(&Place::Reward(world.net.clone()));
    assert_eq!(left.units(), 4_000_000_000 - rewarded(&operator) - rewarded(&late));
    world.verified();

    // A model of the same records adds nothing to anybody.
    let before = [&operator, &late, &bad].map(|account| world.accrued(account));
    world.node.train(&world.net).unwrap();
    world.node.value(&world.net, &|_| {}).unwrap();
    assert_eq!([&operator, &late, &bad].map(|account| world.accrued(account)), before);
    world.node.settle(&world.net).unwrap();
    world.verified();

    let report = world.node.report(&world.net, &ReportOptions::default()).unwrap();
    assert_eq!(report.runs.iter().map(|run| run.new_records).collect::<Vec<_>>(), [30, 65, 0]);
    let paid: i128 = report.contributors.iter().map(|c| c.rewarded_micro.0).sum();
    assert_eq!(report.money.rewarded_micro.0, paid);
}

#[test]
fn pay_waits_for_an_audit_that_the_charter_asks_for() {
    let mut world = World::new("[audit]\nmin_rank_ppm = 500000\n");
    world.node.settle(&world.net).unwrap();
    let net = world.node.datanet(&world.net).unwrap();
    assert!(net.epochs[&1].held_back && net.holds_back());
    let report = world.node.report(&world.net, &ReportOptions::default()).unwrap();
    assert_eq!((report.least_rank, report.epochs[0].held_back), (Some(0.5), true));
    world.verified();
}

/// Points around three centres.
struct Community {
    points: Vec<[f64; 2]>,
    labels: Vec<u32>,
    owner: Vec<u32>,
}

const CENTRES: [[f64; 2]; 3] = [[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]];

impl Community {
    fn new() -> Self {
        Self { points: Vec::new(), labels: Vec::new(), owner: Vec::new() }
    }

    /// `count` records of `owner`, of which a share has a wrong label.
    fn add(&mut self, rng: &mut ChaCha8Rng, owner: u32, count: usize, wrong: f64) {
        let uniform = |rng: &mut ChaCha8Rng| small::below(rng, 1 << 30) as f64 / f64::from(1 << 30);
        for _ in 0..count {
            let class = small::below(rng, 3) as u32;
            let near = |rng: &mut ChaCha8Rng, k: usize| {
                CENTRES[class as usize][k] + (0..4).map(|_| uniform(rng) - 0.5).sum::<f64>()
            };
            self.points.push([near(rng, 0), near(rng, 1)]);
            let shift = u32::from(uniform(rng) < wrong) * (1 + small::below(rng, 2) as u32);
            self.labels.push((class + shift) % 3);
            self.owner.push(owner);
        }
    }

    fn parts(&self) -> (Features, Target) {
        let data = self.points.iter().flat_map(|[x, y]| [*x as f32, *y as f32, 1.0]).collect();
        let features = Features::Dense(Mat::from_vec(self.points.len(), 3, data).unwrap());
        (features, Target::Classes { labels: self.labels.clone(), count: 3 })
    }

    fn valued(&self, held: Option<&[bool]>, benchmark: &Self) -> Valuation {
        let (features, target) = self.parts();
        let (bench_features, bench_target) = benchmark.parts();
        let train = Examples { features: &features, target: &target };
        let bench = ValueFold::new(Examples { features: &bench_features, target: &bench_target });
        let options = PathOptions { held_at_one: held, closure: 1e-5, ..PathOptions::default() };
        value(train, bench, &options, &|_| {}).unwrap()
    }
}

/// The `seed`th community: three honest contributors and one that is a part wrong; and its benchmark.
fn community(seed: u64) -> (Community, Community) {
    let mut rng = small::draw(seed, 0);
    let (mut all, mut benchmark) = (Community::new(), Community::new());
    for owner in 0..3 {
        let count = 8 + small::below(&mut rng, 15) as usize;
        all.add(&mut rng, owner, count, 0.0);
    }
    let wrong = small::below(&mut rng, 100) as f64 / 100.0;
    all.add(&mut rng, 3, 20, wrong);
    benchmark.add(&mut rng, 0, 60, 0.0);
    (all, benchmark)
}

fn name(i: usize) -> AccountId {
    AccountId::of(&PublicKey([i as u8 + 1; 32]))
}

const PER_BIT: u128 = 1_000_000_000;

/// Free money of the groups in `own` after a settlement, less the bonds that they put up: each bond covers what the
/// group's records cost, and none is lost into the pool.
fn gained(valuation: &Valuation, groups: &[u32], count: usize, own: impl Fn(usize) -> bool) -> i128 {
    let micro = |bits: f64| assay_attribution::quantize::micro_bits(bits).unwrap();
    let mut sums = vec![0_i64; count];
    groups.iter().zip(&valuation.value_bits).for_each(|(&g, &v)| sums[g as usize] += micro(v));
    let claims: Vec<Claim> = valuation
        .group(groups, count)
        .iter()
        .zip(&sums)
        .enumerate()
        .map(|(i, (group, &sum))| {
            let value = AccruedValue {
                value_microbits: sum,
                se_microbits: micro(group.se_bits),
                low_microbits: micro(group.low_bits).min(sum),
                high_microbits: micro(group.high_bits).max(sum),
            };
            let bond = Amount::new(u128::try_from(-sum).unwrap_or(0) * PER_BIT / 1_000_000).unwrap();
            let nothing = Amount::ZERO;
            Claim {
                account: name(i),
                value,
                accrued: nothing,
                bond,
                liability: nothing,
                fresh: nothing,
                rewarded: nothing,
            }
        })
        .collect();
    let budget = Amount::new(1 << 60).unwrap();
    let terms = Terms {
        epoch: 1,
        pool: Amount::ZERO,
        budget,
        per_bit: Amount::new(PER_BIT).unwrap(),
        held_back: false,
    };
    let rows = pay(&claims, &terms);
    let rows = rows.iter().zip(&claims).enumerate().filter(|(i, _)| own(*i));
    rows.map(|(_, (row, claim))| row.released.units() as i128 - claim.bond.units() as i128).sum()
}

#[test]
fn names_are_worth_nothing() {
    for seed in 0..12 {
        let (all, benchmark) = community(seed);
        let valuation = all.valued(None, &benchmark);
        let mut rng = small::draw(seed, 1);
        let whole = valuation.group(&all.owner, 4);
        for names in [2, 5, 20] {
            // The last contributor under many names, at random.
            let groups: Vec<u32> = all
                .owner
                .iter()
                .map(|&g| if g == 3 { 3 + small::below(&mut rng, names) as u32 } else { g })
                .collect();
            let count = 3 + names as usize;
            let split = valuation.group(&groups, count);
            let sum: f64 = split[3..].iter().map(|group| group.value_bits).sum();
            assert!(
                (sum - whole[3].value_bits).abs() < 1e-9,
                "seed {seed}: {sum} and {}",
                whole[3].value_bits
            );
            assert_eq!(split[..3], whole[..3], "nobody else is touched");
            let apart = gained(&valuation, &groups, count, |i| i >= 3);
            let micro = valuation.value_bits.iter().zip(&all.owner).filter(|(_, owner)| **owner == 3);
            let micro = micro.map(|(v, _)| assay_attribution::quantize::micro_bits(*v).unwrap()).sum::<i64>();
            assert!(apart <= i128::from(micro) * (PER_BIT / 1_000_000) as i128, "seed {seed}, {names} names");
            let together = gained(&valuation, &all.owner, 4, |i| i == 3);
            assert!(whole[3].low_bits <= 0.0 || apart <= together, "seed {seed}: {apart} above {together}");
        }
    }
}

#[test]
fn other_names_for_all_change_no_value_and_no_pay() {
    for seed in 0..6 {
        let (all, benchmark) = community(seed);
        let valuation = all.valued(None, &benchmark);
        let renamed: Vec<u32> = all.owner.iter().map(|g| (g + 1) % 4).collect();
        for i in 0..4 {
            let before = gained(&valuation, &all.owner, 4, |j| j == i);
            let after = gained(&valuation, &renamed, 4, |j| j == (i + 1) % 4);
            assert_eq!(before, after, "seed {seed}, contributor {i}");
        }
    }
}

#[test]
fn garbage_lowers_the_total_of_whoever_adds_it() {
    for seed in 0..12 {
        let (all, benchmark) = community(seed);
        let alone = all.valued(None, &benchmark).group(&all.owner, 4);
        let mut more = all;
        more.add(&mut small::draw(seed, 2), 4, 12, 1.0);
        let with = more.valued(None, &benchmark).group(&more.owner, 5);
        for owner in 0..4 {
            let total = with[owner].value_bits + with[4].value_bits;
            assert!(
                total < alone[owner].value_bits,
                "seed {seed}: {owner} gains by wrong labels under another name"
            );
        }
    }
}

#[test]
fn latecomers_share_out_what_they_add() {
    for seed in 0..6 {
        let (mut all, benchmark) = community(seed);
        let earlier = all.owner.len();
        all.add(&mut small::draw(seed, 3), 4, 15, 0.1);
        let held: Vec<bool> = (0..all.owner.len()).map(|i| i < earlier).collect();
        let run = all.valued(Some(&held), &benchmark);
        let whole = all.valued(None, &benchmark);
        assert!(run.value_bits[..earlier].iter().all(|v| *v == 0.0));
        let mut old = all;
        old.points.truncate(earlier);
        old.labels.truncate(earlier);
        old.owner.truncate(earlier);
        let before = old.valued(None, &benchmark);
        let gain = whole.full_bits - before.full_bits;
        assert!((run.gain_bits - gain).abs() < 1e-4, "seed {seed}: {} and {gain}", run.gain_bits);
        let sum: f64 = run.value_bits.iter().sum();
        assert!((sum - gain).abs() < 1e-4, "seed {seed}: {sum} and {gain}");
    }
}
