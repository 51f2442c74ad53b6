//! Which programs of the host wait for connections, and where: asked of the kernel, which every host can (proc(5)).
//!
//! Does not tell of sockets that no process of the host holds: those of the kernel itself, and of others that share its
//! network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{Observation, Reason};

use super::{lossy, unexpected};
use crate::shown::bounded;

/// In state 0A a TCP socket listens, in 07 an UDP socket is bound and not connected. The first line says where ports begin
/// that programs are given to ask others with.
pub const SCRIPT: &str = r#"command -v awk >/dev/null 2>&1 || { echo 'awk: not found' >&2; exit 127; }
[ -r /proc/net/tcp ] || { echo '/proc/net/tcp: cannot be read' >&2; exit 126; }
r=$(cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null) || r=32768
echo "${r%%[!0-9]*}"
set -- /proc/net/tcp
for f in /proc/net/tcp6 /proc/net/udp /proc/net/udp6; do [ -r "$f" ] && set -- "$@" "$f"; done
ls -l /proc/[0-9]*/fd 2>/dev/null | awk '
!fds{u=FILENAME~/udp/;if(FNR>1&&$4==(u?"07":"0A"))at[$10]=at[$10] (u?"udp ":"tcp ") $2 "\n";next}
/^\/proc\//{split($1,a,"/");pid=a[3];next}
match($0,/socket:\[[0-9]+\]$/){i=substr($0,RSTART+8,RLENGTH-9)
if(i in at){c="";f="/proc/" pid "/comm";getline c <f;close(f)
k=split(at[i],l,"\n");for(j=1;j<k;j++)print l[j] " " c}}
END{print "."}' "$@" fds=1 -
"#;

/// `tcp/22` to each address with the programs that wait there.
pub type Listeners = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// Parses the answer. A little-endian host shows addresses in its own order of bytes.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation, is_little_endian: bool) -> Result<Listeners, Reason> {
    let mut lines = super::body_lines(&observation.stdout, "listener")?.into_iter().map(lossy);
    let first = lines.next().and_then(|line| line.trim().parse::<u16>().ok());
    let for_asking = first.ok_or_else(|| unexpected("the listener probe does not begin with a port"))?;
    let mut found = Listeners::new();
    for line in lines {
        let one = socket(&line, is_little_endian);
        let (kind, address, port, program) = one.ok_or_else(|| {
            unexpected(format!("a line of the listener probe is no socket: {}", bounded(&line)))
        })?;
        // What waits for the answer to its own question comes and goes.
        if kind == "udp" && port >= for_asking {
            continue;
        }
        let programs =
            found.entry(format!("{kind}/{port}")).or_default().entry(address.to_string()).or_default();
        if !programs.contains(&program) {
            programs.push(program);
            programs.sort();
        }
    }
    Ok(found)
}

/// Reads `tcp 0100007F:0016 sshd`.
fn socket(line: &str, is_little_endian: bool) -> Option<(&str, IpAddr, u16, String)> {
    let mut words = line.splitn(3, ' ');
    let (kind, place, program) = (words.next()?, words.next()?, words.next()?);
    let (address, port) = place.split_once(':')?;
    let address = address.as_bytes().chunks(8).map(|word| -> Option<[u8; 4]> {
        let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
        Some(if is_little_endian { word.to_le_bytes() } else { word.to_be_bytes() })
    });
    let bytes: Vec<u8> = address.collect::<Option<Vec<_>>>()?.concat();
    let address = match <[u8; 4]>::try_from(&*bytes) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&*bytes).ok()?)),
    };
    let is_known = ["tcp", "udp"].contains(&kind);
    is_known.then_some((kind, address, u16::from_str_radix(port, 16).ok()?, program.to_owned()))
}
