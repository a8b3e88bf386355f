//! `qrstack hosts`: lines for a hosts file that lead the vendors' names to a server of ours, with a mark by which they are
//! found again.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use super::settings::SettingsArguments;
use crate::config::Config;
use crate::server;

/// Ends every line: whoever wants them gone deletes what ends so.
pub(super) const MARK: &str = "# qrstack";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address of the server, as the clients see it.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Buckets whose hosts are named, instead of those of the settings. Hosts files have no wildcards.
    #[arg(long, value_name = "NAME-APPID", value_delimiter = ',')]
    bucket: Vec<String>,
    /// Regions whose hosts are named.
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    for name in names(&config, &arguments.bucket, &arguments.region) {
        println!("{} {name} {MARK}", arguments.address);
    }
    ExitCode::SUCCESS
}

/// The names of all vendors' hosts, with the given buckets and regions, or else the usual ones.
pub(super) fn names(config: &Config, buckets: &[String], regions: &[String]) -> Vec<String> {
    let names = server::VENDORS.iter().flat_map(|vendor| {
        let values = |place: &str| match place {
            "bucket" if !buckets.is_empty() => buckets.to_vec(),
            "region" if !regions.is_empty() => regions.to_vec(),
            _ => (vendor.places)(config, place),
        };
        vendor.domains.iter().flat_map(move |domain| domain.names(values)).collect::<Vec<_>>()
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_door_and_every_vendor_has_names() {
        let given = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = names(&Config::defaults(), &given(&["a-1250000000", "b-1250000000"]), &given(&["ap-x"]));
        for name in &all {
            let owners = server::VENDORS.iter().filter(|vendor| vendor.domains.iter().any(|own| own.matches(name)));
            assert_eq!(owners.count(), 1, "{name}");
        }
        for expected in
            ["api.weixin.qq.com", "open.cli.im", "b-1250000000.cos.ap-x.myqcloud.com", "ocr.ap-x.tencentcloudapi.com"]
        {
            assert!(all.iter().any(|name| name == expected), "{expected} in {all:?}");
        }
        let usual = names(&Config::defaults(), &[], &[]);
        assert!(usual.iter().any(|name| name == "examplebucket-1250000000.cos.ap-beijing.myqcloud.com"), "{usual:?}");
    }
}
