//! Medians, spreads and ratios, by hand.

use super::{Figure, Samples};

fn samples(values: &[f64]) -> Samples {
    let mut samples = Samples::default();
    values.iter().for_each(|value| samples.push_value(*value));
    samples
}

#[test]
fn the_median_is_the_middle_value_or_the_mean_of_the_two_middle_ones() {
    let medians = [samples(&[9.0, 1.0, 2.0]).median(), samples(&[4.0, 1.0, 3.0, 9.0]).median()];
    assert!((medians[0] - 2.0).abs() < 1e-12 && (medians[1] - 3.5).abs() < 1e-12, "{medians:?}");
    assert!(samples(&[]).median().is_nan());
}

#[test]
fn ratios_are_taken_between_values_measured_side_by_side() {
    // The machine was twice as slow in the second round: the medians' ratio would be 0.75 at best.
    let ratios = samples(&[1.0, 2.0]).ratios_to(&samples(&[2.0, 4.0]));
    assert_eq!(ratios, samples(&[0.5, 0.5]));
}

#[test]
fn figures_show_median_and_spread_with_three_digits() {
    assert_eq!(samples(&[0.12345, 12.345, 123.45]).to_string(), "12.3 (0.123..123, n=3)");
    assert_eq!(Figure(1.5).to_string(), "1.50");
}

#[test]
fn a_quantile_is_the_value_of_the_nearest_rank() {
    let hundred = samples(&(1..=100).rev().map(f64::from).collect::<Vec<_>>());
    let found = [0.5, 0.99, 1.0, 0.0].map(|share| hundred.quantile(share));
    assert_eq!(samples(&found), samples(&[50.0, 99.0, 100.0, 1.0]));
    assert!(samples(&[]).quantile(0.5).is_nan());
}
