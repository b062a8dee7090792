use almenara_client::{
    draft::*,
    formats::{export, import::*},
    publish::*,
};
use almenara_proto::{indicator::Kind, keys::SigningKey, release::*, statement::*};
use std::{fs::File, io::BufReader, sync::Arc, time::Instant};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let kind: Kind = args[1].parse().unwrap();
    let out = &args[2];
    let chain = std::env::var("CHAIN").ok();
    let region = std::env::var("REGION").ok();
    let format = match std::env::var("MAP") {
        Ok(m) => Format::Csv(CsvOptions { map: CsvOptions::map(&m).unwrap(), ..Default::default() }),
        Err(_) => Format::Plain,
    };
    let mut seen = Seen::default();
    let mut report = ImportReport::default();
    let mut drafts = Vec::new();
    let t = Instant::now();
    for path in &args[3..] {
        let d = Defaults {
            now: 1_795_000_000,
            kind: Some(kind),
            categories: vec![Category::PHISHING],
            basis: Some(Basis::Imported("x".into())),
            tlp: Some(Tlp::Green),
            pap: Some(Pap::Green),
            chain: chain.clone(),
            region: region.clone(),
            ..Default::default()
        };
        let mut i = Importer::new(BufReader::new(File::open(path).unwrap()), &format, d, seen);
        for line in i.by_ref() {
            if let Some(d) = line.unwrap().outcome.into_draft() {
                drafts.push(d);
            }
        }
        let (r, s) = i.finish();
        seen = s;
        report.merge(r);
    }
    let el = t.elapsed();
    println!(
        "{} {} lines {:.2?} {:.0}/s accepted {} repaired {} duplicate {} refused {} skipped {}",
        args[3..].join(" "),
        report.lines,
        el,
        report.lines as f64 / el.as_secs_f64(),
        report.accepted,
        report.repaired,
        report.duplicate,
        report.refused,
        report.skipped
    );
    for (c, r) in &report.reasons {
        println!(
            "  refused {c} {} {}",
            r.count,
            r.examples.iter().map(|e| format!("[{}] {}", e.line, e.message)).collect::<Vec<_>>().join(" | ")
        );
    }
    for (c, r) in &report.warnings {
        println!("  warn {c} {} {}", r.count, r.examples[0].message);
    }
    let n = drafts.len();
    if n == 0 {
        return;
    }
    let items: Vec<_> = drafts
        .iter()
        .map(|d| export::ExportItem {
            indicator: d.indicator().clone(),
            listed: true,
            score: 80,
            categories: vec![Category::PHISHING],
            include_subdomains: true,
            lookup_only: false,
            tlp: Some(Tlp::Green),
            pap: Some(Pap::Green),
            valid_until: 1_799_000_000,
            addresses: vec!["police.th.example:1.1".parse().unwrap()],
        })
        .collect();
    let t = Instant::now();
    let json: usize = drafts.iter().map(|d| serde_json::to_string(&Fields::from(d)).unwrap().len()).sum();
    println!("  drafts json {json} bytes {:.2?}", t.elapsed());
    let sealer = Sealer {
        desk: Desk {
            federation: "a.example".into(),
            publisher: "police.th.example/desk".parse().unwrap(),
            key: SigningKey::from_bytes(&[1; 32]),
            roster: 1,
        },
        random: Arc::new(|b| {
            getrandom::fill(b).unwrap();
            Ok(())
        }),
        seq: Arc::new(|| Ok(1)),
        clock: Arc::new(|| 1_795_000_000),
    };
    let t = Instant::now();
    let mut sealing = Sealing::new(drafts.into_iter().map(Ok), sealer);
    let mut b = 0;
    let mut bytes = 0;
    while let Some(s) = sealing.next().unwrap() {
        b += 1;
        bytes += prost::Message::encoded_len(&s.request);
    }
    let el = t.elapsed();
    println!("  sealed {n} in {b} batches {bytes} bytes {el:.2?} {:.0}/s", n as f64 / el.as_secs_f64());
    for (name, f) in [
        ("plain", export::Format::Plain(kind)),
        ("hosts", export::Format::Hosts),
        (
            "zone",
            export::Format::Rpz(export::RpzOptions {
                origin: "rpz.almenara.example".into(),
                serial: 7,
                ttl: 300,
            }),
        ),
        ("csv", export::Format::Csv(export::Profile::Machine)),
        ("sheet.csv", export::Format::Csv(export::Profile::Spreadsheet)),
        ("jsonl", export::Format::JsonLines),
    ] {
        let t = Instant::now();
        let s = export::replace(
            std::path::Path::new(&format!("{out}.{name}")),
            &f,
            items.iter().cloned().map(Ok::<_, std::convert::Infallible>),
            true,
        )
        .unwrap();
        println!(
            "  {name} {:.2?} written {} skipped {:?}",
            t.elapsed(),
            s.written,
            s.skipped.iter().map(|(c, x)| (c, x.count, &x.examples)).collect::<Vec<_>>()
        );
    }
}
