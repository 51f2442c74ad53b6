//! The command line of profiles, and of how far rules cover a framework.

use clap::{Args, Subcommand};
use model::Platform;

use super::ListFormat;

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List profiles with the number of their rules
    List(ProfileListArgs),
    /// Show the rules of a profile with the values in force
    Show(ProfileShowArgs),
    /// Show what differs between two profiles
    Diff(ProfileDiffArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ProfileListArgs {
    /// Count the rules for this platform only, as in debian-12 or rhel-9
    #[arg(long, value_name = "ID-VERSION", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileShowArgs {
    /// Id of the profile, as `plumb profile list` shows it
    pub(crate) profile: String,
    /// Rules for this platform only, as in debian-12 or rhel-9
    #[arg(long, value_name = "ID-VERSION", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileDiffArgs {
    /// Id of the profile to begin with
    pub(crate) from: String,
    /// Id of the profile to hold beside it
    pub(crate) to: String,
    /// Rules for this platform only, as in debian-12 or rhel-9
    #[arg(long, value_name = "ID-VERSION", value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct CoverageArgs {
    /// Framework: cis, stig, nist-800-53, pci-dss, iso27001, cci, complianceascode
    #[arg(long, value_name = "NAME")]
    pub(crate) framework: String,
    /// Its edition, as in debian-12-1.1.0; may be left out where there is one only
    #[arg(long, value_name = "EDITION")]
    pub(crate) edition: Option<String>,
    /// Controls of this level only, as in l1-server or cat-1
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<String>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

/// Reads `ID-VERSION` of os-release; the version is what follows the last dash.
fn platform(text: &str) -> Result<Platform, String> {
    let wrong = || format!("{text:?} is not a platform like debian-12 or ubuntu-24.04");
    let (id, version) = text.rsplit_once('-').ok_or_else(wrong)?;
    let is_version =
        version.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if id.is_empty() || !is_version {
        return Err(wrong());
    }
    Ok(Platform {
        id: id.to_ascii_lowercase(),
        id_like: Vec::new(),
        version: version.to_owned(),
        name: String::new(),
        arch: String::new(),
        kernel: String::new(),
    })
}
