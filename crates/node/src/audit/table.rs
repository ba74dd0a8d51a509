//! The table of an audit: a row for each contributor that was left out.

use assay_api::v1::appraisal::Standing;
use assay_api::v1::audit::{Audit, Audited};
use assay_store::columns::ColumnTable;

use crate::error::Result;

/// The table, in the order of the document.
pub(super) fn of(audit: &Audit) -> Result<ColumnTable> {
    let all = &audit.contributors;
    let texts = |of: fn(&Audited) -> String| all.iter().map(of).collect::<Vec<_>>();
    let integers = |of: fn(&Audited) -> u64| all.iter().map(|c| of(c) as i64).collect::<Vec<_>>();
    let numbers = |of: fn(&Audited) -> f64| all.iter().map(of).collect::<Vec<_>>();
    Ok(ColumnTable::new("audit", 1)
        .with_column("account", texts(|c| c.id.clone()))?
        .with_column("standing", texts(|c| word(c.standing).to_owned()))?
        .with_column("records", integers(|c| c.records))?
        .with_column("pay_ppm", integers(|c| c.pay_ppm))?
        .with_column("value_bits", numbers(|c| c.value_bits))?
        .with_column("first_order_bits", numbers(|c| c.first_order_bits))?
        .with_column("predicted_bits", numbers(|c| c.predicted_bits))?
        .with_column("predicted_se_bits", numbers(|c| c.predicted_se_bits))?
        .with_column("low_bits", numbers(|c| c.low_bits))?
        .with_column("high_bits", numbers(|c| c.high_bits))?
        .with_column("effect_bits", numbers(|c| c.effect_bits))?
        .with_column("effect_se_bits", numbers(|c| c.effect_se_bits))?
        .with_column("covered", integers(|c| c.covered.into()))?)
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Paid => "paid",
        Standing::Unproven => "unproven",
        Standing::Harmful => "harmful",
    }
}
