//! Makes the stubs, from the files that `phoenix-grpc protos` writes, with protoc.

fn main() -> std::io::Result<()> {
    tonic_prost_build::configure().build_server(false).compile_protos(
        &["phoenix_grpc/v1/auth.proto", "phoenix_grpc/v1/datasets.proto"],
        &["../protos"],
    )
}
