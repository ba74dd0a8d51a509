//! The two folds of a benchmark, as two types, so that a score cannot be reported on rows that values have seen.
//!
//! What measures value takes a [`ValueFold`], what is reported takes a [`ReportFold`]; neither turns into the other.
//! Values of points that were scored on those same points beat even knowing the truth: that is a leak, not a result.

use crate::Examples;

/// Examples that measure value. Nothing that is reported as a score may be measured on them.
#[derive(Clone, Copy, Debug)]
pub struct ValueFold<'a>(Examples<'a>);

/// Examples that report scores. No value and no choice may rest on them.
#[derive(Clone, Copy, Debug)]
pub struct ReportFold<'a>(Examples<'a>);

impl<'a> ValueFold<'a> {
    /// These examples measure value from here on.
    pub fn new(examples: Examples<'a>) -> Self {
        Self(examples)
    }

    /// The examples.
    pub fn examples(self) -> Examples<'a> {
        self.0
    }
}

impl<'a> ReportFold<'a> {
    /// These examples report scores from here on.
    pub fn new(examples: Examples<'a>) -> Self {
        Self(examples)
    }

    /// The examples. For scoring what is finished: see that nothing is chosen by the result.
    pub fn examples(self) -> Examples<'a> {
        self.0
    }
}
