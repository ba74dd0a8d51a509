//! What is refused: exit code 2, an error that says what and where, a hint that says what to do.

use std::fs;

use super::World;

#[test]
fn without_a_home() {
    let world = World::bare();
    let error = world.refuses("balance --home nowhere");
    assert!(
        error.contains("nowhere/assay.toml") && error.contains("hint: make a home with `assay init DIR`"),
        "{error}"
    );
    assert!(world.refuses("verify nowhere").contains("nowhere is no folder"));
    world.says("init home");
    assert!(world.refuses("init home").contains("is not empty"));
    assert!(world.refuses("init other --origin two+words").contains("is no origin"));
    assert!(!world.path("other").exists(), "a refused init leaves nothing");
    assert!(world.refuses("snapshot").contains("there is no datanet yet"));
    assert!(world.refuses("key new operator").contains("exists already"));
    assert!(world.refuses("key new log").contains("cannot name a key"));
    assert!(world.refuses("key new ../x").contains("no name for a key"));
}

#[test]
fn charters_and_benchmarks() {
    let world = World::founded();
    let error = world.refuses("datanet create charter.toml --valid valid.jsonl --test test.jsonl");
    assert!(error.contains("there is a datanet topics already"), "{error}");
    let charter = super::community::CHARTER.replace("700000", "700001");
    fs::write(world.path("greedy.toml"), charter).unwrap();
    let error =
        world.refuses("datanet create greedy.toml --valid valid.jsonl --test test.jsonl --as newcomer");
    assert!(error.contains("[split] sums to 1000001") && error.contains("docs/CHARTER.md"), "{error}");
    assert!(!world.says("key list").contains("newcomer"), "a refused charter makes no key");
    let other = super::community::CHARTER.replace("\"topics\"", "\"other\"");
    fs::write(world.path("other.toml"), other).unwrap();
    let error = world.refuses("datanet create other.toml --valid valid.jsonl --test bob.jsonl");
    assert!(error.contains("row 24 of the report fold") && error.contains("golf"), "{error}");
    world.says("datanet create other.toml --valid valid.jsonl --test test.jsonl");
    let error = world.refuses("snapshot");
    assert!(error.contains("several datanets") && error.contains("other, topics"), "{error}");
    assert!(world.refuses("snapshot --net nobody").contains("there are: other, topics"));
    assert!(world.refuses("datanet show Nobody").contains("datanet name"));
}

#[test]
fn contributions() {
    let world = World::founded();
    fs::write(world.path("named.csv"), "sentence,label\nthe soup is cold,food\n").unwrap();
    let error = world.refuses("contribute named.csv --as bob");
    assert!(error.contains("no column \"text\"") && error.contains("sentence, label"), "{error}");
    fs::write(world.path("broken.jsonl"), "{\"text\":\"a\"}\n{\"text\":").unwrap();
    assert!(world.refuses("contribute broken.jsonl --as bob").contains("broken.jsonl, line 2"));
    assert!(
        world.refuses("contribute alice.jsonl --as bob --receipt charter.toml").contains("exists already")
    );
    assert!(world.refuses("contribute alice.jsonl --as log").contains("cannot name a key"));
    assert!(!world.says("key list").contains("bob"), "a refused contribution makes no key");
    assert_eq!(world.document("log head")["size"], 3, "nothing was logged");
}

#[test]
fn reviews() {
    let world = World::contributed();
    let held = world.document("review next");
    let name = format!("{}/{}", held["next"][0]["held"]["contribution"], held["next"][0]["held"]["index"]);
    let decide = |rest: &str| world.refuses(&format!("review decide {name} {rest}"));
    let error = decide("pass --reason because --as alice");
    assert!(error.contains("\"because\" is no reason") && error.contains("own_work"), "{error}");
    assert!(decide("pass --reason own_work --as mallory").contains("mallory may not do this"));
    world.says("review appoint bob --as alice");
    assert!(decide("pass --reason own_work --as bob").contains("nobody reviews their own records"));
    assert!(decide("maybe --reason own_work --as alice").contains("possible values: pass, reject"));
    assert!(decide("pass --reason own_work --as nobody").contains("`assay key list`"));
    assert!(world.refuses("review decide 6:1 pass --reason copy --as alice").contains("such as 17/4"));
    assert!(world.refuses("review decide 3/0 pass --reason copy --as bob").contains("not held for review"));
    assert!(world.refuses("review appoint mallory --as bob").contains("bob may not do this"));
}

#[test]
fn money() {
    let world = World::contributed();
    world.says("key new carol");
    let ask = ["ask", "--as", "carol", "--text", "soup"];
    let error = world.refuses_all(&ask);
    assert!(
        error.contains("0.05 OPEN (50,000u) is needed") && error.contains("assay deposit carol"),
        "{error}"
    );
    world.says("deposit carol 1 --reference wire-1");
    let error = world.refuses_all(&ask);
    assert!(
        error.contains("no valued model") && error.contains("snapshot, train and value first"),
        "{error}"
    );
    assert!(world.refuses("ask --as carol --record {}").contains("\"text\" is missing"));
    assert!(world.refuses("withdraw --question 3 --as carol").contains("there is no open question 3"));
    assert!(
        world.refuses("withdraw 1 --question 3 --as carol --reference a").contains("cannot be used with")
    );
    assert!(world.refuses("ask --as carol --record []").contains("no JSON object"));
    assert!(world.refuses("ask --as carol").contains("required"));
    assert!(world.refuses("deposit carol 1 --reference wire-1").contains("counts once"));
    assert!(world.refuses("deposit dora 1 --reference wire-2").contains("no key \"dora\""));
    assert!(world.refuses("deposit a0123456789abcdef0123 1 --reference wire-2").contains("no account"));
    assert!(world.refuses("deposit carol 1.0000001 --reference wire-2").contains("six decimals"));
    let error = world.refuses("withdraw 2 --as carol --reference out-1");
    assert!(error.contains("carol has 1.00 OPEN") && error.contains("assay balance"), "{error}");
    assert!(world.refuses("train").contains("assay snapshot"));
    assert!(world.refuses("value").contains("assay train"));
    assert!(world.refuses("settle").contains("no closed valuation"));
    assert!(world.refuses("statement carol --epoch 9").contains("epoch 1 is open"));
    assert!(world.refuses("log --from 99").contains("the log has"));
    assert_eq!(world.document("balance carol")["accounts"][0]["places"].as_object().unwrap().len(), 1);
}
