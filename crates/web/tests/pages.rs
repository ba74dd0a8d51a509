//! The pages as a browser and a reader get them.
#![allow(clippy::unwrap_used)]

mod fixtures;

use assay_web::{render_appraisal, render_audit, render_redteam, render_report};
use base64::Engine;
use fixtures::{HOSTILE, appraisal, audit, redteam, report};
use sha2::Digest;

/// Every kind of document, each with its page.
fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("community", render_appraisal(&appraisal::community(1)).unwrap()),
        ("digits", render_appraisal(&appraisal::digits()).unwrap()),
        ("regression", render_appraisal(&appraisal::regression()).unwrap()),
        ("one", render_appraisal(&appraisal::one()).unwrap()),
        ("nothing passed", render_appraisal(&appraisal::nothing_passed()).unwrap()),
        ("hostile", render_appraisal(&appraisal::hostile()).unwrap()),
        ("red team", render_redteam(&redteam::digits()).unwrap()),
        ("hostile red team", render_redteam(&redteam::hostile()).unwrap()),
        ("report", render_report(&report::digits()).unwrap()),
        ("empty report", render_report(&report::empty()).unwrap()),
        ("hostile report", render_report(&report::hostile()).unwrap()),
        ("audit", render_audit(&audit::digits()).unwrap()),
        ("poor audit", render_audit(&audit::poor()).unwrap()),
        ("hostile audit", render_audit(&audit::hostile()).unwrap()),
    ]
}

/// What stands between two marks.
fn between<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    text.split_once(open).unwrap().1.split_once(close).unwrap().0
}

/// Tags in order, without comments, style and script.
fn tags(html: &str) -> Vec<String> {
    let style = between(html, "<style>", "</style>");
    let script = between(html, "<script>", "</script>");
    let rest = html.replace(style, "").replace(script, "");
    rest.split('<').skip(1).map(|piece| piece.split('>').next().unwrap().to_owned()).collect()
}

#[test]
fn tags_balance() {
    const VOID: [&str; 5] = ["meta", "br", "!doctype", "link", "input"];
    for (page, html) in pages() {
        let mut open: Vec<String> = vec![];
        for tag in tags(&html) {
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap().to_owned();
            if tag.starts_with('/') {
                assert_eq!(
                    open.pop().as_deref(),
                    Some(name.as_str()),
                    "{page}: </{name}> closes another tag"
                );
            } else if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{page}: never closed: {open:?}");
    }
}

#[test]
fn only_known_tags_and_attributes_appear() {
    const TAGS: &str = "!doctype a article b bdi body br caption circle code dd details div dl dt figcaption figure footer g \
        h1 h2 h3 head header html li line main meta ol p path polyline pre rect script section small span style \
        summary svg table tbody td text tfoot th thead title tr ul";
    for (page, html) in pages() {
        for tag in tags(&html) {
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            assert!(TAGS.split_whitespace().any(|known| known == name), "{page}: <{tag}>");
            let loads = [" src=", " style=", " on", "xlink", "url("].iter().any(|bad| tag.contains(bad));
            assert!(!loads, "{page}: <{tag}>");
            if let Some(target) = tag.split(" href=\"").nth(1) {
                assert!(target.starts_with('#'), "{page}: <{tag}>");
            }
        }
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    for (page, html) in pages() {
        let style = between(&html, "<style>", "</style>");
        assert!(!style.contains("url(") && !style.contains("@import"), "{page}");
        // What hostile texts say is there to be read, but never inside a tag.
        assert!(!tags(&html).iter().any(|tag| tag.contains("http://") || tag.contains("https://")), "{page}");
    }
    let honest = render_appraisal(&appraisal::community(1)).unwrap();
    assert!(!honest.contains("http://") && !honest.contains("https://"));
}

#[test]
fn the_policy_names_this_style_and_this_script_and_nothing_else() {
    let hash =
        |text: &str| base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text.as_bytes()));
    for (page, html) in pages() {
        let policy =
            between(&html, "http-equiv=\"Content-Security-Policy\" content=\"", "\">").replace("&#39;", "'");
        let style = hash(between(&html, "<style>", "</style>"));
        let script = hash(between(&html, "<script>", "</script>"));
        let expected = format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'"
        );
        assert_eq!(
            policy, expected,
            "{page}: after a change of style.css or tables.js, put these hashes into POLICY"
        );
    }
}

#[test]
fn hostile_text_is_escaped_disarmed_and_cut() {
    let hostile = [
        render_appraisal(&appraisal::hostile()).unwrap(),
        render_report(&report::hostile()).unwrap(),
        render_audit(&audit::hostile()).unwrap(),
        render_redteam(&redteam::hostile()).unwrap(),
    ];
    for html in hostile {
        for text in HOSTILE.iter().filter(|t| t.contains(['<', '>', '"'])) {
            assert!(!html.contains(text), "{text}");
        }
        assert!(html.contains("&#60;script&#62;alert(1)") || html.contains("&lt;script&gt;alert(1)"));
        let forbidden =
            |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\0' | '\u{1b}');
        assert!(!html.contains(forbidden));
        assert!(!html.contains(&"A".repeat(401)), "a text was not cut");
        assert!(!body(&html).contains("NaN") && !body(&html).contains(">inf"));
        assert!(html.len() < 400_000, "{} bytes", html.len());
    }
}

#[test]
fn no_template_lets_markup_through() {
    for template in [
        "appraisal.html",
        "audit.html",
        "audit_parts.html",
        "base.html",
        "parts.html",
        "redteam.html",
        "report.html",
    ] {
        let path = format!("{}/templates/{template}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            !text.contains("|safe") && !text.contains("| safe") && !text.contains("escape"),
            "{template}"
        );
    }
}

#[test]
fn a_thousand_contributors_stay_under_a_megabyte_and_a_half() {
    let document = appraisal::community(24);
    assert!(document.contributors.len() > 1_000);
    let html = render_appraisal(&document).unwrap();
    assert!(html.len() < 1_500_000, "{} bytes", html.len());
    for c in &document.contributors {
        assert!(html.contains(&format!("<bdi>{}</bdi>", c.id)), "{} is missing", c.id);
    }
}

#[test]
fn very_many_contributors_are_cut_in_the_middle_and_counted() {
    let html = render_appraisal(&appraisal::community(60)).unwrap();
    assert!(html.contains("580 more, in the middle, are in the JSON document."));
    assert!(html.len() < 3_000_000, "{} bytes", html.len());
}

#[test]
fn a_red_team_says_what_gains_and_what_caught_the_rest() {
    let html = render_redteam(&redteam::digits()).unwrap();
    assert!(html.contains("One of 3 attacks earns more than honest work."));
    assert!(html.contains("More than honest work: inflation.") && html.contains("At a loss: trigger."));
    assert!(html.contains("35 rejected: exact_duplicate") && html.contains("35 harmful. The mark brings"));
    assert_eq!(html.matches("<svg class=\"row").count(), 4 + 1, "a bar for each arm, and the axis");
    let mut none = redteam::digits();
    none.attacks.clear();
    assert!(render_redteam(&none).unwrap().contains("None of 0 attacks"));
}

/// The page without its style and script, which have their own test.
fn body(html: &str) -> String {
    between(html, "<main>", "</main>").to_owned()
}

#[test]
fn pages_look_as_they_did() {
    insta::assert_snapshot!("appraisal_one", body(&render_appraisal(&appraisal::one()).unwrap()));
    insta::assert_snapshot!(
        "appraisal_nothing_passed",
        body(&render_appraisal(&appraisal::nothing_passed()).unwrap())
    );
    insta::assert_snapshot!("redteam", body(&render_redteam(&redteam::digits()).unwrap()));
    insta::assert_snapshot!("report_empty", body(&render_report(&report::empty()).unwrap()));
    let top = |html: String| between(&html, "<section class=\"top\">", "</section>").to_owned();
    insta::assert_snapshot!("appraisal_top", top(render_appraisal(&appraisal::community(1)).unwrap()));
    insta::assert_snapshot!(
        "appraisal_regression_top",
        top(render_appraisal(&appraisal::regression()).unwrap())
    );
    insta::assert_snapshot!("report_top", top(render_report(&report::digits()).unwrap()));
}

#[test]
fn every_table_has_headings_and_every_chart_is_named_or_hidden() {
    for (page, html) in pages() {
        for table in html.split("<table").skip(1) {
            let table = table.split("</table>").next().unwrap();
            assert!(table.contains("scope=\"col\""), "{page}: a table without headings");
        }
        for svg in html.split("<svg class=\"").skip(1).filter(|svg| !svg.starts_with("mark")) {
            let head = svg.split('>').next().unwrap();
            let named =
                head.contains("role=\"img\"") && svg.split_once('>').unwrap().1.starts_with("<title>");
            assert!(named || head.contains("aria-hidden"), "{page}: <svg class=\"{head}>");
        }
    }
}

#[test]
fn an_audit_says_what_it_found_and_calls_poor_agreement_poor() {
    let good = render_audit(&audit::digits()).unwrap();
    assert_eq!(
        good.matches("class=\"whisker\"").count(),
        40,
        "an interval for each contributor, in both charts"
    );
    assert!(good.contains("same to the last bit") && good.contains("Everybody with a record was left out"));
    assert!(good.contains("What an audit cannot show") && !good.contains("That is poor"));
    let poor = render_audit(&audit::poor()).unwrap();
    assert!(poor.contains("That is poor: the charter asks for 0.50 at least"));
    assert!(poor.contains("lower than perfect knowledge") && poor.contains("were drawn by a seed"));
    let report = render_report(&report::digits()).unwrap();
    assert!(report.contains("Pay against what really happens") && report.contains("href=\"#audit\""));
}

#[test]
fn standing_is_told_in_words_beside_colour() {
    let html = render_appraisal(&appraisal::community(1)).unwrap();
    for (class, glyph, word) in [("paid", "\u{25CF}", "paid"), ("harmful", "\u{25BC}", "harmful")] {
        assert!(html.contains(&format!(
            "class=\"standing {class}\"><span aria-hidden=\"true\">{glyph}</span> {word}</span>"
        )));
    }
}

#[test]
fn images_are_drawn_where_the_numbers_are_images() {
    let html = render_appraisal(&appraisal::digits()).unwrap();
    assert_eq!(html.matches("<svg class=\"tile\"").count(), 8 + 8 + 6);
    assert!(!render_appraisal(&appraisal::community(1)).unwrap().contains("<svg class=\"tile\""));
    let answers = render_report(&report::digits()).unwrap();
    assert_eq!(answers.matches("<svg class=\"tile\"").count(), 6 * 7);
}
