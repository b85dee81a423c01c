//! Generates the message types and their JSON form from `proto/`.
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(["job.proto"], [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let bytes = {
        use protox::prost::Message as _;
        descriptors.encode_to_vec()
    };
    fs::write(out.join("descriptors.bin"), &bytes)?;
    prost_build::Config::new().extern_path(".google.protobuf.Struct", "crate::JsonObject").compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&bytes)?
        .extern_path(".google.protobuf.Struct", "crate::JsonObject")
        .preserve_proto_field_names()
        .emit_fields()
        .ignore_unknown_fields()
        .build(&[".regente.v1"])?;
    Ok(())
}
