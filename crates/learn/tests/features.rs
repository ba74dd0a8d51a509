//! Features against scikit-learn, unicode, bounds, determinism, storage.
#![allow(clippy::unwrap_used)]

use assay_kernels::Mat;
use assay_learn::data::{Columns, Features};
use assay_learn::features::{FeatureConfig, FeatureError, Featurizer, GramConfig, Unit, top_features};
use proptest::prelude::*;

fn texts<S: AsRef<str>>(of: &[S]) -> Columns {
    Columns {
        rows: of.len(),
        text: Some(of.iter().map(|t| t.as_ref().to_owned()).collect()),
        ..Columns::default()
    }
}

fn numbers(names: &[&str], rows: usize, data: Vec<f64>) -> Columns {
    Columns {
        rows,
        number_names: names.iter().map(|&n| n.to_owned()).collect(),
        numbers: Some(Mat::from_vec(rows, names.len(), data).unwrap()),
        ..Columns::default()
    }
}

fn block(unit: Unit, shortest: usize, longest: usize, min_records: u32) -> GramConfig {
    GramConfig {
        unit,
        shortest,
        longest,
        min_records,
        max_share: 1.0,
        max_terms: 1000,
        max_per_record: 1000,
        weight: 1.0,
    }
}

fn config(blocks: &[GramConfig]) -> FeatureConfig {
    FeatureConfig { text: blocks.to_vec(), ..FeatureConfig::default() }
}

/// All rows as dense values, the constant left out.
fn dense(features: &Features) -> Vec<Vec<f32>> {
    let width = features.cols() - 1;
    let row = |r| match features {
        Features::Dense(m) => m.row(r)[..width].to_vec(),
        Features::Sparse(m) => {
            let mut out = vec![0.0; width + 1];
            let (columns, values) = m.row(r);
            columns.iter().zip(values).for_each(|(&c, &v)| out[c as usize] = v);
            assert_eq!(out.pop(), Some(1.0), "the constant is last");
            out
        }
    };
    (0..features.rows()).map(row).collect()
}

fn assert_close(found: &[Vec<f32>], expected: &[&[f32]]) {
    assert_eq!(found.len(), expected.len());
    for (row, (f, e)) in found.iter().zip(expected).enumerate() {
        assert_eq!(f.len(), e.len());
        assert!(f.iter().zip(*e).all(|(a, b)| (a - b).abs() < 2e-7), "row {row}: {f:?} is not {e:?}");
    }
}

fn without_prefix(featurizer: &Featurizer) -> Vec<String> {
    let names = featurizer.feature_names();
    assert_eq!(names.last().map(String::as_str), Some("constant"));
    names[..names.len() - 1].iter().map(|n| n.split_once(':').unwrap().1.to_owned()).collect()
}

/// scikit-learn 1.9.1, TfidfVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=r"(?u)\b\w+\b", sublinear_tf=True).
#[test]
fn words_agree_with_scikit_learn() {
    let columns = texts(&[
        "The card was lost, the lost card!",
        "Where is my card?",
        "my transfer was lost",
        "where where is the transfer",
    ]);
    let featurizer = Featurizer::fit(&columns, &config(&[block(Unit::Word, 1, 2, 2)])).unwrap();
    let names = ["card", "is", "lost", "my", "the", "transfer", "was", "was lost", "where", "where is"];
    assert_eq!(without_prefix(&featurizer), names);
    let (a, b, c, d, e) = (0.5200401, 0.3071441, 0.4472136, 0.3816141, 0.6461289);
    assert_close(
        &dense(&featurizer.transform(&columns).unwrap()),
        &[
            &[a, 0.0, a, 0.0, a, 0.0, b, b, 0.0, 0.0],
            &[c, c, 0.0, c, 0.0, 0.0, 0.0, 0.0, c, c],
            &[0.0, 0.0, c, c, 0.0, c, c, c, 0.0, 0.0],
            &[0.0, d, 0.0, 0.0, d, d, 0.0, 0.0, e, d],
        ],
    );
}

/// scikit-learn 1.9.1, TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), min_df=2, sublinear_tf=True).
#[test]
fn characters_agree_with_scikit_learn() {
    let columns = texts(&["lost card", "a card", "my cart is a lost cart"]);
    let featurizer = Featurizer::fit(&columns, &config(&[block(Unit::Character, 3, 4, 2)])).unwrap();
    let names = [
        " a ", " ca", " car", " lo", " los", "ard", "ard ", "car", "card", "los", "lost", "ost", "ost ",
        "rd ", "st ",
    ];
    assert_eq!(without_prefix(&featurizer), names);
    let (a, b, c, d, e, f) = (0.2169847, 0.2794073, 0.3832213, 0.2976055, 0.2753794, 0.3620909);
    assert_close(
        &dense(&featurizer.transform(&columns).unwrap()),
        &[
            &[0.0, a, a, b, b, b, b, a, b, b, b, b, b, b, b],
            &[c, d, d, 0.0, 0.0, c, c, d, c, 0.0, 0.0, 0.0, 0.0, c, 0.0],
            &[e, f, f, e, e, 0.0, 0.0, f, 0.0, e, e, e, e, 0.0, e],
        ],
    );
}

fn grams_of(text: &str, unit: Unit, n: usize) -> Vec<String> {
    let columns = texts(&[text]);
    without_prefix(&Featurizer::fit(&columns, &config(&[block(unit, n, n, 1)])).unwrap())
}

#[test]
fn every_script_has_words() {
    // Full width and composed forms are one with the plain ones; letters keep their marks.
    assert_eq!(grams_of("ＣＡＲＤ cafe\u{301} CAFÉ", Unit::Word, 1), ["café", "card"]);
    assert_eq!(grams_of("हिन्दी में", Unit::Word, 1), ["में", "हिन्दी"]);
    assert_eq!(grams_of("أَيْنَ بطاقتي؟", Unit::Word, 1), ["أَيْنَ", "بطاقتي"]);
    assert_eq!(grams_of("我的卡丢了", Unit::Word, 1), ["丢", "了", "卡", "我", "的"]);
    assert_eq!(grams_of("我的卡,iPhone15丢了", Unit::Word, 2).len(), 5);
    assert_eq!(grams_of("น้ำ", Unit::Word, 1), ["น้\u{e4d}", "า"], "NFKC parts sara am");
    assert_eq!(grams_of("don't_stop", Unit::Word, 1), ["don", "t_stop"]);
}

#[test]
fn what_is_no_word_has_characters() {
    assert_eq!(grams_of("👍🏽 ok", Unit::Character, 3), [" ok", " 👍🏽", "ok ", "👍🏽 "]);
    assert_eq!(grams_of("a", Unit::Character, 5), [" a "]);
    let columns = texts(&["👍👍👍", "👍👍👍", "!!!"]);
    let featurizer = Featurizer::fit(&columns, &FeatureConfig::default()).unwrap();
    assert_eq!(featurizer.cols(), 4, "runs of three, padded: {:?}", featurizer.feature_names());
}

#[test]
fn empty_and_unknown_texts_are_rows_of_the_constant() {
    let columns = texts(&["lost card", "lost card", "", " \t\n", "zzz"]);
    let featurizer = Featurizer::fit(&columns, &FeatureConfig::default()).unwrap();
    let rows = dense(&featurizer.transform(&columns).unwrap());
    assert!(rows[2..].iter().flatten().all(|&v| v == 0.0));
    assert_eq!(rows[0], rows[1]);
    let none = featurizer.transform(&texts::<&str>(&[])).unwrap();
    assert_eq!((none.rows(), none.cols()), (0, featurizer.cols()));
}

#[test]
fn a_huge_text_is_read_to_the_limit_only() {
    let start = "lost card ".repeat(2000);
    assert_eq!(start.chars().count(), 20_000);
    let huge = format!("{start}{}", "other words ".repeat(100_000));
    let featurizer =
        Featurizer::fit(&texts(&[&start, "lost card, other words"]), &FeatureConfig::default()).unwrap();
    let rows = dense(&featurizer.transform(&texts(&[&start, &huge])).unwrap());
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn a_record_has_at_most_so_many_entries() {
    let block = GramConfig { max_per_record: 2, ..block(Unit::Word, 1, 1, 1) };
    let columns = texts(&["a b c d", "a b c", "a b", "a"]);
    let featurizer = Featurizer::fit(&columns, &config(&[block])).unwrap();
    let rows = dense(&featurizer.transform(&columns).unwrap());
    assert!(
        rows[0][0] == 0.0 && rows[0][1] == 0.0 && rows[0][2] < rows[0][3],
        "the rarest stay: {:?}",
        rows[0]
    );
    assert!((rows[0].iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn the_vocabulary_keeps_the_most_frequent_then_the_first() {
    let block = GramConfig { max_terms: 2, ..block(Unit::Word, 1, 1, 1) };
    let columns = texts(&["d c b", "c b a d"]);
    let featurizer = Featurizer::fit(&columns, &config(std::slice::from_ref(&block))).unwrap();
    assert_eq!(without_prefix(&featurizer), ["b", "c"]);
    let columns = texts(&["d c b", "c b a d", "d"]);
    let featurizer = Featurizer::fit(&columns, &config(&[block])).unwrap();
    assert_eq!(without_prefix(&featurizer), ["b", "d"]);
}

#[test]
fn numbers_are_standardised_and_cut() {
    let train = numbers(
        &["age", "same", "big"],
        4,
        vec![1.0, 7.0, 1e308, 2.0, 7.0, -1e308, 3.0, 7.0, 1e308, 4.0, 7.0, -1e308],
    );
    let featurizer = Featurizer::fit(&train, &FeatureConfig::default()).unwrap();
    assert_eq!(featurizer.feature_names(), ["number:age", "number:big", "constant"]);
    let Features::Dense(m) = featurizer.transform(&train).unwrap() else { panic!("numbers alone are dense") };
    let root = 1.25_f64.sqrt();
    assert_eq!(m.row(0), [(-1.5 / root) as f32, 1.0, 1.0]);
    let far = numbers(&["age", "same", "big"], 2, vec![1e300, 0.0, f64::MAX, -1e300, 9.0, f64::MIN]);
    let Features::Dense(m) = featurizer.transform(&far).unwrap() else { panic!("numbers alone are dense") };
    assert_eq!((m.row(0)[0], m.row(1)[0]), (10.0, -10.0));
    assert!(m.data().iter().all(|v| v.is_finite()));
}

#[test]
fn numbers_beside_text_weigh_as_much_as_the_words() {
    let mut columns = texts(&["lost card", "lost card"]);
    columns.number_names = vec!["a".into(), "b".into(), "c".into()];
    columns.numbers = Mat::from_vec(2, 3, vec![0.0, 5.0, 1.0, 2.0, 5.0, 3.0]);
    let featurizer = Featurizer::fit(&columns, &config(&[block(Unit::Word, 1, 1, 2)])).unwrap();
    let features = featurizer.transform(&columns).unwrap();
    let half = 0.5_f32.sqrt();
    assert_eq!(featurizer.feature_names(), ["word:card", "word:lost", "number:a", "number:c", "constant"]);
    assert_eq!(dense(&features), [[half, half, -half, -half], [half, half, half, half]]);
    assert_eq!(top_features(&features, 1, 2), [(0, half), (1, half)]);
}

#[test]
fn what_cannot_be_features_is_refused() {
    let fit = |columns: &Columns| Featurizer::fit(columns, &FeatureConfig::default()).unwrap_err();
    assert_eq!(fit(&texts::<&str>(&[])), FeatureError::NoRecords);
    assert_eq!(fit(&texts(&["one", "two"])), FeatureError::NoFeatures);
    assert_eq!(fit(&numbers(&["x"], 2, vec![1.0, 1.0])), FeatureError::NoFeatures);
    assert_eq!(
        fit(&numbers(&["x", "y"], 1, vec![1.0, f64::NAN])),
        FeatureError::NotFinite { row: 0, column: "y".into() }
    );
    let short = Columns { rows: 3, ..texts(&["a"]) };
    assert_eq!(fit(&short), FeatureError::Length { column: "the text", found: 1, rows: 3 });
    let bad = |b: GramConfig| Featurizer::fit(&texts(&["a", "a"]), &config(&[b])).unwrap_err();
    let good = block(Unit::Word, 1, 2, 1);
    for b in [
        GramConfig { shortest: 0, ..good.clone() },
        GramConfig { longest: 9, ..good.clone() },
        GramConfig { weight: f64::NAN, ..good.clone() },
        GramConfig { max_per_record: 0, ..good },
    ] {
        assert!(matches!(bad(b), FeatureError::Config { .. }));
    }
}

#[test]
fn other_columns_than_in_training_are_refused() {
    let worded = Featurizer::fit(&texts(&["a b", "a b"]), &FeatureConfig::default()).unwrap();
    let counted = Featurizer::fit(&numbers(&["x"], 2, vec![1.0, 2.0]), &FeatureConfig::default()).unwrap();
    let other = numbers(&["y"], 1, vec![1.0]);
    assert_eq!(worded.transform(&other).unwrap_err(), FeatureError::Text { fitted: true });
    assert_eq!(counted.transform(&texts(&["a"])).unwrap_err(), FeatureError::Text { fitted: false });
    let names = counted.transform(&other).unwrap_err();
    assert_eq!(names.to_string(), r#"numeric columns must be ["x"] as in training, not ["y"]"#);
}

#[test]
fn a_stored_featurizer_is_checked() {
    let columns = texts(&["a b", "a b"]);
    let featurizer = Featurizer::fit(&columns, &config(&[block(Unit::Word, 1, 1, 1)])).unwrap();
    let json = serde_json::to_string(&featurizer).unwrap();
    assert_eq!(serde_json::from_str::<Featurizer>(&json).unwrap(), featurizer);
    for (from, to) in [
        (r#""version":1"#, r#""version":2"#),
        (r#"["a","b"]"#, r#"["b","a"]"#),
        (r#"["a","b"]"#, r#"["a"]"#),
        (r#"[2,2]"#, r#"[2,3]"#),
        (r#"[2,2]"#, r#"[0,2]"#),
        (r#""longest":1"#, r#""longest":1000"#),
        (r#""bound":10.0"#, r#""bound":-1.0"#),
        (r#""max_chars":20000"#, r#""max_chars":0"#),
    ] {
        assert!(json.contains(from), "{from} in {json}");
        assert!(serde_json::from_str::<Featurizer>(&json.replacen(from, to, 1)).is_err(), "{to}");
    }
}

fn record() -> impl Strategy<Value = String> {
    let word = prop_oneof!["[a-d]{1,4}", "[А-Г]{1,3}", "[一-丅]{1,3}", "\\PC{0,4}", Just("👍🏽".to_owned())];
    prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
}

fn records() -> impl Strategy<Value = (Columns, Vec<usize>)> {
    let row = (record(), -1e6..1e6_f64, prop::num::f64::NORMAL);
    let rows = prop::collection::vec(row, 2..20);
    let order = |n: usize| Just((0..n).collect::<Vec<_>>()).prop_shuffle();
    rows.prop_flat_map(move |rows| (Just(rows.clone()), order(rows.len()))).prop_map(|(rows, order)| {
        let mut columns = texts(&rows.iter().map(|r| &r.0).collect::<Vec<_>>());
        let data = rows.iter().flat_map(|r| [r.1, r.2]).collect();
        columns.number_names = vec!["x".into(), "y".into()];
        columns.numbers = Mat::from_vec(rows.len(), 2, data);
        (columns, order)
    })
}

fn permuted(columns: &Columns, order: &[usize]) -> Columns {
    Columns {
        rows: columns.rows,
        text: columns.text.as_ref().map(|t| order.iter().map(|&i| t[i].clone()).collect()),
        number_names: columns.number_names.clone(),
        numbers: columns.numbers.as_ref().map(|m| m.select(order)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_well_formed((columns, order) in records()) {
        let Ok(featurizer) = Featurizer::fit(&columns, &FeatureConfig::default()) else { return Ok(()) };
        let features = featurizer.transform(&columns).unwrap();
        let Features::Sparse(m) = &features else { panic!("text is sparse") };
        let names = featurizer.feature_names();
        let words = names.partition_point(|n| n.starts_with("word:") && !n.contains(' '));
        for r in 0..m.rows() {
            let (at, values) = m.row(r);
            prop_assert!(at.windows(2).all(|w| w[0] < w[1]) && *at.last().unwrap() as usize == m.cols() - 1);
            prop_assert!(values.iter().all(|v| v.is_finite()));
            let norm: f32 = at.iter().zip(values).filter(|(c, _)| (**c as usize) < words).map(|(_, v)| v * v).sum();
            prop_assert!(norm == 0.0 || (norm - 1.0).abs() < 1e-5, "norm {norm}");
        }
        // The order of queries, and the way through storage, change nothing.
        let again: Featurizer = serde_json::from_str(&serde_json::to_string(&featurizer).unwrap()).unwrap();
        prop_assert_eq!(&again, &featurizer);
        let moved = again.transform(&permuted(&columns, &order)).unwrap();
        prop_assert_eq!(moved, features.select(&order));
    }

    #[test]
    fn the_vocabulary_ignores_the_order_of_records((columns, order) in records()) {
        let text = |c: &Columns| Columns { numbers: None, number_names: Vec::new(), ..c.clone() };
        let fit = |c: &Columns| Featurizer::fit(&text(c), &FeatureConfig::default());
        prop_assert_eq!(fit(&columns), fit(&permuted(&columns, &order)));
    }
}

#[test]
fn threads_change_nothing() {
    let words = ["lost", "card", "transfer", "where", "my", "fee", "refund"];
    let line = |i: usize| (0..9).map(|k| words[(i * (k + 3) + k * k) % 7]).collect::<Vec<_>>().join(" ");
    let columns = texts(&(0..2000).map(line).collect::<Vec<_>>());
    let run = || {
        let featurizer = Featurizer::fit(&columns, &FeatureConfig::default()).unwrap();
        let features = featurizer.transform(&columns).unwrap();
        (featurizer, features)
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    assert_eq!(on(1), on(7));
}
