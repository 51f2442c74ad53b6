//! Samples and what is said of them: median, spread, ratios of samples taken side by side.

use std::fmt;
use std::time::Duration;

/// Values of one kind, in the order in which they were measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a duration. Milliseconds from then on.
    pub fn push(&mut self, taken: Duration) {
        self.0.push(taken.as_secs_f64() * 1000.0);
    }

    /// Adds a plain value.
    pub fn push_value(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Returns the middle value; the mean of the two middle ones of an even number; NaN of none.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    /// Returns the value that `share` of all values do not exceed, by nearest rank; NaN of none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let below = (0..sorted.len()).find(|rank| (rank + 1) as f64 >= share * sorted.len() as f64);
        below.map_or(f64::NAN, |rank| sorted[rank])
    }

    /// Returns the smallest value; infinity of none.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns the largest value; minus infinity of none.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Returns the ratio of each value to the one measured beside it, which a machine that is busy now and
    /// idle then cannot distort as it does the ratio of two medians.
    #[must_use]
    pub fn ratios_to(&self, beside: &Samples) -> Samples {
        Samples(self.0.iter().zip(&beside.0).map(|(mine, theirs)| mine / theirs).collect())
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, min, max) = (Figure(self.median()), Figure(self.min()), Figure(self.max()));
        write!(f, "{median} ({min}..{max}, n={})", self.0.len())
    }
}

/// A number with about three digits that count.
#[derive(Clone, Copy, Debug)]
pub struct Figure(pub f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 1.0 => 2,
            _ => 3,
        };
        write!(f, "{:.digits$}", self.0)
    }
}

#[cfg(test)]
mod tests;
