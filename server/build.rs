//! Generates the server side of the gRPC services over the messages of `almenara-proto`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["publish", "replicate", "lookup", "roster", "custody"]
        .map(|name| format!("almenara/v1/{name}.proto"));
    for file in &files {
        println!("cargo:rerun-if-changed=../proto/{file}");
    }
    let set = protox::compile(files, ["../proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::grpc::codec::Codec")
        .extern_path(".almenara.v1", "::almenara_proto::wire")
        .compile_fds(set)?;
    Ok(())
}
