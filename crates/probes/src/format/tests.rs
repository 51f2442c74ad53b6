use super::keyvalue::Format;
use super::keyvalue::{Style, assignments};
use super::{boot, glob, modprobe, mounts, passwd, sysctl_d};
use crate::text::TextFile;

fn file(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        lines: text.lines().map(str::to_owned).collect(),
        bytes: text.as_bytes().to_vec(),
    }
}

#[test]
fn wildcards_stay_inside_one_part_unless_doubled() {
    for (pattern, path, want) in [
        ("/etc/*.conf", "/etc/a.conf", true),
        ("/etc/*.conf", "/etc/x/a.conf", false),
        ("/etc/*.conf", "/etc/.conf", false),
        ("/etc/*", "/etc/.hidden", false),
        ("/etc/.*", "/etc/.hidden", true),
        ("/home/*/.netrc", "/home/a/.netrc", true),
        ("/etc/?", "/etc/a", true),
        ("/etc/?", "/etc/ab", false),
        ("/var/**", "/var/a/b/c", true),
        ("/var/**/x", "/var/a/b/x", true),
        ("/var/**/x", "/var/a/b/y", false),
        ("/a*b*c", "/aXbYbZc", true),
        ("/a", "/a", true),
        ("/a", "/ab", false),
    ] {
        assert_eq!(glob::matches(pattern, path), want, "{pattern} against {path}");
    }
}

#[test]
fn a_kernel_parameter_gets_the_last_assignment_that_names_it() {
    let files = [
        file("/usr/lib/sysctl.d/10-a.conf", "kernel.x = 1\n-net.ipv4.conf.*.rp_filter = 1\n"),
        file(
            "/etc/sysctl.d/60-b.conf",
            "# kernel.x = 9\nkernel/x=2\n; kernel.x = 8\nnet.ipv4.conf.eth0.rp_filter = 0\n-net.ipv4.conf.lo.rp_filter\n",
        ),
        file("/etc/sysctl.conf", "-kernel.x =  3\t4\n"),
    ];
    let files: Vec<&TextFile> = files.iter().collect();
    let value = |key: &str| {
        sysctl_d::persistent(&files, &sysctl_d::key_path(key)).map(|found| (found.value, found.line))
    };
    assert_eq!(value("kernel.x"), Some(("3 4".to_owned(), 1)));
    assert_eq!(value("net.ipv4.conf.all.rp_filter"), Some(("1".to_owned(), 2)));
    assert_eq!(value("net.ipv4.conf.eth0.rp_filter"), Some(("0".to_owned(), 4)));
    assert_eq!(value("net.ipv4.conf.lo.rp_filter"), None);
    assert_eq!(value("kernel.y"), None);
    assert_eq!(sysctl_d::key_path("net/ipv4/conf/eth0.100/x"), "net/ipv4/conf/eth0.100/x");
    assert_eq!(sysctl_d::key_path("net.ipv4.conf.eth0/100.x"), "net/ipv4/conf/eth0.100/x");
}

#[test]
fn modprobe_takes_the_first_install_line() {
    let a = file("/etc/modprobe.d/a.conf", "blacklist usb-storage\ninstall usb-storage \\\n /bin/false\n");
    let b = file("/etc/modprobe.d/b.conf", "install usb_storage /sbin/modprobe -i usb_storage\n");
    let found = modprobe::install(&[&a, &b], "usb_storage").unwrap();
    assert!(found.disables());
    assert_eq!((found.file.as_str(), found.line), ("/etc/modprobe.d/a.conf", 2));
    assert!(!modprobe::install(&[&b, &a], "usb_storage").unwrap().disables());
    assert_eq!(modprobe::install(&[&a], "usb"), None);
}

#[test]
fn the_last_mount_of_a_point_counts_and_escapes_are_read() {
    let fstab = file(
        "/etc/fstab",
        "# /dev/x /tmp ext4 defaults 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/y /mnt/a\\040b ext4 nodev,ro 0 0\ntmpfs /tmp/ tmpfs nosuid,nodev 0 0\nshort\n",
    );
    let tmp = mounts::find(&fstab, "/tmp").unwrap();
    assert_eq!((tmp.options.join(","), tmp.line), ("nodev,nosuid".to_owned(), 4));
    assert_eq!(mounts::find(&fstab, "/mnt/a b").unwrap().options.join(","), "nodev,ro");
    assert!(mounts::find(&fstab, "/var").is_none());
    assert_eq!(mounts::unit_name("/var/tmp"), "var-tmp.mount");
    assert_eq!(mounts::unit_name("/mnt/my-data"), "mnt-my?x2ddata.mount");
}

#[test]
fn keys_are_read_by_the_rules_of_each_format() {
    let of = |format, section, text: &str| -> Vec<String> {
        let style = Style { format, section, comment: '#' };
        assignments(&file("/f", text), style, "key").into_iter().map(|found| found.value).collect()
    };
    let equals = "#key = 0\nkey = 1\n key=2 # two\nother = key\nkey = \"a # b\" # c\nkey = a#b\nkey\n";
    assert_eq!(of(Format::Equals, None, equals), ["1", "2", "a # b", "a#b", ""]);
    assert_eq!(of(Format::Space, None, "key\t077\nKEY 1\nkeys 2\nkey 'x y'\n"), ["077", "x y"]);
    let ini = "key=0\n[a]\nkey=1\n; key=9\n[b]\nkey=2\n[a]\nkey = 3\n";
    assert_eq!(of(Format::Ini, Some("a"), ini), ["1", "3"]);
    assert_eq!(of(Format::Ini, Some("c"), ini), [""; 0]);
}

#[test]
fn accounts_keep_their_lines_and_odd_lines_are_refused() {
    let good =
        file("/etc/passwd", "# c\nroot:x:0:0:root:/root:/bin/sh\n\n+::::::\nbob::1000:1000::/home/bob:\n");
    let users = passwd::users(&good).unwrap();
    let told: Vec<_> =
        users.iter().map(|user| (user.name.as_str(), user.uid, user.empty_password, user.line)).collect();
    assert_eq!(told, [("root", 0, false, 2), ("bob", 1000, true, 5)]);
    assert!(passwd::users(&file("/etc/passwd", "root:x:0:0:root:/root\n")).is_err());
    assert!(passwd::users(&file("/etc/passwd", "root:x:zero:0:root:/root:/bin/sh\n")).is_err());
    assert!(passwd::users(&file("/etc/passwd", "")).is_err());
}

#[test]
fn boot_entries_give_their_kernel_parameters() {
    let grub = file(
        "/boot/grub/grub.cfg",
        "set x=1\n\tlinux\t/vmlinuz root=/dev/a ro audit=1\n initrd /i\n linuxefi /v quiet\n",
    );
    let entries = boot::grub(&grub);
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].parameters.as_str(), entries[0].line), ("root=/dev/a ro audit=1", 2));
    assert_eq!(boot::values("a=1 b audit=0 x=\"q r\" audit=1", "audit"), ["0", "1"]);
    assert_eq!(boot::values("a=1 b", "b"), [""]);
    assert_eq!(boot::values("x=\"q r\" y", "x"), ["q r"]);
    let entry = file("/boot/loader/entries/a.conf", "title T\nlinux /v\noptions $kernelopts quiet\n");
    let env = file("/boot/grub2/grubenv", "# GRUB\nkernelopts=root=/dev/b audit=1\n");
    assert_eq!(boot::specification(&entry, Some(&env)).unwrap().parameters, "root=/dev/b audit=1 quiet");
    assert!(boot::specification(&entry, None).is_none());
}
