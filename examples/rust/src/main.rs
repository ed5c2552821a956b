//! Uploads a file into a dataset and reads it back: cargo run -- DATASET FILE
use std::env;
use std::error::Error;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt, stdout};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_types::StatusExt;

use pb::auth_service_client::AuthServiceClient;
use pb::datasets_service_client::DatasetsServiceClient;
use pb::download_dataset_response::Payload as Part;
use pb::upload_dataset_request::Payload;

mod pb {
    tonic::include_proto!("phoenix_grpc.v1");
}

type Datasets = DatasetsServiceClient<InterceptedService<Channel, Bearer>>;

const CHUNK_SIZE: usize = 64 * 1024;

/// Sends a credential with every call.
struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [dataset, path] = arguments.as_slice() else {
        eprintln!("usage: cargo run -- DATASET FILE");
        std::process::exit(2);
    };
    if let Err(error) = run(dataset, path).await {
        explain(error.as_ref());
        std::process::exit(1);
    }
}

async fn run(dataset: &str, path: &str) -> Result<(), Box<dyn Error>> {
    let address = env::var("PHOENIX_GRPC_ADDRESS").unwrap_or("127.0.0.1:50051".into());
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let bearer = format!("Bearer {}", credential(channel.clone()).await?).parse()?;
    let mut datasets = DatasetsServiceClient::with_interceptor(channel, Bearer(bearer));
    upload(&mut datasets, dataset, path).await?;
    download(&mut datasets, dataset).await
}

/// The API key of the environment, or the access token of a new session.
async fn credential(channel: Channel) -> Result<String, Status> {
    if let Ok(key) = env::var("PHOENIX_API_KEY") {
        return Ok(key);
    }
    let request = pb::LoginRequest {
        email: env::var("PHOENIX_EMAIL").unwrap_or_default(),
        password: env::var("PHOENIX_PASSWORD").unwrap_or_default(),
    };
    let tokens = AuthServiceClient::new(channel).login(request).await?;
    Ok(tokens.into_inner().access_token)
}

/// Sends a header, then the file in chunks: the server keeps all of it or nothing.
async fn upload(datasets: &mut Datasets, dataset: &str, path: &str) -> Result<(), Box<dyn Error>> {
    let header = pb::UploadDatasetHeader {
        dataset: Some(pb::upload_dataset_header::Dataset::Name(dataset.into())),
        action: pb::UploadAction::Append.into(),
        format: pb::UploadFormat::Jsonl.into(),
        ..Default::default()
    };
    let mut file = File::open(path).await?;
    let (sender, chunks) = mpsc::channel(4);
    let mut open = Some(sender);
    let read = async {
        while let Some(sender) = &open {
            let mut chunk = Vec::with_capacity(CHUNK_SIZE);
            // An error drops the call before the channel closes, so that half a file is never a whole upload.
            if file.read_buf(&mut chunk).await? == 0 || sender.send(Payload::Chunk(chunk)).await.is_err() {
                open = None;
            }
        }
        Ok::<_, Box<dyn Error>>(())
    };
    let messages = tokio_stream::once(Payload::Header(header))
        .chain(ReceiverStream::new(chunks))
        .map(|payload| pb::UploadDatasetRequest { payload: Some(payload) });
    let call = async { Ok(datasets.upload_dataset(messages).await?.into_inner()) };
    let ((), done) = tokio::try_join!(read, call)?;
    eprintln!(
        "{}: {} records read, {} created, {} updated",
        done.dataset.unwrap_or_default().name,
        done.record_count,
        done.created_count,
        done.updated_count
    );
    Ok(())
}

/// Writes the latest version to standard output, one JSON object a line.
async fn download(datasets: &mut Datasets, dataset: &str) -> Result<(), Box<dyn Error>> {
    let request = pb::DownloadDatasetRequest {
        dataset: Some(pb::download_dataset_request::Dataset::Name(dataset.into())),
        ..Default::default()
    };
    let mut messages = datasets.download_dataset(request).await?.into_inner();
    let mut out = stdout();
    while let Some(message) = messages.message().await? {
        if let Some(Part::Chunk(chunk)) = message.payload {
            out.write_all(&chunk).await?;
        }
    }
    Ok(out.flush().await?)
}

/// Prints an error; every refusal of the server carries a reason, some say when to try again.
fn explain(error: &(dyn Error + 'static)) {
    let Some(status) = error.downcast_ref::<Status>() else {
        eprintln!("{error}");
        return;
    };
    eprintln!("{}", status.message());
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        eprintln!("reason: {}", info.reason);
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        eprintln!("retry in: {} s", delay.as_secs());
    }
}
