//! Answers that are metered: what is paid for is in a public table, and a stranger who adds it up finds any other sum.

use std::path::Path;

use assay_ledger::command::{Command, Credit, Share};
use assay_ledger::ids::{Digest, TableRef};
use assay_ledger::meter::{Metered, credits, root};
use assay_ledger::statement::Item;
use assay_node::task::Record;
use assay_node::{Home, Node, verify};
use assay_store::Vault;
use assay_store::columns::{self, ColumnTable};
use assay_store::tables::TableStore;

use crate::small;

fn count(home: &Path, what: &str) -> u64 {
    let verified = verify(&home.join("public"), None, &|_, _| {}).unwrap();
    verified.checks.iter().find(|check| check.what.contains(what)).unwrap().count
}

fn ask(node: &mut Node, questions: &[Record]) -> Vec<u64> {
    let operator = node.operator().clone();
    let reference = format!("in-{}", node.state().size());
    let deposit = small::deposit(node, &reference, small::PRICE * questions.len() as u128);
    node.act(&operator, deposit).unwrap();
    let net = node.state().datanets().keys().next().unwrap().clone();
    let asked = node.ask(&operator, &net, questions).unwrap();
    asked.into_iter().collect::<Result<_, _>>().unwrap()
}

#[test]
fn many_answers_are_paid_by_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let (home, net) = small::world(dir.path(), 3);
    let mut node = small::open(&home).unwrap();
    // Fewer have an entry each.
    ask(&mut node, &small::records(3, 1, 15));
    let alone = node.answer(&net).unwrap();
    assert!(alone.is_sorted_by(|a, b| a.entry < b.entry));
    assert_eq!(count(&home, "metered answers"), 0);

    let mut questions = small::records(3, 2, 40);
    questions[7].insert("height".to_owned(), "tall".into());
    let queries = ask(&mut node, &questions);
    let before = node.state().size();
    let given = node.answer(&net).unwrap();
    assert_eq!(
        (given.len(), node.state().size()),
        (39, before + 3),
        "a price back, the credits, the metering"
    );
    assert!(given.iter().all(|answered| answered.entry == before + 2 && answered.query != queries[7]));
    assert_eq!(count(&home, "metered answers"), 39);
    // What the only contributor got for each of them is what the entry credits.
    let account = node.state().operator().unwrap().clone();
    let shares = node.metered(before + 2, &account).unwrap();
    let sum: u128 = shares.iter().map(|share| share.amount.units()).sum();
    let statement = node.statement(&account, None).unwrap();
    let line = statement.lines.iter().rfind(|line| line.item == Item::AnswerShare).unwrap();
    assert_eq!((line.seq, line.posting.amount.units()), (before + 2, sum));
    assert!(shares.len() > 30 && shares.iter().all(|share| share.ppm > 0), "{}", shares.len());
    assert!(node.metered(before + 1, &account).unwrap().is_empty());
    // What another node has kept of answers that the log did not take stands in nobody's way.
    drop(node);
    let mut vault = Vault::open_at(&Home::open(&home).unwrap().vault_address()).unwrap();
    for answered in &given {
        let mut other = serde_json::to_value(answered).unwrap();
        other["answer"] = "another".into();
        let kept = serde_json::json!({ "nonce": "0".repeat(32), "answer": other });
        let name = format!("answer/{}/{}", answered.query, "0".repeat(32));
        vault.put_private(&name, kept.to_string().as_bytes()).unwrap();
    }
    drop(vault);
    // The same as when a new process asks for them.
    let node = small::open(&home).unwrap();
    for answered in &given {
        let kept = node.answered(answered.query).unwrap().unwrap();
        assert_eq!((&kept.answer, kept.entry), (&answered.answer, answered.entry));
    }
    assert!(node.answered(queries[7]).unwrap().is_none());
}

/// A metering that an operator made up: its answers, and what it says of them.
struct MadeUp {
    answers: Vec<Metered>,
    credits: Vec<Credit>,
    root: Digest,
}

/// What a stranger says of 16 questions that are metered as `lie` has it.
fn verified(lie: impl FnOnce(&mut MadeUp)) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let (home, net) = small::world(dir.path(), 3);
    let mut node = small::open(&home).unwrap();
    let queries = ask(&mut node, &small::records(3, 1, 16));
    let model = node.datanet(&net).unwrap().serving().unwrap();
    let account = node.state().operator().unwrap().clone();
    let answer = |query: &u64| Metered {
        query: *query,
        answer: Digest::of(&query.to_be_bytes()),
        moved_microbits: 5,
        shares: vec![Share { account: account.clone(), ppm: 333_333 }],
    };
    let answers: Vec<Metered> = queries.iter().map(answer).collect();
    let sums = credits(node.datanet(&net).unwrap(), model, &answers).unwrap();
    let mut made = MadeUp { root: root(&answers).unwrap(), credits: sums, answers };
    lie(&mut made);

    let texts = |of: fn(&Metered) -> String| made.answers.iter().map(of).collect::<Vec<String>>();
    let table = ColumnTable::new("answers", 1)
        .with_column("query", made.answers.iter().map(|a| a.query as i64).collect::<Vec<_>>())
        .and_then(|table| table.with_column("answer", texts(|a| a.answer.to_string())))
        .and_then(|table| table.with_column("moved_microbits", vec![5_i64; made.answers.len()]))
        .and_then(|table| table.with_column("shares", texts(|a| a.shares_text().unwrap())));
    let bytes = columns::write(&table.unwrap()).unwrap();
    let stored = TableStore::folder(&home.join("private")).unwrap().put(bytes, "parquet").unwrap();
    let table = TableRef { sha256: Digest(stored.sha256), rows: 16, bytes: stored.bytes };
    let operator = node.operator().clone();
    node.act(&operator, Command::MeterRows { datanet: net.clone(), part: 0, rows: made.credits }).unwrap();
    let through = *queries.last().unwrap();
    let close =
        Command::Meter { datanet: net, model, through, answers: 16, parts: 1, root: made.root, table };
    node.act(&operator, close).unwrap();
    verify(&home.join("public"), None, &|_, _| {}).map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_metering_that_does_not_add_up_is_found() {
    verified(|_| {}).unwrap();
    let one_less = |made: &mut MadeUp| {
        let units = made.credits[0].amount.units() - 1;
        made.credits[0].amount = assay_ledger::amount::Amount::new(units).unwrap();
    };
    assert!(verified(one_less).unwrap_err().contains("does not add up to what the log credits"));
    let other_root = |made: &mut MadeUp| made.root = Digest([1; 32]);
    assert!(verified(other_root).unwrap_err().contains("other answers than the entry has the root of"));
    let other_shares = |made: &mut MadeUp| made.answers[9].shares[0].ppm += 1;
    assert!(verified(other_shares).unwrap_err().contains("other answers than the entry has the root of"));
    let more = |made: &mut MadeUp| {
        made.answers[9].shares[0].ppm += 100_000;
        made.root = root(&made.answers).unwrap();
    };
    assert!(verified(more).unwrap_err().contains("does not add up"));
    let other_questions = |made: &mut MadeUp| {
        made.answers[0].query -= 1;
        made.root = root(&made.answers).unwrap();
    };
    assert!(verified(other_questions).unwrap_err().contains("answers other questions than were open"));
    let stranger = |made: &mut MadeUp| {
        made.answers[0].shares[0].account = format!("a{}", "0".repeat(20)).parse().unwrap();
        made.root = root(&made.answers).unwrap();
    };
    assert!(verified(stranger).unwrap_err().contains("has no record in the snapshot"));
    let fewer = |made: &mut MadeUp| drop(made.answers.pop());
    assert!(verified(fewer).unwrap_err().contains("has 15 rows, and the log says 16"));
}
