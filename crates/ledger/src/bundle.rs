//! Bundles: a log exported as files that verify offline.
