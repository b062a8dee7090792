use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    size: u32,
    on: bool,
    members: Vec<String>,
}

fn read(text_of_file: &str, variables: &[(&str, &str)]) -> Result<Sample, SettingsError> {
    let variables: Vec<_> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut top = Section::parse(Path::new("a.toml"), text_of_file, &variables)?;
    let mut inner = top.section("inner")?;
    let sample = Sample {
        name: top.required("name", text)?,
        size: inner.optional("size", integer)?.unwrap_or(7),
        on: inner.optional("on", flag)?.unwrap_or(false),
        members: inner.optional("members", list)?.unwrap_or_default(),
    };
    inner.finish()?;
    top.finish()?;
    Ok(sample)
}

fn check(text_of_file: &str, variables: &[(&str, &str)], error: &str) {
    let found = read(text_of_file, variables).expect_err("an error").to_string();
    assert_eq!(found, error);
}

#[test]
fn a_file_becomes_final_types() {
    let sample = read("name = \"x\"\n[inner]\nsize = 1_000\non = true\nmembers = [\"a\", \"b\"]\n", &[]);
    let members = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(sample, Ok(Sample { name: "x".into(), size: 1000, on: true, members }));
}

#[test]
fn the_environment_overrides_any_key_and_adds_sections() {
    let variables = [
        ("ALMENARA__NAME", "y"),
        ("ALMENARA__INNER__SIZE", "2_000"),
        ("ALMENARA__INNER__ON", "true"),
        ("ALMENARA__INNER__MEMBERS", "c, d"),
        ("OTHER", "ignored"),
    ];
    let members = vec!["c".to_owned(), "d".to_owned()];
    let expected = Sample { name: "y".into(), size: 2000, on: true, members };
    assert_eq!(read("name = \"x\"\n[inner]\nsize = 1\n", &variables), Ok(expected.clone()));
    assert_eq!(read("", &variables), Ok(expected));
}

#[test]
fn every_error_names_key_and_line() {
    check("name = 3\n", &[], "a.toml:1: name: a text in quotes is expected");
    check("name = \"x\"\n\n[inner]\nsize = -1\n", &[], "a.toml:4: inner.size: -1 is out of range");
    check("name = \"x\"\ninner.on = 1\n", &[], "a.toml:2: inner.on: true or false is expected");
    check(
        "name = \"x\"\n[inner]\nmembers = [1]\n",
        &[],
        "a.toml:3: inner.members: a text in quotes is expected",
    );
    check("name = \"x\"\nsize = 1.5\n", &[], "a.toml:2: size: no key takes a number with a fraction");
    check(
        "name = \"x\"\ninner = 1\n",
        &[],
        "a.toml:2: inner: a section is expected: write [inner] and its keys below",
    );
    check("[name]\n", &[], "a.toml:1: name: a value is expected, not a section");
    check("\n[inner]\n", &[], "a.toml: name is missing: add it (line 1 begins where it belongs)");
    check(
        "name = \"x\"\n",
        &[("ALMENARA__INNER__SIZE", "many")],
        "environment variable ALMENARA__INNER__SIZE: inner.size: a whole number is expected",
    );
    check(
        "name = \"x\"\n",
        &[("ALMENARA__NAME__X", "1")],
        "environment variable ALMENARA__NAME__X: name: it is a value and no section",
    );
}

#[test]
fn a_key_that_nothing_reads_is_refused_with_those_that_exist() {
    check(
        "name = \"x\"\n[inner]\nsise = 3\n",
        &[],
        "a.toml:3: inner.sise is not a key: members, on, size are",
    );
    check("name = \"x\"\nnmae = 3\n", &[], "a.toml:2: nmae is not a key: inner, name are");
    check(
        "name = \"x\"\n",
        &[("ALMENARA__OTHER", "1")],
        "environment variable ALMENARA__OTHER: other is not a key: inner, name are",
    );
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    let error = read("name = \"x\"\nname = \"y\"\n", &[]).expect_err("twice").to_string();
    assert!(error.starts_with("a.toml:2: "), "{error}");
    let error = read("name = \"x\n", &[]).expect_err("no end").to_string();
    assert!(error.starts_with("a.toml:1: "), "{error}");
}
