use super::*;

const TOP: &str =
    "federation = \"scamwatch.example\"\nmember = \"police.th.example\"\nlisten = \"0.0.0.0:7443\"\n";

fn read(content: &str) -> Result<Config, String> {
    Config::parse(Path::new("almenarad.toml"), content, Path::new("/srv")).map_err(|error| error.to_string())
}

fn check(lines: &str, error: &str) {
    let found = read(&format!("{TOP}{lines}")).expect_err("an error");
    assert!(found.contains(error), "{found}");
}

#[test]
fn three_lines_are_a_configuration_and_the_rest_has_defaults() {
    let config = read(TOP).expect("a configuration");
    assert_eq!(config.roster, None);
    assert_eq!(config.store.as_str(), "sqlite:/srv/store/node.db");
    assert_eq!(config.keys.tombstone, Path::new("/srv/keys/tombstone.key"));
    assert_eq!(config.quotas, Quotas { statements_per_day: 2_000_000, lookups_per_minute: 60_000_000 });
    assert_eq!(config.log, LogConfig { level: LogLevel("info".into()), format: LogFormat::Text });
    assert_eq!(config.local_address().to_string(), "127.0.0.1:7443");
}

#[test]
fn a_consumer_may_have_a_jurisdiction_of_its_own() {
    let config = read(&format!("{TOP}[consumers]\n\"app-1\" = \"US\"\n")).expect("a configuration");
    assert_eq!(config.consumers.get("app-1").map(ToString::to_string).as_deref(), Some("US"));
    check("[consumers]\n\"app-1\" = \"usa\"\n", "almenarad.toml:5: consumers.app-1: jurisdiction `usa`");
}

#[test]
fn every_error_names_key_and_line() {
    check(
        "[quotas]\nstatements_per_day = -1\n",
        "almenarad.toml:5: quotas.statements_per_day: -1 is out of range",
    );
    check("[log]\nformat = \"xml\"\n", "almenarad.toml:5: log.format: `xml` is no format");
    check("[log]\nlevel = \"a=b=c\"\n", "almenarad.toml:5: log.level: ");
    check("[store]\nurl = \"mysql://x\"\n", "almenarad.toml:5: store.url: write sqlite:FILE");
    check("[store]\nurl = \"sqlite:a?mode=ro\"\n", "almenarad.toml:5: store.url: write sqlite:FILE");
    check(
        "[keys]\nroot = \"keys/root.pem\"\n",
        "almenarad.toml:5: keys.root is not a key: cosign, log, tombstone are",
    );
    check("lisen = \"x\"\n", "almenarad.toml:4: lisen is not a key");
    check("listen = \"x\"\n", "almenarad.toml:4: ");
    let missing = read("member = \"a\"\nlisten = \"0.0.0.0:1\"\n").expect_err("no federation");
    assert!(missing.starts_with("almenarad.toml: federation is missing"), "{missing}");
    let listen = read(&TOP.replace("0.0.0.0:7443", "localhost")).expect_err("no address");
    assert!(listen.starts_with("almenarad.toml:3: listen: "), "{listen}");
}

#[test]
fn a_password_is_never_shown() {
    let config = read(&format!("{TOP}[store]\nurl = \"postgres://node:hunter2@db/almenara\"\n"))
        .expect("a configuration");
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    let error = read(&format!("{TOP}[store]\nurl = \"postgre://node:hunter2@db/almenara\"\n"))
        .expect_err("no scheme");
    assert!(!error.contains("hunter2"), "{error}");
}
